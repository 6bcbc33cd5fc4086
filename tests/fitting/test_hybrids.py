"""Networks within equations: their penalty in every objective, their units, and what a hybrid recovers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hybrid_problems import OPTIONS, base_of, hybrid
from odefit.config.fit_methods import METHODS
from odefit.config.load import load_config
from odefit.data.dataset import Batch, collate
from odefit.errors import SolveError
from odefit.fitting.network_training import train
from odefit.fitting.stages import WindowOptions
from odefit.fitting.training_plan import Plan
from odefit.model.networks import MLP, build_networks
from odefit.model.system import Network
from odefit.objective.parameters import Parameter
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent
from odefit.training.linearised import Linearisation
from odefit.training.matching import MatchingObjective, Points, points_of
from odefit.training.matching import obstacle as matching_obstacle
from odefit.training.network_units import set_network_units
from odefit.training.objective_torch import Loss, TrainingObjective
from odefit.training.penalty import Penalty, called_with
from odefit.training.smoothing import smooth
from odefit.training.windows import Start, WindowObjective, cut_windows, whole_series
from small_problems import Array, central_differences, make_problem, make_system, series


def mean_squares(networks: nn.ModuleDict, states: Array, times: Array) -> tuple[float, float]:
    """Of `net` over points, outputs and both pairs of arguments, and of `other`: by hand."""
    with torch.no_grad():
        pairs = [torch.as_tensor(states), torch.as_tensor(states * [2, 1])]
        first = float(torch.cat([networks["net"](x) for x in pairs]).square().mean())
        return first, float(networks["other"](torch.as_tensor(times)[:, None]).square().mean())


def without(module: TrainingObjective, batch: Batch | Points) -> tuple[Tensor, Tensor]:
    """The loss with its penalty, and without it."""
    full = module(batch).detach()
    kept, module.penalty = module.penalty, Penalty(replace(module.problem.engine.system, networks={}), {})
    try:
        return full, module(batch).detach()
    finally:
        module.penalty = kept


@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_the_penalty_is_the_mean_square_over_what_was_solved(loss: Loss) -> None:
    assembled, networks = hybrid(0.7, 0.3)
    module = base_of(assembled, networks, loss)
    full, plain = without(module, collate(list(enumerate(assembled.experiments))))
    solved = assembled.states(assembled.table.values, assembled.experiments)
    net, other = mean_squares(networks, np.concatenate(solved), assembled.times)
    assert float(full - plain) == pytest.approx(0.7 * net + 0.3 * other, rel=1e-9)
    # Windows, wherever they start; the penalty counts no padding.
    windows = cut_windows(assembled.experiments, 4, 2)
    shot = WindowObjective(module, windows, solved, "data", steps=4)
    full, plain = without(shot, shot.everything())
    rows = [(e, f + k) for e, f, w in zip(windows.owner, windows.first, windows.experiments, strict=True)
            for k in range(len(w.times))]  # fmt: skip
    visited = np.array([solved[e][k] for e, k in rows])
    net, other = mean_squares(networks, visited, np.array([assembled.experiments[e].times[k] for e, k in rows]))
    assert float(full - plain) == pytest.approx(0.7 * net + 0.3 * other, rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_in_gradient_matching_it_is_taken_at_the_smoothed_states(loss: Loss) -> None:
    assembled, networks = hybrid(0.7)
    base = base_of(assembled, networks, loss)
    points = points_of(smooth(assembled), assembled, base.u)
    full, plain = without(MatchingObjective(base, points), points)
    net, _ = mean_squares(networks, points.states.numpy(), points.times.numpy())
    unit = float(points.states.numpy().var(axis=0).mean()) if loss == "mse" else 1.0
    assert float(full - plain) == pytest.approx(0.7 * net / unit, rel=1e-9)


def test_without_a_penalty_there_is_none() -> None:
    assembled, networks = hybrid(0.0)
    module = base_of(assembled, networks)
    assert not module.penalty
    full, plain = without(module, collate(list(enumerate(assembled.experiments))))
    assert float(full) == float(plain)


def gradient_by_differences(module: nn.Module, batch: object) -> tuple[Array, Array]:
    """The gradient to all trained numbers by autograd, and by central differences, in some random directions."""
    parameters = [q for q in module.parameters() if q.requires_grad]
    module(batch).backward()
    exact = torch.cat([torch.zeros(q.numel()) if q.grad is None else q.grad.reshape(-1) for q in parameters]).numpy()
    start = torch.cat([q.detach().reshape(-1) for q in parameters])

    def value(step: Array) -> float:
        moved = torch.split(start + torch.as_tensor(step), [q.numel() for q in parameters])
        with torch.no_grad():
            for q, part in zip(parameters, moved, strict=True):
                q.copy_(part.view(q.shape))
            return float(module(batch))

    directions = np.random.default_rng(3).standard_normal((len(start), 4)) / np.sqrt(len(start))
    return exact @ directions, central_differences(lambda x: value(directions @ x), np.zeros(4), 1e-3)


@pytest.mark.parametrize("kind", ["whole", "windows", "windows, nll", "slopes"])
def test_its_gradient_against_central_differences(kind: str) -> None:
    assembled, networks = hybrid(2.0, 0.5)
    base = base_of(assembled, networks, "nll" if "nll" in kind else "mse")
    module: nn.Module = base
    batch: object = collate(list(enumerate(assembled.experiments)))
    if kind == "slopes":
        batch = points_of(smooth(assembled), assembled, base.u)
        module = MatchingObjective(base, batch)
    elif kind.startswith("windows"):
        solved = assembled.states(assembled.table.values, assembled.experiments)
        module = WindowObjective(base, cut_windows(assembled.experiments, 4, 2), solved, "free", 0.1, steps=1)
        batch = module.everything()
    exact, expected = gradient_by_differences(module, batch)
    np.testing.assert_allclose(exact, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("model", ["gaussian", "lognormal"])
@pytest.mark.parametrize("start", ["data", "model", "free"])
def test_the_linearisation_has_rows_for_it(start: Start, model: str) -> None:
    """Half the gradient and the whole loss follow from its rows; each column is that of differences."""
    assembled, networks = hybrid(2.0, 0.5, model)
    experiments = assembled.experiments
    windows = whole_series(experiments) if start == "model" else cut_windows(experiments, 4, 2)
    solved = assembled.states(assembled.table.values, experiments)
    module = WindowObjective(base_of(assembled, networks), windows, solved, start, steps=1)
    assert module.is_least_squares
    linear, batch = Linearisation(module), module.everything()
    cells, points = int(batch.mask.sum()), int(batch.inside.sum())
    here = linear.solve(batch)
    measured, penalised = linear.residuals(batch, here), linear.penalties(batch, here)
    loss = module(batch)
    squares = [float(rows[0].square().sum()) for rows in (measured, penalised)]
    assert loss.item() == pytest.approx(squares[0] / cells + squares[1] / points, rel=1e-12)
    loss.backward()
    gradient = torch.cat([torch.as_tensor(q.grad).reshape(-1) for q in (module.u, *(q for _, q in linear.named))])
    both = ((measured, cells), (penalised, points))
    found = sum(2 / n * torch.einsum("em,emq->q", rows[0], rows[1]) for rows, n in both)
    torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-12)
    whole = linear.at(batch)
    if start == "free":
        assert module.starts.grad is not None
        of_starts = sum(2 / n * torch.einsum("em,ems->es", rows[0], rows[2]) for rows, n in both)
        torch.testing.assert_close(of_starts, module.starts.grad)
    else:
        torch.testing.assert_close(2 / cells * whole.gradient, gradient)
        flat = [rows[1].reshape(-1, len(linear.q)) for rows in (measured, penalised)]
        expected = flat[0].T @ flat[0] + cells / points * flat[1].T @ flat[1]
        torch.testing.assert_close(whole.matrix, expected)
    q = linear.q
    for column in (0, 1, len(q) - 4):

        def rows(step: Array, column: int = column) -> Array:
            moved = q.clone()
            moved[column] += float(step[0])
            linear.put(moved)
            return linear.penalties(batch, linear.solve(batch))[0].numpy()

        difference = central_differences(rows, np.zeros(1), 1e-3)[..., 0]
        np.testing.assert_allclose(penalised[1][..., column], difference, atol=1e-8)


def test_some_of_a_batch_is_that_batch_alone() -> None:
    assembled, _ = hybrid()
    one = replace(assembled.experiments[0], inputs={"light": np.sin})  # type: ignore[dict-item]
    two = replace(assembled.experiments[1], inputs={"heat": np.cos}, censored=np.ones((6, 2), dtype=np.int8))  # type: ignore[dict-item]
    batch = collate([(0, one), (1, two)])
    for e, experiment in enumerate((one, two)):
        part, alone = batch.some(slice(e, e + 1)), collate([(e, experiment)])
        n = len(experiment.times)
        assert part.input_names == alone.input_names
        assert part.inputs is not None
        assert alone.inputs is not None
        torch.testing.assert_close(part.inputs[:, :n], alone.inputs)
        torch.testing.assert_close(part.grid[part.index], alone.grid[alone.index] if n == 9 else part.grid[part.index])
        for name in ("times", "values", "mask", "inside"):
            torch.testing.assert_close(getattr(part, name)[:, :n], getattr(alone, name))
        assert part.censored is not None
        assert bool(part.censored.any()) == (e == 1)
        assert part.grid[-1] == alone.grid[-1]
        assert not part.inside[:, n:].any()
    # A batch of which one series fails is solved one by one, and tells which.
    p = torch.tensor([[0.4, 0.7], [0.4, math.nan]], dtype=torch.float64)
    with pytest.raises(SolveError, match="experiment B"):
        assembled.engine.solve_batch(p, batch)


def test_the_different_arguments_of_a_call_are_found_once() -> None:
    assembled, _ = hybrid()
    found = [tuple(map(str, x)) for x in called_with(assembled.engine.system, "net")]
    assert sorted(found) == [("2*x", "y"), ("x", "y")]
    assert len(called_with(assembled.engine.system, "other")) == 1


def test_an_output_is_as_large_as_explains_the_slopes() -> None:
    """Its coefficient counts: of net(x)*x with x around 100 and slopes around 1 the output is around 0.01."""
    net = Network("net", 1, 2, (3,))
    system = make_system(
        {"x": "1 + a*net(x)[0]*x", "y": "exp(net(x)[1]) + y"}, {"x": "0", "y": "0"}, ("a",), networks={"net": net}
    )
    t = np.linspace(0, 10, 41)
    values = np.stack([100 + np.sin(t), np.cos(t)], axis=1)
    networks = build_networks([net], 0).to(torch.float64)
    made = make_problem(system, [series("A", t, values)], [Parameter("a", 2.0)], dict.fromkeys("xy", "0.1"), OPTIONS)
    smoothed = smooth(made)
    set_network_units(made, networks, smoothed)
    module = networks["net"]
    assert isinstance(module, MLP)
    slopes, states = smoothed[0].slopes[:, 0], smoothed[0].states[:, 0]
    expected = math.sqrt(np.mean(slopes**2) / np.mean((2 * states) ** 2))
    # The second output does not enter linearly: nothing is known of it.
    np.testing.assert_allclose(module.output_scale, [expected, 1.0], rtol=1e-9)


def test_slopes_are_not_matched_where_inputs_drive_the_model() -> None:
    assembled, _ = hybrid()
    driven = replace(assembled.observation.system, inputs=("light",))
    observation = replace(assembled.observation, system=driven)
    assert matching_obstacle(replace(assembled, observation=observation)) == "the model has inputs"


HALF = """
model:
  equations: {prey: "alpha*prey - net(prey, predator)*FACTOR", predator: 0.8*prey*predator - 1.8*predator}
  networks: {net: {hidden: [5], output: positive, penalty: PENALTY}}
