"""The commands: parse, call, print. Nothing numerical, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit._version import __version__
from odefit.command_errors import report
from odefit.command_options import ConfigPath, OnlyBeside, Overrides, Overwrite, RunPath
from odefit.errors import OdefitError
from odefit.plots.kinds import LISTED as PICTURES
from odefit.status import Status

if TYPE_CHECKING:
    from odefit.heartbeat import Heartbeat

app = typer.Typer(
    name="odefit",
    help="Fit the parameters of differential equations to time series, and say how sure you are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

INTERRUPTED, TERMINATED = 130, 143


def _alive(doing: str) -> Heartbeat:
    """Says now and then, beside what the command prints, that it is at work."""
    from odefit.heartbeat import Heartbeat

    return Heartbeat(lambda line: typer.echo(line, err=True), doing)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"odefit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Fit the parameters of differential equations to time series, and say how sure you are."""


@app.command()
def fit(
    config: ConfigPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run folder; default: runs/<name of the config>, numbered."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in --out, which stays until the new one is complete.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a killed or interrupted fit, in --out or the newest; begin where there is none, and show "
            "the result where it is finished.",
        ),
    ] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="With --resume: although the config or the data have changed.")
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Begin at the estimates of an earlier run.", show_default=False),
    ] = None,
    only_beside: OnlyBeside = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw pictures at the end.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show on screen what goes into run.log.")] = False,
    set_: Overrides = None,
) -> None:
    """Fit the model of CONFIG to its data, and write a run folder."""
    from odefit.api import fit_into_folder
    from odefit.folder_fits import Place
    from odefit.pictures import draw
    from odefit.terminal import Reporter, closing_lines, console, logged_to

    screen = console()
    pictures: list[Path] = []
    with logged_to(screen if verbose else None), Reporter(screen) as told:
        place = Place(out, overwrite, resume, accept_changes)
        run = fit_into_folder(
            config, set_ or (), place=place, start_from=from_, only_beside=only_beside, progress=told, show=told.result
        )
        result = run.result
        if plots and result.status != Status.FAILED:
            told.now("drawing the pictures")
            try:
                pictures = draw(run)
            except OdefitError as error:
                # The run folder is complete: a picture that cannot be drawn is no reason to fail.
                screen.print(f"warning: no pictures: {error}", markup=False)
    screen.print(f"written to {run.path} in {result.seconds:.3g} s of fitting", markup=False)
    again = ["odefit", "fit", str(config), *(() if out is None else ("--out", str(out)))]
    again += [word for assignment in set_ or () for word in ("--set", assignment)]
    for line in closing_lines(run, pictures, [*again, "--resume"]):
        screen.print(line, markup=False, soft_wrap=True)
    if result.status == Status.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if result.status == Status.FAILED:
        raise typer.Exit(OdefitError.exit_code)


@app.command("import")
def import_(
    problem: Annotated[Path, typer.Argument(metavar="PROBLEM", help="A PEtab problem (YAML) or an SBML model (XML).")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; default: <name of the problem>, here.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    only_beside: OnlyBeside = None,
) -> None:
    """Make a config of odefit's own, with its CSVs, from a PEtab problem or an SBML model."""
    from odefit.errors import RunError
    from odefit.interop.importing import import_file

    with _alive("importing"):
        imported = import_file(problem, only_beside)
    target = out or Path(imported.name)
    if target.exists() and not overwrite:
        raise RunError(str(target), "exists already; choose another --out, or say --overwrite")
    config = imported.write(target)
    typer.echo(f"{imported.name}: {imported.summary}")
    for decision in imported.decisions:
        typer.echo(f"note: {decision}")
    typer.echo(f"written to {', '.join(str(target / name) for name in imported.files)}")
    typer.echo(f"next: odefit {imported.next_command} {config}")


@app.command()
def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|CONFIG", help="A run folder, or a config.", show_default=False)
    ],
    petab: Annotated[Path, typer.Option("--petab", metavar="FOLDER", help="Where the PEtab problem goes.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into the folder although it exists.")] = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Write a config, or the fit in RUN, as a PEtab problem (version 2, with SBML)."""
    from odefit.errors import RunError
    from odefit.exports import export_petab

    if petab.exists() and not overwrite:
        raise RunError(str(petab), "exists already; choose another --petab, or say --overwrite")
    with _alive("exporting"):
        exported = export_petab(source, set_ or (), only_beside=only_beside)
    written = exported.write(petab)
    typer.echo(f"{exported.name}: {exported.summary}")
    for note in exported.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"written to {', '.join(str(petab / name) for name in exported.files)}")
    typer.echo(f"next: odefit import {written}")


@app.command()
def simulate(
    config: ConfigPath,
    out: Annotated[
        Path | None, typer.Option("--out", help="The CSV file; default: <name of the config>.csv, here.")
    ] = None,
    overwrite: Overwrite = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Make the data that CONFIG's `data.simulate` (or `data.spirals`) describes: a CSV, and the truth beside it."""
    from odefit.api import simulate as run_simulate
    from odefit.errors import RunError

    target = out or Path(f"{config.stem}.csv")
    if target.exists() and not overwrite:
        raise RunError(str(target), "exists already; choose another --out, or say --overwrite")
    with _alive("simulating"):
        simulated = run_simulate(config, set_ or (), out=target, only_beside=only_beside)
    rows = sum(len(e.times) for e in simulated.experiments)
    typer.echo(f"{len(simulated.experiments)} experiments, {rows} rows of {', '.join(simulated.observables)}")
    typer.echo(f"written to {target}, and the truth to {target.with_suffix('.truth.yaml')}")


