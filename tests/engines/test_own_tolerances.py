"""An absolute tolerance of each state's own: the same equations in other units take the same steps."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.model.system import System
from small_problems import make_system

TIMES = np.linspace(0.5, 15.0, 12)
SERIES = [Experiment("1", TIMES, np.empty((len(TIMES), 0)), 0.0)]
P = np.array([1.0, 1.5, 0.8, 1.2, 0.6])
PARAMETERS = ("a", "b", "g", "d", "x0")
METHODS = ("tsit45", "bdf", "esdirk34", "tr_bdf2", pytest.param("dopri5", marks=pytest.mark.torch))


def predators() -> System:
    return make_system({"x": "a*x - b*x*y", "y": "d*x*y - g*y"}, {"x": "x0", "y": 0.5}, PARAMETERS)


def in_units(c: float, e: float) -> tuple[System, np.ndarray, np.ndarray]:
    """The same with x in units of 1/c and y of 1/e: system, parameters, and their units."""
    units = np.array([1.0, 1 / e, 1.0, 1 / c, c])
    system = make_system({"x": "a*x - b*x*y", "y": "d*x*y - g*y"}, {"x": "x0", "y": 0.5 * e}, PARAMETERS)
    return system, P * units, units


def engine_for(system: System, method: str, atol: float | tuple[float, ...], sizes: np.ndarray) -> Engine:
    typical = tuple(zip(PARAMETERS, sizes.tolist(), strict=True))
    return make_engine(system, SolverOptions(method, atol=atol, typical=typical), PARAMETERS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("c, e", [(1e-6, 1e-6), (1e-3, 1e-9), (1e-12, 1.0), (1e9, 1e-3)])
def test_other_units_give_the_same_solution_and_sensitivities(method: str, c: float, e: float) -> None:
    plain = engine_for(predators(), method, 1e-8, np.ones(5)).solve(P[None], SERIES, sensitivities=True)
    system, p, units = in_units(c, e)
    other = engine_for(system, method, (1e-8 * c, 1e-8 * e), units).solve(p[None], SERIES, sensitivities=True)
    scale = np.array([c, e])
    np.testing.assert_allclose(other.y / scale, plain.y, rtol=1e-5)
    assert plain.dy is not None
    assert other.dy is not None
    size = np.abs(plain.dy).max(axis=0)
    assert np.abs(other.dy * units / scale[:, None] - plain.dy).max() <= 1e-4 * size.max()


@pytest.mark.parametrize("method", ["tsit45", "bdf"])
def test_the_steps_are_the_same(method: str) -> None:
    plain = engine_for(predators(), method, 1e-8, np.ones(5)).count_steps(P[None], SERIES)
    system, p, units = in_units(1e-9, 1e-3)
    assert engine_for(system, method, (1e-17, 1e-11), units).count_steps(p[None], SERIES) == plain


def test_one_tolerance_for_all_misses_what_is_small() -> None:
    exact = engine_for(predators(), "tsit45", 1e-12, np.ones(5)).solve(P[None], SERIES).y
    system, p, units = in_units(1e-6, 1e-9)
    blind = engine_for(system, "tsit45", 1e-8, np.ones(5)).solve(p[None], SERIES).y / [1e-6, 1e-9]
    seeing = engine_for(system, "tsit45", (1e-14, 1e-17), units).solve(p[None], SERIES).y / [1e-6, 1e-9]
    assert np.abs(blind / exact - 1).max() > 0.01
    assert np.abs(seeing / exact - 1).max() < 1e-4


@pytest.mark.torch
@pytest.mark.parametrize("method, adjoint", [("dopri5", True), ("dopri5", False), ("scipy_solver", True)])
def test_gradients_of_tensors(method: str, adjoint: bool) -> None:
    import torch

    from odefit.data.dataset import collate

    system, p, _ = in_units(1e-6, 1e-9)
    options = SolverOptions(method, 1e-8, (1e-16, 1e-19), adjoint=adjoint)
    row = torch.tensor(p[None], requires_grad=True)
    batch = collate(list(enumerate(SERIES)), dtype=torch.float64, device=torch.device("cpu"))
    y = make_engine(system, options).solve_batch(row, batch)
    y[0, -1, 0].backward()
    exact = make_engine(system, SolverOptions("tsit45", 1e-10, (1e-18, 1e-21)), PARAMETERS)
    dy = exact.solve(p[None], SERIES, sensitivities=True).dy
    assert row.grad is not None
    assert dy is not None
    np.testing.assert_allclose(row.grad[0].numpy() * p, dy[-1, 0] * p, rtol=1e-4)


def test_an_engine_that_takes_one_tolerance_gets_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    from odefit.engines import registry

    entry = registry.ENGINES["diffsol"]
    plain = registry.EngineEntry(entry.make, entry.available)
    monkeypatch.setitem(registry.ENGINES, "diffsol", plain)
    engine = make_engine(predators(), SolverOptions("tsit45", atol=(1e-9, 1e-12)))
    assert engine.options.atol == 1e-12
