"""A text in YAML as a tree of plain values that know their lines.

The rules are those of YAML 1.2 where YAML 1.1 has traps: `1e-6` is a number; `yes`, `no`, `on`, `off`, `y`
and dates, `1:30` and `0x10` are text; `010` is ten. Only `true` and `false` are booleans. Tags (`!!python/…`)
are refused, and nothing that is read is ever executed. The tree is built from the parser's events, so that
depth, aliases and size are limited while reading and not after.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import field
from typing import Any

import yaml

from odefit.errors import ConfigError
from odefit.records import dataclass
from odefit.text import one_line
from odefit.unsupported import NO_ALGEBRA

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_ALIASES = 100
MAX_VALUES = 100_000
MAX_DIGITS = 300

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, bool | float | None] = {"": None, "~": None}
_SPECIAL |= {w: value for word, value in (("null", None), ("true", True), ("false", False))
             for w in (word, word.title(), word.upper())}  # fmt: skip
_SPECIAL |= {sign + w: float(sign + "inf") for sign in ("", "+", "-") for w in (".inf", ".Inf", ".INF")}
_SPECIAL |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

# libyaml reads dozens of times faster. Some of what stands with these signs it reads otherwise than PyYAML, or at all.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_OTHERWISE = re.compile("[\t?!\x85\u2028\u2029\ufeff]")

_STRING_TAGS = ("!", "tag:yaml.org,2002:str")
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

# What PyYAML says (a part of it), and what it means.
_MEANINGS = (
    (r"character '\\t'", "a tab indents this line; YAML allows spaces only"),
    (r"mapping values are not allowed", "a ': ' where none can stand: check the indentation of this line and "
     "the one above (does it lack its ':'?), or put text that contains ': ' in quotes"),
    (r"sequence entries are not allowed", "a '- ' where no list can begin: put the list on lines of its own"),
    (r"could not find expected ':'", "a key without ':' (each line must read 'key: value')"),
    (r"expected ',' or '[\]}]'", "a bracket is not closed, or a comma is missing"),
    (r"found unexpected end of stream", "a quote or bracket is opened and never closed"),
    (r"did not find expected <document start>|expected '<document start>'",
     "this line does not belong to what stands above: check its indentation"),
    (r"expected <block end>, but found|did not find expected",
     "this line does not fit the ones above: check its indentation"),
    (r"cannot start any token", "this character cannot start a value: put the text in quotes"),
    (r"unknown escape character", "an unknown escape in double quotes: use single quotes or double the \\"),
    (r"special characters are not allowed|control characters", "a character that YAML does not allow"),
)  # fmt: skip


@dataclass
class Node:
    """A value with its line, its children, and how many values it stands for when written out."""

    value: Any
    line: int
    children: dict[str | int, Node] = field(default_factory=dict)
    size: int = 1


def parse_tree(text: str, name: str) -> Node | None:
    """The tree of the only document of a text, or None where there is no document."""
    if not _READ_OTHERWISE.search(text):
        # What is wrong, if anything is, PyYAML says.
        with suppress(yaml.YAMLError, ConfigError, ValueError, RecursionError, MemoryError):
            return _Builder(text, name, _FAST).document()
    try:
        return _Builder(text, name, yaml.SafeLoader).document()
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, name) from None
    except (RecursionError, MemoryError):
        raise ConfigError(name, "the file is nested too deeply: write it flatter") from None
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError) as error:
        # PyYAML's scanner lets some of these out, e.g. for the escape "\UFFFFFFFF".
        raise ConfigError(name, one_line(f"this is not YAML ({error})")) from None


class _Builder:
    """Plain data from YAML events."""

    def __init__(self, text: str, name: str, loader: Any) -> None:
        self.events = yaml.parse(text, Loader=loader)
        self.name = name
        self.anchors: dict[str, Node | None] = {}
        self.aliases = 0
        self.total = 0

    def fault(self, line: int, what: str) -> ConfigError:
        return ConfigError(f"{self.name}:{line}", one_line(what))

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self.fault(_line(event), "a second document begins here ('---'): one file, one config")
                root = self.node(next(self.events), 0)
        return root

    def node(self, event: Any, depth: int) -> Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, line)
        if depth > MAX_DEPTH:
            raise self.fault(line, f"nested more than {MAX_DEPTH} levels deep: write it flatter")
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self.anchors[anchor] = None  # it may not contain itself
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self.scalar(event, line), line)
        elif event.tag not in _COLLECTION_TAGS:
            raise self.fault(line, _bad_tag(event.tag))
        elif isinstance(event, yaml.MappingStartEvent):
            node = self.mapping(line, depth)
        else:
            node = self.sequence(line, depth)
        if anchor is not None:
            self.anchors[anchor] = node
        self.count(1, line)
        return node

    def count(self, values: int, line: int) -> None:
        self.total += values
        if self.total > MAX_VALUES:
            raise self.fault(
                line, f"more than {MAX_VALUES} values, aliases written out: put measurements into a CSV file"
            )

    def alias(self, event: yaml.AliasEvent, line: int) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self.fault(line, f"more than {MAX_ALIASES} aliases (*name): write the values out")
        name = event.anchor
        if name not in self.anchors:
            raise self.fault(line, f"nothing is called '&{name}': put text that starts with * in quotes")
        node = self.anchors[name]
        if node is None:
            raise self.fault(line, f"'*{name}' stands inside of what it refers to")
        self.count(node.size, line)
        return node

    def scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        if event.tag in _STRING_TAGS:
            return event.value
        if event.tag is not None:
            raise self.fault(line, _bad_tag(event.tag))
        if event.style:
            return event.value
        return self.plain(event.value, line)

    def plain(self, text: str, line: int) -> Any:
        """The value of a word without quotes."""
        if text in _SPECIAL:
            return _SPECIAL[text]
        if not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            raise self.fault(line, f"a number of {len(text)} characters: write it shorter")
        return int(text) if _INT.fullmatch(text) else float(text)

    def sequence(self, line: int, depth: int) -> Node:
        node = Node([], line)
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            child = self.node(event, depth + 1)
            node.children[len(node.value)] = _at(child, _line(event))
            node.value.append(child.value)
            node.size += child.size
        return node

    def mapping(self, line: int, depth: int) -> Node:
        node = Node({}, line)
        merged: list[Node] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            here = _line(event)
            coming = next(self.events)
            key = self.key(event, depth, here, isinstance(coming, yaml.CollectionStartEvent))
            child = self.node(coming, depth + 1)
            node.size += 1 + child.size
            if key == "<<" and not getattr(event, "style", None):
                merged += self.merge(child, here)
                continue
            if key in node.value:
                first = node.children[key].line
                raise self.fault(here, f"'{key}' is already given in line {first}: keep one of the two")
            node.value[key] = child.value
            node.children[key] = _at(child, here)
        for other in merged:
            for key, value in other.value.items():
                if key not in node.value:
                    node.value[key] = value
                    node.children[key] = other.children[key]
        return node

    def key(self, event: yaml.Event, depth: int, line: int, has_members: bool) -> str:
        """A key as text; a number where it has members, as experiments that are called by numbers have."""
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            raise self.fault(line, "a key must be plain text, not a mapping or a list")
        value = self.node(event, depth + 1).value
        if not isinstance(value, str):
            shown = getattr(event, "value", None) or str(value)
            if has_members and isinstance(value, int | float) and not isinstance(value, bool):
                return str(shown)
            remedy = f"write it in quotes, as '{shown}':"
            if isinstance(value, int) and not isinstance(value, bool):
                remedy += f"; a decimal number is written with a point, as 0.{shown}" if value else f" ({NO_ALGEBRA})"
            raise self.fault(line, f"a key must be text (got {kind(value)}): {remedy}")
        return value

    def merge(self, child: Node, line: int) -> list[Node]:
        """`<<: *defaults` or `<<: [*a, *b]`: the keys of other mappings, where this one lacks them."""
        nodes = list(child.children.values()) if isinstance(child.value, list) else [child]
        if not all(isinstance(node.value, dict) for node in nodes):
            raise self.fault(line, "'<<' takes in mappings only, as in '<<: *defaults'")
        return nodes


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _at(node: Node, line: int) -> Node:
    """The same value as seen from the key that holds it."""
    return Node(node.value, line, node.children, node.size)


def _bad_tag(tag: str) -> str:
    shown = tag.replace("tag:yaml.org,2002:", "!!")
    return f"the tag '{shown}' is not allowed: write the plain value"


def _syntax_error(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    """PyYAML's message as a sentence with line and column."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML")
    position = getattr(error, "position", None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    elif isinstance(position, int):
        line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    else:
        line, column = 1, 1
    meaning = next((said for pattern, said in _MEANINGS if re.search(pattern, problem)), problem)
    lines = text.splitlines()
    if (dashed := _dashed(error, lines)) is not None:
        meaning = dashed
    if line <= len(lines) and lines[line - 1][: max(column, 1)].strip(" ").startswith("\t"):
        meaning = _MEANINGS[0][1]
    return ConfigError(f"{name}:{line}", f"{one_line(meaning)} (column {column})")


def _dashed(error: yaml.YAMLError, lines: list[str]) -> str | None:
    """What to do about a key right below an item of a list: where names are expected, dashes are one sign too many."""
    mark = getattr(error, "context_mark", None)
    if getattr(error, "context", None) != "while parsing a block collection" or mark is None or mark.line >= len(lines):
        return None
    item = re.match(r"\s*-\s+([^\s:]+)\s*:", lines[mark.line])
    if item is None:
        return None
    return f"line {mark.line + 1} begins a list, and this line is none of its items: no dashes, write `{item[1]}: …`"


def too_big(size: int) -> str:
    return f"{size} bytes are too many for a config (at most {MAX_BYTES}): put measurements into a CSV file"


def kind(value: Any) -> str:
    return {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        bool: "true or false",
        type(None): "nothing",
    }.get(type(value), "a number")
