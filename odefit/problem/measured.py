"""The measurements that a config names, as its section `data` says how to read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.data.covariates import CovariateUse
from odefit.data.experiments import Experiment
from odefit.data.given import arrange_given
from odefit.data.layouts import OBSERVABLE, TIME
from odefit.data.nonmem.table import EventTable
from odefit.data.replicates import Repeats
from odefit.data.table_beside import Beside
from odefit.data.table_form import TableForm
from odefit.data.tables import read_table
from odefit.errors import DataError
from odefit.problem.data_file import one_file, open_data
from odefit.problem.event_table import event_columns, event_form
from odefit.problem.file_form import file_form
from odefit.problem.spread_columns import spread_data
from odefit.problem.table_form import table_form
from odefit.text import show


def read_measured(
    loaded: LoadedConfig,
    observables: Sequence[str],
    notes: list[str],
    *,
    left_out: set[str] | None = None,
    chosen: bool = True,
    use: CovariateUse | None = None,
    known: set[str] | None = None,
    repeats: list[Repeats] | None = None,
    beside: Beside | None = None,
    constants: Collection[str] = (),
) -> list[Experiment]:
    """The experiments of `data.csv`, or those that were given instead. Raises DataError.

    The arguments are those of `read_table`, and the columns that are constants of the experiments, read before.
    """
    data = loaded.config.data
    given = None if loaded.given is None else loaded.given.content
    if isinstance(given, tuple):
        return arrange_given(
            given,
            observables=observables,
            columns=data.single_columns,
            only=data.only,
            start=data.fixed_start,
            left_out=left_out,
            use=use,
            known=known,
        )
    source, time, experiment, columns, form = _arranged(loaded, observables, notes, constants)
    with _arrangement_told(loaded):
        return read_table(
            source,
            observables=observables,
            time=time,
            experiment=experiment,
            columns=columns,
            only=data.only,
            ignore=data.ignore,
            start=data.fixed_start,
            where=loaded.where("data", "csv"),
            left_out=left_out,
            chosen=chosen,
            notes=notes,
            use=use,
            known=known,
            repeats=repeats,
            form=form,
            beside=beside,
        )


def _arranged(
    loaded: LoadedConfig, observables: Sequence[str], notes: list[str], constants: Collection[str]
) -> tuple[Any, str | None, str | None, Mapping[str, str], TableForm]:
    """The table, its columns of times, experiments and observables, and how it is to be read."""
    data = loaded.config.data
    assert data.csv is not None  # the schema sees to it
    source: Any = None if loaded.given is None else loaded.given.content
    time = data.time
    form, spread = table_form(loaded), spread_data(loaded, observables)
    form = replace(form, units=replace(form.units, elsewhere={*form.units.elsewhere, *constants}))
    if spread is not None:
        source, time = spread.grid, spread.grid.header.names[0]
        form = replace(form, units=replace(form.units, said={**spread.units, **form.units.said}))
    elif source is None and loaded.events is None:
        path = one_file(loaded)
        source = open_data(loaded, _wanted(loaded, observables)) if path is None else path
    experiment, columns = data.experiment, {} if spread else data.single_columns
    if loaded.events is not None:
        events: EventTable = loaded.events
        source, time, experiment = events.sheet, events.name("time"), events.name("id")
        columns, label, note = event_columns(events, observables, columns)
        form = replace(event_form(events, form), observable=label, value=None if label is None else events.name("dv"))
        notes += [*events.notes, *([] if note is None else [note])]
    return source, time, experiment, columns, form


@contextmanager
def _arrangement_told(loaded: LoadedConfig) -> Iterator[None]:
    """What cannot be read is said to be arranged in another way, where it is."""
    try:
        yield
    except DataError:
        from odefit.data.grid.arrangements import foreign_arrangement  # which reads workbooks, too

        path = one_file(loaded) if loaded.given is None else None
        what = None if path is None else foreign_arrangement(path, file_form(loaded))
        if path is not None and what is not None:
            raise DataError(loaded.where("data", "csv"), f"{show(path)} {what}") from None
        raise


def _wanted(loaded: LoadedConfig, observables: Sequence[str]) -> list[str]:
    """The names of columns that are hoped for."""
    data = loaded.config.data
    own = [data.single_columns.get(name, name) for name in observables]
    return [*([data.time] if data.time else TIME), *own, data.experiment or "experiment", *OBSERVABLE, "value"]
