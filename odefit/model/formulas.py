"""The formula language: a text such as `alpha*x - beta*x*y` becomes an expression of `odefit.algebra`, never code.

    numbers      2   0.5   1e-3          (small integers are exact, all else is double precision)
    operators    + - * / ^ **            (^ and ** are the same power; -x^2 is -(x^2))
    comparisons  < <= > >= == !=  and  or  not     (used as a number: 1 where true, else 0)
    functions    see language.py, and  piecewise(value1, condition1, value2, condition2, ..., otherwise)
    constants    pi, e                   (a parameter that is declared under such a name wins)
    time         t
    networks     net(x, y), net(x, y)[0] (component 0 of a network with several outputs)

Every quantity is real. heaviside(0) is 1 and sign(0) is 0. Any fault is a ModelError that points at the
character; nothing else is raised, and nothing is ever evaluated as Python.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model import operators
from odefit.model.language import ALIASES, CONSTANTS, DIGITS, FUNCTIONS
from odefit.model.system import TIME, Network, NetworkCall, symbol
from odefit.model.tokens import LOGIC, Syntax, parse, suggestion
from odefit.text import counted
from odefit.unsupported import DELAY, DELAYS, DERIVATIVES, derivative_of, of_derivative

MAX_DEPTH = 50  # The deepest that parts of a formula may stand in each other.
MAX_ROOTS = 3
"""The most roots in each other."""
MAX_POWER = 100  # The largest whole exponent.
_EXACT = 2**53

_STEPS = ("floor", "ceil", "round", "mod")
_RELATIONS: Mapping[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: sp.StrictLessThan,
    ast.LtE: sp.LessThan,
    ast.Gt: sp.StrictGreaterThan,
    ast.GtE: sp.GreaterThan,
    ast.Eq: sp.Equality,
    ast.NotEq: sp.Unequality,
}
_IMPOSSIBLE = (sp.nan, sp.oo, -sp.oo)


def parse_formula(
    text: str,
    names: Collection[str],
    where: str = "",
    networks: Mapping[str, Network] | None = None,
) -> sp.Expr:
    """The expression of a formula. Its limits: 100,000 characters, 50 levels of nesting, constant powers up to
    100.

    Parameters
    ----------
    names
        The states, parameters and inputs that it may use, besides the time `t`. A name declared here wins over a
        constant (`e`, `pi`); a name and a function never clash, since only `exp(` is a call. Python's keywords are
        ordinary names (`lambda`), except `and`, `or`, `not`.
    where
        What a ModelError puts before its message, such as `configs/x.yaml:14  model.equations.x`.
    networks
        Neural networks that it may call; their calls become `NetworkCall(sp.Str(name), k, *arguments)`.

    Raises
    ------
    ModelError
        And nothing else, whatever the text.
    """
    syntax = parse(text, where)
    try:
        reader = _Reader(syntax, frozenset(names), networks or {})
        formula: sp.Expr = reader.plain(reader.number(syntax.tree, 0))
        return formula
    except (RecursionError, MemoryError):
        raise ModelError(where, "the formula is nested too deeply: split it up") from None
    except (ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelError(where, f"the formula has no real value ({error})") from None


def free_names(expr: Any) -> set[str]:
    """The names that an expression depends on: states, parameters, inputs, and `t` if it does."""
    return {str(s.name) for s in getattr(expr, "free_symbols", ())}


def name_fault(name: str) -> str | None:
    """Why a state or parameter cannot have this name, as a sentence; None when it can."""
    if name == TIME:
        return "'t' is the time: choose another name"
    if name in LOGIC:
        return f"'{name}' is a word of the formula language: choose another name"
    if not name.isidentifier():
        return f"'{name}' is not a name: use letters, digits and _, and start with no digit"
    return None


class _Reader:
    """Walks a syntax tree; every kind of node that it does not know is refused."""

    def __init__(self, syntax: Syntax, names: frozenset[str], networks: Mapping[str, Network]) -> None:
        self.syntax = syntax
        self.names = names
        self.networks = networks
        self.arrays = {array for network in networks.values() for array in network.arrays.values()}

    def number(self, node: ast.expr, depth: int) -> Any:
        value = self.read(node, depth)
        if isinstance(value, sp.Boolean) and not isinstance(value, sp.Symbol):
            return operators.choose([(sp.S.One, value), (sp.S.Zero, sp.true)])
        return value

    def condition(self, node: ast.expr, depth: int) -> Any:
        value = self.read(node, depth)
        if isinstance(value, sp.Expr):
            raise self.syntax.error("a condition is needed here, such as x > 0", node)
        return value

    def read(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.syntax.error(f"nested more than {MAX_DEPTH} levels deep: split the formula up", node)
        match node:
            case ast.Name():
                return self.word(node)
            case ast.UnaryOp(op=ast.Not()):
                return sp.Not(self.condition(node.operand, depth + 1))
            case ast.UnaryOp(op=ast.USub()):
                return -self.number(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.number(node.operand, depth + 1)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                value = self.sum(node, depth)
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                value = self.product(node, depth)
            case ast.BinOp(op=ast.Pow()):
                value = self.power(node, depth)
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.BoolOp():
                join = sp.And if isinstance(node.op, ast.And) else sp.Or
                return join(*(self.condition(part, depth + 1) for part in node.values))
            case ast.Subscript(value=ast.Call() as call, slice=ast.Name() as index):
                return self.network(call, depth, index)
            case ast.Call(func=ast.Name() as function):
                value = self.call(node, self.syntax.token(function).text, depth)
            case _:
                raise self.syntax.error("cannot be read as a formula here", node)
        return self.finite(value, node)

    # -- names and numbers

    def word(self, node: ast.Name) -> Any:
        token = self.syntax.token(node)
        if token.kind == "number":
            if token.text.isdigit() and len(token.text) <= 15:
                return sp.Integer(int(token.text))
            return self.double(float(token.text), node)
        if token.text in self.arrays:
            raise self.syntax.error(
                f"'{token.text}' is an array, which only a network takes, as a whole argument", node
            )
        if token.text in self.names or token.text == TIME:
            return symbol(token.text)
        if token.text in CONSTANTS:
            return sp.Float(CONSTANTS[token.text], DIGITS)
        if token.text in (*FUNCTIONS, *ALIASES, *self.networks, "piecewise"):
            raise self.syntax.error(f"'{token.text}' is a function: write {token.text}(...)", node)
        known = [*self.names, *CONSTANTS, TIME]
        state = derivative_of(token.text, self.names)
        # In `dx/dt` the divisor is read first.
        over = self.syntax.before(node, 2) if token.text == "dt" else None
        state = state or (over and derivative_of(over, self.names))
        if state or (over and over.startswith("d")):
            raise self.syntax.error(of_derivative(state), node)
        raise self.syntax.unknown(node, known, {*self.arrays, *FUNCTIONS, *ALIASES, *self.networks, "piecewise"})

    def double(self, value: float, node: ast.expr) -> Any:
        if not math.isfinite(value):
            raise self.syntax.error("this is not a finite number", node)
        return sp.Float(value, DIGITS)

    # -- arithmetic; long sums and products lean to the left in the tree and are read without recursion

    def sum(self, node: ast.expr, depth: int) -> Any:
        terms = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            term = self.number(node.right, depth + 1)
            terms.append(term if isinstance(node.op, ast.Add) else -term)
            node = node.left
        terms.append(self.number(node, depth + 1))
        return sp.Add(*reversed(terms))

    def product(self, node: ast.expr, depth: int) -> Any:
        factors = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            factor = self.number(node.right, depth + 1)
            if isinstance(node.op, ast.Div):
                if factor == 0:
                    raise self.syntax.error("division by zero", node.right)
                factor = self.raised(factor, sp.S.NegativeOne, node)
            factors.append(factor)
            node = node.left
        factors.append(self.number(node, depth + 1))
        return sp.Mul(*reversed(factors))

    def power(self, node: ast.BinOp, depth: int) -> Any:
        exponent = self.number(node.right, depth + 1)
        if isinstance(node.left, ast.Name):
            text = self.syntax.token(node.left).text
            if text == "e" and text not in self.names and not exponent.is_Number:
                return operators.exp(exponent)
        return self.raised(self.number(node.left, depth + 1), exponent, node)

    def raised(self, base: Any, exponent: Any, node: ast.expr) -> Any:
        """base**exponent, where no constant can grow without limit."""
        if exponent.is_Float and (2 * float(exponent)).is_integer():
            exponent = sp.Rational(int(2 * float(exponent)), 2)
        if base.is_Number and exponent.is_Number:
            if base.is_Rational and exponent.is_Integer and abs(exponent) <= 64:
                if base == 0 and exponent < 0:
                    raise self.syntax.error("division by zero", node)
                return self.finite(base**exponent, node)
            return self.folded(math.pow, "the power", [base, exponent], node)
        if exponent.is_Number and not exponent.is_Integer and exponent.is_Rational and exponent.q != 2:
            exponent = sp.Float(exponent, DIGITS)
        result_power = exponent * (base.exp if base.is_Pow and base.exp.is_Number else 1)
        if result_power.is_Number and abs(result_power) > MAX_POWER:
            raise self.syntax.error(f"the power {_short(exponent)} is too large (at most {MAX_POWER})", node)
        if isinstance(base, sp.exp):
            return operators.exp(base.args[0] * exponent)
        if base.is_Pow and not exponent.is_Integer and (base.exp.is_Number or exponent.is_Number):
            # Where the power of a power is real, it is this one (elsewhere this may be real, where that is not).
            even = not base.exp.is_Number or (base.exp.is_Integer and base.exp % 2 == 0)
            return sp.Pow(operators.Abs(base.base) if even else base.base, base.exp * exponent)
        coefficient, rest = base.as_coeff_Mul()
        splits = exponent.is_Integer or (exponent.is_Number and coefficient > 0)
        if splits and coefficient not in (1, -1):
            # (2*x)**n becomes 2**n*x**n: keep the factor a double.
            return self.raised(coefficient, exponent, node) * self.raised(rest, exponent, node)
        if not exponent.is_Integer and operators.functions_of_roots(base, {})[0] >= MAX_ROOTS:
            what = f"functions of roots stand more than {MAX_ROOTS} deep in each other: make the inner ones states"
            raise self.syntax.error(what, node)
        return sp.Pow(base, exponent)

    # -- conditions

    def comparison(self, node: ast.Compare, depth: int) -> Any:
        sides = [self.number(side, depth + 1) for side in (node.left, *node.comparators)]
        for side, at in zip(sides, (node.left, *node.comparators), strict=True):
            if side.has(sp.Piecewise):
                what = "a piecewise or a comparison cannot stand inside another: join with and, or, not"
                raise self.syntax.error(what, at)
        parts = []
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            relation = _RELATIONS.get(type(op))
            if relation is None:
                raise self.syntax.error("cannot be read as a comparison", node)
            decided = left.is_Number and right.is_Number
            parts.append(relation(left, right) if decided else relation(left, right, evaluate=False))
        return sp.And(*parts) if len(parts) > 1 else parts[0]

    def piecewise(self, node: ast.Call, depth: int) -> Any:
        if len(node.args) < 3 or len(node.args) % 2 == 0:
            raise self.syntax.error(
                "piecewise needs value1, condition1, value2, condition2, ..., otherwise "
                f"(an odd number of arguments, at least 3; got {len(node.args)})",
                node,
            )
        pairs = [
            (self.number(value, depth + 1), self.condition(condition, depth + 1))
            for value, condition in zip(node.args[:-1:2], node.args[1::2], strict=True)
        ]
        return operators.choose([*pairs, (self.number(node.args[-1], depth + 1), sp.true)])

    # -- functions and networks

    def call(self, node: ast.Call, name: str, depth: int) -> Any:
        if name in self.networks:
            return self.network(node, depth, None)
        if name == "piecewise":
            return self.piecewise(node, depth)
        if name == "pow" and len(node.args) == 2:
            base, exponent = (self.number(arg, depth + 1) for arg in node.args)
            return self.raised(base, exponent, node)
        function = FUNCTIONS.get(ALIASES.get(name, name))
        if function is None:
            raise self.syntax.error(self.not_a_function(name, node), node)
        wanted = function.arity or max(2, len(node.args))
        if len(node.args) != wanted:
            count = counted(wanted, "argument") if function.arity else "two arguments or more"
            raise self.syntax.error(f"{name} takes {count} (got {len(node.args)})", node)
        arguments = [self.number(arg, depth + 1) for arg in node.args]
        if all(arg.is_Number for arg in arguments):
            shown = f"{name}({', '.join(_short(arg) for arg in arguments)})"
            return self.folded(function.value, shown, arguments, node)
        if name == "sqrt":
            return self.raised(arguments[0], sp.S.Half, node)
        return function.build(*arguments)

    def not_a_function(self, name: str, node: ast.Call) -> str:
        if name in _STEPS:
            return f"{name} is not available: write steps at known times with piecewise or heaviside"
        inside = [self.syntax.token(n).text for n in ast.walk(node) if isinstance(n, ast.Name) and n is not node.func]
        if inside == [TIME]:
            return f"write {name} alone: it means its value at the time t"
        if (name in self.names and TIME in inside) or name in DELAYS:
            return DELAY
        if name in DERIVATIVES:
            return of_derivative(inside[0] if inside and inside[0] in self.names else None)
        if name in self.names or name in CONSTANTS or name == TIME:
            start = f", or {name}_0 for what it starts from" if f"{name}_0" in self.names else ""
            return f"'{name}' is not a function: write {name}*(...) to multiply{start}"
        if name in ("increase", "fold_change"):
            return f"{name} is no function but a kind of observable: write `{{{name}: formula}}` in its place"
        known = [*FUNCTIONS, *ALIASES, *self.networks, "piecewise", "pow"]
        return f"unknown function '{name}'{suggestion(name, known)}"

    def network(self, node: ast.Call, depth: int, index: ast.Name | None) -> Any:
        name = self.syntax.token(node.func).text if isinstance(node.func, ast.Name) else ""
        network = self.networks.get(name)
        if network is None:
            raise self.syntax.error("only a network has components to pick with [ ]", node)
        if len(node.args) != network.inputs:
            raise self.syntax.error(f"network '{name}' has {network.inputs} inputs (got {len(node.args)})", node)
        if index is None and network.outputs != 1:
            raise self.syntax.error(
                f"network '{name}' has {network.outputs} outputs: pick one, as in {name}(...)[0]", node
            )
        component = self.syntax.token(index).text if index is not None else "0"
        if not component.isdigit() or len(component) > 9 or int(component) >= network.outputs:
            raise self.syntax.error(
                f"network '{name}' has components 0 to {network.outputs - 1} (got {component})", index or node
            )
        arguments = [self.argument(arg, network.arrays.get(k), depth + 1) for k, arg in enumerate(node.args)]
        return NetworkCall(sp.Str(name), sp.Integer(int(component)), *arguments)

    def argument(self, node: ast.expr, array: str | None, depth: int) -> Any:
        """An input of a network: a number, or the array that it takes there."""
        if array is None:
            return self.number(node, depth)
        if not isinstance(node, ast.Name) or self.syntax.token(node).text != array:
            raise self.syntax.error(f"here the network takes the array '{array}': write its name", node)
        return symbol(array)

    # -- keeping numbers finite, real and small

    def folded(self, function: Callable[..., float], shown: str, args: list[Any], node: ast.expr) -> Any:
        """A function of plain numbers, as a number."""
        try:
            value = function(*(float(arg) for arg in args))
        except (ValueError, ArithmeticError):
            value = math.nan
        if not math.isfinite(value):
            raise self.syntax.error(f"{shown} is not a finite real number", node)
        return sp.Float(value, DIGITS)

    def finite(self, value: Any, node: ast.expr) -> Any:
        if value.has(*_IMPOSSIBLE):
            raise self.syntax.error("this is not a finite real number", node)
        if value.is_Number:
            return self.bounded(value, node)
        coefficient, rest = value.as_coeff_Mul()
        bounded = self.bounded(coefficient, node)
        return value if bounded is coefficient else bounded * rest

    def plain(self, expr: Any) -> Any:
        """Constants that are left as formulas, or as huge integers, become doubles."""
        odd = {
            part: self.bounded(part if part.is_Number else part.evalf(DIGITS), self.syntax.tree)
            for part in sp.preorder_traversal(expr)
            if isinstance(part, sp.Expr) and part.is_number
        }
        odd = {part: number for part, number in odd.items() if part is not number}
        return expr.xreplace(odd) if odd else expr

    def bounded(self, number: Any, node: ast.expr) -> Any:
        if number.is_Rational and max(abs(number.p), number.q) <= _EXACT:
            return number
        try:
            value = number.p / number.q if number.is_Rational else float(number)
        except OverflowError:
            value = math.inf
        return number if number.is_Float and math.isfinite(value) else self.double(value, node)


def _short(number: Any) -> str:
    return f"{float(number):.6g}"
