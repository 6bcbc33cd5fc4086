"""The likelihood with the scales of the noise at their best values: a function of the other parameters.

An estimated sigma that is one constant per observable, or s times a known number f of each cell, can be eliminated
where its best value is known at any theta: s² = mean ((m - T(d))/f)² for normal and log-normal noise, s = mean
|m - d|/f for Laplace's. The rest of the problem is
solved with s at that value ("variance profiling"). The optimum is that of the full likelihood, without a badly scaled
direction on the way to it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.linalg.score import Evaluation
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Moments


class ProfileLikelihood:
    """The likelihood with every simple, prior-free scale at its best value: a function of the remaining u.

    Where nothing can be profiled, this is the likelihood itself.

    Attributes
    ----------
    full
        The likelihood of all estimated parameters.
    sigmas
        Positions in theta of the scales that are profiled.
    free
        [P'], positions in u of the parameters that remain.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        """Find out which scales of the likelihood can be profiled."""
        self.full = likelihood
        table = likelihood.problem.table
        simple = {c.scale_position for c in likelihood.problem.data if c.scale_position is not None and c.n}
        # A sigma that also enters some other formula (a second observable's, an equation) is not simple.
        own = (t for t in simple if table.parameters[t].prior is None and self._is_own(t) and self._is_closed(t))
        self.sigmas = tuple(sorted(own))
        self.free = np.array([k for k, t in enumerate(table.estimated) if t not in self.sigmas], dtype=np.intp)

    def _is_closed(self, position: int) -> bool:
        """Whether one formula gives the best value for all observables that share it."""
        users = [data for data in self.full.problem.data if data.scale_position == position and data.n]
        return all(data.has_best_scale and data.family is users[0].family for data in users)

    def _is_own(self, position: int) -> bool:
        problem = self.full.problem
        name_users = [c for c in self.full.problem.data if c.scale_position == position]
        bound = (problem.binding.index == position).any(axis=0)
        symbols = {s for s, own in zip(problem.binding.symbols, bound, strict=True) if own}
        observation = problem.observation
        compared = observation.comparisons.formulas if observation.comparisons else []
        users = sum(
            bool({str(x) for x in formula.free_symbols} & symbols)
            for formula in (*observation.system.rhs, *observation.system.start, *observation.formulas, *compared)
        )
        return users == len(name_users)

    @property
    def failure(self) -> str | None:
        """Why the last evaluation was infinite, as a sentence; None where it was not."""
        return self.full.failure

    def _scales(self, moments: list[Moments]) -> dict[int, float]:
        """The best value of every profiled scale, within its bounds."""
        table, scales = self.full.problem.table, {}
        for position in self.sigmas:
            pairs = [
                (c, o)
                for c, o in zip(self.full.problem.data, moments, strict=True)
                if c.scale_position == position and c.n
            ]
            with np.errstate(over="ignore", invalid="ignore"):
                deviations = [c.deviations(o) for c, o in pairs]
                together = deviations[0] if len(pairs) == 1 else np.concatenate(deviations)
                best = pairs[0][0].family.best_scale(together)
            # An exact fit has no noise level; rounding keeps the logarithm finite.
            size = sum(float(np.sum((c.values if c.unit is None else c.values / c.unit) ** 2)) for c, _ in pairs)
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
        """The full search vector with the profiled scales at their best.

        Parameters
        ----------
        u
            [P'], the remaining parameters.

        Returns
        -------
        FloatArray
            [P]. Where the model fails the scales are those of the configuration.
        """
        table = self.full.problem.table
        complete = self._complete(u)
        moments = self.full.moments(complete, derivatives=False) if self.sigmas else None
        if moments is None:
            return complete
        theta = table.to_natural(complete)
        for position, sigma in self._scales(moments).items():
            theta[position] = sigma
        return table.to_search(theta)

    def vanishing(self, u: FloatArray) -> list[IntArray]:
        """See `Likelihood.vanishing`; u: [P'], the remaining parameters."""
        return self.full.vanishing(self._complete(u))

    def value(self, u: FloatArray) -> float:
        """The likelihood at its best scales and the remaining u [P']; inf where the model fails."""
        return self._evaluate(u, derivatives=False).value

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The value with z and A [M, P'], to the remaining u [P']."""
        return self._evaluate(u, derivatives=True)

    def _evaluate(self, u: FloatArray, derivatives: bool) -> Evaluation:
        full, complete = self.full, self._complete(u)
        moments = full.moments(complete, derivatives)
        if moments is None:
            return Evaluation.failed(len(u))
        plain = full.assemble(complete, moments, self._scales(moments), derivatives)
        return replace(plain, A=plain.A.select(self.free)) if self.sigmas else plain
