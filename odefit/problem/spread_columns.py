"""A config whose file has experiments, times or replicates side by side in columns (data/spreading.py)."""

from __future__ import annotations

from collections.abc import Sequence

from odefit.config.load import LoadedConfig
from odefit.data.columns import Positions
from odefit.data.experiment_table import Conditions, conditions_from_mapping
from odefit.data.frames import FrameSheet
from odefit.data.grid.whole import whole
from odefit.data.layouts import OBSERVABLE, TIME
from odefit.data.spreading import Spread, is_pattern, spread
from odefit.errors import ConfigError
from odefit.problem.data_file import open_data
from odefit.problem.formula_texts import named_in_formulas
from odefit.text import clip, suggest


def spread_data(loaded: LoadedConfig, observables: Sequence[str] = ()) -> Spread | None:
    """The measurements as a long table; None where nothing stands side by side.

    observables: those that have a column of their own name where the config names none.

    Raises
    ------
    ConfigError, DataError
        It is not clear which column is which, or another key is about columns as they were.
    """
    data = loaded.config.data
    lists = [name for name, column in data.columns.items() if not isinstance(column, str)]
    content = None if loaded.given is None else loaded.given.content
    if not lists and not any(map(is_pattern, data.single_columns.values())):
        return None
    if loaded.events is not None or isinstance(content, tuple):
        if lists:
            what = "a list of columns is about a table with a column for each observable"
            raise ConfigError(loaded.where("data", "columns", lists[0]), what)
        return None
    given = [name for texts in data.columns.values() for name in ([texts] if isinstance(texts, str) else texts)]
    wanted = [*([data.time] if data.time else TIME), data.experiment or "experiment", *given]
    sheet = open_data(loaded, wanted) if content is None else FrameSheet(content)
    position = Positions({name: k for k, name in enumerate(sheet.header.names) if name})
    patterns = [n for n, c in data.single_columns.items() if is_pattern(c) and c not in position]
    is_long = (data.observable or next((n for n in OBSERVABLE if n in position), "")) in position
    if not lists and (not patterns or is_long):
        return None
    for key in ("sigma", "censored", "interval", "unit", "observable", "value"):
        if getattr(data, key) is not None:
            what = "has no meaning beside a list or a pattern in data.columns; write the table in the long layout"
            raise ConfigError(loaded.where("data", key), what)
    unknown = next((name for name in data.columns if observables and name not in observables), None)
    if unknown is not None:
        what = f"'{clip(unknown)}' is no observable; {suggest(unknown, observables)}"
        raise ConfigError(loaded.where("data", "columns"), what)
    columns = {name: [c] if isinstance(c, str) else c for name, c in data.columns.items()}
    columns = {name: columns.get(name, [name]) for name in observables or columns}
    return spread(whole(sheet, "has experiments side by side"), columns, data.time, data.experiment, data.unused)


def spread_conditions(loaded: LoadedConfig) -> Conditions | None:
    """The constants in the headers of a table with experiments side by side."""
    found = spread_data(loaded) if loaded.config.data.columns else None
    if found is None or not found.constants:
        return None
    return conditions_from_mapping(
        {name: dict(row) for name, row in found.constants.items()},
        lambda *_: loaded.where("data", "columns"),
        named_in_formulas(loaded),
    )
