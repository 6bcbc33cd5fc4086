"""Formulas of other formats as trees: what SBML, PEtab and odefit's own language have in common.

A tree is a `Number`, a `Name` or a `Call` of an operator or a function. It is never made from another tree's text, so
that no bracket is lost between two notations. The operators are

    + - * / ^ neg        (+ and * of any number of arguments)
    < <= > >= == !=      and  or  not
    piecewise            (value, condition, value, condition, ..., otherwise)
    time                 (no argument: a name `t` or `time` may be anything)

and functions have odefit's names. What odefit has no function for (`cot`, `xor`, `floor`, ...) is rewritten, or stays
under a name of its own until `formula_text` refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from odefit.records import dataclass


@dataclass(frozen=True)
class Number:
    """A number, possibly infinite."""

    value: float


@dataclass(frozen=True)
class Name:
    """A parameter, a state, a compartment, …"""

    name: str


@dataclass(frozen=True)
class Call:
    """An operator or a function of its arguments."""

    function: str
    arguments: tuple[Tree, ...]


Tree = Number | Name | Call

CALL = "network "
"""How the functions of trees begin that are networks: `network net 0`, or `network net` of one with a single output."""
ZERO, ONE = Number(0.0), Number(1.0)
TIME = Call("time", ())
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
}
LOGIC = ("and", "or", "not")


def names_in(tree: Tree) -> Iterator[str]:
    """Every name in the order in which it stands there, as often as it does."""
    if isinstance(tree, Name):
        yield tree.name
    elif isinstance(tree, Call):
        for argument in tree.arguments:
            yield from names_in(argument)


def uses_time(tree: Tree) -> bool:
    """Whether the time stands anywhere in it."""
    return isinstance(tree, Call) and (tree == TIME or any(map(uses_time, tree.arguments)))


def functions_in(tree: Tree) -> Iterator[str]:
    """Every operator and function."""
    if isinstance(tree, Call):
        yield tree.function
        for argument in tree.arguments:
            yield from functions_in(argument)


def replaced(tree: Tree, values: Mapping[str, Tree]) -> Tree:
    """The tree with trees in the place of names."""
    if isinstance(tree, Name):
        return values.get(tree.name, tree)
    if isinstance(tree, Call):
        arguments = tuple(replaced(argument, values) for argument in tree.arguments)
        return tree if arguments == tree.arguments else call(tree.function, *arguments)
    return tree


def at_time(tree: Tree, time: Tree) -> Tree:
    """The tree with another time in the place of `time`."""
    if tree == TIME:
        return time
    if isinstance(tree, Call):
        return call(tree.function, *(at_time(argument, time) for argument in tree.arguments))
    return tree


def call(function: str, *arguments: Tree) -> Tree:
    """A call, with constants folded, neutral elements left out, and what odefit lacks rewritten."""
    rewrite = _REWRITTEN.get(function)
    if rewrite is not None:
        return rewrite(*arguments)
    if function != "piecewise" and arguments and all(isinstance(a, Number) for a in arguments):
        value = _value(function, [a.value for a in arguments if isinstance(a, Number)])
        return Call(function, arguments) if value is None else Number(value)
    simplify = _SIMPLER.get(function)
    return simplify(*arguments) if simplify is not None else Call(function, arguments)


def is_condition(tree: Tree) -> bool:
    """Whether it is true or false rather than a number."""
    if not isinstance(tree, Call):
        return False
    if tree.function == "piecewise":
        values = [*tree.arguments[:-1:2], tree.arguments[-1]]
        return any(map(is_condition, values)) and all(is_condition(v) or v in (ZERO, ONE) for v in values)
    return tree.function in COMPARISONS or tree.function in LOGIC


def condition(tree: Tree) -> Tree:
    """The same as a condition: any number but 0 is true. Constants stay numbers."""
    if isinstance(tree, Number):
        return ONE if tree.value else ZERO
    if isinstance(tree, Call) and tree.function == "piecewise":
        value, test, *rest = tree.arguments
        other = rest[0] if len(rest) == 1 else Call("piecewise", tuple(rest))
        yes = call("and", condition(test), condition(value))
        return call("or", yes, call("and", call("not", condition(test)), condition(other)))
    return tree if is_condition(tree) else call("!=", tree, ZERO)


# -- numbers


def _value(function: str, numbers: list[float]) -> float | None:
    """A function of numbers as floating-point arithmetic has it; None where that is no number."""
    compute = _NUMERIC.get(function)
    if compute is None:
        return None
    try:
        value = float(compute(*numbers))
    except (ValueError, ArithmeticError):
        value = _LIMITS.get((function, numbers[0]), math.nan)
    return None if math.isnan(value) else value


_LIMITS = {("log", 0.0): -math.inf, ("log10", 0.0): -math.inf, ("log2", 0.0): -math.inf, ("atanh", 1.0): math.inf}
_PLAIN = "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp log log10 log2 sqrt floor ceil"
_NUMERIC: Mapping[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in _PLAIN.split()},
    **COMPARISONS,
    "+": lambda *terms: math.fsum(terms),
    "*": lambda *factors: math.prod(factors),
    "-": lambda x, y: x - y,
    "/": lambda x, y: x / y,
    "^": math.pow,
    "neg": lambda x: -x,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "max": max,
    "min": min,
    "and": lambda *parts: all(parts),
    "or": lambda *parts: any(parts),
    "not": lambda x: not x,
    "factorial": lambda x: math.gamma(x + 1),
    # SBML: the quotient is rounded towards 0, and the remainder has the sign of the dividend.
    "quotient": lambda x, y: math.trunc(x / y),
    "rem": math.fmod,
}

# -- simpler trees with the same value


def _sum(*terms: Tree) -> Tree:
    flat = [
        part for term in terms for part in (term.arguments if isinstance(term, Call) and _is(term, "+") else (term,))
    ]
    kept = tuple(term for term in flat if term != ZERO)
    return Call("+", kept) if len(kept) > 1 else kept[0] if kept else ZERO


def _product(*factors: Tree) -> Tree:
    """The signs in front of the product, where they need no brackets."""
    minus, flat = False, list[Tree]()
    for factor in factors:
        minus ^= _is_negative(factor)
        positive = _negative(factor) if _is_negative(factor) else factor
        flat += positive.arguments if _is(positive, "*") and isinstance(positive, Call) else (positive,)
    kept = tuple(factor for factor in flat if factor != ONE)
    product = Call("*", kept) if len(kept) > 1 else kept[0] if kept else ONE
    return _negative(product) if minus else product


def _difference(left: Tree, right: Tree) -> Tree:
    if right == ZERO:
        return left
    return _negative(right) if left == ZERO else Call("-", (left, right))


def _quotient(left: Tree, right: Tree) -> Tree:
    if right == ONE:
        return left
    return _negative(Call("/", (_negative(left), right))) if _is_negative(left) else Call("/", (left, right))


def _power(base: Tree, exponent: Tree) -> Tree:
    return base if exponent == ONE else Call("^", (base, exponent))


def _negative(tree: Tree) -> Tree:
    if isinstance(tree, Number):
        return Number(-tree.value)
    return tree.arguments[0] if isinstance(tree, Call) and tree.function == "neg" else Call("neg", (tree,))


def _choice(*arguments: Tree) -> Tree:
    """A piecewise without what is decided; without an otherwise, what is left is not a number."""
    pairs = [(value, condition(test)) for value, test in zip(arguments[:-1:2], arguments[1::2], strict=False)]
    otherwise = arguments[-1] if len(arguments) % 2 else Number(math.nan)
    kept: list[Tree] = []
    for value, test in pairs:
        if test == ONE:
            otherwise = value
            break
        if test != ZERO:
            kept += [value, test]
    return Call("piecewise", (*kept, otherwise)) if kept else otherwise


def _junction(function: str, neutral: Tree, decided: Tree) -> Callable[..., Tree]:
    def joined(*parts: Tree) -> Tree:
        tests = tuple(test for test in map(condition, parts) if test != neutral)
        if decided in tests:
            return decided
        return Call(function, tests) if len(tests) > 1 else tests[0] if tests else neutral

    return joined


def _negation(part: Tree) -> Tree:
    test = condition(part)
    if isinstance(test, Number):
        return ZERO if test == ONE else ONE
    return test.arguments[0] if isinstance(test, Call) and test.function == "not" else Call("not", (test,))


_SIMPLER: Mapping[str, Callable[..., Tree]] = {
    "+": _sum,
    "*": _product,
    "-": _difference,
    "/": _quotient,
    "^": _power,
    "neg": _negative,
    "piecewise": _choice,
    "and": _junction("and", ONE, ZERO),
    "or": _junction("or", ZERO, ONE),
    "not": _negation,
}

# -- what odefit has no function for


def _of_inverse(function: str) -> Callable[[Tree], Tree]:
    return lambda x: call(function, call("/", ONE, x))


def _inverse_of(function: str) -> Callable[[Tree], Tree]:
    return lambda x: call("/", ONE, call(function, x))


def _exclusive(*parts: Tree) -> Tree:
    def either(a: Tree, b: Tree) -> Tree:
        return call("or", call("and", a, call("not", b)), call("and", call("not", a), b))

    whole: Tree = ZERO
    for part in parts:
        whole = either(whole, condition(part))
    return whole


def _chain(*sides: Tree) -> Tree:
    """`a < b < c`, as MathML allows it: `chain` has the comparison's name first."""
    first, *rest = sides
    assert isinstance(first, Name)
    return call("and", *(call(first.name, x, y) for x, y in pairwise(rest)))


_REWRITTEN: Mapping[str, Callable[..., Tree]] = {
    "cot": _inverse_of("tan"),
    "sec": _inverse_of("cos"),
    "csc": _inverse_of("sin"),
    "coth": _inverse_of("tanh"),
    "sech": _inverse_of("cosh"),
    "csch": _inverse_of("sinh"),
    "acot": _of_inverse("atan"),
    "asec": _of_inverse("acos"),
    "acsc": _of_inverse("asin"),
    "acoth": _of_inverse("atanh"),
    "asech": _of_inverse("acosh"),
    "acsch": _of_inverse("asinh"),
    "xor": _exclusive,
    "implies": lambda a, b: call("or", call("not", a), b),
    "chain": _chain,
    # The logarithm of x to a base; PEtab writes log(x, base), MathML the base first.
    "log_to_base": lambda x, base: call("/", call("log", x), call("log", base)),
    "root": lambda degree, x: call("sqrt", x) if degree == Number(2.0) else call("^", x, call("/", ONE, degree)),
}


def _is(tree: Tree, function: str) -> bool:
    return isinstance(tree, Call) and tree.function == function


def _is_negative(tree: Tree) -> bool:
    return tree.value < 0 if isinstance(tree, Number) else _is(tree, "neg")
