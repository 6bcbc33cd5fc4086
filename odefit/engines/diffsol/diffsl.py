"""Formulas as DiffSL, the language that diffsol compiles (https://martinjrobins.github.io/diffsl).

Only text made here reaches the compiler: names are generated (`p0` parameters, `y0` states, `h0` shared
parts), and every function is on a list that was checked, value and derivative. Many are
rewritten, because in diffsl 0.12 one elementary function ends the process, `tanh` is NaN beyond 700, `arcsinh` loses
its digits below zero and `sinh` near zero, and the derivative of `pow(x, e)` is NaN at x = 0 for e < 1.

`piecewise(a, u, b, v, w)` is u where a >= 0, else v where b >= 0, else w: a true choice, so that a NaN or
an infinite derivative in the branch that is not taken does no harm. A comparison with NaN is false.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.engines.diffsol.capped import cap_denominators
from odefit.engines.diffsol.diffsl_functions import FUNCTIONS, sinh
from odefit.engines.diffsol.units import Units
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.sharing import Groups, shared_parts, split_product, split_sum
from odefit.model.system import TIME, NetworkCall, System, symbol

# Compiling takes 2 s for 1,000 operations of the text, and far more than in proportion (two minutes for 5,000).
MAX_OPERATIONS = 5_000
MAX_UNASKED = 2_500
"""Operations of a text that is compiled where nobody asked for a compiled method."""
# Nesting beyond some thousand parentheses overflows the compiler's stack; longer texts become shared parts.
_MAX_LENGTH = 400
# A muted parameter enters 2^100 times too large and is scaled back, exactly: its sensitivities become so
# small that they have no part in the error control.
MUTED = 2.0**100
N_TIMES = 2
"""The inputs of a program behind its parameters."""
_ATOM = re.compile(r"[a-z]+[0-9]*|[0-9.]+(e[-+]?[0-9]+)?")
_TINY = "2.3e-308"  # the smallest normal number: separates x > 0 from x = 0
ROUNDING = 1e-12
"""Terms of a difference that are smaller than this part of the others are none, but for rounding."""
_REMEDY = "use a torch method, such as `solver.method: dopri5`"


_OPERATION = re.compile(r"[a-z0-9]\(|[*/+]| - ")


class TooLarge(ModelError):
    """Formulas that would take too long to compile; `size` says how large they are."""

    def __init__(self, where: str, size: str) -> None:
        super().__init__(where, f"{size}; {_REMEDY}")
        self.size = size


def diffsl_code(
    system: System,
    scaled: Collection[str] = (),
    muted: Collection[str] = (),
    free_start: bool = False,
    most: int = MAX_OPERATIONS,
    units: Units | None = None,
) -> str:
    """The program of a system: inputs are the parameters in their order and two times, outputs the states.

    units: of the states and parameters that the program knows; default their own. Below, p is in its unit.
    scaled: parameters that enter as asinh(p), so that diffsol's tolerance for sensitivities holds for
    sqrt(1 + p^2) dy/dp rather than for dy/dp, which is tiny where p is large.
    muted: parameters that enter as p * MUTED, whose sensitivities nobody wants.
    free_start: initial values become inputs too, after the others.

    The two times are `event` / MUTED, at which the integration ends (see `Program`), and `last` / MUTED, after which
    the equations see the time held where they are no polynomials of it.

    Raises ModelError for a neural network and for a function that the compiler cannot have, TooLarge for more than
    `most` operations.
    """
    if not system.is_mechanistic:
        raise ModelError("solver.method", f"the compiled engine needs formulas, not a network: {_REMEDY}")
    names = {symbol(name): f"p{i}" for i, name in enumerate(system.parameters)}
    try:
        lines = _inputs(system, scaled, muted, free_start, units)
        if free_start:
            start = [f"a{i}" for i in range(len(system.states))]
        else:
            text = _Text(names, "g", "initial values")
            start = text.all(system.start)
            lines += text.lines
        unit = (1.0,) * len(system.states) if units is None else units.states
        start = [_times(value, 1 / s) for value, s in zip(start, unit, strict=True)]
        lines.append(f"u_i {{ {', '.join(f'y{i} = {value}' for i, value in enumerate(start))} }}")
        own = [f"y{i}" if s == 1 else f"x{i}" for i, s in enumerate(unit)]
        lines += [f"x{i} {{ y{i}*{s!r} }}" for i, s in enumerate(unit) if s != 1]
        names |= {symbol(name): own[i] for i, name in enumerate(system.states)}
        is_held = _may_be_no_number(system)
        text = _Text(names | {symbol(TIME): "held" if is_held else "t"}, "h", "equations")
        rates = [_times(rate, 1 / s) for rate, s in zip(text.all(system.rhs), unit, strict=True)]
        if is_held:
            # The first trial step and the last step reach beyond the end, where a formula of t may be no number.
            lines.append("held { min(t, until) }")
        lines += [*text.lines, f"F_i {{ {', '.join(rates)} }}", "stop { end - t }"]
    except RecursionError:
        raise ModelError("model.equations", f"a formula is nested too deeply to compile: {_REMEDY}") from None
    code = "\n".join(lines) + "\n"
    _check_size(operations(code), "equations", most)
    return code


def _may_be_no_number(system: System) -> bool:
    """Whether a formula of t may be no number beyond the end: a polynomial always is one, and has no kink there."""
    t = symbol(TIME)
    return any(t in (f := sp.sympify(rate)).free_symbols and not f.is_polynomial(t) for rate in system.rhs)


def operations(code: str) -> int:
    """About how many operations a program comes to, its lines among them."""
    return len(_OPERATION.findall(code)) + code.count("\n")


def seconds_to_compile(code: str) -> float:
    """About how long the compiler takes for a program, to a factor of two or three."""
    return 2.0 * math.pow(operations(code) / 1000, 2.5)


def _check_size(size: int, where: str, most: int) -> None:
    if size > most:
        what = f"about {size:,} operations are too many to compile (at most {most:,})"
        raise TooLarge(f"model ({where})", what)


def jumps(system: System, sensitive: Collection[str]) -> list[str]:
    """A sentence for each formula that may jump at a place which depends on a state or on these parameters.

    Forward sensitivities leave out what the solution gains or loses when that place moves.
    """
    movable = {symbol(name) for name in (*system.states, *sensitive)}
    sentences = []
    for state, rate in zip(system.states, map(sp.sympify, system.rhs), strict=True):
        steps = [part.args[0] for part in rate.atoms(sp.Heaviside, sp.sign)]
        for choice in rate.atoms(sp.Piecewise):
            pairs = zip(choice.args, choice.args[1:], strict=False)
            steps += [cond for (value, cond), (other, _) in pairs if not _joins(value, other, cond)]
        if any(movable & step.free_symbols for step in steps):
            sentences.append(
                f"The equation of {state} may jump where its condition changes sides; the derivatives do not "
                "contain the moving of that place. If it is to be estimated, use a smooth switch (sigmoid)."
            )
    return sentences


def _joins(value: Any, other: Any, condition: Any) -> bool:
    """Whether two branches are equal where their condition changes sides (False also where that is unclear)."""
    if not isinstance(condition, sp.Relational):
        return False
    gap = sp.expand(condition.lhs - condition.rhs)
    for name in sorted(gap.free_symbols, key=str):
        slope = derivatives([gap], [name.name])[0][0]
        if slope.is_number and slope != 0:
            edge = -gap.xreplace({name: sp.S.Zero}) / slope
            one, two = (sp.expand(branch.xreplace({name: edge})) for branch in (value, other))
            return _largest(sp.expand(one - two)) <= ROUNDING * max(_largest(one), _largest(two))
    return False


def _largest(expr: Any) -> float:
    """The largest number in front of a term of a sum."""
    return max(abs(float(term.as_coeff_Mul()[0])) for term in sp.Add.make_args(expr))


def _times(text: str, factor: float) -> str:
    return text if factor == 1 else f"{factor!r}*{text}"


def _inputs(
    system: System, scaled: Collection[str], muted: Collection[str], free_start: bool, units: Units | None
) -> list[str]:
    """The declaration of the inputs, and of the parameters that are not inputs as they stand."""
    inputs = []
    lines = []
    for i, name in enumerate(system.parameters):
        unit = 1.0 if units is None else units.parameters[i]
        if name in scaled or name in muted or unit != 1:
            inputs.append(f"q{i} = 1.0")
            if name in muted:
                value = f"q{i}*{1 / MUTED!r}"
            else:
                value = _times(sinh(f"q{i}") if name in scaled else f"q{i}", unit)
            lines.append(f"p{i} {{ {value} }}")
        else:
            inputs.append(f"p{i} = 1.0")
    inputs += ["event = 1.0", "last = 1.0"]
    lines += [f"end {{ event*{1 / MUTED!r} }}", f"until {{ last*{1 / MUTED!r} }}"]
    if free_start:
        inputs += [f"a{i} = 1.0" for i in range(len(system.states))]
    return [f"in_i {{ {', '.join(inputs)} }}", *lines]


def _can_be_nan(expr: Any) -> bool:
    """Whether a formula of finite numbers may be NaN: roots, logarithms, quotients and the like."""
    if isinstance(expr, sp.Pow) and not (expr.exp.is_Integer and expr.exp > 0):
        return True
    return type(expr).__name__ in ("log", "asin", "acos", "acosh", "atanh") or any(map(_can_be_nan, expr.args))


def _size(exprs: Iterable[Any]) -> int:
    """How many operations they take when every part is computed once."""
    found: set[Any] = set()
    waiting = list(exprs)
    while waiting:
        expr = waiting.pop()
        if expr.args and expr not in found:
            found.add(expr)
            waiting += expr.args
    return sum(max(1, len(expr.args) - 1) for expr in found)


class _Text:
    """Prints formulas; parts that are used again become tensors of their own, collected in `lines`."""

    def __init__(self, names: Mapping[sp.Symbol, str], prefix: str, where: str) -> None:
        self.names: dict[Any, str] = dict(names)
        self.groups: Groups = {}
        self.prefix = prefix
        self.where = where
        self.lines: list[str] = []
        self.parts: dict[str, str] = {}

    def all(self, formulas: Iterable[Any]) -> list[str]:
        exprs = [cap_denominators(sp.sympify(f)) for f in formulas]
        _check_size(_size(exprs), self.where, MAX_OPERATIONS)  # to share their parts would take long already
        shared, self.groups = shared_parts(exprs)
        for part in shared:
            if isinstance(part, (sp.Expr, sp.Boolean)):
                text = self.print(part) if isinstance(part, sp.Expr) else self.truth(part)
                self.names[part] = self.part(text)
        return [self.print(expr) for expr in exprs]

    def refusal(self, what: str) -> ModelError:
        return ModelError(f"model ({self.where})", f"{what}; {_REMEDY}")

    def part(self, text: str) -> str:
        """A name for a text, so that it can be used several times and is computed once."""
        if _ATOM.fullmatch(text):
            return text
        if text not in self.parts:
            name = f"{self.prefix}{len(self.parts)}"
            self.lines.append(f"{name} {{ {text} }}")
            self.parts[text] = name
        return self.parts[text]

    def print(self, expr: Any) -> str:
        """A text that can stand as a factor."""
        if expr in self.names:
            return self.names[expr]
        if isinstance(expr, sp.Symbol):
            raise self.refusal(f"'{expr}' has no value here")
        if isinstance(expr, sp.Expr) and expr.is_number and not expr.args:
            return self.number(expr)
        if isinstance(expr, NetworkCall):
            raise self.refusal(f"the compiled engine cannot call the network '{expr.args[0]}'")
        text = self.composite(expr)
        return self.part(text) if len(text) > _MAX_LENGTH else text

    def composite(self, expr: Any) -> str:
        for kind, method in (
            (sp.Add, self.add),
            (sp.Mul, self.mul),
            (sp.Pow, self.pow),
            (sp.Piecewise, self.piecewise),
            ((sp.Max, sp.Min), self.extreme),
            (sp.Heaviside, self.heaviside),
        ):
            if isinstance(expr, kind):
                return str(method(expr))
        rewrite = FUNCTIONS.get(type(expr).__name__)
        if rewrite is None or len(expr.args) != 1:
            raise self.refusal(f"the compiled engine has no function '{type(expr).__name__}'")
        return rewrite(self.print(expr.args[0]), self.part)

    def number(self, expr: Any) -> str:
        try:
            value = float(expr)
        except (TypeError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise self.refusal(f"'{expr}' is not a finite real number")
        return repr(value) if value >= 0 and not repr(value).startswith("-") else f"({value!r})"

    def add(self, expr: Any) -> str:
        added, subtracted = (list(map(self.print, terms)) for terms in split_sum(expr))
        if not added:
            return f"((-1.0)*({' + '.join(subtracted)}))"
        return f"({' - '.join([' + '.join(added), *subtracted])})"

    def mul(self, expr: Any) -> str:
        coefficient, factors, divisors = split_product(expr, self.groups)
        above, below = (list(map(self.print, parts)) for parts in (factors, divisors))
        if coefficient != 1:
            above.insert(0, self.number(coefficient))
        top = "*".join(above or ["1.0"])
        return f"({top}/({'*'.join(below)}))" if below else f"({top})"

    def pow(self, expr: Any) -> str:
        base, exponent = expr.args
        if exponent.is_number:
            return self.constant_power(base, float(exponent))
        power = self.part(self.print(exponent))
        if base.is_number and float(base) > 0:
            return f"exp({self.number(sp.log(base))}*{power})"
        x = self.part(self.print(base))
        # At x = 0: 0^e has the derivative 0 with respect to e > 0, and its slope in x is 1 for e = 1.
        at_zero = f"piecewise(-{power}, pow({x}, {power}), {x}*piecewise(1.0 - {power}, 1.0, 0.0))"
        otherwise = f"piecewise({x}, {at_zero}, pow({x}, {power}))"
        return f"piecewise({x} - {_TINY}, pow({x}, {power}), {otherwise})"

    def constant_power(self, base: Any, power: float) -> str:
        if power < 0:
            return f"(1.0/{self.constant_power(base, -power)})"
        x = self.print(base)
        if power == 0.5:
            return f"sqrt({x})"
        if power in (2, 3, 4):
            return f"({'*'.join([self.part(x)] * int(power))})"
        if power >= 1:
            return f"pow({x}, {power!r})" if power > 1 else x
        x = self.part(x)
        # The slope at x = 0 is infinite; as for sqrt, diffsol is told 0 there and recovers at x > 0.
        return f"piecewise({x} - {_TINY}, pow({x}, {power!r}), piecewise({x}, 0.0, pow({x}, {power!r})))"

    def extreme(self, expr: Any) -> str:
        sign, name = (1, "max") if isinstance(expr, sp.Max) else (-1, "min")
        best = self.part(self.print(expr.args[0]))
        for arg in expr.args[1:]:
            other = self.part(self.print(arg))
            if _can_be_nan(expr):
                # DiffSL's own would let a NaN pass for the other argument.
                first, second = (f"{best} - {other}", f"{other} - {best}")[::sign]
                text = f"piecewise({first}, {best}, {second}, {other}, {best} + {other})"
            else:
                text = f"{name}({best}, {other})"
            best = self.part(text)
        return best

    def heaviside(self, expr: Any) -> str:
        x = self.part(self.print(expr.args[0]))
        at_zero = self.print(expr.args[1]) if len(expr.args) > 1 else "0.5"
        return f"piecewise({x}, piecewise(-{x}, {at_zero}, 1.0), -{x}, 0.0, {x})"

    def piecewise(self, expr: Any) -> str:
        choices: list[str] = []
        for value, condition in expr.args:
            if condition == sp.true:
                return f"piecewise({', '.join(choices)}, {self.print(value)})" if choices else self.print(value)
            choices += [f"{self.truth(condition)} - 0.5", self.print(value)]
        raise self.refusal(f"'{expr}' needs a value for all other cases")

    def truth(self, condition: Any) -> str:
        """1 where a condition holds, else 0."""
        if isinstance(condition, sp.BooleanAtom):
            return "1.0" if condition else "0.0"
        if condition in self.names:
            return self.names[condition]
        if isinstance(condition, sp.And):
            return "(" + "*".join(self.truth(arg) for arg in condition.args) + ")"
        if isinstance(condition, sp.Not):
            return f"(1.0 - {self.truth(condition.args[0])})"
        if isinstance(condition, sp.Or):
            text = self.truth(condition.args[0])
            for arg in condition.args[1:]:
                text = f"max({text}, {self.truth(arg)})"
            return text
        if not isinstance(condition, sp.Relational):
            raise self.refusal(f"the compiled engine cannot decide '{condition}'")
        a, b = (self.part(self.print(side)) for side in (condition.lhs, condition.rhs))
        if isinstance(condition, (sp.LessThan, sp.StrictLessThan)):
            a, b = b, a
        if isinstance(condition, (sp.LessThan, sp.GreaterThan)):
            return f"piecewise({a} - {b}, 1.0, 0.0)"
        if isinstance(condition, (sp.StrictLessThan, sp.StrictGreaterThan)):
            return f"piecewise({b} - {a}, 0.0, {a} - {b}, 1.0, 0.0)"
        equal = f"piecewise({a} - {b}, piecewise({b} - {a}, 1.0, 0.0), 0.0)"
        return equal if isinstance(condition, sp.Eq) else f"(1.0 - {equal})"
