"""The negative log-likelihood with priors, in the score form that Fisher scoring needs.

For a measurement d with location m(theta) and second parameter s(theta), both on the noise model's own scale, the
family of the noise (family.py) gives nll = -ln p(T(d); m, s), and its derivatives; log-normal data add ln d. For
normal noise

    nll = r²/2 + ln s + ln(2 pi)/2,   r = (m - T(d)) / s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.engines.base import Engine
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.dense_stack import DenseStack
from odefit.linalg.matrix import Matrix
from odefit.linalg.score import Evaluation, Evaluations
from odefit.linalg.stack import MatrixList
from odefit.objective.jacobian import LocalColumns
from odefit.objective.measurements import ObservableData
from odefit.objective.noise.l1 import sharpened
from odefit.objective.observation import Moments
from odefit.objective.points import SolvedPoints, solved_points
from odefit.objective.problem import FitProblem
from odefit.objective.score_rows import ScoreRows
from odefit.objective.solver_floor import SolverFloor, raised_rows
from odefit.records import changed

if TYPE_CHECKING:
    from odefit.objective.priors import Prior

Measured = Sequence[ObservableData]
"""The measurements of all observables, in place of the problem's own: of B points each may have its own."""
NOT_FINITE = "a prediction or a noise level is not finite, or not positive where it must be"
MOST_KEPT = 2
"""Solutions of single points that are kept: of large data they are large."""
IMPOSSIBLE = "a parameter has a value that its prior excludes"


