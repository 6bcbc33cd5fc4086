"""What a way along a profile makes of the places that searches give it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from odefit.profiles.lanes import Best, End, Lane
from odefit.profiles.sites import Site

ZETA = 1.96


def place(position: float, too_high: float = 0.0) -> Site:
    """A site of the profile x²/2 + x³/10, or of a valley that lies too high."""
    value = position**2 / 2 + position**3 / 10 + too_high
    return Site(position, np.array([position]), value, position + 0.3 * position**2, 1 + 0.6 * position, np.ones(1))


def end(lost: int, beyond: float) -> tuple[Lane, int]:
    """A lane at its end, where searches beyond a position end too high, so many times."""
    lane = Lane(1, math.inf, 1.0, False, ZETA, Best(0.0), 0, 0.0, [place(0.0)])
    calls = 0
    while lane.going:
        calls += 1
        position = lane.next_position()
        is_lost = position > beyond and lost > 0
        lost -= is_lost
        lane.reach(place(position, 20.0 * is_lost))
    return lane, calls


@pytest.mark.parametrize("lost", [0, 1, 2, 5])
@pytest.mark.parametrize("beyond", [0.0, 1.0, 1.5])
def test_a_search_that_ends_in_a_higher_valley_is_no_crossing(lost: int, beyond: float) -> None:
    lane, calls = end(lost, beyond)
    assert lane.end == End.CROSSED
    assert lane.at is not None
    assert place(lane.at).value == pytest.approx(ZETA**2 / 2, abs=1e-4)
    assert calls < 25


@pytest.mark.parametrize("beyond", [0.0, 1.0])
def test_what_stays_too_high_however_near_is_believed(beyond: float) -> None:
    lane, calls = end(10**6, beyond)
    assert lane.end == End.CROSSED
    assert lane.at == pytest.approx(beyond, abs=0.02)
    assert calls < 60
