"""A finished fit, in memory or read back from its folder: its numbers as tables, its model to solve again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odefit.config.latent import LATENT_ODE
from odefit.config.load import LoadedConfig, load_config
from odefit.data.experiments import Experiment, FloatArray
from odefit.data.tables import read_table
from odefit.errors import InputError, RunError
from odefit.runs import folder as files
from odefit.runs import foreign
from odefit.runs.assembly import Assembly, assemble
from odefit.runs.conditions import under_conditions
from odefit.runs.simulation import TrueModel, simulate_data
from odefit.runs.stored import Curves, StoredRun, load_weights, read_result
from odefit.runs.systems import describe_system

if TYPE_CHECKING:
    from odefit.runs.latent_run import LatentRun

__all__ = ["Curves", "Run", "load_run", "load_weights"]


@dataclass(frozen=True, repr=False)
class Run(StoredRun):
    """theta: [N] estimates in the order of the problem's table."""

    assembly: Assembly
    theta: FloatArray

    @property
    def loaded(self) -> LoadedConfig:
        return self.assembly.loaded

    @property
    def measured(self) -> tuple[Experiment, ...]:
        return self.assembly.measured

    @property
    def states(self) -> tuple[str, ...]:
        return self.assembly.described.system.states

    @property
    def observables(self) -> tuple[str, ...]:
        return tuple(self.assembly.described.system.observables)

    def solve(self, times: Sequence[FloatArray]) -> Curves:
        problem = self.assembly.problem
        chosen = tuple(e.at(t) for e, t in zip(self.measured, times, strict=True))
        states = problem.states(self.theta, chosen)
        return Curves(chosen, states, problem.observe(self.theta, chosen, states))

    @cached_property
    def true_model(self) -> TrueModel | None:
        """The model that made the data, where they were simulated."""
        if self.assembly.loaded.config.data.simulate is None:
            return None
        return simulate_data(self.assembly.loaded, self.assembly.described).model

    def solve_truth(self, times: Sequence[FloatArray]) -> Curves | None:
        """The same for the true model; None where the data are real. Raises SolveError."""
        if self.true_model is None:
            return None
        chosen = tuple(e.at(t) for e, t in zip(self.measured, times, strict=True))
        return Curves(chosen, *self.true_model.solve(chosen))


def load_run(path: Path | str) -> Run | LatentRun:
    """Read a run folder, which may be a stranger's. Raises RunError where it is missing or damaged."""
    path = Path(path)
    foreign.check_folder(path)
    result = read_result(path)
    try:
        loaded = load_config(path / files.CONFIG)
        foreign.check_config(loaded)
        if loaded.config.model.name == LATENT_ODE:
            from odefit.runs.latent_run import load_latent

            return load_latent(path, result, loaded)
        described = describe_system(loaded)
        measured = tuple(
            read_table(
                path / files.DATA,
                observables=tuple(described.system.observables),
                time=loaded.config.data.time,
                start=loaded.config.data.start,
            )
        )
        measured = under_conditions(loaded, measured, described.system.states, described.conditions)
        assembly = assemble(loaded, described, measured)
    except RunError:
        raise
    except InputError as error:
        raise RunError(str(path), f"{foreign.DAMAGED}: {error.faults[0]}") from None
    table = assembly.problem.table
    missing = [name for name in table.names if name not in result.estimates]
    if missing:
        raise RunError(str(path / files.RESULT), f"lacks the estimate of {missing[0]}; fit again")
    values = [result.estimates[name].value for name in table.names]
    theta = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    foreign.check_estimates(table, theta, path)
    if assembly.networks is not None:
        load_weights(assembly.networks, path / files.WEIGHTS)
    return Run(path, result, assembly, theta)
