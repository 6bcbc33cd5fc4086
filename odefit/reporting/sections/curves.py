"""The fit in pictures: a small panel for each experiment, with measurements, curve, bands, doses and the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from odefit.arrays import FloatArray
from odefit.plots.band_kinds import NAMES
from odefit.plots.curves import Points, Trace, log_threshold, points
from odefit.plots.panels import Panel, are_comparable, axis_range, is_log
from odefit.plots.selection import Quantity, time_name
from odefit.records import dataclass
from odefit.reporting.blocks import Block, Figure, Paragraph, Section, Sign
from odefit.reporting.charts.marks import Band, Curve, Dots, Mark, Whiskers
from odefit.reporting.charts.panel import LARGE, MEDIUM, SMALL, Axes, panel
from odefit.reporting.charts.scales import Scale
from odefit.reporting.material import Material
from odefit.text import counted, experiment_called

OPEN, PAGE = 12, 24
"""Panels that are open, and those of each further page."""
ALIKE = 5.0
"""Axes are shared where the widest is at most this many times the narrowest."""
MOST_TOGETHER = 2
"""Observables in one panel."""
MARGIN = 0.06


@dataclass(frozen=True)
class _Cell:
    """What one panel shows: some quantities of a group, with their measurements."""

    panel: Panel
    measured: tuple[Points, ...]
    is_log: bool
    low: float
    high: float


def curves(material: Material) -> Section | None:
    """The section; a sentence where the model cannot be solved."""
    run, chosen = material.run, material.selection
    if not material.traces:
        return Section("curves", "The fit", [Paragraph(f"There are no curves: {material.solved[1]}")])
    traces = material.traces
    together = 1 < len(chosen.series) <= MOST_TOGETHER and are_comparable(run, chosen.series, traces)
    sets = [tuple(chosen.series)] if together else [(q,) for q in chosen.series]
    logarithmic = [all(is_log(run, q, traces) for q in quantities) for quantities in sets]
    cells = [
        [_cell(material, one, quantities, log) for one in traces]
        for quantities, log in zip(sets, logarithmic, strict=True)
    ]
    cells = [_shared(row) for row in cells]
    # An experiment after the other, its quantities side by side.
    order = [cell for column in zip(*cells, strict=True) for cell in column]
    size, name = (LARGE, "large") if len(order) == 1 else (MEDIUM, "medium") if len(order) <= 4 else (SMALL, "small")
    shared = _same_times(traces)
    drawn = [_drawn(material, cell, together, shared, size) for cell in order]
    columns = len(sets) if 1 < len(sets) <= 6 and len(traces) > 1 else 0
    page = PAGE // columns * columns if columns else PAGE
    first = max(OPEN // columns, 1) * columns if columns else OPEN
    more = [(_page_title(order[k : k + page]), drawn[k : k + page]) for k in range(first, len(drawn), page)]
    caption = f"Measurements and fitted curves of {counted(len(traces), 'experiment')}."
    groups = len(chosen.groups)
    caption += f" The first {len(traces)} of {groups:,} experiments are drawn." if len(traces) < groups else ""
    figure = Figure(caption, drawn[:first], _legend(material, order, together), name, columns, more)
    blocks: list[Block] = [figure]
    return Section("curves", "The fit", blocks)


def _page_title(cells: Sequence[_Cell]) -> str:
    names = list(dict.fromkeys(cell.panel.trace.group.name for cell in cells))
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _cell(material: Material, one: Trace, quantities: tuple[Quantity, ...], log: bool) -> _Cell:
    measured = tuple(points(material.run, one.group, q) for q in quantities)
    shown = Panel(one, quantities)
    low, high = axis_range(shown, measured, log, material.run.observables)
    return _Cell(shown, measured, log, low, high)


def _shared(cells: Sequence[_Cell]) -> list[_Cell]:
    """With one upright axis for all, where that hides nothing."""
    low, high = min(c.low for c in cells), max(c.high for c in cells)
    if high - low > ALIKE * min(c.high - c.low for c in cells):
        return list(cells)
    return [_Cell(c.panel, c.measured, c.is_log, low, high) for c in cells]


def _same_times(traces: Sequence[Trace]) -> tuple[float, float] | None:
    """One span for all axes of time, where the spans compare."""
    spans = [(float(one.times[0]), max(float(one.times[-1]), one.end)) for one in traces if np.isfinite(one.end)]
    widths = [b - a for a, b in spans if b > a]
    if not widths or max(widths) > 3 * min(widths):
        return None
    return min(a for a, _ in spans), max(b for _, b in spans)


def _drawn(
    material: Material, cell: _Cell, together: bool, span: tuple[float, float] | None, size: tuple[int, int]
) -> Markup:
    run, one = material.run, cell.panel.trace
    marks: list[Mark] = []
    for k, (quantity, at) in enumerate(zip(cell.panel.quantities, cell.measured, strict=True)):
        marks += _marks(run.observables, one, quantity, at, f"c{k}", together)
    start, end = span or (float(one.times[0]), float(one.times[-1]))
    marks += dose_marks(material, one, cell)
    pad = MARGIN * (cell.high - cell.low) or MARGIN * abs(cell.high) or 1.0
    ends = np.array([cell.low - pad, cell.high + pad])
    ends = np.exp(ends) if cell.is_log else ends
    threshold = log_threshold(run, [one.group])
    edge = 0.02 * (end - start) or 0.5
    x = Scale(start - edge, end + edge)
    if threshold is not None:
        x = Scale(start - 0.1 * threshold, 1.15 * end, False, threshold)
    name = one.group.name
    several = len(material.selection.groups) > 1
    what = " and ".join(q.name for q in cell.panel.quantities)
    unit = cell.panel.quantities[0].unit
    axes = Axes(
        x,
        Scale(float(ends[0]), float(ends[1]), cell.is_log),
        x_label=time_name(run),
        y_label=f"{what} ({unit})" if unit else what,
        title=experiment_called(name) if several else "",
    )
    n = sum(len(p.t) for p in cell.measured)
    about = f"{what} over {axes.x_label} in experiment {name}: {n} measurements and the fitted curve"
    return panel(axes, marks, about, size)


def _marks(
    names: tuple[str, ...], one: Trace, quantity: Quantity, at: Points, looks: str, together: bool
) -> list[Mark]:
    marks: list[Mark] = []
    band = one.band_of(quantity)
    if band is not None:
        marks.append(Band(one.times, band.noise_low, band.noise_high, f"{looks} faint"))
        marks.append(Band(one.times, band.low, band.high, looks))
    dense = len(at.t) > 60
    dots = _dots(at, looks if together else "ink")
    marks += dots if dense else []
    marks.append(Curve(one.times, one.values(quantity), looks))
    truth = one.true_values(quantity, names)
    if truth is not None and one.truth is not None:
        marks.append(Curve(one.truth.times, truth, "c5 dashed"))
    return marks if dense else [*marks, *dots]


def _dots(at: Points, looks: str) -> list[Mark]:
    """Filled: what the fit saw; rings: what it did not; triangles point to where the truth lies beyond a limit; bars
    span the two values between which it lies."""
    marks: list[Mark] = []
    if at.error is not None:
        marks.append(Whiskers(at.t, at.d - at.error, at.d + at.error, looks))
    both = at.only(at.between)
    if len(both.t):
        marks.append(Whiskers(both.t, both.far, both.d, looks))
    at = at.only(~at.between)
    for (side, shape), held in itertools.product(((0, "dot"), (-1, "down"), (1, "up")), (False, True)):
        part = at.only((at.side == side) & (at.held == held))
        if len(part.t):
            marks.append(Dots(part.t, part.d, looks, "ring" if held and side == 0 else shape))
    return marks


def dose_marks(material: Material, one: Trace, cell: _Cell) -> list[Mark]:
    """A small triangle on the axis at each dose, a bar for as long as it lasts."""
    doses = material.run.measured[one.group.members[0]].doses
    if not doses:
        return []
    pad = MARGIN * (cell.high - cell.low) or MARGIN * abs(cell.high) or 1.0
    foot = cell.low - 0.6 * pad
    level = float(np.exp(foot)) if cell.is_log else foot
    at: FloatArray = np.array([dose.time for dose in doses])
    last = np.array([dose.time + dose.duration for dose in doses])
    marks: list[Mark] = [Dots(at, np.full(len(at), level), "dose", "up")]
    if (last > at).any():
        marks.append(Whiskers(np.full(len(at), level), at, last, "dose", across=True))
    return marks


def _legend(material: Material, cells: Sequence[_Cell], together: bool) -> list[Sign]:
    """The signs, each once, and only those that occur."""
    ink = "ink" if not together else "grey"
    every = [p for cell in cells for p in cell.measured]
    signs = []
    if together:
        signs += [Sign(f"c{k}", "line", q.name) for k, q in enumerate(cells[0].panel.quantities)]
    if any(((p.side == 0) & ~p.held).any() for p in every):
        signs.append(Sign(ink, "dot", "measured"))
    if any(p.held.any() for p in every):
        signs.append(Sign(ink, "ring", "held out of the fit"))
    if any(p.between.any() for p in every):
        signs.append(Sign(ink, "bar", "between two values"))
    if any(((p.side < 0) & ~p.between).any() for p in every):
        signs.append(Sign(ink, "down", "below this limit"))
    if any(((p.side > 0) & ~p.between).any() for p in every):
        signs.append(Sign(ink, "up", "above this limit"))
    line = "c0" if not together else "grey"
    signs.append(Sign(line, "line", "fitted"))
    bands = [band for cell in cells for q in cell.panel.quantities if (band := cell.panel.trace.band_of(q)) is not None]
    if any(np.isfinite(band.low).sum() > 1 for band in bands):
        signs.append(Sign(line, "band", NAMES[cells[0].panel.trace.band_kind]))
    if any(np.isfinite(band.noise_low).sum() > 1 for band in bands):
        signs.append(Sign(f"{line} faint", "band", "95 % of new measurements"))
    if any(cell.panel.trace.truth is not None for cell in cells):
        signs.append(Sign("c5 dashed", "line", "true"))
    if any(e.doses for e in material.run.measured):
        signs.append(Sign("dose", "up", "dose"))
    return signs
