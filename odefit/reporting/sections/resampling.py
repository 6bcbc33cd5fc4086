"""Bootstrap and posterior, where the run folder has them: tables with intervals, and histograms of the samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from odefit.arrays import FloatArray
from odefit.reporting.blocks import Block, Bullets, Figure, Paragraph, Section, Sign, Table
from odefit.reporting.charts.marks import Bars, Mark, Rule
from odefit.reporting.charts.panel import SMALL, Axes, panel
from odefit.reporting.charts.scales import Scale
from odefit.reporting.markup import element
from odefit.reporting.words import interval_text, shown
from odefit.resampling.storage import read_summary
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.sampling.storage import read_summary as read_posterior
from odefit.status import Status

OPEN = 24
"""Histograms."""
BINS = 30
LEFT_OUT = 0.005
"""The share of samples on each side that may lie beyond the axis."""


def bootstrap(run: StoredRun) -> Section | None:
    """The section; None where there is no bootstrap. Raises RunError where its files are damaged."""
    summary, rows = read_summary(run), run.rows(files.BOOTSTRAP)
    if summary is None or rows is None:
        return None
    counts, estimates = summary["samples"], summary["estimates"]
    used = np.array([status == Status.CONVERGED for status in rows.text(1)], dtype=bool)
    words = (
        f"{counts['converged']:,} of {counts['finished']:,} {summary['kind']} samples converged (seed "
        f"{summary['seed']}). Data drawn anew, fitted like the measured ones, show how the estimates scatter, whatever "
        "the curvature says."
    )
    table: list[Sequence[str | Markup | None]] = []
    panels: list[Markup] = []
    for name, e in estimates.items():
        numbers = (shown(e["value"]), shown(e["standard_error"], 2), shown(e["wald_standard_error"], 2))
        ends = e["interval"] or (None, None)
        table.append([element("code", name), *numbers, shown(e["bias"], 2), interval_text(*ends), e["unit"]])
        values = rows.numbers(rows.position(name))[used]
        if len(panels) < OPEN and np.isfinite(values).sum() > 1:
            panels.append(_histogram(name, e["unit"], values, e["value"], ends))
    level = f"{100 * summary['level']:g} %"
    header = ("parameter", "estimate", "std. error", "by curvature", "bias", f"{level} interval", "unit")
    signs = _signs(level)
    blocks: list[Block] = [
        Paragraph(words),
        Table(f"Bootstrap ({summary['interval_kind']} intervals)", header, table, frozenset(range(1, 6))),
        Figure("Estimates of the samples.", panels, signs, "small"),
    ]
    if summary.get("notes"):
        blocks.append(Bullets(summary["notes"]))
    return Section("bootstrap", "Bootstrap", blocks)


def posterior(run: StoredRun) -> Section | None:
    """The section; None where there are no draws. Raises RunError where their files are damaged."""
    summary, rows = read_posterior(run), run.rows(files.POSTERIOR)
    if rows is None or summary is None:
        return None
    known: Mapping[str, Mapping[str, Any]] = summary["parameters"]
    priors: Mapping[str, str] = summary.get("priors") or {}
    verdict = summary.get("verdict")
    sentence = verdict.get("sentence") if isinstance(verdict, Mapping) else verdict
    level = f"{100 * float(summary.get('level', 0.95)):g} %"
    chains = len(set(rows.text(rows.position("chain"))))
    words = f"{len(rows):,} draws of {chains} chains from the posterior under the priors." + (
        f" {str(sentence)[:1].upper()}{str(sentence)[1:]}." if sentence else ""
    )
    table: list[Sequence[str | Markup | None]] = []
    panels: list[Markup] = []
    for name, p in known.items():
        ends = p.get("interval") or (None, None)
        numbers = (shown(p.get("mean")), shown(p.get("sd"), 2), shown(p.get("median")), interval_text(*ends))
        r_hat = "–" if p.get("r_hat") is None else f"{p['r_hat']:.3f}"
        checks = (r_hat, shown(p.get("ess_bulk"), 4))
        table.append([element("code", name), *numbers, *checks, p.get("unit"), priors.get(name)])
        if len(panels) < OPEN and name in rows.header:
            values = rows.numbers(rows.header.index(name))
            panels.append(_histogram(name, p.get("unit"), values, p.get("median"), ends))
    header = ("parameter", "mean", "sd", "median", f"{level} interval", "R-hat", "effective draws", "unit", "prior")
    blocks: list[Block] = [Paragraph(words), Table("Posterior", header, table, frozenset(range(1, 7)))]
    if panels:
        blocks.append(Figure("Draws of the posterior.", panels, _signs(level, "median"), "small"))
    return Section("posterior", "Posterior", blocks)


def _signs(level: str, middle: str = "estimate") -> list[Sign]:
    return [
        Sign("c0", "band", "samples"),
        Sign("c5", "line", middle),
        Sign("c5 dashed", "line", f"{level} interval"),
    ]


def _histogram(
    name: str, unit: str | None, values: FloatArray, middle: float | None, ends: Sequence[float | None]
) -> Markup:
    values = values[np.isfinite(values)]
    inside = [v for v in (middle, *ends) if v is not None and math.isfinite(v)]
    low, high = np.quantile(values, [LEFT_OUT, 1 - LEFT_OUT])
    low, high = min([float(low), *inside]), max([float(high), *inside])
    room = 0.04 * (high - low) or 1.0
    edges = np.linspace(low - room, high + room, BINS + 1)
    counts = np.histogram(values, edges)[0].astype(np.float64)
    marks: list[Mark] = [Bars(edges, counts)]
    marks += [Rule(float(end), "c5 dashed", upright=True) for end in ends if end is not None and math.isfinite(end)]
    marks += [] if middle is None else [Rule(middle, "c5", upright=True)]
    label = f"{name} ({unit})" if unit else name
    y = Scale(0.0, 1.06 * float(counts.max(initial=1.0)))
    axes = Axes(Scale(low - room, high + room), y, label, "samples", name)
    about = f"Histogram of {len(values)} samples of {name}, from {shown(values.min(), 3)} to {shown(values.max(), 3)}"
    return panel(axes, marks, about, SMALL)
