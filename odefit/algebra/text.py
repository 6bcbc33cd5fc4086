"""Formulas as text, `alpha*x - beta*x*y`, with terms and factors in the customary order.

Terms are ordered by their powers: of the symbols and functions in the sum, which stand in the order of `_sort_key`,
the term with the higher power of the first comes first. The order and the brackets are those of SymPy.
"""

from __future__ import annotations

from typing import Any

from odefit.algebra.arithmetic import Add, Mul, Pow
from odefit.algebra.nodes import Node
from odefit.algebra.numbers import HALF, NEGATIVE_ONE, ONE, Integer, Rational, negated

_ADD, _MUL, _POW, _FUNCTION, _ATOM = 40, 50, 60, 70, 1000
_STRENGTHS = {"Or": 20, "And": 30, "Add": _ADD, "Pow": _POW, "Not": 100, "Equality": _MUL, "Unequality": _MUL}
_INFIX = {"StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">", "GreaterThan": ">="}
_CALLED = {"Equality": "Eq", "Unequality": "Ne"}
_JOINTS = {"And": (" & ", 38), "Or": (" | ", 36)}
_FIRST = {"exp": 10, "log": 11, "sin": 20, "cos": 21, "tan": 22, "sinh": 30, "cosh": 31, "tanh": 32}


def text(node: Any) -> str:
    """The text of a formula."""
    if node.is_Symbol or type(node).__name__ == "Str":
        return str(node.name)
    if node.is_Number:
        return _number(node)
    if node.is_Atom:
        return str(node.value)
    name = type(node).__name__
    if node.is_Add:
        return _sum(node)
    if node.is_Mul:
        return _product(node)
    if node.is_Pow:
        return _power(node)
    if name in _INFIX:
        return f" {_INFIX[name]} ".join(_in_brackets(side, 35) for side in node.args)
    if name in _JOINTS:
        joint, level = _JOINTS[name]
        return joint.join(_in_brackets(part, level) for part in sorted(node.args, key=text))
    if name == "Not":
        return f"~{_in_brackets(node.args[0], 100)}"
    inner = ", ".join(map(text, node.args))
    return f"({inner})" if name == "ExprCondPair" else f"{_CALLED.get(name, name)}({inner})"


def _number(node: Any) -> str:
    if node.is_Rational:
        return str(node.p) if node.is_Integer else f"{node.p}/{node.q}"
    value = float(node)
    if value != value or value in (float("inf"), float("-inf")):
        return "nan" if value != value else "oo" if value > 0 else "-oo"
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent[0].strip('+')}{exponent[1:].lstrip('0')}"


def _strength(node: Any) -> int:
    """How strongly a formula holds together: what is weaker than its surroundings stands in brackets."""
    if node.is_Number:
        if node.is_negative:
            return _ADD
        return _MUL if node.is_Rational and not node.is_Integer else _ATOM
    if node.is_Mul:
        return _ADD if _is_minus(node) else _MUL
    if node.is_Relational:
        return _STRENGTHS.get(type(node).__name__, 35)
    return _STRENGTHS.get(type(node).__name__, _FUNCTION if node.is_Function or node.is_Piecewise else _ATOM)


def _is_minus(node: Any) -> bool:
    return bool(node.as_coeff_Mul()[0].is_negative)


def _in_brackets(node: Any, level: int, strict: bool = False) -> str:
    weaker = _strength(node) < level or (not strict and _strength(node) <= level)
    return f"({text(node)})" if weaker else text(node)


def _sum(node: Any) -> str:
    pieces: list[str] = []
    for term in ordered_terms(node):
        written = text(term)
        minus = written.startswith("-") and not term.is_Add
        written = written[1:] if minus else written
        pieces += ["-" if minus else "+", f"({written})" if _strength(term) < _ADD or term.is_Add else written]
    first = pieces.pop(0)
    return ("" if first == "+" else first) + " ".join(pieces)


def _product(node: Any) -> str:
    factors = list(node.args)
    if factors[0] is ONE or any(factor.is_Number for factor in factors[1:]):
        return "*".join(_in_brackets(factor, _MUL, i == 0 and factor.is_Number) for i, factor in enumerate(factors))
    minus, above, below, wrapped = fraction_parts(node)
    tops = [_in_brackets(factor, _MUL, strict=True) for factor in above or [ONE]]
    bottoms = [_in_brackets(factor, _MUL, strict=True) for factor in below]
    bottoms = [f"({b})" if factor in wrapped else b for factor, b in zip(below, bottoms, strict=True)]
    divisor = f"/{bottoms[0]}" if len(bottoms) == 1 else f"/({'*'.join(bottoms)})" if bottoms else ""
    return ("-" if minus else "") + "*".join(tops) + divisor


