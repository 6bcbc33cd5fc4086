"""How the search went: its starts, or the loss of a training."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from odefit.reporting.blocks import Block, Figure, Paragraph, Section, Sign
from odefit.reporting.charts.marks import Curve, Dots, Mark
from odefit.reporting.charts.panel import MEDIUM, Axes, panel
from odefit.reporting.charts.scales import Scale, scale_of
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.runs.tables import Rows
from odefit.status import Status

LEAST_REACH = 2.0
"""Of the axis of the waterfall, upwards from 1, so that rounding is no drama."""


def search(run: StoredRun) -> Section | None:
    """The waterfall of the starts and the way of the loss; None where there is neither."""
    panels, signs = [], []
    starts, history = run.rows(files.STARTS), run.rows(files.HISTORY)
    if starts is not None and len(starts) > 1:
        panels.append(_waterfall(starts, run.result.starts.at_best))
        signs.append(Sign("c5", "dot", "at the best optimum"))
        signs += [Sign("grey", "dot", "elsewhere")] * (run.result.starts.at_best < len(starts))
    if history is not None and len(history) > 1:
        panels.append(_history(history))
    if not panels:
        return None
    s = run.result.starts
    words = f"Finished in {run.result.seconds:.3g} s with seed {run.result.seed}."
    if s.requested > 1:
        failed = f", {s.failed} failed" if s.failed else ""
        many = f"Of {s.requested:,} starts {s.finished:,} finished{failed}, and {s.at_best:,} reached the best optimum."
        words = f"{many} {words}"
    what = [
        *(["The starts, best first: a plateau at the left is an optimum that many found"] if signs else []),
        *(["The objective on its way to the best"] if history is not None and len(history) > 1 else []),
    ]
    blocks: list[Block] = [Paragraph(words), Figure(f"{'. '.join(what)}.", panels, signs, "medium")]
    return Section("search", "The search", blocks)


def _waterfall(rows: Rows, at_best: int) -> Markup:
    status = rows.text(rows.position("status"))
    objective = rows.numbers(rows.position("objective"))
    usable = np.isfinite(objective) & np.array([s != Status.FAILED for s in status])
    values = np.sort(objective[usable])
    rank = np.arange(1, len(values) + 1, dtype=np.float64)
    height = 1.0 + values - (values[0] if len(values) else 0.0)
    best = min(at_best, len(values))
    marks: list[Mark] = [Dots(rank[best:], height[best:], "grey"), Dots(rank[:best], height[:best], "c5")]
    top = max(LEAST_REACH, float(height.max(initial=1.0)))
    y = Scale(top**-0.06, top**1.08, True)
    x = Scale(0.5 - 0.02 * len(values), len(values) + 0.5 + 0.02 * len(values))
    about = f"{len(values)} starts by their objective: {best} of them at the best optimum"
    return panel(Axes(x, y, "start, best first", "1 + objective − best"), marks, about, MEDIUM)


def _history(rows: Rows) -> Markup:
    steps, values, name = rows.numbers(0), rows.numbers(1), rows.header[1]
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if len(finite) else 0.0
    above = finite[finite > low] - low
    label, is_log = name, False
    if name == "loss" and low > 0:
        is_log = bool(finite.max() > 10 * low)
    elif len(above) > 1 and above.max() > 10 * above.min():
        values, label, is_log = np.maximum(values - low, 1e-10 * max(1.0, abs(low))), f"{name} above its best", True
    marks: list[Mark] = [Curve(steps, values)]
    marks += [Dots(steps, values)] if len(steps) <= 40 else []
    axes = Axes(scale_of([steps]), scale_of([values], is_log), rows.header[0], label)
    return panel(axes, marks, f"{label} over {len(steps)} steps", MEDIUM)
