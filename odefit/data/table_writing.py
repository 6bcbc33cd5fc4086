"""Experiments as a CSV file in the wide layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.atomic_files import atomic_write
from odefit.data.covariates import covariate_table
from odefit.data.csv_columns import Column, Marked, Words, columns_text
from odefit.data.csv_writing import check_names, number_cell
from odefit.data.experiments import Experiment
from odefit.data.layouts import ONLY
from odefit.data.side_column import AT_JUMP, side_words
from odefit.errors import DataError
from odefit.text import clip, show


def write_table(
    path: Path | str, experiments: Sequence[Experiment], observables: Sequence[str], *, time: str = "time"
) -> None:
    """Write experiments in the wide layout, whole or not at all; `read_table` gives them back.

    Columns are the time, the observables, `<observable>_sigma` where there are measurement errors, covariates,
    `at_jump` where a row was measured before or after a jump, and `experiment` unless the only experiment is called
    `1`. Numbers are written with the fewest digits that read back as the same float64, so the same data make the same
    bytes; a censored value as `<0.5`, one between two numbers as `0.1..0.5`. Only measurements are written: not
    `start`, nor the conditions (constants, labels, doses, inputs).

    Raises
    ------
    DataError
        `read_table` would refuse a name or a number.
    OSError
        As `atomic_write`.
    """
    atomic_write(path, table_text(path, experiments, observables, time=time))


def table_text(
    path: Path | str, experiments: Sequence[Experiment], observables: Sequence[str], *, time: str = "time"
) -> str:
    """What `write_table` writes. Raises DataError, which names the path."""
    names = [experiment.name for experiment in experiments]
    named = names != [ONLY]
    with_sigma = [
        number
        for number in range(len(observables))
        if any(e.sigma is not None and not np.isnan(e.sigma[:, number]).all() for e in experiments)
    ]
    header = [time, *observables, *(f"{observables[number]}_sigma" for number in with_sigma)]
    beside = {name: column for name, column in covariate_table(experiments, observables).items() if name not in header}
    sided = any(e.sides.any() for e in experiments)
    header += [*beside, *[AT_JUMP] * sided, *["experiment"] * named]
    check_names(path, header, names)
    for experiment in experiments:
        if (
            not np.isfinite(experiment.times[: len(experiment.times) - experiment.ends_at_rest]).all()
            or np.isinf(experiment.values).any()
        ):
            raise DataError(show(Path(path)), f"experiment {clip(experiment.name)} holds an infinite number")
    columns: list[Column] = [np.concatenate([e.times for e in experiments]), *_values(experiments, len(observables))]
    columns += [
        np.concatenate([np.full(len(e.times), np.nan) if e.sigma is None else e.sigma[:, number] for e in experiments])
        for number in with_sigma
    ]
    columns += map(_beside_column, beside.values())
    if sided:
        columns.append(Words.of([word for e in experiments for word in side_words(e)]))
    if named:
        columns.append(Words.repeated(names, [len(e.times) for e in experiments]))
    return columns_text(header, columns)


def _values(experiments: Sequence[Experiment], count: int) -> list[Column]:
    """The measurements, a column for each observable; one that is a limit with the side on which the value is."""
    values = np.concatenate([e.values for e in experiments])
    if all(e.censored is None for e in experiments):
        return [values[:, number] for number in range(count)]
    limits = np.concatenate(
        [np.zeros(e.values.shape, np.int8) if e.censored is None else e.censored for e in experiments]
    )
    signs = np.where(np.isnan(values), 0, limits).astype(np.intp)
    if all(e.other_end is None for e in experiments):
        return [Marked(Words(("", ">", "<"), signs[:, number]), values[:, number]) for number in range(count)]
    given = [np.full(e.values.shape, np.nan) if e.other_end is None else e.other_end for e in experiments]
    ends = np.where(np.isnan(values), np.nan, np.concatenate(given))
    low, high = np.fmin(values, ends), np.fmax(values, ends)
    marks = np.array(["", ">", "<"], dtype=object)[signs]
    known = ~np.isnan(ends)
    above = [">" if side > 0 else "" for side in limits[known].tolist()]
    marks[known] = [f"{sign}{number_cell(end)}.." for sign, end in zip(above, low[known].tolist(), strict=True)]
    return [Marked(Words.of(marks[:, number].tolist()), high[:, number]) for number in range(count)]


def _beside_column(cells: Sequence[float | str] | FloatArray) -> Column:
    """Numbers, or formulas as they were written among numbers."""
    if isinstance(cells, np.ndarray):
        return cells
    return Words.of([cell if isinstance(cell, str) else number_cell(cell) for cell in cells])
