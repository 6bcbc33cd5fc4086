"""Generalised profiling: states follow the data and the equations, and the equations' hold tightens.

With the states y_k at the nodes t_k of a grid as unknowns beside the parameters u,

    sum over measurements ((T(g(y_k, u)) - T(d)) / s)² / 2
    + sum over nodes and states (D_k / (epsilon r sqrt(h / H)))² / 2  + priors  ->  min,

    D_k = y_k+1 - y_k - h (f_k + 4 f(y_m) + f_k+1) / 6,     y_m = (y_k + y_k+1) / 2 + h (f_k - f_k+1) / 8,

r the range of a state, H the time span, so that epsilon is the share of its range by which a state may leave the
solution on its whole way. For large epsilon the states follow the data, and the equations are fitted to their integrals
over the intervals; for epsilon -> 0 they are a solution (J. O. Ramsay, G. Hooker, D. Campbell and J. Cao, "Parameter
estimation for differential equations", JRSS B 69, 2007). D is the defect of Simpson's rule with Hermite's middle
(Lobatto IIIA), of order 4. Nothing is solved on the way, so that no unstable, chaotic or oscillating solution stands
between a start and the data.

The Gauss-Newton matrix is block tridiagonal in the states, with a border for the parameters.

Letters: N starts, E experiments, K nodes, S states, L sensitive local symbols, P estimated parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from odefit.arrays import FloatArray, Mask, distinct
from odefit.collocation.cells import Measured
from odefit.collocation.equations import Equations, Values
from odefit.collocation.grid import Grid
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

TIGHT = 1e-3
"""epsilon of what is exact: initial values, doses."""


LEFT = 0.2
"""The share of the smaller neighbour that a state between nodes has at least where it must be positive."""


Defects = tuple[FloatArray, tuple[FloatArray, ...], FloatArray]
"""D [N, E, K - 1, S], and its derivatives to the states before and after, or none, and to the local symbols."""


@dataclass(frozen=True)
class Hold:
    """How the equations hold the states.

    Parameters
    ----------
    epsilon
        See the module's docstring.
    ranges
        [N, E, S], how far each state moves.
    """

    epsilon: float
    ranges: FloatArray

    def take(self, chosen: Mask) -> Hold:
        """That of the chosen starts [N]."""
        return self if chosen.all() else Hold(self.epsilon, self.ranges[chosen])


@dataclass(frozen=True)
class NormalEquations:
    """The value at N points, and what a Gauss-Newton step needs; priors are left out.

    Parameters
    ----------
    value
        [N].
    a, c
        [N, E, K, S, S] and [N, E, K - 1, S, S], the blocks of the states on the diagonal and below it.
    border
        [N, E, K, S, L], the blocks of states and local symbols.
    gradient
        [N, E, K, S], to the states.
    corner, slope
        [N, E, L, L] and [N, E, L], matrix and gradient of the local symbols.
    """

    value: FloatArray
    a: FloatArray
    c: FloatArray
    border: FloatArray
    gradient: FloatArray
    corner: FloatArray
    slope: FloatArray

    @property
    def of_states(self) -> bool:
        """Whether it is known what the states do."""
        return bool(self.a.shape[2])

    @classmethod
    def zeros(cls, shape: tuple[int, ...], size: int) -> NormalEquations:
        """Of states of shape [N, E, K, S] and `size` local symbols; K is 0 where states do not move."""
        n, e, k, s = shape
        shapes = ((n,), (n, e, k, s, s), (n, e, max(k - 1, 0), s, s), (n, e, k, s, size), shape, (n, e, size, size))
        return cls(*(np.zeros(each) for each in (*shapes, (n, e, size))))

    @property
    def is_finite(self) -> Mask:
        """[N]."""
        found: Mask = np.all([np.isfinite(x.reshape(len(x), -1)).all(axis=1) for x in vars(self).values()], axis=0)
        return found

    def take(self, chosen: Mask) -> NormalEquations:
        """Those of the chosen points [N]."""
        return self if chosen.all() else NormalEquations(*(x[chosen] for x in vars(self).values()))

    def where(self, chosen: Mask, other: NormalEquations) -> NormalEquations:
        """Those of the chosen points [N], and the other's elsewhere."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return NormalEquations(*(np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


