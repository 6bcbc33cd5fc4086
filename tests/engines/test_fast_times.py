"""Pulses that fall between the steps of a solver: where it stops, and that fits with them come out right."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

import odefit
from from_text import assembled
from interrupted_systems import engine_of, experiment, interrupted
from odefit import algebra as sp
from odefit.engines.segments.fast_times import fast_times
from odefit.fitting.run import Run
from odefit.model.functions import numpy_function
from odefit.model.time_formulas import centres, time_formulas

TIMES = np.arange(0.0, 11.0)
PULSE = "exp(-((t - 4.38)/0.005)^2)"


def gaussian(centre: float, width: float) -> Any:
    return lambda t: np.exp(-(((t - centre) / width) ** 2))


@pytest.mark.parametrize("width", [1.0, 0.3, 5e-3, 1e-4, 1e-7])
def test_a_pulse_of_any_width_is_met_in_its_flanks_and_at_its_top(width: float) -> None:
    stops = fast_times(gaussian(4.38, width), 0.0, 10.0, hints=[4.38])
    if width == 1.0:
        assert not len(stops)
        return
    heights = gaussian(4.38, width)(stops)
    assert len(stops) in (5, 6)
    assert (heights > 0.1).all()
    assert heights.max() > 0.6


def test_without_a_hint_the_grid_finds_what_is_not_too_narrow() -> None:
    assert len(fast_times(gaussian(4.38, 5e-3), 0.0, 10.0)) in (5, 6)


SLOW = {
    "slow": lambda t: np.sin(0.5 * t),
    "fast everywhere": lambda t: np.sin(500 * t),
    "decay": lambda t: np.exp(-t / 3),
    "fast from the start": lambda t: np.exp(-1000 * t),
    "constant": np.ones_like,
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_what_any_step_sees_needs_no_stop(slow: Any) -> None:
    assert not len(fast_times(slow, 0.0, 10.0))


HUGE = {
    "overflows": lambda t: np.exp(1000 * (t - 7.77)),
    "falls from huge values": lambda t: -np.exp(1000 * (7.77 - t)),
    "both signs": lambda t: np.sinh(1000 * (t - 5)),
    "a pole": lambda t: 1 / (t - 5),
    "no numbers": lambda t: np.where(t < 5, np.inf, np.nan),
    "least numbers": lambda t: np.where(t < 5, 0.0, 5e-324),
}


@pytest.mark.parametrize("huge", HUGE.values(), ids=HUGE.keys())
def test_values_that_overflow_or_are_no_numbers_do_no_harm(huge: Any) -> None:
    with np.errstate(all="ignore"):
        stops = fast_times(huge, 0.0, 10.0, hints=[5.0, np.inf])
    assert len(stops) < 2000
    assert ((stops >= 0) & (stops <= 10)).all()


def test_a_step_written_as_tanh_and_pulses_that_come_again() -> None:
    step = fast_times(lambda t: np.tanh((t - 5) / 1e-3), 0.0, 10.0)
    assert step == pytest.approx(5.0, abs=2e-3)
    again = fast_times(lambda t: np.exp(300 * (np.cos(np.pi * t) - 1)), 0.5, 10.5)
    assert np.unique(again.round()).tolist() == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_of_many_pulses_each_is_met() -> None:
    # 200 pulses, each of which takes 5 % of its period.
    stops = fast_times(lambda t: np.exp(300 * (np.cos(2 * np.pi * t) - 1)), 0.5, 200.5, n_first=16_384)
    where, counts = np.unique(stops.round(), return_counts=True)
    assert where.tolist() == np.arange(1.0, 201.0).tolist()
    assert counts.min() >= 2
    assert len(stops) < 700
    assert np.abs(stops - stops.round()).max() < 0.05


def test_which_formulas_are_looked_at() -> None:
    text = """
model:
  equations: {x: "-k*x*(1 + a*sin(t)) + A*(exp(-(t - c)^2/w^2) + tanh(x*t)) + t^2 + max(0, t - 3)"}
  initial: {x: 1}
