"""A column of names: experiments, observables."""

from __future__ import annotations

import numpy as np

from odefit.arrays import Mask
from odefit.data.csv_cells import IntArray
from odefit.data.error_list import FaultList
from odefit.records import dataclass
from odefit.text import clip, plain_label


@dataclass(frozen=True)
class Labels:
    """A column of names: `names[codes[row]]`, in the order of first appearance. codes: [R]."""

    codes: IntArray
    names: tuple[str, ...]

    def rows(self, chosen: Mask) -> Labels:
        """Some rows [R] only; names that are left without any are none any more."""
        kept, codes = np.unique(self.codes[chosen], return_inverse=True)
        return Labels(codes.astype(np.int64), tuple(self.names[code] for code in kept.tolist()))


class Lookup(dict[str, int]):
    """Cell -> code of its label: the blanks around a label do not count."""

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        label = plain_label(cell)
        code = self[cell] = self._codes.setdefault(label, len(self._codes))
        return code

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._codes)


def check_labels(labels: Labels, lines: IntArray, column: str, blank: bool, faults: FaultList) -> None:
    """A label is one line of printable text, at most 200 characters; it may be empty where `blank`."""
    bad = [
        code
        for code, name in enumerate(labels.names)
        if not ((name or blank) and name.isprintable() and len(name) <= 200)
    ]
    if not bad:
        return
    seen, rows = np.unique(labels.codes, return_index=True)
    first = dict(zip(seen.tolist(), lines[rows].tolist(), strict=True))
    for code in bad:
        name = labels.names[code]
        if not name:
            what = "the cell is empty; write a name in every row"
        elif len(name) > 200:
            what = f"'{clip(name)}' is longer than 200 characters; write a shorter name"
        else:
            what = f"'{clip(name)}' holds a character that cannot be printed; remove it"
        faults.add(first[code], column, what)
