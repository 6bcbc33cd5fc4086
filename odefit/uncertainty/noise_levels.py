"""Intervals of noise levels, without the bias of maximum likelihood.

The curve was bent towards the measurements, so the residuals, and the noise level s that fits them best, are too small.
The likelihood that allows for it is the adjusted profile likelihood (D. R. Cox & N. Reid 1987, J. R. Statist. Soc. B
49:1),

    l(s) - ln det J(s) / 2,     J: the information in the other parameters, were the noise level s.

Of n normal residuals with p parameters, l depends on RSS/s² and J on p ln s, so that it is the likelihood of s² = RSS/X
with X of chi-square distribution with n - p degrees of freedom. Any level that all residuals are in proportion to is
treated in this manner. s^w has the distribution of a chi-square over its degrees, w = 2 of a standard deviation and 1
of the mean absolute deviation; of v = var(ln s) and g = -d (ln det J / 2)/d ln s

    degrees without parameters 2/(w² v),   taken by the parameters 2 g/w.

The two are n and p where the residuals are normal. With other noise J(s) at the data at hand goes with s^-c, c the
`curvature_power` of the family, where the expected one goes with s^-2. A level that is but one part of the scatter has
an interval that is symmetric in its logarithm, around the optimum ln s + v g of the adjusted likelihood. That of the
dispersion of counts is symmetric around the estimate, as elsewhere; its bias widens the intervals of the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.distributions import chi_square_quantile
from odefit.objective.likelihood import Likelihood
from odefit.records import dataclass
from odefit.uncertainty.degrees_of_freedom import noise_levels
from odefit.uncertainty.intervals import quantile

STEP = 1e-3
"""By which the logarithm of a level is moved."""
MOST_LEVELS, MOST_ENTRIES = 30, 10_000_000
"""With more noise levels, or a larger matrix A, this would take too long."""
LEAST_DEGREES = 1.0
"""With fewer degrees of freedom left there is no interval of this kind."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Level:
    """One noise level s.

    Parameters
    ----------
    value
        Its maximum-likelihood estimate.
    variance
        v, of ln s.
    taken
        g.
    power
        w; None where the level is but one part of the scatter.
    is_dispersion
        Whether it is one of counts, whose variance is m + s m².
    """

    value: float
    variance: float
    taken: float
    power: float | None
    is_dispersion: bool = False

    @property
    def degrees(self) -> tuple[float, float] | None:
        """The degrees of freedom without parameters, and those that are left; None where there are too few."""
        if self.power is None:
            return None
        before = 2 / (self.power**2 * self.variance)
        left = before - 2 * self.taken / self.power
        return (before, left) if left >= LEAST_DEGREES else None

    @property
    def bias(self) -> float:
        """The standard deviation without the bias of the level, over that with it."""
        if self.is_dispersion:
            return math.exp(min(self.variance * self.taken / 2, 1.0))
        if self.power is None or self.degrees is None:
            return math.exp(min(self.variance * self.taken, 1.0))
        before, left = self.degrees
        return float((before / left) ** (1 / self.power))

    def interval(self, level: float) -> Interval | None:
        """The ends of the interval; None where it is not known."""
        if self.power is None or self.is_dispersion:
            half = quantile(level, math.inf) * math.sqrt(self.variance)
            middle = self.value * (1.0 if self.is_dispersion else self.bias)
            with np.errstate(over="ignore"):  # a level that the data say nothing of reaches anywhere
                return float(middle * np.exp(-half)), float(middle * np.exp(half))
        if self.degrees is None:
            return None
        before, left = self.degrees
        small, large = (chi_square_quantile(tail, left) for tail in ((1 - level) / 2, (1 + level) / 2))
        return self.value * (before / large) ** (1 / self.power), self.value * (before / small) ** (1 / self.power)


