"""Columns that say something of each experiment: doses, weights, groups."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.labels import Labels
from odefit.data.time_names import bare
from odefit.model.formulas import name_fault
from odefit.proposing.words import DOSES
from odefit.records import dataclass


@dataclass(frozen=True)
class Constants:
    """Columns with one value in each experiment.

    Parameters
    ----------
    numbers
        Those that formulas may use.
    groups
        Those of labels, by which experiments are grouped.
    dose
        The one that holds doses, where one does.
    largest
        The largest dose.
    """

    numbers: Sequence[str] = ()
    groups: Mapping[str, Sequence[int]] | None = None
    dose: str | None = None
    largest: float | None = None

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.numbers, *(self.groups or {})]


NO_CONSTANTS = Constants()


def constants_of(
    labels: Mapping[str, Labels], numbers: Mapping[str, FloatArray], names: Sequence[str], codes: IntArray
) -> Constants:
    """The columns among `names` that have one value in each experiment, and not the same in all, and can be called so
    in a formula. Doses may be the same in all.

    Parameters
    ----------
    labels, numbers
        Column -> its cells, and their numbers [R], NaN where a cell holds none.
    names
        The columns that are neither times nor experiments.
    codes
        The experiment of each row [R].
    """
    constant = [name for name in names if is_constant(labels[name].codes, codes) and name_fault(name) is None]
    of_numbers = [name for name in constant if np.isfinite(numbers[name]).all()]
    doses = [n for n in of_numbers if re.fullmatch(DOSES, bare(n), re.IGNORECASE) and (numbers[n] > 0).all()]
    varied = [name for name in constant if len(labels[name].names) > 1]
    groups = {
        name: [int(labels[name].codes[codes == code][0]) for code in np.unique(codes)]
        for name in varied
        if name not in of_numbers and all(cell.strip() for cell in labels[name].names)
    }
    dose = doses[0] if doses else None
    kept = [name for name in of_numbers if name in varied or name == dose]
    return Constants(kept, groups, dose, float(numbers[dose].max()) if dose else None)


def is_constant(column: IntArray, codes: IntArray) -> bool:
    """Whether a column of labels [R] has one of them in each experiment [R]."""
    pairs = {(code, own) for code, own in zip(codes.tolist(), column.tolist(), strict=True)}
    return len(pairs) == len(set(codes.tolist()))
