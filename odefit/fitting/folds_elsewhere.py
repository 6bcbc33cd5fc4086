"""Folds on the workers of a cluster: each is fitted there as it would be here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from odefit.arrays import FloatArray
from odefit.compilation.program_cache import WithPrograms
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.errors import RunError
from odefit.fitting.cross_validation import Scored, make_folds, without
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.tightening import tightened
from odefit.optimizers.cluster_pool import Cluster, in_order
from odefit.optimizers.cluster_worker import Compute
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.systems import describe_system

SearchOnce = Callable[[Assembly], FitOutcome]


def folds_elsewhere(
    cluster: Cluster, assembly: Assembly, theta: FloatArray, factor: int, search: SearchOnce, numbers: Sequence[int]
) -> Generator[list[Scored]]:
    """The folds of a fit with these numbers, in their order, as they finish.

    Parameters
    ----------
    cluster
        That of the fit.
    assembly
        The problem, with all experiments.
    theta
        [N], what the fit has found.
    factor
        What the solver's tolerances were divided by.
    search
        Fits one fold; a function of a module.
    numbers
        Of the folds that are left.

    Raises
    ------
    RunError
        A fold has lost its worker too often.
    """
    sent = assembly.loaded, assembly.measured, assembly.described.constants
    key = cluster.send(assembly, lambda: WithPrograms(partial(_builder, search, *sent)))
    answers = cluster.answers(key, (theta, factor), lambda some: some, numbers, 1)
    for some in in_order(answers, numbers):
        for one in some:
            if one.lost:
                why = "--resume goes on, also without the cluster (--set fit.cluster=null)"
                raise RunError(assembly.loaded.where("fit.folds"), f"fold {one.number + 1}: {one.error}; {why}")
        yield [one.result for one in some]


def _builder(
    search: SearchOnce, loaded: LoadedConfig, measured: Sequence[Experiment], constants: TableColumns
) -> Callable[[Any], Compute]:
    """What a worker of a cluster fits folds by."""
    assembly = assemble(loaded, describe_system(loaded, constants, measured), measured, for_fit=False)
    folds = make_folds(assembly)

    def built(request: tuple[FloatArray, int]) -> Compute:
        theta, factor = request
        ready = [replace(fold, assembly=tightened(fold.assembly, factor)) for fold in folds]
        return lambda some: [without(ready[k], theta, search) for k in some]

    return built
