"""Optimizers on functions with known minima: no ODE is solved here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

import closed_form_problems as closed
from more_garbow_hillstrom import PROBLEMS, Problem
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation, Evaluations
from odefit.optimizers.base import Objective, SearchOutcome
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.optimizers.local_model import LocalModels
from odefit.optimizers.sampling import sampling_box, screen, start_points

Array = NDArray[np.float64]
Minimize = Callable[..., SearchOutcome]
BOTH = pytest.mark.parametrize("minimize", [minimize_least_squares, minimize_lbfgs], ids=["least_squares", "lbfgs"])
RISE = 1e-11  # relative: values that differ by less are equal but for rounding


def never_worse(outcome: SearchOutcome) -> bool:
    history = np.array(outcome.history)
    return bool((np.diff(history) <= RISE * np.abs(history[:-1])).all())


def near(value: float, minima: tuple[float, ...], relative: float) -> bool:
    return any(abs(value - m) <= relative * m + 1e-14 for m in minima)


# --- Moré, Garbow, Hillstrom ------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_least_squares_reaches_every_published_minimum(problem: Problem) -> None:
    objective = closed.SquaredResiduals.of(problem)
    outcome = minimize_least_squares(objective, problem.start, max_iterations=1000)
    assert outcome.status == "converged", outcome.message
    assert near(2 * outcome.value, problem.minima, 1e-5)
    assert never_worse(outcome)
    assert outcome.value == objective.value(outcome.u)
    if problem.solution is not None and near(2 * outcome.value, problem.minima[:1], 1e-5):
        np.testing.assert_allclose(outcome.u, problem.solution, rtol=1e-6, atol=1e-6)


REACH = [(problem, factor) for problem in PROBLEMS for factor in problem.far_starts]


@pytest.mark.parametrize("problem, factor", REACH, ids=[f"{p.name} x{f:g}" for p, f in REACH])
def test_least_squares_from_far_starts(problem: Problem, factor: float) -> None:
    outcome = minimize_least_squares(closed.SquaredResiduals.of(problem), factor * problem.start, max_iterations=1000)
    assert near(2 * outcome.value, problem.minima, 1e-5)


# A quasi-Newton method sees only the gradient: on these two, so badly scaled that the gradient says nothing
# along the valley, it ends on the valley's floor.
BLIND = ("3 Powell badly scaled", "20 Watson 12")


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if p.name not in BLIND], ids=lambda p: p.name)
def test_lbfgs_reaches_every_published_minimum(problem: Problem) -> None:
    outcome = minimize_lbfgs(closed.SquaredResiduals.of(problem), problem.start)
    assert outcome.status == "converged", outcome.message
    assert near(2 * outcome.value, problem.minima, 1e-5)
    assert never_worse(outcome)


def test_convergence_is_quadratic_where_the_residuals_vanish() -> None:
    # The error of each step is about the square of the one before, or less: its exponent doubles.
    problem = next(p for p in PROBLEMS if p.name == "30 Broyden tridiagonal")
    objective = closed.SquaredResiduals.of(problem)
    exact = minimize_least_squares(objective, problem.start).u
    path: list[Array] = []
    minimize_least_squares(objective, problem.start, callback=lambda u, _: path.append(u))
    errors = np.array([np.linalg.norm(u - exact) for u in path])
    errors = errors[(errors < 1.0) & (errors > 1e-14)]
    rates = np.log(errors[1:]) / np.log(errors[:-1])
    assert len(rates) >= 2
    assert (rates > 1.7).all(), errors


# --- the NIST models --------------------------------------------------------------------------------


def ordered(model: closed.Model, x: Array) -> Array:
    """MGH17 is a sum of two exponentials, which may be named either way around: the slower one first."""
    return x[[0, 2, 1, 4, 3]] if model.name == "NIST mgh17" and x[3] > x[4] else x


NIST = [(model, start) for model in closed.nist_models() for start in (0, 1)]
NIST_IDS = [f"{model.name} start {start + 1}" for model, start in NIST]


@pytest.mark.parametrize("model, start", NIST, ids=NIST_IDS)
def test_nist_certified_values(model: closed.Model, start: int) -> None:
    outcome = minimize_least_squares(closed.SquaredResiduals(model.residuals), model.starts[start])
    assert outcome.status == "converged", outcome.message
    np.testing.assert_allclose(ordered(model, outcome.u), model.solution, rtol=3e-10)
    assert 2 * outcome.value == pytest.approx(model.rss, rel=2e-10)


@pytest.mark.parametrize("model, start", NIST, ids=NIST_IDS)
def test_an_estimated_sigma_is_the_closed_form_maximum_likelihood(model: closed.Model, start: int) -> None:
    # Fisher scoring on [x, log sigma] must end where sigma**2 = RSS / n, with the x of least squares.
    u0 = np.append(model.starts[start], np.log(np.std(model.data)))
    size = np.append(np.abs(model.starts[start]), 1.0)
    outcome = minimize_least_squares(closed.EstimatedSigma(model), u0, size=size)
    assert outcome.status == "converged", outcome.message
    np.testing.assert_allclose(ordered(model, outcome.u[:-1]), model.solution, rtol=1e-8)
    assert np.exp(2 * outcome.u[-1]) == pytest.approx(model.rss / len(model.data), rel=1e-8)


def chain() -> closed.Model:
    return next(m for m in closed.simulated_models() if "two sigmas" in m.name)


@BOTH
@pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
def test_two_sigmas_from_any_first_guess(minimize: Minimize, factor: float) -> None:
    model = chain()
    profiled = minimize_least_squares(closed.ProfiledSigma(model), model.solution, size=np.ones(3))
    n = np.bincount(model.group)
    sigma = np.sqrt(np.bincount(model.group, model.residuals(profiled.u) ** 2) / n)
    u0 = np.append(model.solution + np.array([1.0, -1.0, 0.5]), np.log(factor * sigma))
    outcome = minimize(closed.EstimatedSigma(model), u0, size=np.ones(5))
    assert outcome.value == pytest.approx(profiled.value, abs=1e-9)
    np.testing.assert_allclose(outcome.u, np.append(profiled.u, np.log(sigma)), rtol=1e-5, atol=1e-6)


def test_badly_started_exponential_sums() -> None:
    # Up to a factor 30 off in each of four log parameters; amounts and rates may end swapped.
    model = next(m for m in closed.simulated_models() if m.name == "two exponentials")
    objective = closed.SquaredResiduals(model.residuals)
    best = minimize_least_squares(objective, model.solution, size=np.ones(4)).value
    wide = np.log(100)
    found = [
        minimize_least_squares(objective, u0, model.solution - wide, model.solution + wide, size=np.ones(4))
        for u0 in model.starts
    ]
    assert sum(o.value <= best * (1 + 1e-8) for o in found) >= 19
    assert np.mean([o.n_evaluations for o in found]) < 20


# --- bounds -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "lower, upper, expected, sides",
    [
        # min (x - 3)**2 + (x + y - 4)**2 + ...: where a bound is active the rest of the optimum moves with it.
        ([-9, -9], [2, 9], [2, 2], [1, 0]),
        ([-9, 2], [9, 9], [2.5, 2], [0, -1]),
        ([-9, -9], [1, 1], [1, 1], [1, 1]),
        ([-np.inf, -np.inf], [np.inf, np.inf], [3, 1], [0, 0]),
        ([2, -9], [2, 9], [2, 2], [1 - 1, 0]),
    ],
)
def test_an_optimum_on_a_bound_is_found_exactly(
    minimize: Minimize, lower: list[float], upper: list[float], expected: list[float], sides: list[int]
) -> None:
    objective = closed.SquaredResiduals(lambda x: np.stack([x[0] - 3, x[0] + x[1] - 4]))
    outcome = minimize(objective, np.array([0.5, 0.5]), np.array(lower, float), np.array(upper, float))
    assert outcome.status == "converged"
    np.testing.assert_allclose(outcome.u, expected, atol=1e-7)
    if lower[0] != upper[0]:
        np.testing.assert_array_equal(outcome.at_bound, sides)
    for side, u, low, high in zip(outcome.at_bound, outcome.u, lower, upper, strict=True):
        assert side == 0 or u in (low, high)


@BOTH
@pytest.mark.parametrize("limit", [0.5, 0.9, 1 - 1e-9])
def test_rosenbrock_against_a_wall(minimize: Minimize, limit: float) -> None:
    # With x <= limit < 1 the minimum is at x = limit exactly, y = limit**2; the valley runs along the wall.
    problem = PROBLEMS[0]
    outcome = minimize(closed.SquaredResiduals.of(problem), problem.start, upper=np.array([limit, np.inf]))
    assert outcome.u[0] == limit
    assert outcome.u[1] == pytest.approx(limit**2, abs=1e-7)
    assert outcome.at_bound.tolist() == [1, 0]
    assert outcome.n_gradients < 80


@BOTH
def test_a_start_on_the_wrong_bound_leaves_it(minimize: Minimize) -> None:
    problem = next(p for p in PROBLEMS if p.name == "5 Beale")
    outcome = minimize(closed.SquaredResiduals.of(problem), np.array([0.0, 0.0]), np.zeros(2), np.full(2, 4.0))
    np.testing.assert_allclose(outcome.u, [3, 0.5], atol=1e-7)


def test_the_step_at_bounds_is_the_bounded_minimum() -> None:
    # Two ways: SciPy's bounded linear least squares, on random problems, some of them rank-deficient.
    from scipy.optimize import lsq_linear

    rng = np.random.default_rng(3)
    for trial in range(60):
        P = int(rng.integers(1, 7))
        A = rng.normal(size=(9, P)) * 10.0 ** rng.uniform(-3, 3, P)
        if trial % 3 == 0:
            A[:, -1] = A[:, 0]
        z = rng.normal(size=9)
        size = 10.0 ** rng.uniform(-1, 1, P)
        low, high = -rng.exponential(size=P), rng.exponential(size=P)
        here = Evaluations.of([Evaluation(0.0, z, DenseMatrix(A))])
        model = LocalModels.at(np.zeros((1, P)), here, size, low * size, high * size)
        damping = 0.0 if trial % 2 else 10.0 ** rng.uniform(-4, 2)
        p = model.damped(np.array([damping]))[0]
        rows = np.vstack([A * size, np.sqrt(damping) * np.eye(P)])
        target = np.concatenate([-z, np.zeros(P)])
        reference = lsq_linear(rows, target, (low, high), method="bvls", tol=1e-15)
        assert ((p >= model.low) & (p <= model.high)).all()
        mine, theirs = np.sum((rows @ p - target) ** 2), 2 * reference.cost
        assert mine <= theirs * (1 + 1e-9) + 1e-12


def test_the_step_meets_the_radius() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        P = int(rng.integers(1, 6))
        A, z = rng.normal(size=(8, P)) * 10.0 ** rng.uniform(-4, 4, P), rng.normal(size=8)
        bound = rng.exponential(size=P) * 3
        here = Evaluations.of([Evaluation(0.0, z, DenseMatrix(A))])
        model = LocalModels.at(np.zeros((1, P)), here, np.ones(P), -bound, bound)
        full = model.damped(np.zeros(1))
        radius = np.linalg.norm(full, axis=1) * 10.0 ** rng.uniform(-4, 0)
        p = model.step(radius, full)[0]
        assert 0.89 * radius[0] <= np.linalg.norm(p) <= 1.11 * radius[0]
        assert model.decrease(p)[0] > 0


# --- awkward objectives -----------------------------------------------------------------------------


@BOTH
def test_rank_deficient_problems_take_the_shortest_way(minimize: Minimize) -> None:
    # Only x + y is determined. From (5, 1), the closest optimum is (4, 0), and nothing runs away.
    objective = closed.SquaredResiduals(lambda x: np.stack([x[0] + x[1] - 4, 2 * (x[0] + x[1]) - 8]))
    outcome = minimize(objective, np.array([5.0, 1.0]), size=np.ones(2))
    assert outcome.status == "converged"
    np.testing.assert_allclose(outcome.u, [4, 0], atol=1e-7)


def test_a_parameter_without_influence_stays() -> None:
    objective = closed.SquaredResiduals(lambda x: np.stack([np.exp(x[0]) - 2, x[0] ** 2 + 0 * x[1]]))
    outcome = minimize_least_squares(objective, np.array([1.0, 7.0]))
    assert outcome.status == "converged"
    assert outcome.u[1] == 7.0


@dataclass
class Walled:
    """An objective that cannot be computed where `fails` says so."""

    inner: Objective
    fails: Callable[[Array], bool]
    derivatives_only: bool = False
    failures: int = 0

    def value(self, u: Array) -> float:
        if self.fails(u) and not self.derivatives_only:
            self.failures += 1
            return np.nan  # counts as inf
        return self.inner.value(u)

    def evaluate(self, u: Array) -> Evaluation:
        here = self.inner.evaluate(u)
        if not self.fails(u):
            return here
        self.failures += 1
        return Evaluation(np.inf, np.full_like(here.z, np.nan), here.A.scale_rows(np.full(len(here.z), np.nan)))


DERIVATIVES = pytest.mark.parametrize("derivatives_only", [False, True], ids=["values fail", "derivatives fail"])


@DERIVATIVES
def test_a_hole_in_the_valley_is_walked_around(derivatives_only: bool) -> None:
    # The hole is put where the search went at its third step, as wide as the valley there.
    problem = PROBLEMS[0]
    path: list[Array] = []
    plain = closed.SquaredResiduals.of(problem)
    minimize_least_squares(plain, problem.start, callback=lambda u, _: path.append(u))
    objective = Walled(plain, lambda u: bool(np.linalg.norm(u - path[2]) < 0.05), derivatives_only)
    outcome = minimize_least_squares(objective, problem.start)
    assert objective.failures > 0
    assert outcome.status == "converged"
    np.testing.assert_allclose(outcome.u, [1, 1], atol=1e-8)
    assert never_worse(outcome)


@BOTH
@DERIVATIVES
def test_failures_shorten_the_step(minimize: Minimize, derivatives_only: bool) -> None:
    # log(x / 10) = 0 from x = 40, where both methods' first steps overshoot into x <= 1, where nothing can be
    # computed (the value alone could, in the second case, up to x = 0).
    plain = closed.SquaredResiduals(lambda x: np.stack([20 * np.log(x[0] / 10), np.exp(-x[1]) - 1]))
    objective = Walled(plain, lambda u: bool(u[0] <= 1), derivatives_only)
    outcome = minimize(objective, np.array([40.0, 1.0]), size=np.array([100.0, 1.0]))
    if not (derivatives_only and minimize is minimize_least_squares):  # which is warned off by the values
        assert objective.failures > 0
    assert outcome.status == "converged"
    np.testing.assert_allclose(outcome.u, [10, 0], atol=1e-6)
    assert outcome.n_gradients < 100
    assert never_worse(outcome)


@BOTH
def test_an_impossible_start_is_a_failure_with_a_remedy(minimize: Minimize) -> None:
    objective = Walled(closed.SquaredResiduals.of(PROBLEMS[0]), lambda u: True)
    outcome = minimize(objective, np.array([-1.2, 1.0]))
    assert outcome.status == "failed"
    assert outcome.value == np.inf
    assert "start" in outcome.message
    np.testing.assert_array_equal(outcome.u, [-1.2, 1.0])
    assert outcome.n_evaluations + outcome.n_gradients <= 2


@BOTH
def test_numbers_that_overflow_are_failures(minimize: Minimize) -> None:
    objective = closed.SquaredResiduals(lambda x: np.stack([np.exp(300 * x[0]) - 1e100, x[0] - 1]))
    outcome = minimize(objective, np.array([1.0]), size=np.array([10.0]))
    assert np.isfinite(outcome.value)
    assert never_worse(outcome)


@dataclass
class Noisy:
    """Relative noise on everything, as from an adaptive ODE solver: deterministic, but without any slope."""

    inner: Objective
    level: float

    def _factor(self, u: Array, what: int, shape: tuple[int, ...] = ()) -> Array:
        seed = np.frombuffer(u.tobytes(), dtype=np.uint32)
        return 1 + self.level * np.random.default_rng([*seed, what]).normal(size=shape)

    def value(self, u: Array) -> float:
        return float(self.inner.value(u) * self._factor(u, 0))

    def evaluate(self, u: Array) -> Evaluation:
        here = self.inner.evaluate(u)
        z, A = here.z * self._factor(u, 1, here.z.shape), here.A.dense() * self._factor(u, 2, here.A.shape)
        return Evaluation(float(here.value * self._factor(u, 3)), z, DenseMatrix(A))


@pytest.mark.parametrize("level", [1e-10, 1e-8, 1e-6])
def test_noise_ends_the_search_soon_and_honestly(level: float) -> None:
    model = chain()
    exact = minimize_least_squares(closed.ProfiledSigma(model), model.solution, size=np.ones(3))
    standard_errors = np.sqrt(np.diag(np.linalg.inv(information(closed.ProfiledSigma(model), exact.u))))
    for u0 in model.starts[:8]:
        outcome = minimize_least_squares(Noisy(closed.ProfiledSigma(model), level), u0, size=np.ones(3))
        clean = minimize_least_squares(closed.ProfiledSigma(model), u0, size=np.ones(3))
        # From 1e-8 on, a search in about thirty stops short of convergence: which ones hangs on the last digits.
        assert outcome.status == "converged" or level >= 1e-8
        assert outcome.status != "failed"
        assert never_worse(outcome)
        assert outcome.n_evaluations <= 2 * clean.n_evaluations + 30
        # nll is flat to `level` over about sqrt(level |nll|) standard errors.
        assert (np.abs(outcome.u - exact.u) < 10 * np.sqrt(level * abs(exact.value)) * standard_errors).all()


def information(objective: Objective, u: Array) -> Array:
    A = objective.evaluate(u).A.dense()
    return A.T @ A


class WrongGradient:
    """Values that rise where the gradient promises a fall."""

    def value(self, u: Array) -> float:
        return float(np.sum(u))

    def evaluate(self, u: Array) -> Evaluation:
        return Evaluation(self.value(u), np.full(len(u), 3.0), DenseMatrix(-np.eye(len(u))))


@BOTH
def test_a_wrong_gradient_is_called_so(minimize: Minimize) -> None:
    outcome = minimize(WrongGradient(), np.ones(2))
    assert outcome.status == "stopped"
    assert "disagree" in outcome.message
    np.testing.assert_allclose(outcome.u, [1, 1], rtol=RISE)
    assert outcome.n_evaluations + outcome.n_gradients < 60


@BOTH
def test_too_few_iterations_say_so(minimize: Minimize) -> None:
    outcome = minimize(closed.SquaredResiduals.of(PROBLEMS[0]), PROBLEMS[0].start, max_iterations=3)
    assert outcome.status == "stopped"
    assert "iterations" in outcome.message
    assert outcome.value < outcome.history[0]


@BOTH
def test_a_callback_can_end_the_search(minimize: Minimize) -> None:
    seen: list[float] = []

    def stop_at_third(u: Array, value: float) -> bool:
        u[:] = np.nan  # a copy: the search must not mind
        seen.append(value)
        return len(seen) == 3

    outcome = minimize(closed.SquaredResiduals.of(PROBLEMS[0]), PROBLEMS[0].start, callback=stop_at_third)
    assert outcome.status == "stopped"
    assert seen == list(outcome.history[1:])
    assert outcome.n_iterations == 3
    assert np.isfinite(outcome.u).all()


@BOTH
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(minimize: Minimize, scale: float) -> None:
    # The same problem with its parameters in other units takes the same steps.
    problem = next(p for p in PROBLEMS if p.name == "15 Kowalik-Osborne")
    other = replace(problem, residuals=lambda x: problem.residuals(x / scale))
    first = minimize(closed.SquaredResiduals.of(problem), problem.start)
    second = minimize(closed.SquaredResiduals.of(other), problem.start * scale)
    np.testing.assert_allclose(second.u / scale, first.u, rtol=1e-5)
    assert abs(second.n_gradients - first.n_gradients) <= 0.3 * first.n_gradients


@pytest.mark.parametrize(
    "u0, lower, upper",
    [([np.nan], -1.0, 1.0), ([0.0], 1.0, -1.0), ([0.0], np.inf, np.inf), ([[0.0]], -1.0, 1.0)],
)
def test_an_empty_box_is_the_callers_mistake(u0: list[float], lower: float, upper: float) -> None:
    for minimize in (minimize_least_squares, minimize_lbfgs):
        with pytest.raises(ValueError, match=r"start must be|lower bound"):
            minimize(WrongGradient(), np.array(u0), lower, upper)


def test_least_squares_needs_no_scipy() -> None:
    code = "import odefit.optimizers.least_squares, odefit.optimizers.sampling, odefit.optimizers.lbfgs, sys; "
    code += "sys.exit(any(m.split('.')[0] in ('scipy', 'torch', 'pandas') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- start points -----------------------------------------------------------------------------------


def test_starts_are_the_users_values_and_a_latin_hypercube() -> None:
    lower, upper, first = np.array([0.0, -5.0]), np.array([1.0, 5.0]), np.array([0.3, 4.0])
    points = start_points(lower, upper, first, 21, seed=1)
    assert points.shape == (21, 2)
    np.testing.assert_array_equal(points[0], first)
    slices = np.floor((points[1:] - lower) / (upper - lower) * 20).astype(int)
    for column in slices.T:
        assert sorted(column) == list(range(20))
    np.testing.assert_array_equal(points, start_points(lower, upper, first, 21, seed=1))
    assert not np.array_equal(points, start_points(lower, upper, first, 21, seed=2))
    assert abs(np.corrcoef(points[1:].T)[0, 1]) < 0.9  # the columns are shuffled independently


def test_one_start_is_the_users_alone() -> None:
    np.testing.assert_array_equal(start_points(np.zeros(1), np.ones(1), np.array([0.2]), 1, 0), [[0.2]])


def test_starts_leave_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - to see that nobody touches it
    start_points(np.zeros(2), np.ones(2), np.full(2, 0.5), 50, 0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_infinite_sides_get_a_box_around_the_users_value() -> None:
    inf = np.inf
    first, size = np.array([2.0, -3.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0, 2.0])
    low, high = sampling_box(np.array([-inf, -4.0, -inf, 0.0]), np.array([inf, inf, 1.0, 1.0]), first, size)
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    assert low[1] == -4.0
    assert high[2] == 1.0
    assert ((low < first) | (low == 0)).all()
    assert ((high > first) | (high == 1)).all()
    assert high[0] - first[0] == pytest.approx(first[0] - low[0])


def two_valleys(n: int) -> tuple[Array, Array]:
    """A wide shallow valley at 0.8 and a narrow deep one at 0.2."""
    x = np.linspace(0, 1, n)[:, None]
    values = np.minimum((x[:, 0] - 0.8) ** 2 + 0.1, 30 * (x[:, 0] - 0.2) ** 2)
    return values, x


def test_screening_takes_good_candidates_from_every_valley() -> None:
    values, x = two_valleys(201)
    chosen = screen(values, x, 10)[:, 0]
    assert len(chosen) == len(set(chosen)) == 10
    assert chosen[0] == x[0, 0]  # the user's own
    assert np.abs(chosen - 0.2).min() < 1e-9  # the best of all
    assert np.abs(chosen - 0.8).min() < 0.05
    greedy = x[np.argsort(values)[:10], 0]
    assert np.abs(greedy - 0.8).min() > 0.5  # taking the best alone would put all starts into one valley


def test_screening_leaves_failures_for_last() -> None:
    values, x = two_valleys(30)
    values[5:] = np.inf
    values[3] = np.nan
    chosen = screen(values, x, 6)[:, 0]
    assert set(x[[0, 1, 2, 4], 0]) <= set(chosen)
    assert len(set(chosen)) == 6
    np.testing.assert_array_equal(screen(values, x, 99), x)


def test_screening_identical_candidates_fills_up() -> None:
    assert screen(np.zeros(5), np.ones((5, 2)), 3).shape == (3, 2)
