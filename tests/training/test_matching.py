"""Smoothing splines and gradient matching: known curves, known fields, and the units of networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import make_smoothing_spline
from torch import nn

from odefit.engines.base import SolverOptions
from odefit.engines.torch_engine import TorchEngine
from odefit.model.networks import ACTIVATIONS, MLP, build_networks
from odefit.model.system import Network
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.training.matching import MatchingObjective, obstacle, points_of
from odefit.training.network_units import set_network_units
from odefit.training.objective_torch import TrainingObjective
from odefit.training.smoothing import best_strength, smooth, smoothing_spline
from odefit.training.whole_batch import minimize_whole
from small_problems import Array, central_differences, make_problem, make_system, series

NOISE = {"x": "0.1", "y": "0.1"}
RATES = np.array([[-0.1, 1.2], [-0.8, -0.05]])
LINEAR = make_system({"x": "a*x + b*y", "y": "c*x + d*y"}, {"x": "x_0", "y": "y_0"}, ("a", "b", "c", "d", "x_0", "y_0"))


def linear(n: int, noise: float = 0.0, model: str = "gaussian", unit: float = 1.0) -> FitProblem:
    """Two series of the linear field in n points, or of exp(y), with `noise`; unit: of the time."""
    from scipy.linalg import expm

    t, rng = np.linspace(0, 10, n), np.random.default_rng(4)
    measured = []
    for name, start in (("A", [1.0, 0.3]), ("B", [-0.5, 1.0])):
        y = np.stack([expm(RATES * s) @ start for s in t]) + noise * rng.standard_normal((n, 2))
        measured.append(series(name, t * unit, np.exp(y) if model == "lognormal" else y))
    rows = [Parameter(name, 0.0, -3.0, 3.0) for name in "abcd"]
    bound = {"x_0": [1.0, -0.5], "y_0": [0.3, 1.0]}
    return make_problem(LINEAR, measured, rows, dict.fromkeys("xy", (model, "0.1")), bound=bound)


def base_of(assembled: FitProblem, networks: nn.ModuleDict | None = None) -> TrainingObjective:
    u = torch.as_tensor(assembled.table.to_search(assembled.table.values))
    return TrainingObjective(assembled, networks or nn.ModuleDict(), "mse", u)  # type: ignore[arg-type]


def test_matching_recovers_a_linear_field_from_exact_data() -> None:
    """As far as a cubic spline knows slopes: the error falls with the third power of the distance."""
    errors = []
    for n in (101, 401):
        assembled = linear(n)
        base = base_of(assembled)
        points = points_of(smooth(assembled), assembled, base.u)
        inner = points[
            torch.as_tensor(np.flatnonzero(np.tile((np.arange(n) > n // 10) & (np.arange(n) < n - n // 10), 2)))
        ]
        found = minimize_whole(MatchingObjective(base, inner), inner, 50)
        assert found.status == "converged"
        errors.append(np.abs(base.u.detach().numpy() - RATES.ravel()).max())
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 30


def test_the_gradient_is_that_of_central_differences() -> None:
    assembled = linear(40, 0.05)
    base = base_of(assembled)
    points = points_of(smooth(assembled), assembled, base.u)
    module = MatchingObjective(base, points)
    module(points).backward()

    def value(u: Array) -> float:
        with torch.no_grad():
            base.u.copy_(torch.as_tensor(u))
            return float(module(points))

    assert base.u.grad is not None
    np.testing.assert_allclose(base.u.grad, central_differences(value, np.zeros(4), 1e-3), rtol=1e-8)


def test_parameters_stay_within_their_bounds() -> None:
    assembled = linear(60)
    narrow = replace(assembled, table=type(assembled.table)(tuple(Parameter(n, 0.0, -0.5, 0.5) for n in "abcd")))
    base = base_of(narrow)
    points = points_of(smooth(narrow), narrow, base.u)
    minimize_whole(MatchingObjective(base, points), points, 50, {"u": narrow.table.search_bounds()})
    a, b, c, d = base.u.tolist()
    assert b == 0.5
    assert c == -0.5
    assert abs(a) < 0.5
    assert abs(d) < 0.5


def test_a_network_learns_the_field_without_solving() -> None:
    net = Network("net", 2, 2, (8,), "tanh")
    system = make_system(
        {s: f"net(x, y)[{k}]" for k, s in enumerate("xy")}, {"x": "0", "y": "0"}, (), networks={"net": net}
    )
    networks = build_networks([net], 1).to(torch.float64)
    source = linear(80, 0.02)
    options = SolverOptions("rk4", step=0.1)
    assembled = make_problem(system, source.experiments, [], NOISE, options)
    assembled = replace(assembled, engine=TorchEngine(system, options, (), networks))
    smoothed = smooth(assembled)
    set_network_units(assembled, networks, smoothed)
    base = base_of(assembled, networks)
    points = points_of(smoothed, assembled, base.u)
    module = MatchingObjective(base, points)
    before = module(points).item()
    found = minimize_whole(module, points, 100)
    assert found.best_loss < 0.01 < 0.3 < before
    true = torch.as_tensor(np.concatenate([e.values for e in linear(80).experiments]) @ RATES.T)
    error = (module.slopes(points) - true).square().mean().sqrt() / true.square().mean().sqrt()
    assert error.item() < 0.06


def test_what_cannot_be_matched_is_said() -> None:
    assembled = linear(40)
    assert obstacle(assembled) is None
    assert "no series has 5" in str(obstacle(linear(4)))
    hidden = make_system({"x": "-x + y", "y": "-y"}, {"x": "1", "y": "1"}, (), {"x": "x", "z": "x + y"})
    partly = make_problem(hidden, assembled.experiments, [], {"x": "0.1", "z": "0.1"})
    assert obstacle(partly) == "y is not measured directly"


def test_the_spline_is_scipys_whatever_the_unit_of_time() -> None:
    t = np.sort(np.random.default_rng(0).uniform(0, 10, 40))
    d = np.sin(t) + 0.1 * np.random.default_rng(1).standard_normal(40)
    for unit in (1e-6, 1.0, 1e7):
        ours = smoothing_spline(t * unit, d, 0.3 * unit**3)
        theirs = make_smoothing_spline(t, d, lam=0.3)
        np.testing.assert_allclose(ours(t * unit), theirs(t), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(ours(t * unit, 1) * unit, theirs(t, nu=1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e5])
@pytest.mark.parametrize("n", [60, 400])
def test_smoothing_removes_most_of_the_noise(n: int, unit: float) -> None:
    """Compared with the truth; on both sides of the size at which the trace is estimated."""
    noisy, exact = linear(n, 0.2, unit=unit), linear(n, unit=unit)
    for series_, e in zip(smooth(noisy), exact.experiments, strict=True):
        gained = np.square(series_.states - e.values).mean() / 0.2**2
        assert gained < 25 / n
        slopes = e.values @ RATES.T / unit
        inner = slice(n // 10, -n // 10)
        off = np.square(series_.slopes - slopes)[inner].mean() / np.square(slopes)[inner].mean()
        assert off < 0.15


def test_the_strength_is_that_of_the_cross_validation() -> None:
    """Leave-one-out by brute force has its minimum nearby (the two criteria agree but for their weights)."""
    t, rng = np.linspace(0, 6, 40), np.random.default_rng(3)
    d = np.sin(2 * t) + 0.2 * rng.standard_normal(40)
    chosen = best_strength([(t, d)])

    def left_out(strength: float) -> float:
        errors = []
        for k in range(1, 39):
            keep = np.arange(40) != k
            spline = make_smoothing_spline(t[keep], d[keep], lam=strength)
            errors.append(float(spline(t[k]) - d[k]) ** 2)
        return float(np.mean(errors))

    strengths = chosen * np.geomspace(1e-4, 1e4, 17)
    values = [left_out(s) for s in strengths]
    assert values[8] < 1.05 * min(values)
    assert values[0] > 1.2 * values[8]
    assert values[-1] > 1.2 * values[8]


def test_positive_states_are_smoothed_as_logarithms() -> None:
    noisy, exact = linear(80, 0.1, "lognormal"), linear(80)
    for series_, e in zip(smooth(noisy), exact.experiments, strict=True):
        assert (series_.states > 0).all()
        assert np.square(np.log(series_.states) - e.values).mean() < 0.1**2 / 2
        # d exp(y)/dt = exp(y) y'
        relative = series_.slopes / series_.states
        assert np.square(relative - e.values @ RATES.T)[8:-8].mean() < 0.02


def test_gaps_limits_and_short_series() -> None:
    values = np.array([0.0, 1.0, math.nan, 3.0, 4.0, 5.0, math.nan, 7.0, 8.0, math.nan])
    t = np.arange(10.0)
    system = make_system({"x": "1"}, {"x": "0"}, ())
    line = series("A", t, values)
    censored = replace(series("B", t, np.where(np.arange(10) == 4, 99.0, t)),
                       censored=np.where(np.arange(10) == 4, -1, 0).astype(np.int8)[:, None])  # fmt: skip
    short = series("C", [0.0, 2.0, 6.0], [0.0, math.nan, 3.0])
    empty = series("D", [0.0, 1.0], [math.nan, math.nan])
    found = smooth(make_problem(system, [line, censored, short, empty], [], {"x": "0.1"}))
    # A line stays a line, within gaps and beyond the last measurement.
    np.testing.assert_allclose(found[0].states[:, 0], t, atol=1e-8)
    np.testing.assert_allclose(found[0].slopes[:, 0], 1, atol=1e-8)
    np.testing.assert_allclose(found[1].states[:, 0], t, atol=1e-8)
    np.testing.assert_allclose(found[2].states[:, 0], [0, 1, 3])
    assert np.isnan(found[2].slopes).all()
    assert np.isnan(found[3].states).all()


def test_units_are_those_of_the_data_and_are_saved_with_the_weights() -> None:
    net = Network("net", 3, 2, (4,), "gelu")
    system = make_system(
        {"x": "net(t, x, 10*y)[0]", "y": "x + net(t, x, 10*y)[1]"}, {"x": "0", "y": "0"}, (), networks={"net": net}
    )
    source = linear(50)
    networks = build_networks([net], 0).to(torch.float64)
    options = SolverOptions("rk4", step=0.1)
    assembled = make_problem(system, source.experiments, [], NOISE, options)
    assembled = replace(assembled, engine=TorchEngine(system, options, (), networks))
    smoothed = smooth(assembled)
    x = torch.randn((7, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    module = networks["net"]
    assert isinstance(module, MLP)
    plain = module.layers(x)
    assert torch.equal(module(x), plain)
    set_network_units(assembled, networks, smoothed)
    states = np.concatenate([s.states for s in smoothed])
    slopes = np.concatenate([s.slopes for s in smoothed])
    np.testing.assert_allclose(module.centre, [5.0, states[:, 0].mean(), 10 * states[:, 1].mean()], rtol=1e-6)
    np.testing.assert_allclose(module.scale[1:], [states[:, 0].std(), 10 * states[:, 1].std()], rtol=1e-6)
    # The second output is only a part of a slope, but no larger than all of it.
    np.testing.assert_allclose(module.output_scale, np.sqrt(np.mean(slopes**2, axis=0)), rtol=1e-6)
    inside = module.layers((x - module.centre) / module.scale) * module.output_scale
    assert torch.equal(module(x), inside)
    again = build_networks([net], 9).to(torch.float64)
    again.load_state_dict(networks.state_dict())
    assert torch.equal(again["net"](x), inside)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_activation_and_dtype_can_be_differentiated(activation: str, dtype: torch.dtype) -> None:
    state = torch.random.get_rng_state()
    (module,) = build_networks([Network("net", 2, 2, (5, 6), activation)], 3).to(dtype).values()
    assert torch.equal(state, torch.random.get_rng_state())
    x = torch.linspace(-1, 1, 6, dtype=dtype).view(3, 2).requires_grad_()
    y = module(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
