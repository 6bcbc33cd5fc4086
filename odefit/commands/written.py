"""Files that a command writes where the user is: none in the place of another, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.errors import RunError, StorageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_absent(paths: Sequence[Path], overwrite: bool) -> None:
    """Raises RunError where one of the files exists already, or two are the same."""
    if len(set(paths)) < len(paths):
        raise RunError(
            str(paths[0]), "is the name of the picture that stands beside the CSV; give --out ending in .csv"
        )
    for path in paths:
        if path.exists() and not overwrite:
            raise RunError(str(path), "exists already; choose another --out, or say --overwrite")


def written(table: Path, text: str, picture: Figure | None) -> list[Path]:
    """Write a CSV, and a picture beside it; the paths. Raises StorageError."""
    from odefit.data.atomic_files import atomic_write

    contents: dict[Path, str | bytes] = {table: text}
    if picture is not None:
        from odefit.plots import style

        with style.styled():
            contents[table.with_suffix(".png")] = style.render(picture, "png")
    for path, content in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, content)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StorageError(str(path), f"cannot be written: {reason}") from error
    return list(contents)
