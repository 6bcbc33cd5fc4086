"""torchdiffeq behind the engine protocol: known solutions, rates, batches, derivatives five ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from odefit.data.dataset import collate
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.methods import METHODS, methods_of
from odefit.engines.torch_engine import TorchEngine, equal_steps, subdivide
from odefit.errors import SolveError
from odefit.model.networks import build_networks
from odefit.model.system import Network, System
from small_problems import Array, central_differences, make_system, series

NAMES = methods_of("torch")
FIXED = [name for name in NAMES if METHODS[name].is_fixed_step]
RUNGE_KUTTA = [name for name in FIXED if not METHODS[name].is_multistep]
COARSE = [name for name in NAMES if METHODS[name].is_coarse_between]
ADAPTIVE = [name for name in NAMES if name not in FIXED and not METHODS[name].adjoint_only]
ORDER = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4, "explicit_adams": 4, "implicit_adams": 4}

LOW_ORDER = ("adaptive_heun", "fehlberg2")

DECAY = make_system({"y": "-k*y"}, {"y": "y_0"}, ("k", "y_0"))
OSCILLATOR = make_system({"x": "v", "v": "-w^2*x"}, {"x": "x_0", "v": 0}, ("w", "x_0"))
LOGISTIC = make_system({"x": "r*x*(1 - x/K)"}, {"x": "x_0"}, ("r", "K", "x_0"))
FORCED = make_system({"y": "-k*y + cos(t)"}, {"y": "y_0"}, ("k", "y_0"))
PREDATORS = make_system(
    {"x": "a*x - b*x*y", "y": "-c*y + d*x*y"}, {"x": "x_0", "y": "2*x_0"}, ("a", "b", "c", "d", "x_0")
)


def decay(t: Array, p: Sequence[float]) -> Array:
    return p[1] * np.exp(-p[0] * t[:, None])


def oscillation(t: Array, p: Sequence[float]) -> Array:
    return p[1] * np.stack([np.cos(p[0] * t), -p[0] * np.sin(p[0] * t)], axis=1)


def growth(t: Array, p: Sequence[float]) -> Array:
    r, k, x0 = p
    return k / (1 + (k / x0 - 1) * np.exp(-r * t[:, None]))


Case = tuple[System, tuple[float, ...], Callable[[Array, Sequence[float]], Array]]
CASES: dict[str, Case] = {
    "decay": (DECAY, (0.8, 2.0), decay),
    "oscillator": (OSCILLATOR, (1.3, 0.7), oscillation),
    "logistic": (LOGISTIC, (1.1, 3.0, 0.2), growth),
}
IRREGULAR = np.array([0.0, 0.37, 1.11, 1.13, 2.77, 4.0])


def solve(
    system: System, p: Sequence[Sequence[float]], experiments: Sequence[Experiment], **options: object
) -> list[Trajectory]:
    engine = TorchEngine(system, SolverOptions(**options))
    return engine.solve(np.array(p, dtype=np.float64), experiments)


def solved(system: System, p: Sequence[float], experiment: Experiment, **options: object) -> Array:
    """y [T, S] of one experiment, which must not fail."""
    trajectory = solve(system, [p], [experiment], **options)[0]
    assert trajectory.failure is None
    assert trajectory.dy is None
    return trajectory.y


def test_every_method_of_torchdiffeq_is_sorted_into_a_kind() -> None:
    # A fixed-step method that we took for an adaptive one would have no step of its own.
    from torchdiffeq._impl.odeint import SOLVERS
    from torchdiffeq._impl.solvers import FixedGridODESolver

    assert {name for name, kind in SOLVERS.items() if issubclass(kind, FixedGridODESolver)} == set(FIXED)
    assert set(NAMES) == set(SOLVERS)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", NAMES)
def test_every_method_solves_what_has_a_closed_form(method: str, case: str) -> None:
    system, p, exact = CASES[case]
    start = 3.0
    experiment = series("A", start + IRREGULAR, start=start)
    low_order = method in LOW_ORDER
    y = solved(system, p, experiment, method=method, step=0.02, rtol=1e-5 if low_order else 1e-7, atol=1e-8)
    tolerance = 5e-3 if low_order else {1: 0.1, 2: 2e-3}.get(ORDER.get(method, 4), 2e-4 if method in COARSE else 2e-5)
    np.testing.assert_allclose(y, exact(IRREGULAR, p), atol=tolerance)
    np.testing.assert_allclose(y[0], exact(IRREGULAR, p)[0], rtol=1e-14)


@pytest.mark.parametrize("times", [np.arange(5.0), IRREGULAR], ids=["on the steps", "between the steps"])
@pytest.mark.parametrize("method", FIXED)
def test_halving_the_step_shows_the_order(method: str, times: Array) -> None:
    order = ORDER[method.replace("fixed_", "implicit_")]
    steps = (0.05, 0.025) if order < 4 else (0.2, 0.1)
    errors = [
        np.abs(solved(OSCILLATOR, (1.3, 0.7), series("A", times), method=method, step=step, rtol=1e-12, atol=1e-12)
               - oscillation(times, (1.3, 0.7))).max()
        for step in steps
    ]  # fmt: skip
    rate = math.log2(errors[0] / errors[1])
    # An implicit formula of order 5 begins with steps of order 4.
    assert order - 0.35 < rate < order + (1.2 if "adams" in method else 0.35)


@pytest.mark.parametrize("method", [*ADAPTIVE, "scipy_solver"])
def test_the_error_falls_with_the_tolerance(method: str) -> None:
    """In proportion, but for the methods whose error is that of torchdiffeq's interpolation, of order 4."""
    times = np.array([0.0, 0.9, 2.1, 6.0])
    # A method of low order crawls at tolerances at which one of high order has not begun to work.
    tolerances = [1e-4, 1e-5] if method in LOW_ORDER else [1e-5, 1e-9]
    errors = []
    for tolerance in tolerances:
        options: dict[str, object] = {"method": method, "rtol": tolerance, "atol": tolerance}
        y = solved(OSCILLATOR, (1.3, 0.7), series("A", times), **options)
        errors.append(np.abs(y - oscillation(times, (1.3, 0.7))).max())
    power = math.log(errors[0] / errors[1]) / math.log(tolerances[0] / tolerances[1])
    assert power > (0.5 if method in COARSE else 0.85)
    assert errors[1] < (3000 if method in (*COARSE, *LOW_ORDER) else 30) * tolerances[1]


