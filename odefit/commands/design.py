"""`odefit design`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import Overwrite, Plots, RunPath, TableOut, split_names
from odefit.commands.predict import shown
from odefit.text import next_line

MOST = 20
"""Candidates that are shown on screen."""


def design(
    run: RunPath,
    candidates: Annotated[
        Path,
        typer.Option(
            "--candidates",
            help="A CSV with a row for each: candidate, times, observables, replicates, like, and conditions.",
            show_default=False,
        ),
    ],
    for_: Annotated[
        str | None,
        typer.Option("--for", help="What is to be known better, e.g. k,conc(24); default: all parameters."),
    ] = None,
    criterion: Annotated[
        str | None, typer.Option("--criterion", help="d, a or c; default: c for one quantity, else d.")
    ] = None,
    choose: Annotated[
        int, typer.Option("--choose", min=1, help="How many candidates to make together: sets of this size are ranked.")
    ] = 1,
    times: Annotated[str | None, typer.Option("--times", help="For candidates that say none, e.g. 0:24:2.")] = None,
    doses: Annotated[
        Path | None, typer.Option("--doses", help="A CSV of doses; its experiments are candidates.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option("--inputs", help="A CSV of inputs that are other ones then.")] = None,
    out: TableOut = None,
    overwrite: Overwrite = False,
    plots: Plots = True,
) -> None:
    """Rank candidate experiments: which would reduce the errors of a finished fit most."""
    from odefit import studies
    from odefit.commands.written import check_free, written
    from odefit.prediction.times import parse_times
    from odefit.terminal import console, plain_table

    grid = None if times is None else parse_times(times)
    target = out or Path(f"{run.resolve().name}_design.csv")
    check_free([target, *([target.with_suffix(".png")] if plots else [])], overwrite)
    names = None if for_ is None else split_names(for_)
    with alive("planning"):
        found = studies.design(
            run,
            candidates,
            names,
            criterion=criterion,  # type: ignore[arg-type]  # what is none is refused there
            choose=choose,
            times=grid,
            doses=doses,
            inputs=inputs,
        )
        figure = found.figure() if plots else None
    screen = console()
    for note in found.notes:
        screen.print(f"note: {note}", markup=False)
    today = ["(today)", "0", *(shown(float(x)) for x in (found.now[0], 0.0, *found.now[1:]))]
    rows = [today, *([shown(cell) for cell in row] for row in found.table.rows[:MOST])]
    screen.print(plain_table(found.table.header, rows))
    if len(found.table.rows) > MOST:
        screen.print(f"and {len(found.table.rows) - MOST:,} more in the CSV", markup=False)
    screen.print(found.judgement, markup=False)
    screen.print(f"written to {', '.join(map(str, written(target, found.table.text, figure)))}", markup=False)
    screen.print(next_line("report", run), markup=False, soft_wrap=True)
