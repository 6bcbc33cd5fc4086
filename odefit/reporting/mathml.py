"""Formulas as MathML, which browsers set by themselves: fractions, roots, powers, indices, cases.

The order of terms and factors is that of the text of a formula (`algebra/text.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from odefit import algebra as sp
from odefit.algebra.text import fraction_parts, ordered_terms
from odefit.model.system import NetworkCall
from odefit.reporting.markup import element, joined
from odefit.reporting.symbols import applied, fenced, symbol

DIGITS = 6
"""Of a number that is no whole one."""
MOST_IN_A_ROW = 64
"""Characters of a sum in a row; longer ones are broken before a term."""
LARGEST = 10_000
"""Nodes of a formula that is shown."""

_RELATIONS = {
    "StrictLessThan": "<",
    "LessThan": "≤",
    "StrictGreaterThan": ">",
    "GreaterThan": "≥",
    "Equality": "=",
    "Unequality": "≠",
}
_TALL = (sp.Piecewise, sp.exp, NetworkCall)
"""What makes an exponent too tall to be read."""
_CALLED = {"log": "ln", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sign": "sgn", "Max": "max", "Min": "min"}


def formula(node: Any) -> Markup:
    """A formula as MathML, on one line.

    Parameters
    ----------
    node
        Of `odefit.algebra`.

    Returns
    -------
    markupsafe.Markup
        Without the element `math` around it.
    """
    if node.is_Symbol:
        return symbol(str(node.name))
    if node.is_Number:
        return _number(node)
    if isinstance(node, NetworkCall):
        return _network(node)
    name = type(node).__name__
    if name in _RELATIONS:
        return joined(_tight(node.args[0]), element("mo", _RELATIONS[name]), _tight(node.args[1]))
    kinds: Mapping[str, Callable[[Any], Markup]] = {
        "Add": _sum,
        "Mul": _product,
        "Pow": _power,
        "exp": _exponential,
        "Piecewise": _cases,
        "And": lambda e: _linked(e, "∧"),
        "Or": lambda e: _linked(e, "∨"),
        "Not": lambda e: joined(element("mo", "¬"), fenced(formula(e.args[0]))),
        "Abs": lambda e: fenced(formula(e.args[0]), "|", "|"),
    }
    if name in kinds:
        return kinds[name](node)
    if not node.args:
        return element("mi", str(node))
    return applied(_CALLED.get(name, name), *map(formula, node.args))


def rows(node: Any) -> list[Markup]:
    """The same in rows that fit onto a page: a long sum is broken before a term."""
    if not node.is_Add or len(str(node)) <= MOST_IN_A_ROW:
        return [formula(node)]
    found: list[list[Markup]] = [[]]
    length = 0
    for k, term in enumerate(ordered_terms(node)):
        size = len(str(term))
        if found[-1] and length + size > MOST_IN_A_ROW:
            found.append([])
            length = 0
        found[-1].append(_term(term, first=k == 0))
        length += size
    return [joined(*row) for row in found]


def _term(term: Any, first: bool) -> Markup:
    negative = (term.is_Number and term.is_negative) or (term.is_Mul and fraction_parts(term)[0])
    shown = formula(-term) if negative else _factor(term) if term.is_Add else formula(term)
    sign = element("mo", "−") if negative else None if first else element("mo", "+")
    return joined(sign, shown) if sign else shown


def _sum(node: Any) -> Markup:
    return joined(*(_term(term, first=k == 0) for k, term in enumerate(ordered_terms(node))))


def _product(node: Any) -> Markup:
    minus, above, below, _ = fraction_parts(node)
    top = _factors(above)
    shown = element("mfrac", _row(top), _row(_factors(below))) if below else top
    return joined(element("mo", "−"), shown) if minus else shown


def _factors(factors: list[Any]) -> Markup:
    if not factors:
        return element("mn", "1")
    if len(factors) == 1:
        return formula(factors[0])
    parts: list[Markup] = []
    for k, factor in enumerate(factors):
        if k:
            # An invisible product; a point between two numbers, or before one.
            parts.append(element("mo", "·" if factor.is_Number else "\u2062"))
            if not factor.is_Number:
                parts.append(element("mspace", width="0.17em"))
        parts.append(_factor(factor))
    return joined(*parts)


def _factor(node: Any) -> Markup:
    """In brackets, where a product needs them."""
    name = type(node).__name__
    loose = node.is_Add or name in _RELATIONS or name in ("And", "Or") or (node.is_Piecewise and not _is_bracket(node))
    loose = loose or (node.is_Number and bool(node.is_negative)) or (node.is_Mul and fraction_parts(node)[0])
    return fenced(formula(node)) if loose else formula(node)


def _tight(node: Any) -> Markup:
    name = type(node).__name__
    return fenced(formula(node)) if name in _RELATIONS or name in ("And", "Or") else formula(node)


def _power(node: Any) -> Markup:
    base, exponent = node.args
    if exponent.is_number and float(exponent) < 0:
        return element("mfrac", element("mn", "1"), _row(formula(base ** (-exponent))))
    if exponent.is_number and float(exponent) == 0.5:
        return element("msqrt", formula(base))
    is_plain = base.is_Symbol or (base.is_Number and not base.is_negative and base.is_Integer)
    return element("msup", _row(formula(base)) if is_plain else fenced(formula(base)), _row(formula(exponent)))


def _exponential(node: Any) -> Markup:
    inner = node.args[0]
    if len(str(inner)) > 30 or inner.has(*_TALL):
        return applied("exp", formula(inner))
    return element("msup", element("mi", "e"), _row(formula(inner)))


def _cases(node: Any) -> Markup:
    if _is_bracket(node):
        return fenced(formula(node.args[0].cond), "[", "]")
    lines = []
    for pair in node.args:
        otherwise = str(pair.cond) in ("True", "true")
        when = element("mtext", "otherwise") if otherwise else joined(element("mtext", "if "), formula(pair.cond))
        lines.append(element("mtr", element("mtd", formula(pair.expr)), element("mtd", when)))
    table = element("mtable", *lines, class_="cases")
    return element("mrow", element("mo", "{", stretchy="true"), table)


def _is_bracket(node: Any) -> bool:
    """Whether it is 1 where a condition holds and 0 elsewhere, which Iverson's bracket says."""
    return [str(pair.expr) for pair in node.args] == ["1", "0"]