def test_a_method_that_interpolates_coarsely_says_so() -> None:
    assert TorchEngine(DECAY, SolverOptions("dopri8", rtol=1e-9)).notes
    assert not TorchEngine(DECAY, SolverOptions("dopri8")).notes
    assert not TorchEngine(DECAY, SolverOptions("dopri5", rtol=1e-9)).notes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subdivide_keeps_the_grid_and_makes_no_step_too_long(dtype: str) -> None:
    kind = getattr(torch, dtype)
    grid = torch.arange(101, dtype=kind) * 0.1
    # 0.1 is no binary number: an interval that looks longer by rounding must not be cut in two.
    assert torch.equal(subdivide(grid, 0.1), grid)
    assert len(subdivide(grid + 50, 0.1)) == 101
    assert len(subdivide(grid, 0.05)) == 201
    irregular = torch.tensor([0.0, 0.3, 1.0, 1.01], dtype=kind)
    for direction in (1, -1):
        fine = subdivide(direction * irregular, 0.25)
        assert len(fine) == 1 + 2 + 3 + 1
        assert fine[0] == 0
        assert all(value in fine.tolist() for value in (direction * irregular).tolist())
        assert (direction * fine.diff() > 0).all()
        assert fine.diff().abs().max() <= 0.25


def test_equal_steps_reach_from_end_to_end() -> None:
    for direction in (1, -1):
        grid = direction * torch.tensor([0.0, 0.4, 0.7], dtype=torch.float64)
        steps = equal_steps(grid, 0.2)
        assert len(steps) == 5
        assert steps[0] == grid[0]
        assert steps[-1] == grid[-1]
        np.testing.assert_allclose(steps.diff().abs(), 0.175)