class NodesObjective(ABC):
    """What is minimised over states at nodes and parameters: data, defects between nodes, and where states begin.

    Attributes
    ----------
    positive
        [S] states that have to be positive, or formulas are not finite; none at first.
    """

    def __init__(self, problem: FitProblem, grid: Grid, measured: Measured) -> None:
        self.problem, self.grid, self.measured = problem, grid, measured
        self.positive: Mask = np.zeros(len(problem.engine.system.states), dtype=bool)
        self.equations = Equations(problem, grid)

    def theta(self, u: FloatArray) -> FloatArray:
        """[N, all parameters], natural values at u [N, P]."""
        return self.problem.table.to_natural(u)

    @abstractmethod
    def at(self, y: FloatArray, u: FloatArray, hold: Hold, along: bool = False) -> NormalEquations:
        """At the states y [N, E, K, S] and the search vectors u [N, P]; along: states need not be moved."""
        ...

    def misfit(self, y: FloatArray, theta: FloatArray) -> FloatArray:
        """The first sum of the module's docstring [N], of states at the rows of the grid [N, R', S]."""
        g = self.equations.observables(y, theta).value
        parts = [part.misfit(g[:, part.place, part.column])[0] for part in self.measured.cells]
        total: FloatArray = np.sum([0.5 * np.sum(r**2, axis=1) for r in parts], axis=0)
        return total

    def add_defects(self, out: NormalEquations, defects: Defects, hold: Hold) -> None:
        """Those between nodes."""
        grid = self.grid
        share = np.sqrt(grid.steps / grid.spans[:, None])
        free = np.where(grid.steps > 0, hold.epsilon * share, TIGHT)[..., None] * hold.ranges[:, :, None]
        w = np.where(grid.tied[..., None], 1 / free, 0.0)[..., None]
        d, sides, by_symbol = defects
        rows = w * np.concatenate([*sides, by_symbol, d[..., None]], axis=-1)
        n, of_states = d.shape[-1], len(sides) * d.shape[-1]
        if sides:
            # Few products of many columns: where matrices are small a call costs more than the numbers in it.
            products = rows[..., :of_states].swapaxes(-1, -2) @ rows
            first, second, symbols = slice(0, n), slice(n, 2 * n), slice(2 * n, -1)
            out.a[:, :, :-1] += products[..., first, first]
            out.a[:, :, 1:] += products[..., second, second]
            out.c[:] += products[..., second, first]
            out.border[:, :, :-1] += products[..., first, symbols]
            out.border[:, :, 1:] += products[..., second, symbols]
            out.gradient[:, :, :-1] += products[..., first, -1]
            out.gradient[:, :, 1:] += products[..., second, -1]
        flat = rows[..., of_states:].reshape(*d.shape[:2], -1, rows.shape[-1] - of_states)
        sums = flat.swapaxes(-1, -2) @ flat
        out.corner[:] += sums[..., :-1, :-1]
        out.slope[:] += sums[..., :-1, -1]
        out.value[:] += 0.5 * sums[..., -1, -1].sum(axis=1)

    def add_starts(self, out: NormalEquations, y: FloatArray, start: Values, hold: Hold) -> None:
        """Where states begin, [N, E, S]."""
        w = 1 / (TIGHT * hold.ranges)
        d, by_symbol = w * (y[:, :, 0] - start.value), -w[..., None] * start.by_symbol
        to_symbol = by_symbol.swapaxes(-1, -2)
        out.value[:] += 0.5 * np.sum(d**2, axis=(1, 2))
        if out.of_states:
            out.a[:, :, 0] += w[..., None] ** 2 * np.eye(y.shape[-1])
            out.border[:, :, 0] += w[..., None] * by_symbol
            out.gradient[:, :, 0] += w * d
        out.corner[:] += to_symbol @ by_symbol
        out.slope[:] += (to_symbol @ d[..., None])[..., 0]


