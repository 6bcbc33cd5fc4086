"""The objective of generalised profiling with defects that an engine solves: those between windows.

    D_k = y_k+1 - Phi_k(y_k, p)

where Phi_k solves the equations over window k, with whatever happens on the way; predictions within a window are
those of its solution. For the sums, see collocation/normal_equations.py. Derivatives to the states at the start of a
window, and to the parameters, are the engine's sensitivities. H. G. Bock, "Recent advances in parameter identification
techniques for O.D.E." (1983).

Letters: N starts, E experiments, K windows, S states, L sensitive local symbols, W windows of all experiments, R' rows.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.collocation.cells import Measured
from odefit.collocation.equations import Values
from odefit.collocation.normal_equations import Defects, Hold, NodesObjective, NormalEquations
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine
from odefit.engines.choice import make_engine
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.shooting.windows import Windows, window_name, window_system

MOST_STEPS = 1000
"""Steps of the solver after which a window is given up: it is a small part of a series, and where it takes more the
parameters are far from any that the data would have."""


@dataclass(frozen=True)
class Shots:
    """The solutions of all windows.

    Parameters
    ----------
    rows
        [N, R', S] states at the measured rows, with their derivatives to the states where their windows begin, and to
        the symbols.
    ends
        The same [N, W', S] at the ends of the windows that others follow.
    """

    rows: Values
    ends: Values


class OutOfTime(Exception):
    """The CPU time of an engine is spent."""


class ShootingEngine:
    """Solves windows of a problem from any states.

    Parameters
    ----------
    problem
        With the equations and the solver.
    seconds
        CPU time of this process from now on, after which nothing is solved any more.
    """

    def __init__(self, problem: FitProblem, seconds: float = math.inf) -> None:
        system, engine = window_system(problem.engine.system), problem.engine
        named = {s.name for formula in system.formulas for s in formula.free_symbols}
        self.kept = [k for k, name in enumerate(problem.observation.sensitive) if name in named & {*engine.sensitive}]
        own = [problem.observation.sensitive[k] for k in self.kept]
        self.problem, self._end = problem, time.process_time() + seconds
        options = replace(engine.options, max_steps=MOST_STEPS)
        self.engine: Engine = make_engine(system, options, (*own, *map(window_name, system.states)))

    def solve(self, windows: Windows, y: FloatArray, local: FloatArray) -> Shots:
        """At the states y [N, E, K, S] and the local values [N, E, L']; NaN where a window cannot be solved.

        Raises OutOfTime.
        """
        if time.process_time() > self._end:
            raise OutOfTime
        n, n_states, n_windows = len(y), y.shape[-1], len(windows.parts)
        own = local[:, windows.experiment, : self.problem.n_system]
        p = np.concatenate([own, y[:, windows.experiment, windows.node]], axis=-1)
        members = np.tile(np.arange(n_windows), n)
        found = self.engine.reset_copy().solve(p.reshape(n * n_windows, -1), windows.parts, True, members)
        assert found.dy is not None
        values, slopes = found.y.reshape(n, -1, n_states), found.dy.reshape(n, -1, n_states, found.dy.shape[-1])
        last = np.cumsum([len(part.times) for part in windows.parts])[windows.ends] - 1
        return Shots(*(self._values(values[:, rows], slopes[:, rows]) for rows in (windows.rows, last)))

    def ends(self, windows: Windows, which: IntArray, y: FloatArray, local: FloatArray) -> FloatArray:
        """States [N, W', S] at the ends of some windows, that others follow; NaN where one cannot be solved."""
        n, e, k = len(y), windows.experiment[which], windows.node[which]
        p = np.concatenate([local[:, e, : self.problem.n_system], y[:, e, k]], axis=-1)
        members = np.tile(which, n)
        found = self.engine.reset_copy().solve(p.reshape(n * len(which), -1), windows.parts, False, members)
        return found.y[found.offsets[1:] - 1].reshape(n, len(which), -1)

    def _values(self, y: FloatArray, dy: FloatArray) -> Values:
        by_symbol = np.zeros((*y.shape, len(self.problem.observation.sensitive)))
        by_symbol[..., self.kept] = dy[..., : len(self.kept)]
        return Values(y, dy[..., len(self.kept) :], by_symbol)


class ShootingObjective(NodesObjective):
    """The objective of the module's docstring."""

    def __init__(self, engine: ShootingEngine, windows: Windows, measured: Measured) -> None:
        super().__init__(engine.problem, windows.grid, measured)
        self.engine, self.windows = engine, windows
        bare = [e.at(np.array([e.start]), np.array([-1], dtype=np.int8)) for e in engine.problem.experiments]
        self._beginnings: tuple[Experiment, ...] = tuple(bare)

    def at(self, y: FloatArray, u: FloatArray, hold: Hold, along: bool = False) -> NormalEquations:
        """See `NodesObjective`."""
        del along  # the solver has the derivatives to the states in any case
        theta = self.theta(u)
        local = self.equations.local(theta)
        shots = self.engine.solve(self.windows, y, local)
        out = NormalEquations.zeros(y.shape, len(self.equations.sensitive))
        self.add_defects(out, self._defects(y, shots.ends), hold)
        self.add_starts(out, y, self.starts(local), hold)
        self._add_data(out, shots.rows, theta)
        return out

    def starts(self, local: FloatArray) -> Values:
        """Initial values [N, E]: by their formulas, or where the engine says that the system came to rest."""
        if self.problem.engine.system.rest is None:
            return self.equations.starts(local)
        n, n_experiments = local.shape[:2]
        p = local[..., : self.problem.n_system].reshape(n * n_experiments, -1)
        members = np.tile(np.arange(n_experiments), n)
        found = self.problem.engine.reset_copy().solve(p, self._beginnings, True, members)
        assert found.dy is not None
        y = found.y.reshape(n, n_experiments, -1)
        by_symbol = np.zeros((*y.shape, len(self.equations.sensitive)))
        by_symbol[..., : found.dy.shape[-1]] = found.dy.reshape(*y.shape, -1)
        return Values(y, np.zeros((*y.shape, y.shape[-1])), by_symbol)

    def _defects(self, y: FloatArray, ends: Values) -> Defects:
        n, n_experiments, k, s = y.shape
        d, by_symbol = (
            np.zeros((n, n_experiments, k - 1, s)),
            np.zeros((n, n_experiments, k - 1, s, ends.by_symbol.shape[-1])),
        )
        before = np.zeros((n, n_experiments, k - 1, s, s))
        e, at = self.windows.experiment[self.windows.ends], self.windows.node[self.windows.ends]
        d[:, e, at] = y[:, e, at + 1] - ends.value
        before[:, e, at], by_symbol[:, e, at] = -ends.by_state, -ends.by_symbol
        return d, (before, np.broadcast_to(np.eye(s), before.shape)), by_symbol

    def _add_data(self, out: NormalEquations, rows: Values, theta: FloatArray) -> None:
        g, grid = self.equations.observables(rows.value, theta), self.grid
        by_state = g.by_state @ rows.by_state
        by_symbol = g.by_symbol + g.by_state @ rows.by_symbol
        for part in self.measured.cells:
            r, slope = part.misfit(g.value[:, part.place, part.column])
            out.value[:] += 0.5 * np.sum(r**2, axis=1)
            to_state = slope[..., None] * by_state[:, part.place, part.column]
            to_symbol = slope[..., None] * by_symbol[:, part.place, part.column]
            window = grid.experiment[part.place] * grid.times.shape[1] + grid.node[part.place]
            first = np.flatnonzero(np.diff(window, prepend=-1))
            for begin, end in zip(first, [*first[1:], len(window)], strict=True):
                e, k = divmod(int(window[begin]), grid.times.shape[1])
                own = slice(begin, end)
                left, right = to_state[:, own].swapaxes(-1, -2), to_symbol[:, own].swapaxes(-1, -2)
                column = r[:, own, None]
                out.a[:, e, k] += left @ to_state[:, own]
                out.border[:, e, k] += left @ to_symbol[:, own]
                out.gradient[:, e, k] += (left @ column)[..., 0]
                out.corner[:, e] += right @ to_symbol[:, own]
                out.slope[:, e] += (right @ column)[..., 0]
