"""Compiled formulas: NumPy against torch, derivatives against autograd and closed forms."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import sympy as sp
import torch

from odefit.errors import ModelError
from odefit.model.formulas import parse_formula
from odefit.model.functions import derivatives, numpy_function, torch_function
from odefit.model.networks import SLOPES, Potential, build_networks
from odefit.model.system import Network, symbol

NAMES = ("x", "y", "a", "n")
TEXTS = (
    "a*x - 0.5*x*y",
    "-a*y + 2*x*y",
    "x^n/(a^n + x^n)",
    "sqrt(3*x)*exp(-y/a)",
    "max(x, y, 0.3) + min(a, x*y)",
    "piecewise(log(x), x > y, sin(y), x > 0.2, 3)",
    "(t > 1)*heaviside(x - y) + sign(y - x)*abs(x - 2*y)",
    "sigmoid(x) + tanh(y) + tan(x) + asin(x/9) + acos(y/9) + atan(x)",
    "sinh(x) + cosh(y) + asinh(x) + acosh(1 + x) + atanh(x/9)",
    "x^-2 + y^3/x + x^4 + 1/sqrt(y) + (x + y)^-1 + x^1.5 + x^-3",
    "log10(x) + log2(y) + ln(a) + 2^x + e^(x*y)",
    "(x + y)^2*(x + y) - 7/3",
    "t*x + pi",
)
ARGUMENTS = [*NAMES, "t"]


def formulas(*texts: str, networks: dict[str, Network] | None = None) -> list[sp.Expr]:
    return [parse_formula(text, NAMES, networks=networks) for text in texts]


def points(size: int = 7) -> list[np.ndarray]:
    return list(np.random.default_rng(1).uniform(0.2, 2.0, (len(ARGUMENTS), size)))


@pytest.mark.parametrize("text", TEXTS)
def test_numpy_and_torch_agree(text: str) -> None:
    at = points()
    [ours] = numpy_function(formulas(text), ARGUMENTS)(*at)
    [theirs] = torch_function(formulas(text), ARGUMENTS)(*map(torch.tensor, at))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_derivatives_agree_with_autograd(text: str) -> None:
    at = points()
    [row] = derivatives(formulas(text), ARGUMENTS)
    assert not any(d.has(sp.DiracDelta, sp.Derivative, sp.re, sp.im) for d in row)
    ours = numpy_function(row, ARGUMENTS)(*at)
    tensors = [torch.tensor(v, requires_grad=True) for v in at]
    [value] = torch_function(formulas(text), ARGUMENTS)(*tensors)
    theirs = torch.autograd.grad(value.sum(), tensors, allow_unused=True)
    for mine, grad in zip(ours, theirs, strict=True):
        expected = np.zeros(7) if grad is None else grad.numpy()
        np.testing.assert_allclose(np.broadcast_to(mine, 7), expected, rtol=1e-9, atol=1e-12)


def test_formulas_that_share_parts_keep_their_values() -> None:
    """All together, with their derivatives, against each of them alone."""
    everything = formulas(*TEXTS)
    everything += [d for row in derivatives(everything, ARGUMENTS) for d in row]
    together = numpy_function(everything, ARGUMENTS)(*points())
    for formula, value in zip(everything, together, strict=True):
        [alone] = numpy_function([formula], ARGUMENTS)(*points())
        np.testing.assert_allclose(value, alone, rtol=1e-11, atol=1e-13)


def test_shapes_broadcast_and_constants_stay_floats() -> None:
    f = numpy_function(formulas("a*x", "a^2", "2/3", "a*x + y"), NAMES)
    ax, a2, constant, total = f(np.ones((5, 3)), np.ones(3), 2, 1)
    assert ax.shape == (5, 3)
    assert total.shape == (5, 3)
    assert a2 == 4.0
    assert isinstance(a2, float)
    assert constant == 2 / 3
    assert isinstance(constant, float)
    tax, ta2, tconstant, _ = torch_function(formulas("a*x", "a^2", "2/3", "a*x + y"), NAMES)(
        torch.ones(5, 3), torch.ones(3), 2.0, 1.0
    )
    assert tax.shape == (5, 3)
    assert ta2.shape == ()
    assert tconstant == 2 / 3
    assert numpy_function([], NAMES)(1, 2, 3, 4) == []


def test_no_warning_and_no_exception_leaves_numpy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = numpy_function(formulas("log(x)", "1/x", "sqrt(-1 - y)", "exp(1000*(1 + x))", "y^n", "0.5^(-x)/x"), NAMES)
        values = f(0, -2.0, 1, 0.5)
    assert values[0] == -math.inf
    assert values[1] == math.inf
    assert values[2] == 1.0
    assert values[3] == math.inf
    assert math.isnan(values[4])


def test_names_of_python_and_of_the_generated_code_are_harmless() -> None:
    names = ["lambda", "x0", "a0", "where", "like", "np", "sin", "None", "nan"]
    text = " + ".join(f"{i + 1}*{name}*sin(lambda)" for i, name in enumerate(names))
    values = np.random.default_rng(0).uniform(size=len(names))
    expected = sum((i + 1) * v * math.sin(values[0]) for i, v in enumerate(values))
    formula = parse_formula(text, names)
    assert numpy_function([formula], names)(*values)[0] == pytest.approx(expected)
    assert float(torch_function([formula], names)(*values)[0]) == pytest.approx(expected)


def test_heaviside_is_one_and_sign_is_zero_at_zero() -> None:
    texts = formulas("heaviside(x)", "sign(x)", "abs(x)", "sigmoid(x)")
    at = [0.0, 0.0, 1.0, 1.0]
    assert numpy_function(texts, NAMES)(*at) == [1.0, 0.0, 0.0, 0.5]
    assert [float(v) for v in torch_function(texts, NAMES)(*at)] == [1.0, 0.0, 0.0, 0.5]
    folded = [parse_formula(f"{name}(0)", []) for name in ("heaviside", "sign", "abs", "sigmoid")]
    assert list(map(float, folded)) == [1.0, 0.0, 0.0, 0.5]


def test_sigmoid_keeps_its_digits_and_its_gradient_far_out() -> None:
    x = torch.tensor([-700.0, 800.0], dtype=torch.float64, requires_grad=True)
    [value] = torch_function(formulas("sigmoid(x)"), NAMES)(x, 1.0, 1.0, 1.0)
    np.testing.assert_allclose(value.detach(), [math.exp(-700), 1.0], rtol=1e-12)
    [grad] = torch.autograd.grad(value.sum(), x)
    np.testing.assert_allclose(grad, [math.exp(-700), 0.0], rtol=1e-12)
    [ours] = numpy_function(formulas("sigmoid(x)"), NAMES)(x.detach().numpy(), 1, 1, 1)
    np.testing.assert_allclose(ours, [math.exp(-700), 1.0], rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "piecewise(log(x), x > 0, 0)",
        "piecewise(0, x <= 0, 1/x)",
        "piecewise(x, x <= 0, sqrt(x), x < 2, x^a)",
        "piecewise(exp(1/x), x > 0, x)",
        "piecewise(piecewise(log(x), x < 5, 1), x > 0, x)",
        "piecewise(acosh(1 + x) + asin(1 + x), x > 0.5, x^2)",
    ],
)
def test_the_branch_not_taken_does_not_spoil_the_gradient(text: str) -> None:
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    [value] = torch_function(formulas(text), NAMES)(x, 1.0, 2.0, 1.0)
    [grad] = torch.autograd.grad(value.sum(), x)
    assert torch.isfinite(value).all()
    assert torch.isfinite(grad).all()


def test_hill_functions_have_finite_derivatives_at_zero() -> None:
    """SymPy writes these as 0/0 and 0*log(0)."""
    [row] = derivatives(formulas("x^n/(a^n + x^n)"), ["x", "n", "a"])
    assert numpy_function(row, NAMES)(0.0, 1.0, 2.0, 3.0) == [0.0, 0.0, 0.0]


def test_jumps_have_derivative_zero() -> None:
    texts = formulas("heaviside(x)", "sign(x)", "(x > 1)", "sign(x)*x")
    assert [row[0] for row in derivatives(texts, ["x"])[:3]] == [0, 0, 0]
    assert derivatives(derivatives(formulas("abs(x)", "max(x, y)"), ["x"])[0], ["x"]) == [[0]]


def test_the_jacobian_is_exact() -> None:
    x, y, a = map(symbol, "xya")
    assert derivatives(formulas("a*x - x*y", "x^2/3"), ["x", "y", "a"]) == [
        [a - y, -x, x],
        [sp.Rational(2, 3) * x, 0, 0],
    ]


def test_float32_stays_float32() -> None:
    texts = formulas("a*x", "piecewise(1, x > 0, 0)", "max(x, 0)*heaviside(x)", "x^2/3 + a^n", "min(a, x)")
    x = torch.ones(4, dtype=torch.float32)
    for value in torch_function(texts, NAMES)(x, x, torch.tensor(2.0, dtype=torch.float64), 3):
        assert value.dtype == torch.float32


def test_few_calls() -> None:
    """What is common is computed once, a leading minus sign moves back, and x^2 is x*x."""
    calls: list[str] = []

    class Recorder(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            calls.append(func.__name__)
            return func(*args, **(kwargs or {}))

    f = torch_function(formulas("a*x - n*x*y", "-a*y + y*x*n", "x^2"), NAMES)
    at = [torch.rand(3, dtype=torch.float64) for _ in NAMES]
    with Recorder():
        f(*at)
    arithmetic = [name for name in calls if name in ("mul", "sub", "add", "neg", "rsub", "pow", "__rmul__")]
    assert len(arithmetic) == 7  # n*(x*y) takes two, a*x, a*y, x*x and two differences one each
    assert "neg" not in arithmetic
    assert "pow" not in arithmetic


def test_a_network_is_evaluated_once() -> None:
    networks = {"net": Network("net", 2, 2), "g": Network("g", 1, 1)}
    calls: list[torch.Size] = []

    def net(z: torch.Tensor) -> torch.Tensor:
        calls.append(z.shape)
        return torch.stack([z[..., 0] * 2, z[..., 0] + z[..., 1]], dim=-1)

    texts = formulas("a*net(x, t)[0]", "net(x, t)[1] - x", "g(net(y, 3)[1])", networks=networks)
    f = torch_function(texts, ARGUMENTS, {"net": net, "g": torch.sin})
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float32)
    first, second, third = f(x, 5.0, 10.0, 1.0, 4.0)
    assert sorted(calls) == [(2,), (3, 2)]
    assert first.tolist() == [20.0, 40.0, 60.0]
    assert second.tolist() == [4.0, 4.0, 4.0]
    assert float(third) == pytest.approx(math.sin(8.0), rel=1e-6)
    assert first.dtype == torch.float32


def test_gradients_pass_through_a_network() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(2, 1, dtype=torch.float64)
    f = torch_function(formulas("a*net(x, y)", networks={"net": Network("net", 2, 1)}), NAMES, {"net": module})
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    [value] = f(x, 1.0, 2.0, 1.0)
    [gx, gw] = torch.autograd.grad(value.sum(), [x, module.weight])
    np.testing.assert_allclose(gx, 2 * module.weight.detach()[0, 0].expand(3))
    np.testing.assert_allclose(gw[0], [2 * x.detach().sum(), 6.0])


def test_what_cannot_be_compiled_is_a_model_error() -> None:
    call = formulas("net(x)", networks={"net": Network("net", 1, 1)})
    with pytest.raises(ModelError, match="uses 'y'"):
        numpy_function(formulas("x + y"), ["x"])
    with pytest.raises(ModelError, match="cannot be computed"):
        numpy_function(call, NAMES)
    with pytest.raises(ModelError, match="no module"):
        torch_function(call, NAMES)
    with pytest.raises(ModelError, match="no formula to differentiate"):
        derivatives(call, ["x"])


def test_torch_is_imported_only_for_tensors() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from odefit.model.formulas import parse_formula; from odefit.model.functions import *\n"
        "f = numpy_function([parse_formula('x^2', ['x'])], ['x']); assert f(3) == [9.0]\n"
        "assert not {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_potential_is_the_gradient_of_its_scalar_and_has_no_curl(activation: str, sign: int) -> None:
    network = Network("f", 2, 2, (5, 7), activation, gradient=sign)
    module = build_networks([network], seed=0)["f"].double()
    assert isinstance(module, Potential)
    module.set_units(torch.tensor([0.3, -1.0]), torch.tensor([2.0, 0.5]), torch.tensor([1.5, 0.7]))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    (slope,) = torch.autograd.grad(module.potential(x).sum(), x)
    assert torch.allclose(module(x), sign * slope, rtol=1e-12, atol=1e-14)
    jacobian = torch.func.vmap(torch.func.jacrev(module))(x.detach())
    assert (jacobian - jacobian.mT).abs().max() < 1e-15
