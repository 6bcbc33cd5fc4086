"""Experiments as torch sees them: a Dataset, and batches of experiments that differ in their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from odefit.arrays import FloatArray, Mask
from odefit.data.experiments import Experiment
from odefit.records import dataclass

Item = tuple[int, Experiment]


@dataclass(frozen=True)
class Batch:
    """E experiments, padded to T times and put on one time grid of G points.

    An engine solves all of them from their own `start` over the elapsed times `grid` and reads experiment e at
    `grid[index[e]]`. Padding repeats the last time and is masked.

    Parameters
    ----------
    experiments
        The E experiments themselves.
    rows
        [E], their positions in the dataset.
    start
        [E], the absolute time at which each integration starts.
    grid
        [G], elapsed times since the start, strictly increasing from 0: the union over the experiments.
    index
        [E, T], where in `grid` each experiment's own times are.
    times
        [E, T], those times themselves, absolute.
    clock
        [E, T], the same as formulas of the time see them (`Experiment.clock`).
    values
        [E, T, O], measurements; 0 where there is none.
    mask
        [E, T, O], True where there is a measurement.
    sigma
        [E, T, O], measurement errors, 1 where none is given; None when no experiment has any.
    censored
        [E, T, O], -1 where the truth lies below the value, 1 where above, else 0; None when no experiment has any.
    ends
        [E, T, O], the other end of the interval in which a censored value lies, NaN where there is none; None when no
        experiment has any.
    inputs
        [E, T, U], the known functions of time at `clock`, in the order of `input_names`, NaN where an experiment lacks
        one; None when no experiment has any.
    covariates
        [E, T, O] each, the numbers beside the measurements, by name; 1 where nothing is measured.
    """

    experiments: tuple[Experiment, ...]
    rows: Tensor
    start: Tensor
    grid: Tensor
    index: Tensor
    times: Tensor
    clock: Tensor
    values: Tensor
    mask: Tensor
    sigma: Tensor | None
    censored: Tensor | None = None
    inputs: Tensor | None = None
    covariates: Mapping[str, Tensor] = field(default_factory=dict)
    ends: Tensor | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of all inputs of the experiments, sorted."""
        return input_names(self.experiments)

    @property
    def inside(self) -> Tensor:
        """[E, T] True but for the padding."""
        lengths = torch.tensor([len(experiment.times) for experiment in self.experiments], device=self.times.device)
        return torch.arange(self.times.shape[1], device=self.times.device) < lengths.unsqueeze(1)

    def some(self, own: slice) -> Batch:
        """Some of the experiments, on the common grid up to the last time that any of them needs."""
        experiments = self.experiments[own]
        inputs = self.inputs
        if inputs is not None:
            # Their columns follow the names that are left.
            known = self.input_names
            columns = [known.index(name) for name in input_names(experiments)]
            inputs = inputs[own][..., columns] if columns else None

        def part(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[own]

        return replace(
            self,
            experiments=experiments,
            rows=self.rows[own],
            start=self.start[own],
            grid=self.grid[: int(self.index[own].max()) + 1],
            index=self.index[own],
            times=self.times[own],
            clock=self.clock[own],
            values=self.values[own],
            mask=self.mask[own],
            sigma=part(self.sigma),
            censored=part(self.censored),
            ends=part(self.ends),
            inputs=inputs,
            covariates={name: numbers[own] for name, numbers in self.covariates.items()},
        )


def input_names(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """The names of all inputs that any of the experiments has, sorted."""
    return tuple(sorted(set().union(*(experiment.inputs for experiment in experiments))))


class ExperimentDataset(Dataset[Item]):
    """The experiments in their order; an item is (position, experiment)."""

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        self.experiments = tuple(experiments)

    def __len__(self) -> int:
        return len(self.experiments)

    def __getitem__(self, position: int) -> Item:
        return position, self.experiments[position]


def collate(items: Sequence[Item], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Batch:
    """One Batch from (position, experiment) pairs: the `collate_fn` of a DataLoader.

    Parameters
    ----------
    items
        The pairs.
    dtype
        Of floating-point tensors. The grid is computed in float64, and its points stay distinct in `dtype`.
    device
        Of all tensors.

    Raises
    ------
    ValueError
        There is nothing to batch, or a time before the start.
    """
    if not items or any(len(experiment.times) == 0 for _, experiment in items):
        raise ValueError("a batch needs at least one experiment, and each at least one time")
    experiments = tuple(experiment for _, experiment in items)
    lengths = [len(experiment.times) for experiment in experiments]
    inside = np.arange(max(lengths)) < np.array(lengths)[:, None]  # [E, T]
    start = np.array([experiment.start for experiment in experiments])
    times = _pad([experiment.times for experiment in experiments], inside)
    grid, index = _union_grid(times, start, dtype)
    values = [experiment.values for experiment in experiments]
    measured = _stack(values, inside)
    mask = ~np.isnan(measured)
    sigma = _stack_given([experiment.sigma for experiment in experiments], values, np.nan, inside)
    censored = _stack_given([experiment.censored for experiment in experiments], values, 0.0, inside)
    ends = _stack_given([experiment.other_end for experiment in experiments], values, np.nan, inside)
    clock = _pad([experiment.clock for experiment in experiments], inside)
    inputs = _inputs(experiments, clock)
    covariates = {name: _stack([e.covariates[name] for e in experiments], inside) for name in experiments[0].covariates}

    def real(array: FloatArray) -> Tensor:
        return torch.from_numpy(array).to(device=device, dtype=dtype)

    return Batch(
        experiments=experiments,
        rows=torch.tensor([position for position, _ in items], device=device),
        start=real(start),
        grid=real(grid),
        index=torch.from_numpy(index).to(device),
        times=real(times),
        clock=real(clock),
        values=real(np.where(mask, measured, 0.0)),
        mask=torch.from_numpy(mask).to(device),
        sigma=None if sigma is None else real(np.where(mask & ~np.isnan(sigma), sigma, 1.0)),
        censored=None
        if censored is None
        else torch.from_numpy(np.where(mask, censored, 0.0).astype(np.int8)).to(device),
        inputs=None if inputs is None else real(inputs),
        covariates={name: real(np.where(mask, numbers, 1.0)) for name, numbers in covariates.items()},
        ends=None if ends is None else real(np.where(mask, ends, np.nan)),
    )


def data_loader(
    experiments: Sequence[Experiment],
    batch_size: int | None,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> DataLoader[Any]:
    """A DataLoader of `Batch`: every experiment once per epoch, in a new random order each epoch.

    The order comes from `generator` alone; the global random state is not touched. The last batch may be
    smaller. With `batch_size` None, or no smaller than the number of experiments, each epoch is one and the
    same Batch in the given order, collated only once.
    """
    dataset = ExperimentDataset(experiments)
    if batch_size is None or batch_size >= len(dataset):
        whole = collate([dataset[position] for position in range(len(dataset))], dtype, device)
        return DataLoader(_Whole(whole), batch_size=None, generator=generator, collate_fn=_as_it_is)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        generator=generator,
        collate_fn=partial(collate, dtype=dtype, device=device),
    )


class _Whole(Dataset[Batch]):
    """A dataset whose only item is a batch of everything."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __getitem__(self, position: int) -> Batch:
        if position != 0:
            raise IndexError(position)
        return self.batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _pad(times: Sequence[FloatArray], inside: Mask) -> FloatArray:
    """[E, T], each row continued by its last time."""
    padded = np.empty(inside.shape)
    padded[inside] = np.concatenate(times)
    last = np.array([own[-1] for own in times])
    return np.where(inside, padded, last[:, None])


def _stack(arrays: Sequence[FloatArray], inside: Mask) -> FloatArray:
    """[E, T, O], each experiment continued by NaN."""
    stacked = np.full((*inside.shape, arrays[0].shape[1]), np.nan)
    stacked[inside] = np.concatenate(arrays)
    return stacked


def _stack_given(
    given: Sequence[FloatArray | NDArray[np.int8] | None], values: Sequence[FloatArray], without: float, inside: Mask
) -> FloatArray | None:
    """[E, T, O] of what some experiments have beside their values, `without` for the others; None where none has it."""
    if all(one is None for one in given):
        return None
    own = [
        np.full(v.shape, without) if one is None else one.astype(np.float64)
        for one, v in zip(given, values, strict=True)
    ]
    return _stack(own, inside)


def _inputs(experiments: Sequence[Experiment], times: FloatArray) -> FloatArray | None:
    """u at `times` [E, T] of the clock, [E, T, U], in the order of `input_names`."""
    names = input_names(experiments)
    if not names:
        return None
    values = np.full((*times.shape, len(names)), np.nan)
    for own, t, experiment in zip(values, times, experiments, strict=True):
        for column, name in enumerate(names):
            if name in experiment.inputs:
                own[:, column] = experiment.inputs[name](t)
    return values


def _union_grid(times: FloatArray, start: FloatArray, dtype: torch.dtype) -> tuple[FloatArray, NDArray[np.int64]]:
    """Elapsed times [G], strictly increasing from 0, and where each of `times` [E, T] is among them.

    Points that differ by no more than rounding are one, or a solver would have to step 1e-17: within 1e-12 of
    the elapsed time (not of the whole span, which may reach from 1e-5 to 1e11 in a stiff problem), plus
    the rounding of the absolute times that were subtracted.
    """
    elapsed = times - start[:, None]
    if not (elapsed >= 0).all():
        raise ValueError("an experiment has times before its start")
    rounding = 4 * np.finfo(np.float64).eps * np.maximum(np.abs(times), np.abs(start)[:, None])
    points = np.concatenate([[0.0], elapsed.ravel()])
    slack = np.concatenate([[0.0], np.where(elapsed > 0, rounding + 1e-12 * elapsed, 0.0).ravel()])
    order = np.argsort(points, kind="stable")
    new = np.ones(len(points), dtype=bool)
    with np.errstate(invalid="ignore"):  # between infinite times, which engines solve by themselves
        new[1:] = np.diff(points[order]) > np.maximum(slack[order][1:], slack[order][:-1])
    grid = points[order][new]
    index = np.empty(len(points), dtype=np.int64)
    index[order] = np.cumsum(new) - 1
    if dtype != torch.float64:
        rounded = torch.from_numpy(grid).to(dtype).to(torch.float64).numpy()
        grid, merged = np.unique(rounded, return_inverse=True)
        index = merged[index]
    return grid, index[1:].reshape(times.shape)
