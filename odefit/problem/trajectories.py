"""Quantities of a whole curve: its largest value and when, its area, when it crosses a level; with exact gradients.

For a curve g(t; u) between two times a and b,

    integral          the sum of Gauss-Legendre rules on pieces, halved until they agree; so is that of dg/du
    max               g(t*) with dg/dt = 0 at t*, or at an end;   d max/du = dg/du(t*)
    time_of_max       t*;                                         dt*/du = -(d²g/dt du) / (d²g/dt²)
    time_to           g(t*) = L;                                  dt*/du = (dL/du - dg/du) / (dg/dt)

Between a and b a curve is smooth but for jumps (doses, events) and knots of inputs, where the time is divided. dg/dt is
the formula that follows from the equations; with infusions, or where g names an input, a difference in time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.model.derivatives import derivatives
from odefit.model.formulas import free_names
from odefit.model.system import TIME, System
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.problem.solver_steps import with_steps
from odefit.problem.wider import observing
from odefit.records import dataclass
from odefit.uncertainty.quantities import Curves, Values, of_one

UNIFORM, EARLY = 160, 18
"""Times of the first look at a curve: evenly, and ever closer to where a piece begins."""
ROUNDS, NARROW = 30, 1e-11
"""Of the search for a time within a bracket, and when it ends, as a share of the whole span."""
MOST_HALVINGS, CLOSE = 12, 1e-9
"""Of the pieces of an integral, and how well two rules agree then."""
GROWTH, SHORTER = 8.0, 12
"""The pieces at the beginning of an integral: each as many times as long as the one before, and how many there are."""
SHORT = 1e-4
"""The step of a difference in time, as a share of the span."""
SLIGHT = 1e-6
"""How far a slightly other point is, as a share of the size of its parameters."""
NEAR = 1e-6
"""A share of the span: two solutions may have the same moving jump that far apart, so that a row at its time is on
either side of it."""
SMALL, SEEN_NEAR = 1e-6, 1e-3
"""Shares of a curve's size, above which it jumps: at one time, and across twice `NEAR`."""
LOOKS = 50
"""Times at which the size of a curve is looked at."""
MOST_POINTS = 40
"""Search vectors that are looked at together."""

VALUE, RATE, CURVATURE = "value@curve", "rate@curve", "curvature@curve"


class Seen(NamedTuple):
    """A curve at some rows, R of them, at M points: g, dg/dt [M, R], their gradients [M, R, P], and d²g/dt² or None."""

    g: FloatArray
    rate: FloatArray
    dg: FloatArray | None = None
    drate: FloatArray | None = None
    curvature: FloatArray | None = None


