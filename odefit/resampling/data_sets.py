"""Data sets drawn anew: from the fitted model with its noise, from its residuals, or from the experiments.

parametric    d* ~ p(d; m, s), for every measurement, with its location m and second parameter s at the estimates
residuals     d* = m + s r*, with r* drawn with replacement from the residuals r = (d - m)/s of the same observable.
              For counts, and for values of which only a limit is known, r is the share u = P(D < d) of the
              distribution below the measurement (anywhere within the step of d, or beyond the limit), and d* its
              quantile u*
cases         experiments drawn with replacement, replicates together: each counts as often as it is drawn

Estimated noise levels are first freed of the bias of maximum likelihood (uncertainty/noise_levels.py), as n - p in
place of n does for least squares; residuals of noise that is given are widened by sqrt(n/(n - p)).

A measurement below a limit of detection comes out as censored, and one of a class as a class (resampling/hidden.py).

Every sample has a random generator of its own, so that it does not depend on those before it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.replicates import replicate_of
from odefit.objective.likelihood import Likelihood, Measured
from odefit.objective.measurements import DataBlock, ObservableData, at_rows
from odefit.objective.observation import Moments
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.resampling.hidden import known

Kind = Literal["parametric", "residuals", "cases"]
LEAST_SHARE = 1e-12
"""Of a distribution: quantiles of less are not asked for."""


@dataclass(frozen=True)
class Cells:
    """All cells of one observable, M of them: the measured ones first, then those with a limit only.

    Parameters
    ----------
    data
        The observable.
    m, s
        [M], location and second parameter, free of bias.
    r
        [M], the standardised residuals, or shares, that are drawn from; empty where none are needed.
    is_log
        Whether the likelihood has the term ln d.
    """

    data: ObservableData
    m: FloatArray
    s: FloatArray
    r: FloatArray
    is_log: bool

    def drawn(self, rng: np.random.Generator, kind: Kind) -> FloatArray:
        """d* [M], on the scale of the noise."""
        family = self.data.family
        if kind == "parametric":
            return family.sample(self.m, self.s, rng)
        chosen = self.r[rng.integers(len(self.r), size=len(self.m))] if len(self.r) else self.r
        return family.quantile(chosen, self.m, self.s) if self.by_share else self.m + self.s * chosen

    @property
    def by_share(self) -> bool:
        """Whether residuals are shares of the distribution."""
        return self.data.family.is_count or self.data.censored is not None

    def measured(self, d: FloatArray) -> ObservableData:
        """The observable with d [n, M] in place of what was measured."""
        data = self.data
        if data.censored is None:
            constant = d.sum(axis=1) if self.is_log else 0.0
            return replace(data, measured=replace(data.measured, values=d), constant=constant)
        found = known(data, d)
        rows, experiment = (
            np.concatenate(parts)
            for parts in zip(*((block.rows, block.experiment) for block in data.blocks), strict=True)
        )
        errors = [block.sigma for block in data.blocks if block.sigma is not None]
        sigma = np.concatenate(errors) if errors else None
        sides = [side for side in (-1.0, 1.0) if (data.censored.side == side).any()]
        hidden = [found.side == side for side in sides]
        has_far = data.censored.far is not None
        limits = DataBlock(
            np.concatenate([rows for _ in sides]),
            np.concatenate([experiment for _ in sides]),
            np.concatenate([np.where(own, found.limit, self.m) for own in hidden], axis=1),
            None if sigma is None else np.concatenate([sigma for _ in sides]),
            np.concatenate([np.full(len(rows), side) for side in sides]),
            np.concatenate(hidden, axis=1).astype(np.float64),
            np.concatenate([np.where(own, found.far, np.nan) for own in hidden], axis=1) if has_far else None,
        )
        seen = found.side == 0
        weight = seen.astype(np.float64)
        values = np.where(seen, d, self.m)
        constant = (weight * values).sum(axis=1) if self.is_log else 0.0
        block = DataBlock(rows, experiment, values, sigma, np.zeros(len(rows)), weight)
        # Where there are limits no level is at its best in closed form, so that it is needed in no unit.
        return replace(data, measured=block, censored=limits, constant=constant, unit=None, scale_position=None)


@dataclass(frozen=True)
class Resampling:
    """How data sets are drawn anew.

    Parameters
    ----------
    problem
        The fit.
    kind
        What is drawn.
    seed
        Of all samples.
    cells
        Of every observable; empty for cases.
    units
        For cases: [E], the number of the unit that each experiment belongs to.
    """

    problem: FitProblem
    kind: Kind
    seed: int
    cells: tuple[Cells, ...]
    units: IntArray

    def drawn(self, numbers: IntArray) -> tuple[Measured, FloatArray | None]:
        """The measurements of the samples with these numbers [n]; and for cases how often each experiment counts."""
        generators = [np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(int(b),))) for b in numbers]
        if self.kind == "cases":
            counts = np.stack([self._counts(rng) for rng in generators])
            pairs = zip(self.problem.data, _logarithmic(self.problem), strict=True)
            return [_weighted(data, counts[:, self.problem.owner], is_log) for data, is_log in pairs], counts
        columns = [[cells.drawn(rng, self.kind) for cells in self.cells] for rng in generators]
        return [
            cells.measured(np.stack(d)) for cells, d in zip(self.cells, zip(*columns, strict=True), strict=True)
        ], None

    def _counts(self, rng: np.random.Generator) -> FloatArray:
        """How often each experiment is drawn, [E]."""
        n = int(self.units.max(initial=-1)) + 1
        drawn = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        return np.where(self.units >= 0, drawn[self.units], 0.0)


def resampling(likelihood: Likelihood, u: FloatArray, unbiased: FloatArray, kind: Kind, seed: int) -> Resampling:
    """Prepare to draw data sets.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the estimates.
    unbiased
        [P], the same with noise levels free of bias: what the data sets are drawn with.
    kind, seed
        As in `Resampling`.

    Raises
    ------
    ValueError
        The model cannot be solved at u; the message says why.
    """
    problem = likelihood.problem
    units = case_units(problem)
    if kind == "cases":
        return Resampling(problem, kind, seed, (), units)
    estimated, drawn = (likelihood.moments(at, derivatives=False) for at in (u, unbiased))
    if estimated is None or drawn is None:
        raise ValueError(likelihood.failure)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    widening = _widening(problem.n_measured, len(u))
    cells = []
    for k, name in enumerate(problem.observation.names):
        one = _cells(problem, k, drawn[k])
        if kind == "residuals":
            given = not problem.has_estimated_scale(name)
            one = replace(one, r=_residuals(_cells(problem, k, estimated[k]), rng, widening if given else 1.0))
        cells.append(one)
    return Resampling(problem, kind, seed, tuple(cells), units)


def case_units(problem: FitProblem) -> IntArray:
    """The unit that each experiment belongs to when cases are drawn, [E]; -1 where nothing was measured.

    Replicates of one experiment are drawn together; where there is no other experiment, they are the cases.
    """
    seen = [e.n_measured > 0 for e in problem.experiments]
    names = [replicate_of(e.name) for e in problem.experiments]
    if len({name for name, own in zip(names, seen, strict=True) if own}) < 2:
        names = [e.name for e in problem.experiments]
    order = list(dict.fromkeys(name for name, own in zip(names, seen, strict=True) if own))
    return np.array([order.index(n) if own else -1 for n, own in zip(names, seen, strict=True)], dtype=np.intp)


def one_unit_each(problem: FitProblem, units: IntArray) -> Measured:
    """The measurements in which each case stands alone: the first counts at the first of U points, and so on."""
    n = int(units.max(initial=-1)) + 1
    counts = (units[problem.owner] == np.arange(n)[:, None]).astype(np.float64)
    return [_weighted(data, counts, is_log) for data, is_log in zip(problem.data, _logarithmic(problem), strict=True)]


def lost(problem: FitProblem, counts: FloatArray) -> Mask:
    """Which estimated parameters belong to experiments that are not in a sample, [n, P]; counts: [n, E]."""
    index, n = problem.binding.index, len(problem.table)
    uses = np.zeros((len(index), n), dtype=bool)
    for e, row in enumerate(index):
        uses[e, row[row >= 0]] = True
    there: Mask = (counts > 0) @ uses
    return (uses.any(axis=0) & ~there)[:, problem.table.estimated]


def _logarithmic(problem: FitProblem) -> list[bool]:
    """Of every observable, whether its likelihood has the term ln d."""
    return [problem.observation.noise[name].is_log for name in problem.observation.names]


def _cells(problem: FitProblem, k: int, observed: Moments) -> Cells:
    """Observable k at its moments."""
    data = problem.data[k]
    m = np.concatenate([at_rows(observed.m, block.rows) for block in data.blocks])
    s = np.concatenate([np.broadcast_to(data.scale(block, observed), block.rows.shape) for block in data.blocks])
    return Cells(data, m, s, np.empty(0), problem.observation.noise[problem.observation.names[k]].is_log)


def _residuals(cells: Cells, rng: np.random.Generator, widening: float) -> FloatArray:
    """What is drawn from, [M]."""
    data, k = cells.data, len(cells.data.rows)
    if not cells.by_share:
        r = (data.values - cells.m) / cells.s
        return np.asarray(widening * (r - r.mean())) if len(r) > 1 else np.asarray(widening * r)
    with np.errstate(all="ignore"):
        upper = data.family.cdf(data.values, cells.m[:k], cells.s[:k])
        lower = data.family.cdf(data.values - 1, cells.m[:k], cells.s[:k]) if data.family.is_count else upper
        share = lower + rng.random(k) * (upper - lower)
        if data.censored is not None:
            part = data.censored
            below = data.family.cdf(part.values, cells.m[k:], cells.s[k:])
            end = (part.side > 0).astype(np.float64)
            if part.far is not None:
                end = np.where(np.isnan(part.far), end, data.family.cdf(part.far, cells.m[k:], cells.s[k:]))
            within = rng.random(len(below))
            low, high = np.where(part.side < 0, end, below), np.where(part.side < 0, below, end)
            share = np.concatenate([share, low + within * (high - low)])
    return np.clip(np.nan_to_num(share, nan=0.5), LEAST_SHARE, 1 - LEAST_SHARE)


def _weighted(data: ObservableData, counts: FloatArray, is_log: bool) -> ObservableData:
    """The observable with every row counted so often; counts: [n, R]."""
    measured = replace(data.measured, weight=at_rows(counts, data.measured.rows))
    censored = None if data.censored is None else replace(data.censored, weight=at_rows(counts, data.censored.rows))
    constant = at_rows(counts, data.rows) @ data.values if is_log else 0.0
    return replace(data, measured=measured, censored=censored, constant=constant)


def _widening(n: int, p: int) -> float:
    """sqrt(n/(n - p)); 1 where there are not more measurements than parameters."""
    return math.sqrt(n / (n - p)) if n > p else 1.0
