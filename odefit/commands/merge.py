"""`odefit merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.after_fit import code_of, pictures_of
from odefit.commands.ending import end_within
from odefit.commands.options import AsJson, Plots, Quiet, TimeLimit

if TYPE_CHECKING:
    from odefit.profiles.records import Profiles
    from odefit.resampling.bootstrap import Bootstrap
    from odefit.sampling.sample import Sampled
    from odefit.screen import Screen


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
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="The run of other parts, where it has moved since.", show_default=False
        ),
    ] = None,
    plots: Plots = True,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
    json: AsJson = False,
) -> None:
    """Make one run, or one answer, of PARTs that several machines have computed, as if one had done it."""
    from odefit.documents import fitted, text_of
    from odefit.next_steps import closing_lines
    from odefit.parts.merging import merge as merged
    from odefit.runs.stored import StoredRun
    from odefit.terminal import Reporter, console

    end_within(time_limit)
    screen = console(error=json, quiet=quiet)
    with Reporter(screen) as told:
        found = merged(parts, config=config, run=run, out=out, overwrite=overwrite, progress=told, show=told.result)
        pictures = pictures_of(found, told) if plots and isinstance(found, StoredRun) else []
    if not isinstance(found, StoredRun):
        _show_answer(found, screen, json)
        return
    screen.print(f"written to {found.path} in {found.result.seconds:.3g} s of fitting", markup=False)
    again = ["odefit", "fit", str(found.loaded.path)]
    for line in closing_lines(found, pictures, again, () if out is None else ("--out", str(out))):
        screen.print(line, markup=False, soft_wrap=True)
    if json:
        typer.echo(text_of(fitted(found, found.loaded.path, pictures)))
    if code := code_of(found.result.status):
        raise typer.Exit(code)


def _show_answer(found: Profiles | Bootstrap | Sampled, screen: Screen, json: bool) -> None:
    """What the command that asks for the whole shows of it."""
    from odefit.commands.bootstrap import lines_of as bootstrap_lines
    from odefit.commands.profile import lines_of as profile_lines
    from odefit.commands.sample import lines_of as sample_lines
    from odefit.documents import text_of
    from odefit.profiles.records import Profiles
    from odefit.resampling.bootstrap import Bootstrap

    if isinstance(found, Profiles):
        lines, document = profile_lines(found), found.to_json()
    elif isinstance(found, Bootstrap):
        lines, document = bootstrap_lines(found), dict(found.summary.to_json())
    else:
        lines, document = sample_lines(found), found.summary
    for line in lines:
        screen.print(line, markup=False, soft_wrap=True)
    if json:
        typer.echo(text_of(document))
