"""What commands are declared with: typer's words, without its import.

To import typer, to describe every command to it and to have it read one command line takes as long as the work of a
small fit. A command line that says what a command wants is read by `quick.py`; typer reads what is doubtful, and has
the words for what is wrong, for help and for completion (`app.py`).
"""

from __future__ import annotations

import sys
from typing import Any


class Said:
    """What is said of an argument (it has no names) or of an option; see `typer.Argument` and `typer.Option`."""

    def __init__(self, names: tuple[str, ...], said: dict[str, Any]) -> None:
        self.names, self.said = names, said


def Option(*names: str, **said: Any) -> Said:
    return Said(names, said)


def Argument(**said: Any) -> Said:
    return Said((), said)


class Exit(Exception):
    """The end of a command, with an exit code."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.exit_code = code


class BadParameter(Exception):
    """What is given for an option makes no sense."""


def echo(message: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Write a line to the output, or to that of errors."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{message}\n" if nl else str(message))
    stream.flush()


def prompt(text: str, **said: Any) -> Any:
    """Ask whoever is at the keyboard."""
    import typer

    return typer.prompt(text, **said)
