"""The posterior in unbounded coordinates: its parts, its gradient by differences, and its integral."""

from __future__ import annotations

import numpy as np
import pytest

import odefit
from from_text import assembled
from odefit.objective.likelihood import Likelihood
from odefit.objective.slopes import values_and_gradients
from odefit.sampling.density import Box, Posterior

DECAY = """
model: {{equations: {{x: -k*x}}, initial: {{x: x0}}}}
parameters:
  k: {{value: 0.3, scale: log, {k}}}
  x0: {{value: 12, {x0}}}{more}
data: {{csv: data.csv}}
noise: {{x: {noise}}}
"""
MEASURED = "time,x\n0,12\n1,9\n2,6\n3,5\n4,4\n6,<3\n8,1\n"
NOISES = ("gaussian", "lognormal", "{sigma: s*x}", "laplace", "{model: student_t, df: 5, sigma: 0.7}", "poisson")


def posterior(noise: str = "gaussian", k: str = "bounds: [0.01, 10]", x0: str = "bounds: [1, 100]") -> Posterior:
    more = "\n  s: {value: 0.1, scale: log}" if "s*x" in noise else ""
    config = DECAY.format(noise=noise, k=k, x0=x0, more=more)
    return Posterior(Likelihood(assembled(config, data=MEASURED).problem), 2)


def differences(density: Posterior, v: np.ndarray) -> np.ndarray:
    h = 1e-4
    steps = h * np.eye(len(v))
    up, down = (density.evaluate(v + side * steps, [0] * len(v))[0] for side in (1, -1))
    return (up - down) / (2 * h)


@pytest.mark.parametrize("noise", [*NOISES, "negative_binomial"])
def test_the_gradient_by_differences(noise: str) -> None:
    density = posterior(noise)
    table = density.likelihood.problem.table
    v = density.box.outside(table.to_search(table.values)[None], 1e-3)[0] + 0.03
    _, gradients = density.evaluate(v[None], [0])
    assert gradients[0] == pytest.approx(differences(density, v), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("noise", [*NOISES, "negative_binomial"])
def test_values_and_gradients_are_those_of_a_search(noise: str) -> None:
    likelihood = posterior(noise).likelihood
    table = likelihood.problem.table
    u = table.to_search(table.values) + 0.05 * np.arange(3)[:, None]
    values, gradients = values_and_gradients(likelihood, u)
    found = likelihood.evaluations(u)
    assert values == pytest.approx(found.value, rel=1e-12)
    assert gradients == pytest.approx(found.gradient, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "k, x0",
    [
        ("prior: {lognormal: [0.3, 0.5]}", "prior: {normal: [12, 2]}"),
        ("prior: {normal: [-1, 1], on: log}, bounds: [0.01, 10]", "bounds: [1, 100], scale: logit"),
        ("bounds: [0.01, .inf], prior: {exponential: 3}", "bounds: [-.inf, 50]"),
        ("bounds: [0.01, 10], prior: {cauchy: [0.3, 1]}", "prior: {uniform: [5, 30]}"),
    ],
)
def test_priors_and_bounds(k: str, x0: str) -> None:
    density = posterior("{sigma: 0.5}", k, x0)
    table = density.likelihood.problem.table
    v = density.box.outside(table.to_search(table.values)[None], 1e-3)[0]
    _, gradients = density.evaluate(v[None], [0])
    assert gradients[0] == pytest.approx(differences(density, v), rel=2e-3, abs=2e-3)


def test_with_priors_it_is_that_of_the_problem() -> None:
    k, x0 = "prior: {lognormal: [0.3, 0.5]}", "prior: {normal: [12, 2]}"
    density = posterior("{sigma: 0.5}", k, x0)
    more = DECAY.format(noise="{sigma: 0.5}", k=k, x0=x0, more="")
    problem = odefit.Problem(assembled(more, data=MEASURED))
    u = np.array([[np.log(0.3), 12.0], [np.log(0.35), 11.0]])
    own, _ = density.evaluate(density.box.outside(u, 1e-3), [0, 0])
    theirs = [problem.log_posterior_search(one) for one in u]
    _, _, log_slope = density.box.inside(density.box.outside(u, 1e-3))
    assert own - log_slope.sum(axis=1) == pytest.approx(theirs, rel=1e-6)


def test_a_flat_prior_is_flat_where_it_is_said_to_be() -> None:
    density = posterior()
    u = np.array([[-1.0, 20.0, 0.0], [0.5, 50.0, 0.3]])
    values, gradients = density.log_prior(u)
    assert not values.any()
    assert not gradients.any()
    # With the logit scale it is flat in the value: as a density of the search value that is dx/du.
    values, _ = posterior(x0="bounds: [1, 100], scale: logit").log_prior(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    s = 1 / (1 + np.exp(-1.0))
    assert values == pytest.approx([np.log(99 / 4), np.log(99 * s * (1 - s))])


def test_the_box_and_back() -> None:
    box = Box(np.array([0.0, 1.0, -np.inf, -np.inf]), np.array([2.0, np.inf, 3.0, np.inf]))
    u = np.array([[0.5, 7.0, -2.0, 4.0], [1.9, 1.5, 2.5, -4.0]])
    again, slope, log_slope = box.inside(box.outside(u, 1e-6))
    assert again == pytest.approx(u)
    assert np.log(np.abs(slope)) == pytest.approx(log_slope)
    v = box.outside(u, 1e-6)
    h = 1e-6
    assert (box.inside(v + h)[0] - box.inside(v - h)[0]) / (2 * h) == pytest.approx(slope, rel=1e-6)
    bend = (box.inside(v + h)[2] - box.inside(v - h)[2]) / (2 * h)
    assert box.bend(v) == pytest.approx(bend, abs=1e-6)
    assert box.curvature(v) == pytest.approx(-(box.bend(v + h) - box.bend(v - h)) / (2 * h), abs=1e-6)
    on_the_bound = box.outside(np.array([[0.0, 1.0, 3.0, 0.0]]), 1e-3)
    assert np.isfinite(on_the_bound).all()


def test_beyond_all_bounds_there_is_nothing() -> None:
    density = posterior()
    v = np.zeros((2, 3))
    v[1, 0] = 1e6
    values, gradients = density.evaluate(v, [0, 1])
    assert np.isfinite(values[0])
    assert values[1] == -np.inf
    assert np.isnan(gradients[1]).all()
