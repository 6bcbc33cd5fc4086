"""Batches of experiments that differ in their times, and the order in which they come."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from odefit.arrays import FloatArray
from odefit.data.dataset import Batch, ExperimentDataset, collate, data_loader
from odefit.data.experiments import Experiment


def make(name: str, times: list[float], start: float | None = None, seed: int = 0, sigma: bool = False) -> Experiment:
    values = np.random.default_rng([seed, *name.encode()]).normal(size=(len(times), 2))
    return Experiment(
        name,
        np.array(times),
        values,
        times[0] if start is None else start,
        0.1 + values**2 if sigma else None,
    )


def batch_of(*experiments: Experiment, dtype: torch.dtype = torch.float64) -> Batch:
    return collate(list(enumerate(experiments)), dtype)


def own_times(batch: Batch, row: int) -> FloatArray:
    """What an engine reads: start + grid[index], the padding left out."""
    n = len(batch.experiments[row].times)
    times: FloatArray = (batch.start[row] + batch.grid[batch.index[row, :n]]).numpy()
    return times


def test_union_grid_and_padding() -> None:
    a = make("a", [0.0, 1.0, 4.0])
    b = make("b", [101.0, 102.5], start=100.0)
    b.values[0, 1] = np.nan
    batch = batch_of(a, b)
    assert batch.grid.tolist() == [0.0, 1.0, 2.5, 4.0]
    assert batch.index.tolist() == [[0, 1, 3], [1, 2, 2]]
    assert batch.start.tolist() == [0.0, 100.0]
    assert batch.times.tolist() == [[0.0, 1.0, 4.0], [101.0, 102.5, 102.5]]
    assert batch.rows.tolist() == [0, 1]
    assert batch.mask.tolist() == [[[True, True]] * 3, [[True, False], [True, True], [False, False]]]
    np.testing.assert_array_equal(batch.values[0], a.values)
    np.testing.assert_array_equal(batch.values[1, :2], np.nan_to_num(b.values))
    assert (batch.values[1, 2] == 0).all()
    assert batch.sigma is None
    assert batch.experiments == (a, b)


def test_sigma_is_one_where_there_is_none() -> None:
    a = make("a", [0.0, 1.0], sigma=True)
    assert a.sigma is not None
    a.values[1, 0] = np.nan
    a.sigma[0, 1] = np.nan
    batch = batch_of(a, make("b", [0.0]))
    assert batch.sigma is not None
    expected = [[[a.sigma[0, 0], 1.0], [1.0, a.sigma[1, 1]]], [[1.0, 1.0], [1.0, 1.0]]]
    assert batch.sigma.tolist() == expected


def test_a_regular_grid_is_taken_as_it_is() -> None:
    times = (np.arange(30) * 0.1).tolist()
    batch = batch_of(*(make(str(n), times) for n in range(5)))
    assert batch.grid.tolist() == times
    assert batch.index.tolist() == [list(range(30))] * 5


@pytest.mark.parametrize("start", [0.3, 1900.0, -7.1, 1e6])
def test_rounding_makes_no_grid_points(start: float) -> None:
    """times - start differs in the last digits from one start to another: no solver may step there."""
    steps = np.arange(40) * 0.1
    batch = batch_of(make("a", steps.tolist()), make("b", (start + steps).tolist()), make("c", [start + 0.1], start))
    assert len(batch.grid) == 40
    assert batch.grid[0] == 0
    assert batch.index[2, 0] == 1


def test_points_of_a_stiff_problem_stay_apart() -> None:
    """Robertson's problem is measured from 1e-5 to 1e11: a tolerance of the span would merge the start."""
    times = [0.0, *(10.0**k for k in range(-5, 12))]
    batch = batch_of(make("a", times), make("b", [4.0 * t for t in times]))
    assert len(batch.grid) == 2 * len(times) - 1
    for row in (0, 1):
        np.testing.assert_array_equal(own_times(batch, row), batch.experiments[row].times)


