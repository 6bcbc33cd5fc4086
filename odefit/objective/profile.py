"""The likelihood with the scales of the noise at their best values: a function of the other parameters.

An estimated sigma that is one constant per observable, or s times a known number f of each cell, can be eliminated
where its best value is known at any theta: s² = mean ((m - T(d))/f)² for normal and log-normal noise, s = mean
|m - d|/f for Laplace's. The rest of the problem is
solved with s at that value ("variance profiling"). The optimum is that of the full likelihood, without a badly scaled
direction on the way to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.engines.base import Engine
from odefit.linalg.score import Evaluation, Evaluations, Gradient
from odefit.model.formulas import free_names
from odefit.objective.likelihood import Likelihood, Measured
from odefit.objective.measurements import ObservableData
from odefit.objective.observation import Moments
from odefit.objective.slopes import goes_back, likelihoods


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

    def __init__(self, likelihood: Likelihood, eliminate: bool = True) -> None:
        """Find out which scales of the likelihood can be profiled; eliminate: whether they are, else none is."""
        self.full, self.eliminate = likelihood, eliminate
        table = likelihood.problem.table
        simple = {c.scale_position for c in likelihood.problem.data if c.scale_position is not None and c.n}
        # A sigma that also enters some other formula (a second observable's, an equation) is not simple.
        own = (t for t in simple if table.parameters[t].prior is None and self._is_own(t) and self._is_closed(t))
        self.sigmas = tuple(sorted(own)) if eliminate else ()
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
            not symbols.isdisjoint(free_names(formula))
            for formula in (*observation.system.rhs, *observation.system.start, *observation.formulas, *compared)
        )
        return users == len(name_users)

    @property
    def failure(self) -> str | None:
        """Why the last evaluation was infinite, as a sentence; None where it was not."""
        return self.full.failure

    def scales(self, moments: list[Moments], data: Measured | None = None) -> dict[int, FloatArray]:
        """The best value of every profiled scale at B points, [B], within its bounds. data: default the problem's."""
        table, scales = self.full.problem.table, {}
        for position in self.sigmas:
            pairs = [
                (c, o)
                for c, o in zip(data or self.full.problem.data, moments, strict=True)
                if c.scale_position == position and c.n
            ]
            with np.errstate(over="ignore", invalid="ignore"):
                deviations = [c.deviations(o) for c, o in pairs]
                together = deviations[0] if len(pairs) == 1 else np.concatenate(deviations, axis=-1)
                best = pairs[0][0].family.best_scale(together, _weights([c for c, _ in pairs]))
            # An exact fit has no noise level; rounding keeps the logarithm finite.
            least = 1e-10 * np.sqrt(sum(c.square for c, _ in pairs) / together.shape[-1]) + 1e-300
            best = np.where(np.isfinite(best), np.maximum(best, least), np.nan)
            parameter = table.parameters[position]
            scales[position] = np.minimum(np.maximum(best, parameter.lower), parameter.upper)
        return scales

    @cached_property
    def _configured(self) -> FloatArray:
        """The search vector as configured, [P]."""
        table = self.full.problem.table
        return table.to_search(table.values)

    def complete(self, u: FloatArray) -> FloatArray:
        """The full search vectors [..., P] with the remaining u [..., P'], and the profiled sigmas as configured."""
        if not self.sigmas:
            return u.copy()
        complete = np.empty((*u.shape[:-1], len(self._configured)))
        complete[...] = self._configured
        complete[..., self.free] = u
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
        found: FloatArray = self.lift_many(u[None])[0]
        return found

    def lift_many(self, u: FloatArray) -> FloatArray:
        """`lift` of points u [B, P'], [B, P]."""
        table, complete = self.full.problem.table, self.complete(u)
        found = self.full.moments_at(complete, derivatives=False) if self.sigmas else None
        if found is None or not len(found.points):
            return complete
        theta = table.to_natural(complete[found.points])
        for position, sigma in self.scales(found.moments).items():
            theta[:, position] = sigma
        complete[found.points] = table.to_search(theta)
        return complete

    def vanishing(self, u: FloatArray) -> list[IntArray]:
        """See `Likelihood.vanishing`; u: [P'], the remaining parameters."""
        return self.full.vanishing(self.complete(u))

    def vanishes(self, u: FloatArray, engines: Sequence[Engine] | None = None) -> Mask:
        """See `Likelihood.vanishes`; u: [B, P']."""
        return self.full.vanishes(self.complete(u), engines)

    def value(self, u: FloatArray) -> float:
        """The likelihood at its best scales and the remaining u [P']; inf where the model fails."""
        return float(self.values(u[None])[0])

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The value with z and A [M, P'], to the remaining u [P']."""
        return self.evaluations(u[None])[0]

    def gradient(self, u: FloatArray) -> Gradient | None:
        """The value and its gradient at the remaining u [P'] back through the solution; None where `evaluate` serves.

        At the best scales nothing changes with them, so that they need no derivatives.
        """
        if not goes_back(self.full):
            return None
        complete = self.complete(u)[None]
        found = likelihoods(self.full, complete, scales=self.scales)
        prior, of_prior, energy = self.full.prior_gradients(complete)
        gradient = (found.gradients + of_prior)[0, self.free]
        return Gradient(float(found.values[0] + prior[0]), gradient, float(found.energies[0] + energy[0]))

    def values(
        self, u: FloatArray, engines: Sequence[Engine] | None = None, data: Measured | None = None
    ) -> FloatArray:
        """`value` at u [B, P'], [B]; each is what it is alone. engines: as in `Likelihood.moments_at`.

        data: measurements in place of the problem's own, which may be others at each point.
        """
        complete = self.complete(u)
        found = self.full.moments_at(complete, False, engines)
        values, good = np.full(len(u), np.inf), found.points
        if len(good):
            chosen = None if data is None else [one.take(good) for one in data]
            scales = self.scales(found.moments, chosen)
            values[good] = self.full.values_from(complete[good], found.moments, scales, chosen)
        return values

    def evaluations(
        self, u: FloatArray, engines: Sequence[Engine] | None = None, data: Measured | None = None
    ) -> Evaluations:
        """`evaluate` at u [B, P']; each is what it is alone. engines, data: as in `values`."""
        full, complete = self.full, self.complete(u)
        found = full.moments_at(complete, True, engines)
        if not len(good := found.points):
            return Evaluations.failed(*u.shape)
        chosen = None if data is None else [one.take(good) for one in data]
        scales = self.scales(found.moments, chosen)
        plain = full.evaluations_from(complete[good], found.moments, scales, data=chosen)
        plain = full.spread(len(u), good, plain)
        if self.sigmas:
            plain.A = plain.A.select(self.free)
        return plain


def _weights(data: Sequence[ObservableData]) -> FloatArray | None:
    """How often every measured cell counts, [B, M]; None where all count once."""
    parts = [one.measured.weight for one in data]
    return np.concatenate([part for part in parts if part is not None], axis=-1) if parts[0] is not None else None
