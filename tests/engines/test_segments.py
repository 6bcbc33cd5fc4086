"""Doses, events, inputs and switches: closed forms, derivatives three ways, both engines, all conventions."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from commands import in_new_python
from interrupted_systems import Array, engine_of, experiment, interrupted, polygon, solved
from odefit.data.dataset import collate
from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.segments.schedule import EventTimes, Timeline, kinks
from odefit.engines.segments.segment_system import Kind, SegmentSystem
from odefit.engines.segments.segmented_engine import SegmentedEngine
from odefit.errors import SolveError
from odefit.model.networks import build_networks
from odefit.model.system import Network, System
from small_problems import central_differences

BOTH = ("tsit45", "dopri5")
TIMES = np.array([0.0, 0.4, 1.0, 1.7, 2.5, 3.1, 4.0, 6.0])

PK = interrupted({"C": "-k*C"}, {"C": "c0"}, "k c0 lag F", dosing=("lag", "F"))
DOSES = (
    Dose(0.0, "C", 2.0),
    Dose(1.0, "C", 3.0, 1.2),
    Dose(2.2, "C", 1.0),
    Dose(2.4, "C", -0.2),
    Dose(1.5, "C", 0.8, 2),
)


def one_compartment(t: Array, k: float, c0: float, lag: float, F: float, doses: Sequence[Dose]) -> tuple[Array, Array]:
    """C and its derivatives to k, c0, lag, F: sums over the doses, by hand."""
    C, dk, dlag, dF = c0 * np.exp(-k * t), -t * c0 * np.exp(-k * t), 0 * t, 0 * t
    for dose in doses:
        s = t - dose.time - lag
        if not dose.duration:
            part = np.where(s >= 0, dose.amount * np.exp(-k * s), 0.0)
            C, dk, dlag, dF = C + F * part, dk - F * s * part, dlag + F * k * part, dF + part
            continue
        # The difference of two ramps g(s) = (1 - exp(-k s)) / k, one from the beginning and one from the end.
        for since, sign in ((s, 1), (s - dose.duration, -1)):
            s = np.clip(since, 0, None)
            rate = sign * dose.amount / dose.duration
            ramp, fall = (1 - np.exp(-k * s)) / k, np.where(s > 0, np.exp(-k * s), 0.0)
            C, dF, dlag = C + F * rate * ramp, dF + rate * ramp, dlag - F * rate * fall
            dk = dk + F * rate * (s * np.exp(-k * s) - ramp) / k
    return C, np.stack([dk, np.exp(-k * t), dlag, dF], axis=-1)


@pytest.mark.parametrize("method", [*BOTH, "bdf"])
@pytest.mark.parametrize("doses", [DOSES[:1], DOSES[1:2], DOSES], ids=["bolus", "infusion", "all"])
def test_doses_into_one_compartment(method: str, doses: tuple[Dose, ...]) -> None:
    p = (0.7, 0.5, 0.13, 0.8)
    found = solved(PK, p, experiment(TIMES, doses=doses), method)
    C, dC = one_compartment(TIMES, *p, doses)
    tolerance = 1e-5 if method == "bdf" else 1e-7
    np.testing.assert_allclose(found.y[:, 0], C, atol=tolerance)
    np.testing.assert_allclose(found.dy[:, 0], dC, atol=tolerance)


@pytest.mark.parametrize("method", BOTH)
def test_the_switching_time_of_a_two_rate_decay(method: str) -> None:
    system = interrupted({"y": "-y*piecewise(a, t < tb, b)"}, {"y": "y0"}, "a b tb y0")
    a, b, tb, y0 = 0.3, 1.1, 2.2, 2.0
    found = solved(system, (a, b, tb, y0), experiment(TIMES), method)
    y = y0 * np.exp(-a * np.minimum(TIMES, tb) - b * np.clip(TIMES - tb, 0, None))
    np.testing.assert_allclose(found.y[:, 0], y, rtol=1e-7)
    slopes = [-np.minimum(TIMES, tb) * y, -np.clip(TIMES - tb, 0, None) * y, (tb < TIMES) * (b - a) * y, y / y0]
    np.testing.assert_allclose(found.dy[:, 0], np.stack(slopes, -1), atol=1e-7)


@pytest.mark.parametrize("method", BOTH)
def test_a_chain_driven_by_straight_lines(method: str) -> None:
    system = interrupted({"x": "u - k*x", "z": "x"}, {"x": 1, "z": 0}, "k", inputs=("u",))
    u, k = polygon([0.0, 1.5, 2.0, 5.0], [1.0, -0.5, 2.0, 0.3]), 0.8
    found = solved(system, (k,), experiment(TIMES, inputs={"u": u}), method)
    x, z = 1.0, 0.0
    exact = {0.0: (x, z)}
    grid = np.unique([*TIMES, *u.knots])
    for start, end in itertools.pairwise(grid):
        # u = a + b s in here, so x = (a/k - b/k^2 + b s/k) + rest exp(-k s), and z is its integral.
        a, s = float(u(np.array([start]))[0]), end - start
        b = float(u.coefficients[u.piece(start), 1])
        rest = x - (a / k - b / k**2)
        z += (a / k - b / k**2) * s + b * s**2 / (2 * k) + rest * (1 - np.exp(-k * s)) / k
        x = a / k - b / k**2 + b * s / k + rest * np.exp(-k * s)
        exact[end] = (x, z)
    np.testing.assert_allclose(found.y, [exact[t] for t in TIMES], rtol=1e-7)


@pytest.mark.parametrize("method", BOTH)
def test_an_event_whose_time_is_a_parameter(method: str) -> None:
    system = interrupted({"y": "r"}, {"y": "y0"}, "r y0 te", events=[("te", {"y": "y/2 + t"})])
    r, y0, te = 1.5, 0.4, 2.0
    found = solved(system, (r, y0, te), experiment(TIMES), method)
    late = te <= TIMES
    before, after = y0 + r * TIMES, (y0 + r * te) / 2 + te + r * (TIMES - te)
    np.testing.assert_allclose(found.y[:, 0], np.where(late, after, before), rtol=1e-9)
    slopes = [np.where(late, te / 2 + TIMES - te, TIMES), np.where(late, 0.5, 1.0), late * (r / 2 + 1 - r)]
    np.testing.assert_allclose(found.dy[:, 0], np.stack(slopes, -1), atol=1e-9)


# -- derivatives of everything

U = polygon([0.0, 2.0, 2.7, 6.0], [0.5, 1.0, -0.5, 1.2])
SPLINE = Input(np.array([0.0, 3.0]), np.array([[0.5, 0.3, -0.1, 0.02], [0.2, 0.1, 0.0, -0.01]]))
FEATURES: dict[str, tuple[System, tuple[float, ...], Experiment]] = {
    "bolus": (PK, (0.7, 0.5, 0.13, 0.8), experiment(TIMES, doses=DOSES[:1])),
    "infusion": (PK, (0.7, 0.5, 0.13, 0.8), experiment(TIMES, doses=DOSES[1:2])),
    "input": (
        interrupted({"x": "a*u^2 - x*v"}, {"x": "b"}, "a b", inputs=("u", "v")),
        (0.8, 0.3),
        experiment(TIMES, inputs={"u": U, "v": SPLINE}),
    ),
    "event": (
        interrupted(
            {"x": "-a*x", "z": "x - a*z*t"},
            {"x": 1, "z": "a"},
            "a b",
            inputs=("u",),
            events=[("b", {"x": "x*z + a*t + u"}), ("2*b", {"z": "x + b", "x": "z*z"})],
        ),
        (0.4, 1.3),
        experiment(TIMES, inputs={"u": U}),
    ),
    "switch": (
        interrupted(
            {"x": "piecewise(a, a*t < b and not t > 4.5, -x) + sign(t - b)*heaviside(a*t - 1.9)*x/4"}, {"x": "a"}, "a b"
        ),
        (0.8, 1.5),
        experiment(TIMES),
    ),
    "rest": (
        interrupted(
            {"x": "a*s - b*x", "z": "x^2 - b*z"},
            {"x": 0, "z": 0},
            "a b s",
            rest={"s": "s*a"},
            events=[("s", {"x": "0"})],
        ),
        (0.8, 1.5, 1.2),
        experiment(TIMES),
    ),
    "all": (
        interrupted(
            {"A": "-ka*A + u", "C": "ka*A - piecewise(ke, t < tb, 2*ke)*C*C"},
            {"A": "ka", "C": "ke"},
            "ka ke lag F tb",
            inputs=("u",),
            events=[("tb + 1", {"A": "A/2 + ke*C"})],
            dosing=("lag", "F"),
            rest={"ka": "ka + ke"},
        ),
        (1.1, 0.4, 0.35, 0.8, 2.3),
        experiment(TIMES, doses=(Dose(0, "A", 3.0), Dose(2, "A", 1.0, 1.5), Dose(3, "C", 0.7)), inputs={"u": U}),
    ),
}


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("name", FEATURES)
def test_derivatives_agree_with_differences_and_with_autograd(name: str, method: str) -> None:
    system, p, one = FEATURES[name]
    engine, other = engine_of(system, method, rtol=1e-8), engine_of(system, "tsit45", rtol=1e-11)
    assert isinstance(engine, SegmentedEngine)
    found = engine.solve(np.array([p]), [one], sensitivities=True)[0]
    assert found.failure is None
    differences = central_differences(lambda q: other.solve(q[None], [one])[0].y, np.array(p), 1e-4)
    np.testing.assert_allclose(found.dy, differences, rtol=2e-6, atol=2e-6)
    local = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    y = engine.solve_batch(local, collate([(0, one)]))
    np.testing.assert_allclose(y.detach()[0], found.y, rtol=1e-7, atol=1e-7)
    weights = np.cos(np.arange(y.numel())).reshape(found.y.shape)
    (gradient,) = torch.autograd.grad((y[0] * torch.from_numpy(weights)).sum(), local)
    np.testing.assert_allclose(gradient[0], np.einsum("ts,tsk", weights, found.dy), rtol=2e-6, atol=2e-6)


def test_two_switches_that_start_at_the_same_time_move_on_their_own() -> None:
    system = interrupted({"x": "piecewise(1, t < a, 3) + piecewise(0, t < b, 5)"}, {"x": 0}, "a b")
    found = solved(system, (2.0, 2.0), experiment([1.0, 4.0]))
    np.testing.assert_allclose(found.y[:, 0], [1.0, 2 + 6 + 10])
    np.testing.assert_allclose(found.dy[:, 0], [[0, 0], [-2, -5]], atol=1e-12)


def test_what_moves_together_is_differentiated_together() -> None:
    # At te the rate doubles and x is set to 0, whatever came first: x = 2 r (t - te) then.
    system = interrupted({"x": "r*piecewise(1, t < te, 2)"}, {"x": 0}, "r te", events=[("te", {"x": "0"})])
    found = solved(system, (0.7, 2.0), experiment([3.0]))
    np.testing.assert_allclose(found.y, [[1.4]])
    np.testing.assert_allclose(found.dy, [[[2.0, -1.4]]], atol=1e-12)


def test_a_network_goes_in_segments_too() -> None:
    networks = {"net": Network("net", 2, 1, (4,), "tanh")}
    system = interrupted(
        {"x": "net(x, u) + piecewise(a, t < b, 0)"},
        {"x": "a"},
        "a b lag",
        inputs=("u",),
        dosing=("lag", "1"),
        events=[("3*b", {"x": "x/2"})],
        networks=networks,
    )
    modules = build_networks(networks.values(), seed=1)
    engine = make_engine(system, SolverOptions(method="dopri5", rtol=1e-9, atol=1e-11), (), modules)
    one = experiment(TIMES, doses=(Dose(1, "x", 2.0), Dose(1.5, "x", 1.0, 1.0)), inputs={"u": U})
    p = np.array([0.5, 0.95, 0.25])
    local = torch.tensor([p.tolist()], dtype=torch.float64, requires_grad=True)
    y = engine.solve_batch(local, collate([(0, one)]))
    np.testing.assert_allclose(y.detach()[0], engine.solve(p[None], [one])[0].y, rtol=1e-7, atol=1e-9)
    weight = next(modules.parameters())
    gradient, inner = torch.autograd.grad(y[0, -1, 0], (local, weight))
    differences = central_differences(lambda q: engine.solve(q[None], [one])[0].y[-1, 0], p, 1e-4)
    np.testing.assert_allclose(gradient[0], differences, rtol=1e-5, atol=1e-6)
    values = []
    for step in (1e-4, -1e-4):
        with torch.no_grad():
            weight[0, 0] += step
            values.append(engine.solve(p[None], [one])[0].y[-1, 0])
            weight[0, 0] -= step
    np.testing.assert_allclose(inner[0, 0], (values[0] - values[1]) / 2e-4, rtol=1e-4, atol=1e-7)
    with pytest.raises(SolveError, match="adam"):
        engine.solve(p[None], [one], sensitivities=True)


@pytest.mark.parametrize("method", [*BOTH, "bdf"])
def test_experiments_together_are_as_each_alone(method: str) -> None:
    system, p, one = FEATURES["all"]
    several = [
        one,
        replace(one, doses=(), name="none"),
        replace(one.at(np.array([0.0, 0.2])), name="short"),
        replace(one.at(np.array([7.0])), name="late", start=1.0, doses=(Dose(2.0, "C", 1.0),)),
    ]
    rows = np.array([p] * 4) * np.linspace(0.9, 1.2, 4)[:, None]
    engine = engine_of(system, method, rtol=1e-8)
    together = engine.solve(rows, several, sensitivities=True)
    for row, own, found in zip(rows, several, together, strict=True):
        alone = engine.reset_copy().solve(row[None], [own], sensitivities=True)[0]
        np.testing.assert_allclose(found.y, alone.y, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.dy, alone.dy, rtol=1e-5, atol=1e-5)
    batch = collate(list(enumerate(several)))
    y = engine.solve_batch(torch.from_numpy(rows), batch)
    assert y.shape == (4, len(TIMES), 2)
    for e, found in enumerate(together):
        np.testing.assert_allclose(y[e, : len(found.y)], found.y, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(y[e, len(found.y) :], np.broadcast_to(y[e, -1], y[e, len(found.y) :].shape))


# -- accuracy


def test_a_kink_does_not_spoil_the_order() -> None:
    system = interrupted({"x": "u*cos(t) - x"}, {"x": 1}, "", inputs=("u",))
    one = experiment([3.0], inputs={"u": polygon([0.0, 0.777, 1.9], [1.0, -2.0, 3.0])})
    exact = engine_of(system, "dopri5", 1e-12).solve(np.zeros((1, 0)), [one])[0].y
    errors = []
    for step in (0.1, 0.05, 0.025):
        found = engine_of(system, "rk4", step=step).solve(np.zeros((1, 0)), [one])[0].y
        errors.append(abs(float((found - exact)[0, 0])))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (rates > 3.7).all()


def test_float32() -> None:
    system, p, one = FEATURES["all"]
    exact = engine_of(system, "dopri5", 1e-9).solve(np.array([p]), [one], sensitivities=True)[0]
    engine = make_engine(system, SolverOptions("dopri5", rtol=1e-5, atol=1e-6, dtype="float32"), system.parameters)
    found = engine.solve(np.array([p]), [one], sensitivities=True)[0]
    np.testing.assert_allclose(found.y, exact.y, atol=2e-4)
    np.testing.assert_allclose(found.dy, exact.dy, atol=2e-3)
    local = torch.tensor([p], dtype=torch.float32, requires_grad=True)
    y = engine.solve_batch(local, collate([(0, one)], torch.float32))
    assert y.dtype == torch.float32
    (gradient,) = torch.autograd.grad(y[0, -1, 1], local)
    np.testing.assert_allclose(gradient[0], exact.dy[-1, 1], atol=2e-3)


# -- conventions

STEADY = interrupted({"x": "0*k", "z": "0*k"}, {"x": 1, "z": 0}, "k lag", dosing=("lag", "1"))


def states(system: System, p: Sequence[float], one: Experiment, method: str = "tsit45") -> Array:
    found = solved(system, p, one, method)
    return found.y


@pytest.mark.parametrize("method", BOTH)
def test_a_measurement_at_the_time_of_a_dose_comes_after_it(method: str) -> None:
    one = experiment([0.0, 1.0, 2.0], doses=(Dose(0, "x", 1.0), Dose(1, "z", 2.0), Dose(2, "x", 4.0)))
    np.testing.assert_allclose(states(STEADY, (1, 0), one, method), [[2, 0], [2, 2], [6, 2]], rtol=1e-12)


@pytest.mark.parametrize("method", BOTH)
def test_an_event_comes_before_a_dose_and_sees_what_was(method: str) -> None:
    system = interrupted(
        {"x": 0, "z": 0},
        {"x": 1, "z": 3},
        "",
        dosing=("0", "1"),
        events=[("1", {"x": "z", "z": "x"}), ("1", {"x": "2*x"})],
    )
    one = experiment([0.5, 1.0, 3.0], doses=(Dose(1, "x", 0.25),))
    np.testing.assert_allclose(states(system, (), one, method), [[1, 3], [6.25, 1], [6.25, 1]], rtol=1e-12)


@pytest.mark.parametrize("method", BOTH)
def test_where_nothing_happens_nothing_changes(method: str) -> None:
    late = experiment([0.0, 0.3, 0.6], doses=(Dose(0.7, "x", 9.0),))
    np.testing.assert_allclose(states(STEADY, (1, 0), late, method), [[1, 0]] * 3, rtol=1e-12)
    at_start = experiment([2.0], 2.0, doses=(Dose(2.0, "x", 9.0), Dose(3.0, "x", 9.0)))
    np.testing.assert_allclose(states(STEADY, (1, 0), at_start, method), [[10, 0]], rtol=1e-12)
    far = experiment([5.0], 2.0, doses=(Dose(2.0, "x", 3.0, 30.0),))
    np.testing.assert_allclose(states(STEADY, (1, 0), far, method), [[1.3, 0]], rtol=1e-12)
    nothing = engine_of(STEADY, method).solve(np.array([[1.0, 0.0]]), [experiment([], 0.0)])[0]
    assert nothing.y.shape == (0, 2)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("apart", [0.0, 1e-16, 1e-13, 3e-11, 1e-7])
def test_boundaries_that_almost_coincide(method: str, apart: float) -> None:
    system = interrupted({"x": "piecewise(1, t < tb, 2)"}, {"x": 0}, "tb lag", dosing=("lag", "1"), events=[("tb", {})])
    one = experiment([0.0, 1.0, 1.0 + apart, 2.0], doses=(Dose(1.0, "x", 5.0), Dose(1.0 + apart, "x", 7.0)))
    found = states(system, (1.0 - apart, 0.0), one, method)
    np.testing.assert_allclose(found[[0, -1], 0], [0, 15], rtol=1e-6)
    np.testing.assert_allclose(found[2, 0], 13, rtol=1e-6)


def test_an_event_before_the_start_has_been_and_one_at_infinity_never_is() -> None:
    system = interrupted({"x": "0*te"}, {"x": 1}, "te", events=[("te", {"x": "x + 1"}), ("log(-te)", {"x": "0"})])
    assert states(interrupted({"x": 0}, {"x": 1}, "te", events=[("te", {"x": "2"})]), (-1.0,), experiment([3.0])) == 1
    found = engine_of(system).solve(np.array([[1.0]]), [experiment([3.0])])[0]
    assert "the time of event 2 is not a number" in str(found.failure)
    never = interrupted({"x": "0*te"}, {"x": 1}, "te", events=[("1/te", {"x": "x + 1"})])
    assert engine_of(never).solve(np.array([[0.0]]), [experiment([3.0])])[0].y == 1


def test_a_switch_that_never_switches_keeps_its_side() -> None:
    system = interrupted({"x": "piecewise(1, a*t < b, 5)"}, {"x": 0}, "a b")
    assert states(system, (0.0, 1.0), experiment([2.0])) == pytest.approx(2.0)
    assert states(system, (0.0, -1.0), experiment([2.0])) == pytest.approx(10.0)
    assert states(system, (1.0, -1.0), experiment([2.0])) == pytest.approx(10.0)
    assert states(system, (-1.0, -1.0), experiment([2.0])) == pytest.approx(6.0)


def test_knots_at_which_nothing_changes_are_no_stops() -> None:
    line = polygon([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 5.0])
    np.testing.assert_allclose(kinks(line), [2.0, 3.0])
    steps = Input(np.arange(4.0), np.array([[1.0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]]))
    np.testing.assert_allclose(kinks(steps), [2.0])
    cubic = np.polynomial.Polynomial([1.0, 2.0, -3.0, 0.5])
    parts = [[cubic.deriv(j)(knot) / (1, 1, 2, 6)[j] for j in range(4)] for knot in (0.0, 0.3, 1.1)]
    assert not len(kinks(Input(np.array([0.0, 0.3, 1.1]), np.array(parts))))


def test_segments_are_built_once_while_times_stay() -> None:
    segments = SegmentSystem(PK, Kind())
    timeline = Timeline(experiment(TIMES, doses=DOSES[:1]), segments)
    first = timeline.segments(EventTimes(np.array([0.5]), np.empty((0, 2))))
    assert timeline.segments(EventTimes(np.array([0.5]), np.empty((0, 2)))) is first
    assert [segment.start for segment in first] == [0.0, 0.5]
    later = timeline.segments(EventTimes(np.array([0.7]), np.empty((0, 2))))
    assert [segment.start for segment in later] == [0.0, 0.7]


# -- failures


@pytest.mark.parametrize("method", BOTH)
def test_failures_are_sentences_and_nan(method: str) -> None:
    early = experiment([1.0, 2.0], doses=(Dose(0.0, "x", 1.0),), name="early")
    good = experiment([1.0, 2.0], name="good")
    engine = engine_of(STEADY, method)
    found = engine.solve(np.array([[1.0, -0.5], [1.0, -0.5], [np.nan, 0]]), [early, good, good], sensitivities=True)
    assert "before the start" in str(found[0].failure)
    assert np.isnan(found[0].y).all()
    assert np.isnan(found[0].dy).all()
    assert found[1].failure is None
    assert "the parameter k is not a finite number" in str(found[2].failure)
    with pytest.raises(SolveError, match=r"early.*before the start"):
        engine.solve_batch(torch.tensor([[1.0, -0.5]], dtype=torch.float64), collate([(0, early)]))
    missing = engine_of(FEATURES["input"][0], method).solve(np.ones((1, 2)), [experiment([1.0])])[0]
    assert "no input u" in str(missing.failure)


@pytest.mark.parametrize("method", BOTH)
def test_a_blow_up_after_a_dose_is_told_in_the_time_of_the_experiment(method: str) -> None:
    system = interrupted({"x": "k*x^2"}, {"x": 0}, "k", dosing=("0", "1"))
    one = experiment([11.0, 12.0, 14.0], 10.0, doses=(Dose(11.5, "x", 1.0),))
    found = engine_of(system, method, 1e-6).solve(np.array([[1.0]]), [one])[0]
    assert np.isnan(found.y).all()
    assert found.failure
    assert found.failure.time is None or found.failure.time == pytest.approx(12.5, abs=0.01)
    with pytest.raises(SolveError, match=r"experiment '?e'?:"):
        engine_of(system, method, 1e-6).solve_batch(torch.ones(1, 1, dtype=torch.float64), collate([(0, one)]))


def test_an_event_without_a_finite_result_fails() -> None:
    system = interrupted({"x": "-k"}, {"x": 1}, "k", events=[("2", {"x": "log(x)"})])
    found = engine_of(system).solve(np.array([[1.0]]), [experiment([1.0, 3.0])], sensitivities=True)[0]
    assert str(found.failure) == "the state is not finite at t = 2"


# -- the engine around the engine


def test_only_what_is_interrupted_is_solved_in_segments() -> None:
    pytest.importorskip("pydiffsol")
    from odefit.engines.diffsol.diffsol_engine import DiffsolEngine

    assert isinstance(engine_of(interrupted({"x": "-k*x"}, {"x": 1}, "k")), DiffsolEngine)
    unused = interrupted({"x": "-k*x"}, {"x": 1}, "k", inputs=("u",))
    assert isinstance(engine_of(unused), DiffsolEngine)
    assert not isinstance(engine_of(PK), DiffsolEngine)
    assert engine_of(PK).is_compiled


def test_a_compiled_solve_needs_no_torch() -> None:
    pytest.importorskip("pydiffsol")
    code = """if True:
        import sys
        import numpy as np
        from interrupted_systems import engine_of, experiment, interrupted
        from odefit.data.experiments import Dose
        system = interrupted(
            {"x": "piecewise(k, t < k, 0) - x"}, {"x": 1}, "k",
            dosing=("k/2", "1"), events=[("k", {"x": "x/2"})], rest={},
        )
        one = experiment([1.0, 3.0], doses=[Dose(0, "x", 1.0, 2.0)])
        found = engine_of(system).solve(np.ones((1, 1)), [one], sensitivities=True)[0]
        assert found.failure is None
        assert not {"torch", "pandas", "scipy", "matplotlib"} & set(sys.modules)
    """
    assert in_new_python("-c", code) == (0, "", "")


def test_what_is_handled_needs_no_note() -> None:
    handled = interrupted({"x": "piecewise(a, t < b, 2, 3 < t, 1)"}, {"x": 0}, "a b")
    assert not engine_of(handled).notes
    states_too = interrupted({"x": "piecewise(a, t < b, 0) + piecewise(1, x > a, 2)"}, {"x": 0}, "a b")
    assert len(engine_of(states_too).notes) == 1


@pytest.mark.parametrize("method", BOTH)
def test_an_engine_can_be_sent_to_another_process_and_begin_anew(method: str) -> None:
    system, p, one = FEATURES["all"]
    engine = engine_of(system, method)
    before = engine.solve(np.array([p]), [one], sensitivities=True)[0]
    for other in (pickle.loads(pickle.dumps(engine)), engine.reset_copy()):  # noqa: S301
        after = other.solve(np.array([p]), [one], sensitivities=True)[0]
        np.testing.assert_array_equal(before.dy, after.dy)


def test_only_sensitive_parameters_have_columns_and_gradients() -> None:
    pytest.importorskip("pydiffsol")
    system, p, one = FEATURES["all"]
    options = SolverOptions(method="tsit45", rtol=1e-9, atol=1e-11)
    every = make_engine(system, options, system.parameters).solve(np.array([p]), [one], sensitivities=True)[0]
    some = make_engine(system, options, ("tb", "ke"))
    found = some.solve(np.array([p]), [one], sensitivities=True)[0]
    np.testing.assert_allclose(found.dy, every.dy[:, :, [4, 1]], rtol=1e-6, atol=1e-7)
    local = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(some.solve_batch(local, collate([(0, one)]))[0, -1, 0], local)
    np.testing.assert_allclose(gradient[0], [0, found.dy[-1, 0, 1], 0, 0, found.dy[-1, 0, 0]], rtol=1e-9)
    none: Any = make_engine(system, options, ())
    assert none.solve(np.array([p]), [one], sensitivities=True)[0].dy.shape == (len(TIMES), 2, 0)
