"""`odefit bootstrap`."""

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
    Quiet,
    RunPath,
    Seconds,
    TimeLimit,
)
from odefit.commands.parts import check_whole, computed, count_or_part
from odefit.text import next_line

if TYPE_CHECKING:
    from odefit.resampling.bootstrap import Bootstrap
    from odefit.screen import TextTable

DRAWN = {
    "parametric": "measurements drawn from the fitted model with its noise",
    "residuals": "residuals put to other predictions",
    "cases": "experiments drawn with replacement",
}


def bootstrap(
    run: RunPath,
    samples: Annotated[
        str,
        typer.Option(
            "--samples",
            metavar="N|A:B",
            help="Data sets in all, with those already done; or the data sets A, …, B-1 alone, for `odefit merge`.",
        ),
    ] = "1000",
    kind: Annotated[
        str, typer.Option("--kind", help="parametric, residuals or cases (experiments): what is drawn anew.")
    ] = "parametric",
    intervals: Annotated[
        str, typer.Option("--intervals", help="studentized, bca, basic or percentile; the files have all.")
    ] = "studentized",
    level: Level = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the samples.")] = 0,
    seconds: Seconds = None,
    part: PartOfAll = None,
    out: PartOut = None,
    overwrite: Anew = False,
    resume: PartResume = False,
    cluster: OnCluster = None,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
) -> None:
    """Fit data sets drawn anew: how the estimates of RUN scatter, and intervals from that.

    Writes bootstrap.csv and bootstrap.json into RUN. Called again it goes on with what is there, after Ctrl-C or a kill
    as well.
    """
    from odefit.resampling import bootstrap as resampling
    from odefit.terminal import Reporter, console

    end_within(time_limit)
    screen = console(quiet=quiet)
    # What is no kind of samples or intervals is refused there.
    settings: dict[str, Any] = {"kind": kind, "intervals": intervals, "level": level, "seed": seed}
    total, wanted = count_or_part(samples, part, "--samples", 1000)
    if wanted is not None:
        from odefit.parts.questions import bootstrap_part

        settings |= {"out": out, "overwrite": overwrite, "resume": resume}
        computed(lambda told: bootstrap_part(run, wanted, total, progress=told, **settings), seconds, cluster, screen)
        return
    check_whole(out)
    settings |= {"seconds": seconds, "overwrite": overwrite, "cluster": cluster}
    with Reporter(screen) as told:
        found = resampling.bootstrap(run, total, progress=told, **settings)
    for line in lines_of(found):
        screen.print(line, markup=False)
    screen.print(f"written to {found.path}/bootstrap.csv, bootstrap.json", markup=False)
    if found.summary.samples["finished"] < total:
        screen.print(f"next: odefit bootstrap {run} goes on to {total} samples", markup=False)
    else:
        screen.print(next_line("report", run), markup=False, soft_wrap=True)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def lines_of(found: Bootstrap) -> Iterator[str | TextTable]:
    """What is shown of it."""
    from odefit.terminal import number, plain_table

    summary, counts = found.summary, found.summary.samples
    yield f"{summary.kind}: {DRAWN[summary.kind]}, seed {summary.seed}"
    ends = [f"{counts[how]} {how}" for how in ("stopped", "failed") if counts[how]]
    left_out = f" ({', '.join(ends)}: left out)" if ends else ""
    yield f"{counts['converged']} of {counts['finished']} fits converged{left_out}"
    if not counts["converged"]:
        return
    kinds = {one["interval_kind"] for one in summary.estimates.values()}
    rows = []
    for name, one in summary.estimates.items():
        low, high = one["interval"] or (None, None)
        interval = f"{number(low)} … {number(high)}" if one["interval"] else "–"
        errors = (number(one["standard_error"], 2), number(one["wald_standard_error"], 2), number(one["bias"], 2))
        own = f"  {one['interval_kind']}" if len(kinds) > 1 and one["interval_kind"] else ""
        rows.append([name, number(one["value"]), *errors, interval, f"{one['unit'] or ''}{own}"])
    yield ""
    title = f"{100 * summary.level:g} % interval"
    yield plain_table(("parameter", "estimate", "std. error", "by curvature", "bias", title, "unit"), rows)
    yield ""
    if kinds == {None}:
        yield "intervals: none yet, these samples are too few"
    elif len(kinds) == 1:
        yield f"intervals: {kinds.pop()}"
