"""Cells beside the measurements that are formulas: how tables of numbers hold them.

A covariate c whose cells are numbers is one table, called `c`. A formula f in some of its cells is a table of its own,
called `c@f`: 1 in the cells that hold f, else 0; there, c itself is 0. So whatever cuts, sorts and joins tables of
numbers need not know of formulas, and

    value of the cell = c + sum of (c@f) f.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray

_SIGN = "@"


def covariate_of(key: str) -> str:
    """The covariate that a table belongs to."""
    return key.partition(_SIGN)[0]


def formula_of(key: str) -> str | None:
    """The formula whose cells a table marks; None for the table of the numbers."""
    _, sign, text = key.partition(_SIGN)
    return text if sign else None


def formula_keys(covariates: Mapping[str, Any], name: str) -> list[str]:
    """The tables of the formulas of one covariate."""
    return [key for key in covariates if key.startswith(f"{name}{_SIGN}")]


def split_cells(name: str, numbers: FloatArray, texts: Sequence[tuple[Any, str]]) -> dict[str, FloatArray]:
    """The tables of a covariate.

    Parameters
    ----------
    name
        Of the covariate.
    numbers
        Its numbers, of any shape; NaN in an empty cell.
    texts
        Place of a cell -> the formula in it.
    """
    if not texts:
        return {name: numbers}
    found = {name: numbers.copy()}
    for place, _ in texts:
        found[name][place] = 0.0
    blank = np.where(np.isnan(found[name]), np.nan, 0.0)
    for place, text in texts:
        found.setdefault(f"{name}{_SIGN}{text}", blank.copy())[place] = 1.0
    return found


def joined_cells(covariates: Mapping[str, FloatArray], name: str) -> Any:
    """The cells of a covariate as they were written: numbers, or texts among them (an array of objects)."""
    keys = formula_keys(covariates, name)
    if not keys:
        return covariates[name]
    cells = covariates[name].astype(object)
    for key in keys:
        cells[covariates[key] == 1] = formula_of(key)
    return cells


def alike(numbers: FloatArray) -> FloatArray:
    """[O] the number that all filled cells of a column [T, O] have in common; NaN where they differ, or none is."""
    some = ~np.isnan(numbers)
    low, high = (np.where(some, numbers, -sign * np.inf) for sign in (-1, 1))
    least, most = low.min(axis=0, initial=np.inf), high.max(axis=0, initial=-np.inf)
    return np.where(least == most, most, np.nan)
