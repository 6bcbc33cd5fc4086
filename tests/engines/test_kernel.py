"""The kernel: known answers, rates, derivatives two ways, formulas one by one, and every way in which it may fail."""

from __future__ import annotations

import ctypes
import pickle
import random
import re
import sys
import threading
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from test_diffsl import POINTS, a_system, random_rates, slopes
from test_diffsol_engine import (
    CLOSED,
    DECAY,
    FAILURES,
    FORCED,
    LORENZ,
    LOTKA,
    OSCILLATOR,
    REFERENCES,
    ROBERTSON,
    TIMES,
    make,
    measured,
)

from odefit.compilation.machine_code import code_of
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions, offsets_of, times_fault, times_faults
from odefit.engines.choice import make_engine
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.engines.failure import FailureReason
from odefit.engines.kernel import machine, program
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.engines.kernel.members import solve_members
from odefit.engines.kernel.model_ir import columns_of, model_text, stiff_text
from odefit.engines.kernel.stepping import TOO_MANY_STEPS, padded
from odefit.engines.methods import methods_of
from odefit.errors import ConfigError, ModelError
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.system import System

pytest.importorskip("llvmlite")

K, M = 0.7, 2.5
METHODS = methods_of("kernel")


def kernel(system: System, method: str = "tsit5", rtol: float = 1e-6, atol: float | None = None) -> KernelEngine:
    options = SolverOptions(method=method, rtol=rtol, atol=rtol * 1e-2 if atol is None else atol)
    return KernelEngine(system, options, system.parameters)


def one(engine: KernelEngine, p: Any, times: Any, start: float = 0.0) -> Any:
    return engine.solve(np.array([p], dtype=float), [measured(times, start)], sensitivities=True)[0]


# formulas


def evaluated(system: System, sensitive: tuple[str, ...]) -> Any:
    """z, its rates [S, C] as machine code computes them, of (t, z, p)."""
    text = model_text(system, sensitive)
    code = code_of(text.text)
    call = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 3)(code.address("full"))

    def rates(t: float, z: Any, p: Any) -> Any:
        wide = np.zeros((len(z), text.columns))
        wide[:, : z.shape[1]] = z
        p, out = np.array(p, dtype=float), np.zeros_like(wide)
        call(t, wide.ctypes.data, p.ctypes.data, out.ctypes.data)
        assert code is not None  # it holds the memory
        return out

    return rates


@pytest.mark.parametrize("text", POINTS)
def test_every_function_and_its_derivative(text: str) -> None:
    rate = parse_formula(text, ("x", "y", "k", "m"))
    rates = evaluated(a_system(rate, parse_formula("0", ())), ("k", "m"))
    exact = slopes([rate])
    for x in map(float, POINTS[text]):
        f, dx, _, dk, dm = (float(v) for v in exact(x, 1.3, K, M, 0.4))
        got = rates(0.4, np.array([[x, 1.0, 0.0], [1.3, 0.0, 0.0]]), [K, M])[0]
        np.testing.assert_allclose(got[:3], [f, dx + dk, dm], rtol=1e-12, atol=1e-15, err_msg=f"x = {x}")


def test_random_formulas_at_random_points() -> None:
    rng = random.Random(1)
    for _ in range(10):
        rates = random_rates(rng)
        compiled = evaluated(a_system(*rates), ("k", "m"))
        exact = slopes(rates)
        for _ in range(6):
            x, y, k, m, t = (rng.uniform(-2, 3) for _ in range(5))
            wanted = np.array([float(v) for v in exact(x, y, k, m, t)])
            f, table = wanted[:2], wanted[2:].reshape(2, 4)
            got = compiled(t, np.array([[x, 1.0, 0.0], [y, 0.0, 1.0]]), [k, m])
            for i in (0, 1):
                if not np.isfinite(f[i]):
                    assert not np.isfinite(got[i, 0]), rates
                elif np.isfinite(table[i]).all() and np.abs(wanted).max() < 1e8:
                    expected = [f[i], table[i, 0] + table[i, 2], table[i, 1] + table[i, 3]]
                    size = 1 + np.abs(table[i]).max()
                    np.testing.assert_allclose(got[i, :3], expected, rtol=1e-9, atol=1e-9 * size, err_msg=str(rates))


