"""Linear equations of the stiff method by L and U: dense with exchanged rows, or sparse in an order that is given.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

The sparse matrix has the pattern that sparsity.py describes, in which L and U have their places already. Its pivots are
the diagonal, in their order: with W = 1/(h gamma) - J these are large where h is small. A pivot that has lost its
digits is a matrix that cannot be factorized; the step is then tried again with half its size, as for a singular one.

References
----------
T. A. Davis, Direct Methods for Sparse Linear Systems (2006), 3 and 6; for pivots on the diagonal in kinetics: A. Sandu
et al., Benchmarking stiff ODE solvers for atmospheric chemistry problems I, Atmospheric Environment 31 (1997).
"""

from __future__ import annotations

from math import isfinite

from odefit.arrays import FloatArray, IntArray

LEAST_PIVOT = 1e-12
"""The least pivot, relative to what was subtracted to make it."""


def add_to_diagonal(n: int, pattern: IntArray, number: float, a: FloatArray) -> None:
    """Add a number to all entries of the diagonal."""
    if pattern[0] == 0:
        for i in range(n):
            a[i * n + i] += number
    else:
        diagonal = pattern[2 + n :]
        for i in range(n):
            a[diagonal[i]] += number


def factorize(n: int, pattern: IntArray, a: FloatArray, pivots: FloatArray) -> bool:
    """L and U of a in its place; False where it is singular or not finite. pivots: [n] room."""
    if pattern[0] == 0:
        return factorize_dense(n, a, pivots)
    return factorize_sparse(n, pattern, a, pivots)


def substitute(n: int, width: int, pattern: IntArray, a: FloatArray, pivots: FloatArray, b: FloatArray) -> None:
    """Solve for b [n, width], in its place."""
    if pattern[0] == 0:
        substitute_dense(n, width, a, pivots, b)
    elif width == 1:
        substitute_one(n, pattern, a, b)
    else:
        substitute_sparse(n, width, pattern, a, b)


def substitute_transposed(n: int, pattern: IntArray, a: FloatArray, pivots: FloatArray, b: FloatArray) -> None:
    """Solve with the transpose of the matrix for one column b [n], in its place."""
    if pattern[0] > 0:
        substitute_transposed_sparse(n, pattern, a, b)
        return
    for k in range(n):
        b[k] = b[k] / a[k * n + k]
        for j in range(k + 1, n):
            b[j] -= a[k * n + j] * b[k]
    for m in range(n):
        k = n - 1 - m
        for j in range(k):
            b[j] -= a[k * n + j] * b[k]
    for m in range(n):
        k = n - 1 - m
        best = int(pivots[k])
        other = b[k]
        b[k] = b[best]
        b[best] = other


def substitute_transposed_sparse(n: int, pattern: IntArray, a: FloatArray, b: FloatArray) -> None:
    """The same for a sparse matrix."""
    starts = pattern[1:]
    diagonal = pattern[2 + n :]
    order = pattern[2 + 2 * n + pattern[0] :]
    states = pattern[2 + 3 * n + pattern[0] :]
    for i in range(n):
        b[order[i]] *= a[diagonal[i]]
        for e in range(diagonal[i] + 1, starts[i + 1]):
            b[states[e]] -= a[e] * b[order[i]]
    for m in range(n):
        i = n - 1 - m
        for e in range(starts[i], diagonal[i]):
            b[states[e]] -= a[e] * b[order[i]]


def factorize_sparse(n: int, pattern: IntArray, a: FloatArray, row: FloatArray) -> bool:
    """Row by row: each, spread over `row`, less its multiples of the rows above; 1/U on the diagonal."""
    starts = pattern[1:]
    diagonal = pattern[2 + n :]
    columns = pattern[2 + 2 * n :]
    for i in range(n):
        for e in range(starts[i], starts[i + 1]):
            row[columns[e]] = a[e]
        most = abs(row[i])
        for e in range(starts[i], diagonal[i]):
            k = columns[e]
            factor = row[k] * a[diagonal[k]]
            a[e] = factor
            if factor != 0.0:
                before = row[i]
                for m in range(diagonal[k] + 1, starts[k + 1]):
                    row[columns[m]] -= factor * a[m]
                most = max(most, abs(row[i] - before))
        if not (abs(row[i]) > LEAST_PIVOT * most and isfinite(row[i])):
            return False
        a[diagonal[i]] = 1.0 / row[i]
        for e in range(diagonal[i] + 1, starts[i + 1]):
            a[e] = row[columns[e]]
    return True


