"""The compiled engine: known answers, rates, derivatives two ways, and every way in which it may fail."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.linalg import expm, expm_frechet

from commands import in_new_python
from odefit import algebra as sp
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine, available
from odefit.engines.diffsol.program import Solution, compiled
from odefit.engines.diffsol.request import Request
from odefit.engines.diffsol.restart import solve_in_pieces
from odefit.engines.failure import Failure, FailureReason
from odefit.engines.methods import methods_of
from odefit.errors import ModelError, SolveError
from odefit.model.system import System, symbol

METHODS = methods_of("diffsol")


def make(rates: Mapping[str, str], start: Mapping[str, Any], parameters: str) -> System:
    names = {name: sympy.Symbol(name, real=True) for name in (*rates, *parameters.split(), "t")}

    def read(texts: Mapping[str, Any]) -> dict[str, sp.Expr]:
        return {name: sp.sympify(sympy.sympify(text, locals=names)) for name, text in texts.items()}

    return System("test", tuple(rates), tuple(parameters.split()), read(rates), read(start), {})


def measured(times: Any, start: float = 0.0, name: str = "e") -> Experiment:
    grid = np.asarray(times, dtype=float)
    return Experiment(name, grid, np.full((len(grid), 1), np.nan), start)


def engine(system: System, method: str = "auto", rtol: float = 1e-6, atol: float | None = None) -> DiffsolEngine:
    options = SolverOptions(method=method, rtol=rtol, atol=rtol * 1e-2 if atol is None else atol)
    return DiffsolEngine(system, options, system.parameters)


def one(solver: DiffsolEngine, p: Sequence[float], times: Any, start: float = 0.0) -> Any:
    return solver.solve(np.array([p], dtype=float), [measured(times, start)], sensitivities=True)[0]


DECAY = make({"x": "-k*x"}, {"x": "a"}, "k a")
LOGISTIC = make({"x": "r*x*(1 - x/K)"}, {"x": "x0"}, "r K x0")
OSCILLATOR = make({"x": "v", "v": "-w**2*x"}, {"x": "x0", "v": 0}, "w x0")
LINEAR = make({"x": "a*x + b*y", "y": "c*x + d*y"}, {"x": "x0", "y": 1}, "a b c d x0")
FORCED = make({"x": "k*t - x"}, {"x": "a"}, "k a")
LOTKA = make({"x": "a*x - b*x*y", "y": "c*x*y - d*y"}, {"x": "x0", "y": "y0"}, "a b c d x0 y0")
LORENZ = make({"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"}, {"x": 1, "y": "y0", "z": 0}, "s r b y0")
ROBERTSON = make(
    {"A": "-k1*A + k3*B*C", "B": "k1*A - k3*B*C - k2*B**2", "C": "k2*B**2"},
    {"A": 1, "B": 0, "C": 0},
    "k1 k2 k3",
)
VAN_DER_POL = make({"x": "v", "v": "mu*(1 - x**2)*v - x"}, {"x": 2, "v": 0}, "mu")
OREGONATOR = make(
    {"a": "s*(b + a*(1 - q*a - b))", "b": "(c - (1 + a)*b)/s", "c": "w*(a - c)"},
    {"a": 1, "b": 2, "c": 3},
    "s q w",
)
HIRES = make(
    {
        "y1": "-1.71*y1 + 0.43*y2 + 8.32*y3 + 0.0007",
        "y2": "1.71*y1 - 8.75*y2",
        "y3": "-10.03*y3 + 0.43*y4 + 0.035*y5",
        "y4": "8.32*y2 + 1.71*y3 - 1.12*y4",
        "y5": "-1.745*y5 + 0.43*y6 + 0.43*y7",
        "y6": "-k*y6*y8 + 0.69*y4 + 1.71*y5 - 0.43*y6 + 0.69*y7",
        "y7": "k*y6*y8 - 1.81*y7",
        "y8": "-k*y6*y8 + 1.81*y7",
    },
    {"y1": 1, **{f"y{i}": 0 for i in range(2, 8)}, "y8": "57/10000"},
    "k",
)


def decay(t: Any, k: float, a: float) -> Any:
    x = a * np.exp(-k * t)
    return x[:, None], np.stack([-t * x, x / a], -1)[:, None]


def logistic(t: Any, r: float, K: float, x0: float) -> Any:
    growth = np.exp(r * t)
    below = K + x0 * (growth - 1)
    x = K * x0 * growth / below
    return x[:, None], np.stack([x * t * (1 - x / K), x / K - x / below, x / x0 - x * (growth - 1) / below], -1)[
        :, None
    ]


def oscillator(t: Any, w: float, x0: float) -> Any:
    sin, cos = np.sin(w * t), np.cos(w * t)
    y = np.stack([x0 * cos, -w * x0 * sin], -1)
    dx = np.stack([-x0 * t * sin, cos], -1)
    dv = np.stack([-x0 * sin - w * x0 * t * cos, -w * sin], -1)
    return y, np.stack([dx, dv], 1)


def linear(t: Any, a: float, b: float, c: float, d: float, x0: float) -> Any:
    """The matrix exponential and its Fréchet derivatives."""
    matrix = np.array([[a, b], [c, d]])
    start = np.array([x0, 1.0])
    y = np.stack([expm(matrix * s) @ start for s in t])
    entries = [np.eye(4)[i].reshape(2, 2) for i in range(4)]
    slopes = [
        [
            *(expm_frechet(matrix * s, entry * s, compute_expm=False) @ start for entry in entries),
            expm(matrix * s)[:, 0],
        ]
        for s in t
    ]
    return y, np.array(slopes).transpose(0, 2, 1)


def forced(t: Any, k: float, a: float) -> Any:
    x = k * (t - 1) + (a + k) * np.exp(-t)
    return x[:, None], np.stack([t - 1 + np.exp(-t), np.exp(-t)], -1)[:, None]


CLOSED = [
    (DECAY, decay, (0.7, 3.0)),
    (LOGISTIC, logistic, (1.3, 5.0, 0.2)),
    (OSCILLATOR, oscillator, (2.0, 1.5)),
    (LINEAR, linear, (-0.5, 1.2, -0.8, -0.3, 2.0)),
    (FORCED, forced, (2.0, -1.0)),
]
TIMES = np.array([0.0, 0.05, 0.4, 0.4, 1.7, 2.0, 3.3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("system, solution, p", CLOSED, ids=[c[1].__name__ for c in CLOSED])
def test_closed_forms_with_all_derivatives(system: System, solution: Any, p: Any, method: str) -> None:
    y, dy = solution(TIMES, *p)
    found = one(engine(system, method), p, TIMES)
    assert found.failure is None
    factor = 3 if method == "tsit45" else 100
    assert np.max(np.abs(found.y - y)) < factor * 1e-6 * np.max(np.abs(y))
    assert np.max(np.abs(found.dy - dy)) < factor * 1e-6 * np.max(np.abs(dy))


@pytest.mark.parametrize("method", METHODS)
def test_the_error_falls_with_the_tolerance(method: str) -> None:
    tolerances = np.array([1e-4, 1e-6, 1e-8])
    y, dy = oscillator(TIMES, 2.0, 1.5)
    errors = []
    for rtol in tolerances:
        found = one(engine(OSCILLATOR, method, rtol), (2.0, 1.5), TIMES)
        errors.append([np.max(np.abs(found.y - y)), np.max(np.abs(found.dy - dy))])
    rates = np.diff(np.log(errors), axis=0) / np.diff(np.log(tolerances))[:, None]
    # An order-p method with error per step gives p/(p+1); tr_bdf2 has order 2, and 0.67.
    assert np.all(rates > 0.55), rates


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", [5.0, -3.0, -20.0])
def test_any_start_time_with_the_time_in_the_formula(method: str, start: float) -> None:
    system = make({"x": "k*t**2"}, {"x": "a"}, "k a")
    t = start + np.array([0.0, 0.5, 4.0])
    found = one(engine(system, method), (2.0, 1.0), t, start)
    cubes = (t**3 - start**3) / 3
    np.testing.assert_allclose(found.y[:, 0], 1 + 2 * cubes, rtol=5e-5, atol=1e-5)
    np.testing.assert_allclose(found.dy[:, 0], np.stack([cubes, np.ones(3)], -1), rtol=5e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["tsit45", "bdf"])
@pytest.mark.parametrize("system, p", [(LOTKA, (1.5, 1.0, 1.0, 3.0, 2.5, 2.5)), (LORENZ, (10.0, 28.0, 8 / 3, 0.1))])
def test_central_differences(system: System, p: Any, method: str) -> None:
    times = np.linspace(0.1, 2.5, 7)
    solver = engine(system, method, 1e-11)
    found = one(solver, p, times)
    for j, value in enumerate(p):
        step = 1e-4 * max(value, 1.0)
        points = np.array([p, p], dtype=float)
        points[:, j] += step, -step
        ends = [found.y for found in solver.solve(points, [measured(times)] * 2)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.max(np.abs(found.dy[:, :, j] - slope)) < 1e-4 * np.max(np.abs(slope))


def test_total_derivatives_through_an_initial_formula() -> None:
    system = make({"x": "-k*x"}, {"x": "exp(k)*a"}, "k a")
    t = np.array([0.0, 1.0, 2.0])
    found = one(engine(system), (0.5, 2.0), t)
    x = 2.0 * np.exp(0.5 * (1 - t))
    np.testing.assert_allclose(found.dy[:, 0], np.stack([(1 - t) * x, x / 2], -1), atol=1e-5)


def test_only_the_sensitive_columns_come_back_in_their_order() -> None:
    full = one(engine(LOTKA), (1.5, 1.0, 1.0, 3.0, 2.5, 2.5), [1.0, 2.0])
    some = DiffsolEngine(LOTKA, SolverOptions(), ("y0", "b"))
    found = one(some, (1.5, 1.0, 1.0, 3.0, 2.5, 2.5), [1.0, 2.0])
    np.testing.assert_allclose(found.dy, full.dy[:, :, [5, 1]], rtol=1e-4)
    none = DiffsolEngine(LOTKA, SolverOptions(), ())
    assert one(none, (1.5, 1.0, 1.0, 3.0, 2.5, 2.5), [1.0, 2.0]).dy.shape == (2, 2, 0)


@pytest.mark.parametrize("method", ["auto", "bdf"])
def test_times_that_are_the_start_or_one_alone(method: str) -> None:
    solver = engine(DECAY, method)
    here = one(solver, (0.7, 3.0), [2.0], start=2.0)
    assert here.y.tolist() == [[3.0]]
    assert here.dy.tolist() == [[[0.0, 1.0]]]
    y, dy = decay(np.array([1.0]), 0.7, 3.0)
    alone = one(solver, (0.7, 3.0), [3.0], start=2.0)
    np.testing.assert_allclose(alone.y, y, rtol=1e-5)
    np.testing.assert_allclose(alone.dy, dy, rtol=1e-5)
    assert one(solver, (0.7, 3.0), [], start=2.0).y.shape == (0, 1)


@pytest.mark.parametrize(
    "start, span, k", [(0.0, 1e-9, 1e9), (0.0, 1e11, 1e-11), (1.7e9, 1e-3, 1e3), (-1e6, 10.0, 0.2)]
)
@pytest.mark.parametrize("method", METHODS)
def test_spans_and_starts_of_any_size(method: str, start: float, span: float, k: float) -> None:
    elapsed = np.linspace(0, span, 5)
    found = one(engine(DECAY, method), (k, 3.0), start + elapsed, start)
    y, _ = decay((start + elapsed) - start, k, 3.0)
    np.testing.assert_allclose(found.y, y, rtol=1e-4)


def test_a_system_without_parameters() -> None:
    found = one(engine(make({"x": "-x"}, {"x": 1}, "")), (), [0.0, 1.0])
    np.testing.assert_allclose(found.y[:, 0], [1, np.exp(-1)], rtol=1e-5)
    assert found.dy.shape == (2, 1, 0)


# End values: IVP test set (Bari/CWI), as printed by deTestSet::reference.
REFERENCES = [
    (ROBERTSON, (0.04, 3e7, 1e4), 1e11, [2.083340149701255e-8, 8.333360770334713e-14, 0.999999979166505]),
    (
        HIRES,
        (280.0,),
        321.8122,
        [
            *(7.371312573325668e-4, 1.442485726316185e-4, 5.888729740967575e-5, 1.175651343283149e-3),
            *(2.386356198831331e-3, 6.238968252742796e-3, 2.849998395185769e-3, 2.850001604814231e-3),
        ],
    ),
    (VAN_DER_POL, (1000.0,), 2000.0, [1.706167732170469, -8.928097010248125e-4]),
    (OREGONATOR, (77.27, 8.375e-6, 0.161), 360.0, [1.000814870318523, 1228.178521549917, 132.0554942846706]),
]


@pytest.mark.parametrize("system, p, end, reference", REFERENCES, ids=["robertson", "hires", "vdp", "oregonator"])
def test_stiff_reference_end_values_and_the_change_of_method(
    system: System, p: Any, end: float, reference: Any
) -> None:
    solver = engine(system, "auto", 1e-8, 1e-14 if system is ROBERTSON else 1e-12)
    found = solver.solve(np.array([p]), [measured([end])])[0]
    again = one(solver, p, [end])
    np.testing.assert_allclose(found.y[0], reference, rtol=1e-5)
    np.testing.assert_allclose(again.y[0], reference, rtol=1e-5)
    assert solver.method_in_use == "bdf"
    assert len(solver.notes) == 1
    assert "stiff" in solver.notes[0]


def test_pleiades_stays_with_the_non_stiff_method() -> None:
    # Seven stars; end values of the IVP test set.
    x0 = [3, 3, -1, -3, 2, -2, 2]
    y0 = [3, -3, 2, 0, 0, -4, 4]
    u0 = [0, 0, 0, 0, 0, "7/4", "-3/2"]
    v0 = [0, 0, 0, "-5/4", 1, 0, 0]
    rates = {f"x{i}": f"u{i}" for i in range(7)} | {f"y{i}": f"v{i}" for i in range(7)}
    for c, other in (("u", "x"), ("v", "y")):
        for i in range(7):
            rates[f"{c}{i}"] = " + ".join(
                f"{j + 1}*({other}{j} - {other}{i})/((x{i} - x{j})**2 + (y{i} - y{j})**2)**(3/2)"
                for j in range(7)
                if j != i
            ).replace("3/2", "Rational(3, 2)")
    start = {f"{c}{i}": values[i] for c, values in zip("xyuv", (x0, y0, u0, v0), strict=True) for i in range(7)}
    solver = engine(make(rates, start, ""), "auto", 1e-9)
    found = solver.solve(np.zeros((1, 0)), [measured([3.0])])[0]
    reference = [0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.659709145577531]
    np.testing.assert_allclose(found.y[0, :4], reference, rtol=1e-6)
    assert solver.method_in_use == "tsit45"


@pytest.mark.parametrize("method", ["bdf", "esdirk34"])
def test_sensitivities_to_large_parameters_are_under_control(method: str) -> None:
    """k2 = 3e7: under diffsol's own tolerance, dA/dk2 = 1e-9 would be all error (a factor 10 and more)."""
    times = np.logspace(-2, 4, 13)
    p = (0.04, 3e7, 1e4)
    exact = one(engine(ROBERTSON, "bdf", 1e-10, 1e-14), p, times)
    found = one(engine(ROBERTSON, method, 1e-6, 1e-8), p, times)
    size = np.max(np.abs(exact.dy), axis=0)
    error = np.max(np.abs(found.dy - exact.dy), axis=0)
    assert np.all(error[[0, 2]] < 2e-3 * size[[0, 2]])
    # Matter is conserved: A + B + C = 1, whatever the constants are.
    scaled = found.dy * np.array(p)
    assert np.max(np.abs(scaled.sum(axis=1))) < 1e-6


