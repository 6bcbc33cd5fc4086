"""`odefit discover`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.errors import INTERRUPTED
from odefit.commands.options import AsJson, ConfigPath, OnlyBeside, Overrides, Plots, Seconds
from odefit.text import next_line

if TYPE_CHECKING:
    from odefit.discovery.found import Discovery
    from odefit.screen import Screen

PICTURE = "discovery.png"
MOST_TERMS = 12
SUPPORTED = 10.0
"""The difference of the criterion up to which equations are shown."""


def discover(
    config: ConfigPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder; default: runs/<name of the config>-equations.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, in place of what the folder has of an earlier call.")
    ] = False,
    models: Annotated[
        int, typer.Option("--models", min=1, help="The most models that are fitted on the trajectories.")
    ] = 10,
    samples: Annotated[
        int, typer.Option("--samples", min=0, help="Resamplings of stretches of time, for inclusion probabilities.")
    ] = 100,
    seconds: Seconds = None,
    plots: Plots = True,
    json: AsJson = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Find the equations of measured states: CONFIG has `model: {name: sparse, states: [...], library: {...}}`."""
    from odefit import studies
    from odefit.terminal import Reporter, console

    folder = out or Path("runs") / f"{config.stem}-equations"
    screen = console(error=json)
    with Reporter(screen) as told:
        try:
            found = studies.discover(
                config, set_ or (), out=folder, overwrite=overwrite, models=models, samples=samples,
                seconds=seconds, only_beside=only_beside, progress=told,
            )  # fmt: skip
        except KeyboardInterrupt:
            told.note("interrupted before a candidate was fitted: the same command begins again")
            raise typer.Exit(INTERRUPTED) from None
    pictures = [_drawn(found, folder)] if plots else []
    if json:
        from odefit.documents import text_of

        typer.echo(text_of(found.to_json() | {"folder": str(folder), "pictures": [str(p) for p in pictures]}))
    else:
        _show(found, folder, pictures, screen)
    if found.unfinished.startswith("interrupted"):
        raise typer.Exit(INTERRUPTED)


def _show(found: Discovery, folder: Path, pictures: list[Path], screen: Screen) -> None:
    from odefit.terminal import plain_table

    head = ("candidate", "terms", "status", "delta AICc", "delta", "weight")
    least = min(
        (c.run.result.objective.aicc for c in found.candidates if c.run.result.objective.aicc is not None), default=None
    )
    rows = []
    for one, delta, weight in zip(found.candidates, found.deltas, found.weights, strict=True):
        aicc = one.run.result.objective.aicc
        shown = "" if aicc is None or least is None else f"{aicc - least:.1f}"
        status = str(one.run.result.status)
        rows.append([one.called, str(one.draft.size), status, shown, f"{delta:.1f}", f"{weight:.3f}"])
    screen.print(plain_table(head, rows))
    for one, delta in zip(found.candidates, found.deltas, strict=True):
        if delta > SUPPORTED:
            continue
        screen.print(f"{one.called}:", markup=False)
        for state, formula in one.equations.items():
            screen.print(f"  d{state}/dt = {formula}", markup=False, soft_wrap=True)
    sampled = [row for row in found.terms if row["inclusion"] is not None]
    rare = [row for row in sampled if row["in_best"] or row["inclusion"] >= 0.1][:MOST_TERMS]
    if rare:
        screen.print(plain_table(("term", "chosen in"), [[r["term"], f"{100 * r['inclusion']:.0f} %"] for r in rare]))
    screen.print(found.judgement, markup=False, soft_wrap=True)
    if found.unfinished:
        screen.print(f"note: {found.unfinished}; the same command goes on from there", markup=False)
    screen.print(f"written to {folder}: equations.yaml, candidates.csv, terms.csv, and a run for each", markup=False)
    if pictures:
        screen.print(f"pictures: {', '.join(map(str, pictures))}", markup=False)
    screen.print(next_line("fit", folder / "equations.yaml"), markup=False, soft_wrap=True)


def _drawn(found: Discovery, folder: Path) -> Path:
    from odefit.data.outputs import write_file
    from odefit.plots import style

    with style.styled():
        write_file(folder / PICTURE, style.render(found.figure(), "png"))
    return folder / PICTURE
