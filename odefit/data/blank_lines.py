"""Blank lines between the experiments of a file that names none, as gnuplot and many loggers have them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from odefit.data.columns import Columns
from odefit.data.labels import Labels
from odefit.data.layouts import Layout

VIRTUAL = -1
"""Stands for the column that is not there."""


def split_at_blanks(sheet: Columns, layout: Layout, place: str) -> tuple[Columns, Layout, str]:
    """Name the experiments 1, 2, … where each blank line is followed by an earlier time.

    Parameters
    ----------
    sheet, layout
        The rows and what the columns are.
    place
        Of the file.

    Returns
    -------
    sheet, layout, note
        With experiments where they were found; and what to say of it, or nothing.
    """
    gaps = np.flatnonzero(np.diff(sheet.lines) > 1) + 1
    if layout.experiment is not None or not len(gaps):
        return sheet, layout, ""
    times = sheet.numbers[layout.time]
    parts = np.split(times, gaps)
    if any(not len(part) or np.isnan(part).any() for part in parts):
        return sheet, layout, ""
    if any(after[0] > before[-1] for before, after in itertools.pairwise(parts)):
        return sheet, layout, ""
    codes = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    names = tuple(str(k + 1) for k in range(len(parts)))
    labels = {**sheet.labels, VIRTUAL: Labels(codes.astype(np.int64), names)}
    note = f"{place}: {len(parts)} experiments, parted by blank lines and times that begin anew"
    return replace(sheet, labels=labels), replace(layout, experiment=VIRTUAL), note
