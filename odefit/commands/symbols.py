"""`odefit symbols`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.errors import INTERRUPTED
from odefit.commands.options import AsJson, Plots, RunPath, Seconds, split_names
from odefit.text import next_line

if TYPE_CHECKING:
    from odefit.symbolic.found import Symbols

MOST = 8
"""Models that are shown on screen."""


def symbols(
    run: RunPath,
    terms: Annotated[
        str, typer.Option("--terms", help="What formulas are made of: some of polynomial,saturating,exp,sin.")
    ] = "polynomial,saturating,exp,sin",
    degree: Annotated[int, typer.Option("--degree", min=1, help="Of the polynomials.")] = 3,
    most: Annotated[int, typer.Option("--most", min=1, help="The most terms of a formula.")] = 5,
    seconds: Seconds = None,
    plots: Plots = True,
    json: AsJson = False,
) -> None:
    """Put formulas in the places of RUN's networks, and fit the model again with them.

    Writes symbols.csv, symbols.json, the config symbols.yaml and plots/symbols.png into RUN.
    """
    from odefit.symbolic import finding
    from odefit.terminal import Reporter, console

    with Reporter(console(error=json)) as told:
        found = finding.symbols(run, terms=split_names(terms), degree=degree, most=most, seconds=seconds, progress=told)
    pictures = [_picture(run, found)] if plots and found.written else []
    if json:
        from odefit.documents import text_of

        typer.echo(text_of({"run": str(run), "pictures": [str(p) for p in pictures]} | found.to_json()))
    else:
        _show(found)
        if found.written:
            screen = console()
            names = ", ".join(["symbols.csv", "symbols.json", "symbols.yaml", *(f"plots/{p.name}" for p in pictures)])
            screen.print(f"written to {run}: {names}", markup=False, soft_wrap=True)
            screen.print(next_line("fit", run / "symbols.yaml"), markup=False, soft_wrap=True)
    if found.unfinished.startswith("interrupted"):
        raise typer.Exit(INTERRUPTED)


def _picture(run: Path, found: Symbols) -> Path:
    """plots/symbols.png in the run's folder. Raises StorageError."""
    from odefit.plots import style
    from odefit.plots.draw import write_picture

    path = run / "plots" / "symbols.png"
    with style.styled():
        write_picture(path, style.render(found.figure(), "png"))
    return path


def _show(found: Symbols) -> None:
    """The best models, the equations and what is said of them."""
    from odefit.symbolic.found import formulas_with_numbers
    from odefit.terminal import console, number, plain_table

    screen = console()
    rows = []
    for rank, one in enumerate(found.candidates[:MOST], start=1):
        formulas = "; ".join(formulas_with_numbers(found.samples, one).values())
        delta = number(one.bic - found.candidates[0].bic, 3) if math.isfinite(one.bic) else "–"
        status = "failed" if one.run is None else str(one.run.result.status)
        rows.append([str(rank), str(one.complexity), f"{100 * math.sqrt(one.error):.3g} %", delta, status, formulas])
    calls = "; ".join(s.call for s in found.samples)
    screen.print(plain_table(("", "complexity", "error", "BIC", "fit", calls), rows))
    if len(found.candidates) > MOST:
        screen.print(f"and {len(found.candidates) - MOST} more in symbols.csv", markup=False)
    screen.print("", markup=False)
    for state, formula in found.equations.items():
        screen.print(f"d{state}/dt = {formula}", markup=False, soft_wrap=True)
    screen.print("", markup=False)
    estimates = found.best.result.estimates
    rows = [
        [n, number(e.value), "–" if e.standard_error is None else number(e.standard_error, 2), e.unit or ""]
        for n, e in estimates.items()
        if e.value is not None and n in found.candidates[0].config["parameters"]
    ]
    screen.print(plain_table(("parameter", "estimate", "std. error", "unit"), rows))
    screen.print(found.judgement, markup=False, soft_wrap=True)
    if found.unfinished:
        screen.print(f"note: {found.unfinished}", markup=False)
