"""How the section `data` says that the table of measurements is to be read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.clock import ClockForm
from odefit.data.clock_cells import UNITS
from odefit.data.columns import Positions
from odefit.data.csv_cells import MissingCells
from odefit.data.table_beside import Beside
from odefit.data.table_form import Exclusion, Limits, TableForm
from odefit.data.unused_columns import unused_notes
from odefit.errors import ConfigError
from odefit.model.system import TIME
from odefit.problem.file_form import file_form
from odefit.problem.noise_columns import COLUMN
from odefit.problem.units import unit_form
from odefit.text import clip

if TYPE_CHECKING:
    from odefit.config.counted_section import ExcludeSection

_ROWS = re.compile(r"\s*(\d{1,18})\s*(?:(?:-|–|to)\s*(\d{1,18})\s*)?")


def table_form(loaded: LoadedConfig) -> TableForm:
    """What the config says of columns and cells. Raises ConfigError."""
    data = loaded.config.data
    return TableForm(
        observable=data.observable,
        value=data.value,
        sigma=data.sigma,
        censored=data.censored,
        interval=data.interval,
        unit=data.unit,
        merged=data.merge,
        limits={name: Limits(one.below, one.above, one.least, one.most) for name, one in data.limit.items()},
        missing=MissingCells.of(data.missing),
        file=file_form(loaded),
        clock=ClockForm(_unit(loaded), data.zero, data.day_first, data.clock, data.date, tuple(data.unused)),
        units=unit_form(loaded),
        exclude=[_exclusion(one, loaded, number) for number, one in enumerate(data.exclude)],
    )


def _unit(loaded: LoadedConfig) -> str | None:
    """The unit of times that the config names, for the data or for the model."""
    return loaded.config.data.time_unit or next(
        (unit for name, unit in loaded.config.model.units.items() if name == TIME and unit in UNITS), None
    )


def _exclusion(section: ExcludeSection, loaded: LoadedConfig, number: int) -> Exclusion:
    lines = None
    where = loaded.where("data", "exclude", number)
    if section.rows is not None:
        lines = []
        for row in section.rows:
            found = _ROWS.fullmatch(row)
            if found is None:
                raise ConfigError(where, f"rows: '{row}' is no line; write lines of the file, as in [17, '20-25']")
            lines.append((int(found[1]), int(found[2] or found[1])))
    return Exclusion(
        lines,
        None if section.times is None else [in_numbers(time, where) for time in section.times],
        None if section.after is None else in_numbers(section.after, where),
        None if section.before is None else in_numbers(section.before, where),
        section.experiments,
        section.observables,
        section.reason,
        where,
    )


def in_numbers(time: float | str, where: str) -> float:
    """A time of the config whose dates have become numbers. Raises ConfigError where it is still one."""
    if isinstance(time, str):
        raise ConfigError(where, f"'{clip(time)}' is a date, and stands for no time of these data; write a number")
    return time


def beside_notes(loaded: LoadedConfig, beside: Beside, constants: Collection[str] = ()) -> Iterator[str]:
    """What to say of columns that nothing reads, and of standard deviations that no noise uses.

    constants: the columns that were read as constants of the experiments.
    """
    data = loaded.config.data
    if beside.place:
        position = Positions({name: k for k, name in enumerate(beside.unused)})
        left_alone = {*data.unused, *map(position.spelled, [*_read_elsewhere(loaded), *constants])}
        unused = [name for name in beside.unused if name not in left_alone]
        yield from unused_notes(beside.place, unused, beside.has_experiments)
    noise = loaded.config.noise
    for name, column in beside.with_sigma.items():
        own = noise if isinstance(noise, NoiseSection) else noise.get(name, NoiseSection())
        if COLUMN not in own.sigma and column not in own.sigma and column not in data.unused:
            what = f"column '{column}' holds standard deviations of {name}, and is NOT used"
            remedy = f"`noise: {{{name}: {{sigma: column}}}}` uses it, `data.unused: [{column}]` ends this note"
            yield f"{beside.place}: {what}; {remedy}"


def _read_elsewhere(loaded: LoadedConfig) -> Sequence[str]:
    """The columns of the file of measurements that other sections read from it."""
    data, found = loaded.config.data, [] if loaded.events is None else list(loaded.events.used)
    if data.doses is not None and data.doses.csv is None and data.doses.table is None:
        found += data.doses.columns.values()
    for name, section in data.inputs.items():
        if section.csv == data.csv:
            found += [section.column or name, section.experiment or "experiment"]
    return found