def substitute_one(n: int, pattern: IntArray, a: FloatArray, b: FloatArray) -> None:
    """Solve for one column."""
    starts = pattern[1:]
    diagonal = pattern[2 + n :]
    order = pattern[2 + 2 * n + pattern[0] :]
    states = pattern[2 + 3 * n + pattern[0] :]
    for i in range(n):
        total = b[order[i]]
        for e in range(starts[i], diagonal[i]):
            total -= a[e] * b[states[e]]
        b[order[i]] = total
    for m in range(n):
        i = n - 1 - m
        total = b[order[i]]
        for e in range(diagonal[i] + 1, starts[i + 1]):
            total -= a[e] * b[states[e]]
        b[order[i]] = total * a[diagonal[i]]


def substitute_sparse(n: int, width: int, pattern: IntArray, a: FloatArray, b: FloatArray) -> None:
    """Solve for several columns."""
    starts = pattern[1:]
    diagonal = pattern[2 + n :]
    order = pattern[2 + 2 * n + pattern[0] :]
    states = pattern[2 + 3 * n + pattern[0] :]
    for i in range(n):
        own = b[order[i] * width :]
        for e in range(starts[i], diagonal[i]):
            below = a[e]
            if below != 0.0:
                own[:width] = own[:width] - below * b[states[e] * width : (states[e] + 1) * width]
    for m in range(n):
        i = n - 1 - m
        own = b[order[i] * width :]
        for e in range(diagonal[i] + 1, starts[i + 1]):
            above = a[e]
            if above != 0.0:
                own[:width] = own[:width] - above * b[states[e] * width : (states[e] + 1) * width]
        inverse = a[diagonal[i]]
        own[:width] = inverse * own[:width]


def factorize_dense(n: int, a: FloatArray, pivots: FloatArray) -> bool:
    """L and U of a [n, n] in its place, rows exchanged; False where it is singular or not finite."""
    for k in range(n):
        best = k
        most = abs(a[k * n + k])
        for i in range(k + 1, n):
            if abs(a[i * n + k]) > most:
                most = abs(a[i * n + k])
                best = i
        pivots[k] = float(best)
        if not (most > 0.0 and isfinite(most)):
            return False
        if best != k:
            for j in range(n):
                other = a[k * n + j]
                a[k * n + j] = a[best * n + j]
                a[best * n + j] = other
        inverse = 1.0 / a[k * n + k]
        for i in range(k + 1, n):
            factor = a[i * n + k] * inverse
            a[i * n + k] = factor
            if factor != 0.0:
                a[i * n + k + 1 : (i + 1) * n] = (
                    a[i * n + k + 1 : (i + 1) * n] - factor * a[k * n + k + 1 : (k + 1) * n]
                )
    return True


def substitute_dense(n: int, width: int, a: FloatArray, pivots: FloatArray, b: FloatArray) -> None:
    """Solve for b [n, width], in its place."""
    for k in range(n):
        best = int(pivots[k])
        if best != k:
            for j in range(width):
                other = b[k * width + j]
                b[k * width + j] = b[best * width + j]
                b[best * width + j] = other
    for k in range(n):
        for i in range(k + 1, n):
            below = a[i * n + k]
            if below != 0.0:
                b[i * width : (i + 1) * width] = b[i * width : (i + 1) * width] - below * b[k * width : (k + 1) * width]
    for m in range(n):
        k = n - 1 - m
        inverse = 1.0 / a[k * n + k]
        b[k * width : (k + 1) * width] = inverse * b[k * width : (k + 1) * width]
        for i in range(k):
            above = a[i * n + k]
            if above != 0.0:
                b[i * width : (i + 1) * width] = b[i * width : (i + 1) * width] - above * b[k * width : (k + 1) * width]