@pytest.mark.parametrize("sensitivities", [0, 1, 2, 3, 4, 7, 20])
def test_any_number_of_sensitivities(sensitivities: int) -> None:
    """Rows of one vector, of several, and of a loop."""
    names = [f"k{j}" for j in range(max(sensitivities, 1))]
    text = " + ".join(f"{name}*cos({j}*t)" for j, name in enumerate(names))
    system = make({"x": f"y - x*({text})", "y": "-k0*y"}, {"x": "k0", "y": 1}, " ".join(names))
    p = np.linspace(0.2, 0.5, len(names))
    wanted = tuple(names[:sensitivities])
    found = KernelEngine(system, SolverOptions("tsit5", 1e-9, 1e-11), wanted).solve(
        p[None], [measured([0.3, 2.0])], sensitivities=True
    )[0]
    assert found.dy is not None
    assert found.dy.shape == (2, 2, sensitivities)
    plain = kernel(system, "tsit5", 1e-12)
    for j in range(sensitivities):
        step = np.zeros(len(p))
        step[j] = 1e-5
        ends = [plain.solve((p + sign * step)[None], [measured([0.3, 2.0])])[0].y for sign in (1, -1)]
        np.testing.assert_allclose(found.dy[:, :, j], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-7)


def test_long_systems_are_cut_into_functions() -> None:
    n = 40
    rates = {
        f"x{i}": f"-k*x{i} + " + " + ".join(f"sin({j + 1}*x{(i + j) % n})*k/{j + 2}" for j in range(10))
        for i in range(n)
    }
    system = make(rates, dict.fromkeys(rates, 0.1), "k")
    text = model_text(system, ("k",))
    assert "@full_1(" in text.text
    found = one(kernel(system, "tsit5", 1e-8), [0.3], [1.0])
    function = numpy_function(list(system.rhs), (*system.states, "t", "k"))
    reference = solve_ivp(
        lambda t, y: np.array(function(*y, t, 0.3)),
        *((0, 1), np.full(n, 0.1), "DOP853"),
        rtol=1e-10,
        atol=1e-12,
    )
    np.testing.assert_allclose(found.y[0], reference.y[:, -1], rtol=1e-7)


def test_a_network_is_refused() -> None:
    from odefit.model.system import Network, NetworkCall, symbol

    system = System(
        *("test", ("x",), ("k",), {"x": NetworkCall(symbol("net"), 0, symbol("x"))}, {"x": symbol("k")}, {}),
        networks={"net": Network("net", 1, 1)},
    )
    with pytest.raises(ModelError, match="cannot call the network"):
        KernelEngine(system, SolverOptions("tsit5"))


# solutions


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("system, solution, p", CLOSED, ids=[c[1].__name__ for c in CLOSED])
def test_closed_forms_with_all_derivatives(system: System, solution: Any, p: Any, method: str) -> None:
    y, dy = solution(TIMES, *p)
    found = one(kernel(system, method), p, TIMES)
    assert found.failure is None
    assert np.max(np.abs(found.y - y)) < 3e-6 * np.max(np.abs(y))
    assert np.max(np.abs(found.dy - dy)) < 3e-6 * np.max(np.abs(dy))


