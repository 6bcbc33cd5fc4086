"""The panels of a time series: how they are laid out, and which limits they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes

from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.plots.curves import Points, Trace, points
from odefit.plots.plate import places
from odefit.plots.selection import Quantity, Selection
from odefit.records import dataclass

MAX_PANELS = 12
"""Panels of a picture."""
MOST_PANELS = 400
"""The same where all were asked for."""
MAX_TOGETHER = 2
"""Observables in one panel."""
COMPARABLE = 10.0
"""Ranges are comparable when the larger is at most this many times the smaller."""
MIN_LOG_SPREAD = 100.0
"""Measurements with log-normal noise have a logarithmic axis when the largest is this many times the smallest."""
BAND_SHARE = 0.4
"""A band may widen the limits of the axis by this share of what the points and curves take."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes: some quantities of one group."""

    trace: Trace
    quantities: tuple[Quantity, ...]


@dataclass(frozen=True)
class Plan:
    """The panels of a picture.

    Parameters
    ----------
    panels
        Row by row.
    shape
        Rows and columns.
    together
        The quantities of an experiment share a panel.
    is_matrix
        There is a row per quantity, and a column per experiment.
    names_experiments
        There are several.
    notes
        What is left out.
    logarithmic
        Quantities on a logarithmic axis.
    at
        The place (row, column) of each panel, where they do not stand row by row.
    """

    panels: tuple[Panel, ...]
    shape: tuple[int, int]
    together: bool
    is_matrix: bool
    names_experiments: bool
    notes: tuple[str, ...]
    logarithmic: frozenset[Quantity]
    at: tuple[tuple[int, int], ...] = ()

    @property
    def one_quantity(self) -> bool:
        """True where all panels show the same."""
        return len({panel.quantities for panel in self.panels}) == 1


