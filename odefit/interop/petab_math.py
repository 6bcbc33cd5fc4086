"""PEtab's mathematics, from its text to a tree.

    expr     right-assoc ^ (and Python's **, which version 1 has), then the signs + - !, then * /, then + -,
             then < <= > >= == !=, then && and || with one and the same precedence, from left to right
    atoms    numbers, inf, true, false, names, functions, brackets

See the grammar in PEtab's documentation, version 2, "Math expressions syntax".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from odefit.interop.mathematics import ONE, TIME, ZERO, Name, Number, Tree, call
from odefit.records import dataclass

MAX_LENGTH, MAX_DEPTH = 1_000_000, 100
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|&&|\|\||[-+*/^(),<>!]))",
    re.ASCII,
)
_CONSTANTS: Mapping[str, Tree] = {"inf": Number(math.inf), "true": ONE, "false": ZERO, "time": TIME}
_COMPARED = ("<", "<=", ">", ">=", "==", "!=")
_ARITY = {
    **dict.fromkeys(
        [
            "exp",
            "log10",
            "log2",
            "ln",
            "sqrt",
            "abs",
            "sign",
            "sin",
            "cos",
            "tan",
            "cot",
            "sec",
            "csc",
            "sinh",
            "cosh",
            "tanh",
            "coth",
            "sech",
            "csch",
        ],
        1,
    ),
    **{
        f"arc{name}": 1
        for name in ["sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch"]
    },
    "pow": 2,
}
_MANY = ("min", "max")
_CALLED = {"ln": "log", "pow": "^"} | {name: f"a{name[3:]}" for name in _ARITY if name.startswith("arc")}


class NotMathematics(Exception):
    """A text that PEtab's mathematics cannot hold; the message says what is wrong, and where."""


def parse_petab(text: str) -> Tree:
    """The tree of a PEtab formula. Raises NotMathematics, and nothing else."""
    if len(text) > MAX_LENGTH:
        raise NotMathematics(f"the formula has {len(text)} characters (at most {MAX_LENGTH})")
    parser = _Parser(text, tuple(_tokens(text)))
    tree = parser.logic(0)
    if parser.token is not None:
        raise parser.fault("this is one piece too many")
    return tree


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            raise NotMathematics(f"'{text[position]}' (character {position + 1}) cannot stand in a formula")
        kind = str(found.lastgroup)
        tokens.append(_Token(kind, found[kind], found.start(kind)))
        position = found.end()
    if not tokens:
        raise NotMathematics("the formula is empty")
    return tokens


class _Parser:
    def __init__(self, text: str, tokens: tuple[_Token, ...]) -> None:
        self.text, self.tokens, self.index = text, tokens, 0

    @property
    def token(self) -> _Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def fault(self, what: str) -> NotMathematics:
        token = self.token
        where = "at its end" if token is None else f"at '{token.text}' (character {token.start + 1})"
        return NotMathematics(f"{what} {where}")

    def taken(self, *operators: str) -> str | None:
        """The operator that stands here if it is one of these, and then the next token's turn."""
        token = self.token
        if token is None or token.kind != "operator" or token.text not in operators:
            return None
        self.index += 1
        return token.text

    def expect(self, operator: str) -> None:
        if self.taken(operator) is None:
            raise self.fault(f"'{operator}' is missing")

    def logic(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise NotMathematics(f"nested more than {MAX_DEPTH} levels deep")
        left = self.comparison(depth)
        while (operator := self.taken("&&", "||")) is not None:
            left = call("and" if operator == "&&" else "or", left, self.comparison(depth))
        return left

    def comparison(self, depth: int) -> Tree:
        left = self.sum(depth)
        while (operator := self.taken(*_COMPARED)) is not None:
            left = call(operator, left, self.sum(depth))
        return left

    def sum(self, depth: int) -> Tree:
        terms = [self.product(depth)]
        while (operator := self.taken("+", "-")) is not None:
            if operator == "+":
                terms.append(self.product(depth))
            else:
                terms = [call("-", call("+", *terms), self.product(depth))]
        return call("+", *terms)

    def product(self, depth: int) -> Tree:
        factors = [self.signed(depth)]
        while (operator := self.taken("*", "/")) is not None:
            if operator == "*":
                factors.append(self.signed(depth))
            else:
                factors = [call("/", call("*", *factors), self.signed(depth))]
        return call("*", *factors)

    def signed(self, depth: int) -> Tree:
        signs = []
        while (operator := self.taken("+", "-", "!")) is not None:
            signs.append(operator)
            if len(signs) > MAX_DEPTH:
                raise NotMathematics(f"more than {MAX_DEPTH} signs in a row")
        value = self.power(depth)
        for operator in reversed(signs):
            value = call("not", value) if operator == "!" else call("neg", value) if operator == "-" else value
        return value

    def power(self, depth: int) -> Tree:
        base = self.atom(depth)
        if self.taken("^", "**") is None:
            return base
        if depth > MAX_DEPTH:
            raise NotMathematics(f"nested more than {MAX_DEPTH} levels deep")
        return call("^", base, self.signed(depth + 1))

    def atom(self, depth: int) -> Tree:
        token = self.token
        if token is None:
            raise self.fault("a number, a name or a bracket is missing")
        if self.taken("("):
            inside = self.logic(depth + 1)
            self.expect(")")
            return inside
        if token.kind == "operator":
            raise self.fault("a number, a name or a bracket is missing")
        self.index += 1
        if token.kind == "number":
            return Number(float(token.text))
        if self.taken("("):
            return self.function(token, depth + 1)
        return _CONSTANTS.get(token.text) or Name(token.text)

    def function(self, token: _Token, depth: int) -> Tree:
        arguments = [self.logic(depth)]
        while self.taken(","):
            arguments.append(self.logic(depth))
        self.expect(")")
        count = len(arguments)
        if token.text == "piecewise" and count >= 3 and count % 2:
            return call("piecewise", *arguments)
        if token.text == "log" and count in (1, 2):
            return call("log" if count == 1 else "log_to_base", *arguments)
        if token.text in _MANY and count >= 2:
            return call(token.text, *arguments)
        if _ARITY.get(token.text) == count:
            return call(_CALLED.get(token.text, token.text), *arguments)
        known = token.text in ("piecewise", "log", *_MANY, *_ARITY)
        what = f"takes another number of arguments (got {count})" if known else "is no function of PEtab"
        raise NotMathematics(f"'{token.text}' (character {token.start + 1}) {what}")
