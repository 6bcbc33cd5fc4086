"""`odefit merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.after_fit import code_of, pictures_of
from odefit.commands.ending import end_within
from odefit.commands.options import AsJson, Plots, Quiet, TimeLimit


def merge(
    parts: Annotated[
        list[Path],
        typer.Argument(metavar="PART...", help="The folders of all parts, in any order.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run folder; default: runs/<name of the config>, numbered.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there of an earlier run, when the new one is complete.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="CONFIG", help="The config of a fit that has moved since.", show_default=False
        ),
    ] = None,
    plots: Plots = True,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
    json: AsJson = False,
) -> None:
    """Make one run of PARTs that were computed on several machines, as if one machine had done it."""
    from odefit.documents import fitted, text_of
    from odefit.merging import merge as merged
    from odefit.next_steps import closing_lines
    from odefit.terminal import Reporter, console

    end_within(time_limit)
    screen = console(error=json, quiet=quiet)
    with Reporter(screen) as told:
        run = merged(parts, config=config, out=out, overwrite=overwrite, progress=told, show=told.result)
        pictures = pictures_of(run, told, screen) if plots else []
    screen.print(f"written to {run.path} in {run.result.seconds:.3g} s of fitting", markup=False)
    again = ["odefit", "fit", str(run.loaded.path)]
    for line in closing_lines(run, pictures, again, () if out is None else ("--out", str(out))):
        screen.print(line, markup=False, soft_wrap=True)
    if json:
        typer.echo(text_of(fitted(run, run.loaded.path, pictures)))
    if code := code_of(run.result.status):
        raise typer.Exit(code)