def _linked(node: Any, sign: str) -> Markup:
    parts: list[Markup] = []
    for k, part in enumerate(node.args):
        parts += [element("mo", sign)] if k else []
        parts.append(_tight(part))
    return joined(*parts)


def _network(node: Any) -> Markup:
    name, component, *arguments = node.args
    called = symbol(str(name.name))
    if str(component) != "0":
        called = element("msub", _row(called), element("mn", str(component)))
    inner = (
        part for k, a in enumerate(arguments) for part in ((element("mo", ","), formula(a)) if k else (formula(a),))
    )
    return joined(called, element("mo", "\u2061"), fenced(joined(*inner)))


def _number(node: Any) -> Markup:
    if node.is_Integer:
        return number(float(node)) if abs(float(node)) >= 1e15 else _signed(str(node))
    if node.is_Rational:
        shown = element("mfrac", element("mn", str(abs(node.p))), element("mn", str(node.q)))
        return joined(element("mo", "−"), shown) if node.p < 0 else shown
    return number(float(node))


def number(value: float) -> Markup:
    """A number with six digits, as 1.2 · 10⁻⁵ where it is very large or small."""
    for known, shown in _KNOWN:
        if value == known:
            return shown
    if not math.isfinite(value):
        return element("mi", "∞") if value > 0 else element("mi", "?") if math.isnan(value) else _signed("-∞")
    mantissa, _, exponent = f"{value:.{DIGITS}g}".partition("e")
    if not exponent:
        return _signed(mantissa)
    power = element("msup", element("mn", "10"), _row(_signed(str(int(exponent)))))
    if mantissa in ("1", "-1"):
        return joined(element("mo", "−"), power) if mantissa == "-1" else power
    return element("mrow", _signed(mantissa), element("mo", "·"), power)


_KNOWN = (
    (math.log(2), joined(element("mi", "ln"), element("mspace", width="0.17em"), element("mn", "2"))),
    (math.log(10), joined(element("mi", "ln"), element("mspace", width="0.17em"), element("mn", "10"))),
    (math.pi, element("mi", "π")),
    (2 * math.pi, joined(element("mn", "2"), element("mi", "π"))),
    (math.e, element("mi", "e")),
)
"""Numbers that have a name, which formulas hold as numbers."""


def _signed(text: str) -> Markup:
    if text.startswith("-"):
        return element("mrow", element("mo", "−"), element("mn", text[1:]))
    return element("mn", text)


def _row(inner: Markup) -> Markup:
    return element("mrow", inner)
