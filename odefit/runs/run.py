"""A finished fit, in memory or read back from its folder: its numbers as tables, its model to solve again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.config.load import load_config
from odefit.data.experiments import Experiment, FloatArray
from odefit.data.faults import clip
from odefit.data.tables import read_table
from odefit.errors import InputError, RunError
from odefit.runs import folder as files
from odefit.runs import foreign
from odefit.runs.assembly import Assembly, assemble
from odefit.runs.conditions import under_conditions
from odefit.runs.results import Result
from odefit.runs.simulation import TrueModel, simulate_data
from odefit.runs.systems import describe_system

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Curves:
    """Solutions of some experiments at chosen times: y [T, S] and g [T, O] of each."""

    experiments: tuple[Experiment, ...]
    states: list[FloatArray]
    observables: list[FloatArray]


@dataclass(frozen=True, repr=False)
class Run:
    """path: its folder. theta: [N] estimates in the order of the problem's table."""

    path: Path
    result: Result
    assembly: Assembly
    theta: FloatArray

    def __repr__(self) -> str:
        values = ", ".join(f"{n}={e.value:.4g}" for n, e in self.result.estimates.items() if e.value is not None)
        return f"<Run {self.path}: {self.result.status}; {values}>"

    @property
    def measured(self) -> tuple[Experiment, ...]:
        """The experiments with every measurement."""
        return self.assembly.measured

    @property
    def states(self) -> tuple[str, ...]:
        return self.assembly.described.system.states

    @property
    def observables(self) -> tuple[str, ...]:
        return tuple(self.assembly.described.system.observables)

    def solve(self, times: Sequence[FloatArray]) -> Curves:
        """The fitted model at other times, one array [T] per experiment. Raises SolveError."""
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

    def frame(self, name: str) -> pd.DataFrame:
        """`parameters`, `predictions`, `history`, `starts` or `frames` as a pandas frame. Raises RunError."""
        import pandas as pd

        path = self.path / f"{name}.csv"
        if not path.is_file():
            raise RunError(str(path), f"this run has no table `{name}`")
        return pd.read_csv(path)

    @property
    def parameters(self) -> pd.DataFrame:
        return self.frame("parameters")

    @property
    def predictions(self) -> pd.DataFrame:
        return self.frame("predictions")

    @property
    def history(self) -> pd.DataFrame:
        return self.frame("history")


def load_run(path: Path | str) -> Run:
    """Read a run folder, which may be a stranger's. Raises RunError where it is missing or damaged."""
    path = Path(path)
    foreign.check_folder(path)
    result = _read_result(path)
    try:
        loaded = load_config(path / files.CONFIG)
        foreign.check_config(loaded)
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


def _read_result(path: Path) -> Result:
    """result.json, checked. Raises RunError."""
    try:
        result = Result.from_json(files.read_json(path, files.RESULT))
        foreign.check_result(result, path)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        what = clip(str(error), 100) or type(error).__name__
        raise RunError(str(path / files.RESULT), f"is damaged ({what}); fit again") from None
    return result


def load_weights(networks: Any, path: Path) -> None:
    """Fill the networks from `weights.pt`. Raises RunError."""
    import torch

    foreign.check_weights(path)
    try:
        networks.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged archive surfaces as almost any type
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(str(path), f"cannot be read as this model's weights ({first}); fit again") from None
