"""Events of SBML that come together: their order, what is dropped, and what SBML leaves to chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
import sbml_texts as s
from odefit.errors import InputError
from odefit.interop.importing import import_file

TIMES = [0.0, 1.0, 2.0, 4.0]


def ends(tmp_path: Path, names: str, events: list[str], **lists: Any) -> list[float]:
    """Parameters that start from 0 and what they are at the last time."""
    parameters = [s.parameter(name, 0.0, False) for name in names.split()]
    imported = import_file(s.write(tmp_path, s.sbml(parameters=parameters, events=events, **lists)))
    config = imported.write(tmp_path / "made")
    frame = odefit.simulate(config, [f"data.simulate.times={TIMES}", "solver.rtol=1e-10"]).frame
    return [float(frame[name].iloc[-1]) for name in names.split()]


def test_priorities_are_computed_anew_after_each_event(tmp_path: Path) -> None:
    """The first one lets `late` overtake `soon`: 1, then 10 x + 5, then 3 x."""
    events = [
        s.event("time >= 1.7", priority="9", at_trigger=False, x="1", turn="1"),
        s.event("time >= 1.7", priority="4 - 2*turn", at_trigger=False, x="3*x"),
        s.event("time >= 1.7", priority="1 + 2*turn", at_trigger=False, x="10*x + 5"),
    ]
    assert ends(tmp_path, "x turn", events) == [45.0, 1.0]


@pytest.mark.parametrize(("first", "second", "x"), [("2", "7", 20.0), ("7", "2", 30.0)])
def test_delayed_events_that_come_at_one_time_keep_their_priorities(
    tmp_path: Path, first: str, second: str, x: float
) -> None:
    events = [
        s.event("time >= 0.6", priority=first, delay="1.3", x="20"),
        s.event("time >= 0.6", priority=second, delay="1.3", x="30"),
    ]
    assert ends(tmp_path, "x", events) == [x]


def test_delays_that_follow_a_rate_end_together_too(tmp_path: Path) -> None:
    """rateOf(p) = 0.25 p, the delay of both and the priority of one; p is 2 exp(0.25 t)."""
    events = [
        s.event("time >= 1.2", priority="0.9", delay="rateOf(p)", x="rateOf(p) + 3"),
        s.event("time >= 1.2", priority="rateOf(p)", delay="rateOf(p)", x="rateOf(p) + 8"),
    ]
    rules, initial = [s.rule("p", "0.25*p", "rate")], [s.initially("p", "2")]
    found = ends(tmp_path, "p x", events, rules=rules, initial=initial)
    # 0.5 exp(0.25*1.2) = 0.675, so the second one is the last to come.
    np.testing.assert_allclose(found, [2 * np.exp(1), 0.5 * np.exp(0.3) + 8], rtol=1e-7)


def test_what_is_not_persistent_is_dropped_when_its_condition_is_false_in_between(tmp_path: Path) -> None:
    """`on` goes up three times at one moment: who waits since the first time comes three times, or once."""
    switches = [s.event("time >= 1.5", priority=str(9 - k), on=str((k + 1) % 2)) for k in range(5)]
    counts = [
        s.event("on > 0.5", priority="1", at_trigger=False, lasting="lasting + 1"),
        s.event("on > 0.5", priority="1", persistent=False, at_trigger=False, dropped="dropped + 1"),
        s.event("on > 0.5", priority="1", first="first + 1"),  # each time of what was there before
    ]
    assert ends(tmp_path, "on lasting dropped first", [*switches, *counts]) == [1.0, 3.0, 1.0, 1.0]


def test_a_delayed_event_that_was_called_off_can_be_due_again(tmp_path: Path) -> None:
    """p falls, is set back to 2 at 0.8, and falls again: below 1.5 for 0.3, then for good; the delay is 1."""
    events = [
        s.event("p < 1.5", delay="1", persistent=False, n="n + 1", when="time"),
        s.event("time >= 0.8", p="2"),
    ]
    rules, initial = [s.rule("p", "-1", "rate")], [s.initially("p", "2")]
    found = ends(tmp_path, "p n when", events, rules=rules, initial=initial)
    np.testing.assert_allclose(found, [2 - 3.2, 1.0, 1.3], rtol=1e-7)


def test_more_events_at_one_time_than_one_event_may_come(tmp_path: Path) -> None:
    names = [f"x{k}" for k in range(120)]
    events = [s.event("time >= 1.5", priority="1", **{name: str(k)}) for k, name in enumerate(names)]
    assert ends(tmp_path, " ".join(names), events) == [float(k) for k in range(120)]


RACE = {"priority": "1", "persistent": False}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (s.event("time >= 1", **RACE, x="1"), s.event("time >= 1", **RACE, x="2")),
        (s.event("time >= 1", priority="y", at_trigger=False, x="y"), s.event("time >= 1", priority="y", y="2")),
        (s.event("time >= 1", priority="3*k", x="1"), s.event("time >= 1", priority="6", x="2")),
        (s.event("y < 1 and time > 1", **RACE, x="1"), s.event("x < 1 and time > 1", **RACE, y="2")),
    ],
)
def test_an_order_that_is_drawn_by_lot_is_refused(tmp_path: Path, one: str, other: str) -> None:
    parameters = [s.parameter("x", 0.0, False), s.parameter("y", 0.0, False)]
    parameters += [s.parameter("k", 1.0)]
    path = s.write(tmp_path, s.sbml(parameters=parameters, initial=[s.initially("k", "4/2")], events=[one, other]))
    with pytest.raises(InputError) as raised:
        import_file(path)
    (fault,) = map(str, raised.value.faults)
    assert "model.xml:" in fault
    assert "events event 1 and event 2 have one priority" in fault
    assert "by lot; give them different priorities" in fault


def test_an_order_that_does_not_matter_is_not_refused(tmp_path: Path) -> None:
    """Values of the moment of the trigger are exchanged; others have nothing to do with each other."""
    events = [
        s.event("time >= 0.5", x="4"),
        s.event("time >= 1.5", priority="1", x="y + 1"),
        s.event("time >= 1.5", priority="1", y="x + 1"),
        s.event("time >= 1.5", priority="1", z="7"),
    ]
    assert ends(tmp_path, "x y z", events) == [1.0, 5.0, 7.0]
