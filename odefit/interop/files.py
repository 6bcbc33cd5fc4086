"""Files from strangers: read whole, where they are regular, not too large, and there; and files for them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from odefit.data.outputs import write_file
from odefit.errors import ConfigError
from odefit.text import show


def read_bytes(path: Path, limit: int, what: str) -> bytes:
    """The content of a file. Raises ConfigError with the reason why there is none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(show(path), f"is no file: give {what}")
        if status.st_size > limit:
            raise ConfigError(show(path), f"has {status.st_size / 1e6:.0f} MB (at most {limit / 1e6:.0f} MB)")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        raise ConfigError(show(path), "there is no such file: check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(show(path), f"cannot be read: {reason.lower()}") from None


def read_text(path: Path, limit: int, what: str) -> str:
    """The same as text. Raises ConfigError."""
    content = read_bytes(path, limit, what)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{show(path)}:{line}", "is not UTF-8 text: save it as UTF-8") from None


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by their names into a folder, which is made. Gives the path of the first.

    Raises RunError, of a full disk StorageError.
    """
    for name, text in files.items():
        write_file(folder / name, text)
    return folder / next(iter(files))
