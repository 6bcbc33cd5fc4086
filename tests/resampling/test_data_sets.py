"""Data drawn anew: what replaces the measurements is the same to the objective as a problem that has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from from_text import assembled
from odefit.data.experiments import Experiment
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.resampling.data_sets import Kind, Resampling, case_units, lost, one_unit_each, resampling

DECAY = """
model: {{equations: {{x: -k*x}}, initial: {{x: x0}}}}
parameters: {{k: {{value: 0.3, bounds: [0.01, 10], scale: log}}, x0: {{value: 12, bounds: [1, 100]}}{more}}}
data: {{csv: data.csv}}
noise: {{x: {noise}}}
"""
MEASURED = "time,x\n0,12\n1,9\n2,6\n3,5\n4,4\n6,2\n8,1\n"
LIMITED = "time,x\n0,12\n1,9\n2,6\n3,5\n4,4\n6,<3\n8,<3\n"
FAMILIES = {
    "gaussian": "gaussian",
    "lognormal": "lognormal",
    "relative": "{sigma: s*x}",
    "laplace": "laplace",
    "student_t": "{model: student_t, df: 5, sigma: 0.7}",
    "poisson": "poisson",
    "negative_binomial": "negative_binomial",
}


def of(noise: str, data: str = MEASURED) -> tuple[FitProblem, np.ndarray]:
    more = ", s: 0.1" if noise == "relative" else ""
    problem = assembled(DECAY.format(noise=FAMILIES[noise], more=more), data=data).problem
    return problem, problem.table.to_search(problem.table.values)


def drawn_with(problem: FitProblem, u: np.ndarray, kind: Kind = "parametric", seed: int = 0) -> Resampling:
    return resampling(Likelihood(problem), u, u, kind, seed)


def replaced(problem: FitProblem, d: np.ndarray, side: np.ndarray | None = None) -> FitProblem:
    """The problem with d [R] in place of its single observable's measurements."""
    (one,) = problem.experiments
    side = np.zeros(len(d)) if side is None else side
    experiment = replace(one, values=d[:, None], censored=side[:, None].astype(np.int8) if side.any() else None)
    return replace(problem, experiments=(experiment,))


@pytest.mark.parametrize("kind", ["parametric", "residuals"])
@pytest.mark.parametrize("noise", FAMILIES)
def test_each_point_sees_its_own_measurements(noise: str, kind: Kind) -> None:
    problem, u = of(noise)
    data, _ = drawn_with(problem, u, kind).drawn(np.arange(3))
    profile = ProfileLikelihood(Likelihood(problem))
    points = np.stack([u[profile.free], u[profile.free] + 0.1, u[profile.free] - 0.05])
    values, found = profile.values(points, data=data), profile.evaluations(points, data=data)
    for b, (d, point) in enumerate(zip(data[0].values, points, strict=True)):
        natural = np.exp(d) if problem.observation.noise["x"].is_log else d
        other = ProfileLikelihood(Likelihood(replaced(problem, natural)))
        alone = other.evaluate(point)
        assert values[b] == pytest.approx(other.value(point), rel=1e-12)
        assert found.value[b] == pytest.approx(alone.value, rel=1e-12)
        assert found[b].gradient == pytest.approx(alone.gradient, rel=1e-9, abs=1e-9)
        assert found[b].A.dense().T @ found[b].A.dense() == pytest.approx(alone.A.dense().T @ alone.A.dense(), rel=1e-9)


@pytest.mark.parametrize("kind", ["parametric", "residuals"])
@pytest.mark.parametrize("noise", FAMILIES)
def test_what_falls_below_the_limit_is_a_limit_again(noise: str, kind: Kind) -> None:
    problem, u = of(noise, LIMITED)
    data, _ = drawn_with(problem, u, kind).drawn(np.arange(4))
    found = Likelihood(problem)
    points = np.stack([u, u + 0.02, u - 0.02, u])
    moments = found.moments_at(points, True).moments
    together = found.evaluations_from(points, moments, {}, data=data)
    (one,) = data
    assert one.censored is not None
    assert one.measured.weight is not None
    seen = one.measured.weight > 0
    assert 0 < seen.sum() < seen.size
    for b in range(4):
        d = np.where(seen[b], one.values[b], np.log(3.0) if problem.observation.noise["x"].is_log else 3.0)
        natural = np.exp(d) if problem.observation.noise["x"].is_log else d
        alone = Likelihood(replaced(problem, natural, np.where(seen[b], 0, -1))).evaluate(points[b])
        assert together.value[b] == pytest.approx(alone.value, rel=1e-12)
        assert together[b].gradient == pytest.approx(alone.gradient, rel=1e-9, abs=1e-9)


