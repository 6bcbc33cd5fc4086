"""Levenberg-Marquardt steps of many starts at once, in the states at the nodes, in the parameters, or in both."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.collocation.normal_equations import Hold, NodesObjective, NormalEquations
from odefit.collocation.tridiagonal import solve_tridiagonal
from odefit.objective.jacobian import LocalColumns
from odefit.records import dataclass

Moving = Literal["all", "states", "parameters"]

LONGEST_STEP = 1.5
"""Typical sizes that a parameter moves at once at most."""

FIRST_DAMPING, EASIER, HARDER, MAX_DAMPING = 1.0, 0.2, 6.0, 1e8
"""What steps are damped by at first, the factors by which that changes, and where a start has come to rest."""

LITTLE = 1e-3
"""The share of its value that a step must gain at least, if another is to follow."""

LEFT = 0.2
"""The share of its value that a state keeps at least in one step where it must stay positive."""


@dataclass(frozen=True)
class Guess:
    """Where N starts are.

    Parameters
    ----------
    y
        [N, E, K, S] states at the nodes.
    u
        [N, P] search vectors.
    """

    y: FloatArray
    u: FloatArray

    def take(self, chosen: Mask) -> Guess:
        """Those of the chosen starts [N]."""
        return self if chosen.all() else Guess(self.y[chosen], self.u[chosen])


@dataclass(frozen=True)
class Descent:
    """Searches of one objective.

    Parameters
    ----------
    objective
        What is minimised.
    """

    objective: NodesObjective

    def run(self, begin: Guess, hold: Hold, rounds: int, moving: Moving = "all") -> tuple[Guess, FloatArray]:
        """Where at most `rounds` steps lead, and the values [N] there; inf for starts that cannot begin.

        What becomes of a start does not depend on the others.
        """
        y, u, along = begin.y.copy(), begin.u.copy(), moving == "parameters"
        with np.errstate(all="ignore"):
            here = self.objective.at(y, u, hold, along)
            value = np.where(here.is_finite, here.value + self._prior_values(u), np.inf)
            is_going = np.isfinite(value)
            # Of the starts that go on: their numbers, and all that is known of them.
            going, at, here, hold = (
                np.flatnonzero(is_going),
                begin.take(is_going),
                here.take(is_going),
                hold.take(is_going),
            )
            damping = np.full(len(going), FIRST_DAMPING)
            for _ in range(rounds):
                if not len(going):
                    break
                tried, before = self._step(at, here, hold, damping, moving), value[going]
                there = self.objective.at(tried.y, tried.u, hold, along)
                reached = np.where(there.is_finite, there.value + self._prior_values(tried.u), np.inf)
                better = reached < before
                y[going[better]], u[going[better]] = tried.y[better], tried.u[better]
                value[going] = np.where(better, reached, before)
                at, here = Guess(y[going], u[going]), there.where(better, here)
                damping = np.where(better, damping * EASIER, damping * HARDER)
                left = (~better | (before - reached > LITTLE * before)) & (damping < MAX_DAMPING)
                going, damping = going[left], damping[left]
                at, here, hold = at.take(left), here.take(left), hold.take(left)
        return Guess(y, u), value

    def _step(self, at: Guess, here: NormalEquations, hold: Hold, damping: FloatArray, moving: Moving) -> Guess:
        y, u = at.y, at.u
        size, (n, e, k, s) = here.slope.shape[-1], y.shape
        if moving == "parameters":
            return Guess(y, u + self._parameter_step(u, here.corner, here.slope, damping, each=True))
        own = damping[:, None, None] / hold.ranges**2
        unused = np.where(self.objective.grid.used, 0.0, 1.0)[..., None]
        a = here.a + (own[:, :, None, :] + unused)[..., None] * np.eye(s)
        x = _solved(a, here.c, np.concatenate([here.border, here.gradient[..., None]], axis=-1))
        by_symbol, step = x[..., :size], x[..., size]
        if moving == "all":
            flat = here.border.reshape(n, e, k * s, size).swapaxes(-1, -2)
            corner = here.corner - flat @ by_symbol.reshape(n, e, k * s, size)
            slope = here.slope - (flat @ step.reshape(n, e, k * s, 1))[..., 0]
            moved = self._parameter_step(u, corner, slope, damping)
            local = np.where(self._positions >= 0, (moved * self._slopes(u))[:, self._positions], 0.0)
            step = step + (by_symbol @ local[:, :, None, :, None])[..., 0]
            u = u + moved
        low = np.where(self.objective.positive, LEFT * y, -np.inf)
        return Guess(np.maximum(y - step, low), u)

    def _parameter_step(
        self, u: FloatArray, corner: FloatArray, slope: FloatArray, damping: FloatArray, each: bool = False
    ) -> FloatArray:
        """[N, P], within the box and LONGEST_STEP: shortened as a whole, or each component, so that one of which little
        is known does not hold up the others."""
        table = self.objective.problem.table
        sizes, (lower, upper) = table.sizes, table.search_bounds()
        rows = self._position * self._slopes(u)[:, None, None, :]
        shape = (len(u), corner.shape[1] * corner.shape[2], u.shape[1])
        across = rows.reshape(shape).swapaxes(-1, -2)
        h = across @ (corner @ rows).reshape(shape)
        g = (across @ slope.reshape(*shape[:2], 1))[..., 0]
        for column, z, k in self._prior_rows(u):
            h[:, column, column] += k**2
            g[:, column] += k * z
        diagonal = np.arange(u.shape[1])
        h[:, diagonal, diagonal] += damping[:, None] / sizes**2
        held = ((u <= lower) & (g > 0)) | ((u >= upper) & (g < 0))
        h = np.where(held[:, :, None] | held[:, None, :], np.eye(u.shape[1]), h)
        step = -_solved(h[:, None], h[:, :0, None], np.where(held, 0.0, g)[:, None, :, None])[:, 0, :, 0]
        if each:
            step = np.clip(step, -LONGEST_STEP * sizes, LONGEST_STEP * sizes)
        else:
            longest = np.abs(step / sizes).max(axis=1, initial=0.0)
            step = step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))[:, None]
        moved: FloatArray = np.clip(u + step, lower, upper) - u
        return moved

    @cached_property
    def _position(self) -> FloatArray:
        """[E, L, P], 1 where a local symbol is a parameter."""
        columns = np.arange(len(self.objective.problem.table.estimated))
        found: FloatArray = (self._positions[..., None] == columns).astype(np.float64)
        return found

    @cached_property
    def _positions(self) -> IntArray:
        """[E, L], which parameter a local symbol is, -1 for none and for a cell with a formula of several."""
        positions = LocalColumns(self.objective.problem).positions
        return np.where(positions < len(self.objective.problem.table.estimated), positions, -1)

    def _slopes(self, u: FloatArray) -> FloatArray:
        """dtheta/du [N, P]."""
        return self.objective.problem.table.transforms.derivative(u)

    @cached_property
    def _priors(self) -> list[tuple[int, int]]:
        """(position in u, position in theta) of the parameters with a prior."""
        table = self.objective.problem.table
        return [(k, int(i)) for k, i in enumerate(table.estimated) if table.parameters[i].prior is not None]

    def _prior_values(self, u: FloatArray) -> FloatArray:
        values = np.zeros(len(u))
        for n, theta in enumerate(self.objective.theta(u) if self._priors else []):
            for _, i in self._priors:
                prior = self.objective.problem.table.parameters[i].prior
                values[n] += prior.value(float(theta[i])) if prior else 0.0
        return values

    def _prior_rows(self, u: FloatArray) -> list[tuple[int, FloatArray, FloatArray]]:
        """Column, z [N] and k [N] of every prior, to u."""
        if not self._priors:
            return []
        theta, slopes, rows = self.objective.theta(u), self._slopes(u), []
        for column, i in self._priors:
            prior = self.objective.problem.table.parameters[i].prior
            scores = np.array([prior.score(float(each[i]), False) for each in theta if prior])
            rows.append((column, scores[:, 0], scores[:, 1] * slopes[:, column]))
        return rows


def _solved(a: FloatArray, c: FloatArray, right: FloatArray) -> FloatArray:
    """The solution of each of N systems, NaN where one is singular: it must not spoil the others."""
    try:
        return (
            solve_tridiagonal(a[:, None], a[:, :0], right[:, None])[:, 0]
            if c is None
            else solve_tridiagonal(a, c, right)
        )
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return np.full(right.shape, np.nan)
        halves = [slice(0, len(a) // 2), slice(len(a) // 2, None)]
        return np.concatenate([_solved(a[h], c[h], right[h]) for h in halves])
