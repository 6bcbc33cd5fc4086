"""From the text of a formula to Python's syntax tree, with errors that point at the character.

Python's own `ast` does the precedence, but never sees the user's words: every name and number goes in as
a placeholder `_3` (the index of its token). So `lambda` is a fine name, no number is too long, no Unicode
normalization takes place, and nothing but the operators below can reach Python's grammar.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Collection
from itertools import islice

from odefit.errors import Fault, ModelError
from odefit.records import dataclass
from odefit.text import MOST_COMPARED, MOST_LISTED, abridged, clip, closest, did_you_mean
from odefit.unsupported import ALGEBRAIC, of_derivative

MAX_LENGTH = 100_000
"""The most characters of a formula."""
MAX_BRACKETS = 100
"""The most brackets that may be open at one time."""
SHORTEST = 3
"""Letters from which on a name may be the beginning of another that was meant."""
LOGIC = frozenset({"and", "or", "not"})
"""The words that are operators."""

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/^(),<>\[\]])"
)
_HINTS = {
    "=": "write == to compare; a formula is only the right-hand side, without 'dx/dt ='",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "%": "there is no remainder; write steps at known times with piecewise or heaviside",
    ".": "names have no dots, and a number has one",
    "'": "a formula holds no quotes",
    '"': "a formula holds no quotes",
    "−": "write the plain minus '-'",
    "–": "write the plain minus '-'",
    "×": "write *",
    "·": "write *",
    "÷": "write /",
    "²": "write ^2",
    "³": "write ^3",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
}


@dataclass(frozen=True)
class Token:
    """A piece of a formula. kind: number, name or operator; start: its first character in the text."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Syntax:
    """A formula's tree, with the way back from the tree to the text."""

    text: str
    where: str
    tokens: tuple[Token, ...]
    tree: ast.expr
    columns: dict[int, int]

    def token(self, node: ast.Name) -> Token:
        """The name or number for which a placeholder stands."""
        return self.tokens[int(node.id[1:])]

    def before(self, node: ast.Name, count: int) -> str | None:
        """The text of the token that stands `count` tokens before a name; None where there is none."""
        index = int(node.id[1:]) - count
        return self.tokens[index].text if index >= 0 else None

    def error(self, what: str, node: ast.AST) -> ModelError:
        """An error that points at the first character of a node."""
        index = self.columns.get(getattr(node, "col_offset", 0), 0)
        return pointed(self.text, self.where, what, self.tokens[index].start)

    def unknown(self, node: ast.Name, known: Collection[str], others: Collection[str]) -> ModelError:
        """An error for a symbol that nothing declares, and for all others of the formula that are none.

        `known` may stand where it does, `others` mean something else.
        """
        followed = zip(self.tokens, (*(token.text for token in self.tokens[1:]), ""), strict=True)
        written = [token for token, after in followed if token.kind == "name" and after != "("]
        first = {token.text: token for token in reversed([*written, self.token(node)])}
        strange = [token for token in first.values() if token.text not in {*known, *others, *LOGIC}]
        faults: list[Fault] = []
        for token in sorted({*strange, self.token(node)}, key=lambda one: one.start):
            what = f"unknown symbol '{clip(token.text, 128)}'{suggestion(token.text, known) or _there_is(known)}"
            faults += pointed(self.text, self.where, what, token.start).faults
        return ModelError(faults=faults)


def pointed(text: str, where: str, what: str, position: int) -> ModelError:
    """A ModelError that shows the line of the formula and a caret below the character at fault."""
    first = text.rfind("\n", 0, position) + 1
    last = text.find("\n", position)
    line = text[first : last if last >= 0 else len(text)]
    caret = min(position, len(text)) - first
    # A long line is shown around the fault only.
    cut = max(0, caret - 60)
    shown = ("…" if cut else "") + line[cut : cut + 100] + ("…" if len(line) > cut + 100 else "")
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in shown)
    return ModelError(where, f"{what}\n    {shown}\n    {' ' * (caret - cut + bool(cut))}^")


def parse(text: str, where: str = "") -> Syntax:
    """The syntax tree of a formula. Raises ModelError, and nothing else."""
    if not isinstance(text, str):
        raise ModelError(where, f"a formula must be text (got {type(text).__name__})")
    if len(text) > MAX_LENGTH:
        raise ModelError(where, f"the formula has {len(text)} characters (at most {MAX_LENGTH}): split it up")
    tokens = _tokens(text, where)
    if not tokens:
        raise ModelError(where, "the formula is empty: write a number, a name or an expression")
    _check_order(text, where, tokens)
    pieces: list[str] = []
    columns: dict[int, int] = {}
    column = 0
    for index, token in enumerate(tokens):
        piece = token.text if token.kind == "operator" else f"_{index}"
        if token.text == "^":
            piece = "**"
        elif token.text in LOGIC:
            piece = token.text
        columns[column] = index
        pieces.append(piece)
        column += len(piece) + 1
    try:
        tree = ast.parse(" ".join(pieces), mode="eval").body
    except (RecursionError, MemoryError):
        raise ModelError(where, "the formula is nested too deeply or too long: split it up") from None
    except (SyntaxError, ValueError) as error:
        offset = max(0, (getattr(error, "offset", None) or 1) - 1)
        index = max((i for c, i in columns.items() if c <= offset), default=0)
        raise pointed(text, where, "cannot be read as a formula here", tokens[index].start) from None
    return Syntax(text, where, tuple(tokens), tree, columns)


