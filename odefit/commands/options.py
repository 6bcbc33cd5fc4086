"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.", show_default=False)]


def _run(given: Path) -> Path:
    """The run in a folder; that of a discovery stands for its best candidate, which is said."""
    from odefit.runs.folder import run_in

    found = run_in(given)
    if found != given:
        typer.echo(f"note: {given} is a discovery; this is its best candidate, {found}", err=True)
    return found


RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `odefit fit` wrote.", callback=_run)]


def _overrides(value: list[str] | None) -> list[str]:
    # Here, where `--set fit.starts 50` has not yet become one argument too many.
    from odefit.config.source import split_assignment

    for assignment in value or ():
        split_assignment(assignment)
    return value or []


Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        callback=_overrides,
        help="Override a key of the config, e.g. --set fit.starts=50.",
    ),
]


def _time(value: str | None) -> float | None:
    from odefit.commands.ending import seconds_of

    try:
        return None if value is None else seconds_of(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        parser=_time,
        help="End in good order after so much time (90, 90m, 1.5h, 1:30:00), keep what is there, and exit with 124.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
PartOfAll = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="K/N",
        help="Only the K-th of N parts, into a folder of its own (--out), for `odefit merge`.",
        show_default=False,
    ),
]
PartOut = Annotated[
    Path | None,
    typer.Option("--out", help="The folder of a part; default: beside RUN, by its name.", show_default=False),
]
PartResume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with a part that was killed or interrupted; wholes always go on."),
]
OnCluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="CLUSTER",
        help="Where to compute: as `fit.cluster`, e.g. tcp://10.0.0.1:8786 or '{dask: {workers: 4}}', or none. "
        "Default: what the config of RUN says.",
        show_default=False,
    ),
]
Show = Annotated[bool, typer.Option("--show", help="Show data and fit here, in characters.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document for programs; what is said meanwhile goes to stderr.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write into --out although it exists.")]
Anew = Annotated[
    bool, typer.Option("--overwrite", help="Begin anew, in place of what the run folder has of an earlier call.")
]
Level = Annotated[float, typer.Option("--level", help="The coverage of intervals and bands, between 0 and 1.")]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        min=0,
        help="When to end in any case, about; what is there by then is kept, and where it is in the run folder the "
        "same command goes on from there.",
        show_default=False,
    ),
]
Plots = Annotated[bool, typer.Option("--plots/--no-plots", help="Draw pictures at the end.")]
TableOut = Annotated[
    Path | None,
    typer.Option(
        "--out", help="The CSV, and a picture beside it; default: by the name of the run, here.", show_default=False
    ),
]
OnlyBeside = Annotated[
    bool | None,
    typer.Option(
        "--only-beside",
        help="Refuse a config that names files elsewhere than beside it or below; also by ODEFIT_ONLY_BESIDE=1.",
        show_default=False,
    ),
]


def split_names(text: str) -> list[str]:
    """The names in `k,CL,conc[a, b](6)`: commas inside of brackets are parts of them."""
    import re

    return [name.strip() for name in re.split(r",(?![^\[\]()]*[\])])", text) if name.strip()]


Dates = Annotated[bool, typer.Option("--dates", help="Dates on axes of time, where the times of the data were dates.")]
