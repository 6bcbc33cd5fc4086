"""A = Q R of many small matrices, one after the other, by Gram and Schmidt's process in its modified form.

compilation/lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands. Q is orthogonal to
about the condition of A times the rounding: enough where that is small, and else it is not used (dense_least_squares).
"""

from __future__ import annotations

from math import sqrt

from odefit.arrays import FloatArray


def triangles(
    points: int, m: int, n: int, q: FloatArray, r: FloatArray, least: FloatArray, most: FloatArray, work: FloatArray
) -> None:
    """Q in the place of A, R, and the limits of the curvatures of |A p|²/2.

    q, r: [B, M, P], [B, P, P] M and P are m and n. least, most: [B]. work: [P] room.
    """
    for b in range(points):
        top = r[b * n * n :]
        orthogonalise(m, n, q[b * m * n :], top, work)
        most[b] = 0.0
        for i in range(n * n):
            most[b] += top[i] * top[i]
        least[b] = least_curvature(n, top, work)


def orthogonalise(m: int, n: int, q: FloatArray, r: FloatArray, work: FloatArray) -> None:
    """One matrix, whole rows at a time: column by column, what the columns behind it have in common with it is taken
    away from them."""
    for j in range(n):
        work[:n] = 0.0
        for i in range(m):
            row = q[i * n :]
            work[:n] = work[:n] + row[j] * row[:n]
        inverse = 0.0
        if work[j] > 0.0:
            inverse = 1.0 / sqrt(work[j])
        top = r[j * n :]
        for k in range(n):
            top[k] = 0.0
            if k >= j:
                top[k] = work[k] * inverse
        for i in range(m):
            row = q[i * n :]
            own = row[j] * inverse
            row[:n] = row[:n] - own * top[:n]
            row[j] = own


def least_curvature(n: int, r: FloatArray, work: FloatArray) -> float:
    """1/|R^-1|², by Frobenius' norm, for the squares of the inverse singular values add up to that; 0 where R has no
    inverse."""
    total = 0.0
    for j in range(n):
        for m in range(j + 1):
            i = j - m
            if not r[i * n + i] > 0.0:
                return 0.0
            entry = 0.0
            if m == 0:
                entry = 1.0
            for k in range(i + 1, j + 1):
                entry -= r[i * n + k] * work[k]
            work[i] = entry / r[i * n + i]
            total += work[i] * work[i]
    return 1.0 / total
