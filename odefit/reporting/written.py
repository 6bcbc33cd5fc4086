"""Formulas as MathML in the way in which a config writes them: no factor moved, no number worked out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from markupsafe import Markup

from odefit.model.language import ALIASES
from odefit.model.tokens import Syntax, parse
from odefit.reporting.markup import element, joined
from odefit.reporting.mathml import CALLED, LARGEST, MOST_IN_A_ROW, number
from odefit.reporting.symbols import applied, fenced, symbol

_MOST_RAISED = 40
"""Characters of an exponent of e; a longer one is an argument of exp."""
_RELATIONS = {ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠"}
_ONE_LINE = " that is too long to be shown: see the config at the end"


def written_rows(text: str, networks: Collection[str] = ()) -> list[Markup]:
    """A formula in rows that fit onto a page: a long sum is broken before a term.

    Parameters
    ----------
    text
        Of the formula language.
    networks
        Names of what it calls besides functions.

    Returns
    -------
    list of markupsafe.Markup
        Without the element `math` around them.

    Raises
    ------
    ModelError
        The text is no formula.
    """
    syntax = parse(text)
    if len(syntax.tokens) > LARGEST:
        return [element("mtext", f"a formula{_ONE_LINE}")]
    setter = _Setter(syntax, networks)
    rows: list[list[Markup]] = [[]]
    length = 0
    for term in setter.terms(syntax.tree):
        size = len(term.striptags())
        if rows[-1] and length + size > MOST_IN_A_ROW:
            rows.append([])
            length = 0
        rows[-1].append(term)
        length += size
    return [joined(*row) for row in rows]


def written_formula(text: str, networks: Collection[str] = ()) -> Markup:
    """The same on one line."""
    return joined(*written_rows(text, networks))


def written_condition(text: str) -> Markup:
    """What holds or does not, such as the trigger of an event. Raises ModelError, as they do."""
    syntax = parse(text)
    return _Setter(syntax, ()).condition(syntax.tree)


class _Setter:
    """Sets the syntax tree of a formula."""

    def __init__(self, syntax: Syntax, networks: Collection[str]) -> None:
        self.syntax, self.networks = syntax, networks

    def of(self, node: ast.expr) -> Markup:
        """A formula whose value is a number."""
        match node:
            case ast.Name():
                return self._word(node)
            case ast.UnaryOp(op=ast.USub()):
                return joined(element("mo", "−"), self._factor(node.operand))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.of(node.operand)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return joined(*self.terms(node))
            case ast.BinOp(op=ast.Pow()):
                return self._power(node.left, node.right)
            case ast.BinOp():
                return self._product(node)
            case ast.Subscript(value=ast.Call() as call, slice=ast.Name() as index):
                name = symbol(self._called(call))
                return self._applied(element("msub", _row(name), self._word(index)), call.args)
            case ast.Call():
                return self._call(node)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return fenced(self.condition(node), "[", "]")  # Iverson's bracket: 1 where it holds, else 0
            case _:
                raise AssertionError(f"no formula has this: {ast.dump(node)}")

    def terms(self, node: ast.expr) -> list[Markup]:
        """The terms of a sum, each with its sign; a formula that is none is one term."""
        found: list[Markup] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            sign = element("mo", "+" if isinstance(node.op, ast.Add) else "−")
            is_loose = _begins_with_a_sign(node.right) or (isinstance(node.op, ast.Sub) and _is_sum(node.right))
            found.append(joined(sign, fenced(self.of(node.right)) if is_loose else self.of(node.right)))
            node = node.left
        return [self.of(node), *reversed(found)]

    def condition(self, node: ast.expr) -> Markup:
        """What holds or does not."""
        match node:
            case ast.Compare():
                parts = [self.of(node.left)]
                for relation, side in zip(node.ops, node.comparators, strict=True):
                    parts += [element("mo", _RELATIONS[type(relation)]), self.of(side)]
                return joined(*parts)
            case ast.BoolOp():
                sign = element("mo", "∧" if isinstance(node.op, ast.And) else "∨")
                shown = [(isinstance(part, ast.BoolOp), self.condition(part)) for part in node.values]
                inner = [fenced(part) if is_joined else part for is_joined, part in shown]
                return joined(*(part for k, one in enumerate(inner) for part in ((sign, one) if k else (one,))))
            case ast.UnaryOp(op=ast.Not()):
                return joined(element("mo", "¬"), fenced(self.condition(node.operand)))
            case _:
                return self.of(node)

    def _word(self, node: ast.Name) -> Markup:
        token = self.syntax.token(node)
        if token.kind == "name":
            return symbol(token.text)
        return element("mn", token.text) if _is_short(token.text) else number(float(token.text))

    def _product(self, node: ast.expr) -> Markup:
        """Factors from left to right; what is divided by stands below the factors before it."""
        steps: list[tuple[bool, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            steps.append((isinstance(node.op, ast.Div), node.right))
            node = node.left
        minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        groups: list[tuple[list[ast.expr], list[ast.expr]]] = [
            ([node.operand if minus and isinstance(node, ast.UnaryOp) else node], [])
        ]
        for divides, factor in reversed(steps):
            if divides:
                groups[-1][1].append(factor)
            elif groups[-1][1]:
                groups.append(([factor], []))
            else:
                groups[-1][0].append(factor)
        shown = _side_by_side([piece for above, below in groups for piece in self._fraction(above, below)])
        return joined(element("mo", "−"), shown) if minus else shown

    def _fraction(self, above: list[ast.expr], below: list[ast.expr]) -> list[tuple[bool, Markup]]:
        """Factors, each with whether it is a number; those above a line are one."""
        if not below:
            return [(self._is_number(factor), self._factor(factor)) for factor in above]
        return [(False, element("mfrac", _row(self._row(above)), _row(self._row(below))))]

    def _row(self, factors: list[ast.expr]) -> Markup:
        if len(factors) == 1:
            return self.of(factors[0])
        return _side_by_side([(self._is_number(factor), self._factor(factor)) for factor in factors])

    def _is_number(self, node: ast.expr) -> bool:
        """Whether a factor begins with digits, which beside others would be read as one number."""
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Pow):
            node = node.left
        return isinstance(node, ast.Name) and self.syntax.token(node).kind == "number"

    def _factor(self, node: ast.expr) -> Markup:
        """In brackets, where a product needs them."""
        has_cases = isinstance(node, ast.Call) and self._called(node) == "piecewise"
        return fenced(self.of(node)) if has_cases or _is_sum(node) or _begins_with_a_sign(node) else self.of(node)

    def _power(self, base: ast.expr, exponent: ast.expr) -> Markup:
        shown = self.of(base) if isinstance(base, ast.Name) else fenced(self.of(base))
        return element("msup", _row(shown), _row(self.of(exponent)))

    def _called(self, node: ast.Call) -> str:
        return self.syntax.token(node.func).text if isinstance(node.func, ast.Name) else ""

    def _call(self, node: ast.Call) -> Markup:
        given = self._called(node)
        if given in self.networks:
            return self._applied(symbol(given), node.args)
        name = ALIASES.get(given, given)
        kinds: dict[str, Callable[[], Markup]] = {
            "piecewise": lambda: self._cases(node.args),
            "pow": lambda: self._power(node.args[0], node.args[1]),
            "sqrt": lambda: element("msqrt", self.of(node.args[0])),
            "abs": lambda: fenced(self.of(node.args[0]), "|", "|"),
            "exp": lambda: self._exponential(node.args[0]),
            "log10": lambda: self._logarithm("10", node.args),
            "log2": lambda: self._logarithm("2", node.args),
        }
        return kinds[name]() if name in kinds else applied(CALLED.get(name, name), *map(self.of, node.args))

    def _applied(self, called: Markup, arguments: Sequence[ast.expr]) -> Markup:
        inner = [part for k, a in enumerate(arguments) for part in ((element("mo", ","),) if k else ()) + (self.of(a),)]
        return joined(called, element("mo", "\u2061"), fenced(joined(*inner)))

    def _logarithm(self, base: str, arguments: Sequence[ast.expr]) -> Markup:
        return self._applied(element("msub", element("mi", "log"), element("mn", base)), arguments)

    def _exponential(self, inner: ast.expr) -> Markup:
        shown = self.of(inner)
        is_tall = any(tag in shown for tag in ("<mtable", "<msup", "<msqrt"))
        if is_tall or len(shown.striptags()) > _MOST_RAISED:
            return applied("exp", shown)
        return element("msup", element("mi", "e"), _row(shown))

    def _cases(self, arguments: Sequence[ast.expr]) -> Markup:
        lines = [
            (self.of(value), joined(element("mtext", "if "), self.condition(when)))
            for value, when in zip(arguments[:-1:2], arguments[1::2], strict=True)
        ]
        lines.append((self.of(arguments[-1]), element("mtext", "otherwise")))
        table = element("mtable", *(element("mtr", *map(_cell, line)) for line in lines), class_="cases")
        return element("mrow", element("mo", "{", stretchy="true"), table)


def _side_by_side(factors: Sequence[tuple[bool, Markup]]) -> Markup:
    """A product: a point before a number, else a sign that is not seen, and a little space."""
    parts: list[Markup] = []
    for k, (is_number, shown) in enumerate(factors):
        if k:
            parts.append(element("mo", "·" if is_number else "\u2062"))
            parts += [] if is_number else [element("mspace", width="0.28em")]
        parts.append(shown)
    return joined(*parts)


def _bare(node: ast.expr) -> ast.expr:
    """Without the plus signs before it, which are not set."""
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        node = node.operand
    return node


def _is_sum(node: ast.expr) -> bool:
    node = _bare(node)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _begins_with_a_sign(node: ast.expr) -> bool:
    node = _bare(node)
    while isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
        node = _bare(node.left)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_short(text: str) -> bool:
    return len(text) <= 9 and "e" not in text.casefold()


def _row(inner: Markup) -> Markup:
    return element("mrow", inner)


def _cell(inner: Markup) -> Markup:
    return element("mtd", inner)