class Likelihood:
    """-ln p(data | theta) - ln p(theta) as a function of the search vector u [P] of the problem's table."""

    def __init__(self, problem: FitProblem, blocks: bool | None = None, *, keeps: bool = False) -> None:
        """Keep the problem; nothing is solved yet.

        Parameters
        ----------
        problem
            The fit.
        blocks
            Whether A is in arrow form (linalg/arrow_matrix.py) if it can be; default where that pays.
        keeps
            Whether the last solutions of single points are kept, for a report that asks many things of the same one.
        """
        self.problem = problem
        self.blocks = blocks
        self.keeps = keeps
        self._kept: dict[tuple[bytes, bool], SolvedPoints] = {}
        self.failure: str | None = None
        """Why the last evaluation was infinite, as a sentence; None where it was not."""

    @property
    def columns(self) -> LocalColumns:
        """Where derivatives to the sensitive local symbols go in A, and which form it has."""
        known = self.problem.layouts
        if self.blocks not in known:
            known[self.blocks] = LocalColumns(self.problem, self.blocks)
        found: LocalColumns = known[self.blocks]
        return found

    @cached_property
    def _priors(self) -> list[tuple[int, int, Prior]]:
        """(position in u, position in theta, prior) of every estimated parameter that has one."""
        table = self.problem.table
        pairs = ((column, int(position)) for column, position in enumerate(table.estimated))
        return [(c, i, prior) for c, i in pairs if (prior := table.parameters[i].prior) is not None]

    @cached_property
    def _floor(self) -> SolverFloor:
        problem = self.problem
        options = problem.engine.options
        return SolverFloor(problem.observation, problem.data, options.rtol, options.atol)

    @cached_property
    def _kinked_priors(self) -> Mask | None:
        kinked = np.array([not prior.is_smooth for _, _, prior in self._priors], dtype=bool)
        return kinked if kinked.any() else None

    def moments(self, u: FloatArray, derivatives: bool) -> list[Moments] | None:
        """The location and scale of every measurement.

        Parameters
        ----------
        u
            [P], the search vector.
        derivatives
            Whether to give their derivatives to the sensitive local symbols as well; `columns.positions` says where
            these stand in u.

        Returns
        -------
        list of Moments, or None
            One per observable, of all R rows; None where the model fails, and `failure` says why.
        """
        found = self.moments_at(u[None], derivatives)
        return [moments.at(0) for moments in found.moments] if len(found.points) else None

    def moments_at(self, u: FloatArray, derivatives: bool, engines: Sequence[Engine] | None = None) -> SolvedPoints:
        """The moments at the points u [B, P] at which the equations can be solved.

        Parameters
        ----------
        u
            [B, P].
        derivatives
            As in `moments`.
        engines
            [B], the engine that solves each point; default the problem's, in one call.
        """
        self.failure = None
        if self.keeps and len(u) == 1 and engines is None:
            found = self._kept_points(u, derivatives)
        else:
            found = self._raised_points(u, derivatives, engines)
        if len(u) == 1:
            self.failure = found.failure
        return found

    def _raised_points(self, u: FloatArray, derivatives: bool, engines: Sequence[Engine] | None) -> SolvedPoints:
        found = solved_points(self.problem, u, derivatives, engines)
        if not (self._floor.matters and len(found.points)):
            return found
        return changed(found, moments=self.raised(found.moments, *found.made_from))

    def _kept_points(self, u: FloatArray, derivatives: bool) -> SolvedPoints:
        key = u.tobytes(), derivatives
        if key not in self._kept:
            found = self._raised_points(u, derivatives, None)
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return self._kept[key]

    def raised(
        self, moments: list[Moments], y: FloatArray, t: FloatArray, p: FloatArray, dy: FloatArray | None
    ) -> list[Moments]:
        """The moments with what stands in for zeros; see `SolverFloor.raised`."""
        return self._floor.raised(moments, y, t, p, dy)

    def vanishing(self, u: FloatArray) -> list[IntArray]:
        """Rows of every observable whose prediction is zero but for the solver's error, so that another stands in.

        None where the model fails at u [P].
        """
        found = self._vanishing(u[None])
        if not found:
            return [np.empty(0, dtype=np.intp) for _ in self.problem.data]
        return [np.flatnonzero(rows[0]) if len(rows) else np.empty(0, dtype=np.intp) for _, rows in found]

    def vanishes(self, u: FloatArray, engines: Sequence[Engine] | None = None) -> Mask:
        """Whether there are such rows at u [B, P], [B]. engines: as in `moments_at`."""
        vanishes = np.zeros(len(u), dtype=bool)
        for points, rows in self._vanishing(u, engines):
            vanishes[points] |= rows.any(axis=1)
        return vanishes

    def _vanishing(self, u: FloatArray, engines: Sequence[Engine] | None = None) -> list[tuple[IntArray, Mask]]:
        """Per observable, which points could be solved and which of their rows vanish; nothing where none can."""
        if not self._floor.matters:
            return []
        found = solved_points(self.problem, u, False, engines)
        raised = self._floor.raised(found.moments, *found.made_from) if len(found.points) else []
        return [(found.points, rows) for rows in raised_rows(found.moments, raised)]

    def value(self, u: FloatArray) -> float:
        """The negative log posterior at u [P]; inf where the model fails."""
        return float(self.values(u[None])[0])

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The value with the score form, for a search.

        A'z is the exact gradient, and A'A the expected information; for Laplace densities it is a curvature with which
        a search converges faster (noise/l1.py).

        Parameters
        ----------
        u
            [P], the search vector.

        Returns
        -------
        Evaluation
            Its value is inf where the model fails.
        """
        return self.evaluations(u[None])[0]

    def values(self, u: FloatArray, engines: Sequence[Engine] | None = None) -> FloatArray:
        """The negative log posterior at u [B, P], [B]; inf where the model fails. engines: as in `moments_at`."""
        found = self.moments_at(u, False, engines)
        values = np.full(len(u), np.inf)
        if len(found.points):
            values[found.points] = self.values_from(u[found.points], found.moments, {})
        return values

    def evaluations(self, u: FloatArray, engines: Sequence[Engine] | None = None) -> Evaluations:
        """The value with the score form at u [B, P]; each as `evaluate` gives it. engines: as in `moments_at`."""
        found = self.moments_at(u, True, engines)
        if not len(found.points):
            return Evaluations.failed(*u.shape)
        return self.spread(len(u), found.points, self.evaluations_from(u[found.points], found.moments, {}))

    def information(self, u: FloatArray) -> Evaluation:
        """The value with the score form whose A'A is the expected Fisher information: what a covariance is made from.

        For censored data it is the observed curvature, for priors that of `Prior.score`.

        Parameters
        ----------
        u
            [P], the search vector.
        """
        found = self.moments_at(u[None], True)
        if not len(found.points):
            return Evaluation.failed(len(u))
        return self.evaluations_from(u[None], found.moments, {}, expected=True)[0]

    def assemble(
        self,
        u: FloatArray,
        moments: list[Moments],
        scales: Mapping[int, float],
        derivatives: bool,
        expected: bool = False,
    ) -> Evaluation:
        """The evaluation from the moments.

        Parameters
        ----------
        u
            [P], the search vector.
        moments
            One per observable, at u.
        scales
            Numbers that replace estimated scales, by position in theta; they get no column of A.
        derivatives
            Whether the moments have derivatives.
        expected
            Whether A'A is to be the expected information, as in `information`.
        """
        one = [m.as_points() for m in moments]
        numbers = {position: np.array([s]) for position, s in scales.items()}
        if not derivatives:
            return Evaluation.without_derivatives(float(self.values_from(u[None], one, numbers)[0]), len(u))
        return self.evaluations_from(u[None], one, numbers, expected)[0]

    def values_from(
        self, u: FloatArray, moments: list[Moments], scales: Mapping[int, FloatArray], data: Measured | None = None
    ) -> FloatArray:
        """Values [B] at u [B, P] from their moments; scales [B] as in `assemble`; data: default the problem's."""
        return self._finite(u, self._measured(u, moments, scales, False, False, data).total, moments)

    def evaluations_from(
        self,
        u: FloatArray,
        moments: list[Moments],
        scales: Mapping[int, FloatArray],
        expected: bool = False,
        data: Measured | None = None,
    ) -> Evaluations:
        """Evaluations at u [B, P] from their moments with derivatives; scales and data as in `values_from`."""
        rows = self._measured(u, moments, scales, True, expected, data)
        value = self._finite(u, rows.total, moments)
        prior_z, columns, entries = self._prior_rows(u, expected)
        z = np.concatenate([prior_z, *rows.z], axis=1)
        a = self.columns.stack(columns, entries, rows.parts, self.problem.table.transforms.derivative(u))
        weights = np.concatenate([np.ones(prior_z.shape), *rows.weights], axis=1)
        if self._kinked_priors is None and not any(rows.kinked):
            return Evaluations(value, z, a, weights)
        none = np.zeros(len(columns), dtype=bool)
        kinked = [np.full(part.shape[1], flag) for part, flag in zip(rows.z, rows.kinked, strict=True)]
        together = np.concatenate([none if self._kinked_priors is None else self._kinked_priors, *kinked])
        if not expected and together.any():
            pairs = [sharpened(z[b], a[b], together) for b in range(len(u))]
            return Evaluations.of([Evaluation(float(v), *pair) for v, pair in zip(value, pairs, strict=True)])
        measured = np.concatenate([none, *kinked])
        return Evaluations(value, z, a, weights, measured if measured.any() else None)

    def spread(self, n: int, points: IntArray, found: Evaluations) -> Evaluations:
        """Evaluations of some of n points in their places, and failures in all others."""
        if len(points) == n:
            return found
        value, z = np.full(n, np.inf), np.zeros((n, found.z.shape[1]))
        value[points], z[points] = found.value, found.z
        weights = None if found.weights is None else np.ones_like(z)
        if weights is not None:
            weights[points] = found.weights
        a = found.A
        if isinstance(a, DenseStack):
            entries = np.zeros((n, *a.values.shape[1:]))
            entries[points] = a.values
            return Evaluations(value, z, DenseStack(entries), weights, found.kinked)
        empty: Matrix = DenseMatrix(np.zeros((0, len(self.problem.table.estimated))))
        matrices = [empty] * n
        for k, b in enumerate(points):
            matrices[b] = a[k]
        return Evaluations(value, z, MatrixList(matrices), weights, found.kinked)

    def _measured(
        self,
        u: FloatArray,
        moments: list[Moments],
        scales: Mapping[int, FloatArray],
        derivatives: bool,
        expected: bool,
        given_data: Measured | None,
    ) -> ScoreRows:
        rows = ScoreRows(self.prior_values(u))
        with np.errstate(all="ignore"):
            for data, observed in zip(given_data or self.problem.data, moments, strict=True):
                given = None if data.scale_position is None else scales.get(data.scale_position)
                rows.measure(data, observed, given, expected)
                if data.censored is not None:
                    rows.censor(data, data.censored, observed, derivatives)
        return rows

    def _finite(self, u: FloatArray, total: FloatArray, moments: list[Moments]) -> FloatArray:
        """Values with infinity for what is no number; `failure` says why, where one point is asked for."""
        bad = ~np.isfinite(total)
        if len(u) == 1 and bad[0]:
            is_prior = not math.isfinite(self.prior_value(u[0]))
            self.failure = IMPOSSIBLE if is_prior else self._not_finite([m.at(0) for m in moments])
        return np.where(bad, np.inf, total) if bad.any() else total

    def _not_finite(self, moments: list[Moments]) -> str:
        """NOT_FINITE, the first cell that it is true of, and what to do."""
        problem = self.problem
        for name, data, observed in zip(problem.observation.names, self.problem.data, moments, strict=True):
            is_positive = problem.observation.noise[name].is_log or data.family.is_count
            for part in data.blocks:
                with np.errstate(all="ignore"):
                    m, s = observed.m[part.rows], data.scale(part, observed)
                    known = np.isfinite(m) & np.isfinite(s)
                    terms = data.family.nll(part.values, m, s) if part is data.measured else np.zeros(len(m))
                for bad, what in (
                    (~np.isfinite(m), "prediction"),
                    (~np.isfinite(s), "noise level"),
                    (known & ~np.isfinite(terms), "prediction" if data.family.is_count else "misfit"),
                ):
                    if bad.any():
                        row = part.rows[int(np.argmax(bad))]
                        owner = problem.experiments[problem.owner[row]].name
                        where = f"the {what} of {name} in experiment {owner} at t = {problem.times[row]:g}"
                        need = "positive" if what == "noise level" or is_positive else "finite"
                        return f"{NOT_FINITE}: {where}; begin at values, or set bounds, for which it is {need}"
        return NOT_FINITE

    def prior_value(self, u: FloatArray) -> float:
        """-ln of the prior density of the estimated parameters at u [P]."""
        return float(self.prior_values(u[None])[0])

    def prior_values(self, u: FloatArray) -> FloatArray:
        """The same at u [B, P], [B]."""
        if not self._priors:
            return np.zeros(len(u))
        rows = self.problem.table.to_natural(u).tolist()
        return np.array([sum(prior.value(theta[i]) for _, i, prior in self._priors) for theta in rows])

    def prior_gradients(self, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """-ln of the prior densities at u [B, P] with their gradients, [B] and [B, P], and half of z'z, [B]."""
        z, columns, entries = self._prior_rows(u, False)
        gradients = np.zeros(u.shape)
        gradients[:, columns] = z * entries
        return self.prior_values(u), gradients, (z**2).sum(axis=1) / 2

    def _prior_rows(self, u: FloatArray, expected: bool) -> tuple[FloatArray, list[int], FloatArray]:
        """z [B, n], and the column [n] and value [B, n] of the one entry that a row of A has, of every prior."""
        columns = [column for column, _, _ in self._priors]
        z, entries = np.zeros((len(u), len(columns))), np.zeros((len(u), len(columns)))
        if columns:
            table = self.problem.table
            theta, slope = table.to_natural(u), table.transforms.derivative(u)
            for k, (column, i, prior) in enumerate(self._priors):
                for b in range(len(u)):
                    z[b, k], root = prior.score(float(theta[b, i]), expected)
                    entries[b, k] = root * float(slope[b, column])
        return z, columns, entries
