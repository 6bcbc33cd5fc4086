"""Gradients back through the steps: digit for digit those of the same steps, and right by differences."""

from __future__ import annotations

import ctypes
import math
import pickle
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from test_diffsl import POINTS, a_system, random_rates, slopes
from test_diffsol_engine import DECAY, FORCED, LORENZ, LOTKA, ROBERTSON, TIMES, make, measured

from odefit.compilation.machine_code import code_of
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.kernel import kernel_engine, program
from odefit.engines.kernel.adjoint import pull_members
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.engines.kernel.model_ir import adjoint_text
from odefit.engines.kernel.stepping import padded
from odefit.engines.kernel.tableaus import RODAS5P, TSITOURAS
from odefit.model.formulas import parse_formula
from odefit.model.system import System

pytest.importorskip("llvmlite")

K, M = 0.7, 2.5
VALUES = (1.5, 1.0, 1.0, 3.0, 2.5, 2.5)
BENT = make({"x": "-k*sqrt(x)*sin(m*t) + y**2", "y": "x/(1 + y) - m*y**1.5"}, {"x": "a*k", "y": "exp(-a)"}, "k m a")
SYSTEMS: dict[str, tuple[System, Sequence[float]]] = {
    "lotka": (LOTKA, VALUES),
    "lorenz": (LORENZ, (10, 28, 8 / 3, 1)),
    "forced": (FORCED, (2, -1)),
    "bent": (BENT, (0.5, 1.2, 0.8)),
    "at rest": (make({"x": "0"}, {"x": "a"}, "a"), (2.0,)),
    "stiff": (ROBERTSON, (0.04, 3e7, 1e4)),
}
RING = [f"x{i}" for i in range(24)]
SYSTEMS["sparse"] = (
    make(
        {name: f"k*({RING[i - 1]} - {name}) - m*{name}*{RING[i - 7]}*cos(t)" for i, name in enumerate(RING)},
        {name: f"a/{i + 1}" for i, name in enumerate(RING)},
        "k m a",
    ),
    (0.7, 0.3, 1.5),
)
METHODS = ("tsit5", "rodas5p")
CASES = [(name, method) for name in SYSTEMS for method in METHODS if (name, method) != ("stiff", "tsit5")]
"""All but what the explicit method would crawl on."""


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the parameters are."""
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)


def kernel(system: System, method: str = "auto", rtol: float = 1e-6, **options: Any) -> KernelEngine:
    return KernelEngine(system, SolverOptions(method, rtol, rtol * 1e-2, **options), system.parameters)


def chained(dy: Any, worth: Any) -> Any:
    return np.einsum("rs,rsk->k", worth, dy)


# one evaluation


def pulled(system: System) -> Any:
    """What states and parameters are worth, of (t, y, w, p)."""
    code = code_of(adjoint_text(system, system.parameters).text)
    call = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 4)(code.address("pull"))

    def function(t: float, *arrays: Sequence[float]) -> Any:
        y, w, p = (np.array(array, dtype=float) for array in arrays)
        out = np.zeros(len(system.states) + len(system.parameters))
        call(t, y.ctypes.data, w.ctypes.data, p.ctypes.data, out.ctypes.data)
        assert code is not None  # it holds the memory
        return out

    return function


@pytest.mark.parametrize("text", POINTS)
def test_every_function_and_its_derivative(text: str) -> None:
    rate = parse_formula(text, ("x", "y", "k", "m"))
    pull, exact = pulled(a_system(rate, parse_formula("x", ("x",)))), slopes([rate])
    for x in map(float, POINTS[text]):
        wanted = 2.0 * np.array([float(v) for v in exact(x, 1.3, K, M, 0.4)][1:])
        wanted[0] += 5.0
        got = pull(0.4, [x, 1.3], [2.0, 5.0], [K, M])
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15, err_msg=f"x = {x}")


def test_random_formulas_at_random_points() -> None:
    rng = random.Random(2)
    for _ in range(10):
        rates = random_rates(rng)
        pull, exact = pulled(a_system(*rates)), slopes(rates)
        for _ in range(6):
            x, y, k, m, t = (rng.uniform(-2, 3) for _ in range(5))
            table = np.array([float(v) for v in exact(x, y, k, m, t)])[2:].reshape(2, 4)
            if np.isfinite(table).all():
                wanted = 0.3 * table[0] - 1.7 * table[1]
                tolerance = 1e-9 * (1 + np.abs(table).max())
                np.testing.assert_allclose(pull(t, [x, y], [0.3, -1.7], [k, m]), wanted, rtol=1e-9, atol=tolerance)


def test_long_equations_are_cut_and_their_parts_added(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [f"x{i}" for i in range(12)]
    shared = " + ".join(f"k*{name}**2" for name in states)
    system = make({name: f"({shared})*sin(m*{name})" for name in states}, dict.fromkeys(states, 1), "k m")
    y, w = np.linspace(0.1, 1.2, 12), np.linspace(-1, 1, 12)
    whole = pulled(system)(0.0, y, w, [K, M])
    monkeypatch.setattr("odefit.engines.kernel.model_ir.MAX_NODES", 60)
    text = adjoint_text(system, system.parameters).text
    assert "@pull_1(" in text
    np.testing.assert_allclose(pulled(system)(0.0, y, w, [K, M]), whole, rtol=1e-12)
    total = K * (y**2).sum()
    exact = 2 * K * y * (w * np.sin(M * y)).sum() + w * total * M * np.cos(M * y)
    np.testing.assert_allclose(whole[:12], exact, rtol=1e-12)
    np.testing.assert_allclose(whole[13], (w * total * y * np.cos(M * y)).sum(), rtol=1e-12)


# a whole solution


@pytest.mark.parametrize("name, method", CASES)
@pytest.mark.parametrize("times", [TIMES, [0.0, 0.0], [2.5], []], ids=["many", "start", "one", "none"])
def test_it_is_the_derivative_of_the_steps(name: str, method: str, times: Any) -> None:
    """Sensitivities along the same steps, which they have no part in choosing, are derivatives of these numbers."""
    system, p = SYSTEMS[name]
    p, experiments = np.array([p], dtype=float), [measured(times)]
    same_steps = kernel(system, method, sensitivity_rtol=1e20, sensitivity_atol=1e20)
    found = same_steps.solve(p, experiments, True)
    engine = kernel(system, method)
    np.testing.assert_allclose(found.y, engine.solve(p, experiments).y, rtol=1e-13)
    worth = np.random.default_rng(1).normal(size=found.y.shape)
    exact = chained(found.dy, worth)
    got = engine.pull(p, experiments, worth)
    assert got.shape == (1, len(system.parameters))
    np.testing.assert_allclose(got[0], exact, rtol=1e-10, atol=1e-12 * np.abs(exact).max(initial=0))


@pytest.mark.parametrize("name, method", CASES)
def test_it_is_right_by_differences(name: str, method: str) -> None:
    system, values = SYSTEMS[name]
    p, experiments = np.array(values, dtype=float), [measured(TIMES)]
    engine = kernel(system, method, rtol=1e-10)
    worth = np.random.default_rng(2).normal(size=(len(TIMES), len(system.states)))

    def objective(q: Any) -> float:
        return float((worth * engine.solve(q[None], experiments).y).sum())

    got = engine.pull(p[None], experiments, worth)[0]
    for j in range(len(p)):
        step = np.zeros(len(p))
        step[j] = 1e-4 * abs(p[j])
        slope = (objective(p + step) - objective(p - step)) / (2 * step[j])
        assert p[j] * got[j] == pytest.approx(p[j] * slope, rel=1e-5, abs=1e-5 * np.abs(p * got).max())


@pytest.mark.parametrize("name, method", CASES)
def test_it_agrees_with_sensitivities_to_the_tolerance(name: str, method: str) -> None:
    system, values = SYSTEMS[name]
    p, experiments = np.array([values], dtype=float), [measured(TIMES)]
    worth = np.random.default_rng(3).normal(size=(len(TIMES), len(system.states)))
    exact = p[0] * chained(kernel(system, method, rtol=1e-10).solve(p, experiments, True).dy, worth)
    found = p[0] * kernel(system, method).pull(p, experiments, worth)[0]
    np.testing.assert_allclose(found, exact, atol=3e-5 * np.abs(exact).max())


@pytest.mark.parametrize("method", METHODS)
def test_the_same_text_runs_as_python(method: str) -> None:
    p, times = np.array(VALUES), np.array([0.0, 0.4, 0.4, 1.3])
    worth = np.random.default_rng(4).normal(size=(4, 2))
    pull = pulled(LOTKA)

    def initial(p: Any, z: Any) -> None:
        z[:2] = p[4:6]

    def rates(t: float, z: Any, p: Any, out: Any) -> None:
        del t
        out[:2] = p[0] * z[0] - p[1] * z[0] * z[1], p[2] * z[0] * z[1] - p[3] * z[1]

    def pull_rates(t: float, y: Any, w: Any, p: Any, out: Any) -> None:
        out[:8] += pull(t, y[:2], w[:2], p)

    def pull_start(p: Any, w: Any, out: Any) -> None:
        del p
        out[4:6] += w[:2]

    def matrix(t: float, z: Any, p: Any, out: Any) -> None:
        del t
        out[:4] = p[0] - p[1] * z[1], -p[1] * z[0], p[2] * z[1], p[2] * z[0] - p[3]

    def curve(t: float, z: Any, v: Any, p: Any, out: Any) -> None:
        del t, z, v, p
        out[:2] = 0.0

    def pull_curve(t: float, z: Any, v: Any, w: Any, p: Any, out: Any) -> None:
        del t
        both, x, y = v[0] * z[1] + v[1] * z[0], w[0] * v[0], w[1] * v[1]
        mixed = w[1] * p[2] - w[0] * p[1]
        out[:8] += v[1] * mixed, v[0] * mixed, x, -w[0] * both, w[1] * both, -y, 0.0, 0.0

    is_stiff = method == "rodas5p"
    integers = np.array([6, 2, 1, 0, 1000, 0, int(is_stiff), 40, 6, 0])
    gradient, y = np.zeros(6), np.zeros(8)
    status, steps, reached = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1)
    none, work = np.zeros(1, np.int64), np.empty(16 * padded(2) + 13 + 1 + 41 * 4 + 28 * 2 + 6 + 8)
    pull_members(
        *(1, integers, np.array([1e-6, 1e-6, 1e-8, 1e-8]), RODAS5P if is_stiff else TSITOURAS, initial, rates, matrix),
        *(curve, pull_rates, pull_start, pull_curve, p, none, np.zeros(1), np.array([0, 4]), times, none, work, y),
        *(worth.reshape(-1), gradient, status, reached, steps),
    )
    engine = kernel(LOTKA, method)
    assert status[0] == 0
    np.testing.assert_allclose(y.reshape(4, 2), engine.solve(p[None], [measured(times)]).y, rtol=1e-12)
    np.testing.assert_allclose(gradient, engine.pull(p[None], [measured(times)], worth)[0], rtol=1e-9)


# many members


def many() -> tuple[np.ndarray, list[Experiment], np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(5)
    experiments = [measured(np.sort(rng.uniform(0, 5, n)), name=f"e{n}") for n in (3, 1, 0, 12)]
    members = rng.integers(0, 4, 12)
    p = np.array(VALUES) * rng.uniform(0.7, 1.4, (12, 6))
    return p, experiments, members, [rng.normal(size=(len(experiments[e].times), 2)) for e in members]


@pytest.mark.parametrize("method", METHODS)
def test_each_member_is_as_it_is_alone(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    p, experiments, members, worth = many()
    engine = kernel(LOTKA, method)
    together = engine.pull(p, experiments, np.concatenate(worth), members)
    again = pickle.loads(pickle.dumps(engine)).pull(p, experiments, np.concatenate(worth), members)  # noqa: S301
    np.testing.assert_array_equal(again, together)
    for m, e in enumerate(members.tolist()):
        np.testing.assert_array_equal(engine.pull(p[m : m + 1], [experiments[e]], worth[m])[0], together[m])
    with monkeypatch.context() as patch:
        patch.setattr(program, "FIRST_ROOM", 1)
        np.testing.assert_array_equal(engine.pull(p, experiments, np.concatenate(worth), members), together)


def test_each_member_goes_back_by_its_method_and_failures_are_no_numbers() -> None:
    experiments = [measured([1.0, 40.0])]
    engine = KernelEngine(ROBERTSON, SolverOptions("auto", 1e-7, 1e-12), ROBERTSON.parameters)
    p = np.array([[0.04, 3.0, 1.0], [0.04, 3e7, 1e4], [np.nan, 1.0, 1.0]])
    members, worth = np.zeros(3, dtype=int), np.random.default_rng(6).normal(size=(6, 3))
    found = engine.pull(p, experiments, worth, members)
    for m, method in enumerate(METHODS):
        alone = KernelEngine(ROBERTSON, SolverOptions(method, 1e-7, 1e-12), ROBERTSON.parameters)
        np.testing.assert_array_equal(found[m], alone.pull(p[m : m + 1], experiments, worth[2 * m : 2 * m + 2])[0])
    assert np.isnan(found[2]).all()
    few = kernel(DECAY, "tsit5", max_steps=2)
    assert np.isnan(few.pull(np.array([[0.7, 3.0]]), [measured([0.5, 100.0])], np.ones((2, 1)))).all()
    backwards = [measured([2.0, 1.0]), measured([1.0, 2.0])]
    found = kernel(DECAY).pull(np.array([[0.7, 3.0]] * 2), backwards, np.ones((4, 1)))
    assert np.isnan(found[0]).all()
    assert found[1, 1] == pytest.approx(math.exp(-0.7) + math.exp(-1.4), rel=1e-5)


def test_who_goes_back_and_who_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel(LOTKA).pulls
    assert kernel(LOTKA, "tsit5").pulls
    assert kernel(LOTKA, "rodas5p").pulls
    assert kernel(LOTKA, begins_stiff=True).pulls
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 13)
    assert not kernel(LOTKA).pulls
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)
    monkeypatch.setattr(program, "MAX_DENSE", 1)
    assert not kernel(LOTKA).pulls  # what is stiff goes to another engine, which remembers


def test_what_a_method_leaves_goes_by_sensitivities() -> None:
    """A method of few steps, where sensitivities have another one."""
    p, worth, experiments = np.array([VALUES]), np.array([[1.0, -2.0]]), [measured([20.0])]
    steps = kernel(LOTKA, "rodas5p", rtol=1e-9).count_steps(p, experiments)
    assert steps is not None
    loose = {"sensitivity_rtol": 1e20, "sensitivity_atol": 1e20}
    engine = kernel(LOTKA, begins_stiff=True, max_steps=steps - 1, rtol=1e-9, **loose)
    exact = chained(kernel(LOTKA, rtol=1e-10).solve(p, experiments, True).dy, worth)
    np.testing.assert_allclose(engine.pull(p, experiments, worth)[0], exact, rtol=1e-6)


def test_any_engine_can_by_its_sensitivities() -> None:
    p, experiments, members, worth = many()
    engine: Engine = make_engine(LOTKA, SolverOptions("tsit45", 1e-8, 1e-10), LOTKA.parameters)
    assert not engine.pulls
    found = engine.pull(p, experiments, np.concatenate(worth), members)
    expected = kernel(LOTKA, rtol=1e-8).pull(p, experiments, np.concatenate(worth), members)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_fast_formulas_of_time_go_in_segments_each_member_by_itself() -> None:
    system = make({"x": "k*exp(-((t - c)/w)**2) - x"}, {"x": "a"}, "k c w a")
    engine = make_engine(system, SolverOptions("auto", 1e-7, 1e-9), system.parameters)
    experiments, members = [measured([0.5, 2.0, 6.0])], np.zeros(2, dtype=int)
    p, worth = np.array([[2.0, 3.0, 1e-3, 1.0], [2.0, 3.0, 2.0, 1.0]]), np.random.default_rng(7).normal(size=(6, 1))
    assert engine.pulls
    found = engine.pull(p, experiments, worth, members)
    dy = engine.solve(p, experiments, True, members)
    for m in range(2):
        exact = chained(dy[m].dy, worth[3 * m : 3 * m + 3])
        np.testing.assert_allclose(found[m], exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())
        alone = engine.pull(p[m : m + 1], experiments, worth[3 * m : 3 * m + 3])
        np.testing.assert_array_equal(found[m], alone[0])


def test_gradients_in_torch_go_back() -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import collate

    engine = kernel(FORCED, rtol=1e-9)
    experiments = [measured([0.5, 1.5]), measured([1.0], name="f")]
    p = torch.tensor([[2.0, -1.0], [1.0, 3.0]], dtype=torch.float64, requires_grad=True)
    y = engine.solve_batch(p, collate(list(enumerate(experiments)), dtype=torch.float64))
    (y[0, 1, 0] + 2 * y[1, 0, 0] + 3 * y[1, 1, 0]).backward()
    for row, (t, factor) in enumerate(((1.5, 1.0), (1.0, 5.0))):
        expected = factor * np.array([t - 1 + np.exp(-t), np.exp(-t)])
        np.testing.assert_allclose(p.grad[row], expected, rtol=1e-7)