@pytest.mark.parametrize("method", METHODS)
def test_the_error_falls_with_the_tolerance(method: str) -> None:
    tolerances = np.array([1e-4, 1e-6, 1e-8, 1e-10])
    _, solution, p = CLOSED[2]
    y, dy = solution(TIMES, *p)
    errors = []
    for rtol in tolerances:
        found = one(kernel(OSCILLATOR, method, rtol), p, TIMES)
        errors.append([np.max(np.abs(found.y - y)), np.max(np.abs(found.dy - dy))])
    rates = np.diff(np.log(errors), axis=0) / np.diff(np.log(tolerances))[:, None]
    assert np.all(rates > 0.75), rates  # order 5, controlled by an estimate of order 4: 1


@pytest.mark.parametrize(
    "system, p, end",
    [(LOTKA, (1.5, 1.0, 1.0, 3.0, 2.5, 2.5), 10.0), (LORENZ, (10.0, 28.0, 8 / 3, 0.1), 2.5)],
    ids=["lotka", "lorenz"],
)
@pytest.mark.parametrize("method", METHODS)
def test_scipy_and_diffsol_agree(system: System, p: Any, end: float, method: str) -> None:
    times = np.linspace(0, end, 40)
    rates = numpy_function(list(system.rhs), (*system.states, "t", *system.parameters))
    start = np.array(numpy_function(list(system.start), system.parameters)(*p), dtype=float)
    reference = solve_ivp(
        lambda t, y: np.array(rates(*y, t, *p)), (0, end), start, "DOP853", times, rtol=1e-12, atol=1e-13
    )
    found = one(kernel(system, method, 1e-9), p, times)
    np.testing.assert_allclose(found.y, reference.y.T, rtol=1e-6, atol=1e-6)
    options = SolverOptions("tsit45", 1e-10, 1e-12)
    other = DiffsolEngine(system, options, system.parameters).solve(np.array([p]), [measured(times)], True)[0]
    size = np.abs(other.dy).max(axis=(0, 1)) if other.dy is not None else np.nan
    assert np.max(np.abs(found.dy - other.dy) / size) < 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", [5.0, -3.0, -20.0])
