"""A solve that fails, in every way and at every place where an engine can fail, never looks like a good fit.

The engine is a real one around which something goes wrong: at the k-th solve, for one experiment, or only where
sensitivities are asked for. What then comes back is a failure with its reason, or the search goes on from a sound
point; never an objective that is smaller for it, nor a standard error from a NaN.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.data.dataset import Batch, data_loader
from odefit.data.experiments import Experiment
from odefit.diagnostics.gradient_check import check_gradients
from odefit.engines.base import Solutions, Trajectory
from odefit.engines.failure import Failure, FailureReason
from odefit.errors import OdefitError, SolveError
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.report import summarise
from odefit.fitting.run import Run
from odefit.fitting.solver_accuracy import solver_effect
from odefit.fitting.strategy import search
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import residual_sum
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.plots.curves import trace
from odefit.plots.selection import select
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent
from odefit.runs.tables import Table
from odefit.status import Status
from odefit.training.adam import AdamOptions, minimize_adam
from odefit.training.objective_torch import TrainingObjective
from odefit.uncertainty.bands import prediction_bands

MODEL = """
model:
  equations: {x: -k*x}
parameters: {k: 0.4}
data: {csv: d.csv, experiments: {A: {x_0: 2}, B: {x_0: 3}}}
"""
STARTS = {"A": 2, "B": 3}
"""Experiments that are not the same: what is the same is solved once, and would not be spoilt alone."""
TRUE = 0.7
FAILURE = Failure(FailureReason.STOPPED, subject=": it was made to fail here")
WHY = str(FAILURE)

Spoil = Callable[[Trajectory], Trajectory]


def a_sentence(t: Trajectory) -> Trajectory:
    blank = np.full_like(t.y, np.nan)
    return Trajectory(blank, None if t.dy is None else np.full_like(t.dy, np.nan), FAILURE)


def filled(value: float) -> Spoil:
    """Numbers that an engine should have told about, and did not."""

    def spoil(t: Trajectory) -> Trajectory:
        y = t.y.copy()
        y[-1] = value
        return replace(t, y=y)

    return spoil


def bad_sensitivities(value: float) -> Spoil:
    def spoil(t: Trajectory) -> Trajectory:
        if t.dy is None:
            return t
        dy = t.dy.copy()
        dy[-1] = value
        return replace(t, dy=dy)

    return spoil


def an_exception(_: Trajectory) -> Trajectory:
    raise SolveError(WHY)


def cut_short(t: Trajectory) -> Trajectory:
    return replace(t, y=t.y[:-1], dy=None if t.dy is None else t.dy[:-1])


TOLD: dict[str, Spoil] = {
    "a sentence": a_sentence,
    "NaN": filled(math.nan),
    "inf": filled(math.inf),
    "-inf": filled(-math.inf),
    "a number too large to be squared": filled(1e200),
}
ONLY_SENSITIVITIES: dict[str, Spoil] = {"NaN": bad_sensitivities(math.nan), "inf": bad_sensitivities(math.inf)}


@dataclass
class Faulty:
    """An engine around which solve number `at` (from 0; None: every one) of experiment `name` (None: all) is spoilt.

    only: `values` or `sensitivities`, None: both. reset_copy() counts on, as one search would.
    """

    engine: Any
    spoil: Spoil
    at: int | None = None
    name: str | None = None
    only: str | None = None
    lasting: bool = False
    count: int = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.engine, name)

    def reset_copy(self) -> Faulty:
        return self

    def _due(self, kind: str) -> bool:
        number = self.count
        self.count += 1
        here = self.at is None or number == self.at or (self.lasting and number > self.at)
        return here and self.only in (None, kind)

    def solve(self, p: FloatArray, experiments: Sequence[Experiment], sensitivities: bool = False) -> Solutions:
        found: Solutions = self.engine.solve(p, experiments, sensitivities)
        if not self._due("sensitivities" if sensitivities else "values"):
            return found
        chosen = [self.name in (None, e.name) for e in experiments]
        return Solutions.joined([self.spoil(t) if bad else t for t, bad in zip(found, chosen, strict=True)])

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        y: Tensor = self.engine.solve_batch(p, batch)
        if not self._due("values"):
            return y
        parts = []
        for row, experiment in zip(y, batch.experiments, strict=True):
            if self.name not in (None, experiment.name):
                parts.append(row)
                continue
            spoilt = self.spoil(Trajectory(row.detach().numpy()))
            if spoilt.failure is not None:
                raise SolveError(f"experiment {experiment.name}: {spoilt.failure}")
            # The gradient stays what it was; the numbers are spoilt.
            parts.append(row + (torch.as_tensor(spoilt.y) - row.detach()))
        return torch.stack(parts)


@pytest.fixture
def sound(tmp_path: Path) -> Assembly:
    times = np.linspace(0, 4, 9)
    rng = np.random.default_rng(3)
    rows = [
        f"{e},{t},{x_0 * math.exp(-TRUE * t) + 0.05 * rng.standard_normal()}"
        for e, x_0 in STARTS.items()
        for t in times
    ]
    (tmp_path / "d.csv").write_text("experiment,time,x\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(MODEL)
    return prepare(load_config(tmp_path / "c.yaml"))[0]


def spoilt(assembly: Assembly, spoil: Spoil, **where: Any) -> Assembly:
    engine: Any = Faulty(assembly.problem.engine, spoil, **where)
    return replace(assembly, problem=replace(assembly.problem, engine=engine))


def start(assembly: Assembly) -> FloatArray:
    return assembly.problem.table.to_search(assembly.problem.table.values)


def best(assembly: Assembly) -> FloatArray:
    return search(assembly, Silent()).theta


# -- the objective


@pytest.mark.parametrize("name", [None, "A", "B"])
@pytest.mark.parametrize("kind", TOLD)
def test_the_objective_is_infinite_and_says_why(kind: str, name: str | None, sound: Assembly) -> None:
    likelihood = Likelihood(spoilt(sound, TOLD[kind], name=name).problem)
    u = start(sound)
    for objective in (likelihood, ProfileLikelihood(likelihood)):
        part = u if objective is likelihood else u[objective.free]  # type: ignore[union-attr]
        assert objective.value(part) == math.inf
        evaluation = objective.evaluate(part)
        assert evaluation.value == math.inf
        assert not evaluation.is_finite
        assert objective.failure
        if kind == "a sentence":
            assert objective.failure == f"experiment {name or 'A'}: {WHY}"
    assert math.isnan(residual_sum(likelihood, u)) or residual_sum(likelihood, u) > 1e100


@pytest.mark.parametrize("kind", ONLY_SENSITIVITIES)
def test_a_gradient_that_is_none_is_no_evaluation(kind: str, sound: Assembly) -> None:
    likelihood = Likelihood(spoilt(sound, ONLY_SENSITIVITIES[kind], name="B").problem)
    u = start(sound)
    assert math.isfinite(likelihood.value(u))
    for evaluation in (likelihood.evaluate(u), likelihood.information(u)):
        assert not evaluation.is_finite


def test_the_failure_of_one_solve_is_forgotten_at_the_next(sound: Assembly) -> None:
    likelihood = Likelihood(spoilt(sound, a_sentence, at=0).problem)
    u = start(sound)
    assert likelihood.value(u) == math.inf
    assert likelihood.value(u) == Likelihood(sound.problem).value(u)
    assert likelihood.failure is None


def test_a_trajectory_of_the_wrong_length_is_no_fit(sound: Assembly) -> None:
    """That is an engine's fault and none of the user's: it must not pass for data, whatever the exception is."""
    for where in ({"name": "A"}, {"name": "B"}, {}):
        likelihood = Likelihood(spoilt(sound, cut_short, **where).problem)
        for function in (likelihood.value, likelihood.evaluate):
            with pytest.raises((ValueError, IndexError)):
                function(start(sound))


# -- searches


MINIMISERS = {"least_squares": minimize_least_squares, "lbfgs": minimize_lbfgs}


@pytest.mark.parametrize("method", MINIMISERS)
@pytest.mark.parametrize("only", [None, "values", "sensitivities"])
@pytest.mark.parametrize("kind", TOLD)
def test_a_search_goes_round_a_failure(kind: str, only: str | None, method: str, sound: Assembly) -> None:
    """Whichever solve it is that fails: the search ends at a point whose value is the sound model's own."""
    honest = Likelihood(sound.problem)
    u = start(sound)
    optimum = honest.value(sound.problem.table.to_search(best(sound)))
    for at in range(12):
        objective = Likelihood(spoilt(sound, TOLD[kind], at=at, name="B", only=only).problem)
        outcome = MINIMISERS[method](objective, u)
        values = [v for v in outcome.history if math.isfinite(v)]
        assert all(b <= a + 1e-9 for a, b in itertools.pairwise(values))
        if outcome.status == "failed":
            assert at < 2
            assert outcome.value == math.inf
            continue
        assert outcome.value == pytest.approx(honest.value(outcome.u), abs=1e-4)
        assert outcome.value >= optimum - 1e-6
        if outcome.status == "converged":
            assert outcome.value == pytest.approx(optimum, abs=1e-3), at


