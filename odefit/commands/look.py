"""`odefit plot`, `check`, `solvers` and `models`: the commands that show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import AsJson, ConfigPath, Dates, OnlyBeside, Overrides, Overwrite, RunPath, Show
from odefit.commands.written import check_free
from odefit.plots.kinds import LISTED as PICTURES
from odefit.text import next_line

if TYPE_CHECKING:
    from odefit.runs.results import Dates as RunDates


def plot(
    run: RunPath,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help=f"{PICTURES}; repeatable.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to; default: <RUN>/plots.")] = None,
    format_: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    time_range: Annotated[
        tuple[str, str] | None,
        typer.Option("--time-range", metavar="FROM TO", help="Solve the model over this time span (or dates) instead."),
    ] = None,
    states: Annotated[
        str | None, typer.Option("--states", help="Which states, observables or expressions, e.g. x,y.")
    ] = None,
    experiments: Annotated[str | None, typer.Option("--experiments", help="Which experiments, e.g. 1,2.")] = None,
    log_x: Annotated[bool, typer.Option("--log-x", help="A logarithmic axis of the time.")] = False,
    log_y: Annotated[bool, typer.Option("--log-y", help="Logarithmic axes of what is shown.")] = False,
    all_panels: Annotated[
        bool, typer.Option("--all-panels", help="A panel for each experiment; wells (B7) in the order of the plate.")
    ] = False,
    bands: Annotated[
        str | None,
        typer.Option(
            "--bands",
            help="Of the time series: wald, profile, bootstrap or posterior; default: the best that RUN has.",
            show_default=False,
        ),
    ] = None,
    dates: Dates = False,
    show: Show = False,
    animate: Annotated[
        bool,
        typer.Option(
            "--animate", help="A GIF of the fit converging; with --bands posterior or bootstrap: of such curves."
        ),
    ] = False,
) -> None:
    """Draw the pictures of a run: time series, phase plane, history, residuals, and what else it has to show.

    With --show alone nothing is drawn into files.
    """
    from odefit import api, pictures
    from odefit.plots.undocumented import leave_out_tables

    loaded = api.load_run(run)
    if show:
        from odefit.terminal import console
        from odefit.terminal_plot import shown

        shown(loaded, console())
        if not (kind or out or animate):
            return
    leave_out_tables()
    if animate:
        with alive("drawing, step by step"):
            film = pictures.animate(loaded, out, bands=bands, dates=dates)  # type: ignore[arg-type]
        typer.echo(str(film))
        return
    with alive("drawing"):
        paths = pictures.draw(
            loaded,
            kinds=kind,
            out=out,
            format=format_,  # type: ignore[arg-type]  # what is none is refused there
            time_range=_span(time_range, loaded.result.dates),
            states=_split(states),
            experiments=_split(experiments),
            log_x=log_x,
            log_y=log_y,
            all_panels=all_panels,
            bands=bands,  # type: ignore[arg-type]  # what is none is refused there
            dates=dates,
        )
    for path in paths:
        typer.echo(str(path))


def _span(ends: tuple[str, str] | None, dates: RunDates | None) -> tuple[float, float] | None:
    """Two times, or dates where the data have some. Raises InputError."""
    if ends is None:
        return None
    from odefit.data.csv_cells import parse_number
    from odefit.errors import InputError
    from odefit.runs.dated import is_date, time_of

    found = [time_of(dates, end, "--time-range") if is_date(end) else parse_number(end) for end in ends]
    if found[0] is None or found[1] is None:
        raise InputError("--time-range", f"'{' '.join(ends)}' are no two times; write numbers, or dates as 2021-03-01")
    return found[0], found[1]


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def check(
    config: ConfigPath,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Compare the gradient with differences, and halve the tolerances.")
    ] = False,
    identifiability: Annotated[
        bool, typer.Option("--identifiability", help="Which parameters the planned times can determine.")
    ] = False,
    json: AsJson = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Check everything that `fit` would need, and print what is bound to what. Nothing is written."""
    from odefit import api

    if json:
        from odefit.documents import checked, text_of

        with alive("checking"):
            document = {**checked(config, set_ or (), only_beside)}
        if gradients:
            from odefit.diagnostics.checking import gradient_lines

            assembly = api.assembled(config, set_ or (), only_beside=only_beside)
            with alive("checking the gradients"):
                document["gradients"] = gradient_lines(assembly)
        if identifiability:
            document["identifiability"] = _identifiability_lines(config, set_, only_beside)
        typer.echo(text_of(document))
        return
    with alive("checking"):
        text = api.check(config, set_ or (), only_beside=only_beside)
    typer.echo(text)
    if gradients:
        from odefit.diagnostics.checking import gradient_lines

        assembly = api.assembled(config, set_ or (), only_beside=only_beside)
        with alive("checking the gradients"):
            lines = gradient_lines(assembly)
        typer.echo("\n".join(["", "Gradients", *lines]))
    if identifiability:
        typer.echo("\n".join(["", *_identifiability_lines(config, set_, only_beside)]))
    typer.echo(next_line("fit", config, *(word for assignment in set_ or () for word in ("--set", assignment))))


