"""The nodes at which the states of every experiment are unknowns: its own times, and more between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask, distinct
from odefit.data.experiments import HAIR, Experiment
from odefit.records import dataclass

INTERVALS = 50
"""Into as many parts the time of an experiment is cut at least."""

MAX_TIMES = 200
"""The most measured times that are looked at; where there are more, every second, third, ... of them."""


@dataclass(frozen=True)
class Grid:
    """K nodes of each of E experiments; an experiment with fewer has some at its end that nothing is tied to.

    A time at which a dose enters, or an input has a kink, has two nodes: before and after it.

    Parameters
    ----------
    times
        [E, K].
    clock
        [E, K], the times at which formulas are read: a hair earlier at a node before something.
    used
        [E, K] whether an experiment has that node.
    doses
        [E, K - 1, S], the amounts that enter from each node to the next.
    feeds
        [E, K - 1, S], the rates of infusion between them.
    rows
        [R'] positions of the rows of all experiments, one after the other, that stand at nodes.
    experiment, node
        [R'] where.
    """

    times: FloatArray
    clock: FloatArray
    used: Mask
    doses: FloatArray
    feeds: FloatArray
    rows: IntArray
    experiment: IntArray
    node: IntArray

    @cached_property
    def steps(self) -> FloatArray:
        """[E, K - 1] from each node to the next; 0 where something happens, and behind the last node."""
        return np.diff(self.times, axis=1)

    @property
    def tied(self) -> Mask:
        """[E, K - 1] whether a node and the next belong together."""
        return self.used[:, 1:]

    @cached_property
    def middles(self) -> FloatArray:
        """[E, K - 1] the times half-way between nodes."""
        return (self.times[:, 1:] + self.times[:, :-1]) / 2

    def refined(self) -> Grid:
        """The grid with a node more in every interval. Nodes keep their order: old node k is new node 2 k."""
        e, k = self.times.shape
        times, clock, used = np.empty((e, 2 * k - 1)), np.empty((e, 2 * k - 1)), np.empty((e, 2 * k - 1), dtype=bool)
        times[:, ::2], times[:, 1::2] = self.times, self.middles
        clock[:, ::2], clock[:, 1::2] = self.clock, self.middles
        used[:, ::2], used[:, 1::2] = self.used, self.used[:, 1:]
        doses, feeds = np.zeros((e, 2 * k - 2, self.doses.shape[2])), np.repeat(self.feeds, 2, axis=1)
        doses[:, ::2] = self.doses
        return replace(self, times=times, clock=clock, used=used, doses=doses, feeds=feeds, node=2 * self.node)

    @cached_property
    def spans(self) -> FloatArray:
        """[E], from the first node to the last; 1 where that is nothing."""
        spans: FloatArray = self.times[:, -1] - self.times[:, 0]
        return np.where(spans > 0, spans, 1.0)


def make_grid(experiments: Sequence[Experiment], states: Sequence[str], lag: float = 0.0) -> Grid:
    """The grid of experiments. lag: how much later than its time each dose enters."""
    experiments = [replace(e, doses=tuple(replace(d, time=d.time + lag) for d in e.doses)) for e in experiments]
    nodes = [_nodes(e) for e in experiments]
    n_nodes, n_states = max(len(t) for t, _ in nodes), len(states)
    times = np.stack([np.pad(t, (0, n_nodes - len(t)), mode="edge") for t, _ in nodes])
    used = np.stack([np.arange(n_nodes) < len(t) for t, _ in nodes])
    clock = times.copy()
    doses, feeds = np.zeros((2, len(nodes), n_nodes - 1, n_states))
    rows, owners, places = [], [], []
    offset = 0
    for e, (experiment, (t, double)) in enumerate(zip(experiments, nodes, strict=True)):
        before = np.flatnonzero(double)
        clock[e, before] -= HAIR * np.maximum(np.abs(t[before]), t[-1] - t[0])
        for dose in experiment.doses:
            s = list(states).index(dose.state)
            if dose.duration > 0:
                inside = (t[:-1] >= dose.time) & (t[1:] <= dose.time + dose.duration) & (np.diff(t) > 0)
                feeds[e, : len(t) - 1, s] += np.where(inside, dose.amount / dose.duration, 0.0)
            elif experiment.start <= dose.time <= t[-1]:
                doses[e, int(np.searchsorted(t, dose.time)), s] += dose.amount
        own = looked_at(experiment)
        earlier = experiment.sides[own] < 0
        at = np.where(
            earlier,
            np.searchsorted(t, experiment.times[own]),
            np.searchsorted(t, experiment.times[own], side="right") - 1,
        )
        at, first = np.unique(at, return_index=True)
        rows.append(offset + own[first])
        owners.append(np.full(len(at), e))
        places.append(at)
        offset += len(experiment.times)
    return Grid(times, clock, used, doses, feeds, *(np.concatenate(part) for part in (rows, owners, places)))


def looked_at(experiment: Experiment) -> IntArray:
    """The rows of an experiment that stand at nodes."""
    measured = np.flatnonzero(~np.isnan(experiment.values).all(axis=1))
    return measured[:: 1 + len(measured) // MAX_TIMES]


def _nodes(experiment: Experiment) -> tuple[FloatArray, Mask]:
    """The times of the nodes [K], and which of them are the first of two at the same time [K]."""
    own = experiment.times[looked_at(experiment)]
    last = float(own[-1]) if len(own) else experiment.start
    stops = [np.array([d.time for d in experiment.doses]), np.array([d.time + d.duration for d in experiment.doses])]
    if experiment.inputs:
        from odefit.engines.segments.schedule import kinks

        stops += [kinks(known) for known in experiment.inputs.values()]
    happening = distinct(np.concatenate(stops))
    happening = happening[(happening >= experiment.start) & (happening <= last)]
    points = distinct(np.concatenate([[experiment.start], own, happening]))
    step = (last - experiment.start) / INTERVALS
    pieces = [
        np.linspace(a, b, max(int(np.ceil((b - a) / step - 1e-9)), 1), endpoint=False) for a, b in pairwise(points)
    ]
    single = np.concatenate([*pieces, points[-1:]])
    doubled = np.isin(single, happening)
    times = np.repeat(single, 1 + doubled)
    return times, np.append(times[1:] == times[:-1], False)
