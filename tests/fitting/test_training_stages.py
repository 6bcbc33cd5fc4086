"""A training in stages, from a config: each optimizer, what is left out, what is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from odefit.config.fit_methods import METHODS
from odefit.config.load import load_config
from odefit.data.experiments import Experiment
from odefit.errors import SolveError
from odefit.fitting.network_training import train
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.stages import (
    HorizonOptions,
    Shooting,
    TrainingState,
    WindowOptions,
    growing,
    shares,
    stages_of,
)
from odefit.fitting.training_plan import Plan
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent
from odefit.training.objective_torch import TrainingObjective
from odefit.training.windows import beginning

CONFIG = """
model: {name: mlp, states: [x, y], hidden: [6], activation: tanh, initial: estimate}
data:
  simulate:
    model: {equations: {x: -0.1*x + 5*y, y: -0.2*x}}
    experiments: 5
    initial: {x: 3, y: 0.6}
    spread: 1
    times: {start: 2, stop: 10, count: 33}
    noise: {x: 0.1, y: 0.02}
    seed: 3
noise: {x: {sigma: 0.1}, y: {sigma: 0.02}}
solver: {method: rk4, step: 0.25}
fit: {method: adam, learning_rate: 0.003}
"""
WINDOWS = WindowOptions((6, 17))
PLANS: dict[str, Plan] = {
    "least_squares": Plan(METHODS["least_squares"], 4, 100, replace(WINDOWS, epochs=(3, 3)), normalise=True),
    "lbfgs": Plan(METHODS["lbfgs"], 25, 100, replace(WINDOWS, epochs=(20, 30)), normalise=True),
    "adam": Plan(METHODS["adam"], 5, 100, replace(WINDOWS, epochs=(30, 20)), normalise=True),
}


def assembled(folder: Path, *overrides: str, text: str = CONFIG) -> Assembly:
    (folder / "c.yaml").write_text(text)
    return prepare(load_config(folder / "c.yaml", overrides))[0]


def error(assembly: Assembly, found: FitOutcome) -> float:
    """Mean squared error against the truth, in units of the noise."""
    loaded = load_config(assembly.loaded.path, ["data.simulate.noise=0"])
    exact, _ = prepare(loaded)
    predicted = assembly.problem.predict(found.theta)
    pairs = zip(predicted, exact.measured, strict=True)
    return float(np.mean([np.square((g - e.values) / [0.1, 0.02]).mean() for g, e in pairs]))


class Listening(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.numbers: list[int] = []

    def note(self, sentence: str) -> None:
        self.heard.append(sentence)

    def begin(self, what: str, total: int) -> None:
        self.heard.append(f"{what}: {total}")
        self.numbers.append(0)

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        self.numbers[-1] = number


@pytest.mark.parametrize(("optimizer", "reached"), [("least_squares", 0.5), ("lbfgs", 1.0), ("adam", 3.0)])
def test_a_short_training_finds_the_field_and_the_initial_values(
    tmp_path: Path, optimizer: str, reached: float
) -> None:
    assembly, listening = assembled(tmp_path), Listening()
    found = train(assembly, listening, PLANS[optimizer])
    assert found.status in ("converged", "stopped")
    assert error(assembly, found) < reached
    names = assembly.problem.table.names
    assert len(names) == 10
    # Every stage is told, counted from 1 in each, and numbered through in the history.
    stages = ["slopes", "windows of 6", "windows of 17", "whole series"]
    assert [text.split(":")[0] for text in listening.heard] == [f"epochs, {stage}" for stage in stages]
    column = list(found.history.header).index("stage")
    assert list(dict.fromkeys(row[column] for row in found.history.rows)) == stages
    assert [row[0] for row in found.history.rows] == list(range(1, len(found.history.rows) + 1))
    assert sum(listening.numbers) == len(found.history.rows)
    assert found.method == optimizer


def test_a_training_is_the_same_for_a_seed(tmp_path: Path) -> None:
    plan = Plan(METHODS["adam"], 2, 20, replace(WINDOWS, epochs=(4,), random=True), normalise=True)
    state = torch.random.get_rng_state()
    first = train(assembled(tmp_path, "fit.seed=4"), Silent(), plan)
    again = train(assembled(tmp_path, "fit.seed=4"), Silent(), plan)
    other = train(assembled(tmp_path, "fit.seed=5"), Silent(), plan)
    np.testing.assert_array_equal(first.theta, again.theta)
    assert first.weights is not None
    assert again.weights is not None
    assert other.weights is not None
    assert all(torch.equal(first.weights[k], again.weights[k]) for k in first.weights)
    assert not torch.equal(first.weights["net.layers.0.weight"], other.weights["net.layers.0.weight"])
    assert torch.equal(state, torch.random.get_rng_state())


def test_float32_and_mini_batches(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, "solver.dtype=float32", "fit.batch_size=2", "fit.weight_decay=1e-4")
    found = train(
        assembly, Silent(), Plan(METHODS["adam"], 1, 30, replace(WINDOWS, epochs=(2,), continuity=1.0), normalise=True)
    )
    assert found.weights is not None
    assert {w.dtype for w in found.weights.values()} == {torch.float32}
    assert found.status in ("converged", "stopped")


def test_continuity_grows_in_rounds(tmp_path: Path) -> None:
    assembly = assembled(tmp_path)
    u = torch.as_tensor(assembly.problem.table.to_search(assembly.problem.table.values))
    module = TrainingObjective(assembly.problem, assembly.networks, "mse", u)  # type: ignore[arg-type]
    state = TrainingState(module, torch.Generator(), None, METHODS["lbfgs"])
    stage = Shooting(6, 10, WindowOptions((6,), continuity=5.0))
    rounds = [(part.module.weight, part.epochs) for part in stage.rounds(state)]
    assert [weight for weight, _ in rounds] == pytest.approx([0.05, 0.5, 5.0])
    assert sum(epochs for _, epochs in rounds) == 10
    assert growing(0.0) == [0.0]
    assert shares(2, 3) == [1, 1, 1]
    assert sum(shares(100, 3)) == 100


def test_the_stages_are_those_that_were_asked_for() -> None:
    def names(*arguments: object) -> list[str]:
        return [f"{s.name}: {s.epochs}" for s in stages_of(METHODS["adam"], *arguments)]  # type: ignore[arg-type]

    assert names(7, None, None) == ["whole series: 7"]
    assert names(None, 5, WindowOptions((4, 9, 20), (3, 2))) == [
        "slopes: 5", "windows of 4: 3", "windows of 9: 2", "windows of 20: 2",
    ]  # fmt: skip
    assert names(None, None, WindowOptions()) == ["windows of 10: 300", "windows of 34: 600"]


def test_a_stage_that_is_not_possible_is_left_out_and_said(tmp_path: Path) -> None:
    text = CONFIG.replace("initial: estimate", "initial: estimate, observables: {x: x, s: x + y}").replace(
        "{equations: {x: -0.1*x + 5*y, y: -0.2*x}}",
        "{equations: {x: -0.1*x + 5*y, y: -0.2*x}, observables: {x: x, s: x + y}}",
    )
    text = text.replace("noise: {x: 0.1, y: 0.02}", "noise: 0.1").replace("y: {sigma: 0.02}", "s: {sigma: 0.1}")
    text += "parameters: {y_0: 0.6}\n"
    listening = Listening()
    found = train(
        assembled(tmp_path, text=text), listening, Plan(METHODS["lbfgs"], 3, 50, replace(WINDOWS, epochs=(3,)))
    )
    assert any("`slopes` is left out: y is not measured directly" in sentence for sentence in listening.heard)
    assert found.status in ("converged", "stopped")
    assert {row[4] for row in found.history.rows} == {"windows of 6", "windows of 17", "whole series"}


def test_an_interrupt_ends_the_training_with_what_was_reached(tmp_path: Path) -> None:
    class Impatient(Listening):
        def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
            if "windows of 6" in self.heard[-1] and number == 2:
                raise KeyboardInterrupt

    for optimizer in ("least_squares", "lbfgs"):
        listening = Impatient()
        found = train(assembled(tmp_path), listening, PLANS[optimizer])
        assert found.status == "interrupted"
        assert len(listening.heard) == 2
        assert found.weights is not None


def test_a_training_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SolveError("the solution is no longer finite")

    monkeypatch.setattr("odefit.fitting.stages.windows.start_states", fail)
    found = train(assembled(tmp_path), Silent(), Plan(METHODS["least_squares"], None, None, WINDOWS))
    assert found.status == "failed"
    assert "no longer finite" in found.message


def test_a_growing_horizon_takes_the_beginning_of_each_series(tmp_path: Path) -> None:
    assembly = assembled(tmp_path)
    u = torch.as_tensor(assembly.problem.table.to_search(assembly.problem.table.values))
    module = TrainingObjective(assembly.problem, assembly.networks, "mse", u)  # type: ignore[arg-type]
    for name in ("adam", "lbfgs", "least_squares"):
        state = TrainingState(module, torch.Generator(), None, METHODS[name])
        stages = stages_of(METHODS[name], 7, None, None, HorizonOptions((0.2, 0.5), (3,)))
        assert [(s.name, s.epochs) for s in stages] == [("first 20 %", 3), ("first 50 %", 3), ("whole series", 7)]
        for stage, share in zip(stages, (0.2, 0.5, 1.0), strict=True):
            (part,) = stage.rounds(state)
            (batch,) = part.batches
            for e, own in zip(assembly.problem.experiments, batch.experiments, strict=True):
                kept = e.times <= e.start + share * (e.times[-1] - e.start)
                assert own.start == e.start
                assert own.times.tolist() == e.times[kept].tolist()
                assert np.array_equal(own.values, e.values[kept], equal_nan=True)
            # The loss is that of the model itself on what is left.
            loss = part.module(batch)
            y = assembly.problem.states(state.theta, tuple(batch.experiments))
            measured = np.concatenate([e.values for e in batch.experiments])
            rough = np.nanmean(np.square(np.concatenate(y) - measured))
            assert float(loss.detach()) == pytest.approx(rough, rel=1e-3)


def test_the_beginning_of_a_series_has_something_measured() -> None:
    values = np.array([[np.nan], [np.nan], [1.0], [2.0]])
    e = Experiment("a", np.array([1.0, 2.0, 3.0, 9.0]), values, start=0.0)
    assert beginning(e, 0.01).times.tolist() == [1.0, 2.0, 3.0]
    assert beginning(e, 0.999).times.tolist() == [1.0, 2.0, 3.0]
    full = Experiment("b", e.times, np.ones((4, 1)), start=0.0)
    assert beginning(full, 0.01).times.tolist() == [1.0, 2.0]
