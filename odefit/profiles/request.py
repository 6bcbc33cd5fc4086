"""What profiles are asked of: a run, with its objective with and without noise levels, and the threshold."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.profiles.adjustment import Adjustment, root_of_level
from odefit.profiles.following import Place
from odefit.profiles.threshold import root_at
from odefit.records import dataclass
from odefit.uncertainty.covariance import rank_tolerance
from odefit.uncertainty.degrees_of_freedom import noise_levels
from odefit.uncertainty.estimation import Uncertainty, estimate_uncertainty
from odefit.uncertainty.intervals import quantile
from odefit.uncertainty.noise_levels import NoiseLevels
from odefit.uncertainty.quantities import ParameterQuantity, Quantity


@dataclass(frozen=True)
class Request:
    """What is asked of a run.

    Parameters
    ----------
    run
        A finished fit.
    level
        The coverage of the intervals.
    """

    run: Run
    level: float

    @cached_property
    def likelihood(self) -> Likelihood:
        """All entries of A: lanes hold a column of it."""
        return Likelihood(self.run.assembly.problem, blocks=False)

    @cached_property
    def without_levels(self) -> Place:
        """Noise levels at their best."""
        return Place.of(ProfileLikelihood(self.likelihood))

    @cached_property
    def with_levels(self) -> Place:
        """Noise levels as parameters, for profiles of theirs."""
        return Place.of(ProfileLikelihood(self.likelihood, eliminate=False))

    @cached_property
    def uncertainty(self) -> Uncertainty | None:
        """What the curvature says."""
        bound = bounds_met(self.run.assembly.problem, self.run.theta)
        return estimate_uncertainty(self.likelihood, self.u, bound)

    @cached_property
    def n(self) -> int:
        """Measurements that are not censored."""
        return sum(len(data.rows) for data in self.likelihood.problem.data)

    @cached_property
    def root(self) -> float:
        """zeta at the ends of the intervals of all but noise levels."""
        known = self.uncertainty
        if known is None:
            return root_at(self.level, math.inf, self.n)
        return root_at(self.level, known.degrees, self.n, known.scale * known.widening)

    @cached_property
    def u(self) -> FloatArray:
        """The optimum, [P]."""
        return self.run.assembly.problem.table.to_search(self.run.theta)

    @cached_property
    def levels(self) -> NoiseLevels | None:
        """The noise levels at the optimum; None where nothing is known of errors."""
        if self.uncertainty is None:
            return None
        free = bounds_met(self.run.assembly.problem, self.run.theta) == 0
        errors = self.uncertainty.full.standard_errors
        return NoiseLevels(self.likelihood, self.u, errors, free, self._tolerance)

    @property
    def _tolerance(self) -> float:
        return rank_tolerance(self.likelihood.problem.engine.options.rtol)

    @property
    def reach(self) -> float:
        """Half the length of a Wald interval in standard errors."""
        known = self.uncertainty
        return math.nan if known is None else quantile(self.level, known.degrees) * known.widening

    def is_level(self, quantity: Quantity) -> bool:
        """Whether a quantity enters nothing but the noise."""
        if not isinstance(quantity, ParameterQuantity):
            return False
        table = self.likelihood.problem.table
        return bool(noise_levels(self.likelihood.problem)[table.estimated_names.index(quantity.name)])

    def adjustment_of(self, quantity: Quantity) -> tuple[Adjustment, float] | None:
        """Of a noise level, what its profile is adjusted by, and zeta at the ends; None of anything else."""
        if not self.is_level(quantity) or self.levels is None:
            return None
        table = self.likelihood.problem.table
        k = table.estimated_names.index(quantity.name)
        level = self.levels.levels.get(k)
        if level is None:
            return None
        others = np.flatnonzero(self.levels.free & ~noise_levels(self.likelihood.problem))
        power = self.levels.curvature_power(k) / 2
        root = quantile(self.level, math.inf)
        if level.degrees is not None and not level.is_dispersion:
            root = root_of_level(self.level, level.degrees[1])
        return Adjustment.at(self.likelihood, self.u, others, level, power, self._tolerance), root

    def place_of(self, quantity: Quantity) -> Place:
        """Where a quantity is followed: noise levels that it depends on are held, all others answer.

        What the profile of a noise level is adjusted by is a function of all parameters, so that none is eliminated.
        """
        slopes = np.nan_to_num(quantity.evaluations(self.u[None]).gradients[0])
        eliminated = np.setdiff1d(np.arange(len(self.u)), self.without_levels.profile.free)
        is_held = slopes[eliminated].any() or (len(eliminated) and self.is_level(quantity))
        return self.with_levels if is_held else self.without_levels
