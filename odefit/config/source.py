"""A config as plain data, with the line on which every key stands, and with `--set` applied to it."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from odefit.config.yaml_tree import MAX_BYTES, MAX_DEPTH, Node, kind, parse_tree, too_big
from odefit.errors import ConfigError
from odefit.records import dataclass
from odefit.text import one_line

KeyPath = tuple[str | int, ...]

OVERRIDE = "--set "
CONFIGS = (".yaml", ".yml")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
MEASUREMENTS = (".csv", ".tsv", ".tab", ".dat", ".txt", ".parquet", *WORKBOOKS)
"""How names of files end that are likely to be configs, and measurements."""
EMPTY = "the file is empty: it needs at least 'model:' and 'data:'"


@dataclass(frozen=True)
class Source:
    """What a YAML file holds: `data` of dict, list, str, int, float, bool and None, and where it stands.

    name: the file as the user called it, empty where there is none; overridden: the key paths that `--set` replaced.
    """

    data: dict[str, Any]
    name: str
    _root: Node
    overridden: frozenset[KeyPath] = frozenset()

    def line(self, key_path: Sequence[str | int]) -> int:
        """The line (from 1) of a key, or of its nearest ancestor that stands in the file."""
        node = self._root
        for key in key_path:
            if key not in node.children:
                break
            node = node.children[key]
        return node.line

    def where(self, key_path: Sequence[str | int]) -> str:
        """`configs/x.yaml:14`, or `--set fit.starts` for a key that was overridden."""
        override = self.override(key_path)
        if override:
            return f"{OVERRIDE}{'.'.join(map(str, override))}"
        return f"{self.name}:{self.line(key_path)}" if self.name else ""

    def override(self, key_path: Sequence[str | int]) -> KeyPath:
        """What `--set` replaced that holds a key: its key path, or an empty one."""
        path = tuple(key_path)
        beginnings = (path[:length] for length in range(len(path), 0, -1))
        return next((begun for begun in beginnings if begun in self.overridden), ())


def read_yaml(path: Path | str) -> Source:
    """Read a YAML file whose top level is a mapping. Raises ConfigError with file, line and remedy."""
    path = Path(path)
    name = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ConfigError(name, _no_file(path))
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(name, "this is not a regular file: give a YAML file")
        if status.st_size > MAX_BYTES:
            raise ConfigError(name, too_big(status.st_size))
        if path.suffix.lower() in WORKBOOKS:
            raise ConfigError(name, _no_config(name, "a workbook"))
        if not status.st_size:  # nor is anything read from /proc, where some files never end
            raise ConfigError(f"{name}:1", EMPTY)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(name, "there is no such file: check the path") from None
    except PermissionError:
        raise ConfigError(name, "the file cannot be read: check its permissions") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(name, f"the file cannot be read ({reason}): check the path") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}", "the file is not UTF-8 text: save it as UTF-8") from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Source:
    """The same for a text; `name` is what errors call it."""
    if len(text) > MAX_BYTES:
        raise ConfigError(name, too_big(len(text)))
    root = parse_tree(text, name)
    if root is None or root.value is None:
        raise ConfigError(f"{name}:1", EMPTY)
    if not isinstance(root.value, dict):
        raise ConfigError(
            f"{name}:{root.line}",
            _no_config(name, kind(root.value)),
        )
    return Source(root.value, name, root)


def from_mapping(config: Mapping[str, Any]) -> Source:
    """The same for a config that is a mapping already: Python's own or NumPy's numbers, lists, tuples, arrays, paths.

    Raises ConfigError for a key that is no text and for a value that YAML could not hold.
    """
    return Source(_plain(config, ()), "", Node(None, 0))


def _plain(value: Any, keys: KeyPath) -> Any:
    """A copy made of what YAML holds."""
    if callable(getattr(value, "tolist", None)) and getattr(value, "ndim", 2) <= 1:  # NumPy's
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if len(keys) > MAX_DEPTH:
        raise ConfigError(_named(keys[:3]), f"nested more than {MAX_DEPTH} levels deep: write it flatter")
    if isinstance(value, Mapping):
        for key, part in value.items():
            # Experiments may be called by numbers.
            is_label = isinstance(key, int | float) and not isinstance(key, bool) and isinstance(part, Mapping | list)
            if not isinstance(key, str) and not is_label:
                raise ConfigError(_named(keys), f"a key must be text (got {key!r})")
        return {str(key): _plain(part, (*keys, str(key))) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, (*keys, number)) for number, part in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    raise ConfigError(_named(keys), f"must be what YAML can hold: text, numbers, lists (got {type(value).__name__})")


def _named(keys: KeyPath) -> str:
    return one_line(".".join(map(str, keys)))


def _no_file(folder: Path) -> str:
    """Which folder somebody named who meant a config, and what to do."""
    if (folder / "result.json").exists() and (folder / "config.yaml").exists():
        return f"is a run, and no config: that which it was made of is {folder / 'config.yaml'}"
    inside = sorted(file for file in folder.glob("*") if file.suffix.lower() in CONFIGS)
    return f"this is a directory: give the YAML file in it{f', {inside[0]}' if len(inside) == 1 else ''}"


def _no_config(name: str, got: str) -> str:
    if Path(name).suffix.lower() in MEASUREMENTS:
        wanted = (
            f"write a config that names it, `data: {{csv: {name}}}`, or let `odefit init {quote(name)}` propose one"
        )
        return f"is a table of data, no config; {wanted}"
    return f"the top level must be 'key: value' lines (got {got})"


# -- overriding


def apply_overrides(source: Source, assignments: Sequence[str]) -> Source:
    """A source with `--set` applied: each `fit.starts=50` replaces or adds one key.

    The value is read by the same YAML rules; keys are joined by dots, and a number picks an item of a list.
    `where` of such a key then says `--set fit.starts`. Raises ConfigError.
    """
    data: dict[str, Any] = source.data
    overridden = set(source.overridden)
    if isinstance(assignments, str):
        raise ConfigError(f"{OVERRIDE}{assignments}", f"write a list of overrides: [{assignments!r}]")
    for assignment in assignments:
        data, path = _set(data, *split_assignment(assignment))
        # What was set below this key before is gone.
        overridden = {p for p in overridden if p[: len(path)] != path} | {path}
    return replace(source, data=data, overridden=frozenset(overridden))


def split_assignment(text: str) -> tuple[str, str]:
    """`fit.starts=50` as key and value. Raises ConfigError."""
    dotted, equals, value = text.partition("=")
    dotted = dotted.strip()
    if not equals or not dotted:
        example = f"{dotted}=VALUE" if re.fullmatch(r"\w+(\.\w+)*", dotted) else "fit.starts=50"
        raise ConfigError(f"{OVERRIDE}{text}", f"write key=value in one word, as in --set {example}")
    return dotted, value


def _set(data: dict[str, Any], dotted: str, text: str) -> tuple[dict[str, Any], KeyPath]:
    """A copy of plain data with one key set to a value in YAML, and the path of the key. Raises ConfigError."""
    where = f"--set {dotted}"
    segments = dotted.split(".")
    if not all(segments):
        raise ConfigError(where, "a key is missing between the dots, as in --set fit.starts=50")
    if len(segments) > MAX_DEPTH:
        raise ConfigError(where, f"more than {MAX_DEPTH} keys deep")
    if len(text) > MAX_BYTES:
        raise ConfigError(where, too_big(len(text)))
    try:
        node = parse_tree(text, where)
    except ConfigError as error:
        # The line within the option says nothing.
        raise ConfigError(where, error.faults[0].what) from None
    path: list[str | int] = []
    copied = dict(data)
    container: Any = copied
    for i, segment in enumerate(segments):
        key = _segment(container, segment, where, segments[:i])
        path.append(key)
        if i == len(segments) - 1:
            container[key] = None if node is None else node.value
        else:
            below = container.get(key) if isinstance(container, dict) else container[key]
            if below is None:
                below = {}
            # A copy of every container on the way: the data that came in stay as they were.
            container[key] = type(below)(below) if isinstance(below, dict | list) else below
            container = container[key]
    return copied, tuple(path)


def _segment(container: Any, segment: str, where: str, above: list[str]) -> str | int:
    """One step of a dotted key: a key of a mapping, or the index of an item of a list."""
    if isinstance(container, dict):
        return segment
    if not isinstance(container, list):
        parent = ".".join(above)
        raise ConfigError(
            where, f"'{parent}' is {kind(container)} and has no key '{segment}': set '{parent}' as a whole"
        )
    if not re.fullmatch(r"[0-9]{1,9}", segment) or int(segment) >= len(container):
        raise ConfigError(where, f"'{'.'.join(above)}' is a list of {len(container)}: count its items from 0")
    return int(segment)
