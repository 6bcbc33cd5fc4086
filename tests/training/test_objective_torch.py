"""The torch objective against the NumPy one: the same numbers, the same gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from network_problems import check_gradient
from odefit.data.dataset import collate, data_loader
from odefit.engines.base import SolverOptions
from odefit.engines.torch_engine import TorchEngine
from odefit.errors import FitError, SolveError
from odefit.model.networks import build_networks
from odefit.model.system import Network
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Binding, Parameter, ParameterTable
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from odefit.objective.residuals import residual_sum
from odefit.training.objective_torch import TrainingObjective
from small_problems import central_differences, make_engine, make_problem, make_system, series

NAN = math.nan
LOG = {"lower": 0.0, "upper": np.inf, "scale": "log"}
SYSTEM = make_system(
    {"x": "a*x - b*x*y + 0.1*cos(t)", "y": "b*x - c*y"},
    {"x": "x_0", "y": "0"},
    ("a", "b", "c", "x_0", "k"),
    {"g": "k*x", "h": "y + 0.05*t"},
)
NOISES: dict[str, dict[str, str | tuple[str, str | None] | None]] = {
    "fixed": {"g": "0.3", "h": "0.2"},
    "estimated": {"g": "s", "h": "s2"},
    "shared, one log-normal": {"g": ("lognormal", "s"), "h": "s"},
    "of the prediction": {"g": "s + 0.2*k*x", "h": "s2*sqrt(y)"},
    "from the data": {"g": None, "h": "s"},
}


def problem(kind: str, engine: str = "torch", method: str = "rk4", dtype: str = "float64") -> FitProblem:
    """Two experiments with cells missing here and there: h is never measured at the start, where y is 0."""
    rng = np.random.default_rng(3)
    t1, t2 = [0.0, 0.5, 1.0, 1.7, 2.4], [1.0, 1.6, 2.3]
    values = [np.exp(rng.normal(0, 0.3, (len(t), 2))) for t in (t1, t2)]
    values[0][0, 1] = values[0][2, 0] = values[0][3, :] = values[1][0, 1] = NAN
    errors = [0.1 + rng.random((len(t), 2)) for t in (t1, t2)]
    table = [
        Parameter("a", 0.9, **LOG, prior=Prior("lognormal", 0.5, 1.0)),
        Parameter("b", 0.6, 0.1, 3.0, "logit", prior=Prior("normal", 1.0, 0.5)),
        Parameter("c", 0.4, prior=Prior("laplace", 1.0, 0.2)),
        Parameter("x_0[A]", 1.1, 0.5, 2.0, "log", prior=Prior("uniform", 0.5, 2.0)),
        Parameter("x_0[B]", 0.8),
        Parameter("k", 1.3, estimate=False, prior=Prior("normal", 0.0, 1.0)),
        Parameter("s", 0.3, **LOG, role="noise"),
        Parameter("s2", 0.2, **LOG, role="noise"),
    ]
    experiments = [series("A", t1, values[0], sigma=errors[0]), series("B", t2, values[1], sigma=errors[1], start=0.8)]
    options = SolverOptions(method if engine == "torch" else "auto", 1e-9, 1e-11, step=0.05, dtype=dtype)
    return make_problem(SYSTEM, experiments, table, NOISES[kind], options, {"x_0": ["x_0[A]", "x_0[B]"]}, engine)


def module_of(problem: FitProblem, loss: str) -> TrainingObjective:
    u = torch.as_tensor(problem.table.to_search(problem.table.values))
    return TrainingObjective(problem, nn.ModuleDict(), loss, u)


@pytest.mark.parametrize(("engine", "method"), [("torch", "rk4"), ("torch", "dopri5"), ("compiled", "auto")])
@pytest.mark.parametrize("kind", NOISES)
def test_nll_is_the_likelihood_per_cell_with_its_gradient(kind: str, engine: str, method: str) -> None:
    assembled = problem(kind, engine, method)
    module = module_of(assembled, "nll")
    loss = module(collate(list(enumerate(assembled.experiments))))
    loss.backward()
    evaluation = Likelihood(assembled).evaluate(module.u.detach().numpy())
    n = assembled.n_measured
    tolerance = 1e-9 if method == "rk4" else 1e-5
    assert loss.item() == pytest.approx(evaluation.value / n, rel=tolerance)
    assert module.u.grad is not None
    np.testing.assert_allclose(module.u.grad.numpy(), evaluation.gradient / n, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", NOISES)
def test_mse_is_the_mean_square_with_its_gradient(kind: str) -> None:
    assembled = problem(kind)
    module = module_of(assembled, "mse")
    loss = module(collate(list(enumerate(assembled.experiments))))
    loss.backward()
    u, n = module.u.detach().numpy(), assembled.n_measured
    likelihood = Likelihood(assembled)
    assert loss.item() == pytest.approx(residual_sum(likelihood, u) / n, rel=1e-12)
    assert module.u.grad is not None
    direction = np.random.default_rng(1).normal(size=len(u))
    slope = central_differences(lambda x: residual_sum(likelihood, u + x * direction), np.zeros(1), 1e-3)
    assert module.u.grad.numpy() @ direction == pytest.approx(slope[0] / n, rel=1e-7)


@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_batches_add_up_to_the_whole(loss: str) -> None:
    assembled = problem("estimated")
    module = module_of(assembled, loss)
    whole = module(collate(list(enumerate(assembled.experiments)))).item() * assembled.n_measured
    parts = [(module(b).item(), int(b.mask.sum())) for b in data_loader(assembled.experiments, 1, torch.Generator())]
    assert len(parts) == 2
    assert sum(value * cells for value, cells in parts) == pytest.approx(whole, rel=1e-7)


def test_what_is_not_measured_changes_nothing() -> None:
    """Neither value nor gradient: not by the number in the cell, not by a logarithm or a root of zero there."""
    assembled = problem("of the prediction")
    batch = collate(list(enumerate(assembled.experiments)))
    spoilt = replace(batch, values=torch.where(batch.mask, batch.values, -7.0))
    results = []
    for given in (batch, spoilt):
        module = module_of(assembled, "nll")
        loss = module(given)
        loss.backward()
        assert module.u.grad is not None
        assert torch.isfinite(module.u.grad).all()
        results.append((loss.item(), module.u.grad.tolist()))
    assert results[0] == results[1]


def test_an_observable_that_is_never_measured_is_no_matter() -> None:
    assembled = problem("estimated")
    for experiment in assembled.experiments:
        experiment.values[:, 1] = NAN
    assembled = replace(assembled)
    module = module_of(assembled, "nll")
    loss = module(collate(list(enumerate(assembled.experiments))))
    loss.backward()
    value = Likelihood(assembled).value(module.u.detach().numpy())
    assert loss.item() == pytest.approx(value / assembled.n_measured, rel=1e-9)
    assert module.u.grad is not None
    assert torch.isfinite(module.u.grad).all()


def test_single_precision_gives_the_same_to_single_precision() -> None:
    exact = problem("estimated")
    u = exact.table.to_search(exact.table.values)
    assembled = problem("estimated", dtype="float32")
    module = TrainingObjective(assembled, nn.ModuleDict(), "nll", torch.as_tensor(u, dtype=torch.float32))
    loss = module(collate(list(enumerate(assembled.experiments)), torch.float32))
    loss.backward()
    evaluation = Likelihood(exact).evaluate(u)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(evaluation.value / exact.n_measured, rel=1e-4)
    assert module.u.grad is not None
    np.testing.assert_allclose(module.u.grad.numpy(), evaluation.gradient / exact.n_measured, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_projection_ends_within_the_bounds(dtype: torch.dtype) -> None:
    bounds = [(0.1, 0.3), (1e-3, 7.0), (math.pi, 10.0)]
    rows = [Parameter(f"p{i}", low, low, high, "log" if i else "linear") for i, (low, high) in enumerate(bounds)]
    assembled = replace(problem("fixed"), table=ParameterTable((*rows, Parameter("s", 1.0, scale="log"))))
    module = TrainingObjective(assembled, nn.ModuleDict(), "mse", torch.zeros(4, dtype=dtype))
    for value in (-1e3, 1e3, NAN):
        with torch.no_grad():
            module.u[:3] = value
            module.u[3] = 0.25
        module.project()
        theta = assembled.table.to_natural(module.u.detach().double().numpy())
        if not math.isnan(value):
            assert all(low <= x <= high for x, (low, high) in zip(theta, bounds, strict=False))
        # A scale without bounds has none: nothing is moved, and nothing becomes NaN.
        assert theta[3] == pytest.approx(math.exp(0.25))
    assert torch.isnan(module.u[:3]).all()


def test_a_start_on_its_bound_is_within_it() -> None:
    rows = (Parameter("a", 0.1, 0.1, 10.0, "log"),)
    assembled = replace(problem("fixed"), table=ParameterTable(rows))
    u = torch.as_tensor(assembled.table.to_search(assembled.table.values), dtype=torch.float32)
    module = TrainingObjective(assembled, nn.ModuleDict(), "mse", u)
    assert 0.1 <= assembled.table.to_natural(module.u.detach().double().numpy())[0] < 0.1001


def test_failures_are_solve_errors() -> None:
    module = module_of(problem("of the prediction"), "nll")
    batch = collate(list(enumerate(module.problem.experiments)))
    with torch.no_grad():
        module.u[5] = -1e3  # sigma is 0 there, and h - y is not
        module.u[6] = -1e3
    with pytest.raises(SolveError, match="noise level"):
        module(batch)
    with torch.no_grad():
        module.u[2] = -5000.0
    with pytest.raises(SolveError, match="experiment A: "):
        module(batch)


def test_missing_errors_of_the_data_are_named() -> None:
    assembled = problem("from the data")
    batch = replace(collate(list(enumerate(assembled.experiments))), sigma=None)
    with pytest.raises(FitError, match="data bring none"):
        module_of(assembled, "nll")(batch)


def test_a_network_learns_through_the_objective() -> None:
    """One gradient of every weight and of the named parameter, along a direction, by differences."""
    net = Network("net", 2, 2, hidden=(4,), activation="tanh")
    system = make_system(
        {"x": "net(x, y)[0]", "y": "net(x, y)[1] - k*y"}, {"x": "x_0", "y": 0.5}, ("k", "x_0"), networks={"net": net}
    )
    networks = build_networks([net], 0).to(torch.float64)
    experiments = tuple(series(n, [0.0, 0.4, 1.0], np.arange(6.0).reshape(3, 2) / 6) for n in "AB")
    noise = {s: Noise("gaussian", None) for s in ("x", "y")}
    assembled = FitProblem(
        experiments,
        ParameterTable((Parameter("k", 0.3, **LOG),)),
        Binding(("k", "x_0"), np.array([[0, -1], [0, -1]]), np.array([[0.0, 0.1], [0.0, 0.2]])),
        Observation(system, noise, ("k", "x_0"), ("k",)),
        TorchEngine(system, SolverOptions("rk4", step=0.1), ("k",), networks),
    )
    module = TrainingObjective(assembled, networks, "mse", torch.as_tensor([math.log(0.3)], dtype=torch.float64))
    batch = collate(list(enumerate(experiments)))
    assert len(list(module.parameters())) == 5
    check_gradient(module, batch)


def test_engines_are_exchangeable_in_training() -> None:
    reference = problem("estimated", method="dopri5")
    other = replace(reference, engine=make_engine("compiled", SYSTEM, SolverOptions(rtol=1e-9, atol=1e-11),
                                                  reference.engine.sensitive))  # fmt: skip
    losses = []
    for assembled in (reference, other):
        module = module_of(assembled, "nll")
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            loss = module(collate(list(enumerate(assembled.experiments))))
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
