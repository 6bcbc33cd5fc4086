"""What of a run goes to trackers: its config as parameters, its numbers as metrics, starts and folds as parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from odefit.runs import folder as files
from odefit.runs.results import Result
from odefit.runs.stored import StoredRun
from odefit.runs.tables import Rows
from odefit.status import Status
from odefit.text import cut
from odefit.tracking.messages import Part
from odefit.tracking.names import Names

LONGEST = 500
"""Of a parameter: MLflow cuts those of more than 6,000, servers of its older versions those of 250 to 500."""
MOST_PARAMETERS = 1000
STATUS = {Status.INTERRUPTED: "KILLED", Status.FAILED: "FAILED"}
CRITERIA = ("nll", "rss", "aic", "aicc", "bic")


def parameters_of(identity: Mapping[str, Any], names: Names) -> dict[str, str]:
    """The keys of the config that are set, dotted: `fit.starts`, `parameters.k.value`."""
    found = [(key, value) for key, value in identity["config"].items() if value not in (None, {}, [])]
    return {names(key): cut(str(value), LONGEST, "…") for key, value in found[:MOST_PARAMETERS]}


def tags_of(identity: Mapping[str, Any], title: str | None) -> dict[str, str]:
    """The fingerprint of the data, and the versions that compute."""
    tags = {f"odefit.data.{kind.replace(' ', '_')}": digest for kind, digest in identity["data"].items()}
    tags |= {f"version.{name}": str(version) for name, version in identity["versions"].items()}
    return tags | ({"title": title} if title else {})


def numbers_of(result: Result) -> Iterator[tuple[str, float | None]]:
    """The criteria, and each estimate with its standard error."""
    for name in CRITERIA:
        yield name, getattr(result.objective, name)
    yield "seconds", result.seconds
    yield "left_to_gain", result.left_to_gain
    for kind, score in (("hold_out", result.hold_out), ("cross_validation", result.cross_validation)):
        if score is not None:
            yield f"{kind}/nll", score.nll
    for name, estimate in result.estimates.items():
        yield f"estimate/{name}", estimate.value
        yield f"standard_error/{name}", estimate.standard_error


def parts_of(run: StoredRun, names: Names, most: int) -> Iterator[Part]:
    """A part for each of the best starts and each fold. Raises RunError where a table is damaged."""
    starts = run.rows(files.STARTS)
    if starts is not None and len(starts) > 1:
        objectives = starts.numbers(starts.position("objective")).tolist()
        order = sorted(range(len(starts)), key=lambda k: (math.isnan(objectives[k]), objectives[k]))
        width = len(str(len(starts)))
        for k in order[:most]:
            row = dict(zip(starts.header, starts.cells[k], strict=True))
            kept = ("objective", "seconds", "evaluations", "left_to_gain")
            series = {name: [_number(row.pop(name, ""))] for name in kept}
            ok = row.get("status") != str(Status.FAILED)
            name = f"start-{row.pop('start', str(k + 1)).zfill(width)}"
            yield Part(name, "FINISHED" if ok else "FAILED", _texts(row, names), _present(series))
    folds = run.rows(files.FOLDS)
    if folds is not None:
        yield from _folds(folds, names)


def _folds(folds: Rows, names: Names) -> Iterator[Part]:
    for cells in folds.cells:
        row = dict(zip(folds.header, cells, strict=True))
        name = f"fold-{row.pop(folds.header[0])}"
        series = {names(key): [_number(row.pop(key))] for key in list(row) if _number(row[key]) is not None}
        yield Part(name, "FINISHED", _texts(row, names), series)


def _present(series: Mapping[str, list[float | None]]) -> dict[str, list[float | None]]:
    return {name: values for name, values in series.items() if any(value is not None for value in values)}


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _texts(row: Mapping[str, str], names: Names) -> dict[str, str]:
    return {names(key): cut(value, LONGEST, "…") for key, value in row.items() if value}


def status_of(result: Result) -> str:
    """What a tracker calls the way a fit ended."""
    return STATUS.get(result.status, "FINISHED")
