"""Block tridiagonal systems by cyclic reduction: every level halves the blocks, and is one call for all of them.

    C_k-1 x_k-1 + A_k x_k + C_k' x_k+1 = r_k,       A_k symmetric, C_k the block of rows k + 1 and columns k.

Each odd x is eliminated, which leaves a system of the same form in the even ones (D. Heller 1976).
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray


def solve_tridiagonal(a: FloatArray, c: FloatArray, r: FloatArray) -> FloatArray:
    """x [..., K, S, Q] of the system above.

    Parameters
    ----------
    a
        [..., K, S, S], the blocks on the diagonal: positive definite, all together.
    c
        [..., K - 1, S, S], those below it.
    r
        [..., K, S, Q].

    Raises
    ------
    numpy.linalg.LinAlgError
        A block that is to be inverted is singular.
    """
    n = a.shape[-3]
    if n == 1:
        return np.asarray(np.linalg.solve(a, r), dtype=np.float64)
    s, q = a.shape[-1], r.shape[-1]
    left, right = c[..., 0::2, :, :], c[..., 1::2, :, :]
    n_odd, n_right = left.shape[-3], right.shape[-3]
    sides = np.zeros((*left.shape[:-1], 2 * s + q))
    sides[..., :s], sides[..., 2 * s :] = left, r[..., 1::2, :, :]
    sides[..., :n_right, :, s : 2 * s] = right.swapaxes(-1, -2)
    solved = np.linalg.solve(a[..., 1::2, :, :], sides)
    by_left, by_right, alone = solved[..., :s], solved[..., s : 2 * s], solved[..., 2 * s :]
    even, rest = a[..., 0::2, :, :].copy(), r[..., 0::2, :, :].copy()
    above = left.swapaxes(-1, -2) @ solved
    even[..., :n_odd, :, :] -= above[..., :s]
    rest[..., :n_odd, :, :] -= above[..., 2 * s :]
    below = right @ solved[..., :n_right, :, :]
    even[..., 1 : n_right + 1, :, :] -= below[..., s : 2 * s]
    rest[..., 1 : n_right + 1, :, :] -= below[..., 2 * s :]
    x_even = solve_tridiagonal(even, -below[..., :s], rest)
    x = np.empty((*r.shape[:-3], n, s, q))
    x[..., 0::2, :, :] = x_even
    odd = alone - by_left @ x_even[..., :n_odd, :, :]
    odd[..., :n_right, :, :] -= by_right[..., :n_right, :, :] @ x_even[..., 1 : n_right + 1, :, :]
    x[..., 1::2, :, :] = odd
    return x