def _identifiability_lines(config: Path, overrides: list[str] | None, only_beside: bool | None) -> list[str]:
    from odefit import api
    from odefit.diagnostics.identifiability import identifiability

    assembly = api.assembled(config, overrides or (), only_beside=only_beside)
    with alive("looking at what can be determined"):
        return identifiability(assembly).lines


def solvers(
    config: ConfigPath,
    out: Annotated[Path | None, typer.Option("--out", help="The picture; default: <config>_solvers.png, here.")] = None,
    overwrite: Overwrite = False,
    evaluations: Annotated[
        int, typer.Option("--evaluations", min=1, help="Of the right-hand side, or compiled steps, by each method.")
    ] = 20_000,
    budget: Annotated[float, typer.Option("--seconds", min=1, help="When it ends in any case, about.")] = 600.0,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Compare every solver on CONFIG's model: error, work, time and gradient; a table and a picture."""
    from odefit.api import assembled
    from odefit.diagnostics.solver_comparison import compare_solvers, solver_table
    from odefit.plots.work_precision import save_work_precision
    from odefit.terminal import console, plain_table

    target = out or Path(f"{config.stem}_solvers.png")
    check_free([target], overwrite)
    assembly = assembled(config, set_ or (), only_beside=only_beside)
    with alive("comparing the solvers"):
        comparison = compare_solvers(assembly, budget, evaluations)
    screen = console()
    table = solver_table(comparison)
    screen.print(plain_table(table.header, table.rows))
    screen.print(comparison.caption, markup=False)
    title = assembly.loaded.config.title or config.stem
    screen.print(f"written to {save_work_precision(comparison, title, target)}", markup=False)
    screen.print(next_line("fit", config, "--set", "solver.method=NAME"), markup=False, soft_wrap=True)


def models(
    name: Annotated[str | None, typer.Argument(help="Show this one's equations.")] = None, json: AsJson = False
) -> None:
    """List the built-in systems, or show one: equations, parameters, source."""
    from odefit.model import catalogue

    if json:
        from odefit.documents import built_in, text_of

        shown = built_in([catalogue.entry(one) for one in ([name] if name else catalogue.names())])
        typer.echo(text_of(shown[0] if name else shown))
        return
    if name is not None:
        typer.echo(catalogue.describe(catalogue.entry(name)))
        typer.echo(f"next: odefit demo {name}  # an example: a config, and data that it fits")
        return
    width = max(map(len, catalogue.names()))
    for field, entries in catalogue.fields().items():
        typer.echo(f"# {field}")
        for one in entries:
            typer.echo(f"{one.name:<{width}}  {one.title}")
