"""Whether the likelihoods of two fits are those of the same measurements.

Likelihoods of log-normal and of normal noise are densities of the measurements themselves, so that they compare. Those
of other measurements do not, nor does a probability of counts with a density.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import Fault, RunError
from odefit.fitting.run import Run
from odefit.records import dataclass

Cells = tuple[tuple[str, float, int, int, str], ...]
"""Experiment, time, side of a jump, censoring and the other end of an interval of every cell of an observable."""


@dataclass(frozen=True)
class Seen:
    """What a fit saw of one observable.

    Parameters
    ----------
    cells
        In their order.
    values
        [M].
    is_count
        Whether its likelihood is a probability.
    """

    cells: Cells
    values: FloatArray
    is_count: bool


def check_comparable(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Raises RunError with all reasons why the likelihoods of the runs say nothing about each other."""
    first, faults = _seen(runs[0]), list[Fault]()
    for run, name in zip(runs[1:], names[1:], strict=True):
        faults += [
            Fault(name, f"cannot be compared with {names[0]}: {what}") for what in _differences(first, _seen(run))
        ]
    if faults:
        raise RunError(faults=faults)


def _seen(run: Run) -> dict[str, Seen]:
    """By observable: what the fit was to explain, without held-out cells and first rows that are initial values."""
    problem = run.assembly.problem
    found = {}
    for column, name in enumerate(problem.observation.names):
        rows, values = list[tuple[str, float, int, int, str]](), list[float]()
        for e in problem.experiments:
            limits = np.zeros(len(e.times)) if e.censored is None else e.censored[:, column]
            ends = np.full(len(e.times), np.nan) if e.other_end is None else e.other_end[:, column]
            for t, d, side, limit, end in zip(e.times, e.values[:, column], e.sides, limits, ends, strict=True):
                if not np.isnan(d):
                    rows.append((e.name, float(t), int(side), int(limit), "" if np.isnan(end) else repr(float(end))))
                    values.append(float(d))
        order = sorted(range(len(rows)), key=rows.__getitem__)
        own = np.array([values[k] for k in order], dtype=np.float64)
        found[name] = Seen(tuple(rows[k] for k in order), own, problem.observation.noise[name].family.is_count)
    return found


def _differences(first: dict[str, Seen], other: dict[str, Seen]) -> Iterator[str]:
    """A sentence for each; observables may have other names, where what was measured of them is the same."""
    partner = {name: name for name in first if name in other}
    free = [name for name in other if name not in partner.values()]
    for name in first:
        if name not in partner:
            alike = next((o for o in free if _is_same(first[name], other[o])), None)
            if alike is not None:
                partner[name] = alike
                free.remove(alike)
    lacking = [name for name in first if name not in partner]
    if lacking:
        yield f"it was not fitted to {', '.join(lacking)}"
    if free:
        yield f"it was also fitted to {', '.join(free)}"
    for name, own in partner.items():
        a, b = first[name], other[own]
        if not _is_same(a, b):
            yield f"other measurements of {name} ({_how(a, b)})"
        elif a.is_count != b.is_count:
            yield f"the noise of {name} is one of counts in one of them only, and a probability is no density"


def _is_same(a: Seen, b: Seen) -> bool:
    return a.cells == b.cells and bool(np.array_equal(a.values, b.values))


def _how(a: Seen, b: Seen) -> str:
    if len(a.cells) != len(b.cells):
        return f"{len(b.cells)} instead of {len(a.cells)}"
    if a.cells != b.cells:
        return "other times or experiments"
    with np.errstate(all="ignore"):
        for one, two in ((a.values, b.values), (b.values, a.values)):
            for word, scale in (("natural", 1.0), ("decimal", np.log(10.0)), ("binary", np.log(2.0))):
                if np.allclose(np.log(one) / scale, two, rtol=1e-3, atol=1e-6):
                    return f"those of one are the {word} logarithms of those of the other: fit both to the same numbers"
    ratio = b.values / np.where(a.values == 0, np.nan, a.values)
    if np.nanmax(ratio) - np.nanmin(ratio) <= 1e-3 * abs(np.nanmean(ratio)):
        return f"those of one are {np.nanmean(ratio):.4g} times those of the other: another unit"
    return f"{int((a.values != b.values).sum())} of {len(a.values)} values differ"