parameters: {alpha: {value: 1, bounds: [0.1, 10], scale: log}}
data:
  simulate:
    model: {equations: {prey: alpha*prey - 0.9*prey*predator, predator: 0.8*prey*predator - 1.8*predator}}
    parameters: {alpha: 1.3}
    times: {start: 0, stop: 4, count: 41}
    noise: 0.01
    seed: 1
  experiments:
    a: {prey_0: 1, predator_0: 1}
    b: {prey_0: 2, predator_0: 0.1}
fit: {method: least_squares}
"""
PLAN = Plan(METHODS["least_squares"], 4, 60, WindowOptions((10,), (3,)), normalise=True)


def trained(folder: Path, factor: str, penalty: float) -> tuple[float, float]:
    """alpha, and the root mean square of the network over the data."""
    (folder / "c.yaml").write_text(HALF.replace("FACTOR", factor).replace("PENALTY", str(penalty)))
    assembly, _ = prepare(load_config(folder / "c.yaml"))
    found = train(assembly, Silent(), PLAN)
    assert assembly.networks is not None
    with torch.no_grad():
        values = assembly.networks["net"](torch.as_tensor(np.concatenate([e.values for e in assembly.measured])))
    return float(found.theta[assembly.problem.table.index["alpha"]]), float(values.square().mean().sqrt())


def test_a_short_training_recovers_the_parameter_and_the_term(tmp_path: Path) -> None:
    alpha, size = trained(tmp_path, "prey*predator", 1e-4)
    assert alpha == pytest.approx(1.3, rel=0.03)
    assert size == pytest.approx(0.9, rel=0.05)


def test_a_larger_penalty_leaves_less_to_the_network(tmp_path: Path) -> None:
    """Where nothing else says which is which, growth and loss fall together."""
    free, held = (trained(tmp_path, "1", penalty) for penalty in (0.0, 1e-3))
    assert free[1] > held[1]
    assert free[0] > held[0]
