"""One local search of the likelihood: what each start is, in this process or in a worker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod, imported
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.fitting.cpu_limit import CpuLimited, CpuTimeSpent
from odefit.fitting.far_start import nearer_start
from odefit.fitting.tightening import tightened
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import Callback, SearchOutcome
from odefit.optimizers.certificate import certify
from odefit.problem.assembly import assemble
from odefit.problem.systems import describe_system
from odefit.status import Ending, Reason, Status

PLATEAU = 0.01
"""Standard deviations of the data by which a typical change of a parameter must move the predictions. Where none does a
search has come to rest on a plateau, which is no optimum."""


@dataclass(frozen=True)
class LocalSearch:
    """One local search with its method: what a worker runs."""

    objective: ProfileLikelihood
    method: FitMethod
    max_iterations: int | None
    coarse: bool = False
    cpu_limit: float | None = None

    def __call__(self, u: FloatArray, callback: Callback | None = None) -> SearchOutcome:
        problem = self.objective.full.problem
        lower, upper = problem.table.search_bounds()
        free = self.objective.free
        # An engine of its own: a start's result must not depend on what this process solved before.
        objective = ProfileLikelihood(Likelihood(replace(problem, engine=problem.engine.reset_copy())))
        assert self.method.minimize is not None, f"{self.method.name} does not search"
        within = CpuLimited(objective, self.cpu_limit)
        minimize = functools.partial(
            imported(self.method.minimize),
            lower=lower[free],
            upper=upper[free],
            size=typical_sizes(objective),
            callback=callback,
            **(self.method.coarse if self.coarse else {}),
        )
        most = self.max_iterations or self.method.iterations
        search = functools.partial(minimize, within)
        try:
            u = nearer_start(objective, u, functools.partial(minimize, max_iterations=most), self.cpu_limit)
            outcome: SearchOutcome = search(u, max_iterations=most)
            if outcome.status == Status.CONVERGED:
                outcome = certified(objective, outcome, search, most)
        except CpuTimeSpent:
            outcome = within.outcome(u, lower[free], upper[free])
        if outcome.status == Status.FAILED and objective.failure:
            # The optimizer knows only that there is no number; the objective knows why.
            return replace(outcome, ending=Ending(Reason.MODEL_FAILS_AT_START, {"cause": objective.failure}))
        return outcome


def certified(
    objective: ProfileLikelihood, outcome: SearchOutcome, search: Callable[..., SearchOutcome], most: int
) -> SearchOutcome:
    """The outcome of a search that converged, with what the certificate of an optimum leaves to gain.

    Where that is too much the search goes on from there, once, with nothing that it believed; where it is still too
    much then, the outcome is `stopped`.

    Parameters
    ----------
    objective
        What was minimised.
    outcome
        Where the search ended.
    search
        Takes a start and `max_iterations`.
    most
        The iterations that both searches may have together.
    """
    lower, upper = (bounds[objective.free] for bounds in objective.full.problem.table.search_bounds())
    size = typical_sizes(objective)
    certificate = certify(objective, outcome.u, lower, upper, size)
    if not certificate.holds and outcome.n_iterations < most:
        more = search(outcome.u, max_iterations=most - outcome.n_iterations)
        if more.value <= outcome.value:
            outcome = replace(
                more,
                n_evaluations=outcome.n_evaluations + more.n_evaluations,
                n_gradients=outcome.n_gradients + more.n_gradients,
                history=(*outcome.history, *more.history[1:]),
            )
            certificate = certify(objective, outcome.u, lower, upper, size)
    table = objective.full.problem.table
    of_model = np.array([table.parameters[table.estimated[k]].role != "noise" for k in objective.free], dtype=bool)
    if outcome.status == Status.CONVERGED and of_model.any() and (certificate.effects[of_model] < PLATEAU).all():
        outcome = replace(outcome, ending=Ending(Reason.NO_EFFECT))
    elif not certificate.holds and outcome.status == Status.CONVERGED:
        details = {"why": outcome.message.rstrip(".").lower(), "left": certificate.left}
        outcome = replace(outcome, ending=Ending(Reason.NOT_CERTIFIED, details))
    return replace(outcome, left=certificate.left)


def typical_sizes(objective: ProfileLikelihood) -> FloatArray:
    """How much each free component of u typically changes, [P']; see `Parameter.size`."""
    sizes: FloatArray = objective.full.problem.table.sizes[objective.free]
    return sizes


def size_of(parameters: Sequence[Parameter]) -> FloatArray:
    """The same of parameters, [n]."""
    return np.array([p.size for p in parameters])


def build_search(
    loaded: LoadedConfig, measured: Sequence[Experiment], constants: TableColumns, method: FitMethod, factor: int = 1
) -> LocalSearch:
    """Assemble everything anew: what a spawned worker does with what can be sent to it.

    factor: what the solver's tolerances are divided by.
    """
    assembly = tightened(
        assemble(loaded, describe_system(loaded, constants, measured), measured, for_fit=False), factor
    )
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    section = loaded.config.fit
    return LocalSearch(objective, method, section.max_iterations, coarse=True, cpu_limit=section.cpu_limit)
