"""A finished fit, in memory or read back from its folder: its numbers as tables, its model to solve again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table
from odefit.errors import RunError
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.conditions import under_conditions
from odefit.problem.simulation import TrueModel, simulate_data
from odefit.problem.systems import describe_system
from odefit.runs import folder as files
from odefit.runs import validation as foreign
from odefit.runs.results import Result
from odefit.runs.stored import Curves, StoredRun, load_weights

if TYPE_CHECKING:
    pass


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


def load_equations(path: Path, result: Result, loaded: LoadedConfig) -> Run:
    """Read the rest of a run folder. Raises InputError where it is damaged."""
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
