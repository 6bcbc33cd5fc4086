"""`odefit runs`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.options import AsJson

if TYPE_CHECKING:
    from odefit.runs.listing import Listed

COLUMNS = ("run", "status", "data", "observations", "estimated", "nll", "aic", "bic", "seconds", "age", "beside")
BY_IMPORTANCE = ("run", "status", "age", "nll", "data", "bic", "estimated", "aic", "observations", "seconds", "beside")
"""The same; a narrow terminal lacks the last ones."""
WORDS = ("status", "data", "beside")
KEPT = 3
"""Columns that every terminal has."""
NARROWEST = 16
"""Of the column of the runs."""
FORMS = {"nll": "{:.6g}", "aic": "{:.6g}", "aicc": "{:.6g}", "bic": "{:.6g}", "seconds": "{:.3g}"}


def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Below which the runs are.")] = Path("runs"),
    by: Annotated[
        str, typer.Option("--by", help="age (the newest first), name, status, nll, aic, aicc or bic.")
    ] = "age",
    json: AsJson = False,
) -> None:
    """List the runs below FOLDER: how each ended, its criteria, its age. Nothing is solved or written."""
    from odefit.errors import RunError
    from odefit.runs.listing import listed
    from odefit.terminal import console, plain_table

    try:
        found = listed(folder, by)
    except ValueError as error:
        raise RunError("--by", str(error).removeprefix("by: ")) from None
    if json:
        from odefit.documents import text_of

        typer.echo(text_of([one.row for one in found]))
        return
    screen = console()
    if not found:
        screen.print(f"{folder}: no runs; `odefit fit CONFIG` makes one", markup=False)
        return
    rows = [_cells(one) for one in found]
    header, left_out = fitting(rows, screen.width)
    screen.print(plain_table(header, [[row[name] for name in header] for row in rows], words=WORDS, broken=("run",)))
    if left_out:
        screen.print(f"A wider terminal shows {', '.join(left_out)}, too; --json has all.", markup=False)
    for one in found:
        if one.fault is not None:
            screen.print(f"damaged: {one.fault}", markup=False)
    if len({one.data for one in found if one.data}) > 1:
        screen.print("Runs with the same letter are of the same data: nll, aic and bic compare these.", markup=False)


def fitting(rows: Sequence[Mapping[str, str]], width: int) -> tuple[list[str], list[str]]:
    """The columns that a screen has room for, the names of runs on several lines if need be; and those that it has not.

    Parameters
    ----------
    rows
        Cells by column.
    width
        That of the screen, in characters.
    """
    from odefit.screen import GAP, text_width

    sizes = {name: max(len(name), *(text_width(row[name]) for row in rows)) for name in COLUMNS}
    sizes["run"] = min(sizes["run"], max(NARROWEST, width // 2))
    left = list(BY_IMPORTANCE)
    while len(left) > KEPT and sum(sizes[name] for name in left) + len(GAP) * (len(left) - 1) > width:
        left.pop()
    return [name for name in COLUMNS if name in left], [name for name in COLUMNS if name not in left]


def _cells(one: Listed) -> dict[str, str]:
    row = one.row | {"age": age_text(datetime.datetime.now(datetime.UTC) - one.written), "beside": ", ".join(one.later)}
    return {name: "" if row[name] is None else FORMS.get(name, "{}").format(row[name]) for name in COLUMNS}


def age_text(age: datetime.timedelta) -> str:
    """`12 s`, `5 min`, `3 h`, `12 d`."""
    seconds = max(age.total_seconds(), 0.0)
    for unit, size, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 72)):
        if seconds < most * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
