"""Counts per interval from the config to the picture: right values, samples, predictions, the folder and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import minimize
from scipy.special import gammaln

import odefit
from odefit.fitting.run import Run

Array = NDArray[np.float64]
N = 500.0
DAYS = np.arange(1.0, 16.0)
CASES = [3, 4, 6, 13, 12, 22, 37, 44, 50, 52, 61, 40, 37, 22, 20]


def epidemic(**more: Any) -> dict[str, Any]:
    """Susceptible and infectious; the sum of all infections is a state of its own."""
    return {
        "model": {
            "equations": {"S": f"-beta*S*I/{N}", "I": f"beta*S*I/{N} - gamma*I", "C": f"beta*S*I/{N}"},
            "initial": {"S": f"{N} - i0", "I": "i0", "C": 0},
            "observables": {"cases": {"increase": "C"}},
        },
        "parameters": {
            "beta": {"value": 0.9, "bounds": [0.01, 5], "scale": "log"},
            "gamma": {"value": 0.3, "bounds": [0.01, 5], "scale": "log"},
            "i0": {"value": 3, "bounds": [0.1, 100], "scale": "log"},
        },
        "data": {"start": 0},
        "noise": "poisson",
    } | more


def cases(beta: float, gamma: float, i0: float, days: Array) -> Array:
    def rates(_t: float, y: Array) -> list[float]:
        new = beta * y[0] * y[1] / N
        return [-new, new - gamma * y[1], new]

    times = np.append(0.0, days)
    found = solve_ivp(rates, (0, times[-1]), [N - i0, i0, 0.0], "DOP853", t_eval=times, rtol=1e-10, atol=1e-10)
    return np.diff(found.y[2])


def best(days: Array, counts: Array, gaussian: bool = False) -> tuple[Array, float]:
    """The optimum by hand, and what is minimised there: a Poisson likelihood, or a sum of squares."""

    def miss(u: Array) -> float:
        m = cases(*np.exp(u), days)
        if gaussian:
            return float(np.sum((m - counts) ** 2))
        return float(np.sum(m - counts * np.log(m) + gammaln(counts + 1)))

    found = minimize(miss, np.log([0.9, 0.3, 3.0]), method="BFGS", jac="3-point", options={"gtol": 1e-4})
    return np.exp(found.x), float(found.fun)


KNOWN = np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 13, 14])
COUNTED = np.add.reduceat(CASES, np.append(0, KNOWN[:-1] + 1))  # what is missing was counted with the next one


@pytest.fixture(scope="module")
def best_of_counted() -> tuple[Array, float]:
    return best(DAYS[KNOWN], COUNTED)


@pytest.mark.parametrize("method", ["auto", "dopri5"])
def test_new_cases_since_the_last_sample(method: str, best_of_counted: tuple[Array, float]) -> None:
    exact, nll = best_of_counted
    column = np.full(len(DAYS), np.nan)
    column[KNOWN] = COUNTED
    config = epidemic(solver={"method": method})
    run = odefit.fit(config, data=[odefit.Experiment("town", DAYS, {"cases": column})])
    assert run.result.status == "converged"
    np.testing.assert_allclose(run.parameters["value"].astype(float), exact, rtol=2e-4)
    assert run.result.objective.nll == pytest.approx(nll, abs=1e-4)


def test_least_squares_of_two_towns_on_days_of_their_own(tmp_path: Path) -> None:
    towns = {"a": (DAYS, np.array(CASES)), "b": (DAYS[2::3], np.add.reduceat(CASES, np.arange(0, 15, 3)) + 5)}
    rows = [f"{name},{t:g},{c}" for name, (days, counts) in towns.items() for t, c in zip(days, counts, strict=True)]
    (tmp_path / "d.csv").write_text("town,day,cases\n" + "\n".join(rows) + "\n")
    data = {"csv": str(tmp_path / "d.csv"), "start": 0, "experiment": "town", "time": "day"}
    config = epidemic(noise="gaussian", data=data)
    for name in ("beta", "gamma", "i0"):
        config["parameters"][name]["by"] = "experiment"
    values = odefit.fit(config).parameters["value"].astype(float)
    for name, (days, counts) in towns.items():
        exact, _ = best(days, counts, gaussian=True)
        np.testing.assert_allclose([values[f"{p}[{name}]"] for p in ("beta", "gamma", "i0")], exact, rtol=5e-3)


def test_predictions_pictures_and_the_folder(tmp_path: Path) -> None:
    data = [odefit.Experiment("town", DAYS, {"cases": CASES})]
    run = odefit.fit(epidemic(), data=data, out=tmp_path / "run")
    values = run.parameters["value"].astype(float).to_numpy()
    own = run.predictions()
    np.testing.assert_allclose(own["predicted"], cases(*values, DAYS), rtol=1e-4)
    assert ((own["low"] < own["predicted"]) & (own["predicted"] < own["high"])).all()
    assert ((own["new_low"] <= own["measured"]) & (own["measured"] <= own["new_high"])).mean() > 0.8
    weeks = run.predictions([7, 14, 21, 28])
    np.testing.assert_allclose(weeks["predicted"], cases(*values, np.array([7.0, 14, 21, 28])), rtol=1e-4)
    again = odefit.load_run(tmp_path / "run")
    np.testing.assert_allclose(again.predictions()["predicted"], own["predicted"], rtol=1e-12)
    figure = odefit.plot(again, "time_series", time_range=(0, 20))
    axes = figure.axes[0]
    x, y = max((line.get_data() for line in axes.lines), key=lambda xy: len(xy[0]))
    middles = np.arange(0.5, 20)
    # A staircase: within each day of the data the count of that day, and days go on after the last one.
    np.testing.assert_allclose(np.interp(middles, x, y), cases(*values, np.arange(1.0, 21.0)), rtol=1e-4)
    assert len(np.unique(np.round(y, 6))) == 20


@pytest.mark.parametrize("noise", ["poisson", {"model": "negative_binomial", "dispersion": 0.05}, 0.5])
def test_simulated_counts(noise: Any) -> None:
    truth = {"beta": 0.9, "gamma": 0.3, "i0": 3}
    section = {"parameters": truth, "times": {"start": 0, "stop": 15, "step": 1}, "noise": noise, "seed": 5}
    model = "gaussian" if noise == 0.5 else noise if isinstance(noise, str) else "negative_binomial"
    config = epidemic(data={"simulate": section}, noise=model)
    frame = odefit.simulate(config).frame
    assert np.isnan(frame["cases"][0])  # nothing can have grown yet
    exact = cases(0.9, 0.3, 3.0, DAYS)
    assert np.all(np.abs(frame["cases"][1:] - exact) < 6 * np.sqrt(exact + 0.05 * exact**2))
    run = odefit.fit(config)
    assert run.parameters.loc["beta", "value"] == pytest.approx(0.9, rel=0.3)
    assert odefit.plot(run, "time_series").axes


def test_a_network_learns_from_counts() -> None:
    pytest.importorskip("torch")
    config = {
        "model": {
            "equations": {"A": "-net(A)", "B": "net(A)"},
            "networks": {"net": {"hidden": [4], "output": "positive"}},
            "initial": {"A": 4, "B": 0},
            "observables": {"cases": {"increase": "B"}, "left": {"fold_change": "A"}},
        },
        "data": {"start": 0},
        "fit": {"method": "lbfgs", "epochs": 60},
    }
    times = np.array([0.5, 1.0, 2.0, 3.0])
    columns = {"cases": -4 * np.diff(np.exp(-0.6 * np.append(0, times))), "left": np.exp(-0.6 * times)}
    run = odefit.fit(config, data=[odefit.Experiment("a", times, columns)])
    assert float(np.abs(run.predictions(intervals=False)["residual"]).max()) < 0.05
    with pytest.raises(odefit.OdefitError, match="an observable is compared with an earlier value"):
        odefit.fit(config | {"fit": {"method": "least_squares"}}, data=[odefit.Experiment("a", times, columns)])


@pytest.mark.parametrize("solver", [{}, {"method": "rk4", "step": 0.25}])
def test_predictions_go_over_missing_cells_and_keep_the_solver_steps(solver: dict[str, Any], tmp_path: Path) -> None:
    column = np.array(CASES, dtype=np.float64)
    column[[4, 5, 11]] = np.nan
    run = odefit.fit(epidemic(solver=solver), data=[odefit.Experiment("town", DAYS, {"cases": column})])
    values = run.parameters["value"].astype(float).to_numpy()
    daily = cases(*values, DAYS)
    # A day without a count: what has come since the last one; the next count has all of it.
    expected = daily.copy()
    expected[5], expected[6], expected[12] = daily[4:6].sum(), daily[4:7].sum(), daily[11:13].sum()
    np.testing.assert_allclose(run.predictions()["predicted"], expected, rtol=1e-4)
    np.testing.assert_allclose(run.predictions(DAYS)["predicted"], daily, rtol=1e-4)
    run.save(tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    np.testing.assert_allclose(again.predictions(intervals=False)["predicted"], expected, rtol=1e-4)
    written = np.genfromtxt(
        tmp_path / "run" / "predictions.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    np.testing.assert_allclose(written["predicted"], expected, rtol=1e-4)


@pytest.mark.parametrize(("first", "side"), [(1.0, "before"), (4.0, "after")])
def test_what_is_held_out_is_compared_with_the_same_value(first: float, side: str) -> None:
    """The sample before or after the dose at the start stands among those that are fitted."""
    times = np.array([0.0, 1.0, 2.0, 3.0])
    amount = 4 * np.exp(-0.5 * times)
    config = {
        "model": {
            "equations": {"A": "-k*A", "M": "k*A"},
            "initial": {"A": 1, "M": 0},
            "observables": {"rel": {"fold_change": "A"}, "out": {"increase": "M"}},
        },
        "parameters": {"k": {"value": 0.4, "bounds": [0.01, 5], "scale": "log"}},
        "data": {
            "doses": [{"time": 0, "state": "A", "amount": 3}],
            "hold_out": {"after": 2},
            "at_jumps": side,
        },
        "noise": {name: {"model": "gaussian", "sigma": 0.01} for name in ("rel", "out")},
    }
    rel = np.append(1.0, amount[1:] / first)
    out = np.append(np.nan, -np.diff(amount))
    run = odefit.fit(config, data=[odefit.Experiment("a", times, {"rel": rel, "out": out})])
    assert run.parameters.loc["k", "value"] == pytest.approx(0.5, rel=1e-6)
    assert run.result.hold_out is not None
    assert run.result.hold_out.rmse == pytest.approx({"rel": 0, "out": 0}, abs=1e-5)
    for asked in ([3.0], [0.0, 3.0]):
        later = run.predictions(asked).query("observable == 'rel'")["predicted"]
        assert later.iloc[-1] == pytest.approx(rel[-1], rel=1e-5)


def test_the_true_model_may_have_other_observables() -> None:
    model = {"equations": {"A": "-k*A", "M": "k*A"}, "initial": {"A": 10, "M": 0}}
    true = {**model, "observables": {"twice": "2*A", "left": "A", "out": {"increase": "M"}}}
    times = [0, 1, 3, 6]
    config = {
        "model": {**model, "observables": {"out": {"increase": "M"}, "left": "A"}},
        "parameters": {"k": {"value": 0.5, "bounds": [0.01, 5]}},
        "data": {"simulate": {"model": true, "parameters": {"k": 0.3}, "times": times, "noise": 0.01, "seed": 1}},
    }
    run = odefit.fit(config)
    assert isinstance(run, Run)
    found = run.solve_truth([np.array([1.0, 3.0])])
    assert found is not None
    left = 10 * np.exp(-0.3 * np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(
        found.observables[0], np.stack([2 * left[1:], left[1:], -np.diff(left)], axis=1), rtol=1e-8
    )


def test_counts_over_a_length_that_is_said_lose_what_is_missing_before_them() -> None:
    """Days 5, 10 and 11 were never counted: what follows them is that of one day, as by hand, with or without a row."""
    column = np.array(CASES, dtype=float)
    column[[4, 9, 10]] = np.nan
    rows = ~np.isin(np.arange(len(DAYS)), [9, 10])

    def miss(u: Array) -> float:
        seen = ~np.isnan(column)
        m = cases(*np.exp(u), DAYS)[seen]
        return float(np.sum(m - column[seen] * np.log(m) + gammaln(column[seen] + 1)))

    found = minimize(miss, np.log([0.9, 0.3, 3.0]), method="BFGS", jac="3-point", options={"gtol": 1e-4})
    config = epidemic()
    config["model"]["observables"] = {"cases": {"increase": "C", "over": 1}}
    whole = odefit.load(config, data=[odefit.Experiment("town", DAYS, {"cases": column})])
    few = [odefit.Experiment("town", DAYS[rows], {"cases": column[rows]})]
    run = odefit.fit(config, data=few)
    assert whole.nll(whole.x0) == pytest.approx(odefit.load(config, data=few).nll(whole.x0), rel=1e-6)
    assert run.result.objective.nll == pytest.approx(found.fun, abs=1e-3)
    np.testing.assert_allclose([run.result.estimates[n].value for n in ("beta", "gamma", "i0")], np.exp(found.x), 5e-3)
    lines = odefit.plot(run, "time_series").axes[0].lines
    highest = max(np.nanmax(np.asarray(line.get_ydata(), dtype=float)) for line in lines)
    assert highest < 1.3 * max(CASES)  # the stairs over lost days are those of a day each


def test_counts_after_missing_ones_are_named_with_the_key_that_says_they_are_lost() -> None:
    column = np.array(CASES, dtype=float)
    column[[4, 9, 10]] = np.nan
    said = odefit.check(epidemic(), data=[odefit.Experiment("town", DAYS, {"cases": column})])
    assert (
        "note: cases: 2 counts (t = 6, 12) of more than 1, the usual interval: taken for all since the count before; "
        "where the missing ones are lost, write `{increase: …, over: 1}`"
    ) in said
    lost = epidemic()
    lost["model"]["observables"] = {"cases": {"increase": "C", "over": 1}}
    assert "missing ones" not in odefit.check(lost, data=[odefit.Experiment("town", DAYS, {"cases": column})])


def test_a_length_that_is_that_of_all_intervals_changes_none_of_them() -> None:
    """0.8 less 0.1 is a little more than 0.7: what is left between them would be an interval of its own."""
    days = 0.1 * DAYS
    column = np.array(CASES, dtype=float)
    column[[4, 9, 10]] = np.nan
    config = epidemic()
    config["model"]["observables"] = {"cases": {"increase": "C", "over": 0.1}}
    run = odefit.fit(config, ["fit.max_iterations=1"], data=[odefit.Experiment("town", days, {"cases": column})])
    [town] = run.assembly.measured
    begins, ends = town.intervals[~np.isnan(column), 0].T
    known = np.isin(begins, [town.start, *ends])
    np.testing.assert_array_equal(~known, np.isin(ends, days[[5, 11]]))  # those after lost counts alone
    np.testing.assert_allclose((ends - begins)[~known], 0.1)


def test_a_length_that_would_count_cases_twice_is_refused() -> None:
    config = epidemic()
    config["model"]["observables"] = {"cases": {"increase": "C", "over": 7}}
    with pytest.raises(odefit.ConfigError, match="`over: 7` is longer than the 1 from one count to the next at t = 2"):
        odefit.fit(config, data=[odefit.Experiment("town", DAYS, {"cases": CASES})])
    config["model"]["observables"] = {"cases": {"formula": "C", "over": 7}}
    with pytest.raises(odefit.ConfigError, match="`over` is for an `increase`"):
        odefit.check(config, data=[odefit.Experiment("town", DAYS, {"cases": CASES})])
