"""Where slopes to an experiment's own symbols go in A."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from odefit.arrays import FloatArray, IntArray
from odefit.objective.jacobian import MAX_TARGETS, LocalColumns, LocalRows

SHARED = [[0, 1, 2]] * 4
SWAPPED = [[2, 0, 1]] * 4
OWN = [[0, 1 + e, 5 + e] for e in range(4)]
WITH_CONSTANTS = [[0, 9, 1], [9, 2, 1], [3, 4, 9], [9, 9, 9]]
TWICE = [[0, 0, 1], [2, 2, 3], [4, 5, 4], [6, 7, 8]]


class Table:
    """As many parameters as are estimated."""

    def __init__(self, n: int) -> None:
        self.estimated = np.arange(n)

    def __len__(self) -> int:
        return len(self.estimated)


def columns_of(index: list[list[int]], n: int, blocks: bool) -> LocalColumns:
    """Of n parameters, all estimated, and three symbols; n stands for a constant."""
    found = np.where(np.array(index) == n, -1, index)
    problem = SimpleNamespace(
        table=Table(n),
        binding=SimpleNamespace(symbols=("a", "b", "c"), index=found),
        observation=SimpleNamespace(sensitive=("a", "b", "c")),
        measured_counts=np.full(len(found), 3),
    )
    return LocalColumns(problem, blocks)  # type: ignore[arg-type]


def expected(
    index: list[list[int]], n: int, slopes: FloatArray, experiment: IntArray, factor: FloatArray
) -> FloatArray:
    """By the definition: the sum over symbols of dm/dsymbol dtheta/du, [B, M, n]."""
    a = np.zeros((*slopes.shape[:2], n))
    for b, m, k in np.ndindex(slopes.shape):
        if (column := index[experiment[m]][k]) < n:
            a[b, m, column] += slopes[b, m, k] * factor[b, column]
    return a


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("index", [SHARED, SWAPPED, OWN, WITH_CONSTANTS, TWICE])
def test_slopes_go_to_the_parameters_of_their_experiment(index: list[list[int]], blocks: bool) -> None:
    rng, n = np.random.default_rng(0), 9
    columns, factor = columns_of(index, n, blocks), rng.uniform(1, 2, (3, n))
    experiments = [np.array([0, 0, 1, 2, 3]), np.array([3, 1])]
    parts = [LocalRows(rng.standard_normal((3, len(e), 3)), e) for e in experiments]
    found = columns.stack([4], np.array([[7.0], [8.0], [9.0]]), parts, factor)
    whole = np.concatenate([expected(index, n, p.slopes, p.experiment, factor) for p in parts], axis=1)
    for b in range(3):
        dense = found[b].dense()
        np.testing.assert_array_equal(dense[0], np.eye(n)[4] * (7 + b))
        np.testing.assert_allclose(dense[1:], whole[b], rtol=1e-15)


def test_a_copy_does_not_take_other_rows_for_those_it_knew() -> None:
    columns, factor, slopes = columns_of(OWN, 9, False), np.ones((1, 9)), np.arange(6.0).reshape(1, 2, 3)
    other = np.array([2, 3])
    columns._targets[id(other)] = (
        np.array([0, 1]),
        columns._found(np.array([0, 1])),
    )  # from a process where it had its id
    found = columns.stack([], np.zeros((1, 0)), [LocalRows(slopes, other)], factor)[0].dense()
    np.testing.assert_array_equal(found, expected(OWN, 9, slopes, other, factor)[0])


def test_rows_are_told_apart_however_many_there_were() -> None:
    columns, factor = columns_of(OWN, 9, False), np.ones((1, 9))
    for k in range(3 * MAX_TARGETS):
        experiment = np.array([k % 4, (k + 1) % 4])
        slopes = np.arange(6.0).reshape(1, 2, 3)
        found = columns.stack([], np.zeros((1, 0)), [LocalRows(slopes, experiment)], factor)[0].dense()
        np.testing.assert_array_equal(found, expected(OWN, 9, slopes, experiment, factor)[0])