@dataclass(frozen=True)
class Path:
    """A curve of one experiment between two times.

    Parameters
    ----------
    problem
        The fit.
    position, experiment
        Which of its experiments, and its conditions.
    formula
        Of states, parameters, inputs and t.
    begin, end
        The two times.
    """

    problem: FitProblem
    position: int
    experiment: Experiment
    formula: sp.Expr
    begin: float
    end: float

    @cached_property
    def _is_fed(self) -> bool:
        """Whether something enters on the way that is not in the equations."""
        return any(not dose.jumps for dose in self.experiment.doses)

    @cached_property
    def _wide(self) -> FitProblem:
        system = self.problem.observation.system
        more = {VALUE: self.formula}
        if not self._is_fed and not free_names(self.formula) & {*system.inputs}:
            more[RATE] = _in_time(self.formula, system)
            if not system.inputs:
                more[CURVATURE] = _in_time(more[RATE], system)
        return observing(self.problem, more)

    def jumps(self, u: FloatArray) -> FloatArray:
        """Times between the two at which the curve may jump or have a kink, at any of the points u [M, P]."""
        problem, found = self.problem, [np.empty(0)]
        found += [known.knots for known in self.experiment.inputs.values()]
        rows = self.experiment.at(np.array([self.begin, self.end]))
        for theta in problem.table.to_natural(u):
            p = problem.binding.local(theta)[self.position, : problem.n_system]
            found.append(problem.engine.jumps(p, rows))
        found += [np.array([d.time + d.duration for d in self.experiment.doses if d.duration > 0])]
        times = np.unique(np.concatenate(found))
        inside: FloatArray = times[(times > self.begin) & (times < self.end)]
        return inside

    def is_moving(self, u: FloatArray) -> bool:
        """Whether jumps come at other times at slightly other points."""
        moved = u + SLIGHT * np.maximum(np.abs(u), self.problem.table.sizes)
        here, there = self.jumps(u[:1]), self.jumps(moved[:1])
        return len(here) != len(there) or bool((here != there).any())

    def look(self, u: FloatArray, t: FloatArray, side: NDArray[np.int8], slopes: bool = False) -> Seen:
        """The curve at rows at times t [R] and sides [R], in their order, at points u [M, P]; NaN where it fails."""
        wide, h = self._wide, SHORT * (self.end - self.begin)
        names = wide.observation.names
        if RATE in names:
            found = self._solved(u, t, side, slopes, [name for name in (VALUE, RATE, CURVATURE) if name in names])
            (g, dg), (rate, drate) = found[0], found[1]
            curvature = found[2][0] if len(found) > 2 else None
            return Seen(g, rate, dg, drate, curvature)
        low = np.where((side > 0) | (t - h < self.begin), t, t - h)
        high = np.where((side < 0) | (t + h > self.end), t, t + h)
        sides = np.concatenate([np.where(low < t, 0, side), side, np.where(high > t, 0, side)]).astype(np.int8)
        ((g, dg),) = self._solved(u, np.concatenate([low, t, high]), sides, slopes, [VALUE])
        n, step = len(t), high - low
        rate = (g[:, 2 * n :] - g[:, :n]) / step
        if dg is None:
            return Seen(g[:, n : 2 * n], rate)
        return Seen(g[:, n : 2 * n], rate, dg[:, n : 2 * n], (dg[:, 2 * n :] - dg[:, :n]) / step[:, None])

    def _solved(
        self, u: FloatArray, t: FloatArray, side: NDArray[np.int8], slopes: bool, names: list[str]
    ) -> list[tuple[FloatArray, FloatArray | None]]:
        """Of each name its values [M, R] and gradients [M, R, P], at rows in any order, some of them the same."""
        rows, back = np.unique(np.stack([t, side.astype(float)]), axis=1, return_inverse=True)
        # A row beside those before and after a jump at its time is one of them.
        wide = self._wide
        chosen = self.experiment.at(rows[0], rows[1].astype(np.int8))
        solved, own = with_steps(wide, [chosen])
        problem = of_one(wide, self.position, solved[0])
        index = np.arange(len(solved[0].times))[own[0]][np.ravel(back)]
        moments = Likelihood(problem).moments_at(u, slopes)
        found = []
        for name in names:
            column = problem.observation.names.index(name)
            values = np.full((len(u), len(t)), np.nan)
            gradients = np.full((len(u), len(t), u.shape[1]), np.nan) if slopes else None
            if len(moments.points):
                one = moments.moments[column]
                values[moments.points] = one.m[:, index]
                if gradients is not None:
                    gradients[moments.points] = Curves(problem).to_search(one.dm, u[moments.points])[:, index]
            found.append((values, gradients))
        return found

    def grid(self, u: FloatArray) -> tuple[FloatArray, NDArray[np.int8], IntArray]:
        """Times, sides and pieces of the first look, [R] each: at a jump a row before and one after it."""
        cuts = np.concatenate([[self.begin], self.jumps(u), [self.end]])
        times, sides, pieces = list[FloatArray](), list[NDArray[np.int8]](), list[IntArray]()
        for piece, (low, high) in enumerate(itertools.pairwise(cuts)):
            n = max(4, round(UNIFORM * (high - low) / (self.end - self.begin)))
            inner = np.concatenate([np.linspace(low, high, n + 1), low + (high - low) * 0.5 ** np.arange(1, EARLY)])
            inner = np.append(inner, max(high - NEAR * (self.end - self.begin), low))
            t = np.unique(inner)
            side = np.zeros(len(t), dtype=np.int8)
            side[0], side[-1] = 1, -1
            times, sides = [*times, t], [*sides, side]
            pieces.append(np.full(len(t), piece, dtype=np.intp))
        return np.concatenate(times), np.concatenate(sides), np.concatenate(pieces)

    def root(
        self, u: FloatArray, low: FloatArray, high: FloatArray, height: Callable[[Seen], FloatArray]
    ) -> FloatArray:
        """Where a function of the curve is 0, [M], between times at which it has different signs: by false position,
        in Illinois' way."""
        rows = np.arange(len(u))

        def at(times: FloatArray) -> FloatArray:
            seen = self.look(u, times, np.zeros(len(times), dtype=np.int8))
            return height(Seen(seen.g[rows, rows][:, None], seen.rate[rows, rows][:, None]))[:, 0]

        a, b, fa, fb = low.copy(), high.copy(), at(low), at(high)
        for _ in range(ROUNDS):
            with np.errstate(all="ignore"):
                t = np.where(fb == fa, (a + b) / 2, b - fb * (b - a) / (fb - fa))
            t = np.clip(np.where(np.isfinite(t), t, (a + b) / 2), np.minimum(a, b), np.maximum(a, b))
            f = at(t)
            crossed = np.sign(f) != np.sign(fb)
            a, fa = np.where(crossed, b, a), np.where(crossed, fb, fa / 2)
            b, fb = t, f
            if (np.abs(b - a) < NARROW * (self.end - self.begin)).all() or not f.any():
                break
        return b


