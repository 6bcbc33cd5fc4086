"""Rows at infinite time: the steady state after all that happens, its derivatives, and what never comes to rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from interrupted_systems import Array, engine_of, experiment, interrupted, polygon
from odefit.data.dataset import collate
from odefit.data.experiments import Dose, Experiment
from odefit.engines.failure import FailureReason
from odefit.model.system import System
from small_problems import central_differences

BOTH = ("tsit45", "dopri5")
INF = np.inf

DECAY = interrupted({"x": "a - k*x"}, {"x": "x0"}, "a k x0")
CYCLE = interrupted(
    {"A": "k2*P - k1*A", "P": "k1*A - k2*P"}, {"A": "total", "P": 0}, "k1 k2 total F", dosing=("0", "F")
)
HISTORY = interrupted({"C": "-k*C", "x": "-x*C"}, {"C": "c0", "x": 1}, "k c0")
SWITCHED = interrupted(
    {"x": "piecewise(a, t < tau, 2*a) + u - k*x"},
    {"x": 0},
    "a k tau",
    inputs=("u",),
    events=[("tau + 3", {"x": "x + 1"})],
    dosing=("0", "1"),
)
GROWS = interrupted(
    {"n": "r*n*(1 - n/100)", "m": "c*n - m"},
    {"n": 1, "m": 0},
    "r c",
    triggers=[{"when": "n > 20", "changes": {"n": "n/2 + c"}, "delay": "c"}, {"when": "t > 400", "changes": {"n": 0}}],
)

CASES: dict[str, tuple[System, tuple[float, ...]]] = {
    "decay": (DECAY, (2.0, 0.5, 1.0)),
    "cycle": (CYCLE, (1.2, 0.5, 10.0, 0.7)),
    "history": (HISTORY, (1.3, 2.0)),
    "switched": (SWITCHED, (1.5, 0.6, 2.5)),
}


def case(name: str, times: list[float]) -> tuple[System, Array, Experiment]:
    system, p = CASES[name]
    doses = [Dose(1.0, system.states[0], 3.0), Dose(8.0, system.states[0], 2.0, 2.0)] if system.dosing else []
    inputs = {"u": polygon([0.0, 1.0, 9.0], [0.0, 2.0, 1.0])} if system.inputs else None
    return replace(system, comes_to_rest=True), np.array(p), experiment(times, doses=doses, inputs=inputs)


EXPECTED = {
    "decay": [4.0],
    "cycle": [0.5 / 1.7 * (10 + 0.7 * 5), 1.2 / 1.7 * (10 + 0.7 * 5)],
    "history": [0.0, np.exp(-2.0 / 1.3)],
    "switched": [(3.0 + 1.0) / 0.6],
}


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("times", [[0.5, 3.0, INF], [INF], [0.0, INF], [20.0, INF]])
@pytest.mark.parametrize("name", CASES)
def test_the_state_after_all_that_happens(name: str, times: list[float], method: str) -> None:
    system, p, one = case(name, times)
    found = engine_of(system, method).solve(p[None], [one])[0]
    assert found.failure is None
    np.testing.assert_allclose(found.y[-1], EXPECTED[name], rtol=1e-6, atol=1e-7)
    if len(times) > 1:
        plain = engine_of(system, method).solve(p[None], [replace(one, times=one.times[:-1], values=one.values[:-1])])[
            0
        ]
        np.testing.assert_allclose(found.y[:-1], plain.y, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_differences_and_with_autograd(name: str) -> None:
    system, p, one = case(name, [0.5, 3.0, INF])
    engine = engine_of(system, "auto", 1e-11)
    found = engine.solve(p[None], [one], sensitivities=True)[0]
    differences = central_differences(lambda q: engine.solve(q[None], [one])[0].y, p, 1e-5)
    np.testing.assert_allclose(found.dy, differences, rtol=1e-5, atol=1e-5)
    leaf = torch.tensor(p[None], requires_grad=True)
    y = engine_of(system, "dopri5", 1e-9).solve_batch(leaf, collate([(0, one)]))[0]
    weights = torch.as_tensor(np.random.default_rng(1).normal(size=y.shape))
    (slopes,) = torch.autograd.grad((weights * y).sum(), leaf)
    np.testing.assert_allclose(
        slopes[0].numpy(), np.einsum("ts,tsk->k", weights.numpy(), found.dy), rtol=1e-5, atol=1e-5
    )


def test_events_by_conditions_come_on_the_way_to_rest() -> None:
    """Harvested once, after a delay, and ended by the clock long after all rests."""
    system = replace(GROWS, comes_to_rest=True)
    engine, p, one = engine_of(system, "auto", 1e-10), np.array([0.8, 1.3]), experiment([1.0, INF])
    found = engine.solve(p[None], [one], sensitivities=True)[0]
    assert found.failure is None
    np.testing.assert_allclose(found.y[-1], [0.0, 0.0], atol=1e-9)
    calm = replace(system, triggers=system.triggers[:1])
    found = engine_of(calm, "auto", 1e-10).solve(p[None], [one], sensitivities=True)[0]
    np.testing.assert_allclose(found.y[-1], [100.0, 130.0], rtol=1e-9)
    np.testing.assert_allclose(found.dy[-1], [[0, 0], [0, 100]], atol=1e-6)


def test_a_state_that_grows_until_an_event_ends_it() -> None:
    system = interrupted(
        {"p": "rate*(1 - stopped)", "stopped": 0},
        {"p": "p0", "stopped": 0},
        "rate p0 top",
        triggers=[{"when": "p >= top", "changes": {"p": "p + 2*top", "stopped": 1}}],
    )
    engine = engine_of(replace(system, comes_to_rest=True), "auto")
    for p in ([1.0, 10.0, 500.0], [3.0, 10.0, 20.0]):
        found = engine.solve(np.array([p]), [experiment([0.0, INF])], sensitivities=True)[0]
        assert found.failure is None
        np.testing.assert_allclose(found.y, [[10.0, 0.0], [3 * p[2], 1.0]], rtol=1e-8)
        np.testing.assert_allclose(found.dy[-1], [[0, 0, 3], [0, 0, 0]], atol=1e-7)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize(("low", "last"), [(600.0, 1500.0), (0.0, 1501.0)])
def test_events_come_on_the_way_to_rest_before_the_start(method: str, low: float, last: float) -> None:
    """Each once on that way; and at the start again only where other values make its condition true anew."""
    system = interrupted(
        {"p": "rate*(1 - stopped)", "stopped": 0},
        {"p": "p0", "stopped": 0},
        "rate p0 top low",
        rest={"low": "1e4"},
        triggers=[
            {"when": "p >= top", "changes": {"p": "p + 2*top", "stopped": 1}, "at_start": True},
            {"when": "p > low and low < 500", "changes": {"p": "p + 1"}},
        ],
    )
    engine = engine_of(system, method)
    found = engine.solve(np.array([[1.0, 10.0, 500.0, low]]), [experiment([0.0, 1.0])], sensitivities=True)[0]
    assert found.failure is None
    np.testing.assert_allclose(found.y, [[last, 1.0], [last, 1.0]], rtol=1e-8)
    np.testing.assert_allclose(found.dy[0], [[0, 0, 3, 0], [0, 0, 0, 0]], atol=1e-7)


@pytest.mark.parametrize("method", BOTH)
def test_what_never_rests_is_said(method: str) -> None:
    system = replace(interrupted({"x": "y", "y": "-x"}, {"x": 1, "y": 0}, "k"), comes_to_rest=True)
    found = engine_of(system, method).solve(np.array([[1.0]]), [experiment([1.0, INF])])[0]
    assert found.failure is not None
    assert found.failure.reason is FailureReason.NO_FINAL_REST
    assert np.isnan(found.y).all()
