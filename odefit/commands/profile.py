"""`odefit profile`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odefit.commands.ending import end_within
from odefit.commands.errors import INTERRUPTED
from odefit.commands.options import (
    Anew,
    Level,
    OnCluster,
    PartOfAll,
    PartOut,
    PartResume,
    Plots,
    Quiet,
    RunPath,
    Seconds,
    TimeLimit,
    split_names,
)
from odefit.commands.parts import check_whole, computed
from odefit.text import next_line

if TYPE_CHECKING:
    from odefit.profiles.records import Profile, Profiles
    from odefit.screen import TextTable


def profile(
    run: RunPath,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameters",
            metavar="NAMES",
            help="Which, e.g. k,CL or conc(6); repeatable. Default: all that is estimated, or derived from that.",
        ),
    ] = None,
    level: Level = 0.95,
    seconds: Seconds = None,
    part: PartOfAll = None,
    out: PartOut = None,
    overwrite: Anew = False,
    resume: PartResume = False,
    cluster: OnCluster = None,
    plots: Plots = True,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
) -> None:
    """Profile likelihoods of RUN: intervals that hold where the curvature misleads, and what the data leave open."""
    from odefit import api
    from odefit.profiles.profiling import check_can_be_profiled
    from odefit.profiles.profiling import profile as profiles_of
    from odefit.runs.folder import PROFILE_VERDICTS, PROFILES
    from odefit.terminal import Reporter, console

    end_within(time_limit)
    screen = console(quiet=quiet)
    names = None if not parameters else [name for text in parameters for name in split_names(text)]
    if part is not None:
        from odefit.parts.questions import profile_part

        settings: dict[str, Any] = {"level": level, "out": out, "overwrite": overwrite, "resume": resume}
        computed(lambda told: profile_part(run, part, names, progress=told, **settings), seconds, cluster, screen)
        return
    check_whole(out)
    loaded = check_can_be_profiled(api.load_run(run))
    with Reporter(screen) as told:
        told.now("looking for the ends of the intervals")
        try:
            how: dict[str, Any] = {"seconds": seconds, "overwrite": overwrite, "cluster": cluster}
            found = profiles_of(loaded, names, level=level, progress=told, **how)
        except KeyboardInterrupt:
            told.note(f"what was found is kept in {run}: the same command goes on from there")
            raise typer.Exit(INTERRUPTED) from None
    for line in lines_of(found):
        screen.print(line, markup=False, soft_wrap=True)
    screen.print(f"written to {run / PROFILES} and {PROFILE_VERDICTS}", markup=False)
    if plots and len(found):
        from odefit.pictures import draw

        pictures = draw(loaded, kinds=["profiles", "profile_paths"])
        screen.print(f"pictures: {', '.join(map(str, pictures))}", markup=False)
    screen.print(next_line("report", run), markup=False, soft_wrap=True)


def lines_of(found: Profiles) -> Iterator[str | TextTable]:
    """A table, and what to beware of."""
    from odefit.terminal import number, plain_table

    head = ("quantity", "estimate", f"{100 * found.level:.4g} % interval", "")
    yield plain_table(head, [[p.name, number(p.estimate), _interval(p), p.sentence] for p in found])
    yield from found.remarks


def _interval(profile: Profile) -> str:
    """`0.1 … 0.3`; an open end is empty: `0.1 …`."""
    from odefit.terminal import number

    if profile.low is None and profile.high is None:
        return "–"
    ends = ["" if end is None else number(end) for end in (profile.low, profile.high)]
    return f"{ends[0]} … {ends[1]}".strip()
