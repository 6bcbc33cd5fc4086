"""The files that a config names, and whether they lie where a config from a stranger may look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from odefit.config.data_section import ExperimentsFile
from odefit.config.schema import Config

ENVIRONMENT = "ODEFIT_ONLY_BESIDE"
"""Says for a whole server that configs are held to the files beside them."""
WHY = f"which lies not beside the config or below it: this config is held to files there (--only-beside, {ENVIRONMENT})"


def named_files(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys and the name of every file, as the config has it."""
    data = config.data
    if data.csv is not None:
        yield ("data", "csv"), data.csv
    if isinstance(data.experiments, str):
        yield ("data", "experiments"), data.experiments
    elif isinstance(data.experiments, ExperimentsFile):
        yield ("data", "experiments", "csv"), data.experiments.csv
    if data.doses is not None and data.doses.csv is not None:
        yield ("data", "doses", "csv"), data.doses.csv
    for name, section in data.inputs.items():
        yield ("data", "inputs", name, "csv"), section.csv


def held_to_its_folder() -> bool:
    """Whether the environment asks for it."""
    return os.environ.get(ENVIRONMENT, "0").lower() not in ("", "0", "no", "false")


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder or below it, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):  # a NUL in the name
        return False
