"""What every run has, whatever its model: a folder, a result, and its tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from odefit.arguments import checked
from odefit.arguments import path as a_path
from odefit.arrays import FloatArray
from odefit.config.earlier import EarlierFit
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.source_files import reason
from odefit.data.unit_form import TIME
from odefit.data.unit_words import SECONDS, split_unit
from odefit.errors import RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs import validation as foreign
from odefit.runs.acquire import acquire_run_folder
from odefit.runs.fingerprint import identity_of
from odefit.runs.replacement import readable
from odefit.runs.results import Result
from odefit.runs.tables import Rows, Table, frame_of, rows_of
from odefit.runs.writing import parameter_table, write_start
from odefit.text import clip

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 6
"""Estimates in the text form, and warnings in that of notebooks."""


@dataclass(frozen=True)
class Curves:
    """Solutions of some experiments at chosen times: y [T, S], g [T, O] and the expressions [T, X] of each."""

    experiments: tuple[Experiment, ...]
    states: list[FloatArray]
    observables: list[FloatArray]
    expressions: list[FloatArray] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class StoredRun(ABC):
    """A finished fit.

    path: its folder; None where it is in memory only. tables: those that the fit left behind, by their file names; of a
    run that was read from its folder they are there.
    """

    path: Path | None
    result: Result
    tables: Mapping[str, Table] = field(default_factory=dict, kw_only=True)

    def __repr__(self) -> str:
        known = [(name, e.value) for name, e in self.result.estimates.items() if e.value is not None]
        values = ", ".join(f"{clip(name)}={value:.4g}" for name, value in known[:SHOWN])
        more = f", … ({len(known):,} in all)" if len(known) > SHOWN else ""
        return f"<{type(self).__name__} {clip(self.place, 100)}: {self.result.status}; {values}{more}>"

    def _repr_html_(self) -> str:
        """For notebooks: how it ended, the estimates, and what to beware of."""
        from odefit.html import html_table

        rows = [
            (name, e.value, e.standard_error, *(e.interval or (None, None)), e.unit)
            for name, e in self.result.estimates.items()
        ]
        header = ("parameter", "estimate", "std. error", "low", "high", "unit")
        warnings = self.result.warnings
        notes = [f"warning: {warning}" for warning in warnings[:SHOWN]]
        notes += [f"and {len(warnings) - SHOWN:,} more warnings"] if len(warnings) > SHOWN else []
        return html_table(f"{self.result.status}: {self.result.message}", header, rows, notes)

    @property
    def time_name(self) -> str:
        """The name of the time, with its unit where that name (`day`, `minutes`) is not one itself."""
        config = self.loaded.config
        name, unit = split_unit(config.data.time or "time")[0], config.model.units.get(TIME)
        says_it = name == unit or SECONDS.get(name.lower(), 0.0) == SECONDS.get(unit or "")
        return f"{name} ({unit})" if unit and not says_it else name

    @property
    def place(self) -> str:
        """What messages call it."""
        return "in memory" if self.path is None else str(self.path)

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
    def states(self) -> tuple[str, ...]:
        """The names of the states, in the order of the columns of `Curves.states`."""

    @property
    @abstractmethod
    def observables(self) -> tuple[str, ...]:
        """The names of what is measured, in the order of the columns of `Experiment.values`."""

    @abstractmethod
    def solve(self, times: Sequence[FloatArray]) -> Curves:
        """The fitted model at other times, one array [T] per experiment. Raises SolveError."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Every file of the run folder; result.json last, since it says that the run is complete. Raises RunError."""

    @checked(path=a_path)
    def save(self, path: Path | str, *, overwrite: bool = False) -> Self:
        """Write the run folder that `fit(..., out=path)` would have written.

        Parameters
        ----------
        path
            The folder, which is made.
        overwrite
            Replace an earlier run in that folder.

        Returns
        -------
        Run
            The same, with its folder as `path`: `load_run` gives it back.

        Raises
        ------
        RunError
            The folder exists already, or cannot be written.
        """
        with acquire_run_folder(Path(path), self.loaded.path.stem, overwrite) as folder:
            files.write_json(folder.work, files.IDENTITY, self.identity(), allow_nan=True)
            if self.loaded.earlier is not None:
                write_start(folder.work, self.loaded.earlier)
            self.write(folder.work)
        return replace(self, path=folder.result, tables={})

    def identity(self) -> Mapping[str, Any]:
        """What it was the fit of, as the fit itself wrote it down where there is a folder."""
        if self.path is not None and (self.path / files.IDENTITY).exists():
            return files.read_json(self.path, files.IDENTITY)
        return identity_of(self.loaded, self.measured)

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, Any]:
        """The tensors of its networks by name; empty where it has none."""

    @property
    def as_start(self) -> EarlierFit:
        """What another fit may begin with."""
        known = {name: e.value for name, e in self.result.estimates.items() if e.value is not None and not e.formula}
        return EarlierFit(self.place if self.path is not None else "the earlier fit", known, self.weights)

    @property
    def pictures_folder(self) -> Path:
        """Where its pictures belong. Raises RunError."""
        if self.path is None:
            raise RunError(self.place, "this run has no folder for pictures: name one with `out`, or save it first")
        return self.path / "plots"

    def table_text(self, name: str) -> str | None:
        """A table by its file name, as CSV; None where the run has none. Raises RunError."""
        if name in self.tables:
            return self.tables[name].text
        if self.path is None:
            return None
        path = self.path / name
        try:
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunError(str(path), f"cannot be read: {reason(error)}") from None
        except ValueError:
            raise RunError(str(path), "is damaged: it is no table; fit again") from None

    def rows(self, name: str) -> Rows | None:
        """A table by its file name, by position; None where the run has none. Raises RunError where it is damaged."""
        text = self.table_text(name)
        return None if text is None else rows_of(text, name if self.path is None else str(self.path / name))

    def frame(self, name: str) -> pd.DataFrame:
        """`parameters`, `covariance`, `history`, `starts`, `folds` or `frames` as a pandas frame. Raises RunError."""
        text = self.table_text(f"{name}.csv")
        if text is None:
            raise RunError(self.place, f"this run has no table `{name}`")
        try:
            return frame_of(text)
        except ValueError:
            raise RunError(f"{self.place}: {name}.csv", "is damaged: it is no table; fit again") from None

    @property
    def parameters(self) -> pd.DataFrame:
        """One row for each parameter, by name: value, standard_error, low, high (95 %), scale, unit, fixed, at_bound,
        truth (of simulated data), formula (of those that follow from others)."""
        return frame_of(parameter_table(self.result).text).set_index("name")

    @property
    def covariance(self) -> pd.DataFrame:
        """Of the estimates, natural scale, by name; NaN where the data do not determine one.

        Of more than 300 parameters those that the experiments share. Raises RunError where the run has none, as of a
        network.
        """
        return self.frame("covariance").set_index("parameter")

    @property
    def correlation(self) -> pd.DataFrame:
        """Of the estimates on their search scales, by name: those that the data determine. Raises RunError."""
        import pandas as pd

        if self.result.correlation is None:
            raise RunError(self.place, "this run has no correlations: no standard errors were computed")
        return pd.DataFrame(self.result.correlation).T

    @property
    def history(self) -> pd.DataFrame:
        """How the fit went, step by step."""
        return self.frame("history")

    @property
    def starts(self) -> pd.DataFrame:
        """How every start ended. Raises RunError where there was one only."""
        return self.frame("starts")

    @abstractmethod
    def predictions(
        self, times: ArrayLike | Mapping[str, ArrayLike] | None = None, intervals: bool = True
    ) -> pd.DataFrame:
        """What the fitted model predicts, one row for each experiment, observable and time."""


