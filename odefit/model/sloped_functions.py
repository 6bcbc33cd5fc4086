"""Formulas and their derivatives as one function of numbers, of which only what is not 0 everywhere is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function


def sloped_function(formulas: Sequence[Any], names: Sequence[str], arguments: Sequence[str]) -> Callable[..., Any]:
    """Compile formulas with their derivatives to some names.

    Parameters
    ----------
    formulas, names, arguments
        F formulas, K names, and the names of all that the formulas need.

    Returns
    -------
    callable
        It takes one number per argument and gives an array [F, 1 + K], each formula before its derivatives; with
        `points=n`, where arguments may be arrays [n], [n, F, 1 + K].

    Raises
    ------
    ModelError
        As `numpy_function`.
    """
    given = [sp.sympify(formula) for formula in formulas]
    parts = [part for f, row in zip(given, derivatives(given, names), strict=True) for part in (f, *row)]
    there = np.array([i for i, part in enumerate(parts) if part != 0], dtype=np.intp)
    shape, function = (len(given), 1 + len(names)), numpy_function([parts[i] for i in there], arguments)

    def call(*values: Any, points: int | None = None) -> FloatArray:
        out = np.zeros((*(() if points is None else (points,)), len(parts)))
        found = function(*values)
        if points is None:
            out[there] = found
        else:
            for i, value in zip(there, found, strict=True):
                out[:, i] = value
        return out.reshape(*out.shape[:-1], *shape)

    return call