@app.command()
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
        tuple[float, float] | None,
        typer.Option("--time-range", metavar="FROM TO", help="Solve the model over this time span instead."),
    ] = None,
    states: Annotated[
        str | None, typer.Option("--states", help="Which states, observables or expressions, e.g. x,y.")
    ] = None,
    experiments: Annotated[str | None, typer.Option("--experiments", help="Which experiments, e.g. 1,2.")] = None,
    animate: Annotated[bool, typer.Option("--animate", help="A GIF of the fit converging.")] = False,
) -> None:
    """Draw the pictures of a run: time series, phase plane, history, residuals, and what else it has to show."""
    from odefit import api, pictures

    loaded = api.load_run(run)
    with _alive("drawing"):
        if animate:
            typer.echo(str(pictures.animate(loaded, out)))
            return
        paths = pictures.draw(
            loaded,
            kinds=kind,
            out=out,
            format=format_,  # type: ignore[arg-type]  # what is none is refused there
            time_range=time_range,
            states=_split(states),
            experiments=_split(experiments),
        )
    for path in paths:
        typer.echo(str(path))


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def check(
    config: ConfigPath,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Compare the gradient with differences, and halve the tolerances.")
    ] = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Check everything that `fit` would need, and print what is bound to what. Nothing is written."""
    from odefit import api

    with _alive("checking"):
        typer.echo(api.check(config, set_ or (), only_beside=only_beside))
    if gradients:
        from odefit.diagnostics.checking import gradient_lines

        assembly = api.assembled(config, set_ or (), only_beside=only_beside)
        with _alive("checking the gradients"):
            typer.echo("\n".join(["", "Gradients", *gradient_lines(assembly)]))


@app.command()
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
    from odefit.errors import RunError
    from odefit.plots.work_precision import save_work_precision
    from odefit.terminal import console, plain_table

    target = out or Path(f"{config.stem}_solvers.png")
    if target.exists() and not overwrite:
        raise RunError(str(target), "exists already; choose another --out, or say --overwrite")
    assembly = assembled(config, set_ or (), only_beside=only_beside)
    with _alive("comparing the solvers"):
        comparison = compare_solvers(assembly, budget, evaluations)
    screen = console()
    table = solver_table(comparison)
    screen.print(plain_table(table.header, table.rows))
    screen.print(comparison.caption, markup=False)
    title = assembly.loaded.config.title or config.stem
    screen.print(f"written to {save_work_precision(comparison, title, target)}", markup=False)


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="Show this one's equations.")] = None) -> None:
    """List the built-in systems, or show one: equations, parameters, source."""
    from odefit.model import catalogue

    if name is not None:
        typer.echo(catalogue.describe(catalogue.entry(name)))
        return
    width = max(map(len, catalogue.names()))
    for known in catalogue.names():
        typer.echo(f"{known:<{width}}  {catalogue.entry(known).title}")


@app.command()
def schema(
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file instead of the screen.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print the JSON Schema of the config, for editors that complete and explain YAML."""
    from odefit.config.json_schema import schema_text
    from odefit.data.atomic_files import atomic_write
    from odefit.errors import RunError

    if out is None:
        typer.echo(schema_text(), nl=False)
        return
    if out.exists() and not overwrite:
        raise RunError(str(out), "exists already; choose another --out, or say --overwrite")
    try:
        atomic_write(out, schema_text())
    except OSError as error:
        raise RunError(str(out), f"cannot be written: {(error.strerror or str(error)).lower()}") from error
    typer.echo(f"written to {out}; the first line of a config that an editor shall complete:")
    typer.echo(f"# yaml-language-server: $schema={out}")


def main() -> None:
    """The entry point: one error handler, distinct exit codes.

    2 input, 3 numerics, 4 a result that cannot be written, 130 Ctrl-C, 143 SIGTERM.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        if not terminated:  # a second one finds the orderly end under way
            terminated = True
            raise KeyboardInterrupt

    # What a batch system or a shutdown sends deserves as orderly an end as Ctrl-C.
    signal.signal(signal.SIGTERM, terminate)
    try:
        # Not standalone: `typer.Exit` comes back as a number, and errors come here.
        code = app([argument for argument in arguments if argument != "--debug"], standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        code = INTERRUPTED
    except Exception as error:
        code = report(error, debug)
    try:
        sys.stdout.flush()
    except OSError as error:
        from odefit.terminal import unread

        unread(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # which is `odefit check … | head`
            code = report(error, debug)
    code = TERMINATED if terminated and code == INTERRUPTED else code
    # From here on there is nothing to be kept, and a signal may end the process at once, with the code that it has.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(code))
    sys.exit(code)


def run() -> None:
    """What the command `odefit` runs: `main` in a process of its own."""
    from odefit.process_end import run_and_end

    run_and_end(main)


if __name__ == "__main__":
    run()
