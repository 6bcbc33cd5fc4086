"""What the curves leave over: against time, prediction, the normal distribution and by experiment."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile, ordered_quantiles
from odefit.plots.compared import Compared
from odefit.plots.curves import log_threshold
from odefit.plots.selection import time_name
from odefit.reporting.blocks import Block, Figure, Section, Sign, Table
from odefit.reporting.charts.marks import Band, Dots, Mark, Rule, Whiskers
from odefit.reporting.charts.panel import SMALL, Axes, panel
from odefit.reporting.charts.scales import Scale, scale_of
from odefit.reporting.material import Material

MOST_OBSERVABLES = 12
MOST_EXPERIMENTS = 60
"""Rows of the residuals by experiment; with more, the most deviating are shown."""


def residuals(material: Material) -> Section | None:
    """The section; None where there is no measurement to compare with."""
    found = [r for r in material.compared if len(r.r)]
    if not found:
        return None
    chosen = found[:MOST_OBSERVABLES]
    several = len(material.run.measured) > 1
    panels = []
    for r in chosen:
        panels += [_observed(r), _over_time(material, r), _over_prediction(r), _quantiles(r)]
    more = f" The first {len(chosen)} observables of {len(found)}." if len(found) > len(chosen) else ""
    caption = (
        "Observed against predicted; residuals (measured less fitted, over σ) against time and against the prediction; "
        f"and their quantiles beside those of the normal distribution.{more}"
    )
    signs = [
        Sign("c0", "dot", "one measurement"),
        Sign("rule dashed", "line", "± 2 σ"),
        Sign("grey", "band", "where 95 % of normal samples lie"),
    ]
    blocks: list[Block] = [_table(found), Figure(caption, panels, signs, "small", 4)]
    if several:
        by = [_by_experiment(material, r) for r in chosen]
        note = "Residuals by experiment, with the mean of each."
        if len({int(k) for r in found for k in r.experiment}) > MOST_EXPERIMENTS:
            note += f" The {MOST_EXPERIMENTS} experiments whose means deviate most are shown."
        signs = [Sign("c0", "dot", "one measurement"), Sign("c5", "diamond", "mean of the experiment")]
        blocks.append(Figure(note, by, signs, "medium"))
    return Section("residuals", "Residuals", blocks)


def _table(found: list[Compared]) -> Table:
    rows: list[list[str | Markup | None]] = []
    for r in found:
        order = np.lexsort((r.t, r.experiment))
        signs, own = r.r[order] > 0, r.experiment[order]
        pairs = own[1:] == own[:-1]
        alike = f"{100 * np.mean(signs[1:][pairs] == signs[:-1][pairs]):.0f} %" if pairs.any() else "–"
        cells = [r.name, str(len(r.r)), f"{r.r.mean():z.2f}".replace("-", "−"), f"{r.r.std():.2f}"]
        rows.append([*cells, f"{100 * np.mean(np.abs(r.r) > 2):.1f} %", f"{np.abs(r.r).max():.2f}", alike])
    header = ("observable", "measurements", "mean", "spread", "beyond ± 2 σ", "largest", "neighbours on one side")
    caption = "Standardised residuals. Expected are: mean 0, spread about 1, 5 % beyond ± 2 σ, half of all neighbours"
    return Table(f"{caption} on one side", header, rows, frozenset(range(1, 7)))


def _observed(r: Compared) -> Markup:
    both = scale_of([r.measured, r.predicted], r.is_log)
    marks: list[Mark] = [Rule(0.0, "rule", diagonal=True), Dots(r.predicted, r.measured)]
    about = f"{r.name}: {len(r.r)} measurements over their predictions"
    return panel(Axes(both, both, "predicted", "observed", r.name), marks, about, SMALL)


def _reach(r: Compared) -> Scale:
    top = 1.12 * max(2.6, float(np.abs(np.append(r.r, r.normal)).max(initial=0.0)))
    return Scale(-top, top)


def _levels() -> list[Mark]:
    return [Rule(0.0, "rule"), Rule(2.0, "rule dashed"), Rule(-2.0, "rule dashed")]


def _over_time(material: Material, r: Compared) -> Markup:
    finite = np.isfinite(r.t)
    threshold = log_threshold(material.run, material.selection.groups)
    x = scale_of([r.t[finite]], threshold=threshold)
    marks = [*_levels(), Dots(r.t[finite], r.r[finite])]
    axes = Axes(x, _reach(r), time_name(material.run), "residual / σ", r.name)
    return panel(axes, marks, f"{r.name}: residuals over time", SMALL)


def _over_prediction(r: Compared) -> Markup:
    x = scale_of([r.predicted], r.is_log)
    axes = Axes(x, _reach(r), "predicted", "residual / σ", r.name)
    return panel(axes, [*_levels(), Dots(r.predicted, r.r)], f"{r.name}: residuals over the prediction", SMALL)


def _quantiles(r: Compared) -> Markup:
    n = len(r.normal)
    k = np.arange(1, n + 1, dtype=np.float64)
    q: FloatArray = normal_quantile((k - 0.375) / (n + 0.25))  # Blom (1958)
    low = normal_quantile(ordered_quantiles(n, 0.025))
    marks: list[Mark] = [Band(q, low, -low[::-1], "grey"), Rule(0.0, "rule", diagonal=True), Dots(q, np.sort(r.normal))]
    edge = max(2.2, 1.1 * float(q[-1]))
    own = not np.allclose(r.r, r.normal, rtol=1e-6, atol=1e-6)
    axes = Axes(
        Scale(-edge, edge), _reach(r), "normal quantile", "quantile residual" if own else "residual / σ", r.name
    )
    return panel(axes, marks, f"{r.name}: ordered residuals over normal quantiles", SMALL)


def _by_experiment(material: Material, r: Compared) -> Markup:
    rows = [int(k) for k in dict.fromkeys(r.experiment.tolist())]
    means = {row: float(r.r[r.experiment == row].mean()) for row in rows}
    if len(rows) > MOST_EXPERIMENTS:
        worst = sorted(rows, key=lambda row: -abs(means[row]))[:MOST_EXPERIMENTS]
        rows = [row for row in rows if row in set(worst)]
    height = {row: float(len(rows) - 1 - k) for k, row in enumerate(rows)}
    kept = np.isin(r.experiment, rows)
    at = np.array([height[int(row)] for row in r.experiment[kept]])
    heights = np.array(list(height.values()))
    middle = np.array([means[row] for row in rows])
    marks: list[Mark] = [
        Rule(level, looks, upright=True) for level, looks in ((0, "rule"), (2, "rule dashed"), (-2, "rule dashed"))
    ]
    marks.append(Whiskers(heights, np.minimum(middle, 0), np.maximum(middle, 0), "c5", across=True))
    marks += [Dots(r.r[kept], at, "c0"), Dots(middle, heights, "c5", "diamond")]
    names = tuple(material.run.measured[row].name for row in rows)
    axes = Axes(_reach(r), Scale(-0.7, len(rows) - 0.3), "residual / σ", title=r.name, categories=names)
    about = f"{r.name}: residuals of {len(rows)} experiments, one below the other"
    return panel(axes, marks, about, (420, 62 + 15 * len(rows)))
