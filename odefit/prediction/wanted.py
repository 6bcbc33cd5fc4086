"""What a user wants predicted, as files, frames or mappings: experiments, doses, inputs."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.config.load import LoadedConfig
from odefit.data.csv_reader import read_header
from odefit.data.dose_table import read_doses
from odefit.data.doses import DoseRow, doses_from_list
from odefit.data.experiment_table import Conditions, conditions_from_mapping, read_conditions
from odefit.data.experiments import Dose, Input
from odefit.data.frame_rows import rows_by_name
from odefit.data.inputs import read_input
from odefit.errors import InputError
from odefit.problem.formula_texts import named_in_formulas
from odefit.records import dataclass
from odefit.text import plain_label

if TYPE_CHECKING:
    import pandas as pd

    Table = Path | str | Mapping[str, Mapping[str, Any]] | pd.DataFrame
    DoseTable = Path | str | Sequence[Mapping[str, Any] | Dose] | pd.DataFrame

LIKE = "like"
"""The column that names an experiment of the fit, whose parameters and conditions hold where a row says nothing."""


@dataclass(frozen=True)
class Wanted:
    """New conditions.

    Parameters
    ----------
    experiments
        The table of new experiments: a CSV, a frame, or a mapping `{name: {column: value}}`; None for those of the fit.
    doses
        What they get in place of what they got: a CSV, a frame, or a list of doses.
    inputs
        A CSV with a column for each known function of time that is another one now.
    """

    experiments: Table | None = None
    doses: DoseTable | None = None
    inputs: Path | str | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether the experiments of the fit are meant as they were made."""
        return self.experiments is None and self.doses is None and self.inputs is None


def read_table_of(loaded: LoadedConfig, table: Table, numbers: Collection[str]) -> tuple[Conditions, dict[str, str]]:
    """The rows, and which experiment of the fit each is like (where it says so). Raises DataError.

    numbers: columns that hold no words, whether a formula names them or not: initial values and parameters.
    """
    named = named_in_formulas(loaded) | _columns_of(loaded) | {*numbers}
    if isinstance(table, str | Path):
        conditions = read_conditions(Path(table), where="--experiments", named=named)
    else:
        rows = table if isinstance(table, Mapping) else rows_by_name(table, ("experiment",), "experiments")
        conditions = conditions_from_mapping(rows, _place("experiments"), named)
    likes = dict(conditions.labels.get(LIKE, {}))
    likes |= {name: plain_label(repr(value)) for name, value in conditions.constants.get(LIKE, {}).items()}
    return conditions, likes


def _columns_of(loaded: LoadedConfig) -> set[str]:
    """The columns of the fit's own table of experiments."""
    section = loaded.config.data.experiments
    return set() if not isinstance(section, Mapping) else {name for row in section.values() for name in row}


def read_doses_of(
    loaded: LoadedConfig,
    doses: DoseTable,
    states: Sequence[str],
    experiments: Collection[str],
    dosed: Collection[str],
) -> list[DoseRow]:
    """The doses, and who gets each. Raises DataError.

    dosed: the states that got doses in the fit; one that says no state goes into the only one.
    """
    section = loaded.config.data.doses
    default = None if section is None else section.state
    likely = [*dosed] or [*states]
    if default is None and len(likely) == 1:
        default = likely[0]
    if isinstance(doses, str | Path):
        return read_doses(
            Path(doses), default_state=default, where="--doses", states=states, experiments=[*experiments]
        )
    if not isinstance(doses, Sequence):
        doses = [
            {str(k): v for k, v in row.items() if v is not None}
            for row in doses.astype(object).where(doses.notna(), None).to_dict("records")
        ]
    items: list[dict[str, Any]] = []
    for dose in doses:
        row = _as_row(dose) if isinstance(dose, Dose) else dose
        if not isinstance(row, Mapping):
            raise InputError("doses", f"must be doses, or mappings such as {{time: 0, amount: 320}} (got {row!r})")
        items.append(({} if default is None else {"state": default}) | dict(row))
    return list(doses_from_list(items, _place("doses"), states=states, experiments=experiments))


def _as_row(dose: Dose) -> dict[str, Any]:
    """A dose as a list of them has it: what follows from a formula is that formula."""
    own = {key: value for key, value in vars(dose).items() if not key.endswith("_formula")}
    formulas = {key.removesuffix("_formula"): value for key, value in vars(dose).items() if key.endswith("_formula")}
    return own | {key: value for key, value in formulas.items() if value}


def _place(what: str) -> Any:
    return functools.partial(_dotted, what)


def _dotted(*keys: Any) -> str:
    return ".".join(map(str, keys))


def read_inputs_of(loaded: LoadedConfig, path: Path | str) -> dict[str, dict[str | None, Input]]:
    """The known functions of time that the file has a column for. Raises DataError or InputError."""
    path = Path(path)
    sections = loaded.config.data.inputs
    header = read_header(path, [*sections], "--inputs")
    found = {}
    for name, section in sections.items():
        if name in header.names:
            kind = section.interpolation
            found[name] = read_input(path, name, name=name, interpolation=kind, where="--inputs")
    if not found:
        there = f"the model's inputs are {', '.join(sections)}" if sections else "the model has no inputs"
        raise InputError(str(path), f"has no column of an input; {there}")
    return found
