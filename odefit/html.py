"""Small HTML tables for notebooks: every text escaped, long ones cut."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from odefit.text import cut

MOST_ROWS, LONGEST = 30, 80


def html_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[object]], notes: Iterable[str] = ()) -> str:
    """A caption, a table of at most 30 rows, and a paragraph for each note. None is an empty cell."""
    head = "".join(f"<th style='text-align:left'>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:MOST_ROWS])
    notes = list(notes)
    if len(rows) > MOST_ROWS:
        notes.insert(0, f"and {len(rows) - MOST_ROWS:,} more")
    below = "".join(f"<p style='margin:0.2em 0'>{_text(note, 300)}</p>" for note in notes)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div><p style='margin:0.2em 0'>{_text(caption, 300)}</p>{table}{below}</div>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td style='text-align:right'>{value:.5g}</td>"
    return f"<td style='text-align:left'>{'' if value is None else _text(str(value))}</td>"


def _text(text: str, longest: int = LONGEST) -> str:
    return html.escape(cut(text, longest))
