"""Formulas as fast functions of arrays (NumPy) or tensors (torch).

Both compilers share parts that occur twice, take their arguments by position in the order of
`arguments`, and return one value per formula. Arguments broadcast against one another as usual: states
[...], parameters and time as scalars or [...]. A formula that depends on no argument comes back as a float
and a formula of scalars as a scalar: the caller broadcasts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.printing import Application, Component, Guarded, Printer, TorchPrinter
from odefit.model.system import NetworkCall, symbol

if TYPE_CHECKING:
    from torch import Tensor

Networks: TypeAlias = "Mapping[str, Callable[[Tensor], Tensor]]"
"""What a NetworkCall applies, by name: functions from [..., inputs] to [..., outputs], such as torch's modules."""

__all__ = ["derivatives", "numpy_function", "torch_function"]

# Where a branch is not taken, functions that are singular somewhere are evaluated at a harmless place.
_SINGULAR = ("log", "exp", "sinh", "cosh", "tan", "asin", "acos", "atanh")
_HARMLESS = {name: sp.Float(0.5) for name in _SINGULAR} | {"acosh": sp.Float(2.0)}


def numpy_function(
    formulas: Sequence[sp.Expr], arguments: Sequence[str], networks: Networks | None = None
) -> Callable[..., list[NDArray[np.float64] | float]]:
    """Compile formulas for NumPy, in double precision.

    All branches of a piecewise are computed; the one whose condition holds is returned. Where a formula has no real
    value the result is NaN or inf, without a warning.

    Parameters
    ----------
    formulas, arguments
        What is computed, and the names in it.
    networks
        As for `torch_function`.

    Returns
    -------
    callable
        It takes one array, number or list per name of `arguments`.

    Raises
    ------
    ModelError
        A formula uses a name that is no argument, or a neural network that is not there.
    """
    modules = dict(networks or {})
    prepared = [_applications(formula, modules) for formula in map(sp.sympify, formulas)] if modules else formulas
    compiled = _compile(prepared, arguments, Printer, _numpy_namespace(modules))

    def call(*values: Any) -> list[NDArray[np.float64] | float]:
        with np.errstate(all="ignore"):
            return compiled(*[v if type(v) is np.float64 else np.asarray(v, dtype=np.float64)[()] for v in values])

    return call


def torch_function(
    formulas: Sequence[sp.Expr],
    arguments: Sequence[str],
    networks: Networks | None = None,
) -> Callable[..., list[Tensor | float]]:
    """Compile formulas for torch: differentiable, on the device and in the dtype of the arguments.

    Gradients: a piecewise passes none to the branch that is not taken, and log, exp, roots, quotients and the like
    inside of that branch cannot spoil it with NaN. max and min pass half to each side at a tie (torch's rule), abs and
    sign pass 0 at 0, heaviside and sign pass 0 everywhere.

    Parameters
    ----------
    formulas, arguments
        As for `numpy_function`.
    networks
        What a NetworkCall applies, a function from [..., inputs] to [..., outputs]; a network is evaluated once per
        call for the same arguments, however many of its components are used.

    Returns
    -------
    callable
        It takes one tensor or number per name of `arguments`.
    """
    import torch

    modules = dict(networks or {})
    guard = _Guard()
    prepared = [guard.put(_applications(formula, modules), sp.true) for formula in map(sp.sympify, formulas)]
    compiled = _compile(prepared, arguments, TorchPrinter, _torch_namespace(modules), extra=("like",))
    no_tensor = torch.zeros((), dtype=torch.float64)

    def call(*values: Any) -> list[Tensor | float]:
        # Numbers become tensors of no dimension: these take on the dtype and device of what they meet.
        tensors = [v if isinstance(v, torch.Tensor) else torch.tensor(v, dtype=torch.float64) for v in values]
        like = next((v for v in tensors if v.ndim), tensors[0] if tensors else no_tensor)
        return compiled(*tensors, like)

    return call


def _compile(
    formulas: Sequence[sp.Expr],
    arguments: Sequence[str],
    printer: type[Printer],
    namespace: dict[str, Any],
    extra: tuple[str, ...] = (),
) -> Callable[..., list[Any]]:
    names = {symbol(name): f"a{i}" for i, name in enumerate(arguments)}
    expressions = [sp.sympify(formula) for formula in formulas]
    given = frozenset(names)
    for expr in expressions:
        if not expr.free_symbols <= given:
            unknown = sorted(str(s.name) for s in expr.free_symbols - given)
            raise ModelError("", f"the formula {expr} uses '{unknown[0]}', which has no value here")
    writer = printer(names)
    try:
        parts, results = writer.share(expressions)
        lines = [f"    {name} = {writer.doprint(part)}" for name, part in parts]
        results = [writer.doprint(result) for result in results]
        text = f"def compiled({', '.join([*names.values(), *extra])}):\n"
        text += "\n".join([*lines, f"    return [{', '.join(results)}]"])
        made: dict[str, Any] = dict(namespace)
        # The text holds generated names, numbers and the functions of the namespace alone: nothing that a user wrote.
        exec(compile(text, "<formulas>", "exec"), made)  # noqa: S102
    except (RecursionError, MemoryError):
        raise ModelError("", "a formula is nested too deeply: split it up") from None
    function: Callable[..., list[Any]] = made["compiled"]
    return function


