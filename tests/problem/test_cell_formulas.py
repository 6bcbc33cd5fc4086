"""Cells of data.experiments that are formulas: one symbol, another formula of parameters in each experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from small_problems import central_differences

TIMES = np.linspace(0.0, 4.0, 5)
RATES = {"a": 0.5, "b": 0.8, "c": 0.3, "d": 0.26, "e": 0.5}
CELLS = {
    "a": {"k": "ka", "x_0": 2, "w": 1},
    "b": {"k": "kb", "x_0": "2*s", "w": 2},
    "c": {"k": 0.3, "x_0": "s", "w": 0},
    "d": {"k": "ka*kb/(1 + w) + s/w", "x_0": 2, "w": 4},
    "e": {"k": "again", "x_0": "s + 1", "w": 1, "again": "ka"},
}


def cells(chosen: str = "abcde") -> dict[str, dict[str, Any]]:
    return {name: {"again": 0.0} | CELLS[name] for name in chosen}


def config(table: Any, method: str = "auto", noise: str = "sd") -> dict[str, Any]:
    return {
        "model": {"equations": {"x": "-k*x"}, "observables": {"x": "x"}},
        "parameters": {
            "ka": {"value": 0.45, "bounds": [0.01, 5], "scale": "log"},
            "kb": {"value": 0.7, "bounds": [0.01, 5], "scale": "log"},
            "s": {"value": 1.0, "bounds": [0.1, 10]},
            "double": "2*k",
        },
        "noise": {"sigma": noise},
        "data": {"experiments": table},
        "solver": {"rtol": 1e-10, "atol": 1e-12, "method": method},
    }


def measured(chosen: str = "abcde") -> list[odefit.Experiment]:
    return [odefit.Experiment(name, TIMES, {"x": 2 * np.exp(-RATES[name] * TIMES)}, start=0) for name in chosen]


def expected(x: np.ndarray, chosen: str = "abcde", sd: float = 0.1) -> float:
    """The likelihood by the closed form of exponential decay."""
    ka, kb, s = x
    rate = {"a": ka, "b": kb, "c": 0.3, "d": ka * kb / 5 + s / 4, "e": ka}
    start = {"a": 2.0, "b": 2 * s, "c": s, "d": 2.0, "e": s + 1}
    r = [start[n] * np.exp(-rate[n] * TIMES) - 2 * np.exp(-RATES[n] * TIMES) for n in chosen]
    return float(np.sum(np.square(r)) / (2 * sd**2) + len(chosen) * len(TIMES) * np.log(sd * np.sqrt(2 * np.pi)))


@pytest.mark.quick
@pytest.mark.parametrize("method", ["auto", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_each_experiment_has_its_own_formula(method: str) -> None:
    """Numbers, names and formulas side by side in one column; one of them would divide by zero elsewhere (w = 0)."""
    problem = odefit.load(config(cells(), method, "0.1"), data=measured())
    assert problem.names == ("ka", "kb", "s")
    x = np.array([0.5, 0.6, 1.2])
    assert problem.nll(x) == pytest.approx(expected(x), rel=1e-6)
    assert problem.gradient(x) == pytest.approx(central_differences(expected, x), rel=1e-4)


def test_a_table_in_a_file_and_experiments_by_hand_say_the_same(tmp_path: Path) -> None:
    header = ("k", "x_0", "w", "again")
    lines = [f"{name},{','.join(str(row[key]) for key in header)}" for name, row in cells().items()]
    (tmp_path / "e.csv").write_text("\n".join([f"experiment,{','.join(header)}", *lines]) + "\n")
    x = np.array([0.5, 0.6, 1.2])
    from_file = odefit.load(config(str(tmp_path / "e.csv"), noise="0.1"), data=measured())
    by_hand = [
        odefit.Experiment(e.name, e.times, {"x": e.values[:, 0]}, start=0, constants=cells()[e.name])
        for e in measured()
    ]
    plain = config(None, noise="0.1")
    del plain["data"]
    assert from_file.nll(x) == pytest.approx(expected(x), rel=1e-6)
    assert odefit.load(plain, data=by_hand).nll(x) == from_file.nll(x)


def test_noise_levels_and_some_of_the_experiments() -> None:
    """`sd` is a column of names; parameters that only cells of experiments name that are left out do no harm."""
    table = cells()
    for name, level in zip("abcde", ("s/10", "s/10", "sd_c", "sd_c", 0.2), strict=True):
        table[name]["sd"] = level
    text = config(table)
    text["parameters"] |= {"sd_c": {"value": 0.3, "bounds": [0.01, 1], "scale": "log"}}
    problem = odefit.load(text, data=measured())
    assert problem.names == ("ka", "kb", "s", "sd_c")
    x = np.array([0.5, 0.6, 1.2, 0.3])
    want = expected(x[:3], "ab", 0.12) + expected(x[:3], "cd", 0.3) + expected(x[:3], "e", 0.2)
    assert problem.nll(x) == pytest.approx(want, rel=1e-6)
    text["data"]["only"] = ["a", "e"]
    some = odefit.load(text, data=measured())
    assert some.names == ("ka", "s")
    assert some.nll([0.5, 1.2]) == pytest.approx(expected(x[:3], "a", 0.12) + expected(x[:3], "e", 0.2), rel=1e-6)


def test_a_fit_its_folder_and_what_is_reported(tmp_path: Path) -> None:
    text = config(cells("abcd"), noise="0.05") | {"fit": {"starts": 2, "workers": 2}}
    run = odefit.fit(text, data=measured("abcd"), out=tmp_path / "run")
    assert run.result.status == "converged"
    again = odefit.load_run(tmp_path / "run")
    assert again.predictions()["predicted"].to_numpy() == pytest.approx(run.predictions()["predicted"].to_numpy())
    values = {name: estimate.value for name, estimate in run.result.estimates.items()}
    best = np.array([values[name] for name in ("ka", "kb", "s")])
    assert central_differences(lambda x: expected(x, "abcd", 0.05), best) == pytest.approx([0, 0, 0], abs=0.2)
    assert run.result.objective.nll == pytest.approx(expected(best, "abcd", 0.05), rel=1e-6)
    assert values["double[b]"] == pytest.approx(2 * values["kb"])
    assert "ka*kb/(1 + w) + s/w" in (tmp_path / "run" / "experiments.csv").read_text()
    assert "k = ka" in odefit.check(text, data=measured("abcd"))


def test_simulated_data_follow_the_cells() -> None:
    text = config(cells())
    del text["parameters"]["double"]
    truth = {"ka": 0.5, "kb": 0.6, "s": 1.2}
    text["data"]["simulate"] = {"times": TIMES.tolist(), "parameters": truth, "noise": 0.0, "seed": 1}
    simulated = odefit.simulate(text | {"noise": {"sigma": 0.1}})
    x = {e.name: e.values[:, 0] for e in simulated.experiments}
    assert x["d"] == pytest.approx(2 * np.exp(-(0.3 / 5 + 0.3) * TIMES), rel=1e-6)
    assert x["b"] == pytest.approx(2.4 * np.exp(-0.6 * TIMES), rel=1e-6)
    assert dict(simulated.truth).items() >= truth.items()
    problem = odefit.load(text | {"noise": {"sigma": 0.1}})
    assert problem.gradient(list(truth.values())) == pytest.approx([0, 0, 0], abs=1e-4)


REFUSED = {
    "ka*nothing": "unknown symbol 'nothing'",
    "ka*x": "a cell cannot depend on 'x', which is not known before the start",
    "ka*t": "a cell cannot depend on 't', which is not known before the start",
    "2*k": "is defined by itself: k -> k; break the circle",
    "1.2.3": "'1.2.3' is no number and, as a formula, has a fault: an operator is missing before '.3'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_faulty_cell_is_named_with_its_place(text: str) -> None:
    table = cells("ab")
    table["b"]["k"] = text
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load(config(table, noise="0.1"), data=measured("ab"))
    (fault,) = caught.value.faults
    assert REFUSED[text] in fault.what
    assert "data.experiments.b.k" in fault.where


def test_columns_that_no_formula_names_are_labels_still() -> None:
    table = {"a": {"kind": "ka"}, "b": {"kind": "kb"}}
    text = config(table, noise="0.1")
    text["parameters"] = {"k": {"value": 0.5, "by": "kind"}, "x_0": {"value": 2, "estimate": False}}
    assert odefit.load(text, data=measured("ab")).names == ("k[ka]", "k[kb]")


def test_a_run_folder_keeps_which_experiments_came_to_rest(tmp_path: Path) -> None:
    model = {"equations": {"x": "s*k - x"}, "initial": {"x": 0}, "steady_state": {"s": 1}}
    text = {"model": model, "parameters": {"k": 1.0, "s": {"value": 2, "estimate": False}}, "noise": {"sigma": 0.1}}
    text["data"] = {"experiments": {"a": {"steady_state": "yes"}, "b": {"steady_state": "no"}}}
    data = [odefit.Experiment(name, [0, 1, 2], {"x": [0.5, 1, 1]}) for name in "ab"]
    run = odefit.fit(text, data=data, out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run").predictions()["predicted"].to_numpy()
    assert again == pytest.approx(run.predictions()["predicted"].to_numpy(), rel=1e-6)
    assert again[3] == 0
