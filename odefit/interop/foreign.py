"""Configs that are made of foreign problems on the way to a fit."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from odefit.interop.importing import import_file

FOLDER = "imported"
"""Where a run folder keeps the config that was made."""


def imported_config(path: Path, only_beside: bool | None = None) -> Path:
    """The config made of a problem, in a folder that is gone when the process ends.

    Parameters
    ----------
    path
        An SBML model or a PEtab problem.
    only_beside
        Refuse files elsewhere than beside the problem or below; default: what the environment says.

    Raises
    ------
    ConfigError
        As `import_file`.
    """
    imported = import_file(path, only_beside)
    folder = Path(tempfile.mkdtemp(prefix="odefit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return imported.write(folder)


def keep_import(config: Path, run: Path) -> None:
    """Copy a config that was made of a problem, and its tables, into a run folder. Raises OSError."""
    shutil.copytree(config.parent, run / FOLDER, dirs_exist_ok=True)
