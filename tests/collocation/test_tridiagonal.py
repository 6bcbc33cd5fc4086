"""Cyclic reduction beside a dense solution, for every small number of blocks."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.collocation.tridiagonal import solve_tridiagonal


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 4, 5, 8, 13])
def test_it_solves_what_a_dense_matrix_says(n_blocks: int) -> None:
    rng, s = np.random.default_rng(n_blocks), 2
    a = np.tile(0.1 * np.eye(s), (3, n_blocks, 1, 1))
    c = np.zeros((3, n_blocks - 1, s, s))
    dense = np.zeros((3, n_blocks * s, n_blocks * s))
    for k in range(n_blocks - 1):
        before, after = rng.standard_normal((2, 3, s, s))
        a[:, k] += before.swapaxes(1, 2) @ before
        a[:, k + 1] += after.swapaxes(1, 2) @ after
        c[:, k] = after.swapaxes(1, 2) @ before
    for k in range(n_blocks):
        here = slice(k * s, (k + 1) * s)
        dense[:, here, here] = a[:, k]
        if k + 1 < n_blocks:
            there = slice((k + 1) * s, (k + 2) * s)
            dense[:, there, here], dense[:, here, there] = c[:, k], c[:, k].swapaxes(1, 2)
    right = rng.standard_normal((3, n_blocks, s, 4))
    expected = np.linalg.solve(dense, right.reshape(3, n_blocks * s, 4)).reshape(right.shape)
    np.testing.assert_allclose(solve_tridiagonal(a, c, right), expected, rtol=1e-9, atol=1e-9)
