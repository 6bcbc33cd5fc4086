"""`odefit sample`."""

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
    from odefit.sampling.sample import Sampled
    from odefit.screen import TextTable

HEADER = ("parameter", "mean", "sd", "median", "{level:g} % interval", "R-hat", "bulk", "tail", "unit")


def sample(
    run: RunPath,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Of each chain, with those already there.")] = 250,
    chains: Annotated[
        str,
        typer.Option(
            "--chains",
            metavar="N|A:B",
            help="How many, which go on together; or the chains A, …, B-1 alone (of 16, or A:B/N), for `odefit merge`.",
        ),
    ] = "16",
    warm_up: Annotated[
        int,
        typer.Option("--warm-up", min=10, help="Draws to learn scales and steps by; only after them are there any."),
    ] = 200,
    accept: Annotated[
        float, typer.Option("--accept", min=0.1, max=0.999, help="The acceptance that steps are made for.")
    ] = 0.8,
    level: Level = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draws.")] = 0,
    seconds: Seconds = None,
    part: PartOfAll = None,
    out: PartOut = None,
    overwrite: Anew = False,
    resume: PartResume = False,
    cluster: OnCluster = None,
    quiet: Quiet = False,
    time_limit: TimeLimit = None,
) -> None:
    """Draw from the posterior of RUN under its priors.

    Writes posterior.csv, posterior.json and posterior.arviz.json into RUN. Called again it goes on with what is there,
    after Ctrl-C or a kill as well.
    """
    from odefit.sampling import sample as sampling
    from odefit.terminal import Reporter, console

    end_within(time_limit)
    screen = console(quiet=quiet)
    settings: dict[str, Any] = {"warm_up": warm_up, "acceptance": accept, "level": level, "seed": seed}
    total, wanted = count_or_part(chains, part, "--chains", 16)
    if wanted is not None:
        from odefit.parts.questions import sample_part

        settings |= {"out": out, "overwrite": overwrite, "resume": resume}
        computed(
            lambda told: sample_part(run, wanted, draws, chains=total, progress=told, **settings),
            seconds,
            cluster,
            screen,
        )
        return
    check_whole(out)
    settings |= {"seconds": seconds, "overwrite": overwrite, "cluster": cluster}
    with Reporter(screen) as told:
        found = sampling.sample(run, draws, chains=total, progress=told, **settings)
    for line in lines_of(found):
        screen.print(line, markup=False)
    screen.print(f"written to {found.path}/posterior.csv, posterior.json, posterior.arviz.json", markup=False)
    if found.summary["draws"] < draws:
        screen.print(f"next: odefit sample {run} goes on to {draws} draws", markup=False)
    else:
        screen.print(next_line("report", run), markup=False, soft_wrap=True)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def lines_of(found: Sampled) -> Iterator[str | TextTable]:
    """What is shown of it."""
    from odefit.terminal import number, plain_table

    summary = found.summary
    yield f"{summary['verdict']['kind'].replace('_', ' ')}: {found.verdict}"
    yield ""
    rows = []
    for name, one in summary["parameters"].items():
        low, high = one["interval"]
        sizes = [number(one[key], 3) if one[key] is None else f"{one[key]:,.0f}" for key in ("ess_bulk", "ess_tail")]
        rows.append(
            [
                *(name, number(one["mean"]), number(one["sd"], 2), number(one["median"])),
                *(f"{number(low)} … {number(high)}", number(one["r_hat"], 4), *sizes, one["unit"] or ""),
            ]
        )
    if rows:
        yield plain_table([title.format(level=100 * summary["level"]) for title in HEADER], rows)
        yield ""
    many = f"{summary['chains']} chains of {summary['draws']} draws after {summary['warm_up']} of a warm-up"
    yield f"{many}, seed {summary['seed']}; bulk and tail: effective draws for means and for quantiles of 5 and 95 %"
