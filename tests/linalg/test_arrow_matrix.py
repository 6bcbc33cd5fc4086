"""A in arrow form: what it answers, how it comes about, and that it is the matrix that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from arrow_problems import KINDS, predators, random_rows
from odefit.errors import FitError
from odefit.linalg.arrow_layout import Layout
from odefit.linalg.arrow_matrix import ArrowMatrix
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.objective.jacobian import cheapest
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.l1 import sharpened
from odefit.objective.profile import ProfileLikelihood

pytestmark = pytest.mark.quick

VARIANTS = ("", "priors", "bounds", "ties", "groups", "laplace", "censored", "ragged")


@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_answer_alike(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        a, z = random_rows(rng, kind)
        entries, d = a.dense(), rng.normal(size=a.shape[1])
        chosen = np.flatnonzero(rng.random(a.shape[1]) < 0.6)
        np.testing.assert_array_equal(a.layout.joined(*a.layout.split(d)), d)
        for form in (a, DenseMatrix(entries)):
            assert form.shape == entries.shape
            assert form.is_finite
            assert form.max_abs == np.abs(entries).max()
            np.testing.assert_array_equal(np.asarray(form), entries)
            np.testing.assert_allclose(form.adjoint(z), entries.T @ z, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(form.times(d), entries @ d, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(form.lengths, np.linalg.norm(entries, axis=0), rtol=1e-12)
            np.testing.assert_array_equal(form.scale_rows(z).dense(), entries * z[:, None])
            fewer = form.select(chosen)
            assert type(fewer) is type(form)
            np.testing.assert_array_equal(fewer.dense(), entries[:, chosen])
            np.testing.assert_allclose(fewer.adjoint(z), entries[:, chosen].T @ z, rtol=1e-12, atol=1e-12)


def test_every_row_is_in_one_group() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, _ = random_rows(rng, "short")
        found = [(b, r) for blocks, rows in a.groups() for b, line in zip(blocks, rows, strict=True) for r in line]
        real = [(b, r) for b, r in found if r < len(a.block)]
        assert all(a.block[r] == b for b, r in real)
        assert sorted(r for _, r in real) == np.flatnonzero(a.block < a.layout.n_blocks).tolist()


def test_what_is_not_finite_is_seen() -> None:
    a, _ = random_rows(np.random.default_rng(2))
    assert a.is_finite
    a.own[a.block == 0] = np.nan
    assert not a.is_finite
    assert np.isnan(a.max_abs)


def test_a_matrix_that_nobody_could_hold_is_refused() -> None:
    n = 100_000
    layout = Layout(n, np.arange(1), np.arange(1, n)[:, None])
    a = ArrowMatrix(layout, np.arange(n - 1), np.ones((n - 1, 1)), np.ones((n - 1, 1)))
    with pytest.raises(FitError, match="80 GB"):
        np.asarray(a)
    z = np.ones(n - 1)
    assert a.adjoint(z)[0] == n - 1  # and what is needed of it is at hand
    assert a.least_squares(z).minimiser(1e-3).shape == (n,)


# --- the layout -------------------------------------------------------------------------------------


def test_own_columns_are_those_of_one_experiment() -> None:
    # Column 0 for all, 1 to 6 for one each, 7 for the last two, which are one block; 8 is a constant.
    where = np.array([[0, 1, 8], [0, 2, 3], [0, 4, 4], [0, 5, 6], [0, 7, 7], [0, 7, 7]])
    found = cheapest(where, 8, np.full(6, 1000), always=True)
    assert found is not None
    layout, block = found
    assert layout.shared.tolist() == [0]
    assert [sorted(set(own) - {8}) for own in layout.own.tolist()] == [[1], [2, 3], [4], [5, 6], [7]]
    np.testing.assert_array_equal(block, [0, 1, 2, 3, 4, 4])


def test_groups_of_experiments_become_blocks_where_that_is_cheaper() -> None:
    # 40 groups of 3 experiments, 5 columns to each group and one to each experiment: 200 shared columns, or none.
    group = np.arange(120) // 3
    where = np.column_stack([120 + 5 * group + k for k in range(5)] + [np.arange(120)])
    found = cheapest(where, 320, np.full(120, 50))
    assert found is not None
    assert found[0].own.shape == (40, 8)
    assert not len(found[0].shared)
    np.testing.assert_array_equal(found[1], group)


def test_a_chain_of_shared_columns_makes_no_blocks() -> None:
    # Each experiment shares a column with the next: as blocks they would be one.
    where = np.column_stack([np.arange(200), np.arange(200) + 1])
    found = cheapest(where, 201, np.full(200, 10), always=True)
    assert found is None or found[0].n_blocks <= 2


def test_few_experiments_keep_a_matrix() -> None:
    u = {n: predators(n) for n in (3, 40)}
    forms = {n: Likelihood(p).evaluate(p.table.to_search(p.table.values)).A for n, p in u.items()}
    assert isinstance(forms[3], DenseMatrix)
    assert isinstance(forms[40], ArrowMatrix)


# --- the objective ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n", [3, 8])
def test_both_forms_are_the_same_evaluation(variant: str, n: int) -> None:
    problem = predators(n, variant)
    u = problem.table.to_search(problem.table.values)
    for ask in ("evaluate", "information"):
        matrix, arrow = (getattr(Likelihood(problem, blocks), ask)(u) for blocks in (False, True))
        assert isinstance(arrow.A, ArrowMatrix)
        assert arrow.value == matrix.value
        np.testing.assert_allclose(arrow.z, matrix.z, rtol=1e-9)
        np.testing.assert_allclose(arrow.A.dense(), matrix.A.dense(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(arrow.gradient, matrix.gradient, rtol=1e-9, atol=1e-9)
    matrix, arrow = (ProfileLikelihood(Likelihood(problem, blocks)) for blocks in (False, True))
    assert arrow.sigmas or variant == "censored"
    here, there = (profile.evaluate(u[profile.free]) for profile in (matrix, arrow))
    np.testing.assert_allclose(there.A.dense(), here.A.dense(), rtol=1e-9, atol=1e-12)


def test_kinks_are_sharpened_alike() -> None:
    rng = np.random.default_rng(3)
    for kind in KINDS:
        a, z = random_rows(rng, kind)
        kinked = rng.random(len(z)) < 0.7
        here, there = sharpened(z, DenseMatrix(a.dense()), kinked), sharpened(z, a, kinked)
        np.testing.assert_allclose(there[0], here[0], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(there[1].dense(), here[1].dense(), rtol=1e-8, atol=1e-10)