def test_any_start_time_with_the_time_in_the_formula(start: float, method: str) -> None:
    t = start + np.array([0.0, 0.5, 4.0])
    found = one(kernel(make({"x": "k*t**2"}, {"x": "a"}, "k a"), method), (2.0, 1.0), t, start)
    cubes = (t**3 - start**3) / 3
    np.testing.assert_allclose(found.y[:, 0], 1 + 2 * cubes, rtol=1e-5)
    np.testing.assert_allclose(found.dy[:, 0], np.stack([cubes, np.ones(3)], -1), rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "start, span, k", [(0.0, 1e-9, 1e9), (0.0, 1e11, 1e-11), (1.7e9, 1e-3, 1e3), (-1e6, 10.0, 0.2), (0.0, 1e-200, 1.0)]
)
def test_spans_and_starts_of_any_size(start: float, span: float, k: float, method: str) -> None:
    times = start + np.linspace(0, span, 5)
    found = one(kernel(DECAY, method), (k, 3.0), times, start)
    np.testing.assert_allclose(found.y[:, 0], 3 * np.exp(-k * (times - start)), rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_equations_are_never_evaluated_beyond_the_end(method: str) -> None:
    system = make({"x": "k*sqrt(2 - t)"}, {"x": 0}, "k")
    found = one(kernel(system, method), [1.0], [1.0, 2.0])
    assert found.failure is None
    np.testing.assert_allclose(found.y[:, 0], [2 / 3 * (2**1.5 - 1), 2 / 3 * 2**1.5], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_times_that_are_the_start_or_one_alone_or_repeated(method: str) -> None:
    engine = kernel(DECAY, method)
    here = one(engine, (0.7, 3.0), [2.0, 2.0], start=2.0)
    assert here.y.tolist() == [[3.0], [3.0]]
    assert here.dy.tolist() == [[[0.0, 1.0]]] * 2
    alone = one(engine, (0.7, 3.0), [3.0, 3.0], start=2.0)
    np.testing.assert_allclose(alone.y[:, 0], [3 * np.exp(-0.7)] * 2, rtol=1e-5)
    assert one(engine, (0.7, 3.0), [], start=2.0).y.shape == (0, 1)
    none = KernelEngine(LOTKA, SolverOptions("tsit5"), ())
    assert one(none, (1.5, 1.0, 1.0, 3.0, 2.5, 2.5), [1.0, 2.0]).dy.shape == (2, 2, 0)


@pytest.mark.parametrize("method", METHODS)
def test_large_parameters_are_as_exact_as_small_ones(method: str) -> None:
    for k in (1e-6, 0.7, 3e7):
        times = np.linspace(0, 2 / k, 5)
        found = one(kernel(DECAY, method), (k, 40 * k), times)
        x = 40 * k * np.exp(-k * times)
        dy = np.stack([-times * x, x / (40 * k)], -1)
        assert np.max(np.abs(found.dy[:, 0] - dy) / np.max(np.abs(dy), axis=0)) < 2e-5


def test_states_have_their_own_tolerances() -> None:
    system = make({"x": "-k*x", "y": "-k*y"}, {"x": 1, "y": "1/10**12"}, "k")
    times = np.linspace(0, 5, 6)
    engine = KernelEngine(system, SolverOptions("tsit5", 1e-6, (1e-8, 1e-20)), ("k",))
    found = engine.solve(np.array([[0.7]]), [measured(times)], True)[0]
    np.testing.assert_allclose(found.y[:, 1] * 1e12, np.exp(-0.7 * times), rtol=1e-5)


def test_sensitivities_of_stiff_equations_with_the_time_in_them() -> None:
    """x follows sin(w t) at the rate k: by both methods, tightly, and by differences."""
    system = make({"x": "-k*(x - sin(w*t)) + y*x**2", "y": "-y*x"}, {"x": "a", "y": 1}, "k w a")
    p, times = np.array([2e3, 1.3, 0.4]), np.array([1e-4, 0.01, 1.0, 3.0])
    found = one(kernel(system, "rodas5p", 1e-8, 1e-10), p, times)
    tight = kernel(system, "tsit5", 1e-11, 1e-13)
    explicit = one(tight, p, times)
    scale = p * np.abs(explicit.dy).max(axis=0) / p
    np.testing.assert_allclose(found.y, explicit.y, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.dy / scale, explicit.dy / scale, atol=1e-6)
    for j in range(3):
        step = np.zeros(3)
        step[j] = 1e-4 * p[j]
        ends = [tight.solve((p + sign * step)[None], [measured(times)])[0].y for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step[j])
        np.testing.assert_allclose(found.dy[:, :, j], slope, rtol=1e-4, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("system, p, end, reference", REFERENCES, ids=["robertson", "hires", "vdp", "oregonator"])
@pytest.mark.parametrize("method", ["auto", "rodas5p"])
def test_stiff_reference_end_values(system: System, p: Any, end: float, reference: Any, method: str) -> None:
    engine = kernel(system, method, 1e-8, 1e-14 if system is ROBERTSON else 1e-12)
    found = one(engine, p, [end])
    np.testing.assert_allclose(found.y[0], reference, rtol=1e-6)
    assert engine.method_in_use == "rodas5p"
    notes = ["For some parameter values the equations are stiff: tsit5 crawls or fails, so rodas5p is used there."]
    assert engine.notes == (notes if method == "auto" else [])
    tight = kernel(system, "rodas5p", 1e-10, 1e-16)
    size = np.abs(tight.solve(np.array([p]), [measured([end / 3])], True)[0].dy).max(axis=0)
    exact = one(tight, p, [end / 3]).dy
    assert np.abs(one(engine, p, [end / 3]).dy - exact).max() < 1e-3 * size.max()


def test_each_member_has_the_method_that_it_needs() -> None:
    """A stiff member among others changes nothing for these."""
    times = [measured(np.linspace(0, 10, 5))]
    engine = kernel(ROBERTSON, "auto", 1e-7, 1e-12)
    p = np.array([[0.04, 3.0, 1.0], [0.04, 3e7, 1e4], [0.1, 2.0, 1.5]])
    both = engine.solve(p, times, True, np.zeros(3, dtype=int))
    explicit, stiff = (kernel(ROBERTSON, name, 1e-7, 1e-12) for name in ("tsit5", "rodas5p"))
    for m, alone in enumerate((explicit, stiff, explicit)):
        np.testing.assert_array_equal(both[m].dy, one(alone, p[m], times[0].times).dy)


def test_large_stiff_systems_are_diffsols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_DENSE", 2)
    engine, p, times = kernel(ROBERTSON, "auto"), (0.04, 3e7, 1e4), [0.1, 40.0]
    found = one(engine, p, times)
    other = DiffsolEngine(ROBERTSON, SolverOptions("bdf", 1e-6, 1e-8), ROBERTSON.parameters)
    expected = other.solve(np.array([p]), [measured(times)], True)[0]
    np.testing.assert_array_equal(found.dy, expected.dy)
    assert engine.method_in_use == "bdf"
    copy = kernel(ROBERTSON, "auto")
    copy.restore(engine.state())
    sent = pickle.loads(pickle.dumps(engine))  # noqa: S301
    assert copy.method_in_use == sent.method_in_use == "bdf"
    np.testing.assert_array_equal(one(copy, p, times).dy, found.dy)
    np.testing.assert_array_equal(one(sent, p, times).dy, found.dy)


# many members


def many() -> tuple[np.ndarray, list[Experiment], np.ndarray]:
    rng = np.random.default_rng(3)
    experiments = [measured(np.sort(rng.uniform(0, 5, n)), name=f"e{n}") for n in (3, 1, 7, 12, 0, 4)]
    members = rng.integers(0, len(experiments), 40)
    p = np.array([1.5, 1.0, 1.0, 3.0, 2.5, 2.5]) * rng.uniform(0.7, 1.4, (40, 6))
    p[7, 2] = np.nan
    p[11, 4] = 1e300  # explodes
    return p, experiments, members


def test_results_do_not_depend_on_how_members_are_grouped() -> None:
    p, experiments, members = many()
    engine = kernel(LOTKA)
    whole = engine.solve(p, experiments, True, members)
    assert [m for m, failure in enumerate(whole.failures) if failure is not None and members[m] != 4] == [7, 11]
    for m in range(len(members)):
        alone = engine.solve(p[m : m + 1], experiments, True, members[m : m + 1])[0]
        assert alone.failure == whole[m].failure
        np.testing.assert_array_equal(alone.y, whole[m].y)
        np.testing.assert_array_equal(alone.dy, whole[m].dy)
    order = np.random.default_rng(0).permutation(len(members))
    mixed = engine.solve(p[order], experiments, True, members[order])
    for k, m in enumerate(order.tolist()):
        np.testing.assert_array_equal(mixed[k].dy, whole[m].dy)


def test_members_may_be_a_view_of_a_longer_array() -> None:
    p, experiments, members = many()
    engine = kernel(LOTKA)
    found = engine.solve(p[::2], experiments, True, members[::2])
    expected = engine.solve(p[::2], experiments, True, members[::2].copy())
    np.testing.assert_array_equal(found.y, expected.y)
    np.testing.assert_array_equal(found.dy, expected.dy)


def test_what_is_too_large_for_the_stiff_method_is_refused_before_the_first_solution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = make({"x": "-k*x*(1 + x)*(2 + x)*(3 + x)", "y": "c*x - k*y*(7 + y)"}, {"x": "1", "y": "2"}, "k c")
    monkeypatch.setattr(program, "MAX_SIZE", model_text(system, system.parameters).size)
    assert not program.KernelProgram(system, system.parameters).can_be_stiff
    with pytest.raises(ModelError, match="too many to compile"):
        kernel(system, "rodas5p")


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"p has shape \(1, 3\), not \(2, 2\)"):
        kernel(DECAY).solve(np.ones((1, 3)), [measured([1.0])] * 2)


def test_another_thread_runs_meanwhile() -> None:
    """It is another thread that ends a call: it sees its steps, and takes back the steps that it may do."""
    code = code_of(model_text(OSCILLATOR, ()).text)
    entry = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 20)
    call = entry(machine.stepper("solve_members").address("solve_members"))
    many = 200_000_000
    sizes, tolerances = np.array([2, 2, 1, 0, many, 0, 0, 0]), np.array([1e-6, 1e-6, *[1e-8] * 4])
    none, zero, times, p = np.zeros(1), np.zeros(1, np.int64), np.array([1e12]), np.array([1.0, 1.0])
    work, y, reached = np.empty(14 * 8), np.empty(2), np.zeros(1)
    status, steps = np.zeros(1, np.int64), np.zeros(1, np.int64)

    def end_it() -> None:
        while steps[0] < 10:
            pass
        sizes[4] = 0

    thread = threading.Thread(target=end_it)
    thread.start()
    heads = (sizes, tolerances, zero, none)
    rest = (p, zero, none, np.array([0, 1]), times, zero, work, y, y, status, reached, steps)
    initial, rates = code.address("initial"), code.address("rates")
    call(1, *(a.ctypes.data for a in heads), initial, rates, 0, 0, *(a.ctypes.data for a in rest))
    thread.join()
    assert status[0] == TOO_MANY_STEPS
    assert 10 <= steps[0] < many


# the stepper as Python


def called(system: System, name: str, slopes: int) -> Any:
    """A function of the stiff text, of arrays that are as long as it likes."""
    text = stiff_text(system, system.parameters[:slopes]).text
    code = code_of(text)
    pointers = 4 if name == "curve" else 3
    full = "_full" if slopes else ""
    call = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * pointers)(code.address(name + full))

    def function(t: float, *arrays: Any) -> None:
        assert code is not None
        call(t, *(array.ctypes.data for array in arrays))

    return function


