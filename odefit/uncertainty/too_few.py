"""Whether there are measurements enough for what is to be estimated from them, and what to do where there are not."""

from __future__ import annotations

import numpy as np

from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.profile import ProfileLikelihood
from odefit.text import abridged, counted
from odefit.uncertainty.degrees_of_freedom import every_scale_is_estimated, noise_levels

MOST_NAMED = 6
"""Parameters that are named."""


def noise_is_untold(likelihood: Likelihood) -> bool:
    """Whether all noise is to be estimated and nothing is left to tell it from: the curves may go through every
    measurement, and the likelihood grows without end as the noise vanishes."""
    return likelihood.problem.n_measured <= len(_curved(likelihood)) and _is_noise_asked(likelihood)


def too_few_measurements(likelihood: Likelihood) -> str | None:
    """What is the matter where there are fewer measurements than parameters, and what to do.

    A prior says as much of its parameter as a measurement does, but nothing of the noise.

    Parameters
    ----------
    likelihood
        Of a model without networks: a penalty is what determines their weights.

    Returns
    -------
    str or None
        None where there are enough.
    """
    n, curved, is_asked = likelihood.problem.n_measured, _curved(likelihood), _is_noise_asked(likelihood)
    bare = [p.name for p in curved if p.prior is None]
    if n >= len(bare) and not noise_is_untold(likelihood):
        return None
    names = bare if n < len(bare) else [p.name for p in curved]
    what = f"{counted(n, 'measurement')} cannot determine {counted(len(names), 'parameter')}"
    what += f" ({abridged(names, MOST_NAMED)})" + " and the size of the noise" * is_asked
    fixed = f"fix some (`{names[0]}: {{value: …, estimate: false}}`)"
    level = f"the noise a level (`noise: {{{likelihood.problem.observation.names[0]}: {{sigma: …}}}}`)"
    if n >= len(bare):
        return f"{what}: measure more, {fixed}, or give {level}"
    return f"{what}: measure more, {fixed}, or give them priors" + f", and {level}" * is_asked


def _curved(likelihood: Likelihood) -> list[Parameter]:
    """The estimated parameters that the curves depend on, and not the noise alone."""
    table = likelihood.problem.table
    return [table.parameters[table.estimated[k]] for k in np.flatnonzero(~noise_levels(likelihood.problem))]


def _is_noise_asked(likelihood: Likelihood) -> bool:
    """Whether the noise of every observable is to be estimated, from nothing but the measurements."""
    problem = likelihood.problem
    table = problem.table
    levels = [table.parameters[table.estimated[k]] for k in np.flatnonzero(noise_levels(problem))]
    return every_scale_is_estimated(ProfileLikelihood(likelihood)) and all(p.prior is None for p in levels)
