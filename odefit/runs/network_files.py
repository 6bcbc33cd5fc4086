"""The files of networks in a run folder: descriptions, the weights that a fit began with, arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from odefit.config.load import LoadedConfig
from odefit.config.named_files import network_files
from odefit.runs.folder import write_text

Content = Mapping[tuple[str, ...], bytes]
"""What files hold, by the keys of the config that name them."""


def contents_of(loaded: LoadedConfig) -> dict[tuple[str, ...], bytes]:
    """The files that networks of a config have been read from. Raises OSError."""
    return {keys: (loaded.folder / name).read_bytes() for keys, name in network_files(loaded.config)}


def digest_of(loaded: LoadedConfig) -> str:
    """Of all these files that can be read; empty where the config names none."""
    digest = hashlib.sha256()
    named = list(network_files(loaded.config))
    for keys, name in named:
        digest.update(repr(keys).encode())
        with suppress(OSError, ValueError):
            digest.update((loaded.folder / name).read_bytes())
    return digest.hexdigest() if named else ""


def write_network_files(folder: Path, contents: Content) -> dict[tuple[str, ...], str]:
    """These files in a run folder; what they are called there. Raises RunError."""
    names = {keys: _name(keys) for keys in contents}
    for keys, name in names.items():
        write_text(folder, name, contents[keys])
    return names


def _name(keys: tuple[str, ...]) -> str:
    *_, one, last = keys
    if one == "arrays":
        return f"array-{last}.h5"
    return f"network-{one}.yaml" if last == "file" else f"network-{one}.h5"
