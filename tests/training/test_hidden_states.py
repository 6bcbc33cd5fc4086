"""States that nobody measures beside a network that is the whole vector field."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.fitting.strategy import search
from odefit.objective.problem import FitProblem
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent
from odefit.training.hidden_states import hidden_slopes, said_of, with_hidden
from odefit.training.smoothing import smooth

pytestmark = pytest.mark.torch

NOISE = 0.02
TIMES = np.linspace(0, 8, 33)
MODEL = "{name: mlp, states: [x, h], hidden: [8], activation: tanh, observables: {x: x}}"


def pendulum(start: FloatArray) -> FloatArray:
    """The angle [T] of a damped pendulum, whose speed is hidden."""
    solved = solve_ivp(lambda t, y: [y[1], -0.2 * y[1] - np.sin(y[0])], (0, 8), start, t_eval=TIMES, rtol=1e-9)
    angle: FloatArray = solved.y[0]
    return angle


def config(folder: Path, model: str = MODEL, series: int = 6) -> Path:
    rng = np.random.default_rng(0)
    rows = ["experiment,time,x"]
    for e in range(series):
        x = pendulum(rng.normal(0, 1.2, 2)) + NOISE * rng.standard_normal(len(TIMES))
        rows += [f"{e},{t},{value}" for t, value in zip(TIMES, x, strict=True)]
    (folder / "d.csv").write_text("\n".join(rows))
    (folder / "c.yaml").write_text(f"model: {model}\ndata: {{csv: d.csv}}\n")
    return folder / "c.yaml"


def problem_of(folder: Path, model: str) -> FitProblem:
    return prepare(load_config(config(folder, model)))[0].problem


def test_hidden_states_begin_as_slopes(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, MODEL)
    (slope,) = hidden_slopes(problem)
    assert (slope.state, slope.source) == (1, 0)
    plain, filled = smooth(problem), with_hidden(problem, smooth(problem))
    assert all(np.isnan(series.states[:, 1]).all() for series in plain)
    hidden = np.concatenate([series.states[:, 1] for series in filled])
    speed = np.concatenate([series.slopes[:, 0] for series in plain])
    assert np.corrcoef(hidden, speed)[0, 1] > 0.999
    assert hidden.std() == pytest.approx(1, abs=0.02)
    assert all(np.isfinite(series.slopes).all() for series in filled)
    assert said_of(problem) == (
        "not measured, so trained with the network, up to a transformation; it begins with h as the slope of x"
    )


def test_more_hidden_states_begin_as_slopes_of_slopes(tmp_path: Path) -> None:
    three = "{name: mlp, states: [a, x, b], hidden: [4], observables: {x: x}}"
    assert [(s.state, s.source) for s in hidden_slopes(problem_of(tmp_path, three))] == [(0, 1), (2, 0)]


@pytest.mark.parametrize(
    "model",
    [
        "{name: potential, states: [x, h], hidden: [4], activation: tanh, observables: {x: x}}",
        "{equations: {x: 'net(x, h)[0]', h: -h}, networks: {net: {outputs: 2}}, observables: {x: x}}",
        "{name: mlp, states: [x, h], hidden: [4], observables: {x: x + h}}",
        "{name: mlp, states: [x, h, i, j], hidden: [4], observables: {x: x}}",
    ],
)
def test_states_with_a_meaning_or_too_many_begin_nowhere(tmp_path: Path, model: str) -> None:
    starts = "parameters: {h_0: {value: 1}, x_0: {value: 1}}\n"
    path = config(tmp_path, model)
    path.write_text(path.read_text() + starts)
    problem = prepare(load_config(path))[0].problem
    assert hidden_slopes(problem) == ()
    assert said_of(problem) is None


class Predictor:
    """A trained field asked for the angle of one series, [T], from its first angle and a hidden start."""

    def __init__(self, problem: FitProblem, theta: FloatArray) -> None:
        self.problem = problem
        self.local = problem.binding.local(theta)[:1, : problem.n_system]
        self.empty = replace(problem.experiments[0], values=np.full((len(TIMES), 1), math.nan))

    def __call__(self, x: float, h: float) -> FloatArray:
        row, system = self.local.copy(), self.problem.engine.system
        for name, value in (("x_0", x), ("h_0", h)):
            row[0, system.parameters.index(name)] = value
        angle: FloatArray = self.problem.engine.solve(row, [self.empty])[0].y[:, 0]
        return angle

    def best(self, seen: FloatArray) -> FloatArray:
        """The angle where the hidden start suits the first points best."""

        def misfit(h: FloatArray) -> FloatArray:
            return self(seen[0], float(h[0]))[: len(seen)] - seen

        found = [least_squares(misfit, [h]) for h in (-1.0, 1.0)]
        return self(seen[0], float(min(found, key=lambda one: float(one.cost)).x[0]))


def test_what_is_measured_is_predicted_on_fresh_series(tmp_path: Path) -> None:
    """Of a fresh series the first half says where the hidden state starts; the second half is predicted."""
    short = "fit={match: 60, windows: {points: [9], epochs: [6]}, epochs: 6}"
    assembly, _ = prepare(load_config(config(tmp_path), [short]))
    predict = Predictor(assembly.problem, search(assembly, Silent()).theta)
    rng, half, errors = np.random.default_rng(1), 17, []
    for _ in range(5):
        truth = pendulum(rng.normal(0, 1.0, 2))
        seen = truth + NOISE * rng.standard_normal(len(truth))
        errors.append(float(np.square(predict.best(seen[:half])[half:] - truth[half:]).mean()))
    assert np.median(errors) < (3 * NOISE) ** 2
