"""The negative log-likelihood with priors, in the score form that Fisher scoring needs.

For a measurement d with location m(theta) and second parameter s(theta), both on the noise model's own scale, the
family of the noise (family.py) gives nll = -ln p(T(d); m, s), and its derivatives; log-normal data add ln d. For
normal noise

    nll = r²/2 + ln s + ln(2 pi)/2,   r = (m - T(d)) / s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.score import Evaluation
from odefit.objective.jacobian import LocalColumns, LocalRows, stacked
from odefit.objective.measurements import DataBlock, ObservableData
from odefit.objective.noise.l1 import sharpened
from odefit.objective.observation import Moments
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from odefit.objective.solver_floor import SolverFloor

NOT_FINITE = "a prediction or a noise level is not finite, or not positive where it must be"
IMPOSSIBLE = "a parameter has a value that its prior excludes"


class Likelihood:
    """-ln p(data | theta) - ln p(theta) as a function of the search vector u [P] of the problem's table."""

    def __init__(self, problem: FitProblem, blocks: bool | None = None) -> None:
        """Keep the problem; nothing is solved yet.

        Parameters
        ----------
        problem
            The fit.
        blocks
            Whether A is in arrow form (linalg/arrow_matrix.py) if it can be; default where that pays.
        """
        self.problem = problem
        self.blocks = blocks
        self.failure: str | None = None
        """Why the last evaluation was infinite, as a sentence; None where it was not."""

    @cached_property
    def columns(self) -> LocalColumns:
        """Where derivatives to the sensitive local symbols go in A, and which form it has."""
        return LocalColumns(self.problem, self.blocks)

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
        found = self._solved(u, derivatives)
        return None if found is None else self._floor.raised(*found)

    def vanishing(self, u: FloatArray) -> list[IntArray]:
        """Rows of every observable whose prediction is zero but for the solver's error, so that another stands in.

        None where the model fails at u [P].
        """
        found = self._solved(u, derivatives=False) if self._floor.matters else None
        if found is None:
            return [np.empty(0, dtype=np.intp) for _ in self.problem.data]
        pairs = zip(found[0], self._floor.raised(*found), strict=True)
        return [np.flatnonzero(~((raised.m == plain.m) | np.isnan(raised.m))) for plain, raised in pairs]

    def _solved(
        self, u: FloatArray, derivatives: bool
    ) -> tuple[list[Moments], FloatArray, FloatArray, FloatArray, FloatArray | None] | None:
        """The moments as they are solved, and what they are made from."""
        problem = self.problem
        self.failure = None
        theta = problem.table.to_natural(u)
        local = problem.binding.local(theta)
        own = local[:, : problem.n_system]
        solutions = problem.engine.solve(own, problem.solved.experiments, sensitivities=derivatives)
        if (failed := solutions.failed) is not None:
            self.failure = f"experiment {problem.experiments[failed].name}: {solutions.failures[failed]}"
            return None
        y, dy = problem.levels(local, solutions)
        rows = problem.rows(local)
        return problem.observation.moments(y, problem.clock, rows, dy), y, problem.clock, rows, dy

    def value(self, u: FloatArray) -> float:
        """The negative log posterior at u; inf where the model fails."""
        return self._evaluate(u, derivatives=False).value

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
        return self._evaluate(u, derivatives=True)

    def information(self, u: FloatArray) -> Evaluation:
        """The value with the score form whose A'A is the expected Fisher information: what a covariance is made from.

        For censored data it is the observed curvature, for priors that of `Prior.score`.

        Parameters
        ----------
        u
            [P], the search vector.
        """
        return self._evaluate(u, derivatives=True, expected=True)

    def _evaluate(self, u: FloatArray, derivatives: bool, expected: bool = False) -> Evaluation:
        moments = self.moments(u, derivatives)
        return Evaluation.failed(len(u)) if moments is None else self.assemble(u, moments, {}, derivatives, expected)

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
        total = self.prior_value(u)
        if not math.isfinite(total):
            self.failure = IMPOSSIBLE
            return Evaluation.failed(len(u))
        rows, owner = _Rows(), self.problem.owner
        with np.errstate(all="ignore"):
            for data, observed in zip(self.problem.data, moments, strict=True):
                given = None if data.scale_position is None else scales.get(data.scale_position)
                family, part = data.family, data.measured
                d, m = part.values, observed.m[part.rows]
                s = data.scale(part, observed) if given is None else data.in_units(given)
                total += float(family.nll(d, m, s).sum()) + data.constant
                if observed.dm is not None:
                    z, root = (family.location if expected else family.search_location)(d, m, s)
                    rows.add(z, observed.dm[part.rows], root, owner[part.rows], not family.is_smooth)
                if observed.ds is not None and given is None:
                    z, root = family.scale(d, m, s)
                    rows.add(z, observed.ds[part.rows], root, owner[part.rows])
                if data.censored is not None:
                    f, z, a = self._censored(data, data.censored, observed, derivatives)
                    total += f
                    if derivatives:
                        rows.add(z, a, np.ones(len(z)), owner[data.censored.rows])
        if not math.isfinite(total):
            self.failure = self._not_finite(moments)
            return Evaluation.failed(len(u))
        if not derivatives:
            return Evaluation.without_derivatives(total, len(u))
        return self._evaluation(total, rows, u, expected)

    def _evaluation(self, value: float, rows: _Rows, u: FloatArray, expected: bool) -> Evaluation:
        """z and A: the rows of the priors, and those of the data."""
        prior_z, single = self._prior_rows(u, expected)
        z = np.concatenate([prior_z, *rows.z])
        slope = self.problem.table.transforms.derivative(u)
        a = self.columns.rows(single, stacked(rows.parts, self.columns.positions.shape[1]), slope)
        weights = np.concatenate([np.ones(len(prior_z)), *rows.weights])
        kinked = [np.zeros(len(prior_z), dtype=bool) if self._kinked_priors is None else self._kinked_priors]
        kinked += [np.full(len(part), flag) for part, flag in zip(rows.z, rows.kinked, strict=True)]
        if not expected and any(k.any() for k in kinked):
            z, a = sharpened(z, a, np.concatenate(kinked))
            return Evaluation(value, z, a)
        measured = np.concatenate([np.zeros(len(prior_z), dtype=bool), *kinked[1:]])
        return Evaluation(value, z, a, weights, measured if measured.any() else None)

    def _censored(
        self, data: ObservableData, part: DataBlock, observed: Moments, derivatives: bool
    ) -> tuple[float, FloatArray, FloatArray]:
        """The sum of -ln P of the censored data of an observable, and their rows of z and A."""
        s = data.scale(part, observed)
        tail = data.family.tail(part.side, part.values, observed.m[part.rows], s)
        if not derivatives:
            return float(tail.f.sum()), np.zeros(0), np.zeros((0, 0))
        z, of_m, of_s = tail.row()
        a = np.zeros((len(z), self.columns.positions.shape[1]))
        for slopes, factor in ((observed.dm, of_m), (observed.ds, of_s)):
            if slopes is not None:
                a += slopes[part.rows] * factor[:, None]
        return float(tail.f.sum()), z, a

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
        if not self._priors:
            return 0.0
        theta = self.problem.table.to_natural(u)
        return sum(prior.value(float(theta[i])) for _, i, prior in self._priors)

    def _prior_rows(self, u: FloatArray, expected: bool) -> tuple[FloatArray, list[tuple[int, float]]]:
        """z, and the one entry (column, value) that a row of A has, of every prior."""
        if not self._priors:
            return np.zeros(0), []
        table = self.problem.table
        theta, slope = table.to_natural(u), table.transforms.derivative(u)
        found = [(column, *prior.score(float(theta[i]), expected)) for column, i, prior in self._priors]
        return np.array([z for _, z, _ in found]), [(column, a * float(slope[column])) for column, _, a in found]


class _Rows:
    """z and the rows of A as they grow, part by part, and which parts are those of absolute values."""

    def __init__(self) -> None:
        self.z: list[FloatArray] = []
        self.parts: list[LocalRows] = []
        self.weights: list[FloatArray] = []
        self.kinked: list[bool] = []

    def add(
        self, z: FloatArray, slopes: FloatArray, root: FloatArray, experiment: IntArray, kinked: bool = False
    ) -> None:
        """root: [M], the factor of the slopes in A."""
        self.z.append(z)
        self.parts.append(LocalRows(slopes * root[:, None], experiment))
        self.weights.append(root)
        self.kinked.append(kinked)
