"""How measurements scatter: by the same amount at all sizes, by a share of their size, or as counts do.

No model is needed for that. What comes again at a time scatters around its mean, and what does not around the line
through its neighbours in time; these deviations are about as likely under each kind of noise as that kind says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

ONE_SIZE = 3.0
"""Measurements that differ by no more than this factor do not tell the kinds apart."""
MARGIN, ALONE = 1.0, 5.0
"""By how much the log-likelihood must speak for noise that grows with the size: a gaussian spoils less where it is
wrong. The second is for one observable alone, beside others that are gaussian."""
DEGREES = 3.0
"""Of freedom of Student's t, by which deviations are weighed: where a curve bends they are too large."""
ROUNDED = 50_000.0
"""Whole numbers of such a size need not be counts."""
FEWEST = 4
"""Deviations, at least."""


@dataclass(frozen=True)
class Deviations:
    """Deviations [D], their size for noise of size 1 everywhere [D], and the mean size of what they are made of [D]."""

    off: FloatArray
    unit: FloatArray
    level: FloatArray


def noise_of(series: Mapping[str, FloatArray], usual: float = 0.0, may_be_negative: bool = False) -> dict[str, str]:
    """The noise of each observable: `gaussian`, `lognormal`, or `negative_binomial` for counts.

    Parameters
    ----------
    series
        What was measured -> times, values and numbers of experiments [N, 3], by experiment and time.
    usual
        What is known beforehand for noise that grows with the size, in units of the log-likelihood.
    may_be_negative
        Whether the model may predict that, which only a gaussian can bear.
    """
    if may_be_negative:
        return dict.fromkeys(series, "gaussian")
    evidence = {name: _evidence(pairs) for name, pairs in series.items()}
    counts = {name for name, pairs in series.items() if are_counts(pairs[:, 1])}
    positive = {name for name, pairs in series.items() if pairs[:, 1].min() > 0}
    together = usual + sum(evidence[name] for name in positive | counts)
    margin = MARGIN if len(positive | counts) == len(series) else ALONE
    found = {}
    for name in series:
        grows = (together if margin == MARGIN else evidence[name]) > margin
        kind = "negative_binomial" if name in counts else "lognormal" if name in positive else "gaussian"
        found[name] = kind if grows else "gaussian"
    return found


def are_counts(values: FloatArray, most: float = ROUNDED) -> bool:
    """Whether these are whole numbers, and not so large that they may well be rounded ones."""
    return bool((values >= 0).all() and (values == np.round(values)).all() and ONE_SIZE < np.ptp(values) < most)


def _evidence(pairs: FloatArray) -> float:
    """By how much the log-likelihood of noise that grows with the size is larger; 0 where nothing tells."""
    values = pairs[:, 1]
    if values.min() < 0 or values.max() <= ONE_SIZE * values.min():
        return 0.0
    deviations = _deviations(pairs)
    if deviations is None:
        return 0.0
    off, unit, level = deviations.off, deviations.unit, deviations.level
    smallest = level[level > 0].min(initial=np.inf)
    level = np.maximum(level, smallest) if np.isfinite(smallest) else np.ones_like(level)
    shares: list[FloatArray] = [level] if values.min() > 0 else []
    shares += [np.sqrt(level)] if are_counts(values) else []
    if not shares or not off.any():
        return 0.0
    return max(_likelihood(off, unit * share) for share in shares) - _likelihood(off, unit)


def _likelihood(off: FloatArray, size: FloatArray) -> float:
    """The largest log-likelihood of deviations [D] of these relative sizes [D], up to a constant."""
    squares = (off / size) ** 2
    variance = float(np.mean(squares))
    for _ in range(60):  # the mean, weighed by Student's t with the variance itself
        variance = float(np.mean((DEGREES + 1) / (DEGREES + squares / variance) * squares))
    terms = (DEGREES + 1) / 2 * np.log1p(squares / variance / DEGREES) + np.log(size) + 0.5 * np.log(variance)
    return -float(terms.sum())


def _deviations(pairs: FloatArray) -> Deviations | None:
    """Those among replicates, where they are enough, else those from neighbours; None: too few of both."""
    for kind in (_among_replicates, _between_neighbours):
        found = [row for part in _experiments(pairs) for row in kind(part)]
        if len(found) >= FEWEST:
            return Deviations(*np.array(found).T)
    return None


def _experiments(pairs: FloatArray) -> Iterator[FloatArray]:
    """Times and values [n, 2] of each experiment."""
    for code in np.unique(pairs[:, 2]):
        yield pairs[pairs[:, 2] == code, :2]


def _among_replicates(part: FloatArray) -> Iterator[tuple[float, float, float]]:
    for time in np.unique(part[:, 0]):
        values = part[part[:, 0] == time, 1]
        if len(values) > 1:
            share = np.sqrt(1 - 1 / len(values))
            yield from ((float(v - values.mean()), float(share), float(np.abs(values).mean())) for v in values)


def _between_neighbours(part: FloatArray) -> Iterator[tuple[float, float, float]]:
    """From the line through the neighbours in time, between which a measurement stands."""
    times, values = part.T
    for k in range(1, len(times) - 1):
        span = times[k + 1] - times[k - 1]
        if times[k - 1] < times[k] < times[k + 1]:
            after = (times[k] - times[k - 1]) / span
            off = (1 - after) * values[k - 1] + after * values[k + 1] - values[k]
            unit = np.sqrt(1 + after**2 + (1 - after) ** 2)
            yield float(off), float(unit), float(np.abs(values[k - 1 : k + 2]).mean())
