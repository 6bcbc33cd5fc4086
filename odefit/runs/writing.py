"""The files of a run folder that every fit writes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odefit.config.earlier import EarlierFit
from odefit.config.load import LoadedConfig
from odefit.data.atomic_files import sync_folder
from odefit.data.doses import write_doses
from odefit.data.experiments import Experiment
from odefit.data.inputs import write_inputs
from odefit.data.outputs import telling_storage
from odefit.data.rest_column import STEADY_STATE
from odefit.data.table_writing import table_text
from odefit.errors import DataError, RunError
from odefit.runs import folder as files
from odefit.runs.results import Result
from odefit.runs.tables import Table

PREDICTIONS = ("experiment", "time", "observable", "measured", "predicted", "residual", "censored", "held_out")
"""The columns of predictions.csv."""
_PARAMETERS = (
    *("name", "value", "standard_error", "low", "high", "scale", "unit", "fixed", "at_bound", "truth", "formula"),
    "original_name",
)


def write_data(path: Path, loaded: LoadedConfig, measured: Sequence[Experiment], names: Sequence[str]) -> None:
    """data.csv: the measurements as they were fitted; before `write_result`. Raises RunError."""
    with telling(path / files.DATA):
        text = table_text(path / files.DATA, measured, names, time=loaded.config.data.time or "time")
    files.write_text(path, files.DATA, text, named=False)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Whatever prevents a file from being written is a RunError that names it; of the disk, a StorageError."""
    try:
        with telling_storage(path):
            yield
    except DataError as error:
        raise RunError(str(path), f"cannot be written: {error.faults[0].what}") from error


def parameter_table(result: Result) -> Table:
    """parameters.csv: one row per parameter."""
    rows = []
    for name, e in result.estimates.items():
        low, high = e.interval or (None, None)
        truth = (result.truth or {}).get(name)
        numbers = [name, e.value, e.standard_error, low, high]
        rows.append([*numbers, e.scale, e.unit, e.fixed, e.at_bound, truth, e.formula, result.original_name(name)])
    return Table(_PARAMETERS, rows)


def write_tables(path: Path, tables: Mapping[str, str | None]) -> None:
    """Tables by their file names, as CSV; before `write_result`. Raises RunError."""
    for name, text in tables.items():
        if text is not None:
            files.write_text(path, name, text, named=False)


def write_result(path: Path, result: Result) -> None:
    """result.json, which says that the run is complete: once the names of all other files are on the disk."""
    sync_folder(path)
    files.write_json(path, files.RESULT, result.to_json())


def write_weights(path: Path, weights: Mapping[str, Any], name: str = files.WEIGHTS) -> None:
    """weights.pt, of a module's state."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(weights), buffer)
    files.write_text(path, name, buffer.getvalue())


def write_start(path: Path, earlier: EarlierFit) -> None:
    """start.json and start-weights.pt, so that `--resume` begins with the same. Raises RunError."""
    files.write_json(path, files.START, {"name": earlier.name, "values": dict(earlier.values)})
    if earlier.weights:
        write_weights(path, earlier.weights, files.START_WEIGHTS)


def write_conditions(folder: Path, loaded: LoadedConfig, experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Doses, inputs and constants of the experiments as files of a run folder; what `data` says of them there.

    Raises RunError or OSError.
    """
    data, own = loaded.config.data, dict[str, Any]()
    if data.experiments is not None or any(e.constants or e.labels for e in experiments):
        constants = list(dict.fromkeys(name for e in experiments for name in (*e.constants, *e.formulas)))
        labels = list(dict.fromkeys(name for e in experiments for name in e.labels))
        rested = () if all(e.steady_state for e in experiments) else (STEADY_STATE,)
        rows = [
            [
                e.name,
                e.start,
                *("yes" if e.steady_state else "no" for _ in rested),
                *(e.constants.get(name, e.formulas.get(name)) for name in constants),
                *(e.labels.get(name) for name in labels),
            ]
            for e in experiments
        ]
        files.write_csv(folder, files.EXPERIMENTS, ("experiment", "start", *rested, *constants, *labels), rows)
        own["experiments"] = files.EXPERIMENTS
    if data.doses is not None or any(e.doses for e in experiments):
        write_doses(folder / files.DOSES, experiments)
        said = {} if data.doses is None else data.doses.model_dump(include={"lag", "fraction"}, exclude_unset=True)
        own["doses"] = {"csv": files.DOSES} | said
    if data.inputs:
        write_inputs(folder / files.INPUTS, experiments)
        kinds = {name: section.interpolation for name, section in data.inputs.items()}
        own["inputs"] = {name: {"csv": files.INPUTS, "interpolation": kind} for name, kind in kinds.items()}
    return own