class ProfilingObjective(NodesObjective):
    """The objective of the module's docstring on one grid."""

    def at(self, y: FloatArray, u: FloatArray, hold: Hold, along: bool = False) -> NormalEquations:
        """See `NodesObjective`."""
        theta = self.theta(u)
        local = self.equations.local(theta)
        n, e, k, s = y.shape
        out = NormalEquations.zeros((n, e, 0 if along else k, s), len(self.equations.sensitive))
        self.add_defects(out, self._defects(y, local, along), hold)
        self.add_starts(out, y, self.equations.starts(local), hold)
        self._add_data(out, y, theta)
        return out

    def _defects(self, y: FloatArray, local: FloatArray, along: bool) -> Defects:
        eye = np.eye(y.shape[-1])
        f = self.equations.rates(y, local, self.equations.at_nodes)
        f0, f1, p0, p1 = f.value[:, :, :-1], f.value[:, :, 1:], f.by_symbol[:, :, :-1], f.by_symbol[:, :, 1:]
        h = self.grid.steps[..., None]
        m = self.equations.rates(self.middle(y, f.value), local, self.equations.at_middles)
        d = np.diff(y, axis=2) - h / 6 * (f0 + 4 * m.value + f1)
        h = h[..., None]
        by_middle, sides = h / 2 * (p0 - p1), tuple[FloatArray, ...]()
        if along:
            moved = m.by_state @ by_middle
        else:
            n, j0, j1 = len(eye), f.by_state[:, :, :-1], f.by_state[:, :, 1:]
            moved = m.by_state @ np.concatenate([2 * eye + h / 2 * j0, 2 * eye - h / 2 * j1, by_middle], axis=-1)
            sides = -eye - h / 6 * (j0 + moved[..., :n]), eye - h / 6 * (j1 + moved[..., n : 2 * n])
            moved = moved[..., 2 * n :]
        by_symbol = -h / 6 * (p0 + 4 * m.by_symbol + moved + p1)
        given = self.grid.doses + self.grid.feeds * self.grid.steps[..., None]
        if (arrives := self.equations.fractions(local)) is not None:
            d = d - given * arrives.value[:, :, None]
            by_symbol = by_symbol - given[..., None] * arrives.by_symbol[:, :, None]
        return d, sides, by_symbol

    def middle(self, y: FloatArray, f: FloatArray) -> FloatArray:
        """y_m [N, E, K - 1, S] between the states y and slopes f [N, E, K, S] at the nodes, positive where
        it must be."""
        h = self.grid.steps[..., None]
        between = (y[:, :, 1:] + y[:, :, :-1]) / 2 + h / 8 * (f[:, :, :-1] - f[:, :, 1:])
        least = LEFT * np.minimum(y[:, :, 1:], y[:, :, :-1])
        return np.where(self.positive & (least > 0), np.maximum(between, least), between)

    def _add_data(self, out: NormalEquations, y: FloatArray, theta: FloatArray) -> None:
        grid = self.grid
        g = self.equations.observables(y[:, grid.experiment, grid.node], theta)
        for part in self.measured.cells:
            r, slope = part.misfit(g.value[:, part.place, part.column])
            by_symbol = slope[..., None] * g.by_symbol[:, part.place, part.column]
            e, k = grid.experiment[part.place], grid.node[part.place]  # each pair is there once
            out.value[:] += 0.5 * np.sum(r**2, axis=1)
            if out.of_states:
                by_state = slope[..., None] * g.by_state[:, part.place, part.column]
                out.a[:, e, k] += by_state[..., :, None] * by_state[..., None, :]
                out.border[:, e, k] += by_state[..., :, None] * by_symbol[..., None, :]
                out.gradient[:, e, k] += by_state * r[..., None]
            for experiment in distinct(e):
                own = e == experiment
                rows = by_symbol[:, own].swapaxes(-1, -2)
                out.corner[:, experiment] += rows @ by_symbol[:, own]
                out.slope[:, experiment] += (rows @ r[:, own, None])[..., 0]