@pytest.mark.parametrize("method", MINIMISERS)
@pytest.mark.parametrize("kind", ONLY_SENSITIVITIES)
def test_a_search_that_has_no_derivatives_does_not_converge(kind: str, method: str, sound: Assembly) -> None:
    for at in (0, 3):
        engine = spoilt(sound, ONLY_SENSITIVITIES[kind], at=at, lasting=True)
        outcome = MINIMISERS[method](Likelihood(engine.problem), start(sound))
        assert outcome.status in ("failed", "stopped")
        assert np.isfinite(outcome.u).all()


@pytest.mark.parametrize("method", ["least_squares", "lbfgs"])
@pytest.mark.parametrize("kind", TOLD)
def test_a_fit_whose_every_solve_fails(kind: str, method: str, sound: Assembly) -> None:
    config = sound.loaded.config
    section = config.fit.model_copy(update={"method": method})
    loaded = replace(sound.loaded, config=config.model_copy(update={"fit": section}))
    broken = replace(spoilt(sound, TOLD[kind]), loaded=loaded)
    found = search(broken, Silent())
    assert found.status == "failed"
    assert "fail" in found.message
    if kind == "a sentence":
        assert WHY in found.message
    np.testing.assert_array_equal(found.theta, broken.problem.table.values)
    result, uncertainty = summarise(broken, found, 1.0, None)
    assert result.status == "failed"
    assert uncertainty is None
    assert result.objective.nll is None
    assert result.objective.aic is None
    assert all(e.standard_error is None and e.interval is None for e in result.estimates.values())


