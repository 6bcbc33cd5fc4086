"""Starts made out of the best parts of others: what a part is, what it is worth, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from from_text import assembled as assembly_of
from odefit.arrays import FloatArray
from odefit.fitting.assembling import Assembler, Part, assembled, parts_of
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.shares import unit_values, units_touched

T = np.array([0.5, 1.0, 2.0])
GENES = """
model:
  equations: {s: -k*s, a: b_a*s - d_a*a, c: b_c*s - d_c*c}
  initial: {s: 2, a: 0, c: 0}
  observables: {S: s, A: f*a, C: c}
parameters:
  k: {value: 0.5, bounds: [0.01, 10], scale: log}
  b_a: {value: 1.5, bounds: [0.01, 10], scale: log}
  d_a: {value: 0.2, bounds: [0.01, 10], scale: log}
  f: {value: 1.0, bounds: [0.01, 10], scale: log}
  b_c: {value: 0.7, bounds: [0.01, 10], scale: log}
  d_c: {value: 0.9, bounds: [0.01, 10], scale: log}
noise: {S: {model: gaussian, sigma: 0.1}, A: {model: gaussian, sigma: 0.2}, C: gaussian}
solver: {rtol: 1e-9, atol: 1e-12}
"""
DATA = "experiment,time,S,A,C\n" + "".join(
    f"{name},{t},{x},{y},{z}\n"
    for name in ("one", "two")
    for t, x, y, z in zip(T, (1.5, 1.3, 0.8), (1.0, 1.9, "" if name == "two" else "<3"), (0.5, 0.6, 0.7), strict=True)
)


@pytest.fixture(scope="module")
def genes() -> ProfileLikelihood:
    return ProfileLikelihood(Likelihood(assembly_of(GENES, data=DATA).problem))


def driven(b: float, d: float, k: float) -> FloatArray:
    """x' = b 2 exp(-k t) - d x from 0."""
    return np.asarray(2 * b * (np.exp(-k * T) - np.exp(-d * T)) / (d - k))


def test_units_add_up_to_the_likelihood_and_each_is_that_of_its_measurements(genes: ProfileLikelihood) -> None:
    theta = np.array([0.4, 1.2, 0.3, 1.1, 0.6, 1.0])
    u = np.log(np.stack([theta, theta + 0.1]))
    values = unit_values(genes, u)
    assert values.shape == (2, 6)
    np.testing.assert_allclose(values.sum(axis=1), genes.values(u), rtol=1e-9)
    z = (2 * np.exp(-0.4 * T) - np.array([1.5, 1.3, 0.8])) / 0.1
    signal = 0.5 * (z**2).sum() + 3 * np.log(0.1 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(values[0, :2], signal, rtol=1e-6)
    z = (1.1 * driven(1.2, 0.3, 0.4)[:2] - np.array([1.0, 1.9])) / 0.2
    assert values[0, 3] == pytest.approx(0.5 * (z**2).sum() + 2 * np.log(0.2 * np.sqrt(2 * np.pi)), rel=1e-6)
    off = driven(0.6, 1.0, 0.4) - np.array([0.5, 0.6, 0.7])
    best = np.sqrt(np.mean(off**2))  # the noise level of C is at its best value
    assert values[0, 4] == pytest.approx(1.5 + 3 * np.log(best * np.sqrt(2 * np.pi)), rel=1e-6)


def test_what_two_genes_share_belongs_to_no_part(genes: ProfileLikelihood) -> None:
    touched = units_touched(genes, np.log(np.array([0.4, 1.2, 0.3, 1.1, 0.6, 1.0])))
    assert touched is not None
    np.testing.assert_array_equal(touched[:, 0], True)
    np.testing.assert_array_equal(touched[:, 1:4], np.repeat([[0], [1], [0]], 2, axis=0) == np.ones((6, 3)))
    parts = parts_of(touched)
    assert [part.columns.tolist() for part in parts] == [[1, 2, 3], [4, 5]]
    assert [part.units.tolist() for part in parts] == [[2, 3], [4, 5]]


def test_parts_that_a_parameter_connects_are_one_and_one_alone_is_none() -> None:
    touched = np.zeros((8, 5), dtype=bool)
    touched[0, 0] = touched[1, 1] = touched[4, 2] = True
    touched[:2, 3] = True  # connects the first two
    touched[:, 4] = True  # concerns all
    assert [part.columns.tolist() for part in parts_of(touched)] == [[0, 1, 3], [2]]
    assert parts_of(touched[:, [0, 1, 3, 4]]) == []
    assert parts_of(touched[:, [4]]) == []


def test_the_best_of_each_part_is_put_together_and_nothing_leaves_the_box() -> None:
    elite = np.array([[0.0] * 5, [1.0] * 5, [2.0] * 5])
    parts = [Part(np.array([1, 2]), np.array([0])), Part(np.array([3]), np.array([1, 2]))]
    values = np.array([[3.0, 1.0, 5.0], [1.0, 2.0, 2.0], [2.0, np.inf, 0.0]])
    box = np.full(5, 5.0), np.full(5, 6.0)
    children = assembled(elite, values, parts, 400, box, np.random.default_rng(0))
    new = children >= 5
    assert (children <= 6).all()
    assert 0.35 < new.any(axis=1).mean() < 0.75
    kept = children[~new.any(axis=1)]
    np.testing.assert_array_equal(np.unique(kept, axis=0), [[0, 1, 1, 1, 0], [2, 1, 1, 1, 2]])
    # Parent 1 has the best of both parts itself: one of them is drawn anew.
    own = children[children[:, 0] == 1]
    assert len(own) > 50
    assert (own >= 5).any(axis=1).all()
    assert not (new[:, [0, 4]]).any()
    assert set(new[:, 1:4].sum(axis=1)) == {0, 1, 2}
    np.testing.assert_array_equal(children, assembled(elite, values, parts, 400, box, np.random.default_rng(0)))


def test_each_gene_comes_from_the_start_that_has_found_it(genes: ProfileLikelihood) -> None:
    truth = np.log([0.5, 1.5, 0.2, 1.0, 0.7, 0.9])
    one, other = truth.copy(), truth.copy()
    one[4:], other[1:4] = np.log([3.0, 0.1]), np.log([0.1, 3.0, 2.0])
    assembler = Assembler(genes, np.arange(6), one)
    box = np.full(6, np.log(0.01)), np.full(6, np.log(10))
    children = assembler(np.stack([one, other]), 20, box, np.random.default_rng(1))
    whole = np.isclose(children, truth).all(axis=1)
    assert whole.any()
    assert genes.values(children[whole])[0] < genes.values(np.stack([one, other])).min()
    assert (np.isclose(children, truth).mean(axis=1) >= 0.5).all()


def test_a_place_where_the_model_fails_has_no_parts(genes: ProfileLikelihood) -> None:
    nowhere = np.full(6, np.nan)
    assert units_touched(genes, nowhere) is None
    assert (unit_values(genes, nowhere[None]) == np.inf).all()
    assert Assembler(genes, np.arange(6), nowhere).parts == []
