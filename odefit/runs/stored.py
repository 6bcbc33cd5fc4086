"""What every run has, whatever its model: a folder, a result, and its tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import RunError
from odefit.runs import folder as files
from odefit.runs import validation as foreign
from odefit.runs.results import Result
from odefit.text import clip

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Curves:
    """Solutions of some experiments at chosen times: y [T, S] and g [T, O] of each."""

    experiments: tuple[Experiment, ...]
    states: list[FloatArray]
    observables: list[FloatArray]


@dataclass(frozen=True, repr=False)
class StoredRun(ABC):
    """path: its folder."""

    path: Path
    result: Result

    def __repr__(self) -> str:
        values = ", ".join(f"{n}={e.value:.4g}" for n, e in self.result.estimates.items() if e.value is not None)
        return f"<{type(self).__name__} {self.path}: {self.result.status}; {values}>"

    @property
    @abstractmethod
    def loaded(self) -> LoadedConfig:
        """The config that was fitted."""

    @property
    @abstractmethod
    def measured(self) -> tuple[Experiment, ...]:
        """The experiments with every measurement."""

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def observables(self) -> tuple[str, ...]: ...

    @abstractmethod
    def solve(self, times: Sequence[FloatArray]) -> Curves:
        """The fitted model at other times, one array [T] per experiment. Raises SolveError."""

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


def read_result(path: Path) -> Result:
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