def test_a_parameter_may_grow_large_and_small_again() -> None:
    solver = engine(DECAY)
    for k in (0.7, 500.0, 0.01, 3.0):
        times = np.linspace(0, 2 / k, 5)
        y, dy = decay(times, k, 40 * k)
        found = one(solver, (k, 40 * k), times)
        np.testing.assert_allclose(found.y, y, rtol=2e-5)
        assert np.max(np.abs(found.dy - dy) / np.max(np.abs(dy), axis=0)) < 2e-5


def test_no_grid_makes_the_solver_panic() -> None:
    """Told to end at the last time, diffsol 0.16 panics on one of a hundred grids of a slow solution."""
    rng = np.random.default_rng(0)
    for method in METHODS:
        solver = engine(DECAY, method)
        for _ in range(250):
            span = 10 ** rng.uniform(-3, 3)
            times = np.linspace(0, span, rng.integers(2, 6))
            k = 10 ** rng.uniform(-8, 1) / span
            found = solver.solve(np.array([[k, 1.0]]), [measured(times)])[0]
            assert found.failure is None
            np.testing.assert_allclose(found.y[:, 0], np.exp(-k * times), atol=1e-4)


@pytest.mark.parametrize("sensitivities", [False, True])
def test_bdf_interpolates_rightly_where_a_step_ends_just_before_the_last_time(sensitivities: bool) -> None:
    """Told to end there, diffsol 0.16 shortens the coming step, and the interpolation is off by 1e9."""
    system = make({"x": "-x"}, {"x": 1}, "")
    program = compiled(system)
    nothing = np.zeros(0)
    whole = Request("bdf", 0.0, np.array([3.0]), 1e-7, 1e-9, sensitivities)
    steps = program.steps(program.inputs(nothing, whole), whole)
    assert steps is not None
    for before, after in itertools.pairwise(steps[20:-1]):
        for gap in (1e-3, 1e-5, 1e-7):
            times = np.append(np.linspace(before, after, 7)[1:-1], after + gap * (after - before))
            part = replace(whole, times=times)
            found = program.solve(program.inputs(nothing, part), part)
            assert found.y is not None
            np.testing.assert_allclose(found.y[:, 0], np.exp(-times), atol=1e-6)


