"""Files that a command writes where the user is: none in the place of another, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_absent(paths: Sequence[Path], overwrite: bool) -> None:
    """Raises RunError where one of the files or folders exists already, or two are the same."""
    if len(set(paths)) < len(paths):
        raise RunError(
            str(paths[0]), "is the name of the picture that stands beside the CSV; give --out ending in .csv"
        )
    for path in paths:
        if path.exists() and not overwrite:
            raise RunError(str(path), "exists already; choose another --out, or say --overwrite")


def check_free(paths: Sequence[Path], overwrite: bool) -> None:
    """The same of files, and where one of them cannot be written: before anything is computed."""
    from odefit.data.outputs import check_writable

    check_absent(paths, overwrite)
    check_writable(paths)


def written(table: Path, text: str, picture: Figure | None) -> list[Path]:
    """Write a CSV, and a picture beside it; the paths. Raises RunError."""
    from odefit.data.outputs import write_file

    contents: dict[Path, str | bytes] = {table: text}
    if picture is not None:
        from odefit.plots import style

        with style.styled():
            contents[table.with_suffix(".png")] = style.render(picture, "png")
    for path, content in contents.items():
        write_file(path, content)
    return list(contents)