def test_an_exception_of_an_engine_is_a_failure_of_the_start(sound: Assembly) -> None:
    """An engine answers with sentences; if it raises nevertheless, its words arrive and nothing is fitted."""
    try:
        found = search(spoilt(sound, an_exception), Silent())
    except OdefitError as error:
        assert WHY in str(error)
    else:
        assert found.status == "failed"
        assert WHY in found.message


# -- training


def module_of(assembly: Assembly) -> TrainingObjective:
    return TrainingObjective(assembly.problem, torch.nn.ModuleDict(), "mse", torch.as_tensor(start(assembly)))


def batches(assembly: Assembly) -> Any:
    return data_loader(assembly.problem.experiments, None, torch.Generator())


@pytest.mark.parametrize("name", [None, "A", "B"])
@pytest.mark.parametrize("kind", [kind for kind in TOLD if "squared" not in kind])
def test_a_loss_is_never_made_of_a_failed_solve(kind: str, name: str | None, sound: Assembly) -> None:
    module = module_of(spoilt(sound, TOLD[kind], name=name))
    with pytest.raises(SolveError) as told:
        module(next(iter(batches(sound))))
    if kind == "a sentence":
        assert f"experiment {name or 'A'}: {WHY}" in str(told.value)


@pytest.mark.parametrize("at", [0, 1, 7])
@pytest.mark.parametrize("kind", TOLD)
def test_a_training_keeps_the_best_before_the_failure(kind: str, at: int, sound: Assembly) -> None:
    module = module_of(spoilt(sound, TOLD[kind], at=at, lasting=True))
    before = module.u.detach().clone()
    training = minimize_adam(module, batches(sound), AdamOptions(epochs=20, learning_rate=0.02))
    assert torch.isfinite(module.u).all()
    if at == 0 and "squared" not in kind:
        assert training.status == "failed"
        assert (module.u == before).all()
        return
    honest = module_of(sound)
    with torch.no_grad():
        honest.u.copy_(module.u)
        loss = float(honest(next(iter(batches(sound)))))
        honest.u.copy_(before)
        first = float(honest(next(iter(batches(sound)))))
    if at > 0:
        assert training.best_loss == pytest.approx(loss)
        assert loss <= first
    if "squared" not in kind:
        assert f"stopped at epoch {at + 1}" in training.message
        assert len(training.history) == at