FAILURES: dict[str, tuple[System, list[float], list[float], str]] = {
    "blow-up": (make({"x": "p*x**2"}, {"x": 1}, "p"), [1], [0, 0.5, 5], "at t = (0.99|1)"),
    "overflow": (make({"x": "p*x"}, {"x": 1}, "p"), [1], [0, 500, 1000], "(finite at t = 1000|at t = 7)"),
    "negative root": (make({"x": "-p*sqrt(x)"}, {"x": 1}, "p"), [1], [0, 1, 5], "at t = (2|5|1.9)"),
    "negative power": (make({"x": "-p*x**(7/10)"}, {"x": 1}, "p"), [1], [0, 1, 5], "at t = (5|3.3|4)"),
    "log of negative": (make({"x": "p*log(2 - t)"}, {"x": 1}, "p"), [1], [0, 1, 5], "at t = (2|5)"),
    "pole on the way": (make({"x": "p/(t - 2)"}, {"x": 1}, "p"), [1], [0, 1, 5], "at t = (1.99|2)"),
    "too fast": (make({"x": "p*cos(p*t)"}, {"x": 1}, "p"), [3e5], [0, 1], "(changes too fast|100,000 steps)"),
    "times before the start": (DECAY, [1, 1], [-1, 1], "must increase from the start"),
}


