"""A command line that says what a command wants, as the values that it is called with. The rest is for typer."""

from __future__ import annotations

import importlib
import os
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union

from odefit.commands.wording import BadParameter, Said

_NUMBERS: dict[Any, str] = {int: r"[0-9]{1,18}", float: r"[0-9]+(\.[0-9]*)?"}
_PLAIN = {"help", "metavar", "show_default", "callback", "parser", "min", "max"}
"""What is said of arguments and options that is understood here."""


def command_at(place: str) -> Callable[..., None]:
    """The function of a command, `fit:fit`."""
    module, _, function = place.partition(":")
    command: Callable[..., None] = getattr(importlib.import_module(f"odefit.commands.{module}"), function)
    return command


class DoubtfulError(Exception):
    """A command line that has to be read by typer."""


def arguments_of(command: Callable[..., None], line: Sequence[str]) -> dict[str, Any]:
    """What a command is called with.

    Parameters
    ----------
    command
        A command whose parameters are `Annotated` by words of `wording.py`.
    line
        What follows its name.

    Raises
    ------
    DoubtfulError
        Something is wrong, or not understood here.
    """
    if any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ):
        raise DoubtfulError
    parameters = _parameters(command)
    options = {name: one for one in parameters for name in one.options}
    given: dict[str, list[str]] = {}
    positional: list[str] = []
    rest = iter(line)
    for word in rest:
        if not word.startswith("-") or word == "-":
            positional.append(word)
            continue
        name, equals, value = word.partition("=")
        one = options.get(name)
        if one is None or (one.is_flag and equals) or (one.key in given and not one.is_list):
            raise DoubtfulError
        if one.is_flag:
            value = name
        elif not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                raise DoubtfulError
        given.setdefault(one.key, []).append(value)
    for one in parameters:
        if not one.options:
            taken, positional = (positional, []) if one.is_list else (positional[:1], positional[1:])
            if taken:
                given[one.key] = taken
    if positional:
        raise DoubtfulError
    return {one.key: one.value(given.get(one.key)) for one in parameters}


class _Parameter:
    """An argument or an option of a command."""

    def __init__(self, key: str, hint: Any, default: Any) -> None:
        said = getattr(hint, "__metadata__", (None,))[0]
        if not isinstance(said, Said) or not said.said.keys() <= _PLAIN:
            raise DoubtfulError
        self.key, self.said, self.default = key, said.said, default
        kind: Any = hint.__origin__
        if typing.get_origin(kind) in (Union, types.UnionType):
            kinds = [one for one in typing.get_args(kind) if one is not type(None)]
            kind = kinds[0] if len(kinds) == 1 else None
        self.is_list = typing.get_origin(kind) is list
        self.kind: Any = typing.get_args(kind)[0] if self.is_list else kind
        if self.kind not in (str, Path, bool, int, float):
            raise DoubtfulError
        is_option = bool(said.names)
        self.options = [name for names in said.names for name in names.split("/")] if is_option else []
        self.off = [name for names in said.names for name in names.split("/")[1:]]
        self.is_flag = self.kind is bool and is_option

    def value(self, texts: list[str] | None) -> Any:
        """The value, of what the line gives for it: nothing is None."""
        if texts is None:
            if self.default is _REQUIRED or (self.is_list and self.default is not None):
                raise DoubtfulError
            return self.default
        if self.is_flag:
            return texts[0] not in self.off
        values = [self._one(text) for text in texts]
        value: Any = values if self.is_list else values[0]
        callback = self.said.get("callback")
        return value if callback is None else callback(value)

    def _one(self, text: str) -> Any:
        parser = self.said.get("parser")
        if parser is not None:
            try:
                return parser(text)
            except BadParameter:
                raise DoubtfulError from None
        number = _NUMBERS.get(self.kind)
        if number is None:
            return self.kind(text)
        value = self.kind(text) if re.fullmatch(number, text) else None
        if value is None or not self.said.get("min", value) <= value <= self.said.get("max", value):
            raise DoubtfulError
        return value


_REQUIRED = object()


def _parameters(command: Callable[..., None]) -> list[_Parameter]:
    code, defaults = command.__code__, command.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    values = [*[_REQUIRED] * (len(names) - len(defaults)), *defaults]
    hints = typing.get_type_hints(command, include_extras=True)
    return [_Parameter(name, hints[name], value) for name, value in zip(names, values, strict=True)]
