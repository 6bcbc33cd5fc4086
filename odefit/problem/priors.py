"""From a section `prior` of the config to a density."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odefit.config.prior_section import PriorSection
    from odefit.objective.priors import Prior

ANYWHERE = (-math.inf, math.inf)


def prior_of(section: PriorSection, bounds: tuple[float, float] = ANYWHERE) -> Prior:
    """The density that a section describes; one that is truncated integrates to one between the bounds."""
    from odefit.objective.priors import Prior

    numbers = dict(zip("abc", section.numbers, strict=False))
    within = bounds if section.truncated else ANYWHERE
    return Prior(section.kind, **numbers, on=section.on, within=within)
