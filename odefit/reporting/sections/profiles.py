"""Profile likelihoods, where the run folder has them: intervals with verdicts, and the curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from odefit.plots.profiles import ABOVE, is_log_axis, limits, smooth
from odefit.profiles.records import Profile, Profiles, Verdict, read_profiles
from odefit.reporting.blocks import Block, Bullets, Figure, Paragraph, Section, Sign, Table
from odefit.reporting.charts.marks import Band, Curve, Dots, Mark, Rule
from odefit.reporting.charts.panel import SMALL, Axes, panel
from odefit.reporting.charts.scales import Scale
from odefit.reporting.markup import element
from odefit.reporting.words import interval_text, shown
from odefit.runs.stored import StoredRun

OPEN, PAGE = 12, 24
LOOKS = {
    Verdict.DETERMINED: ("good", "c0"),
    Verdict.PRACTICALLY_NOT: ("fair", "c1"),
    Verdict.NOT_AT_ALL: ("poor", "c5"),
    Verdict.UNFINISHED: ("none", "grey"),
}
"""Classes of CSS of a verdict and of a curve."""


def profiles(run: StoredRun) -> Section | None:
    """The section; None where there are no profiles. Raises RunError where their files are damaged."""
    found = read_profiles(run)
    if found is None or not len(found):
        return None
    words = (
        "Each profile holds one quantity at a value while all others do their best: where the likelihood is bent or "
        "flat, these intervals hold and those of the curvature do not."
    )
    drawn = [_panel(p) for p in found if len(p.value) > 1]
    names = [p.name for p in found if len(p.value) > 1]
    more = [
        (f"{names[k]} to {names[min(k + PAGE, len(names)) - 1]}", drawn[k : k + PAGE])
        for k in range(OPEN, len(drawn), PAGE)
    ]
    caption = "How far −log likelihood rises above its least value; the interval ends where it crosses the threshold."
    signs = [
        Sign("c0", "line", "profile"),
        Sign("grey dashed", "line", "by the curvature (Wald)"),
        Sign("ink", "line", f"threshold of {100 * found.level:.4g} %"),
    ]
    blocks: list[Block] = [Paragraph(words), _table(found), Figure(caption, drawn[:OPEN], signs, "small", 0, more)]
    if found.remarks:
        blocks.append(Bullets(found.remarks))
    return Section("profiles", "Profile likelihoods", blocks)


def _table(found: Profiles) -> Table:
    rows: list[Sequence[str | Markup | None]] = []
    for p in found:
        ends = "; ".join(interval_text(low, high) for low, high in p.parts or ((p.low, p.high),))
        wald = "–" if p.wald is None else interval_text(*p.wald)
        verdict = element("span", p.sentence or str(p.verdict), class_=f"verdict {LOOKS[p.verdict][0]}")
        rows.append([element("code", p.name), shown(p.estimate), ends, wald, p.unit, verdict])
    level = f"{100 * found.level:.4g} %"
    header = ("quantity", "estimate", f"{level} profile", f"{level} by curvature", "unit", "verdict")
    return Table(f"{level} profile intervals", header, rows, frozenset((1, 2, 3)))


def _panel(p: Profile) -> Markup:
    low, high = limits(p)
    is_log = is_log_axis(p, low, high)
    x = np.geomspace(low, high, 120) if is_log else np.linspace(low, high, 120)
    top = ABOVE * p.threshold
    ink = LOOKS[p.verdict][1]
    marks: list[Mark] = []
    for first, last in p.parts or ((p.low, p.high),):
        ends = np.array([low if first is None else max(first, low), high if last is None else min(last, high)])
        marks.append(Band(ends, np.zeros(2), np.full(2, top), f"{ink} faint"))
    marks.append(Rule(p.threshold, "ink"))
    if p.wald_half is not None:
        away = np.log(x / p.estimate) if p.is_log else x - p.estimate
        marks.append(Curve(x, p.threshold * (away / p.wald_half) ** 2, "grey dashed"))
    for branch in np.unique(p.branch):
        own = p.branch == branch
        marks.append(Curve(*smooth(p.value[own], p.rise[own], p.is_log), ink))
    marks.append(Dots(p.value, p.rise, ink))
    name = f"{p.name} ({p.unit})" if p.unit else p.name
    axes = Axes(Scale(low, high, is_log), Scale(0.0, top), name, "rise of −log likelihood", p.name)
    return panel(axes, marks, f"Profile of {p.name}: {p.sentence or p.verdict}", SMALL)