def result_folder(path: Path) -> Path:
    """Where the result of a run folder lies, which may be a stranger's. Raises RunError where that leads out of it."""
    foreign.check_folder(path)
    home = readable(path)
    if home != path:  # a new result that was not yet put in the place of an earlier one
        foreign.check_folder(home)
    return home


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
    weights = read_weights(path)
    try:
        networks.load_state_dict(weights)
    except Exception as error:  # weights of another model surface as almost any type
        raise _unreadable(path, error) from None


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a file of weights by name. Raises RunError."""
    import torch

    foreign.check_weights(path)
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive surfaces as almost any type
        raise _unreadable(path, error) from None
    return weights


def _unreadable(path: Path, error: Exception) -> RunError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RunError(str(path), f"cannot be read as this model's weights ({first}); fit again")


def read_start(folder: Path) -> EarlierFit | None:
    """What a fit began with, where that was an earlier result. Raises RunError."""
    if not (folder / files.START).exists():
        return None
    kept = files.read_json(folder, files.START)
    path = folder / files.START_WEIGHTS
    try:
        values = {str(name): float(value) for name, value in kept["values"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(str(folder / files.START), "is damaged; fit again") from None
    return EarlierFit(str(kept.get("name")), values, read_weights(path) if path.exists() else {})