parameters: {k: 1, a: 1, A: 1, c: 3, w: 0.1}
"""
    found = time_formulas(assembled(text, data="time,x\n0,1\n1,1\n").problem.engine.system)
    pulse = next(formula for formula in found if formula.has(sp.exp))
    assert {str(s) for s in pulse.free_symbols} == {"t", "c", "w"}
    assert [str(centre) for centre in centres(pulse)] == ["c"]
    assert not any("x" in map(str, formula.free_symbols) or formula.is_polynomial() for formula in found)


def test_what_switches_let_be_seen_for_a_while_stays_with_them() -> None:
    """A quarter of an oscillation as a ramp: there are stops in the ramp, not in all that the oscillation would do."""
    rate = "a*x*sin(157*(t - 3))*(piecewise(0, t < 3, 1) - piecewise(0, t < 3.01, 1))"
    text = (
        f"{{model: {{equations: {{x: '{rate}'}}, initial: {{x: 1}}}}, parameters: {{a: 2}}, data: {{csv: data.csv}}}}"
    )
    (formula,) = time_formulas(assembled(text, data="time,x\n0,1\n1,1\n").problem.engine.system)
    assert {s.name for s in formula.free_symbols} == {"t"}
    values = numpy_function([formula], ("t",))
    stops = fast_times(lambda at: np.broadcast_to(values(at)[0], at.shape), 0.0, 10.0, [3.0])
    assert 2 <= len(stops) <= 8
    assert 3.0 <= stops.min() < stops.max() <= 3.0101


def data(k: float, a: float, pulse: Any, centre: float, width: float) -> odefit.Experiment:
    """Of dx/dt = -k x + a pulse(t) from 2 on, by the integral that solves it, with noise."""

    def fed(end: float) -> float:
        edges = np.unique(np.clip([0, *(centre + width * np.arange(-8, 9)), end], 0, end))
        parts = pairwise(edges)
        return sum(quad(lambda s: float(np.exp(k * s) * pulse(s)), low, high, epsabs=1e-13)[0] for low, high in parts)

    x = np.array([np.exp(-k * t) * (2 + a * fed(t)) for t in TIMES])
    return odefit.Experiment("a", TIMES, {"x": x * (1 + 2e-3 * np.random.default_rng(4).standard_normal(len(x)))})


PARAMETERS = {
    "k": {"value": 0.2, "bounds": [0.001, 5], "scale": "log"},
    "A": {"value": 30, "bounds": [0.1, 1e5], "scale": "log"},
}


def pulsed(formula: str, **sections: Any) -> dict[str, Any]:
    model = {"equations": {"x": f"-k*x + A*{formula}"}, "initial": {"x": 2}}
    return {"model": model, "parameters": PARAMETERS, "noise": {"x": "lognormal"}, **sections}


def fit(formula: str, measured: odefit.Experiment, **sections: Any) -> Run:
    run = odefit.fit(pulsed(formula, **sections), data=[measured])
    assert isinstance(run, Run)
    return run


@pytest.mark.torch
def test_torchdiffeq_does_not_step_over_a_narrow_pulse() -> None:
    measured = data(0.3, 100, gaussian(4.38, 0.005), 4.38, 0.005)
    found = []
    for method in ("dopri5", "auto"):
        problem = odefit.load(pulsed(PULSE, solver={"method": method}), data=[measured])
        x = np.array([{"k": 0.31, "A": 97.0, "sigma_x": 0.02}[name] for name in problem.names])
        found.append([problem.nll(x), *problem.gradient_search(problem.to_search(x))])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)


@pytest.mark.parametrize("method", ["auto", "bdf", "esdirk34"])
def test_a_narrow_pulse_is_fitted_right(method: str) -> None:
    run = fit(PULSE, data(0.3, 100, gaussian(4.38, 0.005), 4.38, 0.005), solver={"method": method})
    assert run.result.status == "converged", run.result.message
    for name, truth in {"k": 0.3, "A": 100}.items():
        estimate = run.result.estimates[name]
        assert estimate.standard_error is not None
        assert estimate.value == pytest.approx(truth, abs=4 * estimate.standard_error)
        assert estimate.value == pytest.approx(truth, rel=0.02)


def test_so_is_the_width_of_one() -> None:
    parameters = PARAMETERS | {
        "A": {"value": 100, "estimate": False},
        "w": {"value": 0.02, "bounds": [1e-4, 0.1], "scale": "log"},
    }
    measured = data(0.3, 100, gaussian(4.38, 0.005), 4.38, 0.005)
    run = fit("exp(-((t - 4.38)/w)^2)", measured, parameters=parameters)
    assert run.result.status == "converged", run.result.message
    assert run.result.estimates["w"].value == pytest.approx(0.005, rel=0.02)


def test_the_engine_says_where_it_stops_and_goes_on_from_what_it_has_learnt() -> None:
    text = f"model: {{equations: {{x: '-k*x + {PULSE}'}}, initial: {{x: 2}}}}\nparameters: {{k: 0.3}}\n"
    problem = assembled(text, data="time,x\n0,2\n5,1\n10,1\n").problem
    theta = problem.table.values
    before = problem.predict(theta)[0]
    assert any("changes fast around t = 4.37" in note for note in problem.engine.notes)
    state = problem.engine.state()
    again = problem.engine.reset_copy()
    assert again.notes == []
    again.restore(state)
    solved = again.solve(problem.binding.local(theta)[:, : problem.n_system], problem.experiments)
    assert solved.y == pytest.approx(before, rel=1e-12)


def test_members_with_and_without_a_pulse_are_what_each_is_alone() -> None:
    pytest.importorskip("pydiffsol")
    system = interrupted({"x": f"a*{PULSE} - k*x"}, {"x": 1}, "a k")
    moved = interrupted({"x": "exp(-((t - 4.38)/w)^2) - k*x"}, {"x": 1}, "w k")
    one = experiment(TIMES)
    for model, p in ((system, [[1.0, 0.1], [2.0, 0.2]]), (moved, [[3.0, 0.1], [0.005, 0.2], [4.0, 0.3], [0.01, 0.1]])):
        engine = engine_of(model, "auto")
        assert not engine.remembers
        found = engine.solve(np.array(p), [one], True, np.zeros(len(p), dtype=np.intp))
        for m, row in enumerate(p):
            alone = engine.reset_copy().solve(np.array([row]), [one], True)[0]
            np.testing.assert_array_equal(found[m].y, alone.y)
            np.testing.assert_array_equal(found[m].dy, alone.dy)