def _in_time(formula: sp.Expr, system: System) -> sp.Expr:
    """The derivative of a formula along the equations."""
    *slopes, explicit = derivatives([formula], [*system.states, TIME])[0]
    terms = [slope * rate for slope, rate in zip(slopes, system.rhs, strict=True) if slope != 0]
    found: sp.Expr = sp.Add(*terms, explicit)
    return found


def integral(path: Path, u: FloatArray) -> Values:
    """The area under a curve."""
    cuts = np.concatenate([[path.begin], path.jumps(u), [path.end]])
    pieces = [(float(a), float(b)) for a, b in itertools.pairwise(cuts) for a, b in _parts(a, b)]
    kept, scale = list[tuple[float, float]](), 0.0
    for _ in range(MOST_HALVINGS):
        halves = [(low, high) for a, b in pieces for low, high in ((a, (a + b) / 2), ((a + b) / 2, b))]
        whole, fine = _rules(path, u, pieces), _rules(path, u, halves)
        both = fine[:, ::2] + fine[:, 1::2]
        scale = max(scale, float(np.nanmax(np.abs(both).sum(axis=1), initial=0.0)))
        with np.errstate(invalid="ignore"):
            open_ = np.any(np.abs(whole - both) > CLOSE * scale, axis=0).tolist()
        kept += [half for k, half in enumerate(halves) if not open_[k // 2]]
        pieces = [half for k, half in enumerate(halves) if open_[k // 2]]
        if not pieces:
            break
    kept += pieces
    t, w = _nodes(kept)
    seen = path.look(u, t, np.zeros(len(t), dtype=np.int8), slopes=True)
    assert seen.dg is not None
    found = Values.of(seen.g @ w, np.einsum("mrp,r->mp", seen.dg, w))
    return _unless(found, len(cuts) > 2 and path.is_moving(u) and _jumps(path, u, cuts[1:-1]))


def _parts(a: float, b: float) -> list[tuple[float, float]]:
    # What follows a jump or the start may be over in a small share of a long time, between all nodes of even pieces.
    early = a + (b - a) / 4 * GROWTH ** -np.arange(1.0, SHORTER)
    ends = np.unique(np.concatenate([np.linspace(a, b, 5), early]))
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def _nodes(pieces: list[tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
    """Times and weights of all rules."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    low, high = np.array(pieces).T
    half = (high - low) / 2
    t = (low + high)[:, None] / 2 + half[:, None] * nodes
    return t.ravel(), (half[:, None] * weights).ravel()


def _rules(path: Path, u: FloatArray, pieces: list[tuple[float, float]]) -> FloatArray:
    """The area of each piece, [M, pieces]."""
    t, w = _nodes(pieces)
    g = path.look(u, t, np.zeros(len(t), dtype=np.int8)).g
    areas: FloatArray = (g * w).reshape(len(u), len(pieces), -1).sum(axis=2)
    return areas


def _jumps(path: Path, u: FloatArray, times: FloatArray) -> bool:
    """Whether the curve itself jumps at some of the times."""
    off, blank = NEAR * (path.end - path.begin), np.zeros(LOOKS, dtype=np.int8)
    size = np.nanmax(np.abs(path.look(u, np.linspace(path.begin, path.end, LOOKS), blank).g), initial=0.0)
    for margin, least in ((0.0, SMALL), (off, SEEN_NEAR)):
        around = [np.clip(times + side * margin, path.begin, path.end) for side in (-1, 1)]
        sides = [np.full(len(times), 0 if margin else side, dtype=np.int8) for side in (-1, 1)]
        before, after = (path.look(u, t, side) for t, side in zip(around, sides, strict=True))
        size = np.nanmax(np.abs(np.concatenate([before.g, after.g])), initial=size)
        steep = np.fmax(np.abs(before.rate), np.abs(after.rate)) * 4 * margin  # what comes without a jump, twice
        if (np.abs(before.g - after.g) > least * size + np.nan_to_num(steep)).any():
            return True
    return False


def extremum(path: Path, u: FloatArray, sign: int) -> tuple[Values, Values]:
    """The largest (sign 1) or the smallest (-1) value of a curve, and its time."""
    t, side, piece = path.grid(u)
    seen = path.look(u, t, side)
    rows, height = np.arange(len(u)), sign * seen.g
    best = np.argmax(np.where(np.isnan(height), -np.inf, height), axis=1)
    slope = sign * seen.rate[rows, best]
    partner = np.clip(best + np.where(slope > 0, 1, -1), 0, len(t) - 1)
    inside = (piece[partner] == piece[best]) & (slope * sign * seen.rate[rows, partner] < 0)
    when, sides = t[best].copy(), side[best].copy()
    if inside.any():
        k = np.flatnonzero(inside)
        low, high = np.minimum(t[best[k]], t[partner[k]]), np.maximum(t[best[k]], t[partner[k]])
        when[k], sides[k] = path.root(u[k], low, high, lambda s: s.rate), 0
    final = path.look(u, when, sides, slopes=True)
    assert final.dg is not None
    assert final.drate is not None
    values = Values.of(np.where(inside, final.g[rows, rows], seen.g[rows, best]), final.dg[rows, rows])
    curvature = _curvature(path, u, when, final)
    with np.errstate(all="ignore"):
        gradient = np.where(inside[:, None], -final.drate[rows, rows] / curvature[:, None], 0.0)
    times = Values.of(np.where(values.ok, when, np.nan), gradient)
    at_jump = ~inside & (when > path.begin) & (when < path.end)
    blocked = bool(at_jump.any()) and path.is_moving(u)
    return _unless(values, blocked), _unless(times, blocked)


def _curvature(path: Path, u: FloatArray, when: FloatArray, final: Seen) -> FloatArray:
    """d²g/dt² [M] at the time of each point."""
    rows = np.arange(len(u))
    if final.curvature is not None:
        own: FloatArray = final.curvature[rows, rows]
        return own
    h = SHORT * (path.end - path.begin)
    low, high = np.maximum(when - h, path.begin), np.minimum(when + h, path.end)
    blank = np.zeros(len(u), dtype=np.int8)
    sides = path.look(u, low, blank).rate[rows, rows], path.look(u, high, blank).rate[rows, rows]
    bend: FloatArray = (sides[1] - sides[0]) / (high - low)
    return bend


def crossing(path: Path, u: FloatArray, level: float, is_share: bool) -> Values:
    """The first time at which a curve reaches a level, or (is_share) that share of what it begins with."""
    t, side, piece = path.grid(u)
    seen = path.look(u, t, side)
    rows, factor = np.arange(len(u)), level if is_share else 0.0
    wanted = factor * seen.g[:, 0] + (0.0 if is_share else level)
    above = np.sign(seen.g - wanted[:, None])
    changes = (above[:, 1:] * above[:, :-1] <= 0) & (above[:, :-1] != 0)
    there, first = changes.any(axis=1), np.argmax(changes, axis=1)
    at_jump = piece[first] != piece[first + 1]
    when, sides = t[first + 1].copy(), side[first + 1].copy()
    k = np.flatnonzero(there & ~at_jump)
    if len(k):
        level_k = wanted[k, None]
        when[k], sides[k] = path.root(u[k], t[first[k]], t[first[k] + 1], lambda s: s.g - level_k), 0
    final = path.look(u, when, sides, slopes=True)
    start = path.look(u, np.array([path.begin]), np.ones(1, dtype=np.int8), slopes=True)
    assert final.dg is not None
    assert start.dg is not None
    with np.errstate(all="ignore"):
        gradient = (factor * start.dg[:, 0] - final.dg[rows, rows]) / final.rate[rows, rows][:, None]
    values = Values.of(np.where(there, when, np.nan), np.where(at_jump[:, None], 0.0, gradient))
    return _unless(values, bool((there & at_jump).any()) and path.is_moving(u))


def value_at(path: Path, u: FloatArray) -> Values:
    """What a curve is at its end, before what happens there."""
    seen = path.look(
        u, np.array([path.end]), np.array([-1 if path.end > path.begin else 1], dtype=np.int8), slopes=True
    )
    assert seen.dg is not None
    return Values.of(seen.g[:, 0], seen.dg[:, 0])


def in_parts(function: Callable[[FloatArray], Values], u: FloatArray) -> Values:
    """A function of many points, some of them at a time."""
    if len(u) <= MOST_POINTS:
        return function(u)
    parts = [function(u[k : k + MOST_POINTS]) for k in range(0, len(u), MOST_POINTS)]
    return Values(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _unless(values: Values, blocked: bool) -> Values:
    """Without gradients, and so without errors, where a jump moves with the parameters."""
    if not blocked:
        return values
    return Values(values.values, np.full_like(values.gradients, math.nan), np.zeros_like(values.ok))
