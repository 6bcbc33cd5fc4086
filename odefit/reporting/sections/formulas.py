"""Formulas in place of networks, where `odefit symbols` has left them in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odefit.errors import RunError
from odefit.reporting.blocks import Paragraph, Section, Table, Text
from odefit.reporting.markup import element
from odefit.reporting.words import interval_text, shown
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun

OPEN = 10
"""Models in the table."""


def formulas(run: StoredRun) -> Section | None:
    """The section; None where there are none. Raises RunError where their file is damaged."""
    if run.path is None or not (run.path / files.SYMBOLS_SUMMARY).exists():
        return None
    found = files.read_json(run.path, files.SYMBOLS_SUMMARY)
    try:
        return _section(found)
    except (KeyError, TypeError, AttributeError):
        raise RunError(str(run.path / files.SYMBOLS_SUMMARY), "is damaged; `odefit symbols` writes it anew") from None


def _section(found: Mapping[str, Any]) -> Section:
    models = found["models"]
    chosen = [*models[:-1][:OPEN], models[-1]]
    rows = [
        [m["formulas"], shown(m["complexity"]), _percent(m["error"]), m["status"], shown(m["delta"], 3)] for m in chosen
    ]
    header = ("formulas", "complexity", "error of the rates", "fit", "BIC above the best")
    caption = f"The best of {len(models) - 1} models with formulas, and the network"
    estimates = [
        [
            element("code", name),
            shown(e["value"]),
            shown(e["standard_error"], 2),
            interval_text(*(e["interval"] or (None, None))),
        ]
        for name, e in found["estimates"].items()
    ]
    equations = "\n".join(f"d{state}/dt = {formula}" for state, formula in found["equations"].items())
    return Section(
        "formulas",
        "Formulas in place of the network",
        [
            Paragraph(f"{found['judgement']}."),
            Text("The equations with the best formulas", equations),
            Table(
                "Estimates of that model",
                ("parameter", "estimate", "std. error", "interval"),
                estimates,
                frozenset((1, 2, 3)),
            ),
            Table(caption, header, rows, frozenset((1, 2, 4))),
        ],
    )


def _percent(share: float) -> str:
    return f"{shown(100 * share, 3)} %"
