"""What somebody says of how a file is to be read: keys of the section `data` of the config that is to be made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from odefit.config.load import load_config
from odefit.data.table_form import PLAIN, TableForm
from odefit.errors import ConfigError, InputError
from odefit.problem.table_form import table_form
from odefit.records import dataclass

KEYS = (
    *("sheet", "header", "separator", "decimal", "encoding", "time", "time_unit", "zero", "day_first", "clock"),
    *("experiment", "observable", "value", "columns", "missing", "date", "unit"),
)
"""Keys of `data` that change what is seen in a file."""


@dataclass(frozen=True)
class Reading:
    """How a file is to be read.

    Parameters
    ----------
    keys
        The keys of `data`, as they are written into the config.
    form
        What they say of cells and of names.
    time, experiment
        Columns, where they are named.
    columns
        Observable -> column, columns or pattern, where these are named.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    form: TableForm = PLAIN
    time: str | None = None
    experiment: str | None = None
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


UNSAID = Reading()


def how_it_is_read(path: Path, said: Sequence[str]) -> Reading:
    """What `data.clock=h:mm` and the like say of a file.

    Raises
    ------
    ConfigError
        A key is none, or does not speak of the file.
    """
    loaded = load_config({"model": {"name": "linear"}, "data": {"csv": str(path)}}, said)
    given = {key: value for key, value in loaded.source.data["data"].items() if key != "csv"}
    strange = [key for key in given if key not in KEYS] + [key for key in loaded.source.data if key not in _SECTIONS]
    if strange:
        what = f"says nothing of the file; `odefit init` takes {', '.join(KEYS)} of `data`, all else is for the config"
        raise ConfigError(f"--set {strange[0]}", what)
    data = loaded.config.data
    return Reading(given, table_form(loaded), data.time, data.experiment, data.columns)


_SECTIONS = ("model", "data")


def deciding_key(error: InputError, said: Sequence[str]) -> str | None:
    """The key that an error names as what decides, where nothing was said of it yet."""
    for fault in error.faults:
        for key in re.findall(r"data\.(\w+)", fault.what):
            if key in KEYS and not any(text.startswith(f"data.{key}=") for text in said):
                return f"data.{key}"
    return None
