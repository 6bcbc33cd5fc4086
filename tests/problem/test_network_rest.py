"""Rest before the start, and rows at infinite time, of equations with networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from odefit.errors import ModelError, SolveError

torch = pytest.importorskip("torch")

from assembled_hybrids import objective, worst_difference  # noqa: E402
from odefit.config.load import load_config  # noqa: E402
from odefit.problem.assembly import Assembly  # noqa: E402
from odefit.problem.preparation import prepare  # noqa: E402

pytestmark = pytest.mark.torch

BASE: dict[str, Any] = {
    "parameters": {"k": {"value": 0.5, "bounds": [0.1, 5]}},
    "data": {"csv": "data.csv", "start": 0, "experiments": {"a": {"c": 1}, "b": {"c": 2}}},
    "noise": {"sigma": 0.1},
    "solver": {"rtol": 1e-9, "atol": 1e-11},
    "fit": {"loss": "nll"},
}
MODEL: dict[str, Any] = {
    "equations": {"x": "k - net(x, c)^2*x - x"},
    "initial": {"x": 0.3},
    "networks": {"net": {"hidden": [3]}},
}
DATA = "experiment,time,x\na,0.5,0.35\na,1,0.4\nb,0.5,0.3\nb,1,0.2\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def assembled(data: str = DATA, **model: Any) -> Assembly:
    Path("data.csv").write_text(data)
    return prepare(load_config(BASE | {"model": MODEL | model}))[0]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("other constants before", {"steady_state": {"c": 0}}),
    ("the same before", {"steady_state": True, "events": [{"time": 0, "set": {"x": "2*x + k"}}]}),
    ("events on the way", {"steady_state": {"c": 0}, "events": [{"time": 0.7, "set": {"x": "x/2"}}]}),
    (
        "a conserved sum",
        {
            "equations": {"x": "-k*x + net(x, c)^2*y", "y": "k*x - net(x, c)^2*y"},
            "initial": {"x": "k", "y": 0.5},
            "observables": {"x": "x"},
            "steady_state": {"c": 0},
        },
    ),
    ("a network of constants", {"equations": {"x": "k - net(k, c)^2*x - x"}, "steady_state": {"c": 0}}),
    (
        "a network in an observable",
        {"equations": {"x": "k - x"}, "observables": {"x": "x + net(x, c)"}, "steady_state": {"k": 1}},
    ),
]


@pytest.mark.parametrize("model", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_gradients_from_rest_are_those_of_differences(model: dict[str, Any]) -> None:
    assert worst_difference(assembled(**model)) < 1e-7


def test_rest_before_the_start_is_where_the_equations_come_to() -> None:
    assembly = assembled(steady_state={"c": 0})
    net = assembly.networks["net"]  # type: ignore[index]

    def slope(c: float) -> Any:
        def f(_: float, y: Any) -> Any:
            with torch.no_grad():
                out = float(net(torch.tensor([[y[0], c]], dtype=torch.float64))[0, 0])
            return [0.5 - out**2 * y[0] - y[0]]

        return f

    rest = solve_ivp(slope(0), (0, 60), [0.3], rtol=1e-10, atol=1e-12).y[:, -1]
    predicted = assembly.problem.predict(assembly.problem.table.values)
    for c, found in zip((1, 2), predicted, strict=True):
        way = solve_ivp(slope(c), (0, 1), rest, t_eval=[0.5, 1], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found[:, 0], way.y[0], rtol=1e-7)


def test_a_row_at_infinite_time_is_where_the_equations_come_to() -> None:
    assembly = assembled("experiment,time,x\na,0.5,0.35\na,inf,0.4\nb,0.5,0.3\nb,inf,0.2\n")
    assert worst_difference(assembly) < 1e-7
    last = [float(g[-1, 0]) for g in assembly.problem.predict(assembly.problem.table.values)]
    net = assembly.networks["net"]  # type: ignore[index]
    for c, x in zip((1, 2), last, strict=True):
        out = float(net(torch.tensor([[x, c]], dtype=torch.float64))[0, 0].detach())
        assert 0.5 - out**2 * x - x == pytest.approx(0, abs=1e-12)


def test_what_never_rests_is_said() -> None:
    oscillating = {"equations": {"x": "y", "y": "-x + 0*net(x, c)"}, "initial": {"x": 1, "y": 0}}
    assembly = assembled(**oscillating, observables={"x": "k*x"}, steady_state=True)
    module, batch = objective(assembly)
    with pytest.raises(SolveError, match="no steady state was reached before the start"):
        module(batch)


def test_rest_with_events_by_conditions_needs_equations_without_networks() -> None:
    with pytest.raises(ModelError, match="needs equations without networks"):
        assembled(steady_state={"c": 0}, events=[{"when": "x > 0.45", "set": {"x": "x/2"}}])