def mixed_experiments() -> list[Experiment]:
    return [
        series("A", IRREGULAR),
        series("B", [5.0, 5.5, 9.0], start=4.5),
        series("C", [-2.0]),
        series("D", [10.0, 10.4], start=10.0),
    ]


@pytest.mark.parametrize("method", ["rk4", "heun3", "implicit_adams", "dopri5", "dopri8", "scipy_solver"])
def test_experiments_of_one_batch_are_solved_as_if_alone(method: str) -> None:
    """With different starts in absolute time, on which the equation depends; at different times.

    A fixed-step method steps over the times of all experiments, so that it agrees with itself to its own accuracy; an
    adaptive one chooses its steps for the worst experiment.
    """
    p = [(0.5, 1.0), (1.5, -2.0), (0.2, 3.0), (0.9, 0.1)]
    options: dict[str, object] = {"method": method, "step": 0.02, "rtol": 1e-8, "atol": 1e-10}
    together = solve(FORCED, p, mixed_experiments(), **options)
    for own, row, experiment in zip(together, p, mixed_experiments(), strict=True):
        alone = solved(FORCED, row, experiment, **options)
        tolerance = 2e-5 if method in COARSE else 2e-6
        np.testing.assert_allclose(own.y, alone, atol=tolerance)
        reference = solve_ivp(
            lambda t, y, k=row[0]: -k * y + np.cos(t), (experiment.start, experiment.times[-1] + 1e-9), [row[1]],
            t_eval=experiment.times, rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        np.testing.assert_allclose(own.y[:, 0], reference.y[0], atol=tolerance)


def test_one_wild_experiment_among_many_keeps_to_the_tolerance() -> None:
    # A mean over the experiments would let it err ten times as much among a hundred as alone.
    p = [(8.0, 1.0)] + [(0.01, 1.0)] * 99
    experiments = [series(str(i), [0.0, 3.0]) for i in range(100)]
    options: dict[str, object] = {"method": "dopri5", "rtol": 1e-4, "atol": 1e-6}
    among = solve(OSCILLATOR, p, experiments, **options)[0].y[-1]
    alone = solved(OSCILLATOR, p[0], experiments[0], **options)[-1]
    exact = oscillation(np.array([3.0]), p[0])[0]
    assert np.abs(among - exact).max() < 2 * np.abs(alone - exact).max()


def test_a_single_time_at_the_start_is_the_initial_value() -> None:
    for method in ("rk4", "explicit_adams", "dopri5", "scipy_solver"):
        np.testing.assert_array_equal(solved(DECAY, (1.0, 4.0), series("A", [7.0]), method=method, step=0.1), [[4.0]])
    y = solved(DECAY, (1.0, 4.0), series("A", [7.0], start=6.0), method="rk4", step=0.1)
    np.testing.assert_allclose(y, [[4.0 / math.e]], rtol=1e-5)


@pytest.mark.parametrize("method", ["rk4", "dopri5", "implicit_adams", "scipy_solver"])
def test_single_precision_is_single_precision(method: str) -> None:
    options = SolverOptions(method, step=0.05, rtol=1e-5, atol=1e-5, dtype="float32")
    engine = TorchEngine(OSCILLATOR, options)
    batch = collate([(0, series("A", IRREGULAR))], dtype=torch.float32)
    y = engine.solve_batch(torch.tensor([[1.3, 0.7]]), batch)
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y[0].detach().numpy(), oscillation(IRREGULAR, (1.3, 0.7)), atol=1e-4)
    assert solve(OSCILLATOR, [(1.3, 0.7)], [series("A", IRREGULAR)], method=method, step=0.05, dtype="float32")[
        0
    ].y.dtype == (np.float64)


