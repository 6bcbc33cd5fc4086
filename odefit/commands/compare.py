"""`odefit compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import AsJson, Dates, Overwrite, Plots
from odefit.text import next_line


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN …", help="The folders of fits of the same data.")],
    out: Annotated[Path, typer.Option("--out", help="The CSV; the picture stands beside it.")] = Path("comparison.csv"),
    overwrite: Overwrite = False,
    plots: Plots = True,
    dates: Dates = False,
    json: AsJson = False,
) -> None:
    """Compare fits of the same data: AIC, AICc, BIC, weights, likelihood-ratio tests, held-out scores."""
    from odefit import studies
    from odefit.commands.written import check_free, written
    from odefit.terminal import console, plain_table

    check_free([out, *([out.with_suffix(".png")] if plots else [])], overwrite)
    with alive("comparing"):
        found = studies.compare(*runs)
        figure = found.figure(dates) if plots else None
    paths = written(out, found.table.text, figure)
    if json:
        from odefit.documents import compared, text_of

        typer.echo(text_of(compared(found, paths)))
        return
    screen = console()
    for note in found.notes:
        screen.print(f"note: {note}", markup=False)
    kept = [k for k in range(len(found.table.header)) if any(row[k] is not None for row in found.table.rows)]
    rows = [[_shown(row[k]) for k in kept] for row in found.table.rows]
    screen.print(plain_table([found.table.header[k] for k in kept], rows))
    for test in found.tests:
        screen.print(test.sentence, markup=False)
    screen.print(found.judgement, markup=False)
    screen.print(f"written to {', '.join(map(str, paths))}", markup=False)
    first, *others = map(str, runs)
    screen.print(next_line("report", first, "--against", others[0]), markup=False, soft_wrap=True)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)
