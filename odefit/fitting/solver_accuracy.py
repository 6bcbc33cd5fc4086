"""Whether the solver is exact enough for a fit: the objective again, at smaller tolerances.

The objective is a negative log-likelihood, half a unit of which is one standard error. So a solver moves the optimum by
a share of the standard errors, and that share tells whether it matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from odefit.arrays import FloatArray
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.tolerances import atol_words, scaled_atol
from odefit.errors import SolveError
from odefit.fitting.stepped_over import Contradiction, contradiction
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.uncertainty.covariance import length_in_errors
from odefit.uncertainty.meaning import without_effect
from odefit.uncertainty.too_few import noise_is_untold

HALF_UNIT = 0.5
"""Of the negative log-likelihood, from the optimum to one standard error."""
MAX_OBJECTIVE_CHANGE = 0.01
"""An objective that the solver's tolerance moves by more is not known well enough to choose an optimum."""
MAX_OPTIMUM_SHIFT = 0.1
"""Standard errors by which the solver's tolerance may move the optimum."""
MIN_RTOL = 1e-12
"""A relative tolerance below which there are no digits."""
MIN_SINGULAR_SHARE = 1e-4
"""Directions in which the data say less than this share of the most are left out of a shift."""


@dataclass(frozen=True)
class ObjectiveChange:
    """By how much the objective at one point moves when the solver's tolerances (or steps) are divided by `factor`."""

    where: str
    factor: int
    change: float


def problem_at(assembly: Assembly, options: SolverOptions) -> FitProblem:
    """The same problem by a solver with other tolerances, which knows nothing of earlier solves."""
    problem = assembly.problem
    if options == problem.engine.options:
        return problem.unused()
    engine = make_engine(
        problem.engine.system,
        options,
        problem.engine.sensitive,
        assembly.networks,
        assembly.loaded.where("solver", "method"),
    )
    return problem.solved_by(engine)


def divided(options: SolverOptions, factor: float) -> SolverOptions:
    """Tolerances, and the step of a method that has one, divided by a factor."""

    def smaller(x: float | None, least: float) -> float | None:
        return None if x is None else min(x, max(x / factor, least))

    # Neither more digits than numbers have, nor a tolerance that is to catch nothing at all.
    rtol = min(options.rtol, max(options.rtol / factor, MIN_RTOL))
    return replace(
        options,
        rtol=rtol,
        atol=scaled_atol(options, 1 / factor),
        step=None if options.step is None else options.step / factor,
        sensitivity_rtol=smaller(options.sensitivity_rtol, MIN_RTOL),
        sensitivity_atol=smaller(options.sensitivity_atol, 0.0),
    )


def objective_changes(assembly: Assembly, where: str, u: FloatArray) -> Iterator[ObjectiveChange]:
    """The objective at u [P] at half and at a tenth of the tolerances."""
    options = assembly.problem.engine.options
    here = Likelihood(problem_at(assembly, options)).value(u)
    for factor in (2, 10):
        finer = Likelihood(problem_at(assembly, divided(options, factor)))
        yield ObjectiveChange(where, factor, abs(finer.value(u) - here))


@dataclass(frozen=True)
class SolverEffect:
    """What a tenth of the solver's tolerances (or of its step) does to an optimum.

    Parameters
    ----------
    options
        The solver's.
    change
        Of the objective, in log-likelihood units; infinite where the model cannot be solved at a tenth.
    shift
        Of the optimum, in standard errors.
    passed
        A place that the solution passes against its equations; None where there is none.
    """

    options: SolverOptions
    change: float
    shift: float
    passed: Contradiction | None = None

    @property
    def limits(self) -> bool:
        """Whether the solver limits the fit."""
        return self.moves or self.passed is not None

    @property
    def moves(self) -> bool:
        """Whether smaller tolerances change the objective or the optimum noticeably."""
        return self.change > MAX_OBJECTIVE_CHANGE or self.shift > MAX_OPTIMUM_SHIFT

    @property
    def account(self) -> str:
        """What moves by how much, as a clause."""
        what = _what(self.options)
        if not math.isfinite(self.change):
            return f"the model cannot be solved at a tenth of its {what}: do not trust this fit"
        how = []
        if self.change > MAX_OBJECTIVE_CHANGE:
            how.append(f"the objective moves by {self.change:.2g} (half a unit is one standard error)")
        if self.shift > MAX_OPTIMUM_SHIFT:
            how.append(f"the optimum moves by about {self.shift:.2g} standard errors")
        if not how and self.passed is not None:
            return self.passed.account
        return f"at a tenth of its {what} {' and '.join(how)}"

    @property
    def remedy(self) -> str:
        """What to write or to set, with values."""
        if self.passed is not None and not self.moves:
            return self.passed.remedy
        return f"try {_remedy(self.options, divided(self.options, 10))}"


def solver_effect(assembly: Assembly, theta: FloatArray) -> SolverEffect | None:
    """What the solver's tolerances do to the optimum of a fit; None where it cannot be told.

    The objective and its gradient at theta [N] are computed again at a tenth of the tolerances (or of the step). They
    limit the fit where the objective moves by more than MAX_OBJECTIVE_CHANGE, or where the optimum would move by more
    than MAX_OPTIMUM_SHIFT standard errors, which is the length of S^-1 V' (g - g') with the information
    A'A = V S² V' (covariance.py). Where the noise may vanish there is no optimum, and any error is large beside it.
    """
    problem = assembly.problem
    if assembly.networks is None and noise_is_untold(problem):
        return None
    u = problem.table.to_search(theta)
    options = problem.engine.options
    finer = divided(options, 10)
    try:
        likelihoods = [Likelihood(problem_at(assembly, o)) for o in (options, finer)]
        # Not those of `evaluate`: a compiled method takes smaller steps for sensitivities, and searches compare values.
        values, shift = [likelihood.value(u) for likelihood in likelihoods], 0.0
        if assembly.networks is None and len(u) and all(map(math.isfinite, values)):
            coarse, fine = (likelihood.evaluate(u) for likelihood in likelihoods)
            if coarse.is_finite and fine.is_finite:
                # A parameter that nothing depends on has errors of the solver for its column, and any shift in those.
                moving = ~without_effect(problem.table, u, fine.A)
                shift = length_in_errors(fine.A, coarse.gradient - fine.gradient, MIN_SINGULAR_SHARE, moving)
    except SolveError:
        return None
    if not math.isfinite(values[0]):
        return None  # the fit failed, and says so itself
    change = abs(values[1] - values[0])
    passed = contradiction(problem, theta)
    return SolverEffect(options, change if math.isfinite(change) else math.inf, shift, passed)


def _what(options: SolverOptions) -> str:
    return "tolerances" if options.step is None else "step"


def _remedy(options: SolverOptions, finer: SolverOptions) -> str:
    if options.step is not None:
        return f"--set solver.step={finer.step:.3g}, or a method that chooses its steps itself"
    tolerance = f"--set solver.rtol={finer.rtol:.3g}"
    if options.typical or isinstance(finer.atol, tuple):
        return tolerance  # the absolute tolerances go with it
    return f"{tolerance} --set solver.atol={finer.atol:.3g}"


def solver_words(options: SolverOptions) -> str:
    """The method and its tolerances, or its step."""
    if options.step is not None:
        return f"{options.method}, step {options.step:g}"
    return f"{options.method}, rtol {options.rtol:g}, atol {atol_words(options)}"
