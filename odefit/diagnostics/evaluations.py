"""A budget in evaluations of the right-hand side: what is compared does not depend on how busy the machine is."""

from __future__ import annotations

import math
from dataclasses import field

from odefit.engines.base import SolverOptions
from odefit.records import dataclass

GRADIENT_COST = 5
"""Solves that a gradient counts as."""
EXPECTED_GROWTH, MIN_GROWTH, MAX_GROWTH = 3.0, 1.5, 10.0
"""How many times more a solve takes at a hundredth of the tolerance: before it is known, and its limits."""
TOO_MANY = "left out: more evaluations than are left"


def expected_cost(costs: list[float], before: SolverOptions, options: SolverOptions) -> float:
    """What the next setting of a method costs, from the costs of those before, in the same unit.

    Parameters
    ----------
    costs
        At least one.
    before, options
        The setting before, and the next one.
    """
    if before.step and options.step:
        return costs[-1] * before.step / options.step
    growth = costs[-1] / costs[-2] if len(costs) > 1 and costs[-2] else EXPECTED_GROWTH
    return costs[-1] * min(max(growth, MIN_GROWTH), MAX_GROWTH)


@dataclass
class Evaluations:
    """What is left of the budget of one method.

    Parameters
    ----------
    left
        Evaluations of the right-hand side, or steps of a compiled method.
    costs
        Of one solve at each setting so far.
    """

    left: float = math.inf
    costs: list[float] = field(default_factory=list)

    def affords(self, before: SolverOptions | None, options: SolverOptions) -> bool:
        """Whether a solve at the next setting is likely to be within what is left."""
        return before is None or not self.costs or expected_cost(self.costs, before, options) <= self.left

    def spend(self, work: int | None) -> None:
        """Take off one solve."""
        self.costs.append(float(work or 0))
        self.left -= self.costs[-1]

    def spend_gradient(self) -> bool:
        """Take off a gradient at the setting of the last solve, where there is as much left."""
        cost = GRADIENT_COST * self.costs[-1]
        if cost > self.left:
            return False
        self.left -= cost
        return True