def test_a_sample_does_not_depend_on_those_beside_it() -> None:
    problem, u = of("gaussian")
    source = drawn_with(problem, u, seed=3)
    (together,), _ = source.drawn(np.arange(5))
    (alone,), _ = source.drawn(np.array([3]))
    assert np.array_equal(together.values[3], alone.values[0])
    (other,), _ = drawn_with(problem, u, seed=4).drawn(np.array([3]))
    assert not np.array_equal(alone.values, other.values)


def test_parametric_samples_scatter_as_the_noise_says() -> None:
    problem, u = of("gaussian")
    (data,), _ = drawn_with(problem, u).drawn(np.arange(2000))
    k, x0, sigma = problem.table.to_natural(u)
    truth = x0 * np.exp(-k * problem.times)
    assert data.values.mean(axis=0) == pytest.approx(truth, abs=4 * sigma / np.sqrt(2000))
    assert data.values.std(axis=0) == pytest.approx(sigma, rel=4 / np.sqrt(4000))


def test_residuals_are_put_to_other_predictions() -> None:
    problem, u = of("gaussian")
    (data,), _ = drawn_with(problem, u, "residuals").drawn(np.arange(50))
    k, x0, _ = problem.table.to_natural(u)
    truth = x0 * np.exp(-k * problem.times)
    own = problem.data[0].values - truth
    own = own - own.mean()
    gaps = np.abs((data.values - truth)[:, :, None] - own).min(axis=2)
    assert gaps == pytest.approx(0, abs=1e-5)


GROUPS = """
model: {equations: {x: -k*x}, initial: {x: x0}}
parameters:
  k: {value: 0.3, bounds: [0.01, 10], scale: log}
  x0: {value: 12, bounds: [1, 100], by: experiment}
data: {csv: data.csv}
noise: lognormal
"""
THREE = "experiment,time,x\na,0,12\na,2,6\na,4,4\nb,0,10\nb,3,5\nc,0,8\nc,2,4\nc,5,1.5\n"


def test_an_experiment_drawn_twice_counts_twice() -> None:
    problem = assembled(GROUPS, data=THREE).problem
    u = problem.table.to_search(problem.table.values)
    data, counts = drawn_with(problem, u, "cases").drawn(np.arange(6))
    assert counts is not None
    assert (counts.sum(axis=1) == 3).all()
    assert len({tuple(row) for row in counts}) > 1
    profile = ProfileLikelihood(Likelihood(problem))
    points = np.tile(u[profile.free], (6, 1))
    found = profile.evaluations(points, data=data)
    for b, row in enumerate(counts):
        chosen = np.repeat(np.arange(3), row.astype(int))
        binding = replace(
            problem.binding, index=problem.binding.index[chosen], constant=problem.binding.constant[chosen]
        )
        experiments = tuple(replace(problem.experiments[e], name=f"{k}") for k, e in enumerate(chosen))
        other = ProfileLikelihood(Likelihood(replace(problem, experiments=experiments, binding=binding)))
        alone = other.evaluate(u[other.free])
        assert found[b].value == pytest.approx(alone.value, rel=1e-12)
        assert found[b].gradient == pytest.approx(alone.gradient, rel=1e-9, abs=1e-10)
    missing = lost(problem, counts)
    names = problem.table.estimated_names
    for e, name in enumerate("abc"):
        assert (missing[:, names.index(f"x0[{name}]")] == (counts[:, e] == 0)).all()
    assert not missing[:, names.index("k")].any()


def test_the_parts_of_the_cases_make_the_whole() -> None:
    problem = assembled(GROUPS, data=THREE).problem
    u = problem.table.to_search(problem.table.values)
    likelihood = Likelihood(problem)
    moments = [m.repeated(3) for m in likelihood.moments_at(u[None], True).moments]
    data = one_unit_each(problem, case_units(problem))
    parts = likelihood.evaluations_from(np.tile(u, (3, 1)), moments, {}, data=data)
    whole = likelihood.evaluate(u)
    assert parts.value.sum() == pytest.approx(whole.value)
    assert parts.gradient.sum(axis=0) == pytest.approx(whole.gradient)


def test_replicates_are_one_case_but_where_there_are_no_others() -> None:
    problem, _ = of("gaussian")
    (one,) = problem.experiments

    def units(*names: str) -> list[int]:
        experiments = tuple(replace(one, name=name) for name in names)
        empty = Experiment("z", [0.0, 1.0], np.full((2, 1), np.nan))
        return case_units(replace(problem, experiments=(*experiments, empty))).tolist()

    assert units("a", "a#2", "b") == [0, 0, 1, -1]
    assert units("a", "a#2") == [0, 1, -1]
