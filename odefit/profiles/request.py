"""What profiles are asked of: a run, with its objective with and without noise levels, and the threshold."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.profiles.following import Place
from odefit.profiles.threshold import root_at
from odefit.records import dataclass
from odefit.uncertainty.estimation import Uncertainty, estimate_uncertainty
from odefit.uncertainty.quantities import Quantity


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
        theta = self.run.theta
        u = self.run.assembly.problem.table.to_search(theta)
        return estimate_uncertainty(self.likelihood, u, bounds_met(self.run.assembly.problem, theta))

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

    def place_of(self, quantity: Quantity) -> Place:
        """Where a quantity is followed: noise levels that it depends on are held, all others answer."""
        u = self.run.assembly.problem.table.to_search(self.run.theta)
        slopes = np.nan_to_num(quantity.evaluations(u[None]).gradients[0])
        eliminated = np.setdiff1d(np.arange(len(u)), self.without_levels.profile.free)
        return self.with_levels if slopes[eliminated].any() else self.without_levels
