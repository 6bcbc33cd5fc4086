"""The negative log-likelihood with priors, in the score form that Fisher scoring needs.

For a cell d with location m(theta) and second parameter s(theta), both on the noise model's own scale, the family of
the noise (family.py) gives nll = -ln p(T(d); m, s), and its derivatives; log-normal cells add ln d. For normal noise

    nll = r²/2 + ln s + ln(2 pi)/2,   r = (m - T(d)) / s.

An estimated sigma that is one constant per observable can be eliminated where its best value is known at any theta:
s² = mean (m - T(d))² for normal and log-normal noise, s = mean |m - d| for Laplace's. The rest of the problem is
solved with s at that value ("variance profiling"). The optimum is that of the full likelihood, without a badly scaled
direction on the way to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.arrow_matrix import only_columns
from odefit.linalg.score import Evaluation
from odefit.objective.jacobian import LocalColumns, LocalRows, stacked
from odefit.objective.measurements import DataBlock, ObservableData, observable_data
from odefit.objective.noise.l1 import sharpened
from odefit.objective.observation import Moments
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem

NOT_FINITE = "a prediction or a noise level is not finite, or not positive where it must be"
IMPOSSIBLE = "a parameter has a value that its prior excludes"


class Likelihood:
    """-ln p(data | theta) - ln p(theta) as a function of the search vector u [P] of the problem's table."""

    def __init__(self, problem: FitProblem, blocks: bool | None = None) -> None:
        """blocks: whether A is in arrow form (linalg/arrow_matrix.py) if it can be; default where that pays."""
        self.problem = problem
        self.blocks = blocks
        self.failure: str | None = None
        """Why the last evaluation was infinite, as a sentence; None where it was not."""

    @cached_property
    def cells(self) -> tuple[ObservableData, ...]:
        """The measured cells, one `ObservableData` per observable."""
        return observable_data(self.problem)

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
    def _kinked_priors(self) -> Mask | None:
        kinked = np.array([not prior.is_smooth for _, _, prior in self._priors], dtype=bool)
        return kinked if kinked.any() else None

    def moments(self, u: FloatArray, derivatives: bool) -> list[Moments] | None:
        """m, s and, when asked, their derivatives to the sensitive local symbols [R, K] (of which `columns.where` says
        what they are in u); None (and `failure`) where the model fails."""
        problem = self.problem
        self.failure = None
        theta = problem.table.to_natural(u)
        local = problem.binding.local(theta)
        own = local[:, : problem.n_system]
        solve = problem.engine.solve_with_sensitivities if derivatives else problem.engine.solve
        trajectories = solve(own, problem.experiments)
        for trajectory, experiment in zip(trajectories, problem.experiments, strict=True):
            if trajectory.failure is not None:
                self.failure = f"experiment {experiment.name}: {trajectory.failure}"
                return None
        y = np.concatenate([trajectory.y for trajectory in trajectories])
        dy = np.concatenate([tr.dy for tr in trajectories if tr.dy is not None]) if derivatives else None
        return problem.observation.moments(y, problem.times, problem.rows(local), dy)

    def value(self, u: FloatArray) -> float:
        """The negative log posterior at u; inf where the model fails."""
        return self._evaluate(u, derivatives=False).value

    def evaluate(self, u: FloatArray) -> Evaluation:
        """Value, score residuals z [M] and root-curvature rows A [M, P], for a search: A'z is the exact gradient, and
        A'A the expected information but for Laplace densities, where it is what a search gets on with (noise/l1.py)."""
        return self._evaluate(u, derivatives=True)

    def information(self, u: FloatArray) -> Evaluation:
        """The same with A'A the expected Fisher information: what a covariance is made from.

        Of censored cells it is the observed curvature, of priors that of `Prior.score`.
        """
        return self._evaluate(u, derivatives=True, expected=True)

    def _evaluate(self, u: FloatArray, derivatives: bool, expected: bool = False) -> Evaluation:
        moments = self.moments(u, derivatives)
        return failed(len(u)) if moments is None else self.assemble(u, moments, {}, derivatives, expected)

    def assemble(
        self,
        u: FloatArray,
        moments: list[Moments],
        scales: Mapping[int, float],
        derivatives: bool,
        expected: bool = False,
    ) -> Evaluation:
        """The evaluation from the moments at u; scales: sigmas (by position in theta) that are given numbers."""
        total = self.prior_value(u)
        if not math.isfinite(total):
            self.failure = IMPOSSIBLE
            return failed(len(u))
        rows, owner = _Rows(), self.problem.owner
        with np.errstate(all="ignore"):
            for cells, observed in zip(self.cells, moments, strict=True):
                given = None if cells.theta is None else scales.get(cells.theta)
                family, part = cells.family, cells.measured
                d, m = part.values, observed.m[part.rows]
                s = cells.second(part, observed) if given is None else np.full(len(d), given)
                total += float(family.nll(d, m, s).sum()) + cells.constant
                if observed.dm is not None:
                    z, root = (family.location if expected else family.search_location)(d, m, s)
                    rows.add(z, observed.dm[part.rows] * root[:, None], owner[part.rows], not family.is_smooth)
                if observed.ds is not None and given is None:
                    z, root = family.scale(d, m, s)
                    rows.add(z, observed.ds[part.rows] * root[:, None], owner[part.rows])
                if cells.censored is not None:
                    f, z, a = self._censored(cells, cells.censored, observed, derivatives)
                    total += f
                    if derivatives:
                        rows.add(z, a, owner[cells.censored.rows])
        if not math.isfinite(total):
            self.failure = self._not_finite(moments)
            return failed(len(u))
        if not derivatives:
            return Evaluation(total, np.zeros(0), np.zeros((0, len(u))))
        return self._evaluation(total, rows, u, expected)

    def _evaluation(self, value: float, rows: _Rows, u: FloatArray, expected: bool) -> Evaluation:
        """z and A: the rows of the priors, and those of the data."""
        prior_z, single = self._prior_rows(u, expected)
        z = np.concatenate([prior_z, *rows.z])
        slope = self.problem.table.transforms.derivative(u)
        a = self.columns.rows(single, stacked(rows.parts, self.columns.where.shape[1]), slope)
        kinked = [np.zeros(len(prior_z), dtype=bool) if self._kinked_priors is None else self._kinked_priors]
        kinked += [np.full(len(part), flag) for part, flag in zip(rows.z, rows.kinked, strict=True)]
        if not expected and any(k.any() for k in kinked):
            z, a = sharpened(z, a, np.concatenate(kinked))
        return Evaluation(value, z, a)

    def _censored(
        self, cells: ObservableData, part: DataBlock, observed: Moments, derivatives: bool
    ) -> tuple[float, FloatArray, FloatArray]:
        """The sum of -ln P of the censored cells of an observable, and their rows of z and A."""
        s = cells.second(part, observed)
        tail = cells.family.tail(part.side, part.values, observed.m[part.rows], s)
        if not derivatives:
            return float(tail.f.sum()), np.zeros(0), np.zeros((0, 0))
        z, of_m, of_s = tail.row()
        a = np.zeros((len(z), self.columns.where.shape[1]))
        for slopes, factor in ((observed.dm, of_m), (observed.ds, of_s)):
            if slopes is not None:
                a += slopes[part.rows] * factor[:, None]
        return float(tail.f.sum()), z, a

    def _not_finite(self, moments: list[Moments]) -> str:
        """NOT_FINITE, and the first cell that it is true of."""
        problem = self.problem
        for name, cells, observed in zip(problem.observation.names, self.cells, moments, strict=True):
            for part in cells.parts:
                with np.errstate(all="ignore"):
                    m, s = observed.m[part.rows], cells.second(part, observed)
                for bad, what in ((~np.isfinite(m), "prediction"), (~np.isfinite(s), "noise level")):
                    if bad.any():
                        row = part.rows[int(np.argmax(bad))]
                        owner = problem.experiments[problem.owner[row]].name
                        return f"{NOT_FINITE}: the {what} of {name} in experiment {owner} at t = {problem.times[row]:g}"
        return NOT_FINITE

    def prior_value(self, u: FloatArray) -> float:
        """-ln of the prior density of the estimated parameters."""
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

    def residual_sum(self, u: FloatArray) -> float:
        """Sum of squared residuals on the noise models' own scales (logarithms for log-normal noise, else the natural
        one), before division by sigma. A censored cell has no residual."""
        moments = self.moments(u, derivatives=False)
        if moments is None:
            return math.nan
        pairs = zip(self.cells, moments, strict=True)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(sum(np.sum((o.m[c.rows] - c.values) ** 2) for c, o in pairs))

    def residuals(self, u: FloatArray) -> list[FloatArray] | None:
        """Pearson's residuals, measured minus fitted over the standard deviation (Student's t with df <= 2 has none:
        over the scale), [M] per observable, in the order of `cells`; None where the model fails."""
        moments = self.moments(u, derivatives=False)
        if moments is None:
            return None
        found = []
        with np.errstate(all="ignore"):
            for cells, observed in zip(self.cells, moments, strict=True):
                m, s = observed.m[cells.rows], cells.second(cells.measured, observed)
                found.append((cells.values - m) / cells.family.deviation(m, s))
        return found

    def quantile_residuals(self, u: FloatArray, rng: np.random.Generator | None = None) -> list[FloatArray] | None:
        """The normal quantiles of F(d), which are normal for the right model, whatever the family, [M] per observable.

        F of a count jumps; its residual is drawn between both ends of the jump (P. K. Dunn and G. K. Smyth 1996), or
        is that of the middle without `rng`. None where the model fails.
        """
        from scipy.special import ndtri

        moments = self.moments(u, derivatives=False)
        if moments is None:
            return None
        found = []
        with np.errstate(all="ignore"):
            for cells, observed in zip(self.cells, moments, strict=True):
                family, d = cells.family, cells.values
                m, s = observed.m[cells.rows], cells.second(cells.measured, observed)
                low, high = family.cdf(d, m, s), family.cdf(d, m, s, upper=True)
                if family.is_count:
                    share = np.full(len(d), 0.5) if rng is None else rng.random(len(d))
                    before, after = family.cdf(d - 1, m, s), family.cdf(d - 1, m, s, upper=True)
                    low, high = before + share * (low - before), high + (1 - share) * (after - high)
                found.append(np.where(low < 0.5, ndtri(low), -ndtri(high)))
        return found

    def chi_square(self, u: FloatArray) -> float:
        """Sum of squares of Pearson's residuals; NaN where the model fails."""
        residuals = self.residuals(u)
        if residuals is None:
            return math.nan
        with np.errstate(over="ignore"):
            return float(sum(r @ r for r in residuals))