def fraction_parts(node: Any) -> tuple[bool, list[Any], list[Any], list[Any]]:
    """A product as a fraction.

    Parameters
    ----------
    node
        The product.

    Returns
    -------
    bool
        Whether a minus sign stands before it.
    list, list
        The factors above the line and below it, in their order.
    list
        Those below that are products or powers themselves.
    """
    coefficient, rest = node.as_coeff_Mul()
    minus = bool(coefficient.is_negative)
    coefficient = negated(coefficient) if minus else coefficient
    above: list[Any] = []
    below: list[Any] = []
    wrapped: list[Any] = []
    for factor in _ordered_factors(rest) if coefficient is ONE else [coefficient, *_ordered_factors(rest)]:
        if factor.is_Pow and factor.exp.as_coeff_Mul()[0].is_negative:
            if factor.exp is NEGATIVE_ONE:
                below.append(factor.base)
                if factor.base.is_Mul or factor.base.is_Pow:
                    wrapped.append(factor.base)
            else:
                below.append(Pow.raw(factor.base, -factor.exp))
        elif factor.is_Rational:
            above += [Integer(factor.p)] if factor.p != 1 else []
            below += [Integer(factor.q)] if factor.q != 1 else []
        else:
            above.append(factor)
    return minus, above, below, wrapped


def _power(node: Any) -> str:
    base, exponent = node.args
    if exponent is HALF:
        return f"sqrt({text(base)})"
    if exponent is Rational(-1, 2):
        return f"1/sqrt({text(base)})"
    if exponent is NEGATIVE_ONE:
        return f"1/{_in_brackets(base, _POW)}"
    return f"{_in_brackets(base, _POW)}**{_in_brackets(exponent, _POW)}"


def ordered_terms(node: Any) -> list[Any]:
    """The terms of a sum in the customary order."""
    first, *others = sorted(node.args, key=lambda term: not term.is_Number)
    if first.is_Number and len(others) == 1 and others[0].is_Mul and first.is_positive:
        numbers = [factor for factor in others[0].args if factor.is_Number]
        if len(others[0].args) == 2 and numbers and numbers[0].is_negative:
            return [first, *others]
    split = [_powers(term) for term in node.args]
    bases = sorted({base for _, powers in split for base in powers}, key=_sort_key)
    keys = [tuple(-powers.get(base, 0) for base in bases) for _, powers in split]
    order = sorted(range(len(split)), key=lambda i: (keys[i], float(split[i][0])))
    return [node.args[i] for i in order]


def _powers(term: Any) -> tuple[Any, dict[Any, int]]:
    """The number in a term, and the whole powers of all else in it."""
    coefficient, rest = term.as_coeff_Mul()
    powers: dict[Any, int] = {}
    for factor in Mul.make_args(rest) if rest is not ONE else ():
        base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, ONE)
        if exponent.is_Rational:
            base = base if exponent.is_Integer else Pow(base, Rational(1, exponent.q))
            powers[base] = exponent.p
            continue
        number, tail = exponent.as_coeff_Mul(rational=True)
        if exponent.is_Number or number is ONE or not number.is_Rational:
            powers[factor] = 1
        else:
            powers[Pow(base, tail if number is NEGATIVE_ONE else Rational(1, number.q) * tail)] = number.p
    return coefficient, powers


def _ordered_factors(node: Any) -> list[Any]:
    return sorted(Mul.make_args(node), key=_sort_key)


def _sort_key(node: Any) -> Any:
    """What decides the order of the factors of a product and of the unknowns of a sum."""
    if node.is_Number:
        return (1, 0, "Number"), (0, ()), (), float(node)
    coefficient, rest = (
        node.as_coeff_Mul() if not (node.is_Boolean or not hasattr(node, "as_coeff_Mul")) else (ONE, node)
    )
    base, exponent = (rest.base, rest.exp) if rest.is_Pow else (rest, ONE)
    if base.is_Atom:
        parts: tuple[Any, ...] = (text(base),)
        kind: Any = (1, 0, "Number") if base.is_Number else (2, 0, type(base).__name__)
    else:
        inner = ordered_terms(base) if base.is_Add else _ordered_factors(base) if base.is_Mul else base.args
        parts = tuple(map(_sort_key, inner))
        kind = _class_key(base)
    return kind, (len(parts), parts), _sort_key(exponent) if exponent is not ONE else _ONE_KEY, float(coefficient)


_ONE_KEY: Any = ((1, 0, "Number"), (0, ()), (), 1.0)


def _class_key(node: Any) -> tuple[int, int, str]:
    name = type(node).__name__
    if isinstance(node, (Mul, Add, Pow)):
        return 3, (Mul, Add, Pow).index(type(node)), name
    return (4, _FIRST.get(name, 10000), name) if node.is_Function else (5, 0, name)


def _say(self: Any) -> str:
    return text(self)


# As for sums: a node knows nothing of its text.
for _method in ("__str__", "__repr__"):
    setattr(Node, _method, _say)
