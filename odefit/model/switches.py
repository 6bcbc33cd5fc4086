"""Time switches: conditions and step functions of the equations whose turn comes at a time known beforehand.

`t < tb`, `heaviside(t - 3)` or `sign(a*t - b)` hold one value until a time tau(p) and another one from then on. A
solver that steps across it loses its order, and the derivative of the solution to tau is lost altogether. So
equations are solved in segments between such times, and within a segment a switch is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.model.derivatives import derivatives
from odefit.model.system import TIME, NetworkCall, System, symbol
from odefit.records import dataclass

# The value of a switch, by the sign of its gap: left side less right side, or what the step function is applied to.
_RULES: Mapping[Any, Callable[[float], float]] = {
    sp.StrictLessThan: lambda gap: float(gap < 0),
    sp.LessThan: lambda gap: float(gap <= 0),
    sp.StrictGreaterThan: lambda gap: float(gap > 0),
    sp.GreaterThan: lambda gap: float(gap >= 0),
    sp.Equality: lambda gap: float(gap == 0),
    sp.Unequality: lambda gap: float(gap != 0),
    sp.Heaviside: lambda gap: float(gap >= 0),
    sp.sign: lambda gap: float(gap > 0) - float(gap < 0),
}
_STEPS = (sp.Piecewise, sp.Heaviside, sp.sign, sp.Relational)


@dataclass(frozen=True)
class Switch:
    """A condition or step function, `part`, whose gap is `intercept + slope * t`: formulas of parameters.

    Its time is -intercept / slope. Where that is not finite (slope 0) it does not switch.
    """

    part: sp.Basic
    intercept: sp.Expr
    slope: sp.Expr

    @property
    def is_fixed(self) -> bool:
        """Whether its time is a number, not a formula of parameters."""
        return not (self.intercept.free_symbols | self.slope.free_symbols)

    def value(self, gap: float) -> float:
        """1 or 0 for a condition that holds or does not; the value of a step function."""
        rule = next(rule for kind, rule in _RULES.items() if isinstance(self.part, kind))
        return rule(gap)

    def standing_in(self, number: sp.Symbol) -> sp.Basic:
        """What replaces `part` where the symbol `number` holds its value."""
        if isinstance(self.part, sp.Relational):
            number = sp.StrictGreaterThan(number, sp.S.Half, evaluate=False)
        return number


def find_switches(system: System) -> tuple[Switch, ...]:
    """The time switches of the equations, each once, in the order in which they stand there.

    A condition on states or inputs, or one that is not linear in the time, is none.
    """
    no_switch = {symbol(name) for name in (*system.states, *system.inputs)}
    found: dict[sp.Basic, Switch] = {}
    for part in _parts(system.rhs):
        gap = part.lhs - part.rhs if isinstance(part, sp.Relational) else part.args[0]
        if part in found or gap.free_symbols & no_switch:
            continue
        line = _linear(gap)
        if line is not None:
            found[part] = Switch(part, *line)
    return tuple(found.values())


def is_interrupted(system: System) -> bool:
    """Whether something happens on the way (or before the start), so that the equations are solved in segments."""
    named = {s for formula in system.rhs for s in sp.sympify(formula).free_symbols}
    return bool(
        system.events
        or system.triggers
        or system.comes_to_rest
        or system.dosing is not None
        or system.rest is not None
        or named & {symbol(name) for name in system.inputs}
        or find_switches(system)
    )


def substitute(expr: Any, parts: Mapping[Any, Any]) -> Any:
    """An expression with some of its parts replaced, otherwise as it was written."""
    return _substitute(sp.sympify(expr), parts, {})


def _substitute(expr: Any, parts: Mapping[Any, Any], known: dict[Any, Any]) -> Any:
    if expr in parts:
        return parts[expr]
    if not expr.args:
        return expr
    if expr not in known:
        args = [_substitute(arg, parts, known) for arg in expr.args]
        if all(new is old for new, old in zip(args, expr.args, strict=True)):
            known[expr] = expr
        elif isinstance(expr, (sp.Piecewise, sp.Relational)):
            known[expr] = expr.func(*args, evaluate=False)
        else:
            known[expr] = expr.func(*args)
    return known[expr]


def _parts(formulas: Iterable[Any]) -> Iterator[Any]:
    """Every condition and step function; those inside of another one come after it."""
    for formula in formulas:
        for part in sp.preorder_traversal(sp.sympify(formula)):
            if isinstance(part, tuple(_RULES)):
                yield part


def _linear(gap: Any) -> tuple[Any, Any] | None:
    """(intercept, slope) of a formula that is linear in t and depends on it; else None."""
    t = symbol(TIME)
    if t not in gap.free_symbols or gap.has(NetworkCall):
        return None
    if any(t in step.free_symbols for step in gap.atoms(*_STEPS)):
        return None  # its derivative is zero, and yet it depends on t
    slope = derivatives([gap], [TIME])[0][0]
    if t in slope.free_symbols or slope == 0:
        return None
    return gap.xreplace({t: sp.S.Zero}), slope
