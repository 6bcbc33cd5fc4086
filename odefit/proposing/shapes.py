"""Which built-in systems have solutions of the shape that the measurements have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.time_names import is_called
from odefit.proposing.constants import Constants
from odefit.proposing.look import Look
from odefit.proposing.scatter import are_counts
from odefit.proposing.words import CURRENT, VOLTAGE

TURNS = 3
"""Turning points from which on a curve is taken for an oscillation."""
RISE = 0.2
"""The share of the range by which a curve must turn for that to be a turning point."""
SAME_START, DIFFERENT = 0.1, 0.15
"""Experiments differ where they begin within this share of the range, and are apart by the other on average."""
ONE_SIZE = 0.25
"""By so much of the larger one may two starts differ."""
MICROBES = r"biomass|cells?|x|od(_?600)?|bacteria|yeast|algae|dcw|cdw|dry[ _]?weight"
NOTHING = 0.05
"""By this share of the largest value the first ones differ from nothing at most, on both sides."""
FEW, MANY = 10.0, 20
"""Counts up to which chance says most; and times from which on counts are smoothed."""
LEVEL, STEADY = 0.15, 0.85
"""What falls to a level ends above this share of its most, and covers less than the other share of the way that it
would in the second half of the time, were the level 0."""
STILL, MOVING = 0.1, 0.4
"""What changes by less than this share of its size is a condition, beside others that change by more than the other."""
BOTH_SIGNS = 0.2
"""Values on both sides of 0 reach this share of their size on the smaller one."""
MOST_STATES = 4
"""Of a linear system that is proposed: its matrix has as many parameters as the square."""
MOST_COMPARED = 100
"""Experiments that are compared with each other."""


def suggestions(look: Look) -> list[str]:
    """Names of built-in systems, the likeliest first; the last one, `linear`, fits any number of states."""
    if look.kind == "events":
        same = set(look.events.into) == set(look.events.measured) and len(look.events.into) == 1
        if look.events.are_infusions or (same and all(_shape(pairs) == "falls" for pairs in look.series.values())):
            return ["one_compartment_iv", "two_compartment_iv"]
        return ["one_compartment_oral", "two_compartment_oral", "transit_absorption"]
    names = list(look.series)
    if look.kind == "wide" and len(names) > 1 and all(any(is_called(n, w) for n in names) for w in (CURRENT, VOLTAGE)):
        return ["thevenin_cell", "linear"]
    look = replace(look, series=_moving(look.series))
    shapes = [_shape(pairs) for pairs in look.series.values()]
    if shapes == ["grows", "grows"] and look.kind == "wide" and look.experiments == 1:
        return ["competition", "linear"]
    if len(shapes) == 2 and shapes.count("oscillates") == 2:
        if any(_has_both_signs(pairs[:, 1]) for pairs in look.series.values()):
            return ["linear", "van_der_pol", "fitzhugh_nagumo"]  # numbers of animals are not negative
        return ["lotka_volterra", "rosenzweig_macarthur", "brusselator"]
    if len(shapes) == 1:
        if shapes[0] == "grows" and begins_with_nothing(look):
            return ["michaelis_menten", "monod"]  # what grows by itself does not begin with nothing
        whole = all(bool((pairs[:, 1] == pairs[:, 1].round()).all()) for pairs in look.series.values())
        if shapes == ["falls"] and _has_level(next(iter(look.series.values()))):
            return ["newton_cooling", *_of_one("falls")]
        return ["sir", "seir"] if whole and shapes == ["peaks"] else _of_one(shapes[0])
    if sorted(shapes) == ["falls", "grows"]:
        name = list(look.series)[shapes.index("grows")]
        # Microbes that live on something, where their column comes first or is called as the state of the model is.
        if is_called(name, MICROBES) and (name == next(iter(look.series)) or is_called(name, "biomass|x")):
            return ["monod", "haldane", "linear"]
    if len(shapes) > MOST_STATES or _are_apart(look):
        return [*_of_one(shapes[0]), "linear"]
    return ["linear"]


def _moving(series: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
    """Without what hardly changes beside others that do: a temperature that was noted is no state of the model."""
    changes = {name: float(np.ptp(pairs[:, 1]) / (np.abs(pairs[:, 1]).max() or 1.0)) for name, pairs in series.items()}
    found = {name: pairs for name, pairs in series.items() if changes[name] > STILL}
    return found if found and min(changes[name] for name in found) > MOVING else series


def _has_both_signs(values: FloatArray) -> bool:
    return bool(min(values.max(), -values.min()) > BOTH_SIGNS * np.abs(values).max())


def begins_with_nothing(look: Look) -> bool:
    """Whether all that was measured begins with nothing, or as near to that as it scatters."""
    for name, pairs in look.series.items():
        first, size = look.first[name], np.abs(pairs[:, 1]).max()
        if np.any(first) and not (first.min() <= 0 and np.abs(first).max() < NOTHING * size):
            return False
    return True


def _has_level(series: FloatArray) -> bool:
    """Whether most experiments of a falling series [N, 3] come to a level that is not 0."""
    found: list[bool] = []
    for code in np.unique(series[:, 2]):
        times, values = _averaged(series[series[:, 2] == code]).T
        middle = float(np.interp((times[0] + times[-1]) / 2, times, values))
        end = float(values[-1] / values[0]) if values[0] > 0 else 0.0
        share = (middle - values[-1]) / (values[0] - values[-1])
        found.append(end > LEVEL and bool(share < STEADY * np.sqrt(end) / (1 + np.sqrt(end))))
    return 2 * sum(found) > len(found)


def _are_apart(look: Look) -> bool:
    """Whether no experiment measures all that is measured."""
    found = [set(pairs[:, 2].tolist()) for pairs in look.series.values()]
    return not set.intersection(*found)


def _of_one(shape: str) -> list[str]:
    """Systems of one state, or of which one is measured."""
    return {
        "grows": ["logistic", "gompertz", "baranyi"],
        "falls": ["exponential_decay", "michaelis_menten"],
        "peaks": ["one_compartment_oral", "two_compartment_oral"],
        "oscillates": ["damped_oscillator", "van_der_pol", "fitzhugh_nagumo"],
    }[shape]


def _shape(series: FloatArray) -> str:
    """What most experiments of a series [N, 3] do."""
    shapes = [_shape_of(series[series[:, 2] == code]) for code in np.unique(series[:, 2])]
    return max(shapes, key=shapes.count)


def _shape_of(pairs: FloatArray) -> str:
    """Whether values over time [N, 2] grow, fall, have one peak, or oscillate; those of one time are averaged."""
    values = _averaged(pairs)[:, 1]
    if are_counts(values):
        values = np.log1p(values / FEW)  # as counts scatter, these do so about alike
        if len(values) >= MANY:
            values = np.convolve(np.pad(values, 1, "edge"), np.full(3, 1 / 3), "valid")
    turns, least = [values[0]], RISE * np.ptp(values)
    for value in values[1:]:
        if len(turns) > 1 and np.sign(value - turns[-1]) * np.sign(turns[-1] - turns[-2]) >= 0:
            turns[-1] = value  # further in the same direction
        elif abs(value - turns[-1]) > least:
            turns.append(value)
    if len(turns) - 2 >= TURNS:
        return "oscillates"
    if len(turns) == 3 and turns[1] > max(turns[0], turns[2]):
        return "peaks"
    return "falls" if values[-1] < values[0] else "grows"


def experiments_differ(series: Mapping[str, FloatArray], parameters: int) -> bool:
    """Whether experiments that begin alike go on differently, and have measurements enough for parameters of their own.

    Curves of other starts may well be those of one model.

    Parameters
    ----------
    series
        What was measured -> times, values and numbers of experiments [N, 3].
    parameters
        Of the model.
    """
    for pairs in series.values():
        if len(np.unique(pairs[:, 2])) < 2:
            continue
        parts = [_averaged(pairs[pairs[:, 2] == code]) for code in np.unique(pairs[:, 2])]
        span = float(np.ptp(pairs[:, 1]))
        if min(len(part) for part in parts) < parameters + 2 or not span:
            return False
        low, high = max(part[0, 0] for part in parts), min(part[-1, 0] for part in parts)
        times = np.linspace(low, high, 12)
        curves = np.array([np.interp(times, part[:, 0], part[:, 1]) for part in parts]) / span
        alike = [
            float(np.abs(a - b).mean())
            for k, a in enumerate(curves[:MOST_COMPARED])
            for b in curves[k + 1 : MOST_COMPARED]
            if _is_one_start(a[0], b[0])
        ]
        if alike and max(alike) > DIFFERENT:
            return True
    return False


def group_of(series: Mapping[str, FloatArray], constants: Constants, parameters: int) -> str | None:
    """The column of labels within whose groups experiments do not differ, though they do between them.

    Parameters
    ----------
    series
        What was measured -> times, values and numbers of experiments [N, 3].
    constants
        Of the file.
    parameters
        Of the model, as many as each experiment must determine.
    """
    for name, of in (constants.groups or {}).items():
        level = np.array(of)
        if not 1 < len(set(of)) < len(of):
            continue
        apart = [
            experiments_differ({n: p[level[p[:, 2].astype(int)] == k] for n, p in series.items()}, parameters)
            for k in sorted(set(of))
        ]
        if not any(apart):
            return name
    return None


def _is_one_start(a: float, b: float) -> bool:
    """Whether curves that begin at these shares of the range begin alike, to each other as well."""
    return abs(a - b) < SAME_START and abs(a - b) <= ONE_SIZE * max(abs(a), abs(b))


def _averaged(pairs: FloatArray) -> FloatArray:
    """Times and values [N, 2], one of each time."""
    times, where = np.unique(pairs[:, 0], return_inverse=True)
    return np.column_stack([times, np.bincount(where, pairs[:, 1]) / np.bincount(where)])
