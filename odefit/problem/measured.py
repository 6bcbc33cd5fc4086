"""The measurements that a config names, as its section `data` says how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table


def read_measured(
    loaded: LoadedConfig,
    observables: Sequence[str],
    notes: list[str],
    *,
    left_out: set[str] | None = None,
    chosen: bool = True,
) -> list[Experiment]:
    """The experiments of `data.csv`; the arguments are those of `read_table`. Raises DataError."""
    data = loaded.config.data
    assert data.csv is not None  # the schema sees to it
    return read_table(
        loaded.folder / data.csv,
        observables=observables,
        time=data.time,
        experiment=data.experiment,
        columns=data.columns,
        only=data.only,
        ignore=data.ignore,
        start=data.start,
        where=loaded.where("data", "csv"),
        left_out=left_out,
        chosen=chosen,
        notes=notes,
    )
