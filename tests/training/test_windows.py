"""Multiple shooting: which windows there are, what they predict, what their gaps cost, and whether it helps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from network_problems import base_of, check_gradient, neural
from odefit.data.dataset import Batch, collate, data_loader
from odefit.data.experiments import Dose
from odefit.engines.base import SolverOptions
from odefit.engines.torch_engine import TorchEngine
from odefit.errors import SolveError
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.training.adam import AdamOptions, minimize_adam
from odefit.training.levenberg_marquardt import minimize_damped
from odefit.training.linearised import Linearisation
from odefit.training.smoothing import smooth
from odefit.training.whole_batch import minimize_whole
from odefit.training.windows import (
    RandomWindows,
    Start,
    WindowObjective,
    cut_windows,
    obstacle,
    start_states,
    whole_series,
)
from small_problems import Array, central_differences, make_problem, make_system, series

LOTKA_VOLTERRA = make_system(
    {"x": "a*x - b*x*y", "y": "b*x*y - 0.8*y"}, {"x": "x_0", "y": "y_0"}, ("a", "b", "x_0", "y_0")
)
TRUTH = {"a": 0.9, "b": 0.6}
GAUSSIAN = {"x": "0.1", "y": "0.1"}
IRREGULAR = [0.3, 0.5, 1.1, 1.2, 1.9, 2.0, 2.6, 3.5, 3.6, 4.4, 5.0]
REGULAR = np.linspace(0.0, 6.0, 13)


def problem(noise: dict[str, str] | dict[str, tuple[str, str]] = GAUSSIAN, scatter: float = 0.0) -> FitProblem:
    """Two series of different times, solved exactly and read with `scatter`."""
    rows = [Parameter(name, value, 0.0, math.inf, "log") for name, value in TRUTH.items()]
    bound = {"x_0": [1.0, 0.5], "y_0": [0.7, 1.4]}
    blank = [series("A", IRREGULAR, n=2), series("B", REGULAR, n=2)]
    empty = make_problem(LOTKA_VOLTERRA, blank, rows, noise, SolverOptions("rk4", step=0.01), bound)
    rng = np.random.default_rng(5)
    solved = empty.states(empty.table.values, empty.experiments)
    measured = tuple(
        replace(e, values=y + scatter * rng.standard_normal(y.shape))
        for e, y in zip(empty.experiments, solved, strict=True)
    )
    return replace(empty, experiments=measured)


@pytest.mark.parametrize("points", [2, 5, 11, 13, 40])
@pytest.mark.parametrize("overlap", [1, 2, 4])
def test_windows_cover_every_measurement(points: int, overlap: int) -> None:
    experiments = problem().experiments
    if overlap >= points:
        with pytest.raises(ValueError, match="cannot share"):
            cut_windows(experiments, points, overlap)
        return
    windows = cut_windows(experiments, points, overlap)
    for row, experiment in enumerate(experiments):
        n = len(experiment.times)
        covered = np.zeros(n, dtype=int)
        mine = np.flatnonzero(windows.owner == row)
        for w in mine:
            window, first = windows.experiments[w], windows.first[w]
            own = slice(first, first + len(window.times))
            covered[own] += 1
            np.testing.assert_array_equal(window.times, experiment.times[own])
            np.testing.assert_array_equal(window.values, experiment.values[own])
            assert window.start == window.times[0]
            assert len(window.times) == min(points, n)
        assert covered.min() == 1
        # Neighbours share `overlap` times; only the last two may share more.
        shared = np.diff(windows.first[mine])
        assert (shared[:-1] == points - overlap).all()
        assert (shared <= points - overlap).all()
        assert covered.sum() == len(mine) * min(points, n)
        assert len(mine) == 1 + max(math.ceil((n - points) / (points - overlap)), 0)


def test_followers_begin_where_they_are_said_to_meet() -> None:
    windows = cut_windows(problem().experiments, 5, 2)
    for w, v in enumerate(windows.follower):
        if v < 0:
            # The last window of a series.
            assert w + 1 == len(windows) or windows.owner[w + 1] == windows.owner[w] + 1
            continue
        assert windows.owner[v] == windows.owner[w]
        assert windows.experiments[w].times[windows.meeting[w]] == windows.experiments[v].start
    assert (windows.follower < 0).sum() == 2


def test_a_series_of_one_time_is_left_out() -> None:
    windows = cut_windows([series("A", [1.0], n=2), series("B", [0.0, 1.0], n=2)], 5)
    assert windows.owner.tolist() == [1]


def test_errors_and_limits_go_with_their_measurements() -> None:
    e = replace(
        series("A", REGULAR, np.arange(13.0), sigma=0.5),
        censored=(np.arange(13) % 3 - 1).astype(np.int8)[:, None],
    )
    for window, first in zip(*(lambda w: (w.experiments, w.first))(cut_windows([e], 5)), strict=True):
        assert window.sigma is not None
        assert window.censored is not None
        assert window.sigma.shape == (5, 1)
        np.testing.assert_array_equal(window.censored[:, 0], np.arange(first, first + 5) % 3 - 1)


def test_a_batch_is_its_windows_one_by_one_and_as_the_engine_solves_them() -> None:
    assembled = problem()
    base, windows = base_of(assembled), cut_windows(assembled.experiments, 4, 2)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    objective = WindowObjective(base, windows, states, steps=40)
    together = collate(list(enumerate(windows.experiments)))
    theta = assembled.table.natural_tensor(base.u)
    owner = torch.as_tensor(windows.owner)
    p = assembled.binding.local_tensor(theta, owner)
    y = objective.solve(p, together).detach()
    # The same windows as series of their own, with their start states as initial values, in the general engine.
    local = p.detach().clone()
    local[:, 2:] = objective.start_states().detach()
    engine = TorchEngine(LOTKA_VOLTERRA, SolverOptions("dopri5", rtol=1e-9, atol=1e-11))
    exact = engine.solve(local.numpy(), windows.experiments)
    for w, window in enumerate(windows.experiments):
        alone = objective.solve(p[w : w + 1], collate([(w, window)])).detach()
        torch.testing.assert_close(alone[0], y[w], rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(y[w].numpy(), exact[w].y, rtol=1e-7, atol=1e-8)


def test_steps_are_of_fourth_order() -> None:
    assembled = problem()
    base, windows = base_of(assembled), cut_windows(assembled.experiments, 6)
    states = [e.values for e in assembled.experiments]
    objective = WindowObjective(base, windows, states)
    batch = collate(list(enumerate(windows.experiments)))
    p = assembled.binding.local_tensor(assembled.table.natural_tensor(base.u), torch.as_tensor(windows.owner))
    exact = objective.solve(p, batch, 64).detach()
    errors = [float((objective.solve(p, batch, n).detach() - exact).abs().max()) for n in (2, 4)]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.25)


def test_a_fast_system_gets_more_steps() -> None:
    def steps(frequency: float) -> int:
        system = make_system({"x": "w*y", "y": "-w*x"}, {"x": "1", "y": "0"}, ("w",))
        rows = [Parameter("w", frequency)]
        t = np.linspace(0, 3, 10)
        values = np.stack([np.cos(frequency * t), -np.sin(frequency * t)], axis=1)
        assembled = make_problem(system, [series("A", t, values)], rows, GAUSSIAN)
        return WindowObjective(base_of(assembled), cut_windows(assembled.experiments, 4), [values]).steps

    assert steps(0.5) == 1
    assert 4 <= steps(10.0) <= 32


@pytest.mark.parametrize("noise", [GAUSSIAN, {"x": ("lognormal", "0.1"), "y": ("lognormal", "0.1")}])
def test_the_true_trajectory_has_no_gaps_and_costs_nothing(noise: dict[str, str]) -> None:
    assembled = problem(noise)
    base, windows = base_of(assembled), cut_windows(assembled.experiments, 5, 2)
    states = [e.values for e in assembled.experiments]
    objective = WindowObjective(base, windows, states, weight=1e6, steps=50)
    batch = collate(list(enumerate(windows.experiments)))
    assert objective(batch).item() < 1e-10
    # Half a percent off in one start is seen by its own window, and in the gap before it.
    y = objective.start_states().detach()
    with torch.no_grad():
        objective.starts[1] += objective.scaled(y[1] * 1.005) - objective.scaled(y[1])
    gaps = objective.gaps(objective.solve(*_everything(objective)), batch).detach()
    scale = objective.scale
    expected = (torch.full_like(scale, math.log(1.005)) if "lognormal" in str(noise) else y[1] * 0.005) / scale
    torch.testing.assert_close(gaps[0], -expected, rtol=1e-4, atol=1e-6)
    assert objective(batch).item() > 1


def _everything(objective: WindowObjective) -> tuple[torch.Tensor, Batch]:
    theta = objective.problem.table.natural_tensor(objective.u)
    return objective.problem.binding.local_tensor(theta, objective.owner), objective.everything()


def test_log_normal_states_stay_positive() -> None:
    assembled = problem({"x": ("lognormal", "0.1"), "y": ("lognormal", "0.1")})
    windows = cut_windows(assembled.experiments, 5)
    objective = WindowObjective(base_of(assembled), windows, [e.values for e in assembled.experiments])
    with torch.no_grad():
        objective.starts -= 30.0
    assert (objective.start_states() > 0).all()


@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_the_gradient_is_that_of_central_differences(loss: str) -> None:
    """Of every weight, start and named parameter, along a direction; half of the windows in the batch."""
    assembled, networks = neural(0.05)
    windows = cut_windows(assembled.experiments, 5, 2)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    module = WindowObjective(base_of(assembled, loss, networks), windows, states, weight=0.7)
    batch = collate([(w, windows.experiments[w]) for w in range(0, len(windows), 2)])
    parameters = [q for q in module.parameters() if q.requires_grad]
    assert sum(q.numel() for q in parameters) == 2 + 2 * 4 + 4 + 4 * 2 + 2 + 2 * len(windows)
    check_gradient(module, batch)


def test_starts_from_the_data_are_not_trained() -> None:
    assembled, networks = neural(0.05)
    windows = cut_windows(assembled.experiments, 5)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    module = WindowObjective(base_of(assembled, "mse", networks), windows, states, "data")
    before = module.starts.detach().clone()
    minimize_adam(module, data_loader(windows.experiments, 7, torch.Generator()), AdamOptions(3))
    assert torch.equal(module.starts, before)
    np.testing.assert_allclose(module.start_states()[3].detach(), states[0][12], rtol=1e-12)


def test_a_short_training_learns_the_field() -> None:
    """Noise of 0.05; the field is right to a few percent after 60 iterations on windows, in a second."""
    assembled, networks = neural(0.05, (8,), n=8)
    base = base_of(assembled, "mse", networks)
    windows = cut_windows(assembled.experiments, 8, 4)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    module = WindowObjective(base, windows, states)
    batch = collate(list(enumerate(windows.experiments)))
    before = module(batch).item()
    found = minimize_whole(module, batch, 60, {"u": assembled.table.search_bounds()})
    assert found.best_loss < 0.003 < 0.05 < before
    assert module(batch).item() == found.best_loss
    # The trained starts join to the trajectories without noise.
    joined = module.joined_states(states)
    exact = neural(0.0, (8,), n=8)[0].experiments
    errors = [float(np.square(y - e.values).mean()) for y, e in zip(joined, exact, strict=True)]
    assert np.mean(errors) < 0.05**2 / 2
    assert assembled.table.to_natural(base.u.detach().numpy())[0] >= 0.05


def test_continuity_closes_the_gaps() -> None:
    assembled, networks = neural(0.05)
    windows = cut_windows(assembled.experiments, 8, 1)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    sizes = []
    for weight in (0.0, 10.0):
        module = WindowObjective(base_of(assembled, "mse", networks), windows, states, weight=weight)
        minimize_whole(module, module.everything(), 40)
        gaps = module.gaps(module.solve(*_everything(module)), module.everything())
        sizes.append(gaps.square().mean().item())
    assert sizes[1] < sizes[0] / 20


def test_random_windows_are_drawn_anew_and_alike_for_a_seed() -> None:
    windows = cut_windows(problem().experiments, 5, 4)

    def epochs(seed: int) -> list[list[int]]:
        batches = RandomWindows(windows, 6, torch.Generator().manual_seed(seed), torch.float64, torch.device("cpu"))
        return [next(iter(batches)).rows.tolist() for _ in range(20)]

    state = torch.random.get_rng_state()
    drawn = epochs(1)
    assert drawn == epochs(1) != epochs(2)
    assert all(len(set(rows)) == 6 for rows in drawn)
    assert set().union(*drawn) == set(range(len(windows)))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_training_is_the_same_for_a_seed_and_leaves_the_global_generator_alone() -> None:
    def train() -> tuple[list[float], torch.Tensor]:
        assembled, networks = neural(0.05)
        windows = cut_windows(assembled.experiments, 6, 5)
        states = start_states(assembled, smooth(assembled), assembled.table.values)
        module = WindowObjective(base_of(assembled, "mse", networks), windows, states)
        generator = torch.Generator().manual_seed(3)
        batches = RandomWindows(windows, 9, generator, torch.float64, torch.device("cpu"))
        found = minimize_adam(module, batches, AdamOptions(8))
        return [epoch.loss for epoch in found.history], module.starts.detach()

    state = torch.random.get_rng_state()
    (losses, starts), (again, same) = train(), train()
    assert losses == again
    assert torch.equal(starts, same)
    assert torch.equal(state, torch.random.get_rng_state())


def test_hidden_states_start_from_the_model() -> None:
    system = make_system({"x": "-x + y", "y": "-0.5*y"}, {"x": "0", "y": "y_0"}, ("y_0",), {"x": "x"})
    t = np.linspace(0, 4, 9)
    assembled = make_problem(system, [series("A", t, 1.3 * t)], [Parameter("y_0", 2.0)], {"x": "0.1"})
    (states,) = start_states(assembled, smooth(assembled), assembled.table.values)
    np.testing.assert_allclose(states[:, 1], 2 * np.exp(-0.5 * t), rtol=1e-6)
    np.testing.assert_allclose(states[:, 0], 1.3 * t, atol=1e-6)


def test_a_window_that_blows_up_is_named() -> None:
    system = make_system({"x": "k*x^2"}, {"x": "1"}, ("k",))
    t = np.linspace(0, 2, 9)
    assembled = make_problem(system, [series("A", t, np.full(9, 1.0))], [Parameter("k", 1.0)], {"x": "0.1"})
    module = WindowObjective(base_of(assembled), cut_windows(assembled.experiments, 5), [np.full((9, 1), 1.0)])
    with torch.no_grad():
        module.starts[1] = 1e30 / module.scale
    with pytest.raises(SolveError, match="experiment A: the window from t = 1 on"):
        module(module.everything())


def test_what_windows_cannot_do_is_said() -> None:
    assembled = problem()
    assert obstacle(assembled) is None
    first, second = assembled.experiments
    dosed = replace(assembled, experiments=(first, replace(second, doses=(Dose(1.0, "x", 2.0),))))
    assert "doses" in str(obstacle(dosed))
    short = replace(assembled, experiments=(first.at(np.array([0.0])),))
    assert "two times" in str(obstacle(short))


def estimated_starts(
    scatter: float, hidden: tuple[int, ...] = (4,), log: bool = False
) -> tuple[FitProblem, nn.ModuleDict]:
    """`neural` with every x_0 estimated, and an observable that depends on a parameter."""
    assembled, networks = neural(scatter, hidden)
    system = make_system(
        {"x": "net(x, y)[0]", "y": "net(x, y)[1] - k*y"}, {"x": "x_0", "y": "y_0"}, ("k", "x_0", "y_0", "g"),
        {"x": "g*exp(x)" if log else "g*x + t*k", "h": "y"}, dict(assembled.engine.system.networks),
    )  # fmt: skip
    starts = [e.values[0] for e in assembled.experiments]
    rows = [Parameter("k", 0.2, 0.05, 1.0, "log"), Parameter("g", 1.1)]
    rows += [Parameter(f"x_0[{e}]", float(y[0])) for e, y in enumerate(starts)]
    bound = {"x_0": [f"x_0[{e}]" for e in range(len(starts))], "y_0": [float(y[1]) for y in starts]}
    noise = {"x": ("lognormal" if log else "gaussian", "0.1"), "h": "0.1"}
    measured = assembled.experiments
    if log:
        measured = tuple(replace(e, values=np.stack([np.exp(e.values[:, 0]), e.values[:, 1]], 1)) for e in measured)
    gaps = tuple(replace(e, values=np.where(np.arange(62).reshape(31, 2) % 7, e.values, np.nan)) for e in measured)
    options = SolverOptions("rk4", step=0.2)
    made = make_problem(system, gaps, rows, noise, options, bound)
    return replace(made, engine=TorchEngine(system, options, ("k",), networks)), networks


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("start", ["free", "data", "model"])
def test_the_linearisation_has_the_derivatives_of_the_loss(start: Start, log: bool) -> None:
    """r, dr/dq and dr/dz against the loss and its gradient by autograd, and each column by differences."""
    assembled, networks = estimated_starts(0.05, log=log)
    base = base_of(assembled, "mse", networks)
    experiments = [e.rows(slice(0, 8)) for e in assembled.experiments]
    windows = whole_series(experiments) if start == "model" else cut_windows(experiments, 5, 2)
    states = [e.values[:8] for e in neural(0.05)[0].experiments]
    module = WindowObjective(base, windows, states, start, steps=2)
    linear, batch = Linearisation(module), module.everything()
    r, of_q, of_z = linear.residuals(batch)
    n = int(batch.mask.sum())
    loss = module(batch)
    assert loss.item() == pytest.approx(float(r.square().sum()) / n, rel=1e-12)
    loss.backward()
    gradient = torch.cat([base.u.grad, *(q.grad.reshape(-1) for _, q in linear.named)])  # type: ignore[list-item]
    torch.testing.assert_close(2 / n * torch.einsum("em,emq->q", r, of_q), gradient, rtol=1e-9, atol=1e-12)
    if start == "free":
        assert module.starts.grad is not None
        torch.testing.assert_close(2 / n * torch.einsum("em,ems->es", r, of_z), module.starts.grad)
    q = linear.q
    for column in (0, 1, len(q) - 12):

        def residuals(step: Array, column: int = column) -> Array:
            moved = q.clone()
            moved[column] += float(step[0])
            linear.put(moved)
            return linear.residuals(batch)[0].numpy()

        expected = central_differences(residuals, np.zeros(1), 1e-3)[..., 0]
        np.testing.assert_allclose(of_q[..., column], expected, atol=1e-8)


def test_eliminated_starts_follow_as_if_they_had_stayed() -> None:
    """The step for weights and starts together, in one large system, is the step of the small one."""
    assembled, networks = estimated_starts(0.05)
    windows = cut_windows(assembled.experiments, 5, 2)
    states = [np.where(np.isfinite(e.values), e.values, 0.4) for e in assembled.experiments]
    module = WindowObjective(base_of(assembled, "mse", networks), windows, states)
    linear, batch = Linearisation(module), module.everything()
    r, of_q, of_z = linear.residuals(batch)
    (e, m, n), s = of_q.shape, of_z.shape[2]
    large = torch.zeros((e, m, n + e * s), dtype=torch.float64)
    large[..., :n] = of_q
    for w in range(e):
        large[w, :, n + w * s : n + (w + 1) * s] = of_z[w]
    flat = large.reshape(e * m, -1)
    damping = torch.diag(torch.cat((torch.full((n,), 1e-2), torch.zeros(e * s)))).to(flat)
    step = -torch.linalg.solve(flat.T @ flat + damping, flat.T @ r.reshape(-1))
    here = linear.at(batch)
    dq = -torch.linalg.solve(here.matrix + damping[:n, :n], here.gradient)
    torch.testing.assert_close(dq, step[:n], rtol=1e-6, atol=1e-8)
    dz = here.start_steps(dq, module.starts.detach())
    torch.testing.assert_close(dz.reshape(-1), step[n:], rtol=1e-6, atol=1e-8)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    assembled, networks = estimated_starts(0.05)
    windows = cut_windows(assembled.experiments, 5, 2)
    states = [np.where(np.isfinite(e.values), e.values, 0.4) for e in assembled.experiments]
    module = WindowObjective(base_of(assembled, "mse", networks), windows, states)
    linear = Linearisation(module)
    whole = linear.at(module.everything())
    monkeypatch.setattr("odefit.training.linearised.MAX_HELD", 2000)
    parts = linear.at(module.everything())
    assert len(parts.chunks) > 3 > len(whole.chunks)
    torch.testing.assert_close(parts.matrix, whole.matrix)
    dq = torch.linspace(-1, 1, len(linear.q), dtype=torch.float64)
    torch.testing.assert_close(parts.start_steps(dq, module.starts), whole.start_steps(dq, module.starts))


def test_damped_steps_need_few_iterations_and_respect_bounds() -> None:
    """From random weights; the loss never rises, and k stays within its bounds."""
    assembled, networks = neural(0.05, (8,), n=8)
    base = base_of(assembled, "mse", networks)
    windows = cut_windows(assembled.experiments, 8, 4)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    module = WindowObjective(base, windows, states)
    low, high = (torch.as_tensor(b) for b in assembled.table.search_bounds())
    found = minimize_damped(module, Linearisation(module), module.everything(), 12, (low, high), module.starts, 1e-6)
    losses = [epoch.loss for epoch in found.history]
    assert losses == sorted(losses, reverse=True)
    # 0.05² less what the free parameters explain.
    assert 0.0012 < losses[-1] < 0.0025
    assert (base.u >= low).all()
    assert (base.u <= high).all()


def test_damped_steps_go_around_a_blow_up() -> None:
    """dx/dt = k x² from a k that is far too small: the full step would leave the existence of the solution."""
    system = make_system({"x": "k*x^2"}, {"x": "1"}, ("k",))
    t = np.linspace(0, 1, 6)
    assembled = make_problem(system, [series("A", t, 1 / (1 - 0.9 * t))], [Parameter("k", 0.01)], {"x": "0.1"})
    base = base_of(assembled)
    module = WindowObjective(base, whole_series(assembled.experiments), [np.ones((6, 1))], "model", steps=5)
    low, high = (torch.as_tensor(b) for b in assembled.table.search_bounds())
    found = minimize_damped(module, Linearisation(module), module.everything(), 60, (low, high))
    assert found.status == "converged"
    assert base.u.item() == pytest.approx(0.9, rel=1e-3)