def written_names(text: str) -> set[str]:
    """The names that stand in a formula, functions aside; none in one that cannot be read."""
    try:
        tokens = parse(text).tokens
    except ModelError:
        return set()
    followed = zip(tokens, (*(token.text for token in tokens[1:]), ""), strict=True)
    return {t.text for t, after in followed if t.kind == "name" and t.text not in LOGIC and after != "("}


def _tokens(text: str, where: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise pointed(text, where, _unknown_character(text, position), position)
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(Token(kind, match.group(), position))
        position = match.end()
    return tokens


def _unknown_character(text: str, position: int) -> str:
    character = text[position]
    if character == "=" and re.fullmatch(r"\s*0(\.0*)?\s*", text[:position]):
        return ALGEBRAIC
    if character in "'’′" and re.search(r"\w$", text[:position]):
        return of_derivative(re.findall(r"\w+$", text[:position])[0])
    shown = f"'{character}'" if character.isprintable() else f"U+{ord(character):04X}"
    hint = _HINTS.get(character)
    return f"unexpected character {shown}" + (f": {hint}" if hint else "")


def _check_order(text: str, where: str, tokens: list[Token]) -> None:
    """Operands and operators take turns and brackets match: said here in plainer words than Python's."""
    opened: list[tuple[str, int]] = []
    wants_operand = True
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        is_word = token.kind in ("number", "name") and token.text not in LOGIC
        fault = ""
        if token.text in ("(", "["):
            if token.text == "(" and not wants_operand and before is not None and before.kind != "name":
                fault = "an operator is missing before '(' (write * to multiply)"
            elif token.text == "[" and (wants_operand or before is None or before.text != ")"):
                fault = "'[' may only pick a component of a network, as in net(x, y)[0]"
            opened.append((token.text, token.start))
            wants_operand = True
            if len(opened) > MAX_BRACKETS:
                fault = f"more than {MAX_BRACKETS} brackets inside one another: split the formula up"
        elif token.text in (")", "]"):
            empty_call = index > 1 and before is not None and before.text == "("
            if not opened or opened[-1][0] != {")": "(", "]": "["}[token.text]:
                fault = f"'{token.text}' closes nothing that was opened"
            elif wants_operand and not (empty_call and tokens[index - 2].kind == "name"):
                fault = f"a value is missing before '{token.text}'"
            else:
                opened.pop()
            wants_operand = False
        elif is_word and wants_operand:
            wants_operand = False
        elif is_word or token.text == "not":
            if not wants_operand:
                fault = _missing_operator(token)
        elif token.text in ("+", "-") and wants_operand:
            pass
        elif wants_operand:
            fault = f"a value is missing before '{token.text}'"
        elif token.text == "," and not opened:
            fault = "a comma has a place only between the arguments of a function"
            decimal = re.search(r"[0-9]+,[0-9]+$", text[: _end_of_number(text, token.start)])
            if decimal:
                fault = f"a decimal comma: write {decimal[0].replace(',', '.')}"
        else:
            wants_operand = True
        if fault:
            raise pointed(text, where, fault, token.start)
    if wants_operand:
        raise pointed(text, where, "the formula ends too early: a value is missing", len(text.rstrip()))
    if opened:
        raise pointed(text, where, f"'{opened[-1][0]}' is never closed", opened[-1][1])


def _end_of_number(text: str, comma: int) -> int:
    """Where the digits behind a comma end."""
    digits = re.compile(r"[0-9]*").match(text, comma + 1)
    return comma + 1 if digits is None else digits.end()


def _missing_operator(token: Token) -> str:
    if token.text in ("if", "else"):
        return "write piecewise(value, condition, otherwise) in place of if and else"
    return f"an operator is missing before '{token.text}' (write * to multiply)"


def suggestion(name: str, known: Collection[str]) -> str:
    """` (did you mean 'beta'?)`, or nothing. Letters that only look alike are told apart."""
    folded = unicodedata.normalize("NFKC", name)
    twin = next((k for k in known if unicodedata.normalize("NFKC", k) == folded), None)
    if twin is not None:
        return f" (did you mean '{twin}'? It is written with another Unicode character)"
    alike = sorted(k for k in known if k.casefold() == name.casefold())
    close = alike[0] if alike else closest(name, sorted(islice(known, MOST_COMPARED))) or _longer(name, known)
    parts = [did_you_mean(close)] if close else []
    if not name.isascii():
        odd = next(c for c in name if not c.isascii())
        parts.append(f"'{odd}' is the character U+{ord(odd):04X}, not a plain letter")
    return f" ({' '.join(parts)})" if parts else ""


def _longer(name: str, known: Collection[str]) -> str | None:
    """The only name that begins as this one does, or the other way round: `k_degradation` for `kdeg`."""
    flat = _flat(name)
    found = [k for k in islice(known, MOST_COMPARED) if min(len(flat), len(_flat(k))) >= SHORTEST and _begins(flat, k)]
    return found[0] if len(found) == 1 else None


def _begins(flat: str, other: str) -> bool:
    return flat.startswith(_flat(other)) or _flat(other).startswith(flat)


def _flat(name: str) -> str:
    return name.replace("_", "").casefold()


def _there_is(known: Collection[str]) -> str:
    """` (there is: x, y, k; …)`: for a symbol that is like none of these."""
    names = sorted(islice(known, MOST_COMPARED), key=lambda name: (name in ("e", "pi", "t"), name.casefold(), name))
    listed = abridged([clip(name) for name in names if name not in ("e", "pi")], MOST_LISTED)
    return f" (there is: {listed}; a new parameter is declared under `parameters`)"
