"""Which observables jump where doses arrive and events happen, whatever the size of what they bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from odefit.config.load import load_config
from odefit.data.dose import Dose
from odefit.data.experiments import Experiment
from odefit.data.given import given_data
from odefit.problem.jumps import DOSE, EVENT, NOTHING, JumpFinder
from odefit.problem.systems import describe_system

SEEN = {
    "amount": "A",
    "other": "B",
    "sum": "A + B",
    "difference": "B - A",
    "diluted": "1 + A/V",
    "bound": "A/(K + A)",
    "positive": "piecewise(A, A > 0, 0)",
    "share": "A/(A + B)",
    "fixed": "K",
    "product": "A*B",
}
FAR = {"above": "max(A - 50, 0)", "indicated": "piecewise(1, A > 100, 0)*A"}
"""What is nothing until A is far from where states are drawn."""
BY_A = set(SEEN) - {"other", "fixed"}
SIZES = [1e-100, 1e-14, 1e-5, 1.0, 1e14]
VOLUME = 1e14


def jumping(
    doses: Sequence[Dose],
    events: Sequence[dict[str, Any]],
    kind: int,
    fraction: float = 1.0,
    seen: Mapping[str, str] = SEEN,
) -> set[str]:
    """The observables that jump at t = 12 by doses or events."""
    config = {
        "model": {
            "equations": {"A": "-ke*A", "B": "-ke*B"},
            "initial": {"A": "estimate", "B": 0},
            "observables": dict(seen),
            "events": [{"time": 12, "set": changes} for changes in events],
        },
        "parameters": {"ke": {"value": 0.2}, "V": VOLUME, "K": {"value": 1, "bounds": [0.1, 10]}},
        "data": {"doses": {"state": "A", "fraction": fraction, "table": [{"time": 12, "amount": 1}]}} if doses else {},
    }
    times = np.array([1.0, 12.0, 13.0])
    given = given_data(pd.DataFrame({"time": times, **dict.fromkeys(seen, times)}))
    described = describe_system(load_config(config, given=given))
    experiment = Experiment("1", times, dict.fromkeys(seen, times), doses=doses)
    found = JumpFinder(described, {"V": VOLUME}).kinds(experiment)
    assert (found[[0, 2]] == NOTHING).all()
    assert set(found[1]) <= {NOTHING, kind}
    return {name for name, one in zip(seen, found[1], strict=True) if one == kind}


@pytest.mark.parametrize("size", SIZES)
def test_what_little_arrives_of_a_dose_counts(size: float) -> None:
    for amount, fraction in ((size, 1.0), (1.0, size), (size, 0.5 * size)):
        assert jumping([Dose(12, "A", amount)], [], DOSE, fraction) == BY_A
    assert jumping([Dose(12, "A", size), Dose(12, "A", -size)], [], DOSE) == set()
    assert jumping([Dose(12, "A", size), Dose(12, "B", -size)], [], DOSE) == {*BY_A, "other"} - {"sum"}


@pytest.mark.parametrize("size", SIZES)
def test_an_event_that_adds_a_little_counts(size: float) -> None:
    added = {"A": f"A + {size!r}"}
    assert jumping([], [added], EVENT) == BY_A
    assert jumping([], [{"A": f"A + {size!r}*B/(K + B)"}], EVENT) == BY_A
    assert jumping([], [{**added, "B": f"B - {size!r}"}], EVENT) == {*BY_A, "other"} - {"sum"}
    assert jumping([], [added, {"A": f"A - {size!r}"}], EVENT) == set()
    assert jumping([], [added, {"B": f"B + {2 * size!r}"}], EVENT) == {*BY_A, "other"}


def test_an_event_that_moves_no_more_than_rounding_does_not_count() -> None:
    assert jumping([], [{"A": "exp(log(3*A)) - 2*A"}], EVENT) == set()
    assert jumping([], [{"A": "A*0.9", "B": "B + A*0.1"}], EVENT) == {*BY_A, "other"} - {"sum"}
    assert jumping([], [{"A": "0.5*A", "B": "0.5*B"}], EVENT) == {*BY_A, "other"} - {"share"}


def test_a_large_dose_beside_an_event_hides_nothing() -> None:
    events = [{"A": "A*0.9", "B": "B + A*0.1"}]
    for size in SIZES:
        assert jumping([Dose(12, "A", size), Dose(12, "A", -size)], events, EVENT) == {*BY_A, "other"} - {"sum"}


def test_an_event_that_leads_far_away_is_judged_where_it_leads() -> None:
    assert jumping([], [{"A": 500}], EVENT, seen=FAR) == set(FAR)
    assert jumping([Dose(12, "A", 500)], [], DOSE, seen=FAR) == set(FAR)
    assert jumping([], [{"A": 20}], EVENT, seen=FAR) == set()


def test_what_is_the_same_after_a_move_does_not_jump() -> None:
    even = {"square": "A^2", "size": "abs(A)", "product": "A*B", "itself": "A"}
    assert jumping([], [{"A": "-A"}], EVENT, seen=even) == {"product", "itself"}
    assert jumping([], [{"A": "B"}, {"B": "A"}], EVENT, seen=even) >= {"itself", "product"}
    assert jumping([], [{"A": "B", "B": "A"}], EVENT, seen=even) == {"square", "size", "itself"}