@pytest.mark.parametrize("sensitivities", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_same_text_runs_as_python(method: str, sensitivities: bool) -> None:
    """The stepper without machine code, on the same rates, does the same to the last digits."""
    p = np.array([[1.5, 1.0, 1.0, 3.0, 2.5, 2.5]])
    system, experiment = LOTKA, measured([0.0, 0.4, 0.4, 1.3])
    slopes = len(system.parameters) if sensitivities else 0
    wide, states = columns_of(slopes), len(system.states)
    full = evaluated(system, system.parameters[:slopes])

    def rates(t: float, z: Any, p: Any, out: Any) -> None:
        n = states * wide
        out[:n] = full(t, z[:n].reshape(states, wide), p).reshape(-1)

    def initial(p: Any, z: Any) -> None:
        for i in range(states):
            z[i * wide] = p[4 + i]
            if sensitivities:
                z[i * wide + 1 + 4 + i] = 1.0

    y, dy = np.zeros(4 * states), np.zeros(4 * states * max(slopes, 1))
    status, steps, reached = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1)
    tolerances = np.array([1e-6, 1e-6, *[1e-8] * 4])
    integers = np.array([6, states, wide, slopes, 1000, 0, int(method == "rodas5p"), 0, 0, 0])
    work = np.empty(16 * padded(states * wide) + 20)
    functions = (initial, rates, called(system, "matrix", slopes), called(system, "curve", slopes))
    solve_members(
        *(1, integers, tolerances, np.arange(slopes), np.ones(slopes), *functions, p.ravel(), np.zeros(1, int)),
        *(np.zeros(1), np.array([0, 4]), experiment.times, np.zeros(1, int), work, y, dy, status, reached, steps),
    )
    engine = KernelEngine(system, SolverOptions(method), system.parameters)
    found = engine.solve(p, [experiment], sensitivities)[0]
    assert status[0] == 0
    assert reached[0] == 1.3
    np.testing.assert_allclose(y.reshape(4, states), found.y, rtol=1e-10)
    if sensitivities:
        np.testing.assert_allclose(dy.reshape(4, states, slopes), found.dy, rtol=1e-9, atol=1e-12)
    else:
        assert steps[0] == engine.count_steps(p, [experiment])


