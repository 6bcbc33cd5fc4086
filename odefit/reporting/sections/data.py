"""What was measured: how much of it, when, and under which conditions."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from odefit.data.experiments import Experiment
from odefit.reporting.blocks import Block, Paragraph, Section, Table
from odefit.reporting.words import shown
from odefit.runs.dated import date_of, date_of_zero
from odefit.runs.results import Dates
from odefit.runs.stored import StoredRun
from odefit.text import counted

MOST_OPEN, MOST_ROWS = 12, 400
"""Experiments in an open table, and in any."""


def data(run: StoredRun) -> Section:
    """Tables of observables and of experiments."""
    measured = run.measured
    known = [~np.isnan(e.values) for e in measured]
    first, last = min(_first(e) for e in measured), max(e.last for e in measured)
    where = _source(run)
    words = (
        f"{counted(sum(int(k.sum()) for k in known), 'value')} in {counted(len(measured), 'experiment')}, from time "
        f"{shown(first)} to {shown(last)}{where}."
    )
    dates = run.result.dates
    if zero := date_of_zero(dates):
        words += f" Time 0 is {zero}."
    blocks: list[Block] = [Paragraph(words), _observables(run), _experiments(measured, dates)]
    return Section("data", "The data", blocks)


def _source(run: StoredRun) -> str:
    section = run.loaded.config.data
    if section.simulate is not None or section.spirals is not None:
        return "; they are simulated, so the truth is known"
    return ""


def _observables(run: StoredRun) -> Table:
    rows: list[list[str | Markup | None]] = []
    units = run.loaded.config.model.units
    for k, name in enumerate(run.observables):
        columns = [e.values[:, k] for e in run.measured]
        values = np.concatenate(columns)
        known = values[~np.isnan(values)]
        limits = sum(int(np.count_nonzero(e.censored[:, k])) for e in run.measured if e.censored is not None)
        ends = (shown(float(known.min()), 4), shown(float(known.max()), 4)) if len(known) else ("–", "–")
        rows.append([name, str(len(known)), str(len(values) - len(known)), str(limits), *ends, units.get(name)])
    header = ("observable", "values", "empty cells", "limits", "smallest", "largest", "unit")
    told = [k for k in range(len(header)) if k not in (2, 3, 6) or any(row[k] not in (None, "0") for row in rows)]
    shown_rows = [[row[k] for k in told] for row in rows]
    numeric = frozenset(at for at, k in enumerate(told) if 1 <= k <= 5)
    return Table("What was measured", [header[k] for k in told], shown_rows, numeric)


def _experiments(measured: tuple[Experiment, ...], dates: Dates | None) -> Table:
    rows: list[list[str | Markup | None]] = []
    has_more = any(e.constants or e.labels or e.formulas or e.doses or e.inputs for e in measured)
    for e in measured[:MOST_ROWS]:
        n = int((~np.isnan(e.values)).sum())
        ends = [shown(t) if dates is None else date_of(dates, t, e.name) or shown(t) for t in (_first(e), e.last)]
        row: list[str | Markup | None] = [e.name, str(n), *ends]
        rows.append([*row, _conditions(e)] if has_more else row)
    header = ["experiment", "values", "from", "to", *(["conditions"] if has_more else [])]
    cut = f"; the first {MOST_ROWS}" if len(measured) > MOST_ROWS else ""
    caption = f"Experiments ({len(measured):,}{cut})"
    return Table(caption, header, rows, frozenset((1, 2, 3)), folded=len(measured) > MOST_OPEN)


def _first(e: Experiment) -> float:
    """The time of its first measurement, which may be later than that of its initial values."""
    known = e.times[~np.isnan(e.values).all(axis=1)]
    return float(known[0]) if len(known) and np.isfinite(known[0]) else e.start


def _conditions(e: Experiment) -> str:
    parts = [f"{name} = {shown(float(value), 4)}" for name, value in e.constants.items()]
    parts += [f"{name} = {text}" for name, text in e.formulas.items()]
    parts += [f"{name} = {value}" for name, value in e.labels.items()]
    if e.doses:
        total = sum(dose.amount for dose in e.doses)
        states = ", ".join(dict.fromkeys(dose.state for dose in e.doses))
        parts.append(f"{counted(len(e.doses), 'dose')} into {states}, {shown(total, 4)} in all")
    parts += [f"{name}(t) with {counted(len(u.knots), 'point')}" for name, u in e.inputs.items()]
    return ", ".join(parts)
