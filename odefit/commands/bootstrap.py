"""`odefit bootstrap`."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.errors import INTERRUPTED
from odefit.commands.options import Anew, Level, RunPath, Seconds

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
    samples: Annotated[int, typer.Option("--samples", min=1, help="Data sets in all, with those already done.")] = 1000,
    kind: Annotated[
        str, typer.Option("--kind", help="parametric, residuals or cases (experiments): what is drawn anew.")
    ] = "parametric",
    intervals: Annotated[
        str, typer.Option("--intervals", help="studentized, bca, basic or percentile; the files have all.")
    ] = "studentized",
    level: Level = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the samples.")] = 0,
    seconds: Seconds = None,
    overwrite: Anew = False,
) -> None:
    """Fit data sets drawn anew: how the estimates of RUN scatter, and intervals from that.

    Writes bootstrap.csv and bootstrap.json into RUN. Called again it goes on with what is there, after Ctrl-C or a kill
    as well.
    """
    from odefit.resampling import bootstrap as resampling
    from odefit.terminal import Reporter, console

    screen = console()
    with Reporter(screen) as told:
        found = resampling.bootstrap(
            run,
            samples,
            kind=kind,  # type: ignore[arg-type]  # what is none is refused there
            intervals=intervals,  # type: ignore[arg-type]
            level=level,
            seed=seed,
            seconds=seconds,
            overwrite=overwrite,
            progress=told,
        )
    for line in _lines(found):
        screen.print(line, markup=False)
    screen.print(f"written to {found.path}/bootstrap.csv, bootstrap.json", markup=False)
    if found.summary.samples["finished"] < samples:
        screen.print(f"next: odefit bootstrap {run} goes on to {samples} samples", markup=False)
    else:
        screen.print(f"next: {join(('odefit', 'report', str(run)))}", markup=False, soft_wrap=True)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _lines(found: Bootstrap) -> Iterator[str | TextTable]:
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
