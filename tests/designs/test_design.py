"""`odefit.design`: information of candidates against closed forms, the ranking against simulated refits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import odefit
from commands import run as command
from odefit.designs import sets
from odefit.designs.sets import best_sets

Array = NDArray[np.float64]
TIMES = np.array([0.0, 1, 2, 3])
CONFIG: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": "a"}},
    "parameters": {"k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"}, "a": {"value": 3, "bounds": [0, 50]}},
    "noise": {"x": {"sigma": 0.2}},
    "solver": {"rtol": 1e-9, "atol": 1e-10},
}


def decay(t: Array, k: float, a: float) -> Array:
    return a * np.exp(-k * t)


@pytest.fixture(scope="module")
def run() -> odefit.Run:
    noise = 0.2 * np.random.default_rng(1).standard_normal(4)
    fitted = odefit.fit(CONFIG, data=pd.DataFrame({"time": TIMES, "x": decay(TIMES, 0.5, 3.0) + noise}))
    assert isinstance(fitted, odefit.Run)
    return fitted


def information(t: Array, k: float, a: float) -> Array:
    """On (ln k, a), sigma 0.2."""
    j = np.stack([-k * t * decay(t, k, a), np.exp(-k * t)], axis=1) / 0.2
    return np.asarray(j.T @ j)


def estimates(run: odefit.Run) -> tuple[float, float]:
    k, a = (float(run.result.estimates[name].value or 0) for name in ("k", "a"))
    return k, a


@pytest.mark.quick
def test_criteria_are_those_of_the_closed_form(run: odefit.Run) -> None:
    k, a = estimates(run)
    candidates = {"early": {"times": "0.5 1"}, "late": {"times": [4, 8]}, "often": {"times": 2, "replicates": 5}}
    times = {"early": np.array([0.5, 1]), "late": np.array([4.0, 8]), "often": np.full(5, 2.0)}
    start = information(TIMES, k, a)
    size = np.array([1.0, a])
    d, one, both = (
        odefit.design(run, candidates, names, criterion=kind)  # type: ignore[arg-type]
        for names, kind in ((None, None), (["k"], None), (["k", "a"], "a"))
    )
    assert (d.criterion, one.criterion, both.criterion) == ("d", "c", "a")
    for name, t in times.items():
        v = np.linalg.inv(start + information(t, k, a))
        relative = v / np.outer(size, size)
        assert d.frame.d[name] == pytest.approx(np.linalg.det(relative) ** 0.25, rel=1e-5)
        assert both.frame.a[name] == pytest.approx(np.sqrt(np.trace(relative) / 2), rel=1e-5)
        assert one.frame.c[name] == pytest.approx(k * np.sqrt(v[0, 0]), rel=1e-5)
        assert d.frame.error_a[name] == pytest.approx(np.sqrt(v[1, 1]), rel=1e-5)
    assert d.frame.measurements.to_dict() == {"early": 2, "late": 2, "often": 5}
    assert d.frame.d.is_monotonic_increasing
    assert d.now[0] == pytest.approx(np.linalg.det(np.linalg.inv(start) / np.outer(size, size)) ** 0.25, rel=1e-5)
    assert d.frame.reduction_percent.iloc[0] == pytest.approx(100 * (1 - d.frame.d.iloc[0] / d.now[0]))
    assert d.judgement.startswith(f"{d.frame.index[0]} (")


def test_the_errors_of_today_are_those_of_the_fit(run: odefit.Run) -> None:
    found = odefit.design(run, {"one": {"times": 1}}, ["k", "a"])
    assert found.now[1:] == pytest.approx([run.result.estimates[n].standard_error for n in ("k", "a")], rel=1e-6)


def test_the_same_experiment_again_halves_the_variances(run: odefit.Run) -> None:
    found = odefit.design(run, {"again": {"times": "0 1 2 3"}}, ["k", "a", "x(2.5)"], criterion="a")
    assert found.frame.reduction_percent["again"] == pytest.approx(100 * (1 - 1 / np.sqrt(2)), rel=1e-5)


def test_the_best_time_for_a_rate_is_its_inverse() -> None:
    """With a known start, x = exp(-k t) tells most of k at t = 1/k."""
    config = {**CONFIG, "model": {"equations": {"x": "-k*x"}, "initial": {"x": 3}}}
    config["parameters"] = {"k": CONFIG["parameters"]["k"]}
    run = odefit.fit(config, data=pd.DataFrame({"time": [1.0, 3.0], "x": [1.9, 0.6]}))
    k = float(run.result.estimates["k"].value or 0)
    grid = np.linspace(0.2, 3, 15) / k
    found = odefit.design(run, {f"{k * t:.1f}": {"times": float(t)} for t in grid}, ["k"])
    assert found.frame.index[0] in ("1.0",)


def test_conditions_doses_and_predictions(run: odefit.Run) -> None:
    k, a = estimates(run)
    candidates = pd.DataFrame({"candidate": ["high", "fed"], "times": ["1 2", "1 2"], "a": [30.0, None]})
    found = odefit.design(run, candidates, ["x(6)"], doses=[{"experiment": "fed", "time": 0, "amount": 7}])
    t = np.array([1.0, 2])
    start = information(TIMES, k, a)
    g = np.array([-k * 6 * decay(6, k, a), np.exp(-6 * k)])
    high = information(t, k, 30.0) * np.array([[1, 0], [0, 0]])  # there the start is a number
    fed = np.stack([-k * t * decay(t, k, a + 7), np.exp(-k * t)], axis=1) / 0.2
    for name, more in (("high", high), ("fed", fed.T @ fed)):
        expected = np.sqrt(g @ np.linalg.inv(start + more) @ g)
        assert found.frame.c[name] == pytest.approx(expected, rel=1e-5)


def test_what_is_open_can_be_closed() -> None:
    """c and a are seen as a product only; measuring the state itself tells them apart."""
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": "a"}, "observables": {"y": "c*x", "z": "x"}},
        "parameters": {**CONFIG["parameters"], "c": {"value": 2, "bounds": [0.1, 20], "scale": "log"}},
        "noise": {"y": {"sigma": 0.2}, "z": {"sigma": 0.2}},
    }
    rng = np.random.default_rng(2)
    y = 2 * decay(TIMES, 0.5, 3) + 0.2 * rng.standard_normal(4)
    z = np.full(4, np.nan)
    z[-1] = 0.7
    # One measurement of z fixes the scale poorly; the fit is determined.
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "y": y, "z": z}))
    found = odefit.design(
        run, {"y": {"times": "0 1", "observables": "y"}, "z": {"times": "0 1", "observables": "z"}}, ["c"]
    )
    assert found.frame.index[0] == "z"
    assert found.frame.reduction_percent["z"] > 50 > 10 > found.frame.reduction_percent["y"]


def test_the_ranking_is_that_of_simulated_refits(run: odefit.Run) -> None:
    """Data of the whole are made anew and fitted anew: the spread of k is the error that was promised."""
    k, a = estimates(run)
    candidates = {"good": np.array([1.0, 2, 3, 4]), "poor": np.array([0.0, 0.1, 9, 10])}
    table = {name: {"times": " ".join(map(str, t))} for name, t in candidates.items()}
    promised = pd.concat([odefit.design(run, table, ["k"], choose=size).frame.c for size in (1, 2)])
    candidates["good + poor"] = np.concatenate([*candidates.values()])
    rng, n = np.random.default_rng(3), 400
    for name, more in candidates.items():
        t = np.concatenate([TIMES, more])
        data = decay(t, k, a) + 0.2 * rng.standard_normal((n, len(t)))
        found = np.array([_refitted(t, d, k, a) for d in data])
        # The standard deviation of a standard deviation of 400 is 3.5 %.
        assert found.std(ddof=1) == pytest.approx(promised[name], rel=0.12)
    assert promised["good"] < 0.85 * promised["poor"]


def test_pairs_are_ranked_by_the_information_of_both(run: odefit.Run) -> None:
    k, a = estimates(run)
    candidates = {"early": [0.1, 0.2], "middle": [1.5, 2.5], "late": [5.0, 6.0], "one": [2.0]}
    table = {name: {"times": " ".join(map(str, t))} for name, t in candidates.items()}
    found = odefit.design(run, table, ["k"], choose=2)
    assert len(found.frame) == 6
    own = np.linalg.inv(information(TIMES, k, a))[0, 0]
    for name, row in found.frame.iterrows():
        more = np.concatenate([candidates[one] for one in str(name).split(" + ")])
        after = np.linalg.inv(information(np.append(TIMES, more), k, a))[0, 0]
        assert row.c / found.now[0] == pytest.approx(np.sqrt(after / own), rel=1e-4)
        assert row.measurements == len(more)
    assert found.frame.c.is_monotonic_increasing
    assert found.notes == ("all 6 sets of 2 of 4 candidates were looked at",)
    assert found.judgement.startswith(f"{found.frame.index[0]} (")
    with pytest.raises(odefit.InputError, match="choose: must be from 1 to 4, the number of candidates"):
        odefit.design(run, table, choose=5)


def test_exchange_finds_the_best_set_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((24, 4)) * rng.uniform(0.2, 2, (24, 1))

    def rank(members: tuple[int, ...]) -> tuple[float, ...]:
        chosen = rows[list(members)]
        return (-float(np.linalg.slogdet(1e-3 * np.eye(4) + chosen.T @ chosen)[1]),)

    found, are_all = best_sets(24, 3, rank)  # 2,024
    assert not are_all
    assert len(found) < 500
    assert found == sorted(found, key=rank)
    monkeypatch.setattr(sets, "ALL", 3000)
    every, are_all = best_sets(24, 3, rank)
    assert are_all
    assert found[0] == every[0]


def _refitted(t: Array, d: Array, k: float, a: float) -> float:
    """k by Gauss-Newton from the truth, which has no trouble here."""
    x = np.array([k, a])
    for _ in range(6):
        j = np.stack([-t * decay(t, *x), np.exp(-x[0] * t)], axis=1)
        x = x + np.linalg.lstsq(j, d - decay(t, *x), rcond=None)[0]
    return float(x[0])


@pytest.mark.parametrize(
    ("table", "names", "more", "what"),
    [
        ({"c": {}}, None, {}, "candidates.c: no times: give a column `times`, or --times for all"),
        ({"c": {"times": "one"}}, None, {}, "candidates.c: 'one' is no time"),
        ({"c": {"times": 1, "observables": "y"}}, None, {}, "candidates.c: observables: 'y' is none; there is: x"),
        ({"c": {"times": 1, "replicates": 0.5}}, None, {}, "replicates: must be a whole number from 1 on"),
        ({"c": {"times": -1}}, None, {}, "candidates.c: times: -1 comes before the start (0)"),
        ({"c": {"times": 1}}, ["kk"], {}, "for: kk: is no estimated parameter and no derived quantity"),
        ({"c": {"times": 1}}, ["k"], {"criterion": "e"}, "criterion: 'e' is none"),
        ({"c": {"times": 1}}, ["k", "a"], {"criterion": "c"}, "criterion: `c` is for one quantity (got 2)"),
    ],
)
def test_what_means_nothing_is_refused(run: odefit.Run, table: Any, names: Any, more: Any, what: str) -> None:
    with pytest.raises(odefit.InputError) as found:
        odefit.design(run, table, names, **more)
    assert what in str(found.value)


def test_a_quantity_of_parameters_at_their_bounds_is_refused() -> None:
    config = {**CONFIG, "parameters": {**CONFIG["parameters"], "k": {"value": 0.3, "bounds": [0.1, 0.4]}}}
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "x": decay(TIMES, 0.9, 3.0)}))
    with pytest.raises(odefit.InputError, match="for: k: rests on parameters at their bounds alone, and has no error"):
        odefit.design(run, {"c": {"times": 1}}, ["k", "a"])


def test_a_run_without_a_certificate_is_refused() -> None:
    config = {**CONFIG, "fit": {"max_iterations": 1}}
    stopped = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "x": decay(TIMES, 3.0, 20.0)}))
    with pytest.raises(odefit.RunError, match="has no certified optimum to plan from"):
        odefit.design(stopped, {"c": {"times": 1}})


def test_the_command_ranks_writes_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: odefit.Run) -> None:
    monkeypatch.chdir(tmp_path)
    run.save(tmp_path / "fit")
    (tmp_path / "c.csv").write_text("candidate,times,replicates\nearly,0:1:0.5,\nlate,8 9,2\n")
    shown, _ = command("design", "fit", "--candidates", "c.csv", "--for", "k", "--choose", "2", "--out", "two.csv")
    assert "early + late (7 measurements) would reduce the error of k most, by" in shown
    shown, _ = command("design", "fit", "--candidates", "c.csv", "--for", "k")
    assert "early (3 measurements) would reduce the error of k most, by" in shown
    assert "written to fit_design.csv, fit_design.png" in shown
    assert pd.read_csv("fit_design.csv").measurements.tolist() == [3, 4]
    (tmp_path / "d.csv").write_text("candidate,times\na,1\na,2\n")
    _, errors = command("design", "fit", "--candidates", "d.csv", "--out", "e.csv", code=2)
    assert "d.csv:3, column candidate: 'a' has a row already" in errors
