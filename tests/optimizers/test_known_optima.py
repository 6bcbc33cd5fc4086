"""Searches that end early, since it is certain that they lead to an optimum which is known."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation
from odefit.optimizers.base import OneByOne, SearchOutcome
from odefit.optimizers.known_optima import KnownOptima
from odefit.optimizers.least_squares import minimize_many
from odefit.status import Reason
from small_problems import Array

WELLS = np.array([[-1.0, 0.3], [1.0, 0.3]])
"""Where x² = 1 and y = 0.3: two wells of the same depth, with a ridge of height 8 between them."""


class TwoWells:
    """|(4 (x² - 1), y - 0.3)|² / 2."""

    def value(self, u: Array) -> float:
        return float(8 * (u[0] ** 2 - 1) ** 2 + (u[1] - 0.3) ** 2 / 2)

    def evaluate(self, u: Array) -> Evaluation:
        z = np.array([4 * (u[0] ** 2 - 1), u[1] - 0.3])
        return Evaluation(self.value(u), z, DenseMatrix(np.array([[8 * u[0], 0.0], [0.0, 1.0]])), np.ones(2))


def known(*wells: int, value: float = 0.0) -> KnownOptima:
    which = list(wells)
    return KnownOptima(WELLS[which], np.full(len(which), value), np.array([10 + k for k in which]), np.ones(2), 1.92)


def searched(u: Array, optima: KnownOptima | None) -> list[SearchOutcome]:
    wide = np.full(2, np.inf)
    most = np.full(len(u), 100)
    return minimize_many(OneByOne(TwoWells()), u, -wide, wide, size=np.ones(2), max_iterations=most, known=optima)


STARTS = np.array([[3.0, 5.0], [-3.0, 5.0], [0.6, 0.0], [-0.4, 2.0], [-1.0, 1.9]])


def test_they_end_at_the_nearest_within_reach_and_name_who_found_it() -> None:
    whole, early = searched(STARTS, None), searched(STARTS, known(0, 1))
    for alone, ended in zip(whole, early, strict=True):
        assert ended.ending.reason is Reason.LEADS_TO_OTHER
        assert ended.ending.details == {"other": 11 + int(alone.u[0] > 0)}
        assert 0 <= ended.value <= 1.92
        assert ended.n_gradients < alone.n_gradients
        assert ended.history == alone.history[: len(ended.history)]


def test_others_go_their_way_to_the_last_bit() -> None:
    whole, early = searched(STARTS, None), searched(STARTS, known(1))
    for alone, ended in zip(whole, early, strict=True):
        if alone.u[0] > 0:
            assert ended.ending.reason is Reason.LEADS_TO_OTHER
        else:
            assert (ended.ending, ended.history) == (alone.ending, alone.history)
            np.testing.assert_array_equal(ended.u, alone.u)


def test_behind_a_ridge_nothing_leads_there() -> None:
    """The straight line to the one well rises, although both are as low."""
    values = OneByOne(TwoWells()).values
    here = np.array([[-0.9, 0.3]])
    value = np.array([TwoWells().value(here[0])])
    assert list(known(1).led_to(values, here, value, np.array([0]))) == [-1]
    assert list(known(0).led_to(values, here, value, np.array([0]))) == [10]


@pytest.mark.parametrize(("value", "leads"), [(0.0, True), (0.1, False), (-2.0, False)])
def test_a_start_that_is_lower_already_or_too_far_above_goes_on(value: float, leads: bool) -> None:
    here = np.array([[1.0, 0.7]])  # 0.08 above the well
    found = known(1, value=value).led_to(OneByOne(TwoWells()).values, here, np.array([0.08]), np.array([0]))
    assert (found[0] >= 0) == leads
