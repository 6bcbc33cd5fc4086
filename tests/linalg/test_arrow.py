"""Steps, fits and covariances in arrow form: the same as those of the matrix, at another cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arrow_problems import KINDS, predators, random_rows
from odefit.config.load import load_config
from odefit.linalg.arrow_inverse import ArrowInverse
from odefit.linalg.arrow_layout import Layout
from odefit.linalg.arrow_matrix import ArrowMatrix
from odefit.linalg.arrow_qr import Elimination
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.matrix import EPS
from odefit.linalg.score import Evaluation, Evaluations
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.optimizers.local_model import LocalModels
from odefit.problem.preparation import prepare
from odefit.uncertainty.bands import prediction_bands
from odefit.uncertainty.covariance import (
    MAX_LISTED,
    fisher_covariance,
    length_in_errors,
)
from small_problems import Array


def shortest(a: Array, z: Array, damping: float) -> Array:
    """The minimiser of |A p + z|² + damping |p|² from the singular values of A."""
    left, s, right = np.linalg.svd(a, full_matrices=False)
    seen = s > max(a.shape) * EPS * s[0]
    return -(s[seen] / (s[seen] ** 2 + damping) * (left[:, seen].T @ z)) @ right[seen]


# --- steps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_step_is_the_shortest_minimum_for_every_damping(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        a, z = random_rows(rng, kind)
        size = 10.0 ** rng.uniform(-2, 2, a.shape[1])
        parts = Elimination(a.reduced(z, size))
        for damping in (0.0, 1e-6, 0.1, 100.0):
            expected = shortest(a.dense() * size, z, damping)
            np.testing.assert_allclose(parts.solve(damping), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_held_leave(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(25):
        a, z = random_rows(rng, kind)
        free, held = rng.random(a.shape[1]) < 0.7, rng.normal(size=a.shape[1])
        free[0] = True
        reduced, dense = a.reduced(z), a.dense()
        like = Elimination(reduced)
        for damping in (0.0, 0.1):
            expected = held.copy()
            expected[free] = shortest(dense[:, free], z + dense[:, ~free] @ held[~free], damping)
            for found in (Elimination(reduced, free, held, like), Elimination(reduced, free, held)):
                np.testing.assert_allclose(found.solve(damping), expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_an_ill_conditioned_problem_is_not_squared() -> None:
    # A has a condition above 1e9: the normal equations would have no correct digit.
    rng = np.random.default_rng(2)
    a, _ = random_rows(rng)
    while len(a.layout.shared) < 2 or a.own.shape[1] < 2:
        a, _ = random_rows(rng)
    a.shared[:, 1] = a.shared[:, 0] + 1e-9 * a.shared[:, 1]
    a.own[:, 1] *= 1e-5
    truth = rng.normal(size=a.shape[1])
    z = -a.times(truth)
    assert np.linalg.cond(a.dense()) > 1e8
    np.testing.assert_allclose(Elimination(a.reduced(z)).solve(0.0), truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_in_a_box_is_that_of_the_matrix(kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        a, z = random_rows(rng, kind)
        n = a.shape[1]
        size = 10.0 ** rng.uniform(-2, 2, n)
        low, high = -size * rng.exponential(size=n), size * rng.exponential(size=n)
        low[rng.random(n) < 0.1] = 0.0
        arrow, matrix = (
            LocalModels.at(np.zeros((1, n)), Evaluations.of([Evaluation(0.0, z, form)]), size, low, high)
            for form in (a, DenseMatrix(a.dense()))
        )
        assert arrow.problem.steepness() == pytest.approx(matrix.problem.steepness(), rel=1e-9)
        for damping in np.array([[0.0], [1e-3], [1.0]]):
            p, q = arrow.damped(damping), matrix.damped(damping)
            assert ((p >= arrow.low) & (p <= arrow.high)).all()
            assert arrow.decrease(q) == pytest.approx(matrix.decrease(q), rel=1e-9, abs=1e-12)
            if damping:  # else there may be several
                np.testing.assert_allclose(p, q, rtol=1e-7, atol=1e-9)
            else:
                assert arrow.decrease(p) == pytest.approx(matrix.decrease(q), rel=1e-9, abs=1e-12)
        full = arrow.damped(np.zeros(1))
        radius = 0.3 * np.linalg.norm(full, axis=1)
        assert 0.89 * radius[0] <= np.linalg.norm(arrow.step(radius, full)[0]) <= 1.11 * radius[0]


def test_a_block_without_data_does_not_move() -> None:
    a, z = random_rows(np.random.default_rng(4), "silent")
    own = a.layout.own[0]
    p = LocalModels.at(*at_zero(a, z)).damped(np.zeros(1))[0]
    assert (p[own[own < a.shape[1]]] == 0).all()
    assert np.abs(p).max() > 0


def at_zero(a: ArrowMatrix, z: Array) -> tuple[Array, Evaluations, Array, Array, Array]:
    n = a.shape[1]
    return (
        np.zeros((1, n)),
        Evaluations.of([Evaluation(0.0, z, a)]),
        np.ones(n),
        np.full(n, -np.inf),
        np.full(n, np.inf),
    )


def test_twenty_thousand_blocks_are_no_trouble() -> None:
    """Their matrix with all entries would take 9.6 GB: nothing on the way may form it."""
    a = many_blocks(20_000)
    model = LocalModels.at(*at_zero(a, np.ones(a.shape[0])))
    step = model.step(np.ones(1), model.damped(np.zeros(1)))[0]
    assert 0.89 < np.linalg.norm(step) < 1.11
    assert model.decrease(step)[0] > 0


def many_blocks(n: int) -> ArrowMatrix:
    rng = np.random.default_rng(5)
    layout = Layout(n + 2, np.array([n, n + 1]), np.arange(n)[:, None])
    rows = 3 * n
    return ArrowMatrix(layout, np.repeat(np.arange(n), 3), rng.normal(size=(rows, 2)), rng.normal(size=(rows, 1)))


# --- fits -------------------------------------------------------------------------------------------


def fitted(problem: FitProblem, blocks: bool) -> tuple[SearchOutcome, Array]:
    """The outcome, and u with the profiled noise levels."""
    profile = ProfileLikelihood(Likelihood(problem, blocks))
    u, (low, high) = problem.table.to_search(problem.table.values), problem.table.search_bounds()
    free = profile.free
    outcome = minimize_least_squares(profile, u[free], low[free], high[free], size=np.ones(len(free)))
    return outcome, profile.lift(outcome.u)


@pytest.mark.parametrize("n, variant", [
    (3, ""), (30, ""), (6, "priors"), (6, "bounds"), (6, "ties"), (6, "groups"), (4, "laplace"), (6, "censored"),
    (6, "ragged"),
])  # fmt: skip
def test_both_forms_find_the_same_fit_and_covariance(n: int, variant: str) -> None:
    problem = predators(n, variant)
    (matrix, u), (arrow, v) = fitted(problem, False), fitted(problem, True)
    assert matrix.status == arrow.status == "converged"
    # A minimum on kinks is met to the rounding of these.
    value, place = (1e-6, 1e-4) if variant == "laplace" else (1e-10, 1e-7)
    assert arrow.value == pytest.approx(matrix.value, rel=value)
    np.testing.assert_allclose(v, u, atol=place)
    np.testing.assert_array_equal(arrow.at_bound, matrix.at_bound)
    assert arrow.at_bound.any() == (variant == "bounds")
    low, high = problem.table.search_bounds()
    free, names = (u > low) & (u < high), problem.table.estimated_names
    here, there = (fisher_covariance(Likelihood(problem, b).information(u).A, names, free) for b in (False, True))
    assert isinstance(there.inverse, ArrowInverse)
    np.testing.assert_allclose(there.standard_errors, here.standard_errors, rtol=1e-9)
    np.testing.assert_allclose(there.matrix, here.matrix, rtol=1e-7, atol=1e-12)
    assert dict(there.undetermined) == dict(here.undetermined)
    fine = [e.at(np.linspace(0, 4, 7)) for e in problem.experiments]
    theta = problem.table.to_natural(u)
    bands = [prediction_bands(problem, theta, c.known(~free), fine) for c in (here, there)]
    for one, other in zip(*bands, strict=True):
        np.testing.assert_allclose(other.low, one.low, rtol=1e-9)
        np.testing.assert_allclose(other.noise_high, one.noise_high, rtol=1e-9)


def test_twelve_people_with_rates_of_their_own() -> None:
    """Nothing is shared here once the noise level is eliminated."""

    problem = prepare(load_config(Path(__file__).parents[2] / "configs" / "theophylline.yaml"))[0].problem
    (matrix, u), (arrow, v) = fitted(problem, False), fitted(problem, True)
    assert arrow.status == matrix.status == "converged"
    assert arrow.value == pytest.approx(matrix.value, rel=1e-9)
    names = problem.table.estimated_names
    here, there = (fisher_covariance(Likelihood(problem, b).information(u).A, names) for b in (False, True))
    np.testing.assert_allclose(np.abs(v - u) / here.standard_errors, 0.0, atol=1e-4)
    np.testing.assert_allclose(there.standard_errors, here.standard_errors, rtol=1e-9)


def test_lbfgs_needs_no_matrix_either() -> None:
    problem = predators(8)
    outcomes = []
    for blocks in (False, True):
        profile = ProfileLikelihood(Likelihood(problem, blocks))
        u = problem.table.to_search(problem.table.values)[profile.free]
        outcomes.append(minimize_lbfgs(profile, u, size=np.ones(len(u))))
    assert outcomes[1].value == pytest.approx(outcomes[0].value, rel=1e-9)


def test_who_is_not_determined_is_told_alike() -> None:
    """An experiment without a measurement of its own, and a rate that only scales what each begins with."""
    problem = predators(6)
    values = problem.experiments[2].values * np.nan
    values[0, 1] = 1.0
    experiments = list(problem.experiments)
    experiments[2] = replace(experiments[2], values=values)
    problem = replace(problem, experiments=tuple(experiments))
    u, names = problem.table.to_search(problem.table.values), problem.table.estimated_names
    here, there = (fisher_covariance(Likelihood(problem, b).information(u).A, names) for b in (False, True))
    assert dict(there.undetermined) == dict(here.undetermined)
    assert set(there.undetermined) == {"x_0[e2]"}
    np.testing.assert_allclose(there.standard_errors, here.standard_errors, rtol=1e-8)


# --- covariances ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_covariance_is_that_of_the_matrix(kind: str) -> None:
    rng = np.random.default_rng(6)
    for _ in range(25):
        a, z = random_rows(rng, kind)
        names = [f"p{k}" for k in range(a.shape[1])]
        free = rng.random(a.shape[1]) < 0.9
        here, there = fisher_covariance(DenseMatrix(a.dense()), names, free), fisher_covariance(a, names, free)
        assert there.undetermined.keys() == here.undetermined.keys()
        assert {n: there.undetermined[n].split(" with ")[0] for n in there.undetermined} == {
            n: here.undetermined[n].split(" with ")[0] for n in here.undetermined
        }
        if not np.isnan(here.matrix).all():
            atol = 1e-10 * np.nanmax(np.abs(here.matrix))
            np.testing.assert_allclose(there.matrix, here.matrix, rtol=1e-8, atol=atol)
        np.testing.assert_allclose(there.standard_errors, here.standard_errors, rtol=1e-8)
        some = rng.permutation(a.shape[1])[:3]
        np.testing.assert_allclose(there.part(some), there.matrix[np.ix_(some, some)], rtol=1e-9, atol=1e-12)
        for covariances in ((here, there), (here.known(~free), there.known(~free))):
            slopes = np.concatenate([rng.normal(size=(3, len(some))), np.eye(len(some))])
            expected, found = (c.variance(slopes, some) for c in covariances)
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)
        factor = rng.exponential(size=a.shape[1])
        np.testing.assert_allclose(there.scaled(factor).standard_errors, factor * there.standard_errors)
        change = a.adjoint(z)
        assert length_in_errors(a, change, 1e-7) == pytest.approx(
            length_in_errors(DenseMatrix(a.dense()), change, 1e-7), rel=1e-8
        )


def test_what_was_left_out_is_a_projection() -> None:
    rng = np.random.default_rng(7)
    for kind in ("confounded", "equal"):
        a, _ = random_rows(rng, kind)
        while len(a.layout.shared) < 2:
            a, _ = random_rows(rng, kind)
        inverse = a.inverse(np.ones(a.shape[1], dtype=bool), 1e-9)
        projection = np.stack([inverse.partners(k) for k in range(a.shape[1])])
        np.testing.assert_allclose(projection @ projection, projection, atol=1e-9)
        np.testing.assert_allclose(a.dense() / a.lengths @ projection, 0.0, atol=1e-9)
        np.testing.assert_allclose(inverse.participation**2, np.diag(projection), atol=1e-9)


def test_of_thousands_only_the_shared_ones_are_listed() -> None:
    a = many_blocks(3_000)
    names = [f"p{k}" for k in range(a.shape[1])]
    whole = fisher_covariance(a, names)
    table = whole.listed()
    assert len(names) > MAX_LISTED
    assert table.names == ("p3000", "p3001")
    assert len(whole.standard_errors) == len(names)
    # The Schur complement, block by block.
    left = np.zeros((2, 2))
    for b in range(3_000):
        own, shared = a.own[3 * b : 3 * b + 3], a.shared[3 * b : 3 * b + 3]
        rest = shared - own @ (own.T @ shared) / float(own.ravel() @ own.ravel())
        left += rest.T @ rest
    np.testing.assert_allclose(table.matrix, np.linalg.inv(left), rtol=1e-9)