# Derivatives.

P = [(1.5, 1.0, 3.0, 1.0, 1.2), (1.2, 0.8, 2.5, 1.1, 0.9)]
SERIES = [series("A", [0.0, 0.3, 0.75, 1.2], n=2), series("B", [2.5, 3.1], start=2.0, n=2)]


def gradient(p: Tensor, weights: Callable[[Tensor], Tensor], system: System = PREDATORS, **options: object) -> Array:
    """d weights(y) / dp [E, L] by solve_batch."""
    engine = TorchEngine(system, SolverOptions(**options))
    leaf = p.clone().requires_grad_()
    weights(engine.solve_batch(leaf, collate(list(enumerate(SERIES))))).backward()
    assert leaf.grad is not None
    return np.asarray(leaf.grad)


def quadratic(y: Tensor) -> Tensor:
    """Some function of all states at all times; padding counts, so its cell is left out."""
    return (y[0] ** 2).sum() + (y[1, :2] * torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=y.dtype)).sum()


DIRECTION = np.random.default_rng(5).normal(size=(2, 5))


@pytest.mark.parametrize("method", [*FIXED, "dopri5"])
def test_backpropagation_is_the_derivative(method: str) -> None:
    options = {"method": method, "step": 0.05, "rtol": 1e-10, "atol": 1e-10}
    engine = TorchEngine(PREDATORS, SolverOptions(**options))
    batch = collate(list(enumerate(SERIES)))

    def value(length: Array) -> float:
        with torch.no_grad():
            return float(quadratic(engine.solve_batch(torch.as_tensor(np.array(P) + length * DIRECTION), batch)))

    found = gradient(torch.tensor(P, dtype=torch.float64), quadratic, **options)
    slope = central_differences(value, np.zeros(1), 1e-3)[0]
    assert (found * DIRECTION).sum() == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("method", ["rk4", "implicit_adams", "dopri5", "scipy_solver"])
def test_the_adjoint_agrees_with_backpropagation(method: str) -> None:
    # The adjoint steps back over the same step size as forward: an interval in one step would be 1e-2 off.
    options: dict[str, object] = {"step": 0.02, "rtol": 1e-8, "atol": 1e-10}
    p = torch.tensor(P, dtype=torch.float64)
    exact = gradient(p, quadratic, method="dopri5", **options)
    found = gradient(p, quadratic, method=method, adjoint=True, **options)
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


def test_the_adjoint_of_a_batch_survives_another_solve() -> None:
    # The backward pass calls the equations again: with their own parameters, not with those of the last solve.
    engine = TorchEngine(PREDATORS, SolverOptions("dopri5", adjoint=True, rtol=1e-8, atol=1e-10))
    batch = collate(list(enumerate(SERIES)))
    leaf = torch.tensor(P, dtype=torch.float64, requires_grad=True)
    value = quadratic(engine.solve_batch(leaf, batch))
    engine.solve(2 * np.array(P), SERIES)
    value.backward()
    expected = gradient(leaf.detach(), quadratic, method="dopri5", rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.asarray(leaf.grad), expected, rtol=1e-5)


SENSITIVE = ("d", "a", "x_0")
COLUMNS = [PREDATORS.parameters.index(name) for name in SENSITIVE]


