"""The file of measurements that a config names, or the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odefit.config.load import LoadedConfig
from odefit.config.named_files import is_pattern, matching
from odefit.data.grid.opening import check_keys, kind_of, open_table
from odefit.data.sheets import Sheet
from odefit.errors import ConfigError
from odefit.problem.file_form import file_form
from odefit.text import clip


def one_file(loaded: LoadedConfig) -> Path | None:
    """The file that `data.csv` names; None where it names several."""
    csv = loaded.config.data.csv
    return loaded.folder / csv if isinstance(csv, str) and not is_pattern(csv, loaded.folder) else None


def open_data(loaded: LoadedConfig, wanted: Sequence[str]) -> Sheet:
    """The table of measurements; several files are one. wanted: names of columns that are hoped for.

    Raises
    ------
    ConfigError, DataError
        A file cannot be read, or the files do not belong together.
    """
    data, where = loaded.config.data, loaded.where("data", "csv")
    paths = _paths(loaded, where)
    form, kinds = file_form(loaded), [kind_of(path, where) for path in paths]
    check_keys(paths[0], kinds, form, where)
    sheets = [open_table(path, wanted, form.of(kind), where) for path, kind in zip(paths, kinds, strict=True)]
    if one_file(loaded) is not None:
        return sheets[0]
    for number, exclusion in enumerate(data.exclude):
        if exclusion.rows is not None and len(sheets) > 1:
            what = "there are several files, and rows are lines of one; name experiments and times"
            raise ConfigError(loaded.where("data", "exclude", number), what)
    from odefit.data.joining import join_tables

    return join_tables(sheets, data.time, data.experiment, data.format != "table", where, data.merge)


def _paths(loaded: LoadedConfig, where: str) -> list[Path]:
    csv = loaded.config.data.csv
    assert csv is not None  # the caller sees to it
    found: list[Path] = []
    for name in [csv] if isinstance(csv, str) else csv:
        own = matching(name, loaded.folder)
        if not own:
            raise ConfigError(where, f"no file matches '{clip(name, 100)}'")
        found += [loaded.folder / one for one in own]
    twice = next((path for k, path in enumerate(found) if path in found[:k]), None)
    if twice is not None:
        raise ConfigError(where, f"names '{clip(twice.name, 100)}' twice")
    return found
