"""The quadratic models of an objective in score form at B points, and their minima within bounds and a radius.

In p = d / size [P], for z and A at each point and D = diag(size),

    m(p) - f = |A D p + z|**2 / 2 - |z|**2 / 2      for low <= p <= high    (low <= 0 <= high).

The linear algebra is that of the matrices (linalg/stack.py), in whichever form A is kept. The points go through each
loop together, and each leaves it when it is done: what is computed for one does not depend on the others. What is dense
and strictly convex machine code does (linalg/strict_minima.py), where there is some, by the same steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray, Mask, true_at
from odefit.linalg.score import Evaluations
from odefit.linalg.stack import HeldStack, LeastSquaresStack
from odefit.linalg.strict_minima import MAX_SECANTS, PATIENCE
from odefit.records import dataclass

REGULARISATION = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Dampings, as shares of the largest curvature, that are tried one after the other where A is nearly singular."""

ROUNDING = 1e-9
"""The share of a decrease in which two minima that are the same may differ."""


@dataclass
class LocalModels:
    """The models at B points.

    Parameters
    ----------
    problem
        m(p) - f without bounds.
    low, high
        [B, P], the bounds of p.
    """

    problem: LeastSquaresStack
    low: FloatArray
    high: FloatArray

    @classmethod
    def at(
        cls, u: FloatArray, here: Evaluations, size: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> LocalModels:
        """The models of the objective `here`, at u [B, P], for lower <= u + size p <= upper; [P] each."""
        return cls(here.A.least_squares(here.z, size), (lower - u) / size, (upper - u) / size)

    def take(self, points: IntArray) -> LocalModels:
        """Those of some points, whose positions increase."""
        return LocalModels(self.problem.take(points), self.low[points], self.high[points])

    def put(self, points: IntArray, other: LocalModels) -> None:
        """Replace those of some points."""
        self.problem.put(points, other.problem)
        self.low[points], self.high[points] = other.low, other.high

    def shifted(self, change: FloatArray) -> LocalModels:
        """The models with z + change [B, M] in the place of z."""
        return LocalModels(self.problem.shifted(change), self.low, self.high)

    def decrease(self, p: FloatArray) -> FloatArray:
        """How much the models fall along p [B, P], [B]."""
        return self.problem.decrease(p)

    def step(self, radius: FloatArray, full: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The minimisers of the models in box and radius (which is met to 10 %), and the dampings that they take.

        Parameters
        ----------
        radius
            [B].
        full
            [B, P], the minimisers in the box, `damped(0)`.

        Returns
        -------
        p, damping
            [B, P] and [B].
        """
        p, damping, length = full.copy(), np.zeros(len(full)), norm(full)
        far = length > 1.1 * radius
        quick = self.problem.quick_minima(damping, radius, self.low, self.high)
        if quick is not None:
            found, taken, done = quick
            p[done], damping[done] = found[done], taken[done]
            far &= ~done
        going = true_at(far)
        if not len(going):
            return p, damping
        # |p| falls as the damping rises, and 1/|p| is nearly linear in it: safeguarded secants.
        models, r, length_before = self.take(going), radius[going], length[going]
        low, high = np.zeros(len(going)), models.problem.steepness() / r
        before, now = np.zeros(len(going)), 1e-3 * high
        for _ in range(MAX_SECANTS):
            p[going] = found = models.damped(now)
            damping[going] = now
            n = norm(found)
            low, high = np.where(n > r, now, low), np.where(n > r, high, now)
            with np.errstate(divide="ignore", invalid="ignore"):  # what is no number is not between the two
                rise = 1 / n - 1 / length_before
                guess = now + (1 / r - 1 / n) * (now - before) / rise
            middle = np.maximum(np.sqrt(low * high), 1e-3 * high)
            before, length_before = now, n
            now = np.where((low < guess) & (guess < high), guess, middle)
            left = true_at(~((0.9 * r <= n) & (n <= 1.1 * r)))
            if not len(left):
                break
            going, models, r = going[left], models.take(left), r[left]
            low, high, before, now, length_before = (x[left] for x in (low, high, before, now, length_before))
        return p, damping

    def damped(self, damping: FloatArray) -> FloatArray:
        """The minimisers [B, P] of m(p) + damping |p|**2 / 2 in the box (the shortest ones, for damping 0)."""
        quick = self.problem.quick_minima(damping, np.full(len(damping), np.inf), self.low, self.high)
        if quick is None:
            return self._damped(damping)
        p, _, done = quick
        others = true_at(~done)
        if len(others):
            p[others] = self.take(others)._damped(damping[others])
        return p

    def _damped(self, damping: FloatArray) -> FloatArray:
        """The same by arrays over all points."""
        p = self.problem.minimiser(damping)
        is_out = np.asarray(~((p >= self.low) & (p <= self.high)).all(axis=1))
        strict = true_at(is_out & self.problem.is_strict(damping)) if is_out.any() else np.arange(0)
        if len(strict):
            models, least = self.take(strict), damping[strict]
            begun = _beyond(p[strict], models.low, models.high)
            found, is_minimum = models._pivoted(models.problem.strictly_held(least), begun)
            done = strict[is_minimum]
            p[done], is_out[done] = found[is_minimum], False
        out = true_at(is_out)
        if not len(out):
            return p
        models, least = self.take(out), damping[out]
        near = models.problem.near_minimisers(least, models.low, models.high)
        p[out] = models._regularised(least, p[out]) if near is None else models._from_near(least, near)
        return p

    def _from_near(self, damping: FloatArray, near: FloatArray) -> FloatArray:
        """The minimisers where those of almost the same models are known, which are the answer where A is as good as
        singular: there pivoting need not end, nor lead downhill."""
        side = (near >= self.high).astype(np.int8) - (near <= self.low).astype(np.int8)
        found, is_minimum = self._pivoted(self.problem.held(damping), side, all_at_once=True)
        fall = self.decrease(found) - damping * np.square(found).sum(axis=1) / 2
        fall_near = self.decrease(near) - damping * np.square(near).sum(axis=1) / 2
        return np.where((is_minimum & (fall >= (1 - ROUNDING) * fall_near))[:, None], found, near)

    def _regularised(self, damping: FloatArray, unbounded: FloatArray) -> FloatArray:
        """The minimisers by pivoting alone, which ends where the model is strictly convex. Where A is as good as
        singular it need not, nor lead downhill: then as little damping as helps makes it so."""

        def pivoted(models: LocalModels, least: FloatArray, begun: FloatArray) -> tuple[FloatArray, Mask]:
            return models._pivoted(models.problem.held(least), _beyond(begun, models.low, models.high))

        found, is_minimum = pivoted(self, damping, unbounded)
        for share in REGULARISATION:
            bad = true_at(~(is_minimum & (self.decrease(found) >= 0)))
            if not len(bad):
                break
            some = self.take(bad)
            more = np.maximum(damping[bad], share * some.problem.largest_curvature())
            found[bad], is_minimum[bad] = pivoted(some, more, some.problem.minimiser(more))
        return found

    def _pivoted(
        self, problem: HeldStack, side: NDArray[np.int8], all_at_once: bool = False
    ) -> tuple[FloatArray, Mask]:
        """Pivots between variables on a bound and free ones until all signs are right; whether they became so.

        All wrong ones change sides at once as long as that makes them fewer, then (but where that is not wanted) one at
        a time (Júdice and Pires 1994), which ends for every strictly convex problem.

        side: [B, P], those that are on a bound at first: -1 the lower one, 1 the upper one.
        """
        n_points, n = side.shape
        found, is_minimum = np.zeros(side.shape), np.zeros(n_points, dtype=bool)
        points, low, high = np.arange(n_points), self.low, self.high
        p = np.zeros(side.shape)
        fewest, patience = np.full(n_points, n + 1), np.full(n_points, PATIENCE)
        for _ in range(10 * n + 10):
            free = side == 0
            p = problem.solve(free, np.where(free, p, np.where(side < 0, low, high)))
            slope, rounding = problem.slope(p)
            beyond = _beyond(p, low, high)
            wrong = (free & (beyond != 0)) | (side * slope > rounding)
            count = wrong.sum(axis=1)
            found[points] = p
            is_minimum[points[count == 0]] = True
            if not count.any():
                break
            patience = np.where(count < fewest, PATIENCE, patience - 1)
            fewest = np.minimum(count, fewest)
            last = n - 1 - np.argmax(wrong[:, ::-1], axis=1)
            wrong &= (patience > 0)[:, None] | (np.arange(n) == last[:, None])
            side = np.where(wrong, np.where(free, beyond, 0), side)
            left = true_at((count > 0) & (patience > 0) if all_at_once else count)
            if not len(left):
                break
            if len(left) < len(points):
                points, problem, low, high = points[left], problem.take(left), low[left], high[left]
                p, side, fewest, patience = p[left], side[left], fewest[left], patience[left]
        return np.minimum(np.maximum(found, self.low), self.high), is_minimum


def _beyond(p: FloatArray, low: FloatArray, high: FloatArray) -> NDArray[np.int8]:
    return (p > high).astype(np.int8) - (p < low).astype(np.int8)


def norm(x: FloatArray) -> FloatArray:
    """The Euclidean lengths [B] of vectors [B, P]."""
    return np.asarray(np.sqrt(np.square(x).sum(axis=-1)))
