"""From numbers to places on an axis, and the ticks that name some of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

LINEAR_SHARE = 0.3
"""Decades that the part below the threshold takes on an axis that is logarithmic beyond it."""
MARGIN = 0.05
"""Share of what is shown that an axis has beyond it, at either end."""
SHORT = 2.0
"""A logarithmic axis of less decades has ticks at 1, 2 and 5."""


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`.

    Parameters
    ----------
    low, high
        Its ends, in the numbers that are shown.
    is_log
        Whether equal ratios have equal lengths.
    threshold
        Of an axis for times that spread over decades: linear from 0 to here, logarithmic beyond.
    """

    low: float
    high: float
    is_log: bool = False
    threshold: float | None = None

    def moved(self, values: FloatArray | float) -> FloatArray:
        """Where numbers would lie on an even axis."""
        x = np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.threshold is not None:
                ratio = np.abs(x) / self.threshold
                far = LINEAR_SHARE + np.log10(np.maximum(ratio, 1.0))
                even: FloatArray = np.sign(x) * np.where(ratio < 1, LINEAR_SHARE * ratio, far)
                return even
            if self.is_log:
                logs: FloatArray = np.log10(np.where(x > 0, x, np.nan))
                return logs
        return x

    def shares(self, values: FloatArray | float) -> FloatArray:
        """[M] 0 at the lower end, 1 at the upper one; NaN where a number has no place."""
        low, high = float(self.moved(self.low)), float(self.moved(self.high))
        return (self.moved(values) - low) / ((high - low) or 1.0)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Round numbers within the axis, with their texts: at least one, at most about `most`."""
        found = self._log_ticks(most) if self.is_log or self.threshold is not None else _even(self.low, self.high, most)
        return list(zip(found, tick_texts(found), strict=True))

    def _log_ticks(self, most: int) -> list[float]:
        first = self.low if self.is_log else (self.threshold or 1.0)
        if first <= 0 or self.high <= first:
            return _even(self.low, self.high, most)
        low, high = math.log10(first), math.log10(self.high)
        steps: tuple[int, ...] = (1, 2, 5) if high - low < SHORT else (1,)
        decades = range(math.floor(low), math.ceil(high) + 1)
        every = max(1, math.ceil(len(decades) / most))
        found = [step * 10.0**k for k in decades if k % every == 0 for step in steps]
        found = [v for v in found if first * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
        if len(found) < 2 and self.is_log:
            return _even(self.low, self.high, most)
        return [0.0, *found] if self.threshold is not None and self.low <= 0 else found


def _even(low: float, high: float, most: int) -> list[float]:
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / max(most, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * s for s in (1, 2, 5, 10) if size * s >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)] or [low]


def tick_texts(values: Iterable[float]) -> list[str]:
    """The numbers of an axis, all as short as they can be with the same care."""
    texts = []
    for value in values:
        if value != 0 and not 1e-4 <= abs(value) < 1e6:
            mantissa, _, exponent = f"{value:.3g}".partition("e")
            if not exponent:
                mantissa, _, exponent = f"{value:.2e}".partition("e")
                mantissa = mantissa.rstrip("0").rstrip(".")
            power = f"10{raised(int(exponent))}"
            texts.append(power if mantissa == "1" else f"{mantissa}·{power}")
        else:
            texts.append(f"{value:.6g}".replace("-", "−"))
    return texts


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def raised(exponent: int) -> str:
    """An exponent in small raised digits."""
    return str(exponent).translate(_RAISED)


def scale_of(values: Iterable[FloatArray], is_log: bool = False, threshold: float | None = None) -> Scale:
    """A scale over all of these numbers, with a margin; numbers that are not finite do not count."""
    parts = [np.asarray(part, dtype=np.float64).ravel() for part in values]
    known = np.concatenate(parts) if parts else np.empty(0)
    known = known[np.isfinite(known)]
    if is_log:
        known = known[known > 0]
    if not len(known):
        return Scale(0.1, 1.0, True) if is_log else Scale(0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if is_log:
        margin = (high / low) ** MARGIN if high > low else 1.5
        return Scale(low / margin, high * margin, True)
    margin = MARGIN * (high - low) or MARGIN * abs(high) or 1.0
    if threshold is not None:
        return Scale(min(low, 0.0) - 0.1 * threshold, 1.15 * high, False, threshold)
    return Scale(low - margin, high + margin)