def run_failures() -> dict[str, Any]:
    """For every case and method: the failure without and with sensitivities, and whether all else is NaN."""
    results = {}
    for name, (system, p, times, _) in FAILURES.items():
        for method in ("auto", "tsit45", "bdf", "tr_bdf2"):
            solver = engine(system, method)
            plain = solver.solve(np.array([p]), [measured(times)])[0]
            slopes = one(solver, p, times)
            blank = np.isnan(plain.y).all() and np.isnan(slopes.y).all() and np.isnan(slopes.dy).all()
            results[f"{name} / {method}"] = [*map(str, (plain.failure, slopes.failure)), bool(blank), len(solver.notes)]
    return results


def test_every_failure_on_the_way_is_a_sentence() -> None:
    program = "import json, test_diffsol_engine as t; print(json.dumps(t.run_failures()))"
    code, said, wrong = in_new_python("-c", program)
    assert (code, wrong) == (0, "")
    for case, (plain, slopes, blank, notes) in json.loads(said).items():
        sentence = FAILURES[case.split(" / ")[0]][3]
        for failure in (plain, slopes):
            assert failure, case
            assert re.search(sentence, failure), f"{case}: {failure}"
        assert blank, case
        assert notes == 0, case


@pytest.mark.parametrize("method", ["bdf", "esdirk34"])
def test_sensitivities_that_would_crawl_beside_a_state_at_rest(method: str) -> None:
    """x = 0, while dx/dx0 = cos(w t) has 10^6 periods on the way; how many steps that is says no clock."""
    solver = engine(OSCILLATOR, method)
    p = np.array([[2 * np.pi * 1e6, 0.0]])
    assert solver.solve(p, [measured([1.0])])[0].failure is None
    failure = solver.solve(p, [measured([1.0])], sensitivities=True)[0].failure
    assert failure is not None
    assert failure.reason is FailureReason.TOO_MANY_STEPS
    assert str(failure) == f"{method} would take more than 100,000 steps: the solution changes too fast"


