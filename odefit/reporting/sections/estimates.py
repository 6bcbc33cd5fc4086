"""The estimates: a table with a verdict for each, pictures of their intervals, and how they move together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from odefit.reporting.blocks import Block, Figure, Paragraph, Section, Sign, Table
from odefit.reporting.charts.heat import FEW, heat_map
from odefit.reporting.charts.marks import Dots, Mark, Rule, Whiskers
from odefit.reporting.charts.panel import Axes, panel
from odefit.reporting.charts.scales import Scale, scale_of
from odefit.reporting.markup import element, joined
from odefit.reporting.symbols import differs, inline
from odefit.reporting.words import digits_of, interval_text, shown, verdict
from odefit.runs.results import Estimate, Result
from odefit.runs.stored import StoredRun

MOST_OWN = 20
"""Estimates of single experiments in the open table; more have a closed one."""
MOST_CORRELATED = 40
"""Parameters of the picture of correlations."""
STRONG = 0.9
"""A correlation that is worth a sentence."""
MOST_PAIRS = 6
MOST_IN_FOREST = 96


def estimates(run: StoredRun) -> Section:
    """All that is known of the parameters."""
    result = run.result
    own = {name: e for name, e in result.estimates.items() if name.endswith("]")}
    few = len(own) <= MOST_OWN
    main = result.estimates if few else {n: e for n, e in result.estimates.items() if n not in own}
    blocks: list[Block] = [_table("Estimates with standard errors and 95 % intervals", main, result)]
    if not few and own:
        blocks.append(_table(f"Estimates of single experiments or groups ({len(own):,})", own, result, folded=True))
    if result.combinations:
        blocks.append(_table("What the data determine in combination only", result.combinations, result))
    blocks += _forests(own, result)
    blocks += _correlations(result)
    return Section("estimates", "Estimates", blocks)


def _table(caption: str, chosen: Mapping[str, Estimate], result: Result, folded: bool = False) -> Table:
    truth = result.truth or {}
    has_units, has_truth = any(e.unit for e in chosen.values()), any(name in truth for name in chosen)
    header = ["parameter", "estimate", "std. error", "95 % interval"]
    header += ["truth"] if has_truth else []
    header += ["unit"] if has_units else []
    rows = []
    for name, e in chosen.items():
        digits = digits_of(e)
        looks, words = verdict(e)
        row: list[str | Markup | None] = [_name(name), shown(e.value, digits), shown(e.standard_error, 2)]
        row.append(interval_text(*e.interval, digits) if e.interval else "–")
        if has_truth:
            row.append(shown(truth[name], digits) if name in truth else None)
        if has_units:
            row.append(e.unit)
        if e.formula is not None and name != e.formula:
            words = f"{words}; = {e.formula}"
        original = result.original_name(name)
        words = words if original is None else f"{words}; originally {original}"
        rows.append([*row, element("span", words, class_=f"verdict {looks}")])
    numeric = frozenset(range(1, 4 + has_truth))
    return Table(caption, [*header, "verdict"], rows, numeric, folded)


def _name(name: str) -> Markup:
    code = element("code", name)
    return joined(inline(name), " ", code) if name.isidentifier() and differs(name) else code


def _forests(own: Mapping[str, Estimate], result: Result) -> list[Block]:
    """Of each parameter that experiments have for themselves: its values side by side."""
    groups: dict[str, dict[str, Estimate]] = {}
    for name, e in own.items():
        base, _, inside = name.partition("[")
        groups.setdefault(base, {})[inside.removesuffix("]")] = e
    panels = []
    for base, members in groups.items():
        known = {name: e for name, e in members.items() if e.value is not None}
        if len(known) > 1:
            panels.append(forest(base, dict(itertools.islice(known.items(), MOST_IN_FOREST)), result.truth or {}))
    if not panels:
        return []
    more = any(len(members) > MOST_IN_FOREST for members in groups.values())
    note = f" The first {MOST_IN_FOREST} are shown." if more else ""
    caption = f"Parameters by experiment or group: estimates with 95 % intervals.{note}"
    return [Figure(caption, panels, [Sign("c0", "dot", "estimate"), Sign("c0", "line", "95 % interval")], "medium")]


def forest(base: str, members: Mapping[str, Estimate], truth: Mapping[str, float]) -> Markup:
    """The values of one parameter in several experiments, one below the other."""
    values = np.array([e.value for e in members.values()], dtype=np.float64)
    ends = np.array([e.interval or (math.nan, math.nan) for e in members.values()], dtype=np.float64)
    heights = np.arange(len(members), dtype=np.float64)[::-1]
    is_log = bool((values > 0).all() and values.max() > 5 * values.min())
    # Intervals are seen whole, unless they are much wider than most.
    widths = np.diff(ends)[np.isfinite(ends).all(axis=1)]
    reach = max(np.ptp(values), float(np.median(widths)) if len(widths) else 0.0) or abs(values[0]) or 1.0
    lowest = values.min() / 10 if is_log else values.min() - 2 * reach
    x = scale_of([values, np.clip(ends, lowest, values.max() * 10 if is_log else values.max() + 2 * reach)], is_log)
    marks: list[Mark] = []
    if len(members) > 2:
        marks.append(Rule(float(np.median(values)), "rule dashed", upright=True))
    inside = np.clip(ends, x.low, x.high)
    marks += [Whiskers(heights, inside[:, 0], inside[:, 1], "c0", across=True), Dots(values, heights, "c0")]
    known = [
        (truth[f"{base}[{name}]"], h) for name, h in zip(members, heights, strict=True) if f"{base}[{name}]" in truth
    ]
    if known:
        at = np.array(known)
        marks.append(Dots(at[:, 0], at[:, 1], "c5", "bar"))
    unit = next(iter(members.values())).unit
    axes = Axes(
        x,
        Scale(-0.7, len(members) - 0.3),
        x_label=f"{base} ({unit})" if unit else base,
        title=base,
        categories=tuple(members),
    )
    about = f"{base} of {len(members)} experiments or groups, from {shown(values.min())} to {shown(values.max())}"
    return panel(axes, marks, about, (420, 62 + 17 * len(members)))


def _correlations(result: Result) -> list[Block]:
    if not result.correlation or len(result.correlation) < 2:
        return []
    names = list(result.correlation)
    matrix = np.array([[result.correlation[a][b] for b in names] for a in names])
    upper = np.triu(np.abs(matrix), 1)
    order = np.argsort(-upper, axis=None)[:MOST_PAIRS]
    strong = [(int(k) // len(names), int(k) % len(names)) for k in order if upper.flat[k] > STRONG]
    told = "; ".join(f"{names[i]} and {names[j]} {shown(matrix[i, j], 2)}" for i, j in strong)
    words = f"Known mostly in combination: {told}." if told else "No two estimates move together by more than 0.9."
    kept = np.sort(np.argsort(-(upper + upper.T).max(axis=1), kind="stable")[:MOST_CORRELATED])
    names, matrix = [names[k] for k in kept], matrix[np.ix_(kept, kept)]
    caption = "Correlations of the estimates, on the scales of the search."
    if len(result.correlation) > MOST_CORRELATED:
        caption += f" The {MOST_CORRELATED} of {len(result.correlation)} that move together most are shown."
    return [
        Paragraph(words),
        Figure(caption, [heat_map(names, matrix)], (), "medium" if len(names) <= FEW else "large"),
    ]
