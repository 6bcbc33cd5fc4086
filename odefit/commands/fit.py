"""`odefit fit`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odefit.commands.after_fit import code_of, pictures_of
from odefit.commands.ending import end_within
from odefit.commands.errors import failed, report
from odefit.commands.options import AsJson, OnlyBeside, Overrides, PartOfAll, Plots, Quiet, Show, TimeLimit
from odefit.commands.parts import fit_parts, one_part
from odefit.errors import OdefitError, RunError
from odefit.records import dataclass
from odefit.status import Status

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.folder_fits import Place
    from odefit.latent.latent_run import LatentRun
    from odefit.screen import Screen


def fit(
    configs: Annotated[
        list[Path],
        typer.Argument(metavar="CONFIG...", help="The YAML file; of several each is a fit.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The run folder, or the folder of the runs; default: runs/<name of the config>, numbered."
        ),
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
    starts: Annotated[
        str | None,
        typer.Option(
            "--starts",
            metavar="A:B",
            help="Only the starts A, …, B-1 of all, counted from 0, for `odefit merge`.",
            show_default=False,
        ),
    ] = None,
    part: PartOfAll = None,
    only_beside: OnlyBeside = None,
    plots: Plots = True,
    show: Show = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show on screen what goes into run.log.")] = False,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
    json: AsJson = False,
    set_: Overrides = None,
) -> None:
    """Fit the model of CONFIG to its data, and write a run folder."""
    from odefit.folder_fits import Place
    from odefit.terminal import console

    end_within(time_limit)
    if starts is not None or part is not None:
        wanted = one_part(starts, part, "--starts")
        fit_parts(configs, wanted, (out, overwrite, resume), from_, only_beside, quiet, json, set_)
        return
    asked = Asked(tuple(set_ or ()), from_, only_beside, plots, show, verbose)
    screen = console(error=json, quiet=quiet)
    folders = _folders(configs, out)
    documents, codes = list[Mapping[str, Any]](), list[int]()
    for config, folder in zip(configs, folders, strict=True):
        if len(configs) > 1:
            screen.print(f"== {config}", markup=False)
        place = Place(folder, overwrite, resume, accept_changes)
        try:
            run, pictures = _fitted(config, place, asked, screen)
        except OdefitError as error:
            if len(configs) == 1:
                raise
            # The others have nothing to do with it: they are fitted, and the exit code is the first that is not 0.
            codes.append(report(error, debug=False))
            documents.append({"config": str(config), **failed(error)})
            continue
        codes.append(code_of(run.result.status))
        if json:
            from odefit.documents import fitted

            documents.append(fitted(run, config, pictures))
        if run.result.status == Status.INTERRUPTED:
            break
    if json:
        from odefit.documents import text_of

        typer.echo(text_of(documents[0] if len(configs) == 1 else documents))
    code = next((code for code in codes if code), 0)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class Asked:
    """What is asked of every fit of a command."""

    overrides: tuple[str, ...]
    start_from: Path | None
    only_beside: bool | None
    plots: bool
    show: bool
    verbose: bool


def _folders(configs: list[Path], out: Path | None) -> list[Path | None]:
    """Where each fit is written: of several each has a folder of its own in --out, by the name of its config."""
    if out is None or len(configs) == 1:
        return [out] * len(configs)
    names = [config.stem for config in configs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RunError(str(out / twice), "two of the configs would be written here; give one of them another name")
    return [out / name for name in names]


def _fitted(config: Path, place: Place, asked: Asked, screen: Screen) -> tuple[Run | LatentRun, list[Path]]:
    """One fit, from its config to its pictures; all that is said of it goes to the screen."""
    from odefit.api import fit_into_folder
    from odefit.next_steps import closing_lines
    from odefit.terminal import Reporter, logged_to
    from odefit.tracking.hooks import track_more

    with Reporter(screen) as told, logged_to(told.say if asked.verbose else None):
        run = fit_into_folder(
            config,
            asked.overrides,
            place=place,
            start_from=asked.start_from,
            only_beside=asked.only_beside,
            progress=told,
            show=told.result,
        )
        result = run.result
        pictures = pictures_of(run, told) if asked.plots else []
        if pictures:
            told.now("waiting for the tracker")
            track_more(run, told.note, pictures)
    if asked.show and result.status != Status.FAILED:
        _show(run, screen)
    screen.print(f"written to {run.path} in {result.seconds:.3g} s of fitting", markup=False)
    again = ["odefit", "fit", str(config)]
    again += [word for assignment in asked.overrides for word in ("--set", assignment)]
    for line in closing_lines(run, pictures, again, () if place.out is None else ("--out", str(place.out))):
        screen.print(line, markup=False, soft_wrap=True)
    return run, pictures


def _show(run: Run | LatentRun, screen: Screen) -> None:
    from odefit.terminal_plot import shown

    try:
        shown(run, screen)
    except OdefitError as error:
        screen.print(f"warning: nothing to show: {error}", markup=False)
