"""`odefit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odefit.commands.written import check_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odefit.demos import Demo

FOLDER = "odefit-demo"


def demo(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Of shipped configs; default: all.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder that they are copied into.")] = Path(FOLDER),
    list_: Annotated[bool, typer.Option("--list", help="Show the names, and copy nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in a folder that exists.")] = False,
) -> None:
    """Copy the shipped configs and their data into a folder: examples to run, read and edit."""
    from odefit.demos import copy_demos, demos

    if list_:
        _show(list(demos().values()))
        return
    check_absent([out], overwrite)
    copied = copy_demos(names or [], out)
    _show(copied)
    typer.echo(f"written to {out}")
    first = next((one for one in copied if one.name == "lynx_hare"), copied[0])
    typer.echo(f"next: odefit fit {out / first.files[0]}")


def _show(shown: Sequence[Demo]) -> None:
    width = max(len(one.name) for one in shown)
    for one in shown:
        typer.echo(f"{one.name:<{width}}  {one.title}".rstrip())
