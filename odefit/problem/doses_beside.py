"""Doses in columns of the file of measurements itself: a row with an amount is a dose at its time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock
from odefit.data.dose_table import read_doses
from odefit.data.doses import DoseRow
from odefit.data.frames import FrameSheet
from odefit.data.layouts import TIME
from odefit.data.replicates import replicate_of
from odefit.errors import ConfigError
from odefit.problem.data_file import open_data
from odefit.problem.spread_columns import spread_data
from odefit.problem.units import dose_units, unit_form


def are_beside(loaded: LoadedConfig) -> bool:
    """Whether `data.doses` names columns of the measurements."""
    doses = loaded.config.data.doses
    return doses is not None and doses.csv is None and doses.table is None and "amount" in doses.columns


def doses_beside(
    loaded: LoadedConfig,
    states: Collection[str],
    experiments: Collection[str] | None,
    clock: tuple[Clock | None, str],
    notes: list[str],
) -> Sequence[DoseRow]:
    """The doses in columns of the measurements.

    Parameters
    ----------
    loaded
        The config.
    states, experiments
        All names that there are; None for experiments that are not all known.
    clock
        Of the measurements, and the unit of their times.
    notes
        Takes what was done.

    Raises
    ------
    ConfigError, DataError
        There is no such file, or with its faults.
    """
    data, where = loaded.config.data, loaded.where("data", "doses")
    section = data.doses
    assert section is not None  # the caller sees to it
    content = None if loaded.given is None else loaded.given.content
    if isinstance(content, tuple) or (content is None and data.csv is None):
        raise ConfigError(where, "`columns` without `csv` are those of a file of measurements, and there is none")
    for key in ("time", "experiment"):
        if getattr(section, key) is not None:
            raise ConfigError(where, f"`{key}` is about a file of doses; data.{key} names that column")
    if section.state is None and "state" not in section.columns:
        raise ConfigError(where, "says not where doses go; write `state: NAME`, or the column: `columns: {state: …}`")
    names = [*([data.time] if data.time else TIME), *section.columns.values(), *data.single_columns.values()]
    table = FrameSheet(content) if content is not None else open_data(loaded, names)
    known = table.header.names
    named = data.experiment or ("experiment" if "experiment" in known else None)
    several = {replicate_of(name) for name in experiments or ()}
    if named is None and len(several) > 1 and spread_data(loaded, tuple(loaded.config.model.observables or ())) is None:
        raise ConfigError(where, "several experiments in one file, and no column names them; name it (data.experiment)")
    return read_doses(
        table,
        beside=True,
        default_state=section.state,
        time=data.time,
        experiment=named,
        columns={role: column for role, column in section.columns.items()},  # noqa: C416
        where=where,
        clock=clock[0],
        units=unit_form(loaded, {**dose_units(loaded)}, "doses"),
        time_unit=clock[1],
        notes=notes,
        states=states,
        experiments=None if experiments is None else {*experiments, *several},
        may_be_empty=True,
    )
