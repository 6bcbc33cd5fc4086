"""The types of arrays, and the letters that name them and their shapes everywhere.

| letter | what | shape |
|---|---|---|
| t | times | [T] |
| y | states | [T, S], with experiments [E, T, S] |
| theta | natural values of all parameters of the table | [N] |
| u | search values of the estimated ones, after their scales (linear, log, logit) | [P] |
| p | an experiment's own values of the symbols of the equations | [L], with experiments [E, L] |
| q | what a compiled program takes: p, and what differs between segments | [Q] |
| z, A | scores and root-curvature rows: A'z is the gradient, A'A the information (linalg/score.py) | [M], [M, P] |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Mask = NDArray[np.bool_]

Numbers = TypeVar("Numbers", bound=np.generic)


def spread(values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """`np.broadcast_to`, at once where there is nothing to do: it takes as long as to add thousands."""
    if isinstance(values, np.ndarray) and values.shape == shape:
        return values
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)


def true_at(mask: ArrayLike) -> IntArray:
    """`np.flatnonzero` of a vector [n], in a tenth of its time where n is small."""
    return np.asarray(mask).nonzero()[0]


def last_first(values: FloatArray) -> FloatArray:
    """`np.moveaxis(values, -1, 0)`, in a tenth of its time."""
    return values.transpose(values.ndim - 1, *range(values.ndim - 1))


def distinct(values: NDArray[Numbers]) -> NDArray[Numbers]:
    """The numbers [n] in order, each once: as by `np.unique`, which imports masked arrays."""
    ordered = np.sort(values)
    return np.concatenate([ordered[:1], ordered[1:][ordered[1:] > ordered[:-1]]])


def address(array: NDArray[Any]) -> int:
    """Where the numbers of an array are, for machine code."""
    place: int = array.__array_interface__["data"][0]
    return place


def call_code(function: Callable[..., object], *given: Any) -> None:
    """Call machine code with the places of the arrays among what is given, which live until it is back.

    An array that only its address is left of is gone when the function begins: its memory is anybody's by then.
    """
    function(*[address(one) if isinstance(one, np.ndarray) else one for one in given])
