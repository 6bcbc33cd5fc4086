"""From a YAML file to a checked `Config`, with every fault of the file reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from odefit.config.data_section import SOURCES
from odefit.config.earlier import EarlierFit
from odefit.config.named_files import (
    NOT_SENT,
    WHY,
    held_to_its_folder,
    lies_within,
    matching,
    named_files,
    places_elsewhere,
)
from odefit.config.origin import Origin
from odefit.config.schema import Config
from odefit.config.source import Source, apply_overrides, from_mapping, read_yaml
from odefit.config.versions import fault_of_version, in_todays_terms
from odefit.errors import ConfigError, Fault, NewerConfigError
from odefit.records import dataclass
from odefit.text import cut, one_line

MAX_FAULTS = 50
MAX_KEY, MAX_NAME = 60, 300
KEY = "[key]"
"""What pydantic adds to the location of a key that is itself at fault."""


class Given(Protocol):
    """Data in memory (data/given.py)."""

    @property
    def content(self) -> Any:
        """What the measurements are read from."""

    @property
    def keys(self) -> Mapping[str, Any]:
        """What they say of their conditions, as the section `data` has it."""


@dataclass(frozen=True)
class LoadedConfig:
    """A config, and where it came from: for relative paths and for errors found later.

    `folder` is what relative paths in the config start from. A config without a file is called `fit.yaml`, here.
    `notes`: the defaults that mean something else today, for the author of a config that names no version.
    given: data that take the place of those that the config names, or None.
    earlier: the fit whose values the parameters start from, or None.
    events: the table of events that its file of measurements is (data/nonmem), once it was taken apart, or None.
    origin: the problem of another format that it was made of, or None.
    """

    config: Config
    source: Source
    path: Path
    notes: tuple[str, ...] = ()
    given: Given | None = None
    earlier: EarlierFit | None = None
    events: Any = None
    origin: Origin | None = None

    @property
    def folder(self) -> Path:
        return self.path.parent

    def where(self, *keys: str | int) -> str:
        """`configs/x.yaml:14  fit.starts`, for the error that names these keys."""
        return place(self.source, keys)


def load_config(
    config: os.PathLike[str] | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    given: Given | None = None,
    *,
    unversioned: int | None = None,
    only_beside: bool | None = None,
) -> LoadedConfig:
    """Read, override (`fit.starts=50`) and check a config. Raises ConfigError with all its faults.

    config: the YAML file, or what would stand in it as a mapping; paths are then relative to the current folder.
    given: data that take the place of those that it names.
    unversioned: the version of a config that names none, see `versions.in_todays_terms`.
    only_beside: whether it may name no files but those beside it or below, see `named_files.py`; default: what the
    environment says.
    """
    if isinstance(config, Mapping):
        source, path = from_mapping(config), Path("fit.yaml")
    elif isinstance(config, str | os.PathLike):
        source, path = read_yaml(Path(config)), Path(config)
    else:
        raise ConfigError("config", f"must be the path of a YAML file, or a mapping (got {type(config).__name__})")
    source = apply_overrides(source, overrides)
    if given is not None:
        source = _with_data(source, given)
    checked, notes = in_todays_terms(validate(source), unversioned)
    loaded = LoadedConfig(checked, source, path, notes, given)
    if held_to_its_folder() if only_beside is None else only_beside:
        check_only_beside(loaded)
    return loaded


def check_only_beside(loaded: LoadedConfig) -> None:
    """Every file that the config names lies beside it or below, links followed. Raises ConfigError."""
    faults = [
        Fault(loaded.where(*keys), f"names '{cut(name, MAX_NAME)}', {WHY}")
        for keys, name in named_files(loaded.config)
        if not _lies_beside(name, loaded.folder)
    ]
    faults += [
        Fault(loaded.where("fit", "track", key), f"names '{cut(name, MAX_NAME)}', {NOT_SENT}")
        for key, name in places_elsewhere(loaded.config)
    ]
    if faults:
        raise ConfigError(faults=faults)


def _lies_beside(name: str, folder: Path) -> bool:
    """Whether a file, or all that match a pattern, lie below the folder; nothing is looked for elsewhere."""
    return lies_within(folder / name, folder) and all(
        lies_within(folder / one, folder) for one in matching(name, folder)
    )


def _with_data(source: Source, given: Given) -> Source:
    """The config with given data in place of those that it names. Raises ConfigError where both name conditions."""
    section = source.data.get("data")
    section = {} if section is None else section
    if not isinstance(section, Mapping):
        return source  # which is a fault of its own
    for key in given.keys:
        if key in section:
            what = "the experiments that were given bring theirs; give them in one of the two places"
            raise ConfigError(place(source, ("data", key)), what)
    kept = {key: value for key, value in section.items() if key not in SOURCES}
    return replace(source, data={**source.data, "data": {"csv": "data", **kept, **given.keys}})


def validate(source: Source) -> Config:
    # Alone: a newer config has keys and values that need not be faults.
    newer = fault_of_version(source.data.get("version"))
    if newer is not None:
        raise NewerConfigError(place(source, ("version",)), newer)
    try:
        return Config.model_validate(source.data)
    except ValidationError as error:
        raise ConfigError(faults=_faults(error, source)) from None


def place(source: Source, keys: tuple[str | int, ...]) -> str:
    """Where a key stands, and its name: only the rest of it where an override names the beginning."""
    rest = keys[len(source.override(keys)) :]
    return f"{source.where(keys)}  {dotted(rest)}".strip()


def dotted(keys: Sequence[str | int]) -> str:
    return one_line(".".join(cut(str(key), MAX_KEY) for key in keys))


def _faults(error: ValidationError, source: Source) -> list[Fault]:
    from odefit.config.messages import sentence  # not needed by a config without faults

    faults: dict[Fault, None] = {}
    items = error.errors(include_url=False, include_context=True)
    # What stands at a key that is no name is not worth a second fault.
    nameless = {item["loc"][:-1] for item in items if item["loc"][-1:] == (KEY,)}
    items = [item for item in items if item["loc"][-1:] == (KEY,) or item["loc"] not in nameless]
    for done, item in enumerate(items):
        if len(faults) == MAX_FAULTS:
            faults[Fault(source.name, f"and about {len(items) - done} more")] = None
            break
        keys = _keys(item["loc"], source.data, item["type"] == "missing")
        what = sentence(item, keys, _value_at(source.data, keys))
        faults[Fault(place(source, keys), one_line(what))] = None
    return list(faults)


def _keys(loc: tuple[str | int, ...], data: Any, is_missing: bool) -> tuple[str | int, ...]:
    """The part of pydantic's location that the user wrote: it adds the tags of unions."""
    keys: list[str | int] = []
    for part in loc[:-1] if is_missing else loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        keys.append(part)
    return (*keys, loc[-1]) if is_missing else tuple(keys)


def _value_at(data: Any, keys: Sequence[str | int]) -> Any:
    for key in keys:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data
