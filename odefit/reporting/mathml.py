"""Formulas as MathML, which browsers set by themselves: fractions, roots, powers, indices, cases.

The order of terms and factors is that of the text of a formula (`algebra/text.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
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
CALLED = {"log": "ln", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sign": "sgn", "Max": "max", "Min": "min"}


def formula(node: Any, last: Collection[str] = ()) -> Markup:
    """A formula as MathML, on one line.

    Parameters
    ----------
    node
        Of `odefit.algebra`.
    last
        Names that come after all others in a product: those of states, as in α x.

    Returns
    -------
    markupsafe.Markup
        Without the element `math` around it.
    """
    return _Setter(last).of(node)


def rows(node: Any, last: Collection[str] = ()) -> list[Markup]:
    """The same in rows that fit onto a page: a long sum is broken before a term."""
    return _Setter(last).rows(node)


class _Setter:
    """Sets formulas; `last` are the names that come after all others in a product: those of states."""

    def __init__(self, last: Collection[str]) -> None:
        self.last = frozenset(last)

    def of(self, node: Any) -> Markup:
        """A formula."""
        if node.is_Symbol:
            return symbol(str(node.name))
        if node.is_Number:
            return self._number(node)
        if isinstance(node, NetworkCall):
            return self._network(node)
        name = type(node).__name__
        if name in _RELATIONS:
            return joined(self._tight(node.args[0]), element("mo", _RELATIONS[name]), self._tight(node.args[1]))
        kinds: Mapping[str, Callable[[Any], Markup]] = {
            "Add": self._sum,
            "Mul": self._product,
            "Pow": self._power,
            "exp": self._exponential,
            "Piecewise": self._cases,
            "And": lambda e: self._linked(e, "∧"),
            "Or": lambda e: self._linked(e, "∨"),
            "Not": lambda e: joined(element("mo", "¬"), fenced(self.of(e.args[0]))),
            "Abs": lambda e: fenced(self.of(e.args[0]), "|", "|"),
        }
        if name in kinds:
            return kinds[name](node)
        if not node.args:
            return element("mi", str(node))
        return applied(CALLED.get(name, name), *map(self.of, node.args))

    def rows(self, node: Any) -> list[Markup]:
        """A formula in rows."""
        if not node.is_Add or len(str(node)) <= MOST_IN_A_ROW:
            return [self.of(node)]
        found: list[list[Markup]] = [[]]
        length = 0
        for k, term in enumerate(self._terms(node)):
            size = len(str(term))
            if found[-1] and length + size > MOST_IN_A_ROW:
                found.append([])
                length = 0
            found[-1].append(self._term(term, first=k == 0))
            length += size
        return [joined(*row) for row in found]

    def _terms(self, node: Any) -> list[Any]:
        """In the customary order, but that no sum begins with a minus sign where it need not."""
        terms = ordered_terms(node)
        first = next((k for k, term in enumerate(terms) if not _is_negative(term)), 0)
        return [terms[first], *terms[:first], *terms[first + 1 :]]

    def _term(self, term: Any, first: bool) -> Markup:
        negative = _is_negative(term)
        shown = self.of(-term) if negative else self._factor(term) if term.is_Add else self.of(term)
        sign = element("mo", "−") if negative else None if first else element("mo", "+")
        return joined(sign, shown) if sign else shown

    def _sum(self, node: Any) -> Markup:
        return joined(*(self._term(term, first=k == 0) for k, term in enumerate(self._terms(node))))

    def _product(self, node: Any) -> Markup:
        minus, above, below, _ = fraction_parts(node)
        top = self._factors(self._ordered(above))
        shown = element("mfrac", _row(top), _row(self._factors(self._ordered(below)))) if below else top
        return joined(element("mo", "−"), shown) if minus else shown

    def _ordered(self, factors: list[Any]) -> list[Any]:
        """Numbers, then what stays the same, then what moves with the states."""
        return sorted(factors, key=lambda f: (not f.is_Number, any(s.name in self.last for s in f.free_symbols)))

    def _factors(self, factors: list[Any]) -> Markup:
        if not factors:
            return element("mn", "1")
        if len(factors) == 1:
            return self.of(factors[0])
        parts: list[Markup] = []
        for k, factor in enumerate(factors):
            if k:
                # An invisible product; a point between two numbers, or before one.
                parts.append(element("mo", "·" if factor.is_Number else "\u2062"))
                if not factor.is_Number:
                    parts.append(element("mspace", width="0.28em"))
            shown = self._factor(factor)
            # ln 2 V could be the logarithm of both.
            parts.append(fenced(shown) if k < len(factors) - 1 and _is_known_logarithm(factor) else shown)
        return joined(*parts)

    def _factor(self, node: Any) -> Markup:
        """In brackets, where a product needs them."""
        name = type(node).__name__
        loose = (
            node.is_Add
            or name in _RELATIONS
            or name in ("And", "Or")
            or (node.is_Piecewise and not self._is_bracket(node))
        )
        loose = loose or _is_negative(node)
        return fenced(self.of(node)) if loose else self.of(node)

    def _tight(self, node: Any) -> Markup:
        name = type(node).__name__
        return fenced(self.of(node)) if name in _RELATIONS or name in ("And", "Or") else self.of(node)

    def _power(self, node: Any) -> Markup:
        base, exponent = node.args
        if exponent.is_number and float(exponent) < 0:
            return element("mfrac", element("mn", "1"), _row(self.of(base ** (-exponent))))
        if exponent.is_number and float(exponent) == 0.5:
            return element("msqrt", self.of(base))
        is_plain = base.is_Symbol or (base.is_Number and not base.is_negative and base.is_Integer)
        return element("msup", _row(self.of(base)) if is_plain else fenced(self.of(base)), _row(self.of(exponent)))

    def _exponential(self, node: Any) -> Markup:
        inner = node.args[0]
        if len(str(inner)) > 30 or inner.has(*_TALL):
            return applied("exp", self.of(inner))
        return element("msup", element("mi", "e"), _row(self.of(inner)))

    def _cases(self, node: Any) -> Markup:
        if self._is_bracket(node):
            return fenced(self.of(node.args[0].cond), "[", "]")
        lines = []
        for pair in node.args:
            otherwise = str(pair.cond) in ("True", "true")
            when = element("mtext", "otherwise") if otherwise else joined(element("mtext", "if "), self.of(pair.cond))
            lines.append(element("mtr", element("mtd", self.of(pair.expr)), element("mtd", when)))
        table = element("mtable", *lines, class_="cases")
        return element("mrow", element("mo", "{", stretchy="true"), table)

    def _is_bracket(self, node: Any) -> bool:
        """Whether it is 1 where a condition holds and 0 elsewhere, which Iverson's bracket says."""
        return [str(pair.expr) for pair in node.args] == ["1", "0"]

    def _linked(self, node: Any, sign: str) -> Markup:
        parts: list[Markup] = []
        for k, part in enumerate(node.args):
            parts += [element("mo", sign)] if k else []
            parts.append(self._tight(part))
        return joined(*parts)

    def _network(self, node: Any) -> Markup:
        name, component, *arguments = node.args
        called = symbol(str(name.name))
        if str(component) != "0":
            called = element("msub", _row(called), element("mn", str(component)))
        inner = (
            part for k, a in enumerate(arguments) for part in ((element("mo", ","), self.of(a)) if k else (self.of(a),))
        )
        return joined(called, element("mo", "\u2061"), fenced(joined(*inner)))

    def _number(self, node: Any) -> Markup:
        if node.is_Integer:
            return number(float(node)) if abs(float(node)) >= 1e15 else _signed(str(node))
        if node.is_Rational:
            shown = element("mfrac", element("mn", str(abs(node.p))), element("mn", str(node.q)))
            return joined(element("mo", "−"), shown) if node.p < 0 else shown
        return number(float(node))


def _is_negative(term: Any) -> bool:
    return bool((term.is_Number and term.is_negative) or (term.is_Mul and fraction_parts(term)[0]))


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


def _is_known_logarithm(node: Any) -> bool:
    """Whether it is a number that is shown as a logarithm."""
    return bool(node.is_Number) and float(node) in (math.log(2), math.log(10))


def _signed(text: str) -> Markup:
    if text.startswith("-"):
        return element("mrow", element("mo", "−"), element("mn", text[1:]))
    return element("mn", text)


def _row(inner: Markup) -> Markup:
    return element("mrow", inner)
