"""Values that come again at the same time: the second ones of an experiment `A` make an experiment `A#2`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import Mask
from odefit.data.csv_cells import IntArray
from odefit.records import dataclass
from odefit.text import abridged, clip


@dataclass(frozen=True)
class Repeats:
    """The experiments that values were put into which came again at the same time.

    place: of the file; named: whether a column of it names the experiments.
    """

    names: tuple[str, ...]
    place: str
    named: bool

    def note(self, left: Collection[str]) -> str | None:
        """What to say of those that are left as replicates; None where none is."""
        names = [name for name in self.names if name in left]
        if not names:
            return None
        if self.named:
            shown = abridged([clip(name) for name in names], 3)
            return f"{self.place}: values that come again at the same time are read as replicates: {shown}"
        what = f"times come again, and no column names the experiments: read as {len(names) + 1} replicates of one"
        return f"{self.place}: {what} (data.experiment names the column that tells experiments apart)"


def replicate_of(name: str) -> str:
    """`A` for the replicate `A#2`, and for `A` itself."""
    base, mark, number = name.rpartition("#")
    return base if mark and base and number.isascii() and number.isdigit() else name


def split_replicates(
    experiments: tuple[str, ...], codes: IntArray, keys: Sequence[NDArray[Any]], missing: Mask
) -> tuple[tuple[str, ...], IntArray]:
    """Give the k-th value at one place to the experiment `A#k`.

    Parameters
    ----------
    experiments, codes
        The experiments, and which of them each row [R] belongs to.
    keys
        What makes a place, [R] each: the observable, the time, the side.
    missing
        [R], where nothing was measured.

    Returns
    -------
    experiments, codes
        The same with the replicates.
    """
    # Stable: replicates stay in the file's order.
    order = np.lexsort((missing, *reversed(keys), codes))
    first = np.ones(len(order), dtype=bool)
    first[1:] = False
    for key in (codes, *keys):
        sorted_key = key[order]
        first[1:] |= sorted_key[1:] != sorted_key[:-1]
    place = np.arange(len(order))
    occurrence = np.empty(len(order), dtype=np.int64)
    occurrence[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    occurrence[missing] = 0  # "not measured" needs no experiment of its own
    span = int(occurrence.max(initial=0)) + 1
    groups, codes = np.unique(codes * span + occurrence, return_inverse=True)
    taken, names = set(experiments), []
    for experiment, repeat in zip((groups // span).tolist(), (groups % span).tolist(), strict=True):
        name = experiments[experiment]
        if repeat:
            base, number = replicate_of(name), repeat + 1
            while f"{base}#{number}" in taken:
                number += 1
            name = f"{base}#{number}"
            taken.add(name)
        names.append(name)
    return tuple(names), codes.astype(np.int64)
