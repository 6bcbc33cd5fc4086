"""The times of a prediction as a command line has them: `0:70:0.5`, `0,1,2.5`, or several of these after another."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import InputError
from odefit.text import clip

MAX_TIMES = 1_000_000
"""The most times of one prediction."""
STEPS = 100
"""Between two ends without a step."""
WHERE = "--times"
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?!\d))?)?"


def parse_times(text: str, dated: Callable[[str], float] | None = None) -> FloatArray:
    """Times in increasing order, each once; twice where a number is written twice: before and after what happens then.

    Parameters
    ----------
    text
        Parts with commas between them: a number, `FROM:TO:STEP` with both ends, or `FROM:TO` in 100 steps.
    dated
        Makes numbers of dates, which may stand in place of each but STEP; None where there are none.

    Raises
    ------
    InputError
        A part is none of these.
    """
    parts = [_part(_numbers(part.strip(), dated)) for part in text.split(",")]
    if sum(map(len, parts)) > MAX_TIMES:
        raise InputError(WHERE, f"are more than {MAX_TIMES:,}; take larger steps")
    written = np.concatenate([np.empty(0), *(part for part in parts if len(part) == 1)])
    numbers, count = np.unique(written, return_counts=True)
    return np.sort(np.append(np.unique(np.concatenate(parts)), numbers[count > 1]))


def _numbers(part: str, dated: Callable[[str], float] | None) -> str:
    """A part with numbers in place of its dates."""
    return part if dated is None else re.sub(_DATE, lambda found: repr(dated(found[0])), part)


def _part(text: str) -> FloatArray:
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    finite = all(map(math.isfinite, numbers))
    if len(numbers) == 1 and (finite or numbers[0] == math.inf):
        return np.array(numbers)
    if len(numbers) not in (2, 3) or not finite:
        raise InputError(WHERE, f"'{clip(text)}' is no time; write numbers, FROM:TO or FROM:TO:STEP, as in 0:70:0.5")
    first, last, *step = numbers
    size = step[0] if step else (last - first) / STEPS
    if not (first < last and size > 0):
        raise InputError(WHERE, f"'{clip(text)}' has no times in it; FROM must be less than TO, and STEP more than 0")
    count = (last - first) / size
    if count > MAX_TIMES:
        raise InputError(WHERE, f"'{clip(text)}' are more than {MAX_TIMES:,}; take a larger STEP")
    # Rounding must not cost the last of them: 0:70:0.1 ends at 70.
    steps: FloatArray = np.arange(math.floor(count * (1 + 1e-12) + 1e-9) + 1, dtype=np.float64)
    return first + size * steps
