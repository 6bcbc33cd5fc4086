"""Parts of the equations that depend on the time by themselves: pulses, ramps, seasons, written as formulas of t."""

from __future__ import annotations

from typing import Any

from odefit import algebra as sp
from odefit.model.derivatives import derivatives
from odefit.model.system import TIME, NetworkCall, System, symbol

_SWITCHES = (sp.Piecewise, sp.Heaviside, sp.sign, sp.Relational, NetworkCall)


def time_formulas(system: System) -> tuple[Any, ...]:
    """The formulas of t and of parameters alone in the equations, each once.

    Sums and products are taken apart, so that each pulse of several stands for itself; factors without t are left out,
    and so are polynomials, which change as fast everywhere, and what holds a switch. A factor beside switches, which
    let it be seen for a while only, stays with them.
    """
    known = {symbol(name) for name in system.parameters}
    found: dict[Any, None] = {}
    for rate in system.rhs:
        _gather(sp.sympify(rate), known, found)
    return tuple(found)


def _gather(expr: Any, parameters: set[Any], found: dict[Any, None]) -> None:
    t = symbol(TIME)
    if t not in expr.free_symbols:
        return
    alone = expr.free_symbols <= parameters | {t}
    if alone and not isinstance(expr, sp.Add | sp.Mul):
        if not expr.has(*_SWITCHES) and not expr.is_polynomial(t):
            found[expr] = None
        return
    parts = expr.args
    if isinstance(expr, sp.Mul):
        of_time = [part for part in parts if t in part.free_symbols and part.free_symbols <= parameters | {t}]
        if _is_switched([part for part in of_time if not part.has(NetworkCall)], t):
            found[sp.Mul(*of_time)] = None
            parts = [part for part in parts if part not in of_time]
    for part in parts:
        _gather(part, parameters, found)


def _is_switched(factors: list[Any], t: Any) -> bool:
    """Whether some have switches, and others move between them."""
    switched = [factor for factor in factors if factor.has(*_SWITCHES)]
    return bool(switched) and any(factor not in switched and not factor.is_polynomial(t) for factor in factors)


def centres(formula: Any) -> tuple[Any, ...]:
    """Times that a formula singles out: where a term of it that is linear in t is zero, such as 4.38 in `t - 4.38`.

    Formulas of parameters.
    """
    t = symbol(TIME)
    found: dict[Any, None] = {}
    for part in sp.preorder_traversal(formula):
        if not isinstance(part, sp.Add) or t not in part.free_symbols:
            continue
        slope = derivatives([part], [TIME])[0][0]
        if slope != 0 and t not in slope.free_symbols:
            found[-part.xreplace({t: sp.S.Zero}) / slope] = None
    return tuple(found)