def _numpy_namespace(modules: Networks) -> dict[str, Any]:
    same = "sin cos tan sinh cosh tanh exp log sqrt abs sign maximum minimum logical_not nan inf square"
    names = {name: getattr(np, name) for name in same.split()}
    names |= {f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}

    def sigmoid(x: Any) -> Any:
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, e) / (1.0 + e)

    def where(condition: Any, yes: Any, no: Any) -> Any:
        return np.where(condition, yes, no)[()]

    return names | {
        "where": where,
        "cube": lambda x: x * x * x,
        "fourth": lambda x: np.square(np.square(x)),
        "heaviside": lambda x: np.heaviside(x, 1.0),
        "sigmoid": sigmoid,
        "like": None,
        **{f"network_{name}": functools.partial(_apply_to_arrays, module) for name, module in modules.items()},
    }


def _torch_namespace(modules: Networks) -> dict[str, Any]:
    import torch

    same = (
        "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp log sqrt rsqrt abs sign sigmoid "
        "maximum minimum clamp reciprocal where logical_not nan inf"
    )
    names = {name: getattr(torch, name) for name in same.split()}

    def square(x: Tensor) -> Tensor:
        return x * x

    return (
        names
        | {"square": square, "cube": lambda x: x * x * x, "fourth": lambda x: square(square(x))}
        | {"heaviside": lambda x: (x >= 0).to(x.dtype)}
        | {f"network_{name}": functools.partial(_apply, module) for name, module in modules.items()}
    )


def _apply(module: Callable[[Tensor], Tensor], like: Tensor, *arguments: Any) -> Tensor:
    """The network at its inputs, stacked on the last axis: [..., inputs] -> [..., outputs]."""
    import torch

    tensors = [torch.as_tensor(arg, dtype=like.dtype, device=like.device) for arg in arguments]
    shape = torch.broadcast_shapes(*(t.shape for t in tensors))  # type: ignore[no-untyped-call]
    return module(torch.stack([t.expand(shape) for t in tensors], dim=-1))


def _apply_to_arrays(module: Any, _like: None, *arguments: Any) -> NDArray[np.float64]:
    """The same for arrays, in the dtype and on the device of the network's weights; without gradients."""
    import torch

    own = next(iter(module.parameters()), torch.zeros((), dtype=torch.float64))
    with torch.no_grad():
        outputs = _apply(module, own, *(np.asarray(value, dtype=np.float64) for value in arguments))
    return outputs.to("cpu", torch.float64).numpy()


def _applications(expr: Any, modules: Mapping[str, Any]) -> Any:
    """Every `NetworkCall` as a component of a whole application, which can then be shared."""
    calls = expr.atoms(NetworkCall)
    for call in calls:
        if call.args[0].name not in modules:
            raise ModelError("", f"the network '{call.args[0]}' has no module here")

    def split(name: Any, k: Any, *arguments: Any) -> Any:
        return Component(Application(name, *arguments), k)

    return expr.replace(NetworkCall, split) if calls else expr


class _Guard:
    """Within a branch of a piecewise, keeps singular functions away from where it is not taken.

    `where(x > 0, log(x), 0)` has the gradient 0 * (1/x) = NaN at x = 0; `where(x > 0, log(where(x > 0, x,
    0.5)), 0)` has 0. Every part is asked once.
    """

    def __init__(self) -> None:
        self.chooses: dict[Any, bool] = {}
        self.known: dict[tuple[Any, Any], Any] = {}

    def put(self, expr: Any, condition: Any) -> Any:
        """The expression for where the condition holds."""
        if not isinstance(expr, sp.Node) or not expr.args or not expr.free_symbols:
            return expr
        if condition == sp.true and not self.has_choice(expr):
            return expr
        key = (expr, condition)
        if key not in self.known:
            self.known[key] = self.choice(expr, condition) if expr.is_Piecewise else self.node(expr, condition)
        return self.known[key]

    def has_choice(self, expr: Any) -> bool:
        """Whether a piecewise is anywhere in it."""
        if expr not in self.chooses:
            self.chooses[expr] = isinstance(expr, sp.Piecewise) or any(map(self.has_choice, expr.args))
        return self.chooses[expr]

    def choice(self, expr: Any, condition: Any) -> Any:
        pairs = []
        earlier = condition
        for value, test in expr.args:
            pairs.append((self.put(value, sp.And(earlier, test)), test))
            earlier = sp.And(earlier, sp.Not(test))
        return sp.Piecewise(*pairs, evaluate=False)

    def node(self, expr: Any, condition: Any) -> Any:
        inner = [self.put(arg, condition) for arg in expr.args]
        if condition != sp.true and inner[0].free_symbols:
            harmless = _HARMLESS.get(type(expr).__name__)
            if isinstance(expr, sp.Pow) and not (expr.exp.is_Integer and expr.exp > 0):
                harmless = sp.Float(0.5)
            if harmless is not None:
                inner[0] = Guarded(inner[0], harmless, condition)
        return expr.func(*inner)
