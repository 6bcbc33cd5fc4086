"""The objective of searches each of which holds one quantity where it is, so that all others answer.

A parameter is held by its own coordinate: its column of A is zero but for a row of its own, whose score is zero, so
that every step leaves it where it is, also at its bound. Any other quantity q(u) is held near a target c by

    f(u) + w² (q(u) - c)² / 2,

one row more of the score form. Wherever that has its minimum is a minimum of f among all u with the same q(u), whatever
w is: the point lies on the profile exactly, only not at c. The slope of the profile there is -w² (q - c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.fitting.search_objective import SearchObjective
from odefit.linalg.dense_stack import DenseStack
from odefit.linalg.score import Evaluations
from odefit.records import dataclass
from odefit.uncertainty.quantities import Quantity


@dataclass(frozen=True)
class Pin:
    """What one search holds.

    Parameters
    ----------
    coordinate
        Which free component of u; -1 where it is another quantity.
    quantity
        That one; None for a coordinate.
    weight
        w.
    """

    coordinate: int
    quantity: Quantity | None = None
    weight: float = 0.0


def on_scale(quantity: Quantity, u: FloatArray, free: IntArray) -> tuple[FloatArray, FloatArray]:
    """A quantity at u [M, P], [M], and its gradient to the free components, [M, P']: its logarithm where that is what
    its errors are symmetric in. NaN and 0 where it cannot be computed."""
    values, slopes, ok = quantity.evaluations(u)
    if quantity.is_log:
        ok = ok & (values > 0)
        safe = np.where(ok, values, 1.0)
        values, slopes = np.log(safe), slopes / safe[:, None]
    return np.where(ok, values, np.nan), np.where(ok[:, None], slopes[:, free], 0.0)


@dataclass(frozen=True)
class Seen:
    """What was last computed for a search: u [P'], the score form there, and the quantity with its gradient [P']."""

    u: FloatArray
    value: float
    z: FloatArray
    A: FloatArray
    position: float
    direction: FloatArray

    @property
    def gradient(self) -> FloatArray:
        """Of the objective without what holds the quantity, [P']."""
        return self.A.T @ self.z


class Pinned:
    """The objective of n searches, a `BatchObjective`: search k holds `pins[k]`, which `targets[k]` is about."""

    def __init__(self, base: SearchObjective, pins: Sequence[Pin]) -> None:
        """Nothing is computed yet."""
        self.base, self.pins = base, list(pins)
        self.targets = np.zeros(len(pins))
        self.seen: dict[int, Seen] = {}
        self._has_rows = any(pin.quantity is not None for pin in pins)

    def add(self, pin: Pin) -> None:
        """One search more."""
        self.pins.append(pin)
        self.targets = np.append(self.targets, 0.0)
        if self.base.engines is not None:
            engine = self.base.profile.full.problem.engine.reset_copy()
            self.base = replace(self.base, engines=[*self.base.engines, engine])

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """See `BatchObjective`."""
        found = np.array(self.base.values(u, searches))
        if self._has_rows:
            position, _ = self.positions(u, searches)
            found += np.square(self._excess(position, searches)) / 2
        return np.where(np.isnan(found), np.inf, found)

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """See `BatchObjective`."""
        here = self.base.evaluations(u, searches)
        a = here.A.values if isinstance(here.A, DenseStack) else np.stack([here.A[b].dense() for b in range(len(u))])
        position, direction = self.positions(u, searches)
        for b, k in enumerate(searches.tolist()):
            self.seen[k] = Seen(u[b].copy(), float(here.value[b]), here.z[b], a[b], float(position[b]), direction[b])
        return self.held(here, a, searches, position, direction)

    def held(
        self, here: Evaluations, a: FloatArray, searches: IntArray, position: FloatArray, direction: FloatArray
    ) -> Evaluations:
        """Evaluations with what holds the quantities: A [B, M, P'] is changed into that of the searches."""
        if not a.shape[1]:  # none of the points could be computed
            return here
        a, size = a.copy(), self.base.profile.full.problem.table.sizes[self.base.profile.free]
        hold = np.zeros((len(a), a.shape[2]))
        for b, k in enumerate(searches.tolist()):
            if (column := self.pins[k].coordinate) >= 0:
                a[b, :, column] = 0.0
                largest = float((np.linalg.norm(a[b], axis=0) * size).max(initial=0.0))
                hold[b, column] = (largest or 1.0) / size[column]
        excess, w = self._excess(position, searches), np.array([self.pins[k].weight for k in searches])
        value = here.value + np.square(excess) / 2
        z = np.concatenate([here.z, excess[:, None]], axis=1)
        rows = np.concatenate([a, (w[:, None] * direction + hold)[:, None]], axis=1)
        weights = None if here.weights is None else np.concatenate([here.weights, np.ones((len(w), 1))], axis=1)
        kinked = None if here.kinked is None else np.append(here.kinked, False)
        return Evaluations(np.where(np.isnan(value), np.inf, value), z, DenseStack(rows), weights, kinked)

    def positions(self, u: FloatArray, searches: IntArray) -> tuple[FloatArray, FloatArray]:
        """Where the held quantities are at u [B, P'], [B], and their gradients [B, P']; NaN where they have none."""
        position, direction = np.full(len(u), np.nan), np.zeros(u.shape)
        groups: dict[int, list[int]] = {}
        for b, k in enumerate(searches.tolist()):
            pin = self.pins[k]
            if pin.quantity is None:
                position[b], direction[b, pin.coordinate] = u[b, pin.coordinate], 1.0
            else:
                groups.setdefault(id(pin.quantity), []).append(b)
        profile = self.base.profile
        for rows in groups.values():
            quantity = self.pins[int(searches[rows[0]])].quantity
            assert quantity is not None
            position[rows], direction[rows] = on_scale(quantity, profile.complete(u[rows]), profile.free)
        return position, direction

    def _excess(self, position: FloatArray, searches: IntArray) -> FloatArray:
        """w (q - c), [B]; 0 for coordinates."""
        w = np.array([self.pins[k].weight for k in searches])
        return np.where(w > 0, w * (position - self.targets[searches]), 0.0)
