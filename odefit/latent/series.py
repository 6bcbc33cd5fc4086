"""Series as a latent ODE sees them: all on one grid, and the observed part of each as the encoder reads it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from odefit.data.dataset import collate
from odefit.data.experiments import Experiment
from odefit.errors import DataError, Fault
from odefit.records import dataclass

TICK = 1e-6
"""Measurements whose times differ by less than this share of the last one are solved for together."""


@dataclass(frozen=True)
class Series:
    """E series on the union of their times.

    Parameters
    ----------
    grid
        [G], elapsed times since each one's start, float64, strictly increasing from 0.
    values
        [E, G, O], measurements, 0 where there is none.
    mask
        [E, G, O], True where there is one.
    """

    grid: Tensor
    values: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_observables(self) -> int:
        """How many observables there are."""
        return self.values.shape[2]

    def rows(self, rows: Tensor | slice) -> Series:
        """Some of the series, on the same grid."""
        return Series(self.grid, self.values[rows], self.mask[rows])

    def since(self, point: int) -> Series:
        """The same series from a later point of the grid on, as if they had started there."""
        return Series(self.grid[point:] - self.grid[point], self.values[:, point:], self.mask[:, point:])

    def until(self, end: float) -> int:
        """The number of points of the grid that are not later than `end`."""
        return int((self.grid <= end * (1 + 1e-9)).sum())


@dataclass(frozen=True)
class Reading:
    """What the encoder reads of E series: L points of each, latest first, padded at the end.

    Parameters
    ----------
    inputs
        [E, L, 2 O + 1]: the measurements (0 where there is none), 1 where there is one and 0 where not, and how much
        earlier the point read next was measured (after the last: how much earlier the series started).
    lengths
        [E], the numbers of points.
    """

    inputs: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, rows: Tensor | slice) -> Reading:
        """The same of some of the series."""
        return Reading(self.inputs[rows], self.lengths[rows])


def series_of(experiments: Sequence[Experiment], dtype: torch.dtype = torch.float32) -> Series:
    """Put the measurements of experiments on one grid of the times since their starts."""
    batch = collate(list(enumerate(experiments)), dtype=torch.float64)
    size = (len(experiments), len(batch.grid), batch.values.shape[2])
    index = batch.index.unsqueeze(-1).expand_as(batch.values)
    # Padding repeats a last time, with nothing measured: added, it changes nothing.
    values = torch.zeros(size, dtype=torch.float64).scatter_add(1, index, batch.values)
    mask = torch.zeros(size).scatter_add(1, index, batch.mask.to(torch.float32)) > 0
    return Series(batch.grid, values.to(dtype), mask)


def read_backwards(series: Series, end: float) -> Reading:
    """Read the measurements of each series until `end` (elapsed), from the latest to the first.

    Points at which nothing is measured are passed over.

    Raises
    ------
    DataError
        Series without any measurement until then.
    """
    n = series.until(end)
    mask = series.mask[:, :n]
    measured = mask.any(dim=2)
    lengths = measured.sum(dim=1)
    empty = (lengths == 0).nonzero().flatten().tolist()
    if empty:
        what = f"nothing is measured until {end:g}, so there is nothing to encode; observe a longer part"
        raise DataError(faults=[Fault(f"series {row + 1}", what) for row in empty[:10]])
    # Stable: the measured points first, each group latest first.
    order = torch.arange(n - 1, -1, -1).expand(len(series), n)
    order = order.gather(1, torch.argsort(measured.flip(1).to(torch.int8), dim=1, descending=True, stable=True))
    order = order[:, : int(lengths.max())]
    inside = torch.arange(order.shape[1]) < lengths.unsqueeze(1)
    times = torch.where(inside, series.grid[order], 0.0)
    gaps = times - torch.nn.functional.pad(times[:, 1:], (0, 1))

    def read(what: Tensor) -> Tensor:
        chosen = what.gather(1, order.unsqueeze(-1).expand(-1, -1, series.n_observables))
        return torch.where(inside.unsqueeze(-1), chosen, 0)

    dtype = series.values.dtype
    inputs = [read(series.values[:, :n]), read(mask).to(dtype), gaps.unsqueeze(-1).to(dtype)]
    return Reading(torch.cat(inputs, dim=-1), lengths)


def what_was_read(reading: Reading, observables: int) -> Series:
    """The measurements of a reading in their order, on the union of their times; the mean of those at the same tick."""
    gaps = reading.inputs[..., -1].to(torch.float64)
    # A point was measured after all the gaps from it to the start.
    times = gaps.flip(1).cumsum(dim=1).flip(1)
    tick = TICK * float(times.max()) or 1.0
    ticks, place = torch.unique((times / tick).round(), return_inverse=True)
    index = place.unsqueeze(-1).expand(*place.shape, observables)
    zeros = reading.inputs.new_zeros(len(gaps), len(ticks), observables)
    count = zeros.scatter_add(1, index, reading.inputs[..., observables:-1])
    mask = count > 0
    values = zeros.scatter_add(1, index, reading.inputs[..., :observables]) / count.clamp(min=1)
    # Padding, whose gaps are 0, is at the start, where perhaps nothing was measured.
    used = mask.any(dim=(0, 2))
    return Series(ticks[used] * tick, values[:, used], mask[:, used])
