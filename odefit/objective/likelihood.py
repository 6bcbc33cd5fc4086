"""The negative log-likelihood with priors, in the score form that Fisher scoring needs.

For a cell d with prediction m(theta), noise level s(theta), both on the noise model's own scale:

    nll = r²/2 + ln s + ln(2 pi)/2 (+ ln d for log-normal),   r = (m - T(d)) / s

An estimated sigma that is one constant per observable can be eliminated: at any theta its best value is
s² = mean (m - T(d))², and the rest of the problem is solved with s at that value ("variance profiling").
The optimum is that of the full likelihood, without a badly scaled direction on the way to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray
from odefit.model.system import symbol
from odefit.objective.observation import Moments
from odefit.objective.priors import HALF_LOG_2PI, Prior
from odefit.objective.problem import Problem
from odefit.objective.score import Evaluation

NOT_FINITE = "a prediction or a noise level is not finite, or not positive where it must be"
IMPOSSIBLE = "a parameter has a value that its prior excludes"


@dataclass(frozen=True)
class Cells:
    """The measured cells of one observable: rows [M] of the problem, values T(d) [M].

    constant: the sum of the terms that no parameter changes. sigma: [M] from the data, or None.
    theta: position of the estimated parameter that is this observable's sigma, if it is as simple as that.
    """

    rows: NDArray[np.intp]
    values: FloatArray
    constant: float
    sigma: FloatArray | None
    theta: int | None


class Likelihood:
    """-ln p(data | theta) - ln p(theta) as a function of the search vector u [P] of the problem's table."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.failure: str | None = None
        """Why the last evaluation was infinite, as a sentence; None where it was not."""

    @cached_property
    def cells(self) -> tuple[Cells, ...]:
        problem, observation = self.problem, self.problem.observation
        values = np.concatenate([e.values for e in problem.experiments])
        with_sigma = any(e.sigma is not None for e in problem.experiments)
        sigma = (
            np.concatenate(
                [np.full(e.values.shape, np.nan) if e.sigma is None else e.sigma for e in problem.experiments]
            )
            if with_sigma
            else None
        )
        cells = []
        for column, name in enumerate(observation.names):
            noise = observation.noise[name]
            rows = np.flatnonzero(~np.isnan(values[:, column]))
            measured = values[rows, column]
            constant = len(rows) * HALF_LOG_2PI
            if noise.is_log:
                measured = np.log(measured)
                constant += float(measured.sum())
            own = sigma[rows, column] if sigma is not None and noise.sigma is None else None
            cells.append(Cells(rows, measured, constant, own, self._simple_sigma(name)))
        return tuple(cells)

    def _simple_sigma(self, observable: str) -> int | None:
        """The position in theta of an observable's sigma, where that is one estimated number throughout."""
        noise, binding = self.problem.observation.noise[observable], self.problem.binding
        names = [name for name in binding.symbols if noise.sigma == symbol(name)]
        if not names:
            return None
        index = binding.index[:, binding.symbols.index(names[0])]
        position = int(index[0])
        parameters = self.problem.table.parameters
        if position < 0 or (index != position).any() or not parameters[position].estimate:
            return None
        return position

    @cached_property
    def _columns(self) -> NDArray[np.intp]:
        """Position in u of each sensitive local symbol, [E, K]; P (one past the end) where it is a constant."""
        problem = self.problem
        where = np.full(len(problem.table) + 1, len(problem.table.estimated), dtype=np.intp)
        where[problem.table.estimated] = np.arange(len(problem.table.estimated))
        local = [problem.binding.symbols.index(name) for name in problem.observation.sensitive]
        return where[problem.binding.index[:, local]]

    @cached_property
    def _plain_columns(self) -> NDArray[np.intp] | None:
        """Position in u of each sensitive symbol, [K], where all experiments agree and no two share a parameter."""
        columns = self._columns
        first = columns[0] if len(columns) else columns.reshape(-1)
        if (columns != first).any() or len(set(first.tolist())) < len(first):
            return None
        return first

    @cached_property
    def _priors(self) -> list[tuple[int, int, Prior]]:
        """(position in u, position in theta, prior) of every estimated parameter that has one."""
        table = self.problem.table
        pairs = ((column, int(position)) for column, position in enumerate(table.estimated))
        return [(c, i, prior) for c, i in pairs if (prior := table.parameters[i].prior) is not None]

    def moments(self, u: FloatArray, derivatives: bool) -> list[Moments] | None:
        """m, s and, when asked, their derivatives to u [rows, P]; None (and `failure`) where the model fails."""
        problem = self.problem
        self.failure = None
        theta = problem.table.natural(u)
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
        moments = problem.observation.moments(y, problem.times, problem.rows(local, problem.owner), dy)
        if not derivatives:
            return moments
        slope = problem.table.transforms.derivative(u)
        return [Moments(o.m, o.s, self._to_search(o.dm, slope), self._to_search(o.ds, slope)) for o in moments]

    def _to_search(self, local: FloatArray | None, slope: FloatArray) -> FloatArray | None:
        """Derivatives to local symbols [R, K] -> derivatives to u [R, P]."""
        if local is None:
            return None
        n = len(slope)
        out = np.zeros((len(local), n + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            if self._plain_columns is not None:
                out[:, self._plain_columns] = local
                return out[:, :n] * slope
            rows = np.arange(len(local))
            # One symbol after the other: two of them may be the same parameter.
            for k, column in enumerate(self._columns.T):
                if (column == column[0]).all():
                    out[:, column[0]] += local[:, k]
                else:
                    out[rows, column[self.problem.owner]] += local[:, k]
            return out[:, :n] * slope

    def value(self, u: FloatArray) -> float:
        """The negative log posterior at u; inf where the model fails."""
        return self._evaluate(u, derivatives=False).value

    def evaluate(self, u: FloatArray) -> Evaluation:
        """Value, score residuals z [M] and root-Fisher rows A [M, P]; two rows per cell where s depends on u."""
        return self._evaluate(u, derivatives=True)

    def _evaluate(self, u: FloatArray, derivatives: bool) -> Evaluation:
        moments = self.moments(u, derivatives)
        return failed(len(u)) if moments is None else self.assemble(u, moments, {}, derivatives)

    def assemble(
        self, u: FloatArray, moments: list[Moments], scales: Mapping[int, float], derivatives: bool
    ) -> Evaluation:
        """The evaluation from the moments at u; scales: sigmas (by position in theta) that are given numbers."""
        total = self.prior_value(u)
        if not math.isfinite(total):
            self.failure = IMPOSSIBLE
            return failed(len(u))
        z, a = self._prior_rows(u)
        zs, rows = [z], [a]
        with np.errstate(all="ignore"):
            for cells, observed in zip(self.cells, moments, strict=True):
                given = None if cells.theta is None else scales.get(cells.theta)
                s = self._sigma(cells, observed) if given is None else np.full(len(cells.rows), given)
                r = (observed.m[cells.rows] - cells.values) / s
                total += float(0.5 * (r @ r) + np.sum(np.log(s))) + cells.constant
                if observed.dm is not None:
                    zs.append(r)
                    rows.append(observed.dm[cells.rows] / s[:, None])
                if observed.ds is not None and given is None:
                    zs.append((1 - r * r) / math.sqrt(2))
                    rows.append(math.sqrt(2) * observed.ds[cells.rows] / s[:, None])
        if not math.isfinite(total):
            self.failure = NOT_FINITE
            return failed(len(u))
        if not derivatives:
            return Evaluation(total, np.zeros(0), np.zeros((0, len(u))))
        return Evaluation(total, np.concatenate(zs), np.concatenate(rows))

    @staticmethod
    def _sigma(cells: Cells, observed: Moments) -> FloatArray:
        """s of every cell, [M]; NaN (so that the value is infinite) where it is not positive."""
        if cells.sigma is not None:
            return cells.sigma
        s = np.asarray(observed.s, dtype=np.float64)
        s = np.broadcast_to(s, observed.m.shape)[cells.rows]
        return np.where(s > 0, s, np.nan)

    def prior_value(self, u: FloatArray) -> float:
        """-ln of the prior density of the estimated parameters, natural scale."""
        if not self._priors:
            return 0.0
        theta = self.problem.table.natural(u)
        return sum(prior.value(float(theta[i])) for _, i, prior in self._priors)

    def _prior_rows(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        z, rows = np.zeros(len(self._priors)), np.zeros((len(self._priors), len(u)))
        if self._priors:
            table = self.problem.table
            theta, slope = table.natural(u), table.transforms.derivative(u)
            for row, (column, position, prior) in enumerate(self._priors):
                z[row], a = prior.score(float(theta[position]))
                rows[row, column] = a * slope[column]
        return z, rows

    def residual_sum(self, u: FloatArray) -> float:
        """Sum of squared residuals on the noise models' own scales, before division by sigma."""
        moments = self.moments(u, derivatives=False)
        if moments is None:
            return math.nan
        pairs = zip(self.cells, moments, strict=True)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(sum(np.sum((o.m[c.rows] - c.values) ** 2) for c, o in pairs))

    def chi_square(self, u: FloatArray) -> float:
        """Sum of squared residuals over sigma; NaN where the model fails."""
        moments = self.moments(u, derivatives=False)
        if moments is None:
            return math.nan
        pairs = zip(self.cells, moments, strict=True)
        with np.errstate(all="ignore"):
            return float(sum(np.sum(((o.m[c.rows] - c.values) / self._sigma(c, o)) ** 2) for c, o in pairs))


def failed(n: int) -> Evaluation:
    return Evaluation(math.inf, np.zeros(0), np.zeros((0, n)))


class ProfileLikelihood:
    """The likelihood with every simple, prior-free sigma at its best value: a function of the remaining u.

    `lift` gives back the full vector. Where nothing can be profiled, this is the likelihood itself.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.full = likelihood
        table = likelihood.problem.table
        simple = {c.theta for c in likelihood.cells if c.theta is not None and len(c.rows)}
        # A sigma that also enters some other formula (a second observable's, an equation) is not simple.
        self.sigmas = tuple(sorted(t for t in simple if table.parameters[t].prior is None and self._is_own(t)))
        self.free = np.array([k for k, t in enumerate(table.estimated) if t not in self.sigmas], dtype=np.intp)

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
        """The best value of every profiled sigma, within its bounds."""
        table, scales = self.full.problem.table, {}
        for position in self.sigmas:
            squares, n, size = 0.0, 0, 0.0
            for cells, observed in zip(self.full.cells, moments, strict=True):
                if cells.theta == position:
                    with np.errstate(over="ignore", invalid="ignore"):
                        difference = observed.m[cells.rows] - cells.values
                        squares += float(difference @ difference)
                    size += float(cells.values @ cells.values)
                    n += len(cells.rows)
            # An exact fit has no noise level; rounding keeps the logarithm finite.
            floor = 1e-10 * math.sqrt(size / n) + 1e-300
            best = max(math.sqrt(squares / n), floor) if math.isfinite(squares) else math.nan
            parameter = table.parameters[position]
            scales[position] = min(max(best, parameter.lower), parameter.upper)
        return scales

    @cached_property
    def _configured(self) -> FloatArray:
        """The search vector as configured, [P]."""
        table = self.full.problem.table
        return table.search(table.values)

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
        theta = table.natural(complete)
        for position, sigma in self._scales(moments).items():
            theta[position] = sigma
        return table.search(theta)

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
        return Evaluation(plain.value, plain.z, plain.A[:, self.free])
