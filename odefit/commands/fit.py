"""`odefit fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.errors import INTERRUPTED
from odefit.commands.options import ConfigPath, OnlyBeside, Overrides
from odefit.errors import OdefitError
from odefit.status import Status


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
