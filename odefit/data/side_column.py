"""The column that says row by row on which side of a jump at its time a measurement was made."""

from __future__ import annotations

import numpy as np

from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import MISSING, SignArray
from odefit.data.error_list import FaultList
from odefit.data.experiments import Experiment
from odefit.text import clip

AT_JUMP = "at_jump"
"""The name of the column."""
SIDES = {"before": -1, "after": 1}
"""What its cells may say; an empty one leaves it open."""


def read_sides(sheet: Columns, at: int, header: Header, faults: FaultList) -> SignArray:
    """[R] of the words in the column of sides."""
    labels = sheet.labels[at]
    known = {**SIDES, **dict.fromkeys(MISSING, 0)}
    codes = np.array([known.get(name.lower(), 2) for name in labels.names], dtype=np.int8)
    found: SignArray = codes[labels.codes]
    for row in np.flatnonzero(found == 2).tolist():
        what = f"'{clip(labels.names[labels.codes[row]])}' is neither before nor after; write one, or leave it empty"
        faults.add(int(sheet.lines[row]), header.names[at], what, "side")
    return found


def side_words(experiment: Experiment) -> list[str]:
    """[T] `before`, `after`, or nothing."""
    words = {side: word for word, side in SIDES.items()}
    return [words.get(side, "") for side in experiment.sides.tolist()]