class _Rows:
    """z and the rows of A as they grow, part by part, and which parts are those of absolute values."""

    def __init__(self) -> None:
        self.z: list[FloatArray] = []
        self.parts: list[LocalRows] = []
        self.kinked: list[bool] = []

    def add(self, z: FloatArray, slopes: FloatArray, experiment: IntArray, kinked: bool = False) -> None:
        self.z.append(z)
        self.parts.append(LocalRows(slopes, experiment))
        self.kinked.append(kinked)


def failed(n: int) -> Evaluation:
    return Evaluation(math.inf, np.zeros(0), np.zeros((0, n)))


class ProfileLikelihood:
    """The likelihood with every simple, prior-free scale at its best value: a function of the remaining u.

    `lift` gives back the full vector. Where nothing can be profiled, this is the likelihood itself.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.full = likelihood
        table = likelihood.problem.table
        simple = {c.theta for c in likelihood.cells if c.theta is not None and c.n}
        # A sigma that also enters some other formula (a second observable's, an equation) is not simple.
        own = (t for t in simple if table.parameters[t].prior is None and self._is_own(t) and self._is_closed(t))
        self.sigmas = tuple(sorted(own))
        self.free = np.array([k for k, t in enumerate(table.estimated) if t not in self.sigmas], dtype=np.intp)

    def _is_closed(self, position: int) -> bool:
        """Whether one formula gives the best value for all observables that share it."""
        users = [cells for cells in self.full.cells if cells.theta == position and cells.n]
        return all(cells.profiles and cells.family is users[0].family for cells in users)

    def _is_own(self, position: int) -> bool:
        problem = self.full.problem
        name_users = [c for c in self.full.cells if c.theta == position]
        bound = (problem.binding.index == position).any(axis=0)
        symbols = {s for s, own in zip(problem.binding.symbols, bound, strict=True) if own}
        observation = problem.observation
        users = sum(
            bool({str(x) for x in formula.free_symbols} & symbols)
            for formula in (*observation.system.rhs, *observation.system.start, *observation._formulas)
        )
        return users == len(name_users)

    @property
    def failure(self) -> str | None:
        return self.full.failure

    def _scales(self, moments: list[Moments]) -> dict[int, float]:
        """The best value of every profiled scale, within its bounds."""
        table, scales = self.full.problem.table, {}
        for position in self.sigmas:
            pairs = [(c, o) for c, o in zip(self.full.cells, moments, strict=True) if c.theta == position and c.n]
            with np.errstate(over="ignore", invalid="ignore"):
                deviations = [o.m[c.rows] - c.values for c, o in pairs]
                together = deviations[0] if len(pairs) == 1 else np.concatenate(deviations)
                best = pairs[0][0].family.best_scale(together)
            # An exact fit has no noise level; rounding keeps the logarithm finite.
            size = sum(float(c.values @ c.values) for c, _ in pairs)
            best = max(best, 1e-10 * math.sqrt(size / len(together)) + 1e-300) if math.isfinite(best) else math.nan
            parameter = table.parameters[position]
            scales[position] = min(max(best, parameter.lower), parameter.upper)
        return scales

    @cached_property
    def _configured(self) -> FloatArray:
        """The search vector as configured, [P]."""
        table = self.full.problem.table
        return table.to_search(table.values)

    def _complete(self, u: FloatArray) -> FloatArray:
        """The full search vector with the remaining u, and the profiled sigmas as configured."""
        complete = self._configured.copy()
        complete[self.free] = u
        return complete

    def lift(self, u: FloatArray) -> FloatArray:
        """The full search vector at the remaining u, with the profiled sigmas at their best."""
        table = self.full.problem.table
        complete = self._complete(u)
        moments = self.full.moments(complete, derivatives=False) if self.sigmas else None
        if moments is None:
            return complete
        theta = table.to_natural(complete)
        for position, sigma in self._scales(moments).items():
            theta[position] = sigma
        return table.to_search(theta)

    def value(self, u: FloatArray) -> float:
        """The likelihood at its best sigmas; inf where the model fails."""
        return self._evaluate(u, derivatives=False).value

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The same with z and A, to the remaining u."""
        return self._evaluate(u, derivatives=True)

    def _evaluate(self, u: FloatArray, derivatives: bool) -> Evaluation:
        full, complete = self.full, self._complete(u)
        moments = full.moments(complete, derivatives)
        if moments is None:
            return failed(len(u))
        plain = full.assemble(complete, moments, self._scales(moments), derivatives)
        return Evaluation(plain.value, plain.z, only_columns(plain.A, self.free) if self.sigmas else plain.A)