# failures


@pytest.mark.parametrize("sensitivities", [False, True])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("case", FAILURES)
def test_every_failure_on_the_way_is_a_sentence(case: str, method: str, sensitivities: bool) -> None:
    system, p, times, sentence = FAILURES[case]
    engine = kernel(system, method)
    found = engine.solve(np.array([p], dtype=float), [measured(times)], sensitivities)[0]
    assert found.failure is not None
    if case == "overflow":
        sentence = "finite at t = (69|7)"  # x = exp(t), its slope t exp(t)
    assert re.search(sentence, str(found.failure)), str(found.failure)
    assert np.isnan(found.y).all()
    assert found.dy is None or np.isnan(found.dy).all()
    assert engine.notes == []


STARTS: dict[str, tuple[System, list[float], FailureReason]] = {
    "parameter": (DECAY, [np.nan, 1], FailureReason.PARAMETER_NOT_FINITE),
    "infinite parameter": (DECAY, [1, -np.inf], FailureReason.PARAMETER_NOT_FINITE),
    "initial value": (make({"x": "-x"}, {"x": "log(k)"}, "k"), [-1], FailureReason.INITIAL_NOT_FINITE),
    "initial slope": (
        make({"x": "-x"}, {"x": "exp(709*k)"}, "k"),
        [1],
        FailureReason.INITIAL_SENSITIVITIES_NOT_FINITE,
    ),
    "rate": (make({"x": "log(k - 2)"}, {"x": 1}, "k"), [1], FailureReason.RATE_NOT_FINITE),
    "slope of the rate": (make({"x": "exp(709*k)"}, {"x": 1}, "k"), [1], FailureReason.SENSITIVITIES_NOT_FINITE),
    "steep": (make({"x": "k*x"}, {"x": 1}, "k"), [1e200], FailureReason.EXPLODES),
}


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("case", STARTS)
def test_impossible_starts(case: str, method: str) -> None:
    system, p, reason = STARTS[case]
    failure = one(kernel(system, method), p, [0.5, 1.0]).failure
    assert failure is not None
    assert failure.reason is reason


