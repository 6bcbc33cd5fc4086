"""The samples of a bootstrap as a table, and its files in a run folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.shapes import misfit
from odefit.runs.stored import StoredRun
from odefit.runs.tables import Table

SCHEMA_VERSION = 1
_NUMBER, _INTERVAL = (float, None), (None, [float, float])
SHAPE = {
    "kind": str,
    "seed": int,
    "level": float,
    "interval_kind": str,
    "notes": [str],
    "of": [float],
    "samples": {"requested": int, "finished": int, "converged": int, "stopped": int, "failed": int},
    "estimates": {
        str: {
            "value": _NUMBER,
            "standard_error": _NUMBER,
            "bias": _NUMBER,
            "interval": _INTERVAL,
            "interval_kind": (str, None),
            "intervals": {str: [float, float]},
            "samples": int,
            "wald_standard_error": _NUMBER,
            "wald_interval": _INTERVAL,
            "unit": (str, None),
        }
    },
}
"""Of bootstrap.json."""


@dataclass(frozen=True)
class Sample:
    """One row of the table: number from 0, how its fit ended, its objective, and K values with their errors."""

    number: int
    status: str
    nll: float
    values: FloatArray
    errors: FloatArray


def sample_to_plain(sample: Sample) -> dict[str, Any]:
    """As plain values and arrays."""
    return {name: getattr(sample, name) for name in ("number", "status", "nll", "values", "errors")}


def sample_from_plain(plain: Mapping[str, Any]) -> Sample:
    """The inverse."""
    return Sample(**plain)


def header(names: Sequence[str]) -> tuple[str, ...]:
    """Of bootstrap.csv: the values are natural ones, the errors those on the quantities' own scales."""
    return ("sample", "status", "nll", *names, *(f"se({name})" for name in names))


def table_of(names: Sequence[str], samples: Sequence[Sample]) -> Table:
    """The table of all samples."""
    rows = [
        [
            s.number + 1,
            s.status,
            s.nll if math.isfinite(s.nll) else math.nan,
            *map(float, s.values),
            *map(float, s.errors),
        ]
        for s in samples
    ]
    return Table(header(names), rows)


def read_samples(run: StoredRun, names: Sequence[str]) -> list[Sample]:
    """The samples in a run folder. Raises RunError where the table is damaged."""
    rows = run.rows(files.BOOTSTRAP)
    if rows is None:
        return []
    if tuple(rows.header) != header(names):
        raise RunError(rows.path, "is damaged: it does not fit the parameters; say --overwrite to begin anew")
    numbers = np.stack([rows.numbers(k) for k in (0, *range(2, len(rows.header)))], axis=1)
    if not np.array_equal(numbers[:, 0], np.arange(1, len(rows) + 1)):
        raise RunError(rows.path, "is damaged: its samples are not in order; say --overwrite to begin anew")
    k = len(names)
    return [
        Sample(n, status, float(row[1]) if np.isfinite(row[1]) else math.inf, row[2 : 2 + k], row[2 + k :])
        for n, (status, row) in enumerate(zip(rows.text(1), numbers, strict=True))
    ]


def read_summary(run: StoredRun) -> dict[str, Any] | None:
    """bootstrap.json; None where there is none. Raises RunError where it is damaged."""
    if run.path is None or not (run.path / files.BOOTSTRAP_SUMMARY).exists():
        return None
    found = files.read_json(run.path, files.BOOTSTRAP_SUMMARY)
    bad = misfit(found, {"schema_version": int, **SHAPE})
    if found.get("schema_version") != SCHEMA_VERSION or bad is not None:
        what = f"is damaged, or of a newer odefit{f' ({bad})' if bad else ''}; say --overwrite to begin anew"
        raise RunError(str(run.path / files.BOOTSTRAP_SUMMARY), what)
    return found


def write_samples(folder: Path, names: Sequence[str], samples: Sequence[Sample], summary: Mapping[str, Any]) -> None:
    """Both files, the summary first: it says what the samples are of. Raises StorageError."""
    files.write_json(folder, files.BOOTSTRAP_SUMMARY, summary)
    files.write_text(folder, files.BOOTSTRAP, table_of(names, samples).text)
