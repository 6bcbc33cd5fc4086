"""`odefit init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import Overwrite
from odefit.commands.written import check_free
from odefit.text import next_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from odefit.errors import InputError
    from odefit.proposing.look import Look


def init(
    files: Annotated[list[Path], typer.Argument(metavar="DATA", help="The file of measurements.", show_default=False)],
    model: Annotated[
        str | None, typer.Option("--model", help="A built-in system, see `odefit models`; default: by the data.")
    ] = None,
    sbml: Annotated[
        Path | None, typer.Option("--sbml", metavar="FILE", help="A model in SBML instead of a built-in system.")
    ] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="The column of times.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="COLUMN", help="The column that tells experiments apart.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The config; default: <name of DATA>.yaml, here.")] = None,
    overwrite: Overwrite = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How the file is to be read, e.g. --set data.clock=h:mm."),
    ] = None,
) -> None:
    """Look at DATA, and propose a config for it: a model, parameters with bounds, and how the file is read."""
    from odefit.config.source import CONFIGS
    from odefit.errors import ConfigError, DataError, InputError
    from odefit.proposing.proposal import check_model
    from odefit.text import counted

    data, *more = files
    if more:
        what = f"is looked at alone, and {counted(len(more), 'file')} more named; propose a config from one of them, "
        raise DataError(str(data), what + 'then write all into it: `data: {csv: "FOLDER/*.csv"}`, an experiment each')
    if data.suffix.lower() in CONFIGS:
        what = "is a config, and no file of measurements: `odefit check` looks at it, `odefit fit` fits it"
        raise DataError(str(data), what)
    target = out or Path(f"{data.stem}.yaml")
    check_free([target], overwrite)
    if model is not None and sbml is not None:
        raise ConfigError("--sbml", "and --model are both given; the equations come from one of them")
    if model is not None:
        check_model(model)
    said = [*(set_ or ())]
    said += [f"data.{key}={name}" for key, name in (("time", time), ("experiment", experiment)) if name is not None]
    while True:
        try:
            _proposed(data, said, model, sbml, target)
            return
        except InputError as error:
            said.append(_answer(error, said))


def _proposed(data: Path, said: list[str], model: str | None, sbml: Path | None, target: Path) -> None:
    """Look at the file, and write what is proposed for it. said: keys of the config that say how it is read."""
    from odefit import api
    from odefit.data.outputs import write_file
    from odefit.errors import InputError
    from odefit.proposing.incidence import counted_anew
    from odefit.proposing.look import look_at
    from odefit.proposing.proposal import propose
    from odefit.proposing.reading import how_it_is_read
    from odefit.proposing.shapes import suggestions
    from odefit.proposing.writing import config_text, found

    reading = how_it_is_read(data, said)
    with alive("looking at the data"):
        look = look_at(data, reading)
    typer.echo(f"{found(look)}.")
    for remark in look.remarks:
        typer.echo(f"note: {remark}")
    likely = suggestions(look)
    if sbml is not None:
        chosen, others, text = str(sbml), [], _with_sbml(look, sbml, target, reading.keys)
    else:
        chosen = model or _asked(likely)
        others = [name for name in likely if name != chosen]
        text = config_text(look, counted_anew(look, propose(look, chosen)), target, others, reading.keys)
    previous = target.read_bytes() if target.exists() else None
    write_file(target, text)
    try:
        with alive("checking"):
            report = api.check(target)
    except InputError:
        # What cannot be checked is no proposal: it does not stay.
        target.unlink() if previous is None else write_file(target, previous)
        raise
    for line in report.splitlines():
        if line.startswith(("note: ", "warning: ")):
            typer.echo(line)
    by_data = "" if model or not others else f" (or {', '.join(others)}: --model)"
    typer.echo(f"model: {chosen}{by_data}")
    typer.echo(f"written to {target}: read it, change what you know better")
    typer.echo(next_line("fit", target))


def _answer(error: InputError, said: list[str]) -> str:
    """The key that decides what is not clear, with what somebody at a terminal says; else the error goes on."""
    from odefit.errors import Fault
    from odefit.proposing.reading import deciding_key

    key = deciding_key(error, said)
    if key is None:
        raise error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        first = error.faults[0]
        raise type(error)(faults=[Fault(first.where, f"{first.what}; here: --set {key}=…"), *error.faults[1:]])
    typer.echo(str(error))
    return f"{key}={typer.prompt(key)}"


def _with_sbml(look: Look, sbml: Path, target: Path, said: Mapping[str, Any]) -> str:
    from odefit.interop.importing import import_file
    from odefit.proposing.with_sbml import sbml_config

    return sbml_config(look, import_file(sbml), target, said)


def _asked(likely: Sequence[str]) -> str:
    """The model that somebody at a terminal chooses; in a pipe the likeliest."""
    if len(likely) == 1 or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return likely[0]
    from odefit.model import catalogue

    for number, name in enumerate(likely, 1):
        typer.echo(f"  {number}  {name}: {catalogue.entry(name).title}")
    answer = typer.prompt("Which model? A number, or the name of another built-in system", default="1")
    number = int(answer) if answer.isdecimal() else 0
    if 1 <= number <= len(likely):
        return likely[number - 1]
    from odefit.proposing.proposal import check_model

    return check_model(answer.strip())
