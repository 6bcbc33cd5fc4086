"""The ODE layer: known solutions, rates, gradients three ways, memory, and every way to fail."""

from __future__ import annotations

import copy
import io
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odefit.engines.methods import METHODS, methods_of
from odefit.errors import SolveError
from odefit.nn import ODELayer

NAMES = methods_of("torch")
FIXED = [name for name in NAMES if METHODS[name].is_fixed_step]
ADAPTIVE = [name for name in NAMES if name not in FIXED and not METHODS[name].adjoint_only]
LOW_ORDER = ("adaptive_heun", "fehlberg2")
ROUGH = {"euler": 0.1, "midpoint": 2e-3, "heun2": 2e-3, "adaptive_heun": 1e-3, "fehlberg2": 0.01}
ORDER = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3}
A = torch.tensor([[-0.3, 1.7, 0.0], [-1.2, -0.1, 0.4], [0.2, 0.0, -0.5]], dtype=torch.float64)


class Linear(nn.Module):
    """dx/dt = A x, for samples [..., 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.A = nn.Parameter(A.clone())

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return x @ self.A.T


class Pendulum(nn.Module):
    """A driven one with two parameters: it depends on t and is not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor([1.3, 0.4], dtype=torch.float64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        angle, speed = x.unbind(-1)
        return torch.stack([speed, -self.k[0] * angle.sin() + self.k[1] * (2 * t).cos()], dim=-1)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def precise(method: str, tolerance: float = 1e-9, step: float = 0.02) -> dict[str, Any]:
    """Options of a method under which it is exact to a few digits at least."""
    if method in FIXED:
        return {"step": step, "rtol": 1e-12, "atol": 1e-12}
    tolerance = {"bosh3": 1e-7, "adaptive_heun": 1e-4, "fehlberg2": 1e-5}.get(method, tolerance)
    return {"rtol": tolerance, "atol": tolerance, "adjoint": method == "scipy_solver"}


def exact(x: Tensor, t: float) -> Tensor:
    return x @ torch.matrix_exp(A * t).T


# What it computes


@pytest.mark.parametrize("span", [(0.5, 2.5), (2.5, 0.5), (-1.0, 0.0, 0.3, 1.0)], ids=["up", "down", "several"])
@pytest.mark.parametrize("method", NAMES)
def test_a_linear_field_is_the_matrix_exponential(method: str, span: tuple[float, ...]) -> None:
    x = random(4, 3)
    layer = ODELayer(Linear(), span, method, **precise(method))
    everywhere = ODELayer(Linear(), span, method, all_times=True, **precise(method))
    tolerance = ROUGH.get(method, 1e-5)
    y = layer(x)
    torch.testing.assert_close(y, exact(x, span[-1] - span[0]), rtol=0, atol=tolerance)
    all_y = everywhere(x)
    assert all_y.shape == (len(span), 4, 3)
    for t, state in zip(span, all_y, strict=True):
        torch.testing.assert_close(state, exact(x, t - span[0]), rtol=0, atol=tolerance)
    # To ask for the way does not change where it ends (adaptive methods step onto each time, hence by a trifle).
    torch.testing.assert_close(all_y[-1], y, rtol=0, atol=1e-13 if method in FIXED else tolerance)
    assert layer.evaluations > 10


@pytest.mark.parametrize("method", FIXED)
def test_halving_the_step_shows_the_order(method: str) -> None:
    order = ORDER.get(method, 4)
    x, steps = random(4, 3), (0.02, 0.01) if order < 4 else (0.1, 0.05)
    errors = [
        float(
            (ODELayer(Linear(), (0, 3), method, step=h, rtol=1e-13, atol=1e-13)(x).detach() - exact(x, 3)).abs().max()
        )
        for h in steps
    ]
    rate = math.log2(errors[0] / errors[1])
    # The Adams methods are of order 5 after a start of order 4.
    assert order - 0.3 < rate < order + (1.3 if METHODS[method].is_multistep else 0.3)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_error_follows_the_tolerance(method: str) -> None:
    # Also of dopri8 and bosh3, which by torchdiffeq's own interpolation would err a thousand times as much.
    x = random(4, 3)
    for tolerance in (1e-4, 1e-5) if method in LOW_ORDER else (1e-4, 1e-8):
        layer = ODELayer(Linear(), (0, 3), method, rtol=tolerance, atol=tolerance)
        error = float((layer(x).detach() - exact(x, 3)).abs().max())
        assert error < (2000 if method == "fehlberg2" else 30) * tolerance
        assert error > 1e-3 * tolerance


def test_without_a_step_a_fixed_method_steps_from_time_to_time() -> None:
    x, f = random(4, 3), Linear()
    one = ODELayer(f, (0, 1), "euler")
    assert one.evaluations == 0
    torch.testing.assert_close(one(x), x + x @ A.T)
    assert one.evaluations == 1
    two = ODELayer(f, (0, 0.25, 1), "euler")
    half = x + 0.25 * x @ A.T
    torch.testing.assert_close(two(x), half + 0.75 * half @ A.T)
    assert two.evaluations == 2
    assert ODELayer(f, (0, 1), "rk4", step=0.1)(x).shape == (4, 3)


def test_a_field_of_the_state_alone() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
    x = random(5, 3, dtype=torch.float32)
    alone = ODELayer(inner, (0, 1), autonomous=True)(x)
    both = ODELayer(lambda t, state: inner(state), (0, 1))(x)
    torch.testing.assert_close(alone, both, rtol=0, atol=0)
    network = nn.Sequential(nn.Linear(3, 3), ODELayer(inner, (0, 1), autonomous=True), nn.Linear(3, 2))
    assert len(list(network.parameters())) == 8
    assert network(x).shape == (5, 2)


@pytest.mark.parametrize("method", [m for m in NAMES if m != "scipy_solver"])
def test_the_time_reaches_the_field_as_it_is(method: str) -> None:
    # dx/dt = 3 t² from 1 to 2, and backwards.
    for span, change in (((1.0, 2.0), 7.0), ((2.0, 1.0), -7.0)):
        layer = ODELayer(lambda t, x: 3 * t * t + 0 * x, span, method, **precise(method))
        y = layer(torch.zeros(2, dtype=torch.float64))
        error = float((y - change).abs().max())
        assert error < (0.1 if method == "euler" else 1e-3)


@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (2, 3, 5, 4), (2, 1, 1, 1, 1), (0, 3), (4, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_adams"])
def test_any_shape_and_dtype(shape: tuple[int, ...], dtype: torch.dtype, method: str) -> None:
    seen: set[torch.dtype] = set()

    def decay(t: Tensor, x: Tensor) -> Tensor:
        assert t.shape == ()
        assert x.shape == shape
        seen.update((t.dtype, x.dtype))
        return -x

    x = random(*shape, dtype=dtype)
    step = 0.05 if method in FIXED else None
    y = ODELayer(decay, (0, 1), method, step=step)(x)
    assert y.shape == shape
    assert y.dtype == dtype
    torch.testing.assert_close(y, x * math.exp(-1), rtol=1e-4, atol=1e-6)
    assert ODELayer(decay, (0, 1, 2), method, step=step, all_times=True)(x).shape == (3, *shape)
    assert seen == ({dtype} if x.numel() else set())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_digits_and_nothing_else(dtype: torch.dtype) -> None:
    y = ODELayer(lambda t, x: -x, (0, 1), "rk4", step=0.1)(torch.ones(4, dtype=dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), torch.full((4,), math.exp(-1)), rtol=0.02, atol=0)


def test_late_short_steps_in_float32() -> None:
    # In float32 the times 10,000 and 10,000.0005 are one.
    layer = ODELayer(lambda t, x: -1000 * x, (1e4, 1e4 + 5e-4), "rk4", step=1e-4)
    torch.testing.assert_close(layer(torch.ones(2)), torch.full((2,), math.exp(-0.5)), rtol=1e-5, atol=0)


def test_every_sample_is_as_exact_in_a_batch_as_alone() -> None:
    # 1 fast sample among 999 at rest: by the mean over the batch, its error would be 30 times the tolerance.
    x = torch.zeros(1000, 2, dtype=torch.float64)
    x[0] = torch.tensor([2.0, 0.0])
    layer = ODELayer(Pendulum(), (0, 5), rtol=1e-5, atol=1e-5)
    layer.vector_field.k.data[1] = 0
    with torch.no_grad():
        alone, among = layer(x[:1])[0], layer(x)[0]
    torch.testing.assert_close(among, alone, rtol=0, atol=1e-12)


# Gradients


@pytest.mark.parametrize("adjoint", [False, True], ids=["backprop", "adjoint"])
@pytest.mark.parametrize("method", NAMES)
def test_gradients_are_those_of_the_exact_solution(method: str, adjoint: bool) -> None:
    if method == "scipy_solver" and not adjoint:
        pytest.skip("it has no other gradient")
    field, x = Linear(), random(4, 3).requires_grad_()
    weights, span = random(4, 3, seed=1), (0.0, 0.4, 1.5)
    layer = ODELayer(field, span, method, all_times=True, **precise(method) | {"adjoint": adjoint})
    (layer(x)[1:] * weights).sum().backward()
    matrix, start = A.clone().requires_grad_(), x.detach().clone().requires_grad_()
    wanted = sum((start @ torch.matrix_exp(matrix * t).T * weights).sum() for t in span[1:])
    by_matrix, by_start = torch.autograd.grad(wanted, (matrix, start))
    tolerance = 4 * ROUGH.get(method, 1e-5)
    torch.testing.assert_close(x.grad, by_start, rtol=0, atol=tolerance)
    torch.testing.assert_close(field.A.grad, by_matrix, rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "rk4", "implicit_adams"])
def test_adjoint_and_backprop_agree_on_a_nonlinear_field(method: str) -> None:
    found = []
    for adjoint in (False, True):
        field, x = Pendulum(), random(6, 2).requires_grad_()
        layer = ODELayer(field, (1, 4), method, **precise(method, 1e-10) | {"adjoint": adjoint})
        layer(x).square().sum().backward()
        found.append((field.k.grad, x.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("adjoint", [False, True], ids=["backprop", "adjoint"])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_gradcheck(method: str, adjoint: bool) -> None:
    field = Pendulum()
    options = precise(method, 1e-8, 0.05 if adjoint else 0.25) | {"adjoint": adjoint}
    layer = ODELayer(field, (0, 1), method, **options)

    def solve(x: Tensor, k: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"vector_field.k": k}, (x,))

    x, k = random(3, 2).requires_grad_(), field.k.detach().clone().requires_grad_()
    if adjoint:  # the module's own parameters are what the adjoint knows
        torch.autograd.gradcheck(layer, (x,), eps=1e-4, atol=1e-5)
        return
    torch.autograd.gradcheck(solve, (x, k), eps=1e-4, atol=1e-5)
    if method == "rk4":
        torch.autograd.gradgradcheck(solve, (x, k), eps=1e-4, atol=1e-6)


def test_frozen_parameters_and_inputs() -> None:
    for adjoint in (False, True):
        field, x = Pendulum(), random(2, 2)
        layer = ODELayer(field, (0, 1), adjoint=adjoint)
        layer(x).sum().backward()
        assert field.k.grad is not None
        field.k.requires_grad_(False)
        assert not layer(x).requires_grad
        leaf = x.clone().requires_grad_()
        layer(leaf).sum().backward()
        assert leaf.grad is not None
        with torch.no_grad():
            assert not layer(leaf).requires_grad


class Hidden(nn.Module):
    """A wide layer inside, of which backpropagation keeps the values at every evaluation."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 4))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return self.layers(x)


def peak_bytes(adjoint: bool, steps: int) -> int:
    """The most bytes of saved tensors that exist at any one time in a forward and a backward pass."""
    live, peak = 0, 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal live, peak
            self.tensor, self.size = tensor.detach(), tensor.numel() * tensor.element_size()
            live += self.size
            peak = max(peak, live)

        def __del__(self) -> None:
            nonlocal live
            live -= self.size

    layer = ODELayer(Hidden(), (0, 1), "rk4", adjoint, step=1 / steps)
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        layer(random(8, 4, dtype=torch.float32)).sum().backward()
    # The adjoint integrates backwards with as many steps.
    assert layer.evaluations >= 4 * steps * (2 if adjoint else 1)
    return peak


def test_the_adjoint_s_memory_does_not_grow_with_the_number_of_steps() -> None:
    few, many = peak_bytes(True, 8), peak_bytes(True, 64)
    assert many == few > 0
    few_kept, many_kept = peak_bytes(False, 8), peak_bytes(False, 64)
    assert many_kept > 7 * few_kept
    assert many_kept > 50 * many


def test_evaluations_count_the_calls() -> None:
    calls = 0

    class Counting(Pendulum):
        def forward(self, t: Tensor, x: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return super().forward(t, x)

    layer = ODELayer(Counting(), (0, 1), adjoint=True)
    y = layer(random(2, 2))
    assert layer.evaluations == calls > 6
    y.sum().backward()
    assert layer.evaluations == calls
    before = calls
    layer(random(2, 2))
    assert layer.evaluations == calls - before


# A layer like any other


def test_it_is_copied_saved_and_moved_like_any_module() -> None:
    layer = ODELayer(Hidden(), (0, 1))
    x = random(3, 4, dtype=torch.float32)
    y = layer(x)
    torch.testing.assert_close(copy.deepcopy(layer)(x), y)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    torch.testing.assert_close(torch.load(buffer, weights_only=False)(x), y)
    assert set(layer.state_dict()) == {f"vector_field.layers.{i}.{n}" for i in (0, 2) for n in ("weight", "bias")}
    torch.testing.assert_close(layer.double()(x.double()).float(), y, rtol=1e-4, atol=1e-4)
    assert "dopri5" in repr(layer)


def test_it_learns() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), ODELayer(nn.Linear(3, 3), (0, 1), autonomous=True), nn.Linear(3, 1))
    x = random(64, 2, dtype=torch.float32)
    y = x[:, :1] * 0.7 - x[:, 1:]
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 4e-3


# What can go wrong

FAILING: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "blow-up": (lambda t, x: x * x, "t = |too small|crawls|finite|converge"),
    "not a number": (lambda t, x: (x - 2).sqrt(), "finite|too small|gave up|converge"),
    "infinite": (lambda t, x: x / 0, "finite|too small|gave up|converge"),
}


@pytest.mark.parametrize("method", ["dopri5", "adaptive_heun", "rk4", "explicit_adams", "implicit_adams"])
@pytest.mark.parametrize("case", FAILING)
def test_a_solution_that_does_not_exist_is_an_error(case: str, method: str) -> None:
    field, words = FAILING[case]
    layer = ODELayer(field, (0, 5), method, rtol=1e-3, atol=1e-3, step=0.1 if method in FIXED else None)
    with pytest.raises(SolveError, match=words) as caught:
        layer(torch.ones(2, dtype=torch.float64))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 60


class Blow(nn.Module):
    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return x * x


def test_lsoda_fails_with_the_same_error() -> None:
    with pytest.raises(SolveError):
        ODELayer(Blow(), (0, 5), "scipy_solver", adjoint=True, max_evaluations=2000)(torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("method", ADAPTIVE)
def test_it_does_not_need_torchdiffeq_s_assertions_to_notice(method: str) -> None:
    # `python -O` leaves them out. Our own check comes before them, and says when: x = 1/(1 - t).
    layer = ODELayer(Blow(), (0, 5), method, rtol=1e-3, atol=1e-3)
    with pytest.raises(SolveError, match=r"too small at t = 1(\.0\d*)?;|too small at t = 0\.9"):
        layer(torch.ones(2, dtype=torch.float64))
    falling = ODELayer(lambda t, x: -x * x, (10, 5), method, rtol=1e-3, atol=1e-3)
    with pytest.raises(SolveError, match=r"too small at t = (9(\.0\d*)?|8\.9\d*);"):
        falling(torch.ones(2, dtype=torch.float64))


def test_crawling_ends_in_both_passes() -> None:
    layer = ODELayer(Pendulum(), (0, 30), rtol=1e-9, atol=1e-9, max_evaluations=100)
    with pytest.raises(SolveError, match="100 evaluations"):
        layer(random(2, 2))
    layer = ODELayer(Pendulum(), (0, 3), rtol=1e-6, atol=1e-6, adjoint=True)
    y = layer(random(2, 2))
    limited = ODELayer(Pendulum(), (0, 3), rtol=1e-6, atol=1e-6, adjoint=True, max_evaluations=layer.evaluations + 5)
    y = limited(random(2, 2))
    with pytest.raises(SolveError, match="crawls"):
        (1e6 * y).sum().backward()


def test_an_input_that_is_not_finite() -> None:
    layer = ODELayer(Pendulum(), (0, 1))
    with pytest.raises(SolveError, match="input of the ODE layer is not finite"):
        layer(torch.tensor([1.0, math.nan], dtype=torch.float64))
    with pytest.raises(ValueError, match="floating-point"):
        layer(torch.ones(2, 2, dtype=torch.int64))


def test_the_shape_of_the_slope_is_checked() -> None:
    # (4, 1) would broadcast against (4, 3) without a word.
    with pytest.raises(ValueError, match=re.escape("shape of the state, (4, 3) (got (4, 1))")):
        ODELayer(lambda t, x: x[:, :1], (0, 1))(random(4, 3))
    with pytest.raises(ValueError, match="got NoneType"):
        ODELayer(lambda t, x: None, (0, 1))(random(4, 3))


@pytest.mark.parametrize("error", [AssertionError, RuntimeError, UserWarning, KeyError])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_adams"])
def test_what_the_field_raises_is_the_user_s_to_see(method: str, error: type[Exception]) -> None:
    def field(t: Tensor, x: Tensor) -> Tensor:
        raise error("mine")

    with pytest.raises(error, match="mine"):
        ODELayer(field, (0, 1), method)(random(4, 3))


def test_a_warning_of_the_field_is_no_failure() -> None:
    def field(t: Tensor, x: Tensor) -> Tensor:
        warnings.warn("careful", UserWarning, stacklevel=1)
        return -x

    with pytest.warns(UserWarning, match="careful"):
        y = ODELayer(field, (0, 1))(torch.ones(2))
    assert float(y[0]) == pytest.approx(math.exp(-1), rel=1e-4)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt method": ({"method": "dopri"}, "did you mean 'dopri"),
    "one time": ({"t_span": [0.0]}, "two or more"),
    "no time": ({"t_span": []}, "two or more"),
    "infinite time": ({"t_span": (0, math.inf)}, "finite times"),
    "equal times": ({"t_span": (1, 1)}, "rise or fall"),
    "times back and forth": ({"t_span": (0, 2, 1)}, "rise or fall"),
    "times to be learnt": ({"t_span": torch.tensor([0.0, 1.0], requires_grad=True)}, "constants"),
    "a step for an adaptive method": ({"step": 0.1}, "leave step out"),
    "no step": ({"method": "rk4", "step": 0.0}, "positive"),
    "NaN as step": ({"method": "rk4", "step": math.nan}, "positive"),
    "millions of steps": ({"method": "rk4", "step": 1e-9}, "too many"),
    "negative tolerance": ({"rtol": -1e-3}, "rtol: must be a positive number"),
    "no absolute tolerance": ({"atol": 0.0}, "atol: must be a positive number"),
    "no evaluations": ({"max_evaluations": 0}, "max_evaluations"),
    "LSODA without adjoint": ({"method": "scipy_solver"}, "adjoint=True only"),
    "adjoint of a function": ({"vector_field": torch.sin, "adjoint": True}, "torch.nn.Module"),
    "no function": ({"vector_field": 3}, "got int"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_option_that_makes_no_sense_is_told_in_one_sentence(case: str) -> None:
    given, words = WRONG[case]
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        ODELayer(**{"vector_field": Pendulum(), "t_span": (0, 1)} | given)
    assert "\n" not in str(caught.value)
