"""A prediction: each curve in each experiment, the band of the curve, and that of a new measurement."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.curve_panels import Curve, CurvePanel, draw_panels, laid_out
from odefit.prediction.predicting import Prediction

BAND, NEW = 0.30, 0.12
"""Opacity of the band of the curve, and of that of a new measurement."""


def draw_prediction(prediction: Prediction) -> Figure:
    """At most twelve panels; a note says what is left out."""
    curves, shown = laid_out(len(prediction.names), len(prediction.experiments))
    panels = [_panel(prediction, name, k) for name in range(curves) for k in range(shown)]
    left = []
    if shown < len(prediction.experiments):
        left.append(f"the first {shown} of {len(prediction.experiments)} experiments")
    if curves < len(prediction.names):
        left.append(f"the first {curves} of {len(prediction.names)} curves")
    columns = shown if curves > 1 else 0
    return draw_panels(panels, columns, prediction.title, "; ".join(left), prediction.time, _handles(prediction))


def _panel(prediction: Prediction, column: int, k: int) -> CurvePanel:
    name, experiment = prediction.names[column], prediction.experiments[k]
    frame = prediction.frame
    rows = frame[(frame["experiment"] == experiment.name) & (frame["observable"] == name)]
    t, y = (rows[part].to_numpy(dtype=np.float64) for part in ("time", "predicted"))
    finite = np.isfinite(t)  # a steady state has no place on the axis
    bands = []
    for low, high, alpha in (("new_low", "new_high", NEW), ("low", "high", BAND)):
        if low in rows:
            ends = [rows[part].to_numpy(dtype=np.float64)[finite] for part in (low, high)]
            bands.append((ends[0], ends[1], alpha))
    unit = prediction.units.get(name)
    label = style.plain(f"{name} ({unit})" if unit else name, 40)
    title = style.experiment_title(experiment.name) if len(prediction.experiments) > 1 else ""
    curve = Curve(t[finite], y[finite], style.BLUE, tuple(bands))
    return CurvePanel(title, label, [curve], _measured(prediction, name, experiment.name), prediction.is_log(name))


def _measured(prediction: Prediction, name: str, experiment: str) -> tuple[FloatArray, FloatArray]:
    return prediction.measured.get((experiment, name), (np.empty(0), np.empty(0)))


def _handles(prediction: Prediction) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [style.line_handle("predicted", style.BLUE)]
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