def plan_panels(
    run: Run, selection: Selection, traces: Sequence[Trace], log_y: bool = False, every: bool = False
) -> Plan:
    """Lay out at most twelve panels: the quantities of an experiment together where they compare, else apart.

    log_y: all have logarithmic axes. every: a panel for each experiment, as on a plate where they are wells of one.
    """
    if every and len(traces) > 1:
        return _every_panel(run, selection, traces, log_y)
    quantities = selection.series
    together = 1 < len(quantities) <= MAX_TOGETHER and are_comparable(run, quantities, traces)
    several = len(run.measured) > 1
    if together or len(quantities) == 1:
        kept = traces[:MAX_PANELS]
        panels = tuple(Panel(trace, quantities) for trace in kept)
        n, shape, matrix = len(quantities), _grid(len(kept)), False
    elif len(selection.groups) > 1:
        n = min(len(quantities), MAX_PANELS)
        kept = traces[: max(1, min(3, MAX_PANELS // n))]
        panels = tuple(Panel(trace, (q,)) for q in quantities[:n] for trace in kept)
        shape, matrix = (n, len(kept)), True
    else:
        kept, n = traces[:1], min(len(quantities), MAX_PANELS)
        panels = tuple(Panel(kept[0], (q,)) for q in quantities[:n])
        shape, matrix = ((n, 1) if n <= 5 else _grid(n)), False
    notes = []
    if len(kept) < len(selection.groups):
        what = "the first experiment" if len(kept) == 1 else f"the first {len(kept)} experiments"
        notes.append(f"{what} of {len(selection.groups)}")
    if n < len(quantities):
        notes.append(f"the first {n} observables of {len(quantities)}")
    logarithmic = frozenset(q for q in quantities[:n] if log_y or is_log(run, q, kept))
    return Plan(panels, shape, together, matrix, several, tuple(notes), logarithmic)


def _every_panel(run: Run, selection: Selection, traces: Sequence[Trace], log_y: bool) -> Plan:
    """One small panel for each experiment, with its first two observables where they compare, else the first."""
    quantities = selection.series[:MAX_TOGETHER]
    if len(quantities) > 1 and not are_comparable(run, quantities, traces):
        quantities = quantities[:1]
    shape, at = places([trace.group.name for trace in traces])
    left_out = len(selection.series) - len(quantities)
    notes = (
        [f"{quantities[-1].name} and before, of {len(selection.series)} observables: see --states"] if left_out else []
    )
    notes += [f"the first {len(traces)} experiments of {len(selection.groups)}"] * (len(traces) < len(selection.groups))
    logarithmic = frozenset(q for q in quantities if log_y or is_log(run, q, traces))
    panels = tuple(Panel(trace, quantities) for trace in traces)
    return Plan(panels, shape, len(quantities) > 1, False, True, tuple(notes), logarithmic, tuple(at))


def _grid(n: int) -> tuple[int, int]:
    columns = n if n <= 3 else 2 if n == 4 else 3 if n <= 9 else 4
    return math.ceil(n / columns), columns


def are_comparable(run: Run, quantities: Sequence[Quantity], traces: Sequence[Trace]) -> bool:
    """True where quantities have one unit, or none, and sizes that one axis can show."""
    if len({q.unit for q in quantities}) > 1:
        return False
    sizes = []
    for quantity in quantities:
        values = [np.abs(trace.values(quantity)) for trace in traces]
        values += [np.abs(points(run, trace.group, quantity).d) for trace in traces]
        known = np.concatenate(values)
        sizes.append(float(known[np.isfinite(known)].max(initial=0.0)))
    return max(sizes) <= COMPARABLE * min(sizes)


def is_log(run: Run, quantity: Quantity, traces: Sequence[Trace]) -> bool:
    """True for a logarithmic axis: with log-normal noise, where the measurements spread over two decades."""
    if quantity.observable is None:
        return False
    noise = run.assembly.problem.observation.noise[run.observables[quantity.observable]]
    d = np.concatenate([points(run, trace.group, quantity).d for trace in traces])
    return noise.is_log and len(d) > 0 and float(d.max()) >= MIN_LOG_SPREAD * float(d.min())


def share_limits(
    axes: Sequence[Axes],
    plan: Plan,
    shown: Sequence[Sequence[Points]],
    limits: tuple[float, float] | None,
    names: tuple[str, ...],
) -> None:
    """Give panels of the same quantities the same limits, where their ranges compare."""
    spans = [(float(p.trace.times[0]), max(float(p.trace.times[-1]), p.trace.end)) for p in plan.panels]
    widths = [high - low for low, high in spans if high > low]
    alike = bool(widths) and max(widths) <= 3 * min(widths)
    union = (min(low for low, _ in spans), max(high for _, high in spans))
    for ax, span in zip(axes, spans, strict=True):
        low, high = limits or (union if alike else span)
        pad = 0.02 * (high - low) or 0.5
        if ax.get_xscale() == "linear":
            ax.set_xlim(low - pad, high + pad)
        else:
            transform = cast(Any, ax.xaxis.get_transform())
            ax.set_xlim(low - 0.15 * transform.linthresh, 1.2 * high)
    ranges = [
        axis_range(p, m, ax.get_yscale() == "log", names) for p, m, ax in zip(plan.panels, shown, axes, strict=True)
    ]
    for panel, ax, own in zip(plan.panels, axes, ranges, strict=True):
        partners = [
            r
            for r, p, a in zip(ranges, plan.panels, axes, strict=True)
            if p.quantities == panel.quantities and a.get_yscale() == ax.get_yscale()
        ]
        shared = (min(r[0] for r in partners), max(r[1] for r in partners))
        narrowest = min(r[1] - r[0] for r in partners)
        low, high = shared if shared[1] - shared[0] <= 5 * narrowest else own
        pad = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        ends = np.array([low - pad, high + pad])
        ax.set_ylim(*(np.exp(ends) if ax.get_yscale() == "log" else ends))


def axis_range(panel: Panel, measured: Sequence[Points], log: bool, names: tuple[str, ...]) -> tuple[float, float]:
    """The range of an axis, on its scale: points and curves wholly, bands as far as they leave these readable."""

    def scaled(values: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            on_axis: FloatArray = np.log(values) if log else values
        return on_axis[np.isfinite(on_axis)]

    trace = panel.trace
    core = [scaled(p.d) for p in measured]
    core += [scaled(p.d + sign * p.error) for p in measured if p.error is not None for sign in (-1, 1)]
    core += [scaled(trace.values(q)) for q in panel.quantities]
    core += [scaled(v) for q in panel.quantities if (v := trace.true_values(q, names)) is not None]
    values = np.concatenate(core)
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    bands = [band for q in panel.quantities if (band := trace.band_of(q)) is not None]
    if bands:
        room = BAND_SHARE * (high - low)
        wide = np.concatenate([scaled(b) for x in bands for b in (x.low, x.high, x.noise_low, x.noise_high)])
        if len(wide):
            return max(low - room, min(low, float(wide.min()))), min(high + room, max(high, float(wide.max())))
    return low, high
