"""A prediction: each curve in each experiment, the band of the curve, and that of a new measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.data.unit_words import split_unit
from odefit.plots import style
from odefit.plots.curve_panels import Curve, CurvePanel, draw_panels, laid_out
from odefit.plots.dates import wanted_calendar
from odefit.prediction.fine_times import DENSE
from odefit.prediction.predicting import Prediction
from odefit.runs.tables import frame_of

BAND, NEW = 0.30, 0.12
"""Opacity of the band of the curve, and of that of a new measurement."""


def draw_prediction(prediction: Prediction, dates: bool = False) -> Figure:
    """At most twelve panels; a note says what is left out.

    Raises
    ------
    ConfigError
        `dates` of data that have none.
    """
    curves, shown = laid_out(len(prediction.names), len(prediction.experiments))
    asked = prediction.frame
    table = prediction.fine(shown) if prediction.fine else None
    fine = asked if table is None else frame_of(table.text)
    panels = [_panel(prediction, asked, fine, name, k) for name in range(curves) for k in range(shown)]
    left = []
    if shown < len(prediction.experiments):
        left.append(f"the first {shown} of {len(prediction.experiments)} experiments")
    if curves < len(prediction.names):
        left.append(f"the first {curves} of {len(prediction.names)} curves")
    columns = shown if curves > 1 else 0
    named = [experiment.name for experiment in prediction.experiments[:shown]]
    calendar = wanted_calendar(prediction.dates, named) if dates else None
    time = prediction.time if calendar is None else split_unit(prediction.time)[0]
    handles = _handles(prediction, panels)
    return draw_panels(panels, columns, prediction.title, "; ".join(left), time, handles, calendar)


def _panel(prediction: Prediction, asked: pd.DataFrame, fine: pd.DataFrame, column: int, k: int) -> CurvePanel:
    name, experiment = prediction.names[column], prediction.experiments[k].name
    curve, marks = _curve(fine, name, experiment), _curve(asked, name, experiment)
    if curve.bands:
        marks = replace(marks, bands=())
    is_marked = fine is not asked and len(marks.t) < DENSE and bool(prediction.are_asked or marks.bands)
    unit = prediction.units.get(name)
    label = style.plain(f"{name} ({unit})" if unit else name, 40)
    title = style.experiment_title(experiment) if len(prediction.experiments) > 1 else ""
    points, is_log = _measured(prediction, name, experiment), prediction.is_log(name)
    return CurvePanel(title, label, [curve], points, is_log, marks if is_marked else None)


def _curve(frame: pd.DataFrame, name: str, experiment: str) -> Curve:
    """A curve of a table; without its steady state, which has no place on the axis."""
    rows = frame[(frame["experiment"] == experiment) & (frame["observable"] == name) & np.isfinite(frame["time"])]
    pairs = (("new_low", "new_high", NEW), ("low", "high", BAND))
    bands = tuple((_numbers(rows, low), _numbers(rows, high), alpha) for low, high, alpha in pairs if low in rows)
    return Curve(_numbers(rows, "time"), _numbers(rows, "predicted"), style.BLUE, bands)


def _numbers(rows: pd.DataFrame, column: str) -> FloatArray:
    return rows[column].to_numpy(dtype=np.float64)


def _measured(prediction: Prediction, name: str, experiment: str) -> tuple[FloatArray, FloatArray]:
    return prediction.measured.get((experiment, name), (np.empty(0), np.empty(0)))


def _handles(prediction: Prediction, panels: Sequence[CurvePanel]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [style.line_handle("predicted", style.BLUE)]
    if any(panel.marks for panel in panels):
        handles.append(style.point_handle("at the times in the table", style.BLUE, hollow=True))
    if any(len(t) for t, _ in prediction.measured.values()):
        handles.append(style.point_handle("measured", style.BLACK))
    if "low" in prediction.frame and prediction.frame["low"].notna().any():
        percent = f"{100 * prediction.level:g} %"
        kind = {"wald": "", "profile": " (profile)", "bootstrap": " (bootstrap)", "posterior": " (posterior)"}
        what = f"{percent} confidence band{kind[prediction.bands]}"
        handles.append(style.patch_handle(what, style.BLUE, BAND + NEW))
        if prediction.frame["new_low"].notna().any():
            handles.append(style.patch_handle(f"{percent} prediction band", style.BLUE, NEW + 0.06))
    return handles
