"""One local search of the likelihood: what each start is, in this process or in a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod, imported
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import Callback, SearchOutcome
from odefit.problem.assembly import assemble
from odefit.problem.systems import describe_system
from odefit.status import Ending, Reason, Status


@dataclass(frozen=True)
class LocalSearch:
    """One local search with its method: what a worker runs."""

    objective: ProfileLikelihood
    method: FitMethod
    max_iterations: int | None
    coarse: bool = False

    def __call__(self, u: FloatArray, callback: Callback | None = None) -> SearchOutcome:
        problem = self.objective.full.problem
        lower, upper = problem.table.search_bounds()
        free = self.objective.free
        # An engine of its own: a start's result must not depend on what this process solved before.
        objective = ProfileLikelihood(Likelihood(replace(problem, engine=problem.engine.reset_copy())))
        assert self.method.minimize is not None, f"{self.method.name} does not search"
        minimize = imported(self.method.minimize)
        outcome: SearchOutcome = minimize(
            objective,
            u,
            lower[free],
            upper[free],
            size=typical_sizes(objective),
            max_iterations=self.max_iterations or self.method.iterations,
            callback=callback,
            **(self.method.coarse if self.coarse else {}),
        )
        if outcome.status == Status.FAILED and objective.failure:
            # The optimizer knows only that there is no number; the objective knows why.
            return replace(outcome, ending=Ending(Reason.MODEL_FAILS_AT_START, {"cause": objective.failure}))
        return outcome


def typical_sizes(objective: ProfileLikelihood) -> FloatArray:
    """How much each free component of u may typically change: one unit of a logarithm, else its own value."""
    table = objective.full.problem.table
    chosen = [table.parameters[table.estimated[k]] for k in objective.free]
    return np.array([1.0 if p.scale != "linear" else abs(p.value) or 1.0 for p in chosen])


def build_search(
    loaded: LoadedConfig, measured: Sequence[Experiment], constants: Sequence[str], method: FitMethod
) -> LocalSearch:
    """Assemble everything anew: what a spawned worker does with what can be sent to it."""
    assembly = assemble(loaded, describe_system(loaded, constants), measured)
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    return LocalSearch(objective, method, loaded.config.fit.max_iterations, coarse=True)
