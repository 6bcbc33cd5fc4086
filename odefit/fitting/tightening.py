"""Smaller tolerances of the solver, where they limit a fit: chosen by odefit unless the config names its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.methods import AUTO, AUTO_STIFF, METHODS
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.solver_accuracy import SolverEffect, divided, problem_at, solver_effect, solver_words
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.status import Ending, Reason, Status
from odefit.uncertainty.too_few import noise_is_untold

STEP = 10
"""Factor from one tightening to the next."""

FINEST = {"float64": 1e-11, "float32": 1e-6}
"""The smallest relative tolerance by type of number: below it there is rounding."""

WORTHWHILE = 0.01
"""Log-likelihood units that a search with smaller tolerances must gain to be followed by another one."""

ROUGH = {Reason.OBJECTIVE_NOISY, Reason.DERIVATIVES_DISAGREE, Reason.NOT_CERTIFIED}
"""Ends of a search that a solver's errors may cause."""

OWN = ("rtol", "atol", "step", "sensitivity_rtol", "sensitivity_atol")
"""Keys of the config by which its author has chosen how exact the solver is."""


def tightened(assembly: Assembly, factor: float) -> Assembly:
    """The same with the solver's tolerances divided by a factor."""
    if factor == 1:
        return assembly
    options = divided(assembly.problem.engine.options, factor)
    return replace(assembly, problem=problem_at(assembly, options))


def chosen_by_author(assembly: Assembly) -> bool:
    """Whether the config itself says how exact the solver is, or its method has no tolerances."""
    section = assembly.loaded.config.solver
    is_adaptive = section.method == AUTO or not METHODS[section.method].is_fixed_step
    return not is_adaptive or any(key in section.model_fields_set for key in OWN)


def is_rough(outcome: SearchOutcome | None) -> bool:
    """Whether the errors of a solver may have ended a search."""
    return outcome is not None and outcome.ending.reason in ROUGH


def _is_finest(assembly: Assembly) -> bool:
    options = assembly.problem.engine.options
    return options.rtol / STEP < (1 - 1e-9) * FINEST[options.dtype]


def is_due(assembly: Assembly, factor: int, outcome: SearchOutcome, effect: SolverEffect | None, gained: float) -> bool:
    """Whether a search should go on with smaller tolerances.

    What a solver steps over at one tolerance it mostly steps over at all of them, so that is tried twice only.

    Parameters
    ----------
    assembly, factor
        With the solver of the search, and what its tolerances were divided by.
    outcome
        Where it ended.
    effect
        What a tenth of the tolerances changes there.
    gained
        What the last tightening has gained, in log-likelihood units; infinite where there was none.
    """
    if chosen_by_author(assembly) or _is_finest(assembly) or noise_is_untold(assembly.problem):
        return False
    limited = effect is not None and (effect.moves or (effect.passed is not None and factor <= STEP))
    if is_rough(outcome):
        return limited or gained > WORTHWHILE
    return limited and outcome.status == Status.CONVERGED


def points_to_go_on(results: Sequence[StartOutcome], n: int) -> tuple[list[int], FloatArray]:
    """Which of n starts go on with smaller tolerances, and [n, P], where.

    Those that failed begin again where they began, but for those that were given up or lost.
    """
    points = np.zeros((n, len(results[0].start)))
    going = [r for r in results if r.outcome is not None]
    for r in going:
        points[r.number] = r.start if r.failure or r.outcome is None else r.outcome.u
    return [r.number for r in going], points


def continued(before: Sequence[StartOutcome], after: Sequence[StartOutcome]) -> list[StartOutcome]:
    """The starts with what both searches took, and the end of the second."""
    later = {r.number: r for r in after}
    return [_continued(r, later[r.number]) if r.number in later else r for r in before]


def _continued(before: StartOutcome, after: StartOutcome) -> StartOutcome:
    seconds = before.seconds + after.seconds
    first, second = before.outcome, after.outcome
    if first is None or second is None or before.failure:
        return replace(after, start=before.start, seconds=seconds)
    outcome = replace(
        second,
        n_evaluations=first.n_evaluations + second.n_evaluations,
        n_gradients=first.n_gradients + second.n_gradients,
        history=(*first.history, *second.history),
    )
    return replace(after, start=before.start, outcome=outcome, seconds=seconds)


def limited_ending(assembly: Assembly, effect: SolverEffect | None, finer_fails: bool = False) -> Ending | None:
    """The verdict on an optimum that the solver limits, whatever was done about it; None where it does not.

    finer_fails: whether the method came to nothing with smaller tolerances.
    """
    if effect is None or not effect.limits:
        return None
    remedy = effect.remedy
    if finer_fails or (effect.moves and _is_finest(assembly) and not chosen_by_author(assembly)):
        others = [name for name in (AUTO, AUTO_STIFF) if name != effect.options.method]
        what = "fails with smaller tolerances" if finer_fails else "was given smaller ones in vain"
        remedy = f"{effect.options.method} {what}: try --set solver.method={others[0]}"
    details = {"solver": solver_words(effect.options), "account": effect.account, "remedy": remedy}
    return Ending(Reason.SOLVER_LIMITS, details)


def judged_by_solver(assembly: Assembly, outcome: FitOutcome) -> FitOutcome:
    """The outcome of a fit of equations with what its solver does to it, where that is not known yet."""
    if outcome.effect is not None or assembly.networks is not None or not outcome.status.is_usable:
        return outcome
    effect = solver_effect(assembly, outcome.theta)
    limit = limited_ending(assembly, effect)
    if limit is None or outcome.status != Status.CONVERGED:
        return replace(outcome, effect=effect)
    return replace(outcome, effect=effect, status=limit.status, message=limit.message)


def again_told(factor: int, n_starts: int, effect: SolverEffect | None) -> str:
    """What is said before n starts are searched again with the solver's tolerances divided by a factor."""
    which = "the start goes" if n_starts == 1 else f"the {n_starts:,} starts go"
    why = f": {effect.account}" if effect is not None and effect.limits else ""
    return f"the solver limits this fit{why}; {which} on with its tolerances / {factor:,}"


def tightening_told(assembly: Assembly, factor: int, first: int, total: int) -> str:
    """A sentence, after a blank, on what was done about the solver's tolerances and at what price; or nothing.

    Parameters
    ----------
    assembly
        With the solver of the last search.
    factor
        What its tolerances were divided by.
    first, total
        Evaluations of the first search, and of all together.
    """
    if factor == 1:
        return ""
    return (
        f" The solver limited this fit at first, so its tolerances were divided by {factor:,} "
        f"({solver_words(assembly.problem.engine.options)}) and the search went on, with {total - first:,} evaluations "
        f"more than the {first:,} before."
    )
