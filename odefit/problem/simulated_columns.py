"""Columns that simulated data have beside their measurements: `data.simulate.columns`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import Faults
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.system import TIME
from odefit.problem.described import Described

if TYPE_CHECKING:
    from odefit.config.simulate_section import SimulateSection

Values = Mapping[str, FloatArray | float]
"""What names stand for at the times of one experiment, [T] each."""
Columns = Callable[[Experiment, Values], dict[str, FloatArray]]
"""Experiment, values of its states, observables and parameters -> its columns, [T] each."""


def read_columns(
    loaded: LoadedConfig,
    section: SimulateSection,
    described: Described,
    names: tuple[str, ...],
    count: int,
    faults: Faults,
) -> Columns:
    """What computes the columns of an experiment.

    Parameters
    ----------
    loaded, section, described
        The config, its section, and the model that makes the data.
    names
        What formulas may name.
    count
        How many times there are.
    faults
        Takes what is wrong.
    """
    lists: dict[str, FloatArray] = {}
    formulas: dict[str, sp.Expr] = {}
    for name, given in section.columns.items():
        where = loaded.where("data", "simulate", "columns", name)
        if name in (*names, *described.system.inputs, TIME):
            faults.add(where, f"'{name}' is also a state, an observable, a parameter, an input or the time; rename it")
        if isinstance(given, list):
            lists[name] = np.array(given, dtype=np.float64)
            if len(given) != count:
                faults.add(where, f"needs one number for each of {count} times (got {len(given)}), or a formula")
            continue
        with faults.catching():
            formulas[name] = parse_formula(given, names, where)
    compiled = numpy_function(list(formulas.values()), names) if formulas else None

    def columns(experiment: Experiment, values: Values) -> dict[str, FloatArray]:
        # A time comes twice where one observable is measured before a jump and another one after it.
        place = np.unique(experiment.times, return_inverse=True)[1]
        found = {name: numbers[place] for name, numbers in lists.items()}
        if compiled is not None:
            computed = compiled(*(values[name] for name in names))
            found |= {
                name: np.broadcast_to(np.asarray(column, dtype=np.float64), experiment.times.shape)
                for name, column in zip(formulas, computed, strict=True)
            }
        return found

    return columns
