"""How far predictions are off what is known of limits and intervals. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor


def off(m: Tensor, values: Tensor, side: Tensor | None, far: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The differences that count in a sum of squares.

    Parameters
    ----------
    m, values
        Predictions and measurements.
    side
        0 where the value was measured; -1 where the truth lies below it, 1 where above; None where all were measured.
    far
        The other end of an interval, NaN where there is none; None where none has any.

    Returns
    -------
    difference, counts
        m - d, 0 where a limit is kept: m > d counts for `<d`, m < d for `>d`; beyond the other end it is the difference
        to that. And where anything counts; None for everywhere.
    """
    difference = m - values
    if side is None:
        return difference, None
    counts = side * difference <= 0
    if far is not None:
        beyond = side * (m - far) > 0
        difference, counts = torch.where(beyond, m - far, difference), counts | beyond
    return torch.where(counts, difference, 0.0), counts
