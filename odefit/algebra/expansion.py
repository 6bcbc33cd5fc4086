"""Products of sums multiplied out, and whether a formula is a polynomial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odefit.algebra.arithmetic import Add, Mul, Pow
from odefit.algebra.nodes import Expr
from odefit.algebra.numbers import ONE

MAX_POWER = 30
"""The largest power of a sum that is multiplied out."""


def expand(node: Any) -> Any:
    """The formula with every product and whole power of sums multiplied out, inside of functions too."""
    return _expand(node, {}, deep=True)


def expand_mul(node: Any) -> Any:
    """The formula with every product of sums multiplied out; powers stay."""
    return _expand(node, {}, deep=False)


def _expand(node: Any, known: dict[Any, Any], deep: bool) -> Any:
    if not node.args or not isinstance(node, Expr):
        return node
    if node not in known:
        args = [_expand(arg, known, deep) for arg in node.args]
        if node.is_Mul:
            known[node] = _multiplied(args)
        elif deep and node.is_Pow and args[0].is_Add and args[1].is_Integer and 1 < args[1].p <= MAX_POWER:
            known[node] = _multiplied([args[0]] * args[1].p)
        elif deep and node.is_Pow and args[1].is_Add:
            # x**(a + b) is x**a * x**b.
            known[node] = _multiplied([Pow(args[0], term) for term in args[1].args])
        else:
            known[node] = node.func(*args)
    return known[node]


def _multiplied(factors: list[Any]) -> Any:
    product: Any = ONE
    for factor in factors:
        product = Add(*(Mul(a, b) for a in Add.make_args(product) for b in Add.make_args(factor)))
    return product


def _is_polynomial(node: Any, *symbols: Any) -> bool:
    """Whether the formula is a polynomial of these symbols; of all that it has if none are given."""
    if node.is_Symbol or node.free_symbols.isdisjoint(symbols or node.free_symbols):
        return True
    if node.is_Add or node.is_Mul:
        return all(_is_polynomial(arg, *symbols) for arg in node.args)
    whole = node.is_Pow and node.exp.is_Integer and node.exp.p >= 0
    return bool(whole and _is_polynomial(node.base, *symbols))


def _give(name: str, method: Callable[..., Any]) -> None:
    setattr(Expr, name, method)


_give("expand", expand)
_give("is_polynomial", _is_polynomial)