@dataclass(frozen=True)
class NoiseLevels:
    """The noise levels of a fit at its optimum.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the optimum.
    errors
        [P], the standard errors in search space that the information gives, not scaled; NaN where there are none.
    free
        [P], False for estimates that lie on a bound.
    tolerance
        Singular values of A, with columns of length one, below this share of the largest are no information.
    """

    likelihood: Likelihood
    u: FloatArray
    errors: FloatArray
    free: Mask
    tolerance: float

    def intervals(self, level: float = 0.95) -> dict[int, Interval]:
        """Position in u -> the interval on the natural scale."""
        found = ((k, one.interval(level)) for k, one in self.levels.items())
        return {k: interval for k, interval in found if interval is not None}

    @property
    def bias(self) -> float:
        """What all levels are to be multiplied by, root mean square; 1 where there are none."""
        return math.sqrt(np.mean([one.bias**2 for one in self.levels.values()])) if self.levels else 1.0

    @property
    def unbiased(self) -> FloatArray:
        """The optimum with each level without its bias, [P] within the bounds."""
        found = self._times({k: one.bias for k, one in self.levels.items()})
        return np.clip(found, *self.likelihood.problem.table.search_bounds())

    @cached_property
    def levels(self) -> dict[int, Level]:
        """Position in u -> the level; none where there are too many."""
        problem = self.likelihood.problem
        of = [problem.table.parameters[t] for t in problem.table.estimated]
        known = noise_levels(problem) & self.free & np.isfinite(self.errors)
        chosen = [int(k) for k in np.flatnonzero(known) if of[k].prior is None]
        if len(chosen) > MOST_LEVELS or sum(data.n for data in problem.data) * len(of) > MOST_ENTRIES:
            return {}
        found = ((k, self._level(k)) for k in chosen)
        return {k: one for k, one in found if one is not None}

    def curvature_power(self, k: int) -> float:
        """With which power of the level at position k the information goes, of the measurements that it is of."""
        users = self._users(self._ratios(k))
        return self.likelihood.problem.data[users[0]].family.curvature_power if users else 2.0

    @staticmethod
    def _users(ratios: list[FloatArray]) -> list[int]:
        return [j for j, ratio in enumerate(ratios) if np.abs(ratio).max(initial=0.0) > STEP]

    def _level(self, k: int) -> Level | None:
        """One level; None where nothing is known."""
        problem = self.likelihood.problem
        table, key = problem.table, ("level", k, self.u.tobytes(), self.free.tobytes(), self.tolerance)
        if key not in problem.known:  # the errors matter for the least of it
            problem.known[key] = self._taken_from(k)
        users, whole, lost = problem.known[key]
        families = [problem.data[j].family for j in users]
        if not users:
            return None
        value = float(table.to_natural(self.u)[table.estimated[k]])
        v = float(table.transforms.derivative(self.u)[k] * self.errors[k] / value) ** 2
        taken = lost * families[0].curvature_power / 2
        if not (0 < v < math.inf and math.isfinite(taken)):
            return None
        return Level(value, v, taken, families[0].scale_power if whole else None, families[0].is_count)

    def _taken_from(self, k: int) -> tuple[list[int], bool, float]:
        """Which observables have a level, whether it is all of their scale, and -d (ln det J / 2)/d ln s."""
        ratios = self._ratios(k)
        users = self._users(ratios)
        whole = all(np.abs(ratios[j] - 1).max(initial=0.0) < STEP for j in users)
        return users, whole, self._taken(k) if users else math.nan

    def _moved(self, k: int, side: int) -> FloatArray:
        """u with the logarithm of one level moved by STEP."""
        return self._times({k: math.exp(side * STEP)})

    def _times(self, factors: Mapping[int, float]) -> FloatArray:
        """u with levels times factors; all else stays to the last bit, and so does the solution of the equations."""
        table = self.likelihood.problem.table
        theta, moved = table.to_natural(self.u), self.u.copy()
        for k, factor in factors.items():
            theta[table.estimated[k]] *= factor
        chosen = list(factors)
        moved[chosen] = table.to_search(theta)[chosen]
        return moved

    def _ratios(self, k: int) -> list[FloatArray]:
        """By how much the scale of every cell grows with a level, as d ln/d ln, per observable."""
        here, there = self._scales(self.u), self._scales(self._moved(k, 1))
        with np.errstate(all="ignore"):
            return [np.nan_to_num(np.log(b / a)) / STEP for a, b in zip(here, there, strict=True)]

    def _scales(self, u: FloatArray) -> list[FloatArray]:
        data, moments = self.likelihood.problem.data, self.likelihood.moments(u, derivatives=False)
        if moments is None:
            return [np.zeros(0) for _ in data]
        pairs = zip(data, moments, strict=True)
        return [np.concatenate([d.scale(block, m) for block in d.blocks]) for d, m in pairs]

    def _taken(self, k: int) -> float:
        """-d (ln det J / 2)/d ln s of one level; NaN where the model fails."""
        others = self.free & ~noise_levels(self.likelihood.problem)
        roots = [self.likelihood.information(self._moved(k, side)) for side in (-1, 1)]
        if not all(root.is_finite for root in roots):
            return math.nan
        below, above = (np.asarray(root.A)[:, others] for root in roots)
        lengths = np.linalg.norm(below, axis=0)
        if not lengths.any():
            return 0.0
        size = np.where(lengths > 0, lengths, 1.0)
        s, t = (np.linalg.svd(np.linalg.qr(a / size, mode="r"), compute_uv=False) for a in (below, above))
        known = s > self.tolerance * s[0]
        return float(np.log(s[known] / t[known]).sum()) / (2 * STEP)