def test_sensitivities_that_would_crawl_beside_a_state_at_rest() -> None:
    p = np.array([[2 * np.pi * 1e6, 0.0]])
    engine = kernel(OSCILLATOR)
    assert engine.solve(p, [measured([1.0])])[0].failure is None
    failure = engine.solve(p, [measured([1.0])], sensitivities=True)[0].failure
    assert failure is not None
    assert failure.reason is FailureReason.TOO_MANY_STEPS
    assert str(failure).startswith("tsit5 would take more than 100,000 steps: the solution changes too fast")


# the protocol


def test_a_copy_a_state_and_another_process() -> None:
    engine = kernel(LOTKA, "auto")
    p = (1.5, 1.0, 1.0, 3.0, 2.5, 2.5)
    before = one(engine, p, TIMES)
    others = [engine.reset_copy(), pickle.loads(pickle.dumps(engine)), kernel(LOTKA, "auto")]  # noqa: S301
    others[2].restore(engine.state())
    for other in others:
        np.testing.assert_array_equal(one(other, p, TIMES).dy, before.dy)
    assert engine.is_compiled
    assert engine.method_in_use == "tsit5"
    assert 20 < (engine.count_steps(np.array([p]), [measured(TIMES)]) or 0) < 50
    assert engine.count_steps(np.array([[np.nan, *p[1:]]]), [measured(TIMES)]) is None


