"""Whether `auto` begins with its stiff method: found out once, from the config, and no other numbers for it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from test_diffsol_engine import LOTKA, ROBERTSON, measured

import odefit
from odefit.api import assembled
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.first_method import settled_engine
from odefit.engines.kernel.kernel_engine import KernelEngine

pytest.importorskip("llvmlite")

STIFF, MILD = (0.04, 3e7, 1e4), (0.04, 3.0, 1.0)
TIMES = np.array([0.1, 1.0, 40.0])


def settled(p: Any, **options: Any) -> Engine:
    p = np.atleast_2d(np.array(p, dtype=float))
    return settled_engine(
        lambda own: make_engine(ROBERTSON, own, ROBERTSON.parameters),
        SolverOptions(rtol=1e-7, atol=1e-12, **options),
        p,
        [measured(TIMES) for _ in p],
    )


@pytest.mark.parametrize(
    "p, begins_stiff", [([STIFF], True), ([MILD], False), ([STIFF, STIFF, MILD], True), ([STIFF, MILD, MILD], False)]
)
def test_most_of_the_members_decide(p: Any, begins_stiff: bool) -> None:
    engine = settled(p)
    assert engine.options.begins_stiff is begins_stiff
    assert engine.method_in_use == ("rodas5p" if begins_stiff else "tsit5")
    assert not engine.is_found_stiff
    assert engine.notes == [
        "For some parameter values the equations are stiff: tsit5 crawls or fails, so rodas5p is used there."
    ] * (begins_stiff)


def test_a_method_that_was_chosen_stays() -> None:
    assert settled([STIFF], method="tsit5").options.begins_stiff is False


def test_it_begins_so_for_every_member_and_in_every_process() -> None:
    engine, experiments = settled([STIFF]), [measured(TIMES)]
    stiff = KernelEngine(ROBERTSON, SolverOptions("rodas5p", 1e-7, 1e-12), ROBERTSON.parameters)
    p, members = np.array([STIFF, MILD]), np.zeros(2, dtype=int)
    expected = stiff.solve(p, experiments, True, members)
    for one in (engine, pickle.loads(pickle.dumps(engine)), engine.reset_copy()):  # noqa: S301
        np.testing.assert_array_equal(one.solve(p, experiments, True, members).dy, expected.dy)
    assert engine.count_steps(p[:1], experiments) == stiff.count_steps(p[:1], experiments)


def test_a_member_that_the_stiff_method_cannot_do_goes_to_the_explicit_one() -> None:
    experiments, p = [measured(np.array([20.0]))], np.array([[1.5, 1.0, 1.0, 3.0, 2.5, 2.5]])

    def lotka(method: str, **options: Any) -> KernelEngine:
        return KernelEngine(LOTKA, SolverOptions(method, 1e-9, 1e-9, **options), LOTKA.parameters)

    steps = [lotka(method).count_steps(p, experiments) for method in ("tsit5", "rodas5p")]
    assert steps[0] is not None
    assert steps[1] is not None
    assert steps[0] < steps[1]
    engine = lotka("auto", max_steps=sum(steps) // 2, begins_stiff=True)
    np.testing.assert_array_equal(engine.solve(p, experiments).y, lotka("tsit5").solve(p, experiments).y)
    failure = lotka("auto", max_steps=steps[0] // 2, begins_stiff=True).solve(p, experiments).failures[0]
    assert "tsit5 would take more than" in str(failure)


def robertson(**more: Any) -> dict[str, Any]:
    model = {
        "equations": {"A": "-k1*A + 1e4*B*C", "B": "k1*A - k2*B^2 - 1e4*B*C", "C": "k2*B^2"},
        "initial": {"A": 1, "B": 0, "C": 0},
        "observables": {"A": "A"},
    }
    return {"model": model | more, "parameters": {"k1": 0.04, "k2": 3e7}}


@pytest.mark.parametrize(
    "config",
    [
        robertson(),
        robertson(events=[{"time": 20, "set": {"A": 1}}]),
        robertson(equations={"A": "-k1*A + 1e4*B*C + 1e-9*sin(0.1*t)", "B": "k1*A - k2*B^2 - 1e4*B*C", "C": "k2*B^2"}),
    ],
    ids=["plain", "event", "time"],
)
def test_a_config_decides(config: dict[str, Any]) -> None:
    data = [odefit.Experiment("1", [0.0, 1.0, 40.0, 400.0], {"A": [1.0, 0.97, 0.72, 0.45]})]
    assert assembled(config, data=data).problem.engine.options.begins_stiff


def test_a_config_that_is_not_stiff() -> None:
    config = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}}, "parameters": {"k": 0.5}}
    data = [odefit.Experiment("1", [0, 1, 2], {"x": [1.0, 0.6, 0.4]})]
    engine = assembled(config, data=data).problem.engine
    assert not engine.options.begins_stiff
    assert engine.method_in_use == "tsit5"
