"""What a config can say of real data: each feature from YAML and CSV to a gradient that central differences confirm."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from odefit.config.load import load_config
from odefit.data.dataset import data_loader
from odefit.objective.likelihood import Likelihood
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.training.objective_torch import TrainingObjective

BASE = """
model:
  equations: {a: -k1*a + r*b, b: k1*a - (k2 + r)*b}
  initial: {a: 2, b: b_start}
  observables: {total: scale*(a + b), second: b + offset}
parameters:
  k1: {value: 0.7, bounds: [0.01, 10], scale: log}
  k2: {value: 0.3, bounds: [0.01, 10], scale: log}
  r: 0.2
  scale: {value: 1.3, bounds: [0.1, 10], scale: logit}
  offset: 0.1
  b_start: {value: 0.5, bounds: [0, 5]}
data: {csv: data.csv}
noise: {total: {sigma: 0.1}, second: {sigma: 0.2}}
solver: {rtol: 1e-10, atol: 1e-12}
"""

DATA = """experiment,time,total,second
one,0,2.9,0.7
one,1,2.4,1.2
one,2.5,2.1,<0.9
one,4,1.4,1.0
two,0.5,3.1,
two,1.5,2.5,1.1
two,3,>1.2,0.9
two,5,1.3,0.6
"""
WEIGHTS = """experiment,time,total,second,sd,w
one,0,2.9,0.7,0.12,1.1
one,1,2.4,1.2,0.14,1.2
one,2.5,2.1,<0.9,0.16,1.3
one,4,1.4,1.0,0.18,1.4
two,0.5,3.1,,0.2,
two,1.5,2.5,1.1,0.22,1.6
two,3,>1.2,0.9,0.24,1.7
two,5,1.3,0.6,0.26,1.8
"""
"""A number beside every measurement; that of `w` is missing beside a cell that is empty."""
COUNTS = """experiment,time,total,second
one,1,2,1
one,2.5,3,<2
one,4,1,0
two,1.5,2,1
two,3,>1,3
two,5,0,0
"""

FEATURES: dict[str, list[str]] = {
    "plain": [],
    "proportional": ["noise=proportional"],
    "additive and proportional": ["noise=additive_proportional"],
    "shared sigma": ["noise={total: {sigma: s}, second: {sigma: 2*s}}", "parameters.s={value: 0.2, scale: log}"],
    "columns": [
        "data.csv=weights.csv",
        "noise={total: {sigma: s*sd}, second: {sigma: sqrt(q^2 + (0.1*second)^2)*w}}",
        "parameters.s={value: 1.2, scale: log}",
        "parameters.q={value: 0.3, scale: log}",
    ],
    "columns of a log-normal": ["noise={model: lognormal, sigma: s*sd}", "parameters.s=2", "data.csv=weights.csv"],
    "columns of a laplace": ["noise={model: laplace, sigma: s*sd}", "parameters.s=2", "data.csv=weights.csv"],
    "columns of a student": ["noise={model: student_t, sigma: s + sd}", "parameters.s=0.1", "data.csv=weights.csv"],
    "columns of a share": [
        "noise={total: {model: additive_proportional, sigma: sd, proportional: s/sd}, second: {sigma: 0.2}}",
        "parameters.s={value: 0.02, scale: log}",
        "data.csv=weights.csv",
    ],
    "columns of a dispersion": [
        "noise={model: negative_binomial, dispersion: s*time}",
        "parameters.s=0.3",
        "data.csv=counts.csv",
    ],
    "log-normal": ["noise=lognormal"],
    "laplace": ["noise=laplace"],
    "student": ["noise={model: student_t, df: 3}"],
    "poisson": ["noise=poisson", "data.csv=counts.csv"],
    "negative binomial": ["noise=negative_binomial", "data.csv=counts.csv"],
    "by experiment": ["parameters.k1={value: 0.7, scale: log, by: experiment}"],
    "by group": [
        "parameters.k1={value: 0.7, by: {x: [one], y: [two]}}",
        "parameters.scale={value: 1.2, by: experiment}",
    ],
    "by column": ["data.experiments={one: {kind: wt}, two: {kind: ko}}", "parameters.k2={value: 0.3, by: kind}"],
    "constants": [
        "data.experiments={one: {T: 1}, two: {T: 1.5}}",
        "parameters.k1=kref*exp(0.3*T)",
        "parameters.kref=0.5",
    ],
    "initial values of the table": ["data.experiments={one: {a_0: 2}, two: {a_0: 3}}", "model.initial={b: b_start}"],
    "an override of the table": ["data.experiments=table.csv"],
    "start of the table": ["data.experiments={one: {start: -1}, two: {start: 0}}"],
    "steady state": ["model.equations.a=-k1*a + r*b + c", "parameters.c=0.4", "model.steady_state={c: 2*c}"],
    "steady state by experiment": [
        "model.equations.a=-k1*a + r*b + inflow",
        "parameters.inflow=base*(1 + dose)",
        "parameters.base=0.4",
        "model.steady_state={inflow: 1.5*base*before, r: 2*r}",
        "model.events=[{time: 0.5, set: {b: 2*b}}]",
        "data.experiments={one: {dose: 2, before: 1, steady_state: yes}, two: {dose: 1, before: 1, steady_state: no}}",
    ],
    "input": ["data.inputs={u: {csv: u.csv}}", "model.equations.a=-k1*a + r*b + offset*u"],
    "cubic input": ["data.inputs={u: {csv: u.csv, interpolation: cubic}}", "model.observables.second=b + offset*u"],
    "steps": ["data.inputs={u: {csv: u.csv, interpolation: previous}}", "model.equations.b=k1*a - (k2 + r)*b + r*u"],
    "doses": ["data.doses=[{time: 1, amount: 1, state: a, every: 1, count: 2}]"],
    "doses with a lag": [
        "data.doses={csv: doses.csv, lag: lag, fraction: F}",
        "parameters.lag={value: 0.3, bounds: [0, 1]}",
        "parameters.F={value: 0.8, bounds: [0, 1], scale: logit}",
    ],
    "events": ["model.events=[{time: [1, 2], set: {a: a*k1, b: b + r}}]"],
    "events at a parameter": ["model.events=[{time: t1, set: {a: a/2}}]", "parameters.t1={value: 1.7, bounds: [0, 5]}"],
    "events by conditions": [
        "model.events=[{when: a < low and t > 0.2, set: {a: a + k1, b: b + r}}, {time: t1, set: {b: b/2}}]",
        "parameters.low={value: 0.9, bounds: [0, 5]}",
        "parameters.t1={value: 2.7, bounds: [0, 5]}",
    ],
    "delayed events": [
        "model.events=[{when: b > top, delay: lag*a, values: trigger, priority: 2, set: {a: a + k1*b}}]",
        "parameters.top={value: 0.8, bounds: [0, 5]}",
        "parameters.lag={value: 0.7, bounds: [0, 5]}",
    ],
    "switching time": [
        "model.equations.a=-k1*a*piecewise(1, t < t1, 0.2) + r*b",
        "parameters.t1={value: 1.7, bounds: [0, 5]}",
    ],
    "tied": ["parameters.k2=2*k1"],
    "priors": [
        "parameters.k1.prior={lognormal: [0.5, 0.4]}",
        "parameters.k2.prior={normal: [-1, 0.5], on: log}",
        "parameters.r={value: 0.2, bounds: [0, 2], prior: {exponential: 3}}",
        "parameters.offset={value: 0.1, prior: {laplace: [0, 1]}}",
    ],
    "held out": ["data.hold_out={after: 3.5}"],
}


# Enough for what is asked of it below: its errors are far smaller than those of the differences.
TOLERANCES = {"dopri5": ["solver.rtol=1e-9", "solver.atol=1e-11"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features")
    (path / "c.yaml").write_text(BASE)
    (path / "data.csv").write_text(DATA)
    (path / "weights.csv").write_text(WEIGHTS)
    (path / "counts.csv").write_text(COUNTS)
    (path / "table.csv").write_text("experiment,r\none,0.4\ntwo,\n")
    (path / "u.csv").write_text("experiment,time,u\none,0,1\none,1.2,0\none,3,2\none,4,1\ntwo,0,1\ntwo,2,2\ntwo,5,0\n")
    (path / "doses.csv").write_text("experiment,time,state,amount,duration\none,0.5,a,1,\ntwo,1,b,2,1.5\n,2,a,0.5,\n")
    return path


def assembled(folder: Path, name: str, method: str) -> Assembly:
    overrides = [*FEATURES[name], f"solver.method={method}", *TOLERANCES.get(method, ())]
    return prepare(load_config(folder / "c.yaml", overrides))[0]


def central(likelihood: Likelihood, u: np.ndarray) -> np.ndarray:
    """Fourth-order differences."""
    slopes = np.zeros(len(u))
    for k in range(len(u)):
        h = 2e-3 * max(1.0, abs(u[k]))
        at = [likelihood.value(u + m * h * np.eye(len(u))[k]) for m in (-2, -1, 1, 2)]
        slopes[k] = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    return slopes


Truth = Callable[[str], tuple[np.ndarray, float, np.ndarray]]


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    """Of a feature: where it is tried, and there the likelihood and its slopes by differences, of compiled solves."""

    @functools.cache
    def of(name: str) -> tuple[np.ndarray, float, np.ndarray]:
        problem = assembled(folder, name, "auto").problem
        u = problem.table.to_search(problem.table.values) + 0.01
        return u, Likelihood(problem).value(u), central(Likelihood(problem), u)

    return of


@pytest.mark.parametrize("method", ["auto", "dopri5"])
@pytest.mark.parametrize("name", FEATURES)
def test_gradients_of_every_feature(folder: Path, truth: Truth, name: str, method: str) -> None:
    problem = assembled(folder, name, method).problem
    likelihood = Likelihood(problem)
    u, value, expected = truth(name)
    evaluation = likelihood.evaluate(u)
    assert evaluation.is_finite, likelihood.failure
    assert evaluation.value == pytest.approx(value, rel=1e-6, abs=1e-5)
    size = 1.0 + np.abs(expected)
    assert np.abs(evaluation.gradient - expected).max() < 2e-5 * size.max(), "score rows"
    assert evaluation.value == pytest.approx(likelihood.value(u), rel=1e-8)
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "nll", torch.as_tensor(u))
    generator = torch.Generator().manual_seed(0)
    (batch,) = data_loader(problem.experiments, batch_size=None, generator=generator)
    loss = module(batch) * problem.n_measured
    loss.backward()
    assert float(loss.detach()) == pytest.approx(evaluation.value, rel=1e-7)
    assert module.u.grad is not None
    assert np.abs(module.u.grad.numpy() - expected).max() < 2e-5 * size.max(), "autograd"


@pytest.mark.parametrize(
    "name", ["plain", "constants", "steady state", "cubic input", "doses with a lag", "switching time"]
)
def test_a_stiff_method_agrees(folder: Path, truth: Truth, name: str) -> None:
    u, value, _ = truth(name)
    assert Likelihood(assembled(folder, name, "bdf").problem).value(u) == pytest.approx(value, rel=1e-6, abs=1e-5)


def test_names_of_groups(folder: Path) -> None:
    assert assembled(folder, "by column", "auto").problem.table.names[:3] == ("k1", "k2[wt]", "k2[ko]")
    assert [d.name for d in assembled(folder, "constants", "auto").derived] == ["k1[one]", "k1[two]"]
    table = assembled(folder, "an override of the table", "auto")
    assert table.measured[0].constants == {"r": 0.4}
    assert not table.measured[1].constants
