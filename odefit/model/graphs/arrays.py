"""Arrays of numbers in HDF5 files: weights of networks, and what they are given. Needs h5py (`odefit[sciml]`).

metadata/pytorch_format                  whether weights lie as torch has them
inputs/<input>/<condition;condition>     an argument, or `0` (or `data`) for all conditions
parameters/<network>/<layer>/<array>     weights
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import ConfigError
from odefit.text import clip, one_line, show

MAX_NUMBERS = 20_000_000
"""The most numbers of all arrays of one file that are read."""
MAX_ARRAYS = 100_000
"""The most entries of one group."""
ALL = ("0", "data")
"""Names of an array that is the same under all conditions."""


class ArrayFile:
    """The arrays of one file by where they stand in it: `inputs/x/0`, `parameters/net/layer1/weight`.

    Parameters
    ----------
    path
        The file.
    arrays
        By their places.
    """

    def __init__(self, path: Path, arrays: Mapping[str, FloatArray]) -> None:
        self.path, self.arrays = path, arrays

    def inputs(self, name: str) -> dict[str, FloatArray]:
        """The arrays of one argument: condition -> array, with the condition `0` for all."""
        found: dict[str, FloatArray] = {}
        for place, array in self.arrays.items():
            kind, _, rest = place.partition("/")
            argument, _, conditions = rest.rpartition("/")
            if kind == "inputs" and argument == name:
                for condition in conditions.split(";"):
                    found["0" if conditions in ALL else condition.strip()] = array
        return found

    def weights(self, network: str) -> dict[str, FloatArray]:
        """The weights of one network: `layer1.weight` -> array."""
        start = f"parameters/{network}/"
        return {
            place.removeprefix(start).replace("/", "."): array
            for place, array in self.arrays.items()
            if place.startswith(start)
        }


def read_arrays(path: Path, where: str) -> ArrayFile:
    """All arrays of a file.

    Parameters
    ----------
    path
        The file.
    where
        What a fault of it is said of.

    Raises
    ------
    ConfigError
        There is no such file, it is no HDF5, its numbers are not finite, or it is too large.
    """
    found: dict[str, FloatArray] = {}
    with _opened(path, where) as file:
        left = MAX_NUMBERS
        for place, data in _datasets(file, where, ""):
            if place.startswith("metadata/"):
                continue
            if data.dtype.kind not in "fiub":
                raise ConfigError(where, f"{show(path)}: {clip(place)} holds no numbers")
            left -= int(data.size)
            if left < 0:
                raise ConfigError(
                    where, f"{show(path)} holds more than {MAX_NUMBERS:,} numbers; at most so many are read"
                )
            array = np.asarray(data[()], dtype=np.float64)
            if not np.isfinite(array).all():
                raise ConfigError(where, f"{show(path)}: {clip(place)} has numbers that are not finite")
            found[place] = array
        _check_format(file, path, where)
    return ArrayFile(path, found)


def _check_format(file: Any, path: Path, where: str) -> None:
    mark = file.get("metadata/pytorch_format")
    if mark is not None and getattr(mark, "shape", None) == () and not bool(mark[()]):
        what = (
            "has its arrays in the order of another framework (pytorch_format is false); write them as torch has them"
        )
        raise ConfigError(where, f"{show(path)} {what}")


def _datasets(group: Any, where: str, above: str) -> Iterator[tuple[str, Any]]:
    """The arrays below a group; links to elsewhere are not followed."""
    import h5py

    if len(group) > MAX_ARRAYS or above.count("/") > 8:
        raise ConfigError(where, f"{clip(above) or 'the file'} has too many entries, or too many levels")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ConfigError(where, f"{clip(above + name)} is a link; arrays must stand in the file itself")
        entry = group[name]
        if isinstance(entry, h5py.Group):
            yield from _datasets(entry, where, f"{above}{name}/")
        elif isinstance(entry, h5py.Dataset):
            if entry.external or entry.is_virtual:
                raise ConfigError(
                    where, f"{clip(above + name)} lies in another file; arrays must stand in the file itself"
                )
            yield f"{above}{name}", entry


@contextmanager
def _opened(path: Path, where: str) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        what = f"{show(path)} is read with h5py, which is not installed; install odefit[sciml]"
        raise ConfigError(where, what) from None
    if not path.is_file():
        raise ConfigError(where, f"there is no file {show(path)}; check the path")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ConfigError(where, f"{show(path)} cannot be read as HDF5: {clip(one_line(str(error)), 200)}") from None
    with file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, ValueError, MemoryError) as error:
            what = clip(one_line(str(error)) or type(error).__name__, 200)
            raise ConfigError(where, f"{show(path)} cannot be read: {what}") from None


def write_arrays(path: Path, arrays: Mapping[str, FloatArray]) -> None:
    """A file with these arrays, as torch has them, by their places. Raises OSError."""
    import h5py

    with h5py.File(path, "w") as file:
        file["metadata/pytorch_format"] = True
        for place, array in arrays.items():
            file[place] = array
