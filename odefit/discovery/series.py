"""Measured series as discovery takes them: nodes, smooth curves, and cells with their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.collocation.spline import Curves
from odefit.data.experiments import Experiment
from odefit.records import dataclass

NODES_AT_LEAST = 50
"""Into as many parts the time of an experiment is cut at least."""
MOST_POINTS = 400
"""The most points that are smoothed as one series; a longer one is smoothed in equal pieces."""


@dataclass(frozen=True)
class Cells:
    """All M measurements.

    Parameters
    ----------
    e, k
        [M] experiment, and node in it.
    s
        [M] the state that was measured.
    o
        [M] the observable, for which there is a noise level.
    d
        [M] values, logarithms where `is_log`.
    error
        [M] their standard deviations where these are known; NaN where they are to be estimated.
    is_log
        [S] whether the noise of a state is one of logarithms.
    """

    e: IntArray
    k: IntArray
    s: IntArray
    o: IntArray
    d: FloatArray
    error: FloatArray
    is_log: Mask


@dataclass(frozen=True)
class Series:
    """Measured series of E experiments.

    Parameters
    ----------
    states
        What all of them measure.
    times
        [E, K] nodes; behind its end an experiment repeats its last one.
    used
        [E, K].
    cells
        The measurements.
    experiments
        For their inputs and constants.
    others
        Names beside the states, of which `known` gives values: t, inputs, constants.
    """

    states: tuple[str, ...]
    times: FloatArray
    used: Mask
    cells: Cells
    experiments: tuple[Experiment, ...] = field(repr=False)
    others: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """E, K, S."""
        return (*self.times.shape, len(self.states))

    def known(self, e: IntArray, t: FloatArray) -> dict[str, FloatArray]:
        """The values of `others` in experiments e [N] at times t [N]."""
        found = {}
        for name in self.others:
            if name == "t":
                found[name] = t
                continue
            values = np.empty(len(t))
            for k, one in enumerate(self.experiments):
                own = e == k
                values[own] = one.inputs[name](t[own]) if name in one.inputs else one.constants[name]
            found[name] = values
        return found

    @cached_property
    def _curves(self) -> list[list[tuple[Curves, int, FloatArray]]]:
        """Per state and experiment: smooth curves, the first of its pieces, and where these begin."""
        found = []
        for s in range(len(self.states)):
            series, first = list[tuple[FloatArray, FloatArray]](), list[tuple[int, FloatArray]]()
            for e in range(len(self.times)):
                t, d = self._measured(e, s)
                parts = max(1, -(-len(t) // MOST_POINTS))
                cuts = np.array_split(np.arange(len(t)), parts)
                first.append((len(series), np.array([t[own[0]] if len(own) else 0.0 for own in cuts])))
                series += [(t[own], d[own]) for own in cuts]
            curves = Curves(series)
            found.append([(curves, k, begin) for k, begin in first])
        return found

    def _measured(self, e: int, s: int) -> tuple[FloatArray, FloatArray]:
        """The times and the means of the values there of one state in one experiment."""
        cells = self.cells
        own = (cells.e == e) & (cells.s == s)
        t, back = np.unique(self.times[e, cells.k[own]], return_inverse=True)
        return t, np.bincount(back, cells.d[own], len(t)) / np.maximum(np.bincount(back, minlength=len(t)), 1)

    def curve(self, e: int, times: FloatArray) -> FloatArray:
        """Smooth curves [N, S] of all states of an experiment; NaN of one that was not measured in it."""
        found = np.full((len(times), len(self.states)), np.nan)
        for s in range(len(self.states)):
            curves, first, begin = self._curves[s][e]
            piece = np.clip(np.searchsorted(begin, times, side="right") - 1, 0, len(begin) - 1)
            for p in np.unique(piece):
                own = piece == p
                found[own, s] = curves.at(first + int(p), times[own])
            if self.cells.is_log[s]:
                found[:, s] = np.exp(found[:, s])
        return found

    @cached_property
    def smooth(self) -> FloatArray:
        """The curves at the nodes [E, K, S]."""
        return np.stack([self.curve(e, t) for e, t in enumerate(self.times)])

    @cached_property
    def smooth_or_held(self) -> FloatArray:
        """The curves at the nodes, and in place of one that was not measured the mean of that state elsewhere."""
        means = np.nanmean(np.where(self.used[..., None], self.smooth, np.nan), axis=(0, 1))
        return np.where(np.isnan(self.smooth), means, self.smooth)

    @cached_property
    def scatter(self) -> FloatArray:
        """[S] standard deviations of the data about the curves, on the scale of the noise; NaN where not known."""
        return np.array([own[0][0].deviation for own in self._curves])

    @cached_property
    def deviations(self) -> FloatArray:
        """[S] the scatter, and a guess where it is not known."""
        spread = self.spreads
        return np.where(np.isfinite(self.scatter), np.maximum(self.scatter, 1e-6 * spread), 0.1 * spread)

    @cached_property
    def spreads(self) -> FloatArray:
        """[S] standard deviations of the values, on the scale of the noise."""
        cells = self.cells
        found = np.array(
            [cells.d[cells.s == s].std() if (cells.s == s).any() else 0.0 for s in range(len(self.states))]
        )
        return np.where(found > 0, found, 1.0)

    @cached_property
    def sizes(self) -> FloatArray:
        """[S] root mean squares of the states."""
        found: FloatArray = np.sqrt(np.nanmean(np.where(self.used[..., None], self.smooth, np.nan) ** 2, axis=(0, 1)))
        return np.where(found > 0, found, 1.0)


def make_series(
    experiments: Sequence[Experiment],
    states: Sequence[str],
    columns: Mapping[int, int],
    is_log: Mask,
    errors: Sequence[FloatArray | None],
    others: Sequence[str],
) -> Series:
    """Series of the measurements.

    Parameters
    ----------
    experiments, states, others
        See `Series`.
    columns
        Column of the measurements -> the state that it is.
    is_log
        [S].
    errors
        [T, O] standard deviations of each experiment, NaN where they are to be estimated; None where all are.
    """
    nodes, rows = [], list[tuple[IntArray, ...]]()
    values, sds = list[FloatArray](), list[FloatArray]()
    for e, one in enumerate(experiments):
        seen = ~np.isnan(one.values[:, list(columns)]).all(axis=1)
        t = _with_even_gaps(np.unique(np.append(one.start, one.times[seen & np.isfinite(one.times)])))
        nodes.append(t)
        for column, s in columns.items():
            own = np.flatnonzero(~np.isnan(one.values[:, column]) & np.isfinite(one.times))
            limit = None if one.censored is None else one.censored[own, column] != 0
            own = own if limit is None else own[~limit]
            n = len(own)
            where = np.searchsorted(t, one.times[own])
            rows.append((np.full(n, e), where, np.full(n, s), np.full(n, column)))
            values.append(one.values[own, column])
            error = errors[e]
            sds.append(np.full(n, np.nan) if error is None else error[own, column])
    k = max(len(t) for t in nodes)
    times = np.stack([np.pad(t, (0, k - len(t)), mode="edge") for t in nodes])
    used = np.stack([np.arange(k) < len(t) for t in nodes])
    owner, node, state, observable = (np.concatenate(part) for part in zip(*rows, strict=True))
    d = np.concatenate(values)
    logs = is_log[state]
    with np.errstate(all="ignore"):
        d = np.where(logs, np.log(np.where(logs, d, 1.0)), d)
    good = np.isfinite(d)
    at = owner[good], node[good], state[good], observable[good]
    cells = Cells(*at, d[good], np.concatenate(sds)[good], is_log)
    return Series(tuple(states), times, used, cells, tuple(experiments), tuple(others))


def _with_even_gaps(t: FloatArray) -> FloatArray:
    """The times, and more of them where gaps are longer than usual."""
    if len(t) < 2:
        return t
    usual = (t[-1] - t[0]) / max(len(t) - 1, NODES_AT_LEAST)
    gaps = np.diff(t)
    parts = np.maximum(np.ceil(gaps / usual - 1e-6), 1).astype(np.intp)
    pieces = [a + gap * np.arange(n) / n for a, gap, n in zip(t[:-1], gaps, parts, strict=True)]
    return np.append(np.concatenate(pieces), t[-1])
