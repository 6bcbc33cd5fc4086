"""Whole ways through segments in one call of the kernel: as from segment to segment, and as in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interrupted_systems import Array, engine_of, experiment, interrupted, polygon
from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.pilot import Pilot
from odefit.engines.segments.plan import Plan
from odefit.model.system import System
from small_problems import central_differences

HOURS = np.linspace(0.0, 12.0, 25)
OUTSIDE = polygon(list(HOURS), list(4 + 3 * np.sin(HOURS / 2)))
SWITCHES = ({"when": "x < low", "changes": {"on": 1}}, {"when": "x > high", "changes": {"on": 0}})
ROOM = interrupted(
    {"x": "-k*(x - u) + power*on", "on": "0"}, {"x": "x0", "on": 1}, "k power low high x0", ["u"], triggers=SWITCHES
)
ROOM_AT = [0.3, 5.0, 8.0, 10.0, 8.5]
LAGGED = interrupted({"G": "-ka*G", "C": "ka*G - ke*C"}, {"G": 0, "C": "c0"}, "ka ke c0 F lag", dosing=("lag", "F"))
DOSES = (Dose(0.0, "G", 2.0), Dose(1.0, "C", 3.0), Dose(2.4, "G", 1.0), Dose(2.4, "C", 0.2), Dose(5.0, "G", 0.5))
RESET = interrupted(
    {"x": "-k*x + u", "y": "x - y"},
    {"x": "x0", "y": 0},
    "k x0 a when",
    ["u"],
    events=[("3", {"x": "a*x + t", "y": "y*k"}), ("when", {"y": "y + a"})],
)
SWITCHED = interrupted({"x": "-k*x + piecewise(a, t < until, 0)"}, {"x": 1}, "k a until")
BALL = interrupted(
    {"h": "v", "v": "-g"}, {"h": "h0", "v": 0}, "g e h0", triggers=[{"when": "h < 0", "changes": {"h": 0, "v": "-e*v"}}]
)
BOTH_CONDITIONS = interrupted(
    {"x": "1", "y": "a*cos(t)"},
    {"x": 0, "y": 0},
    "a b",
    triggers=[
        {"when": "x > 1 and y < b", "changes": {"x": "x - 2*b"}},
        {"when": "not (y < 1.5)", "changes": {"y": "y/2"}},
    ],
)
CASES: dict[str, tuple[System, list[float], Experiment]] = {
    "switches": (ROOM, ROOM_AT, experiment(np.linspace(0.13, 11.9, 40), inputs={"u": OUTSIDE})),
    "lag": (LAGGED, [1.2, 0.4, 0.3, 0.8, 0.35], experiment([0.0, 0.5, 1.7, 2.5, 4.0, 7.0], doses=DOSES)),
    "resets": (RESET, [0.7, 1.1, 0.4, 5.3], experiment([0.5, 2.0, 4.0, 6.0, 9.0], inputs={"u": OUTSIDE})),
    "a switch that moves": (SWITCHED, [0.6, 2.0, 2.3], experiment([0.0, 1.0, 2.0, 3.0, 5.0])),
    "a ball": (BALL, [9.81, 0.8, 1.0], experiment([0.3, 0.7, 1.3, 1.9, 2.1])),
    "joined conditions": (BOTH_CONDITIONS, [2.0, 0.7], experiment(np.linspace(0.1, 14.0, 30))),
}


def ways(engine: Any, p: Array, experiments: list[Experiment], names: tuple[str, ...]) -> Any:
    """What the kernel finds alone: solutions, what is left, steps."""
    plan = engine._plan(engine._kind(experiments))
    compiled = plan.compiled(engine.sensitive, engine._fast)
    which = np.arange(len(p))
    return compiled.solve(plan.sensitivities(names), p, experiments, which, bool(names))


def in_parts(monkeypatch: pytest.MonkeyPatch, engine: Any, p: Array, experiments: list[Experiment]) -> Any:
    """From segment to segment."""
    with monkeypatch.context() as patched:
        patched.setattr(Plan, "compiled", lambda *_: None)
        return engine.reset_copy().solve(p, experiments, True)


@pytest.mark.parametrize("name", CASES)
def test_they_are_what_is_found_from_segment_to_segment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, values, one = CASES[name]
    engine, p = engine_of(system, "tsit5"), np.array([values])
    found, left, steps = ways(engine, p, [one], engine.sensitive)
    assert not left.any()
    assert steps[0] > 5
    parts = in_parts(monkeypatch, engine, p, [one])
    scale = np.abs(parts.dy).max(axis=0)
    np.testing.assert_allclose(found.y, parts.y, rtol=2e-9, atol=1e-9)
    assert (np.abs(found.dy - parts.dy) <= 1e-7 * scale + 1e-9).all()
    np.testing.assert_allclose(ways(engine, p, [one], ())[0].y, found.y, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_the_solution(name: str) -> None:
    system, values, one = CASES[name]
    engine = engine_of(system, "tsit5", 1e-11)
    found = ways(engine, np.array([values]), [one], engine.sensitive)[0]

    def states(p: Array) -> Array:
        solved: Array = ways(engine, p[None], [one], ())[0].y
        return solved.ravel()

    slopes = central_differences(states, np.array(values), 1e-5).reshape(found.dy.shape)
    assert np.abs(found.dy - slopes).max() < 2e-6 * np.abs(slopes).max()


def test_a_thermostat_has_the_period_of_its_closed_form() -> None:
    """Outside is 0: x falls from `high` to `low`, and rises towards w = power/k; it begins in the middle of that."""
    k, power, low, high, x0 = 0.5, 8.0, 7.0, 9.0, 8.0
    w = power / k
    period = (np.log(high / low) + np.log((w - low) / (w - high))) / k
    begun = np.log((w - low) / (w - x0)) / k
    times = np.array([0.1, 0.2]) + period * np.array([[1], [2], [18]]) - begun
    one = experiment(times.ravel(), inputs={"u": polygon([0.0, 1.0], [0.0, 0.0])})
    engine = engine_of(ROOM, "tsit5", 1e-10)
    found, left, _ = ways(engine, np.array([[k, power, low, high, x0]]), [one], engine.sensitive)
    assert not left.any()
    rise = w + (low - w) * np.exp(-k * np.array([0.1, 0.2]))
    np.testing.assert_allclose(found.y[:, 0].reshape(3, 2), np.tile(rise, (3, 1)), rtol=1e-8)


def test_members_do_not_depend_on_each_other() -> None:
    for system, values, one in CASES.values():
        engine = engine_of(system, "tsit5", 1e-7)
        p = np.array(values) * np.random.default_rng(5).uniform(0.95, 1.05, (6, len(values)))
        together = engine.solve(p, [one], True, np.zeros(6, dtype=int))
        for m in range(6):
            alone = engine.reset_copy().solve(p[m : m + 1], [one], True)
            np.testing.assert_array_equal(together[m].y, alone.y)
            np.testing.assert_array_equal(together[m].dy, alone.dy)


def narrow(width: float) -> System:
    """Its condition holds for a short time around t = 2, within a step."""
    return interrupted(
        {"x": "-0.01*x", "n": "0"},
        {"x": 1, "n": 0},
        "a",
        triggers=[{"when": f"a*(t - 2)^2 < {width**2}", "changes": {"n": "n + 1"}}],
    )


@pytest.mark.parametrize("width", [0.5, 0.05, 0.01])
def test_a_condition_that_holds_within_a_step_is_seen(width: float) -> None:
    engine = engine_of(narrow(width), "tsit5", 1e-6)
    found, left, _ = ways(engine, np.array([[1.0]]), [experiment([1.0, 4.0])], engine.sensitive)
    assert not left.any()
    np.testing.assert_array_equal(found.y[:, 1], [0.0, 1.0])


TWO = [{"when": "x > 1", "changes": {"n": "n + 1"}}, {"when": "2*x > 2", "changes": {"n": "2*n"}}]
UNUSUAL = {
    "two at once": (interrupted({"x": "a", "n": "0"}, {"x": 0, "n": 1}, "a", triggers=TWO), [0.5, 3.0]),
    "at a row": (interrupted({"x": "a", "n": "0"}, {"x": 0, "n": 1}, "a", triggers=TWO[:1]), [1.0, 3.0]),
    "at the end": (interrupted({"x": "a", "n": "0"}, {"x": 0, "n": 1}, "a", triggers=TWO[:1]), [0.5, 1.0]),
    "one makes two": (
        interrupted(
            {"x": "a", "n": "0"},
            {"x": 0, "n": 1},
            "a",
            triggers=[
                TWO[0],
                {"when": "n > 1.5", "changes": {"x": "0"}},
                {"when": "n > 1.6", "changes": {"n": "n + 0.1"}},
            ],
        ),
        [0.5, 3.0],
    ),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_unusual_goes_from_segment_to_segment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, times = UNUSUAL[name]
    one, engine, p = experiment(times), engine_of(system, "tsit5"), np.array([[1.0], [0.9]])
    left = ways(engine, p, [one, one], engine.sensitive)[1]
    assert left[0]
    found, parts = engine.solve(p, [one, one], True), in_parts(monkeypatch, engine, p, [one, one])
    assert found.failures == parts.failures
    np.testing.assert_allclose(found.y, parts.y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.dy, parts.dy, rtol=1e-7, atol=1e-9)


def test_events_without_end_are_said_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, p = engine_of(BALL, "tsit5"), np.array([[9.81, 0.5, 1.0]])
    one = experiment([0.3, 5.0])
    found, parts = engine.solve(p, [one], True), in_parts(monkeypatch, engine, p, [one])
    assert found.failures[0] is not None
    assert found.failures[0].reason == parts.failures[0].reason
    assert np.isnan(found.y).all()


def test_events_after_a_late_dose_are_not_taken_for_crowded() -> None:
    """Each segment begins at time 0; events that come often are counted by a clock that goes on."""
    teeth = interrupted(
        {"x": "r"}, {"x": 0}, "r lag F", dosing=("lag", "F"), triggers=[{"when": "x > 1", "changes": {"x": "x - 1"}}]
    )
    one = experiment([50.3, 199.7], doses=(Dose(0.05, "x", 0.2), Dose(100.2, "x", 0.25)))
    engine = engine_of(teeth, "tsit5")
    found, left, _ = ways(engine, np.array([[0.993, 0.0, 1.0]]), [one], engine.sensitive)
    assert not left.any()
    np.testing.assert_allclose(found.y[:, 0], (0.993 * np.array([50.3, 199.7]) + [0.2, 0.45]) % 1, rtol=1e-6)


def test_steps_are_counted_through_all_segments() -> None:
    held = Input(HOURS, np.stack([np.sin(HOURS), *np.zeros((3, len(HOURS)))], axis=1))
    one = experiment([6.0, 11.9], inputs={"u": held})
    system = interrupted({"x": "-k*x + u"}, {"x": "x0"}, "k x0", ["u"])
    engine, p = engine_of(system, "tsit5", 1e-6), np.array([[0.7, 1.1]])
    steps = engine.count_steps(p, [one])
    assert steps == ways(engine, p, [one], ())[2].sum()
    assert steps > 2 * len(HOURS)
    assert engine.count_steps(np.repeat(p, 3, axis=0), [one] * 3) == 3 * steps


@pytest.mark.parametrize("name", CASES)
def test_what_comes_between_them_is_counted_too(name: str) -> None:
    system, values, one = CASES[name]
    engine, p = engine_of(system, "tsit5", 1e-6), np.array([values])
    assert engine.count_steps(p, [one]) > 1.5 * ways(engine, p, [one], ())[2].sum()


def test_none_are_counted_where_a_way_is_unusual() -> None:
    system, times = UNUSUAL["two at once"]
    assert engine_of(system, "tsit5").count_steps(np.array([[1.0]]), [experiment(times)]) is None


@pytest.mark.parametrize("name", ["lag", "resets", "a switch that moves"])
def test_the_stiff_method_goes_all_the_way_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    system, values, one = CASES[name]
    engine, p = engine_of(system, "rodas5p", 1e-8), np.array([values])
    found, left, _ = ways(engine, p, [one], engine.sensitive)
    assert not left.any()
    parts = in_parts(monkeypatch, engine, p, [one])
    np.testing.assert_allclose(found.y, parts.y, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.dy, parts.dy, rtol=1e-7, atol=1e-8)


def test_a_rough_way_of_many_pieces_ends_when_no_steps_are_left() -> None:
    """Nor does anything stiff look for what explicit steps were too few for."""
    hours = np.arange(97.0)
    inputs = {"u": polygon(list(hours), list(6 + 5 * np.sin(hours / 4)))}
    one = experiment(np.arange(0.53, 96.0, 0.5), inputs=inputs)
    record = Pilot(ROOM, ROOM.parameters).way(np.array(ROOM_AT), one)
    assert record.evaluations == 0
    assert 20 < len(record.pieces) < 500
    top = max(np.abs(y[:, 0]).max() for _, y in record.pieces)
    assert 9.9 < top < 10.5
