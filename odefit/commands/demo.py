"""`odefit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.alive import alive
from odefit.text import next_line

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "odefit-demo"


def demo(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Of shipped configs, or of built-in systems; default: all that are shipped.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder that they are copied into.")] = Path(FOLDER),
    list_: Annotated[bool, typer.Option("--list", help="Show the names, and copy nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Copy the shipped configs and their data into a folder, or make an example of a built-in system, to run, read and
    edit."""
    from odefit.demos import built_in, copy_demos, demos

    if list_:
        _show([(one.name, one.title) for one in demos().values()])
        typer.echo("\n# made of the built-in system of this name")
        _show(list(built_in().items()))
        return
    with alive("making the example"):
        copied = copy_demos(names or [], out, overwrite)
    _show([(one.name, one.title) for one in copied])
    typer.echo(f"written to {out}")
    first = next((one for one in copied if one.name == "lynx_hare"), copied[0])
    typer.echo(next_line(first.command, out / first.files[0]))


def _show(shown: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in shown)
    for name, title in shown:
        typer.echo(f"{name:<{width}}  {title}".rstrip())