class Start:
    """In the place of a compiled program: what the values and slopes at the start are. It cannot solve."""

    def __init__(self, y: float, *slopes: float) -> None:
        self.options = SimpleNamespace()
        self._y, self._slopes = y, itertools.cycle(slopes)

    def y0(self, q: Any) -> Any:
        return np.array([self._y])

    def rhs(self, q: Any, t: float, y: Any) -> Any:
        return np.array([next(self._slopes)])

    def refuse(self, *_: Any) -> Any:
        raise RuntimeError("reached the solver")

    solve = solve_dense = solve_fwd_sens = refuse


STARTS: dict[str, tuple[list[float], float, tuple[float, ...], str]] = {
    "sound": ([1], 1, (-1,), "reached the solver"),
    "parameter": ([math.nan], 1, (-1,), "the parameter k is not a finite number"),
    "infinite parameter": ([math.inf], 1, (-1,), "the parameter k is not a finite number"),
    "initial value": ([1], math.nan, (-1,), "initial values are not finite"),
    "slope": ([1], 1, (math.nan,), "dy/dt is not a finite number at the start"),
    "infinite slope": ([1], 1, (math.inf,), "dy/dt is not a finite number at the start"),
    "steep": ([1], 1, (1e200,), "explodes right at the start"),
    "steep after the trial step": ([1], 1, (1, 1e200), "explodes right at the start"),
}


