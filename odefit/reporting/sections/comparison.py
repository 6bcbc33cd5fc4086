"""The run beside other fits of the same measurements: criteria, tests of nested models, and all curves."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from odefit.comparison.comparing import Comparison
from odefit.plots.comparison_picture import panels_of
from odefit.plots.curve_panels import LOG_SPREAD, CurvePanel
from odefit.plots.selection import time_name
from odefit.plots.style import COLOURS
from odefit.reporting.blocks import Block, Bullets, Figure, Paragraph, Section, Sign, Table
from odefit.reporting.charts.marks import Curve, Dots, Mark
from odefit.reporting.charts.panel import LARGE, MEDIUM, SMALL, Axes, panel
from odefit.reporting.charts.scales import scale_of
from odefit.reporting.words import shown

WORDS = {
    "run": "run",
    "status": "status",
    "parameters": "estimated",
    "measurements": "measurements",
    "nll": "−log likelihood",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "delta": "Δ",
    "weight": "weight",
    "hold_out": "held out",
    "cross_validation": "cross-validation",
}
"""What the columns are called."""


def comparison(found: Comparison | None) -> Section | None:
    """The section; None where nothing was to be compared."""
    if found is None:
        return None
    kept = [k for k in range(len(found.table.header)) if any(row[k] is not None for row in found.table.rows)]
    rows = [[_cell(row[k]) for k in kept] for row in found.table.rows]
    numeric = frozenset(k for k, column in enumerate(kept) if found.table.header[column] not in ("run", "status"))
    caption = "The best first; Δ and weights by AICc where there is one, scores of each held-out measurement."
    blocks: list[Block] = [
        Paragraph(found.judgement, is_lead=True),
        Table(caption, [WORDS[found.table.header[k]] for k in kept], rows, numeric),
    ]
    said = [*(test.sentence for test in found.tests), *found.notes]
    blocks += [Bullets(said)] if said else []
    panels, columns, notes = panels_of(found)
    time = time_name(next(iter(found.runs.values())))
    size, name = (LARGE, "large") if len(panels) == 1 else (MEDIUM, "medium") if len(panels) <= 4 else (SMALL, "small")
    signs = [Sign("ink", "dot", "measured")]
    signs += [Sign(f"c{k}", "line", run) for k, run in zip(range(len(COLOURS)), found.runs, strict=False)]
    words = "; ".join(["Measurements and the curves of all runs", *notes])
    drawn = [_drawn(one, time, size) for one in panels]
    return Section("comparison", "Beside other models", [*blocks, Figure(f"{words}.", drawn, signs, name, columns)])


def _cell(cell: object) -> str | None:
    if cell is None:
        return None
    return shown(cell, 6) if isinstance(cell, float) else str(cell)


def _drawn(one: CurvePanel, time: str, size: tuple[int, int]) -> Markup:
    t, d = one.points
    marks: list[Mark] = [Dots(t, d, "ink")]
    marks += [Curve(curve.t, curve.y, f"c{COLOURS.index(curve.colour)}") for curve in one.curves]
    values = [d, *(curve.y for curve in one.curves)]
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    is_log = one.is_log and len(known) > 0 and known.min() > 0 and known.max() > LOG_SPREAD * known.min()
    axes = Axes(
        scale_of([t[np.isfinite(t)], *(curve.t for curve in one.curves)]),
        scale_of(values, bool(is_log)),
        x_label=time,
        y_label=one.label,
        title=one.title,
    )
    where = f" in {one.title}" if one.title else ""
    about = f"{one.label} over {time}{where}: {len(t)} measurements and {len(one.curves)} curves"
    return panel(axes, marks, about, size)