def test_gradients_in_torch_are_the_sensitivities() -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import collate

    engine = kernel(FORCED, rtol=1e-9)
    p = torch.tensor([[2.0, -1.0]], dtype=torch.float64, requires_grad=True)
    batch = collate([(0, measured([0.5, 1.5]))], dtype=torch.float64)
    engine.solve_batch(p, batch)[0, 1, 0].backward()
    t = 1.5
    np.testing.assert_allclose(p.grad[0], [t - 1 + np.exp(-t), np.exp(-t)], rtol=1e-7)


def test_without_llvmlite_diffsol_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    engine = make_engine(DECAY, SolverOptions(), ("k",))
    assert isinstance(engine, DiffsolEngine)
    assert engine.notes == []
    found = engine.solve(np.array([[0.7, 3.0]]), [measured([1.0])], True)[0]
    np.testing.assert_allclose(found.y[0, 0], 3 * np.exp(-0.7), rtol=1e-5)


def test_where_llvm_does_not_work_diffsol_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError(f"no such target for {name}")

    monkeypatch.setattr(machine, "stepper", broken)
    assert machine.available() == (False, "llvmlite does not work on this machine (no such target for solve_members)")
    assert isinstance(make_engine(DECAY, SolverOptions(), ("k",)), DiffsolEngine)


def test_without_llvmlite_the_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert not machine.available()[0]
    with pytest.raises(ConfigError, match="llvmlite cannot be imported"):
        make_engine(DECAY, SolverOptions("tsit5"))


def test_a_way_has_the_times_asked_for_and_the_ends_of_its_steps() -> None:
    found, p = program.program_of(OSCILLATOR, ("w",)), np.array([1.5, 0.3])
    times = np.array([0.0, 0.7, 0.7, 4.0, 9.0])
    whole, t, y = found.steps(p, times, 1e-8, np.full(2, 1e-10), 500)
    assert whole
    assert len(t) > len(times) + 20
    assert (np.diff(t) >= 0).all()
    assert np.isin(times, t).all()
    np.testing.assert_allclose(y[:, 0], 0.3 * np.cos(1.5 * t), atol=1e-7)
    np.testing.assert_allclose(y[:, 1], -0.45 * np.sin(1.5 * t), atol=1e-7)
    whole, t, y = found.steps(p, times, 1e-8, np.full(2, 1e-10), 7)
    assert not whole
    assert len(t) == 8
    assert 0 < t[-1] < 9
    np.testing.assert_allclose(y[:, 0], 0.3 * np.cos(1.5 * t), atol=1e-7)


def test_a_way_that_cannot_begin_is_not_whole() -> None:
    whole, t, _ = program.program_of(DECAY, ()).steps(
        np.array([1.0, np.nan]), np.array([0.0, 1.0]), 1e-6, np.array([1e-8]), 50
    )
    assert not whole
    assert t.tolist() == [0.0]


def test_faults_of_many_experiments_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        lengths = rng.integers(0, 4, 5)
        times = [np.sort(rng.choice([0.0, 1.0, 1.0, 2.0, 3.0], n)) for n in lengths]
        starts = rng.choice([-1.0, 0.0, 1.0], 5)
        for spoilt in rng.choice(5, rng.integers(0, 3)):
            if len(times[spoilt]):
                times[spoilt][rng.integers(len(times[spoilt]))] = rng.choice([np.nan, np.inf, -2.0, 0.5])
            else:
                starts[spoilt] = np.nan
        each = {e: times_fault(t, float(start)) for e, (t, start) in enumerate(zip(times, starts, strict=True))}
        found = times_faults(np.concatenate(times), starts, offsets_of(lengths))
        assert found == {e: fault for e, fault in each.items() if fault is not None}
