"""Configs that are made of foreign problems on the way to a fit."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from odefit.config.load import Given, LoadedConfig, load_config
from odefit.config.origin import Origin
from odefit.interop.importing import import_file
from odefit.interop.writing import DATA
from odefit.text import show

FOLDER = "imported"
"""Where a run folder keeps the config that was made."""


def load_foreign(path: Path, overrides: Sequence[str], given: Given | None, only_beside: bool | None) -> LoadedConfig:
    """The config made of a problem, read, in a folder that is gone when the process ends.

    Parameters
    ----------
    path
        An SBML model or a PEtab problem.
    overrides, given, only_beside
        As for `load_config`.

    Raises
    ------
    ConfigError
        As `import_file`, and as `load_config` with what the problem says in the place of what was made of it.
    """
    imported = import_file(path, only_beside)
    folder = Path(tempfile.mkdtemp(prefix="odefit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = imported.write(folder)
    origin = Origin(folder, show(path), DATA, imported.rows)
    with origin.in_its_words():
        loaded = load_config(config, overrides, given, only_beside=only_beside)
    return replace(loaded, origin=origin, notes=(*imported.warnings, *map(origin.text, loaded.notes)))


def keep_import(config: Path, run: Path) -> None:
    """Copy a config that was made of a problem, and its tables, into a run folder. Raises OSError."""
    shutil.copytree(config.parent, run / FOLDER, dirs_exist_ok=True)
