"""`odefit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import Dates, Level, Overwrite, Plots, RunPath, Seconds, TableOut
from odefit.text import next_line

SHOWN = 12
"""Rows of a table that is shown on screen as well."""


def predict(
    run: RunPath,
    times: Annotated[
        str | None,
        typer.Option(
            "--times",
            metavar="FROM:TO:STEP",
            help="e.g. 0:70:0.5, 0,1,2.5 or 2021-03-01:2021-04-01:1; default: those of the data.",
        ),
    ] = None,
    experiments: Annotated[
        Path | None,
        typer.Option("--experiments", help="A CSV of new experiments; a column `like` names one of the fit."),
    ] = None,
    doses: Annotated[Path | None, typer.Option("--doses", help="A CSV of doses in place of those of the fit.")] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="A CSV with a column for each input that is another one now.")
    ] = None,
    curves: Annotated[
        str | None, typer.Option("--curves", help="Observables, states or expressions, e.g. x,y; default: observables.")
    ] = None,
    bands: Annotated[str, typer.Option("--bands", help="wald, profile, bootstrap or posterior.")] = "wald",
    level: Level = 0.95,
    seconds: Seconds = None,
    out: TableOut = None,
    overwrite: Overwrite = False,
    plots: Plots = True,
    dates: Dates = False,
) -> None:
    """Predict with a finished fit: curves and bands at new times, under new conditions, doses and inputs."""
    from functools import partial

    from odefit import api, studies
    from odefit.commands.written import check_free, written
    from odefit.prediction.times import WHERE, parse_times
    from odefit.runs.dated import time_of
    from odefit.terminal import console, plain_table

    target = out or Path(f"{run.resolve().name}_predicted.csv")
    picture = target.with_suffix(".png")
    check_free([target, *([picture] if plots else [])], overwrite)
    known = api.load_run(run)
    grid = None if times is None else parse_times(times, partial(time_of, known.result.dates, where=WHERE))
    chosen = None if curves is None else [part.strip() for part in curves.split(",") if part.strip()]
    with alive("predicting"):
        found = studies.predict(
            known,
            grid,
            experiments=experiments,
            doses=doses,
            inputs=inputs,
            curves=chosen,
            bands=bands,  # type: ignore[arg-type]  # what is none is refused there
            level=level,
            seconds=seconds,
        )
    screen = console()
    for note in found.notes:
        screen.print(f"note: {note}", markup=False)
    if len(found.table.rows) <= SHOWN:
        screen.print(plain_table(found.table.header, [[shown(cell) for cell in row] for row in found.table.rows]))
    paths = written(target, found.table.text, found.figure(dates) if plots else None)
    screen.print(f"written to {', '.join(map(str, paths))}", markup=False)
    screen.print(next_line("report", run), markup=False, soft_wrap=True)


def shown(cell: object) -> str:
    """A cell of a table on screen."""
    if isinstance(cell, float):
        return "" if cell != cell else f"{cell:.5g}"
    return str(cell)