def test_a_tiny_first_step_is_kept_beside_a_late_start() -> None:
    batch = batch_of(make("a", [1e-12], start=0.0), make("b", [1126.0]))
    assert batch.grid.tolist() == [0.0, 1e-12]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_grid_increases_in_every_dtype(dtype: torch.dtype) -> None:
    batch = batch_of(make("a", [0.0, 1.0, 2.0]), make("b", [1e-9, 1.0 + 1e-9, 2.0 - 1e-9], start=0.0), dtype=dtype)
    assert batch.grid.dtype == batch.values.dtype == batch.start.dtype == batch.times.dtype == dtype
    assert (batch.grid[1:] > batch.grid[:-1]).all()
    for row, experiment in enumerate(batch.experiments):
        np.testing.assert_allclose(own_times(batch, row), experiment.times, atol=2 * torch.finfo(dtype).eps)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-1e4, 1e4),
            st.sets(st.floats(0, 1e5).filter(lambda t: t == 0 or t > 1e-300), min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_experiment_finds_its_own_times(drawn: list[tuple[float, set[float]]]) -> None:
    experiments = []
    for number, (start, elapsed) in enumerate(drawn):
        times = np.unique(start + np.array(sorted(elapsed)))
        experiments.append(Experiment(str(number), times, np.ones((len(times), 1)), start))
    batch = batch_of(*experiments)
    assert batch.grid[0] == 0
    assert (batch.grid[1:] > batch.grid[:-1]).all()
    assert set(batch.index.flatten().tolist()) | {0} == set(range(len(batch.grid)))
    scale = max(float(np.abs([*experiment.times, experiment.start]).max()) for experiment in experiments)
    for row, experiment in enumerate(experiments):
        error = np.abs(own_times(batch, row) - experiment.times)
        assert (error <= 1e-11 * (experiment.times - experiment.start) + 1e-13 * scale).all()
        assert batch.mask[row].sum() == len(experiment.times)


@pytest.mark.parametrize(
    ("experiments", "told"),
    [
        ([], "at least one experiment"),
        ([make("a", [0.0]).at(np.array([]))], "at least one time"),
        ([make("a", [0.0, 1.0], start=0.5)], "before its start"),
    ],
)
def test_what_makes_no_batch(experiments: list[Experiment], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        batch_of(*experiments)


TWELVE = [make(f"e{number}", [0.0, 0.5 + 0.1 * number, 2.0], seed=number) for number in range(12)]


def epochs(seed: int, batch_size: int, n: int) -> list[list[list[int]]]:
    loader = data_loader(TWELVE, batch_size, torch.Generator().manual_seed(seed))
    return [[batch.rows.tolist() for batch in loader] for _ in range(n)]


def test_every_experiment_comes_once_per_epoch_and_the_last_batch_is_kept() -> None:
    for epoch in epochs(0, 5, 4):
        assert [len(rows) for rows in epoch] == [5, 5, 2]
        assert sorted(row for rows in epoch for row in rows) == list(range(12))


def test_the_order_comes_from_the_generator_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = epochs(7, 5, 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert epochs(7, 5, 3) == first
    assert epochs(8, 5, 3) != first
    assert first[0] != first[1]


def test_a_batch_holds_what_its_rows_say() -> None:
    for batch in data_loader(TWELVE, 5, torch.Generator().manual_seed(3)):
        for row, position in enumerate(batch.rows.tolist()):
            assert batch.experiments[row] is TWELVE[position]
            np.testing.assert_array_equal(batch.values[row], TWELVE[position].values)


@pytest.mark.parametrize("batch_size", [None, 12, 100])
def test_the_full_batch_is_collated_once(batch_size: int | None) -> None:
    before = torch.get_rng_state()
    loader = data_loader(TWELVE, batch_size, torch.Generator().manual_seed(0), dtype=torch.float32)
    assert isinstance(loader, DataLoader)
    assert len(loader) == 1
    (first,) = loader
    (second,) = loader
    assert first is second
    assert first.rows.tolist() == list(range(12))
    assert first.values.dtype == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


def test_collate_serves_a_plain_data_loader() -> None:
    dataset = ExperimentDataset(TWELVE)
    assert len(dataset) == 12
    assert dataset[3] == (3, TWELVE[3])
    loader = DataLoader(dataset, batch_size=4, collate_fn=partial(collate, dtype=torch.float32))
    assert [batch.rows.tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
