"""How torchdiffeq fails, and that each way of it is a sentence: never an assertion, a hang or a number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from commands import in_new_python
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines import torch_engine
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.failure import IntegrationError
from odefit.engines.torch_engine import TorchEngine
from odefit.engines.torch_fields import LOOK_EVERY, Equations, VectorField
from odefit.errors import SolveError
from odefit.model.system import System
from small_problems import make_system, series

DECAY = make_system({"y": "-k*y"}, {"y": "y_0"}, ("k", "y_0"))
FORCED = make_system({"y": "-k*y + cos(t)"}, {"y": "y_0"}, ("k", "y_0"))


def solve(
    system: System, p: Sequence[Sequence[float]], experiments: Sequence[Experiment], **options: object
) -> list[Trajectory]:
    engine = TorchEngine(system, SolverOptions(**options))
    return engine.solve(np.array(p, dtype=np.float64), experiments)


@pytest.mark.parametrize("method", ["rk4", "explicit_adams"])
def test_a_step_that_makes_millions_of_steps_is_refused(method: str) -> None:
    trajectory = solve(DECAY, [(1.0, 1.0)], [series("A", [0.0, 1.0])], method=method, step=1e-12)[0]
    assert "solver.step" in str(trajectory.failure)


BLOW_UP = make_system({"y": "k*y^2"}, {"y": 1}, ("k",))
ROOT = make_system({"y": "-k*sqrt(y)"}, {"y": 1}, ("k",))
LOGARITHM = make_system({"y": "log(k - y)"}, {"y": 1}, ("k",))
FAULTY_START = make_system({"y": "-y"}, {"y": "log(k)"}, ("k",))
FAILING = {
    "blow-up": (BLOW_UP, 1.0, 0.01),
    "square root of a negative number": (ROOT, 3.0, 0.1),
    "logarithm of a negative number at the start": (LOGARITHM, 0.5, 5.0),
    "impossible initial value": (FAULTY_START, -1.0, 1.0),
    "a parameter that is NaN": (BLOW_UP, math.nan, 0.01),
    "a parameter that is infinite": (BLOW_UP, math.inf, 0.01),
}


@pytest.mark.parametrize("method", ["rk4", "euler", "explicit_adams", "implicit_adams", "dopri5", "scipy_solver"])
@pytest.mark.parametrize("case", FAILING)
def test_a_failure_is_a_sentence_and_only_of_the_experiment_that_fails(case: str, method: str) -> None:
    system, bad, good = FAILING[case]
    if method == "scipy_solver" and case in ("blow-up", "a parameter that is infinite"):
        pytest.skip("LSODA would step on the spot: see the test of the field below")
    options = SolverOptions(method, 1e-3, 1e-4, step=0.1)
    engine = TorchEngine(system, options, ("k",))
    experiments = [series(name, [0.0, 0.5, 3.0]) for name in ("fine", "bad", "also fine")]
    # (A pole between two steps is none to Euler's method, until the numbers overflow.)
    p = np.array([[good], [bad], [good]])
    for sensitivities in (False, True):
        found = engine.solve(p, experiments, sensitivities)
        assert [trajectory.failure is None for trajectory in found] == [True, False, True]
        assert len(str(found[1].failure)) > 20
        assert np.isnan(found[1].y).all()
        assert found[1].y.shape == (3, 1)
        assert np.isfinite(found[0].y).all()
        if not sensitivities:
            assert found[1].dy is None
        else:
            assert found[1].dy is not None
            assert np.isnan(found[1].dy).all()
            assert found[1].dy.shape == (3, 1, 1)
    with pytest.raises(SolveError, match="experiment bad: "):
        engine.solve_batch(torch.as_tensor(p), collate(list(enumerate(experiments))))


def test_the_sentence_says_when() -> None:
    trajectory = solve(BLOW_UP, [(1.0,)], [series("A", [3.0, 3.5, 5.0, 6.0])], method="rk4", step=0.01)[0]
    assert "t = 5;" in str(trajectory.failure)
    late = solve(LOGARITHM, [(0.5,)], [series("A", [0.0, 1.0])], method="dopri5")[0]
    assert "at the start" in str(late.failure)


def test_a_trial_step_into_the_impossible_is_repeated_smaller() -> None:
    # y = (1 - 0.05 t)²: with so loose a tolerance a first trial goes beyond y = 0, where the root is NaN.
    y = solve(ROOT, [(0.1,)], [series("A", [0.0, 0.5, 3.0, 15.0])], method="dopri5", rtol=1e-3, atol=1e-4)[0].y
    np.testing.assert_allclose(y[:, 0], (1 - 0.05 * np.array([0.0, 0.5, 3.0, 15.0])) ** 2, atol=1e-3)


@pytest.mark.parametrize("method", ["dopri5", "scipy_solver"])
def test_crawling_ends(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "MAX_EVALUATIONS", 60)
    rough = SolverOptions(method, rtol=1e-10, atol=1e-12)
    engine = TorchEngine(FORCED, rough)
    experiments = [series("A", [0.0, 50.0])]
    assert "crawls" in str(engine.solve(np.array([[1.0, 1.0]]), experiments)[0].failure)
    with pytest.raises(SolveError, match="experiment A: the solver crawls"):
        engine.solve_batch(torch.ones((1, 2), dtype=torch.float64), collate(list(enumerate(experiments))))


def test_a_step_that_no_longer_changes_the_time_is_noticed() -> None:
    """SciPy's LSODA goes on for ever in a step that is too small: the field that it evaluates ends it."""
    equations = Equations(DECAY, (), torch.nn.ModuleDict())
    p, y = torch.ones((1, 2), dtype=torch.float64), torch.ones((1, 1), dtype=torch.float64)
    field = VectorField(equations, p, torch.zeros(1, dtype=torch.float64), math.inf)
    for k in range(2 * LOOK_EVERY):
        field(torch.tensor(float(k)), y)
    here = torch.tensor(2.0 * LOOK_EVERY)
    for _ in range(2 * LOOK_EVERY - 1):
        field(here, y)
    with pytest.raises(IntegrationError, match="too small"):
        field(here, y)


