"""PEtab's visualisation table as the section `plots`: a picture for each plot id, a curve for each of its rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from odefit.interop.draft import DraftCurve, DraftPlot
from odefit.interop.petab_problem import PetabProblem

MAX_PLOTS = 1000


def plots_of(problem: PetabProblem, columns: Collection[str]) -> tuple[dict[str, DraftPlot], list[str]]:
    """The pictures that a problem asks for, and what of it cannot be drawn.

    Parameters
    ----------
    problem
        With the rows of its visualisation tables.
    columns
        Columns of numbers in the table of experiments, which may be an axis.
    """
    datasets: dict[str, dict[str, dict[str, None]]] = {}
    measured: dict[str, dict[str, None]] = {}
    for row in problem.measurements:
        measured.setdefault(row.observable, {})[row.experiment] = None
        if row.dataset:
            datasets.setdefault(row.dataset, {}).setdefault(row.observable, {})[row.experiment] = None
    rows: dict[str, list[Mapping[str, str]]] = {}
    for cells in problem.pictures:
        if cells.get("plotId"):
            rows.setdefault(cells["plotId"], []).append(cells)
    plots: dict[str, DraftPlot] = {}
    left: list[str] = []
    for name, own in list(rows.items())[:MAX_PLOTS]:
        axis = own[0].get("xValues") or "time"
        curves = [curve for row in own for curve in _curves(row, measured, datasets)]
        if not curves or (axis != "time" and axis not in columns):
            left.append(name)
            continue
        plots[_name(name, plots)] = DraftPlot(
            title=own[0].get("plotName") or name,
            curves=curves,
            x=axis,
            x_label=own[0].get("xLabel", ""),
            y_label=own[0].get("yLabel", ""),
            x_log=own[0].get("xScale", "").startswith("log"),
            y_log=own[0].get("yScale", "").startswith("log"),
            x_offset=_number(own[0].get("xOffset", "")),
        )
    if not left:
        return plots, []
    return plots, [
        f"plots that are left out, for they show no measured observable or have another axis: {', '.join(left)}"
    ]


def _curves(
    row: Mapping[str, str],
    measured: Mapping[str, Mapping[str, None]],
    datasets: Mapping[str, Mapping[str, Mapping[str, None]]],
) -> list[DraftCurve]:
    names = [name.strip() for name in row.get("datasetId", "").split(";") if name.strip()]
    wanted = row.get("yValues", "")
    found: dict[str, dict[str, None]] = {}
    for source in [datasets.get(name, {}) for name in names] if names else [measured]:
        for observable, experiments in source.items():
            if wanted in ("", observable):
                found.setdefault(observable, {}).update(experiments)
    return [
        DraftCurve(observable, list(experiments), row.get("legendEntry", ""))
        for observable, experiments in found.items()
    ]


def _name(plot: str, taken: Collection[str]) -> str:
    """A key of the config; the id itself where it can be one."""
    made = re.sub(r"\W", "_", plot, flags=re.ASCII)[:60]
    made = made if re.match("[A-Za-z]", made) else f"plot_{made}"
    while made in taken:
        made += "_"
    return made


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
