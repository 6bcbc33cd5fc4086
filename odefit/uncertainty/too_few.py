"""Whether there are measurements enough for what is to be estimated from them, and what to do where there are not."""

from __future__ import annotations

import numpy as np

from odefit import algebra as sp
from odefit.arrays import Mask
from odefit.model.system import symbol
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.status import TOO_FEW
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
    n, curved = likelihood.problem.n_measured, _curved(likelihood)
    bare = [p.name for p in curved if p.prior is None]
    if n >= len(bare) and not noise_is_untold(likelihood):
        return None
    is_asked = _is_noise_asked(likelihood)
    names = bare if n < len(bare) else [p.name for p in curved]
    what = f"{counted(n, 'measurement')} {TOO_FEW} {counted(len(names), 'parameter')}"
    what += f" ({abridged(names, MOST_NAMED)})" + " and the size of the noise" * is_asked
    fixed = f"fix some (`{names[0].partition('[')[0]}: {{value: …, estimate: false}}`)"
    level = f"the noise a level (`noise: {{{likelihood.problem.observation.names[0]}: {{sigma: …}}}}`)"
    if n >= len(bare):
        return f"{what}: measure more, {fixed}, or give {level}"
    return f"{what}: measure more, {fixed}, or give them priors" + f", and {level}" * is_asked


def _curved(likelihood: Likelihood) -> list[Parameter]:
    """The estimated parameters that the curves depend on, and not the noise alone."""
    table = likelihood.problem.table
    return [table.parameters[table.estimated[k]] for k in np.flatnonzero(~noise_levels(likelihood.problem))]


def _is_noise_asked(likelihood: Likelihood) -> bool:
    """Whether the noise of every observable is to be estimated, from nothing but the measurements, and may vanish."""
    problem = likelihood.problem
    table, is_level = problem.table, noise_levels(problem)
    levels = [table.parameters[table.estimated[k]] for k in np.flatnonzero(is_level)]
    profile = ProfileLikelihood(likelihood)
    return (
        every_scale_is_estimated(profile)
        and all(p.prior is None for p in levels)
        and not any(data.family.is_count for data in problem.data if data.n)
        and all(
            data.scale_position in profile.sigmas or _may_vanish(problem, name, is_level)
            for data, name in zip(problem.data, problem.observation.names, strict=True)
            if data.n
        )
    )


def _may_vanish(problem: FitProblem, observable: str, is_level: Mask) -> bool:
    """Whether the noise of an observable is nothing where all levels that are to be estimated are: it has no floor."""
    sigma, binding = problem.observation.noise[observable].sigma, problem.binding
    levels: Mask = np.asarray(np.isin(binding.index, problem.table.estimated[is_level]).all(axis=0))
    none = {symbol(name): sp.S.Zero for name, is_one in zip(binding.symbols, levels, strict=True) if is_one}
    return sigma is not None and bool(sp.sympify(sp.sympify(sigma).xreplace(none)) == 0)