def test_a_failure_in_the_backward_pass_is_a_solve_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # The adjoint of a solve that succeeds may crawl.
    engine = TorchEngine(FORCED, SolverOptions("dopri5", adjoint=True))
    leaf = torch.ones((1, 2), dtype=torch.float64, requires_grad=True)
    batch = collate([(0, series("A", [0.0, 5.0]))])
    n = 2 * _evaluations(engine, leaf, batch, monkeypatch)
    monkeypatch.setattr(torch_engine, "MAX_EVALUATIONS", n)
    y = engine.solve_batch(leaf, batch)
    with pytest.raises(SolveError, match="crawls"):
        (y * 1e6).sum().backward()


def _evaluations(engine: TorchEngine, p: Tensor, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> int:
    fields: list[torch_engine.VectorField] = []

    class Counting(torch_engine.VectorField):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            fields.append(self)

    with monkeypatch.context() as counted, torch.no_grad():
        counted.setattr(torch_engine, "VectorField", Counting)
        engine.solve_batch(p, batch)
    return fields[0].evaluations


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_a_blow_up_after_an_experiment_has_ended_concerns_nobody(method: str) -> None:
    # Both run over the same grid; the first would be infinite at t = 1, and is measured to t = 0.5.
    engine = TorchEngine(BLOW_UP, SolverOptions(method, step=0.05))
    experiments = [series("short", [0.0, 0.5]), series("long", [0.0, 4.0])]
    leaf = torch.tensor([[1.0], [0.01]], dtype=torch.float64, requires_grad=True)
    batch = collate(list(enumerate(experiments)))
    y = engine.solve_batch(leaf, batch)
    np.testing.assert_allclose(y[:, 1, 0].detach(), [2.0, 1 / (1 - 0.04)], rtol=1e-4)
    y[:, 1].sum().backward()
    # d/dk 1/(1 - k t) = t/(1 - k t)²
    np.testing.assert_allclose(np.asarray(leaf.grad), [[0.5 * 4.0], [4 / 0.96**2]], rtol=1e-3)
    assert all(t.failure is None for t in engine.solve(np.array([[1.0], [0.01]]), experiments))


OPTIMIZED = """
import importlib.machinery
import sys
import numpy as np, torch

class Optimized(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        return compile(self.get_data(self.path), self.path, "exec", dont_inherit=True, optimize=1)

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in ("torchdiffeq", "odefit"):
            return None
        spec = super().find_spec(name, path, target)
        spec.loader = Optimized(spec.loader.name, spec.loader.path)
        return spec

sys.meta_path.insert(0, Finder)
from torchdiffeq._impl.misc import _assert_one_dimensional
_assert_one_dimensional("t", torch.zeros(2, 2))  # it would fail otherwise
from odefit.engines import torch_engine
from odefit.engines.base import SolverOptions
from odefit.engines.torch_engine import TorchEngine
from odefit.data.dataset import collate
from odefit.errors import SolveError
from small_problems import make_system, series
for equation, k in (("k*y^2", 1.0), ("-k*sqrt(y)", 3.0), ("log(k - y)", 0.5)):
    system = make_system({"y": equation}, {"y": 1}, ("k",))
    for method in ("rk4", "explicit_adams"):
        engine = TorchEngine(system, SolverOptions(method, 1e-3, 1e-4, step=0.1), ("k",))
        experiments = [series("A", [0.0, 2.0])]
        for sensitivities in (False, True):
            found = engine.solve(np.array([[k]]), experiments, sensitivities)
            print(found[0].failure)
            if found[0].failure is None or np.isfinite(found[0].y).any():
                raise SystemExit(f"{equation} {method} did not fail")
        try:
            engine.solve_batch(torch.tensor([[k]], dtype=torch.float64), collate(list(enumerate(experiments))))
        except SolveError:
            continue
        raise SystemExit("no SolveError")
"""


def test_failures_are_told_without_assertions() -> None:
    """Under `python -O` neither torchdiffeq's asserts nor odefit's are there, and none of odefit's checks is one.

    Here theirs are left out, and no others: Python would compile all of torch anew for it.
    """
    code, said, wrong = in_new_python("-W", "ignore", "-c", OPTIMIZED)
    assert code == 0, said + wrong
