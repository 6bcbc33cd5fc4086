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
from odefit.uncertainty.degrees_of_freedom import noise_levels

MOST_NAMED = 6
"""Parameters that are named."""


def noise_is_untold(problem: FitProblem) -> bool:
    """Whether all noise is to be estimated and nothing is left to tell it from: the curves may go through every
    measurement, and the likelihood grows without end as the noise vanishes."""
    return _are_few(problem) and problem.n_measured <= len(_curved(problem)) and _is_noise_asked(problem)


def too_few_measurements(problem: FitProblem) -> str | None:
    """What is the matter where there are fewer measurements than parameters, and what to do.

    A prior says as much of its parameter as a measurement does, but nothing of the noise.

    Parameters
    ----------
    problem
        Of a model without networks: a penalty is what determines their weights.

    Returns
    -------
    str or None
        None where there are enough.
    """
    if not _are_few(problem):
        return None
    n, curved, is_asked = problem.n_measured, _curved(problem), _is_noise_asked(problem)
    bare = [p.name for p in curved if p.prior is None]
    if n >= len(bare) and not (n <= len(curved) and is_asked):
        return None
    names = bare if n < len(bare) else [p.name for p in curved]
    what = f"{counted(n, 'measurement')} {TOO_FEW} {counted(len(names), 'parameter')}"
    what += f" ({abridged(names, MOST_NAMED)})" + " and the size of the noise" * is_asked
    fixed = f"fix some (`{names[0].partition('[')[0]}: {{value: …, estimate: false}}`)"
    level = f"the noise a level (`noise: {{{problem.observation.names[0]}: {{sigma: …}}}}`)"
    if n >= len(bare):
        return f"{what}: measure more, {fixed}, or give {level}"
    return f"{what}: measure more, {fixed}, or give them priors" + f", and {level}" * is_asked


def _are_few(problem: FitProblem) -> bool:
    """Whether it is worth a look: more measurements than all that is estimated are enough."""
    return problem.n_measured <= len(problem.table.estimated)


def _curved(problem: FitProblem) -> list[Parameter]:
    """The estimated parameters that the curves depend on, and not the noise alone."""
    return [problem.table.parameters[k] for k in problem.table.estimated[~noise_levels(problem)]]


def _is_noise_asked(problem: FitProblem) -> bool:
    """Whether the noise of every observable is to be estimated, from nothing but the measurements, and may vanish."""
    is_level, profiled = noise_levels(problem), ProfileLikelihood(Likelihood(problem)).sigmas
    return all(problem.table.parameters[k].prior is None for k in problem.table.estimated[is_level]) and all(
        not data.family.is_count and (data.scale_position in profiled or _may_vanish(problem, name, is_level))
        for data, name in zip(problem.data, problem.observation.names, strict=True)
        if data.n
    )


def _may_vanish(problem: FitProblem, observable: str, is_level: Mask) -> bool:
    """Whether the noise of an observable is nothing where all levels that are to be estimated are: it has no floor."""
    sigma, binding = problem.observation.noise[observable].sigma, problem.binding
    levels: Mask = np.asarray(np.isin(binding.index, problem.table.estimated[is_level]).all(axis=0))
    none = {symbol(name): sp.S.Zero for name, is_one in zip(binding.symbols, levels, strict=True) if is_one}
    return sigma is not None and bool(sp.sympify(sp.sympify(sigma).xreplace(none)) == 0)
