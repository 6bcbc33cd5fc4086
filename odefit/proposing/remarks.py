"""Sentences on what is odd in a file: gaps, limits, times that go back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.labels import Labels
from odefit.proposing.cells import count_intervals, count_limits
from odefit.text import counted


def remarks_of(
    labels: Mapping[str, Labels], series: Mapping[str, tuple[FloatArray, IntArray]], times: FloatArray, is_one: bool
) -> list[str]:
    """The sentences.

    Parameters
    ----------
    labels
        Column -> its cells.
    series
        What was measured -> values [R], and the rows that hold them.
    times
        [R].
    is_one
        Whether nothing tells experiments apart.
    """
    remarks = []
    for name, (values, rows) in series.items():
        column = labels.get(name)
        empty = int(np.isnan(values[rows]).sum())
        limits = 0 if column is None else count_limits(column)
        if limits:
            remarks.append(f"{name}: {counted(limits, 'value')} known only to lie below or above a limit")
        if column is not None and (between := count_intervals(column)):
            remarks.append(f"{name}: {counted(between, 'value')} known only to lie between two numbers")
        if empty - limits > 0:
            remarks.append(f"{name}: {counted(empty - limits, 'empty cell')}")
    if len(set(times[np.isfinite(times)].tolist())) == 1:
        remarks.append("all measurements are of one time: no shape can be seen, `--model NAME` names the model")
    if is_one and (np.diff(times) < 0).any():
        what = "the times go back, and no column tells experiments apart: times that come again are replicates"
        remarks.append(f"{what}; say `--experiment COLUMN` if one does")
    return remarks
