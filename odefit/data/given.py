"""Data that are in memory already: a pandas frame, or experiments made by hand."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.cell_texts import covariate_of, joined_cells
from odefit.data.covariates import CovariateUse, check_texts
from odefit.data.error_list import MAX_FAULTS, FaultList
from odefit.data.experiments import Dose, Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import DataError, Fault
from odefit.records import dataclass
from odefit.text import clip, plain_label, suggest

if TYPE_CHECKING:
    import pandas as pd

NAME = "data"
"""What takes the place of a file's name in messages."""


@dataclass(frozen=True)
class GivenData:
    """content: what the measurements are read from. keys: what the experiments themselves say that would else stand in
    the section `data` of the config: constants, labels, starts and doses."""

    content: pd.DataFrame | tuple[Experiment, ...]
    keys: Mapping[str, Any] = field(default_factory=dict)


def given_data(data: object) -> GivenData:
    """What a user gives as `data`. Raises DataError."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return GivenData(data)
    if isinstance(data, Experiment):
        data = [data]
    if not isinstance(data, Sequence) or not data or not all(isinstance(e, Experiment) for e in data):
        what = f"must be a pandas DataFrame or a list of odefit.Experiment (got {type(data).__name__})"
        raise DataError(NAME, what + _remedy(data))
    faults = []
    for experiment in data:
        try:
            experiment.check()
        except DataError as error:
            faults += [replace(fault, where=f"{NAME}: {fault.where}") for fault in error.faults]
    if faults:
        raise DataError(faults=faults)
    data = [replace(e, name=plain_label(e.name)) for e in data]
    names = [e.name for e in data]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            raise DataError(NAME, f"two experiments are called '{clip(name)}'; call a replicate '{clip(name)}#2'")
    bare = tuple(
        replace(e, start=float(e.times[0]), constants={}, formulas={}, labels={}, doses=(), inputs={}) for e in data
    )
    return GivenData(bare, _keys(data))


def _remedy(data: object) -> str:
    """What makes a frame of something else, behind a semicolon; empty where nothing does."""
    parts = list(data) if isinstance(data, Sequence) and not isinstance(data, str) else []
    if isinstance(data, (str, Path)):
        return "; the path of a file stands in the config, as data.csv"
    if hasattr(data, "to_pandas"):  # of polars, pyarrow and xarray
        return "; data.to_pandas() makes one"
    frames = parts or (list(data.values()) if isinstance(data, Mapping) else [])
    if frames and all(hasattr(part, "columns") for part in frames):
        return "; pandas.concat makes one of several, with a column that tells the experiments apart"
    if isinstance(data, Mapping) or (parts and all(isinstance(part, Mapping) for part in parts)):
        return "; pandas.DataFrame(data) makes one of columns or rows"
    names = getattr(getattr(data, "dtype", None), "names", None)
    return "; pandas.DataFrame(data) makes one of named fields" if names else ""


def _keys(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """The table of experiments and the doses, as the config has them."""
    for e in experiments:
        if e.inputs:
            what = "inputs are read from the config: name them in data.inputs, and leave them out here"
            raise DataError(f"{NAME}: experiment {clip(e.name)}", what)
    keys: dict[str, Any] = {}
    rows = {e.name: {**e.constants, **e.formulas, **e.labels, **_start(e)} for e in experiments}
    if any(rows.values()):
        keys["experiments"] = rows
    doses = [
        {"experiment": e.name, "time": d.time, "state": d.state, "amount": d.amount, **_length(d)}
        for e in experiments
        for d in e.doses
    ]
    if doses:
        keys["doses"] = doses
    return keys


def _length(dose: Dose) -> dict[str, float | str]:
    return {"duration": dose.duration} if dose.spread is None else dict([dose.spread])


def _start(experiment: Experiment) -> dict[str, float]:
    return {} if experiment.start == experiment.times[0] else {"start": experiment.start}


def arrange_given(
    experiments: Sequence[Experiment],
    *,
    observables: Sequence[str],
    columns: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    start: float | None = None,
    left_out: set[str] | None = None,
    use: CovariateUse | None = None,
    known: set[str] | None = None,
) -> list[Experiment]:
    """Experiments made by hand, their columns in the order of the observables; the arguments are those of `read_table`.

    An experiment need not have measured all of them. Raises DataError with all faults.
    """
    faults = FaultList(Path(NAME))
    names = {name: (columns or {}).get(name, name) for name in observables}
    chosen = [e for e in experiments if only is None or e.name in only or replicate_of(e.name) in only]
    called = dict.fromkeys(name for e in experiments for name in (e.name, replicate_of(e.name)))
    for name in sorted(set(only or ()) - set(called)):
        faults.add(0, "", f"data.only names the experiment '{clip(name)}'; {suggest(name, called)}")
    if left_out is not None:
        left_out |= {e.name for e in experiments} - {e.name for e in chosen}
    found = [e if not e.observables else _ordered(e, names, faults) for e in chosen]
    for e in found:
        if e.values.shape[1] != len(names):
            width = f"has {e.values.shape[1]} columns, and the observables are {', '.join(names)}"
            faults.add(0, "", f'experiment {clip(e.name)} {width}; name them: values={{"{next(iter(names))}": …}}')
    faults.check()
    measured = np.array([(~np.isnan(e.values)).any(axis=0) for e in found]).reshape(len(found), len(names))
    for k, name in enumerate(names):
        if not measured[:, k].any():
            faults.add(0, "", f"the observable {name} is never measured; leave it out of model.observables")
    for e, some in zip(found, measured, strict=True):
        if not some.any():
            faults.add(0, "", f"experiment {clip(e.name)} has no measurement; remove it, or choose others (data.only)")
        if start is not None and e.times[0] < start:
            what = f"experiment {clip(e.name)} is measured at {float(e.times[0])!r}, before data.start {start!r}"
            faults.add(0, "", what)
    faults.check()
    found = _beside(found, tuple(names), use or CovariateUse(), set() if known is None else known)
    first = {
        base: min(float(e.times[0]) for e in found if replicate_of(e.name) == base)
        for base in dict.fromkeys(replicate_of(e.name) for e in found)
    }
    return [replace(e, start=first[replicate_of(e.name)] if start is None else float(start)) for e in found]


def _ordered(experiment: Experiment, names: Mapping[str, str], faults: FaultList) -> Experiment:
    """With one column for each observable, empty where this experiment has none of that name."""
    own = experiment.observables
    missing = [column for column in names.values() if column not in own]
    strange = [column for column in own if column not in names.values()]
    if missing and strange:
        # Either alone may be meant; both together look like a typing error.
        hint = suggest(strange[0], missing)
        faults.add(0, "", f"experiment {clip(experiment.name)}: '{clip(strange[0])}' is no observable; {hint}")
    place = [own.index(column) if column in own else len(own) for column in names.values()]

    def chosen(table: Any, fill: float) -> Any:
        if table is None:
            return None
        return np.concatenate([table, np.full((len(table), 1), fill, dtype=table.dtype)], axis=1)[:, place]

    return replace(
        experiment,
        values=chosen(experiment.values, np.nan),
        sigma=chosen(experiment.sigma, np.nan),
        censored=chosen(experiment.censored, 0),
        other_end=chosen(experiment.other_end, np.nan),
        covariates={name: chosen(numbers, np.nan) for name, numbers in experiment.covariates.items()},
        observables=(),
    )


def _beside(
    experiments: Sequence[Experiment], observables: Sequence[str], use: CovariateUse, known: set[str]
) -> list[Experiment]:
    """The experiments with those numbers beside the measurements that noise formulas name. Raises DataError.

    known: gets the names of all.
    """
    own = dict.fromkeys(name for e in experiments for name in e.covariates)
    known |= set(map(covariate_of, own))
    faults = FaultList(Path(NAME))
    use.check_names(list(map(covariate_of, own)), (), 0, faults)
    faults.check()
    told = list[Fault]()
    named = [name for name in own if any(covariate_of(name) in names for names in use.names.values())]
    found = []
    for e in experiments:
        blank = np.full_like(e.values, np.nan)
        e = replace(e, covariates={name: _or_none(e.covariates, name, blank) for name in named})
        here = FaultList(Path(NAME), partial(_place, e))
        for k, observable in enumerate(observables):
            for name in use.names.get(observable, ()):
                if name in named:
                    lines = np.arange(1, len(e.times) + 1)
                    cells = joined_cells(e.covariates, name)[:, k].tolist()
                    texts = {line: cell for line, cell in enumerate(cells, 1) if isinstance(cell, str)}
                    check_texts(use, texts, lines, name, here)
                    numbers = np.array([1.0 if isinstance(cell, str) else cell for cell in cells], dtype=np.float64)
                    use.check_values(observable, name, numbers, e.values[:, k], lines, name, here)
        try:
            here.check()
        except DataError as error:
            told += error.faults
        found.append(e)
    if told:
        raise DataError(faults=told[:MAX_FAULTS])
    return found


def _or_none(covariates: Mapping[str, FloatArray], key: str, blank: FloatArray) -> FloatArray:
    """A table of an experiment; where it has none, no cell is a number, or none is the formula."""
    if key in covariates:
        return covariates[key]
    return np.where(np.isnan(covariates.get(covariate_of(key), blank)), np.nan, 0.0)


def _place(experiment: Experiment, line: int, column: str) -> str:
    where = f"{NAME}: experiment {clip(experiment.name)}" + (f", row {line - 1}" if line else "")
    return f"{where}, column {clip(column)}" if column else where