@pytest.mark.parametrize("sensitivities", [False, True])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("case", STARTS)
def test_nothing_reaches_the_solver_from_an_impossible_start(
    case: str, method: str, sensitivities: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From some starting values diffsol never returns; a stand-in that cannot solve shows that it is not asked."""
    p, y, slopes, sentence = STARTS[case]
    monkeypatch.setattr("odefit.engines.diffsol.program.ode_of", lambda *_: Start(y, *slopes))
    # Programs are kept for a process's life: this one is no other test's.
    state = f"{case} {method} {sensitivities}"
    system = make({state: "-k"}, {state: 1}, "k")
    found = engine(system, method).solve(np.array([p]), [measured([0, 1])], sensitivities)[0]
    assert sentence in str(found.failure)
    assert np.isnan(found.y).all()


def test_a_tolerance_that_cannot_be_met_gives_a_solution_or_a_sentence() -> None:
    for method in ("tsit45", "bdf"):
        found = one(engine(OSCILLATOR, method, 1e-14), (2.0, 1.5), TIMES)
        if found.failure is None:
            np.testing.assert_allclose(found.y, oscillator(TIMES, 2.0, 1.5)[0], atol=1e-11)
        else:
            assert np.isnan(found.y).all()


def test_a_bad_point_leaves_a_non_stiff_fit_as_it_was() -> None:
    system = make({"x": "p*x**2 - q*x"}, {"x": 1}, "p q")
    solver = engine(system)
    assert one(solver, (5.0, 1.0), [0.0, 1.0, 2.0]).failure is not None
    assert one(solver, (0.5, 1.0), [0.0, 1.0, 2.0]).failure is None
    assert solver.method_in_use == "tsit45"
    assert solver.notes == []


def test_a_stiff_point_on_the_way_is_left_again() -> None:
    solver = engine(DECAY)
    one(solver, (1e7, 1.0), [0.0, 1.0])
    assert solver.method_in_use == "bdf"
    for _ in range(70):
        solver.solve(np.array([[1.0, 1.0]]), [measured([0.0, 1.0])])
    assert solver.method_in_use == "tsit45"
    assert len(solver.notes) == 1


@pytest.mark.parametrize("method", ["bdf", "tr_bdf2"])
def test_more_failures_of_newton_than_diffsol_allows_in_one_run(method: str) -> None:
    """Many periods of a relaxation oscillation: solved in segments, with the derivatives by the chain rule."""
    system = make({"x": "v", "v": "mu*(1 - x**2)*v - x"}, {"x": 2, "v": 0}, "mu")
    times = np.linspace(0, 200, 21)
    found = one(engine(system, method, 1e-6), (50.0,), times)
    exact = one(engine(system, "bdf", 1e-9), (50.0,), times)
    assert found.failure is None
    calm = np.abs(exact.y[:, 1]) < 0.1
    np.testing.assert_allclose(found.y[calm], exact.y[calm], rtol=2e-2, atol=2e-3)


def test_pieces_agree_with_the_whole() -> None:
    p = np.array([1.5, 1.0, 1.0, 3.0, 2.5, 2.5])
    times = np.linspace(0, 5, 11)
    whole = one(engine(LOTKA, "bdf", 1e-8), p, times)
    request = Request("bdf", 0.0, times, 1e-8, 1e-10, True)
    stopped = Solution(failure=Failure(FailureReason.IMPLICIT_EQUATIONS, 3.0), ended=3.0, exhausted=True)
    parts = solve_in_pieces(compiled(LOTKA), compiled(LOTKA, free_start=True), p, request, np.arange(6), stopped)
    assert parts.y is not None
    assert parts.dy is not None
    np.testing.assert_allclose(parts.y, whole.y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(parts.dy, whole.dy, rtol=1e-4, atol=1e-4)


def test_many_experiments_in_one_call() -> None:
    n = 300
    rng = np.random.default_rng(3)
    p = rng.uniform(0.5, 2.0, (n, 2))
    experiments = [measured(np.sort(rng.uniform(0, 3, 100)) + i, start=float(i)) for i in range(n)]
    for row, e, found in zip(p, experiments, engine(DECAY).solve(p, experiments), strict=True):
        np.testing.assert_allclose(found.y[:, 0], row[1] * np.exp(-row[0] * (e.times - e.start)), rtol=1e-4)


def test_the_wrong_shape_or_method_or_name_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        engine(DECAY).solve(np.ones((1, 3)), [measured([1.0])])
    with pytest.raises(ValueError, match="no method 'rk4'"):
        engine(DECAY, "rk4")
    with pytest.raises(ValueError, match="not parameters"):
        DiffsolEngine(DECAY, SolverOptions(), ("z",))


def test_what_cannot_be_compiled_is_refused_when_the_engine_is_made() -> None:
    with pytest.raises(ModelError, match="no function 'floor'"):
        engine(make({"x": "floor(x)"}, {"x": 1}, ""))


def test_moving_jumps_are_noted() -> None:
    system = make({"x": "Piecewise((1, t < p), (0, True))"}, {"x": 0}, "p")
    assert "smooth switch" in engine(system).notes[0]


def test_an_engine_can_be_sent_to_another_process() -> None:
    solver = engine(DECAY)
    before = one(solver, (0.7, 3.0), TIMES)
    sent = pickle.loads(pickle.dumps(solver))  # noqa: S301
    after = one(sent, (0.7, 3.0), TIMES)
    np.testing.assert_array_equal(before.dy, after.dy)


def test_a_program_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one(engine(DECAY), (0.7, 3.0), TIMES)
    monkeypatch.setattr("pydiffsol.Ode", None)
    same = System(DECAY.name, DECAY.states, DECAY.parameters, dict(DECAY.equations), dict(DECAY.initial), {})
    assert one(engine(same), (0.7, 3.0), TIMES).failure is None


def test_available_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available() == (True, "")
    monkeypatch.setattr("pydiffsol.is_sens_available", lambda: False)
    usable, why = available()
    assert not usable
    assert "no sensitivities" in why
    monkeypatch.setitem(sys.modules, "pydiffsol", None)
    usable, why = available()
    assert not usable
    assert "cannot be imported" in why


@pytest.mark.torch
def test_solve_batch_is_differentiable() -> None:
    import torch

    solver = DiffsolEngine(DECAY, SolverOptions(), ("k",))
    experiments = (measured([0.0, 1.0, 2.0]), measured([3.0], start=1.0, name="short"))
    batch: Any = SimpleNamespace(experiments=experiments)
    p = torch.tensor([[0.7, 3.0], [0.5, 2.0]], dtype=torch.float64, requires_grad=True)
    y = solver.solve_batch(p, batch)
    k, a = p.detach().numpy().T
    expected = [a[0] * np.exp(-k[0] * np.arange(3)), np.full(3, a[1] * np.exp(-2 * k[1]))]
    np.testing.assert_allclose(y.detach().numpy()[:, :, 0], expected, rtol=1e-5)
    weights = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [0.0], [0.0]]], dtype=torch.float64)
    (y * weights).sum().backward()
    assert p.grad is not None
    slope = [-np.sum(np.array([1, 2, 3]) * np.arange(3) * expected[0]), -4 * 2 * expected[1][0]]
    np.testing.assert_allclose(p.grad[:, 0], slope, rtol=1e-4)
    assert p.grad[:, 1].tolist() == [0.0, 0.0]
    constant = solver.solve_batch(p.detach().float(), batch)
    assert constant.dtype == torch.float32
    assert not constant.requires_grad


@pytest.mark.torch
def test_solve_batch_names_the_experiment_that_failed() -> None:
    import torch

    solver = engine(make({"x": "p*x**2"}, {"x": 1}, "p"))
    batch: Any = SimpleNamespace(experiments=(measured([0.1], name="fine"), measured([5.0], name="wild")))
    with pytest.raises(SolveError, match=r"experiment 'wild': the solution blows up .* at t = 0\.99"):
        solver.solve_batch(torch.ones((2, 1), dtype=torch.float64), batch)


def test_neither_torch_nor_pandas_is_imported_for_arrays() -> None:
    script = (
        "import sys, numpy as np, test_diffsol_engine as t; t.one(t.engine(t.DECAY), (0.7, 3.0), [0.0, 1.0]); "
        "print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    assert in_new_python("-c", script) == (0, "[]\n", "")


def test_sensitivities_may_have_a_tolerance_of_their_own() -> None:
    """y' = -k y: dy/dk = -t y; a looser tolerance for it leaves y as it was and makes dy worse."""
    k, y = symbol("k"), symbol("y")
    system = System("decay", ("y",), ("k",), {"y": -k * y}, {"y": sp.Integer(1)}, {"y": y})
    times = np.linspace(0.0, 5.0, 20)
    experiment = Experiment("1", times, np.full((20, 1), np.nan), 0.0)
    errors = []
    for loose in (1e-10, 1e-3):
        options = SolverOptions(method="bdf", rtol=1e-10, atol=1e-12, sensitivity_rtol=loose, sensitivity_atol=loose)
        found = DiffsolEngine(system, options, ("k",)).solve(np.array([[0.8]]), [experiment], sensitivities=True)[0]
        assert found.dy is not None
        np.testing.assert_allclose(found.y[:, 0], np.exp(-0.8 * times), rtol=1e-6)
        errors.append(float(np.abs(found.dy[:, 0, 0] + times * np.exp(-0.8 * times)).max()))
    assert errors[0] < 1e-6
    assert errors[1] > 2 * errors[0]