@pytest.mark.parametrize("method", RUNGE_KUTTA)
def test_sensitivities_of_a_fixed_step_method_are_those_of_its_steps(method: str) -> None:
    """Exact, however wrong the steps are: what is fitted is then what is differentiated."""
    engine = TorchEngine(PREDATORS, SolverOptions(method, step=0.1), SENSITIVE)
    found = engine.solve(np.array(P), SERIES, sensitivities=True)
    plain = engine.solve(np.array(P), SERIES)
    for e, trajectory in enumerate(found):
        assert trajectory.dy is not None

        def states(x: Array, e: int = e) -> Array:
            p = np.array(P)
            p[e, COLUMNS] = x
            return engine.solve(p, SERIES)[e].y

        slopes = central_differences(states, np.array(P[e])[COLUMNS], 1e-3)
        np.testing.assert_allclose(trajectory.y, plain[e].y, rtol=1e-14)
        np.testing.assert_allclose(trajectory.dy, slopes, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", [*FIXED, "dopri5", "dopri8", "bosh3", "scipy_solver"])
def test_forward_sensitivities_converge_to_the_derivatives(method: str) -> None:
    def sensitivities(method: str, step: float) -> Array:
        engine = TorchEngine(PREDATORS, SolverOptions(method, step=step, rtol=1e-8, atol=1e-9), SENSITIVE)
        found = engine.solve(np.array(P), SERIES, sensitivities=True)
        return np.concatenate([trajectory.dy for trajectory in found if trajectory.dy is not None])

    tolerance = {1: 0.05, 2: 2e-3, 3: 2e-5}.get(ORDER.get(method, 4), 1e-5)
    np.testing.assert_allclose(sensitivities(method, 0.02), sensitivities("rk4", 0.005), atol=tolerance)


def test_sensitivities_start_with_those_of_the_initial_values() -> None:
    engine = TorchEngine(PREDATORS, SolverOptions("rk4", step=0.1), ("x_0", "a"))
    dy = engine.solve(np.array(P), SERIES, sensitivities=True)[0].dy
    assert dy is not None
    np.testing.assert_array_equal(dy[0], [[1.0, 0.0], [2.0, 0.0]])


def test_no_sensitive_parameter_gives_no_sensitivities() -> None:
    found = TorchEngine(PREDATORS, SolverOptions("rk4", step=0.1)).solve(np.array(P), SERIES, sensitivities=True)
    assert found[0].dy is not None
    assert found[0].dy.shape == (4, 2, 0)


def test_scipy_solver_solves_without_gradients_too() -> None:
    p = (1.3, 0.7)
    y = solved(OSCILLATOR, p, series("A", IRREGULAR), method="scipy_solver", rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(y, oscillation(IRREGULAR, p), atol=1e-6)


NET = Network("net", 2, 2, hidden=(5,), activation="tanh")
HYBRID = make_system(
    {"x": "net(x, y)[0] - k*x", "y": "net(x, y)[1]"}, {"x": "x_0", "y": 0.3}, ("k", "x_0"), networks={"net": NET}
)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_networks_learn(method: str, adjoint: bool) -> None:
    networks = build_networks([NET], 0).to(torch.float64)
    options = SolverOptions(method, step=0.05, rtol=1e-9, atol=1e-11, adjoint=adjoint)
    engine = TorchEngine(HYBRID, options, networks=networks)
    p = torch.tensor([[0.5, 1.0], [0.7, 0.4]], dtype=torch.float64)
    batch = collate(list(enumerate(SERIES)))
    quadratic(engine.solve_batch(p, batch)).backward()
    weights = list(networks.parameters())
    found = torch.cat([w.grad.flatten() for w in weights if w.grad is not None]).numpy()
    flat = nn.utils.parameters_to_vector(weights).detach().numpy().copy()
    assert len(found) == len(flat)
    direction = np.random.default_rng(0).normal(size=len(flat))

    def value(length: Array) -> float:
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.as_tensor(flat + length * direction), weights)
            return float(quadratic(engine.solve_batch(p, batch)))

    slope = central_differences(value, np.zeros(1), 1e-3)
    np.testing.assert_allclose(found @ direction, slope[0], rtol=1e-6)


def test_networks_have_no_sensitivities() -> None:
    engine = TorchEngine(HYBRID, SolverOptions("rk4"), ("k",))
    with pytest.raises(SolveError, match="adam"):
        engine.solve(np.array([[0.5, 1.0]]), [series("A", [0.0, 1.0], n=2)], sensitivities=True)
