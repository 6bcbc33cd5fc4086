"""What the table of experiments says, put onto the experiments."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from odefit.data.error_list import PlacedFaults
from odefit.data.experiment_table import START, Conditions
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.data.spreading import is_well
from odefit.text import clip


def apply_conditions(
    experiments: Sequence[Experiment],
    conditions: Conditions,
    where: str = "",
    optional: Collection[str] = (),
    *,
    partial: bool = False,
    others: Collection[str] = (),
) -> list[Experiment]:
    """Put constants, labels and starts onto the experiments; a replicate takes the row of its experiment.

    Parameters
    ----------
    where
        The place of the table as a whole.
    optional
        The columns whose cells may be empty for an experiment, which then has no such constant.
    partial
        Whether the experiments are a choice of those that the table is about, so that a row may be about another one.
    others
        The experiments that it may be about then.

    Raises
    ------
    DataError
        With all faults: an experiment without a row, a row without an experiment, an empty cell of a constant, a start
        after the first time.
    """
    faults = PlacedFaults()
    rows = set(conditions.experiments)
    row_of = {e.name: e.name if e.name in rows else replicate_of(e.name) for e in experiments}
    if not partial:
        known = dict.fromkeys([*row_of.values(), *map(replicate_of, row_of), *row_of, *others])
        plate = all(map(is_well, known))  # whose layout has all wells, those that were not measured among them
        for row in conditions.experiments:
            if row not in known and not (plate and is_well(row)):
                faults.unknown(conditions.where(row), row, "is no experiment of the data", known)
    found = []
    for experiment in experiments:
        row = row_of[experiment.name]
        if row in rows:
            found.append(_apply(experiment, row, conditions, optional, faults))
        else:
            faults.add(where, f"experiment {clip(row)} of the data has no row; write one")
    faults.check(where)
    return found


def _apply(
    experiment: Experiment, row: str, conditions: Conditions, optional: Collection[str], faults: PlacedFaults
) -> Experiment:
    for column, numbers in conditions.constants.items():
        if row not in {*numbers, *conditions.formulas.get(column, ())} and column not in optional:
            what = f"the cell of experiment {clip(row)} is empty; write its number"
            faults.add(conditions.where(row, column), what)
    start = float(conditions.starts.get(row, experiment.start))
    first = float(experiment.times[0]) if len(experiment.times) else math.inf
    if row in conditions.starts and start > first:
        what = f"experiment {clip(experiment.name)} is measured at t = {first!r}, before this start ({start!r})"
        faults.add(conditions.where(row, START), f"{what}; start it earlier")
    elif len(experiment.times) and math.isinf(experiment.last - start):
        faults.add(conditions.where(row, START), f"the start {start!r} is farther from the data than numbers go")
    constants = {name: numbers[row] for name, numbers in conditions.constants.items() if row in numbers}
    formulas = {name: texts[row] for name, texts in conditions.formulas.items() if row in texts}
    labels = {name: words[row] for name, words in conditions.labels.items() if row in words}
    return replace(
        experiment,
        start=start,
        constants={**experiment.constants, **constants},
        formulas={**experiment.formulas, **formulas},
        labels={**experiment.labels, **labels},
        steady_state=conditions.rests.get(row, experiment.steady_state),
    )
