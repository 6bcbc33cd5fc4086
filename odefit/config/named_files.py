"""The files that a config names, and whether they lie where a config from a stranger may look."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from odefit.config.schema import Config

ENVIRONMENT = "ODEFIT_ONLY_BESIDE"
"""Says for a whole server that configs are held to the files beside them."""
MOST_FILES = 10_000
"""The most files that one name stands for."""
NOT_SENT = f"and this config may send nothing out of the current folder (--only-beside, {ENVIRONMENT})"
WHY = f"which lies not beside the config or below it: this config is held to files there (--only-beside, {ENVIRONMENT})"


def named_files(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys and the name of every file, as the config has it."""
    data = config.data
    for name in [data.csv] if isinstance(data.csv, str) else data.csv or ():
        yield ("data", "csv"), name
    if isinstance(data.experiments, str):
        yield ("data", "experiments"), data.experiments
    elif data.experiments is not None and not isinstance(data.experiments, dict):
        yield ("data", "experiments", "csv"), data.experiments.csv
    if data.doses is not None and data.doses.csv is not None:
        yield ("data", "doses", "csv"), data.doses.csv
    for name, section in data.inputs.items():
        yield ("data", "inputs", name, "csv"), section.csv
    yield from network_files(config)


def network_files(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The same of descriptions of networks, their weights, and arrays."""
    for name, file in config.data.arrays.items():
        yield ("data", "arrays", name), file
    for name, network in config.model.networks.items():
        for key, named in (("file", network.file), ("weights", network.weights)):
            if named is not None:
                yield ("model", "networks", name, key), named


def places_elsewhere(config: Config) -> Iterator[tuple[str, str]]:
    """The keys of `fit.track`, and their values, that send what a fit finds out of the current folder."""
    track = config.fit.track
    if track is not None and track.tensorboard is not None and not lies_within(Path(track.tensorboard), Path()):
        yield "tensorboard", track.tensorboard
    if track is not None and isinstance(track.mlflow, str):
        yield "mlflow", track.mlflow
    if track is not None and track.wandb is not None and os.environ.get("WANDB_MODE", "offline") != "offline":
        yield "wandb", track.wandb


def is_pattern(name: str, folder: Path) -> bool:
    """Whether a name stands for all files that match it: `runs/*.csv`. A file that is called so is meant itself."""
    try:
        return glob.has_magic(name) and not (folder / name).exists()
    except (OSError, ValueError):
        return False


def matching(name: str, folder: Path) -> list[str]:
    """The files that a name stands for, numbers in their order; the name itself where it is no pattern.

    `**` is any number of folders, none among them, as in shells and in Python.
    """
    if not is_pattern(name, folder):
        return [name]
    found = dict.fromkeys(glob.iglob(name, root_dir=folder, recursive=True))
    return sorted((file for file in found if not (folder / file).is_dir()), key=_by_numbers)[:MOST_FILES]


def _by_numbers(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name)]


def held_to_its_folder() -> bool:
    """Whether the environment asks for it."""
    return os.environ.get(ENVIRONMENT, "0").lower() not in ("", "0", "no", "false")


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder or below it, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):  # a NUL in the name
        return False
