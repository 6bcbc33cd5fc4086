"""Lines along a field in the plane, drawn from one another so far that none is crowded: what `streamplot` does, which
spends its time on masked arrays and goes through the same code for a point.

The plane is covered by a lattice; a line is followed both ways from the middle of a free cell, in steps of a part of a
cell by Heun's rule, until it would enter a cell in which it was before or another line runs, leaves the plane, comes to
rest, or is long enough. Short ones are dropped. Cells are tried from the rim inwards: lines come in from outside.

References
----------
B. Jobard and W. Lefer (1997), Creating evenly-spaced streamlines of arbitrary density, Visualization in Scientific
Computing '97, 43-55.
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray

CELLS = 22
"""Cells of the lattice along each axis."""
STEP = 0.25
"""Parts of a cell."""
SHORTEST, LONGEST = 0.1, 2.0
"""Parts of an axis: of both ways together, and of one way."""

Point = tuple[float, float]


def streamlines(x: FloatArray, y: FloatArray, u: FloatArray, v: FloatArray) -> list[FloatArray]:
    """Lines along the field (u, v) over even axes.

    Parameters
    ----------
    x, y
        [X], [Y], at least two each, increasing by equal steps.
    u, v
        [Y, X], finite.

    Returns
    -------
    list of array
        [N, 2] each, in the direction of the field.
    """
    field = _Field(x, y, u, v)
    taken: set[tuple[int, int]] = set()
    found: list[FloatArray] = []
    for cell in _from_the_rim(CELLS):
        if cell in taken:
            continue
        start = ((cell[0] + 0.5) / CELLS, (cell[1] + 0.5) / CELLS)
        own = {cell}
        back, forth = (field.followed(start, sign, taken, own) for sign in (-1.0, 1.0))
        if (len(back) + len(forth)) * STEP / CELLS < SHORTEST:
            continue
        taken |= own
        line = np.array([*reversed(back), start, *forth])
        found.append(np.array([x[0], y[0]]) + line * np.array([x[-1] - x[0], y[-1] - y[0]]))
    return found


def _from_the_rim(n: int) -> list[tuple[int, int]]:
    """All cells, ring by ring."""
    cells = [(i, j) for j in range(n) for i in range(n)]
    return sorted(cells, key=lambda cell: min(*cell, n - 1 - cell[0], n - 1 - cell[1]))


class _Field:
    """Directions on the unit square, between the points of a grid by bilinear interpolation."""

    def __init__(self, x: FloatArray, y: FloatArray, u: FloatArray, v: FloatArray) -> None:
        # Numbers of Python: a point at a time is quicker in them.
        self.u = (u / (x[-1] - x[0])).tolist()
        self.v = (v / (y[-1] - y[0])).tolist()
        self.columns, self.rows = len(x) - 1, len(y) - 1

    def direction(self, at: Point, sign: float) -> Point | None:
        """A vector of length one; None where the field is zero, or beyond its end."""
        i, j = at[0] * self.columns, at[1] * self.rows
        if not (0 <= i <= self.columns and 0 <= j <= self.rows):
            return None
        column, row = min(int(i), self.columns - 1), min(int(j), self.rows - 1)
        right, up = i - column, j - row
        a, b, c, d = (1 - right) * (1 - up), right * (1 - up), (1 - right) * up, right * up
        lower, upper = self.u[row], self.u[row + 1]
        u = a * lower[column] + b * lower[column + 1] + c * upper[column] + d * upper[column + 1]
        lower, upper = self.v[row], self.v[row + 1]
        v = a * lower[column] + b * lower[column + 1] + c * upper[column] + d * upper[column + 1]
        size = math.hypot(u, v)
        return (sign * u / size, sign * v / size) if size > 0 else None

    def followed(
        self, start: Point, sign: float, taken: set[tuple[int, int]], own: set[tuple[int, int]]
    ) -> list[Point]:
        """The points after a start; the cells that they pass are added to `own`."""
        points: list[Point] = []
        at, h = start, STEP / CELLS
        cell = int(at[0] * CELLS), int(at[1] * CELLS)
        while len(points) * h < LONGEST:
            first = self.direction(at, sign)
            second = first and self.direction((at[0] + h * first[0], at[1] + h * first[1]), sign)
            if first is None or second is None:
                return points
            at = (at[0] + 0.5 * h * (first[0] + second[0]), at[1] + 0.5 * h * (first[1] + second[1]))
            place = int(at[0] * CELLS), int(at[1] * CELLS)
            if not (0 <= at[0] < 1 and 0 <= at[1] < 1) or (place != cell and (place in taken or place in own)):
                return points
            cell = place
            own.add(place)
            points.append(at)
        return points
