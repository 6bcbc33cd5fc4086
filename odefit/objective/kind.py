"""What kind of problem a fit is: the choice of a method starts here."""

from __future__ import annotations

from odefit.model.formulas import free_names
from odefit.objective.measurements import observable_data, simple_second
from odefit.objective.noise.families import family_of
from odefit.objective.problem import FitProblem


def scale_moves(problem: FitProblem, observable: str) -> bool:
    """Whether the second parameter of an observable's noise depends on an estimated parameter."""
    sigma = problem.observation.noise[observable].sigma
    if sigma is None:
        return False
    moving = set(problem.observation.sensitive)
    if problem.engine.sensitive:
        moving |= set(problem.observation.system.states)
    return not moving.isdisjoint(free_names(sigma))


def is_least_squares(problem: FitProblem) -> bool:
    """Whether the best parameters minimise a sum of squares: all measurements are of normal or log-normal noise, whose
    sigma is given, or is one estimated number per observable; and none is censored. Priors are not looked at."""
    for cells, name in zip(observable_data(problem), problem.observation.names, strict=True):
        if cells.n and (cells.family is not family_of("gaussian") or cells.censored is not None):
            return False
        if cells.n and scale_moves(problem, name) and simple_second(problem, name) is None:
            return False
    return True


def is_smooth(problem: FitProblem) -> bool:
    """Whether the objective has a gradient everywhere: no Laplace density, of measurements or of a parameter."""
    measured = all(cells.family.is_smooth for cells in observable_data(problem) if cells.n)
    return measured and all(p.prior.is_smooth for p in problem.table if p.estimate and p.prior is not None)
