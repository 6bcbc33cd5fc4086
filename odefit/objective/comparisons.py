"""Observables that compare a formula h with an earlier value of it: increments, and ratios to the start.

For a cell that counts from time a to time b, with the start of the integration at t0,

    increase:     g = h(b) - h(a)           dg = dh(b) - dh(a)
    fold_change:  g = h(b) / h(t0)          dg = (dh(b) - g dh(t0)) / h(t0)

where h and its total derivatives follow from the states at those times. So the equations are solved at all of them
(`solved_rows`); nothing else of a fit needs to know. g then stands beside the states, as one more level that the
formulas of measurements and of their noise may name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.model.functions import numpy_function, torch_function
from odefit.model.system import TIME, System, compared_symbol
from odefit.objective.partials import Partials
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SolvedRows:
    """Where the equations are solved for the sake of some experiments, R rows in all, and R' rows that are solved.

    Parameters
    ----------
    experiments
        The same with the times that are needed besides; nothing is measured there.
    own
        [R], the solved row of each row.
    later, earlier
        [R, C], the solved rows that each compared observable compares.
    """

    experiments: tuple[Experiment, ...]
    own: IntArray
    later: IntArray
    earlier: IntArray


def solved_rows(experiments: Sequence[Experiment], system: System) -> SolvedRows:
    """The rows that the compared observables of a system need."""
    solved, own, later, earlier, offset = list[Experiment](), list[IntArray](), list[IntArray](), list[IntArray](), 0
    for experiment in experiments:
        pairs = _pairs(experiment, system)
        more, sides = _missing(experiment, pairs)
        whole, rows = (
            experiment.among_rows(more, sides) if len(more) else (experiment, np.arange(len(experiment.times)))
        )
        places = offset + np.searchsorted(whole.times, pairs)
        # Of two rows around a jump a cell is its own; what it is compared with is what is there before a jump.
        places[..., 1] = np.where(pairs[..., 1] == experiment.times[:, None], offset + rows[:, None], places[..., 1])
        if experiment.reference_side >= 0:
            at_start = offset + int(np.searchsorted(whole.times, experiment.start, side="right")) - 1
            places[..., 0] = np.where(pairs[..., 0] == experiment.start, at_start, places[..., 0])
        solved.append(whole)
        own.append(offset + rows)
        earlier.append(places[..., 0])
        later.append(places[..., 1])
        offset += len(whole.times)
    return SolvedRows(tuple(solved), np.concatenate(own), np.concatenate(later), np.concatenate(earlier))


def _missing(experiment: Experiment, pairs: FloatArray) -> tuple[FloatArray, NDArray[np.int8]]:
    """Times and sides of the rows that are needed besides: before a dose, and at the start as the sample there is."""
    start, is_before = experiment.start, experiment.reference_side < 0
    times = np.setdiff1d(pairs, np.append(experiment.times, start))
    sides = np.full(len(times), -1 if experiment.doses else 0, dtype=np.int8)
    there = experiment.sides[experiment.times == start] < 0
    if (pairs[..., 0] == start).any() and not (there == is_before).any():
        times, sides = np.append(times, start), np.append(sides, np.int8(-1 if is_before else 0))
    return times, sides


def _pairs(experiment: Experiment, system: System) -> FloatArray:
    """[T, C, 2], the earlier and the later time of each compared observable."""
    pairs = np.empty((len(experiment.times), len(system.compared), 2))
    pairs[..., 1] = experiment.times[:, None]
    for c, (name, kind) in enumerate(system.compared.items()):
        if kind == "fold_change":
            pairs[:, c, 0] = experiment.start
        elif experiment.intervals is not None:
            pairs[:, c] = experiment.intervals[:, list(system.observables).index(name)]
        else:
            pairs[:, c, 0] = np.append(experiment.start, experiment.times[:-1])[: len(pairs)]
    return pairs


@dataclass(frozen=True)
class Comparisons:
    """The compared observables of a system, C of them.

    Parameters
    ----------
    system
        It has some (`System.compared`).
    symbols, sensitive
        As in `Observation`: the names of local values and inputs; the K names that derivatives are taken to.
    """

    system: System
    symbols: tuple[str, ...]
    sensitive: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The symbols of the values g."""
        return tuple(compared_symbol(name).name for name in self.system.compared)

    @cached_property
    def formulas(self) -> list[sp.Expr]:
        """h of each."""
        return [self.system.observables[name] for name in self.system.compared]

    @cached_property
    def _is_ratio(self) -> list[bool]:
        return [kind == "fold_change" for kind in self.system.compared.values()]

    @property
    def _arguments(self) -> tuple[str, ...]:
        return (*self.system.states, TIME, *self.symbols)

    @cached_property
    def _values(self) -> Any:
        return numpy_function(self.formulas, self._arguments)

    @cached_property
    def _partials(self) -> Partials:
        return Partials.of(self.formulas, self.system.states, self.sensitive)

    @cached_property
    def _partial_values(self) -> Any:
        return numpy_function(self._partials.formulas, self._arguments)

    def levels(
        self, y: FloatArray, t: FloatArray, p: FloatArray, rows: SolvedRows, dy: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray | None]:
        """States, and behind them what is compared.

        Parameters
        ----------
        y, t, p
            [R', S], [R'] and [R', L + U] (or [L + U]), at the solved rows.
        rows
            Which these are.
        dy
            [R', S, K'], sensitivities of the states to the first K' sensitive names; None for no derivatives.

        Returns
        -------
        y, dy
            [R, S + C] and [R, S + C, K], at the rows that were asked for; dy is None where it was not given.
        """
        n = len(self.formulas)
        h = np.empty((len(t), n))
        for column, value in enumerate(self._values(*y.T, t, *p.T)):
            h[:, column] = value
        with np.errstate(all="ignore"):
            g, slopes = self._compared(h, None if dy is None else self._slopes(y, t, p, dy), rows)
        y = np.concatenate([y[rows.own], g], axis=1)
        if dy is None or slopes is None:
            return y, None
        wide = np.zeros((len(rows.own), dy.shape[1], len(self.sensitive)))
        wide[..., : dy.shape[2]] = dy[rows.own]
        return y, np.concatenate([wide, slopes], axis=1)

    def _slopes(self, y: FloatArray, t: FloatArray, p: FloatArray, dy: FloatArray) -> FloatArray:
        """Total derivatives of h, [R', C, K]."""
        slopes = self._partials.chained(self._partial_values(*y.T, t, *p.T), dy)
        nothing = np.zeros((len(t), len(self.sensitive)))
        return np.stack([nothing if slope is None else slope for slope in slopes], axis=1)

    def _compared(self, h: FloatArray, dh: FloatArray | None, rows: SolvedRows) -> tuple[FloatArray, FloatArray | None]:
        """g [R, C] and its derivatives [R, C, K]."""
        columns = np.arange(len(self.formulas))
        a, b = h[rows.earlier, columns], h[rows.later, columns]
        g = np.where(self._is_ratio, b / a, b - a)
        if dh is None:
            return g, None
        da, db = dh[rows.earlier, columns], dh[rows.later, columns]
        ratio = (db - g[..., None] * da) / a[..., None]
        return g, np.where(np.array(self._is_ratio)[:, None], ratio, db - da)

    @cached_property
    def _tensor_function(self) -> Any:
        return torch_function(self.formulas, self._arguments)

    def level_tensors(self, y: Tensor, t: Tensor, p: Tensor, rows: SolvedRows) -> Tensor:
        """The same as a differentiable tensor, at the solved rows themselves.

        Parameters
        ----------
        y, t, p
            [E, T, S], [E, T] and [E, T, L + U] (or [E, 1, L + U]); experiments are padded to T times.
        rows
            Of the experiments of the batch, which have all times that are needed.

        Returns
        -------
        Tensor
            [E, T, S + C]; NaN in the padding.
        """
        import torch

        found = self._tensor_function(*y.unbind(-1), t, *p.unbind(-1))
        h = torch.stack([torch.as_tensor(v, dtype=y.dtype, device=y.device).expand(t.shape) for v in found], dim=-1)
        lengths = torch.tensor([len(e.times) for e in rows.experiments], device=y.device)
        inside = torch.arange(t.shape[1], device=y.device) < lengths.unsqueeze(1)
        flat, columns = h[inside], torch.arange(h.shape[-1], device=y.device)
        a, b = (flat[torch.as_tensor(places, device=y.device), columns] for places in (rows.earlier, rows.later))
        ratio = torch.tensor(self._is_ratio, device=y.device)
        g = h.new_full(h.shape, float("nan"))
        g[inside] = torch.where(ratio, b / torch.where(ratio, a, torch.ones_like(a)), b - a)
        return torch.cat([y, g], dim=-1)