# -- after the fit


def found_at(theta: FloatArray) -> FitOutcome:
    return FitOutcome(theta, Status.CONVERGED, "done", "least_squares", Table(("iteration",), []))


@pytest.mark.parametrize("kind", TOLD)
def test_no_standard_errors_where_the_model_fails_afterwards(kind: str, sound: Assembly) -> None:
    theta = best(sound)
    result, uncertainty = summarise(spoilt(sound, TOLD[kind], name="B"), found_at(theta), 1.0, None)
    assert uncertainty is None
    assert all(e.standard_error is None for e in result.estimates.values())
    assert result.objective.nll is None
    assert any("no standard errors" in w for w in result.warnings)


@pytest.mark.parametrize("kind", ONLY_SENSITIVITIES)
def test_no_standard_errors_from_sensitivities_that_are_none(kind: str, sound: Assembly) -> None:
    theta = best(sound)
    result, uncertainty = summarise(spoilt(sound, ONLY_SENSITIVITIES[kind], name="A"), found_at(theta), 1.0, None)
    assert uncertainty is None
    assert all(e.standard_error is None for e in result.estimates.values())
    assert result.objective.nll is not None
    assert any("could not be differentiated" in w for w in result.warnings)


@pytest.mark.parametrize("kind", {**TOLD, **{f"sensitivities {k}": v for k, v in ONLY_SENSITIVITIES.items()}})
def test_bands_are_refused_or_are_no_numbers(kind: str, sound: Assembly) -> None:
    spoil = {**TOLD, **{f"sensitivities {k}": v for k, v in ONLY_SENSITIVITIES.items()}}[kind]
    theta, problem = best(sound), spoilt(sound, spoil, name="B").problem
    covariance = 0.01 * np.eye(len(start(sound)))
    try:
        bands = prediction_bands(problem, theta, covariance, problem.experiments)
    except SolveError as error:
        assert WHY in str(error)
        return
    assert np.isfinite(bands[0].low).all()
    last = np.array([bands[1].low[-1], bands[1].high[-1]])
    # A band around nothing has no limits, and one around a huge number lies there.
    assert not np.isfinite(last).any() or np.abs(last).min() > 1e100


def test_a_picture_is_not_drawn_from_a_failed_solve(sound: Assembly, tmp_path: Path) -> None:
    theta = best(sound)
    result, _ = summarise(sound, found_at(theta), 1.0, None)
    from odefit.errors import Faults

    run = Run(tmp_path, result, spoilt(sound, a_sentence, name="B"), theta)
    selection = select(run, None, None, None, Faults())
    with pytest.raises(SolveError, match=WHY):
        trace(run, selection.groups, None)
    with pytest.raises(SolveError, match=f"experiment B: {WHY}"):
        run.solve([e.times for e in run.measured])


def test_a_failure_in_the_checks_is_told(sound: Assembly) -> None:
    theta = best(sound)
    with pytest.raises(SolveError, match=WHY):
        check_gradients(spoilt(sound, a_sentence), points=1)
    report = check_gradients(spoilt(sound, bad_sensitivities(math.nan), name="A"), points=1)
    assert not report.is_right
    assert solver_effect(spoilt(sound, a_sentence), theta) is None  # the fit's own failure says more


def test_a_faulty_engine_can_be_copied(sound: Assembly) -> None:
    """The tests above rest on an engine that passes for one wherever engines are copied."""
    engine = copy.copy(spoilt(sound, a_sentence).problem.engine)
    assert engine.system is sound.problem.engine.system
