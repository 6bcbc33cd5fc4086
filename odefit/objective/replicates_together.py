"""Replicates are solved once: experiments whose equations are the same, at whichever times they were measured.

What an adaptive solver does does not depend on the times that it is asked for, within its tolerances; so experiments
with the same local values, start, doses and inputs are one, read at the times of all. That is as many times less work
as there are replicates of a condition.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, distinct
from odefit.data.experiments import Experiment
from odefit.engines.base import Solutions, offsets_of
from odefit.engines.failure import Failure
from odefit.objective.parameters import Binding
from odefit.records import dataclass


@dataclass(frozen=True)
class Together:
    """Experiments E of which G are solved.

    Parameters
    ----------
    experiments
        [G], what is solved.
    first
        [G], an experiment that has the local values of each.
    group
        [E], which of the solved ones each experiment is.
    rows
        [R], which row of what was solved each row is.
    lengths
        [E], how many rows each experiment has.
    """

    experiments: tuple[Experiment, ...]
    first: IntArray
    group: IntArray
    rows: IntArray
    lengths: IntArray

    def spread(self, found: Solutions, n: int) -> Solutions:
        """The solutions of all experiments from those of what was solved, at n points."""

        def of_all(x: FloatArray) -> FloatArray:
            return x.reshape(n, -1, *x.shape[1:])[:, self.rows].reshape(-1, *x.shape[1:])

        failures: tuple[Failure | None, ...] = (None,) * (n * len(self.group))
        if found.failed is not None:
            failures = tuple(found.failures[b * len(self.first) + g] for b in range(n) for g in self.group.tolist())
        offsets = offsets_of(np.tile(self.lengths, n))
        return Solutions(of_all(found.y), None if found.dy is None else of_all(found.dy), offsets, failures)

    def gathered(self, worth: FloatArray) -> FloatArray:
        """What each row of what was solved is worth, from that of all rows [n, R, ...]: the way back of `spread`."""
        found = np.zeros((len(worth), sum(len(e.times) for e in self.experiments), *worth.shape[2:]))
        np.add.at(np.moveaxis(found, 1, 0), self.rows, np.moveaxis(worth, 1, 0))
        return found


def together(experiments: Sequence[Experiment], binding: Binding, n_system: int, joined: bool) -> Together | None:
    """Which experiments are solved together; None where each is alone.

    Parameters
    ----------
    experiments, binding
        [E], and what their symbols are.
    n_system
        How many of the symbols the equations have.
    joined
        Whether those at other times may be; not with fixed steps, whose answer depends on the times.
    """
    # Experiments with local values of their own, as in most large data, are found in all at once.
    # What a network makes of local values depends on those that the equations do not have, too.
    width = n_system if binding.calls is None else len(binding.symbols)
    row, count = _local_rows(binding, len(experiments), width)
    if count.max(initial=0) <= 1:
        return None
    members: dict[Hashable, list[int]] = {}
    for k, one in enumerate(experiments):
        conditions = _conditions(one, joined) if count[row[k]] > 1 else ()
        members.setdefault((int(row[k]), *conditions), []).append(k)
    if len(members) == len(experiments):
        return None
    group, solved, joint = np.empty(len(experiments), dtype=np.intp), list[Experiment](), dict[int, IntArray]()
    for g, ks in enumerate(members.values()):
        one = experiments[ks[0]]
        group[ks] = g
        if not all(np.array_equal(experiments[k].times, one.times) for k in ks[1:]):
            times = distinct(np.concatenate([experiments[k].times for k in ks]))
            joint |= {k: np.searchsorted(times, experiments[k].times) for k in ks}
            one = one.at(times)
        solved.append(one)
    first = np.array([ks[0] for ks in members.values()], dtype=np.intp)
    lengths = np.array([len(e.times) for e in experiments], dtype=np.intp)
    begins, ends = offsets_of([len(e.times) for e in solved])[:-1][group], offsets_of(lengths)
    rows = np.repeat(begins - ends[:-1], lengths) + np.arange(ends[-1])
    for k, places in joint.items():
        rows[ends[k] : ends[k + 1]] = begins[k] + places
    return Together(tuple(solved), first, group, rows, lengths)


def _local_rows(binding: Binding, n: int, width: int) -> tuple[IntArray, IntArray]:
    """Which of the different rows of local values each experiment has, [E], and how many have each of them."""
    index = np.broadcast_to(binding.index[..., :width], (n, width))
    constant = np.where(index >= 0, 0.0, binding.constant[..., :width])
    if not width:
        return np.zeros(n, dtype=np.intp), np.array([n])
    # As bytes, so that a NaN is the same as itself.
    cells = np.concatenate([index.astype(np.float64), constant], axis=1)
    whole = np.dtype((np.void, cells.itemsize * cells.shape[1]))
    _, row, count = np.unique(cells.view(whole).ravel(), return_inverse=True, return_counts=True)
    return row, count


def _conditions(one: Experiment, joined: bool) -> tuple[Hashable, ...]:
    """All of an experiment that its solution depends on, besides its local values."""
    side = None if one.side is None else one.side.tobytes()
    is_plain = joined and one.side is None and bool(np.isfinite(one.times).all())
    inputs = tuple((name, u.knots.tobytes(), u.coefficients.tobytes()) for name, u in sorted(one.inputs.items()))
    times = None if is_plain else one.times.tobytes()
    return one.start, one.start_is_given, one.reference_side, one.steady_state, one.doses, inputs, side, times
