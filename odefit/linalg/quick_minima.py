"""Many small matrices by one call of machine code: A = Q R (triangles.py), minima in boxes (strict_minima.py)."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, Mask, call_code
from odefit.compilation import machine_code
from odefit.records import dataclass

MODULES = ("odefit.linalg.strict_minima", "odefit.linalg.triangles")

MAX_DECOMPOSED = 30
"""Columns of a matrix beyond which LAPACK's blocks take less."""

MAX_COLUMNS = 100
"""Of more, LAPACK's Cholesky decompositions take less."""


def quick_minima(
    rows: FloatArray,
    targets: FloatArray,
    least: FloatArray,
    most: FloatArray,
    low: FloatArray,
    high: FloatArray,
    radius: FloatArray,
    damping: FloatArray,
) -> tuple[FloatArray, FloatArray, Mask] | None:
    """Where |F p + c|²/2 is least in boxes and radii, whatever the other points are.

    Parameters
    ----------
    rows, targets
        [B, k, P] and [B, k], F and c.
    least, most
        [B], what the curvatures are at least, and at most.
    low, high
        [B, P], the boxes.
    radius, damping
        [B], which lengths are allowed, to a tenth, and the least dampings.

    Returns
    -------
    p, damping, done
        [B, P], [B] and [B], the minima, the dampings that they take, and which are found: those of models that are
        strictly convex. None where there is no machine code, or where it is not the quicker way.
    """
    points, k, n = rows.shape
    code = _code() if 0 < n <= MAX_COLUMNS else None
    if code is None:
        return None
    p, found, done = np.empty((points, n)), np.array(damping), np.empty(points, dtype=np.int64)
    sizes, places, work = np.array([n, k], dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n * (3 + 2 * n))
    given = (sizes, rows, targets, least, most, low, high, radius, found, p, done, places, work)
    call_code(code.minima, points, *map(np.ascontiguousarray, given))
    return p, found, done != 0


def quick_triangles(a: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Q [B, M, P] and R [B, P, P] of a [B, M, P], and what the curvatures of |a p|²/2 are at least, and at most, [B]
    each. None where there is no machine code, or where it is not the quicker way."""
    points, m, n = a.shape
    code = _code() if 0 < n <= min(m, MAX_DECOMPOSED) else None
    if code is None:
        return None
    q, r, least, most = np.array(a, order="C"), np.empty((points, n, n)), np.empty(points), np.empty(points)
    call_code(code.triangles, points, m, n, q, r, least, most, np.empty(n))
    return q, r, least, most


@dataclass(frozen=True)
class _Code:
    """The functions, and what they live in."""

    minima: Any
    triangles: Any
    home: machine_code.MachineCode


@lru_cache(maxsize=1)
def _code() -> _Code | None:
    """The machine code; None where there can be none."""
    if machine_code.missing() is not None:
        return None
    try:
        home = machine_code.code_of_modules(MODULES, ["minima", "triangles"])
    except machine_code.FAULTS:
        return None
    minima = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 13)
    triangles = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 5)
    return _Code(minima(home.address("minima")), triangles(home.address("triangles")), home)
