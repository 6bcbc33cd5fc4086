"""A sign of life beside what a command prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def alive(doing: str) -> AbstractContextManager[object]:
    """Says that the command is at work, and since when: on a terminal in a line of its own that goes away at the end,
    elsewhere in a line now and then, on standard error."""
    from odefit.turning import Turning, is_live

    if is_live(sys.stderr):
        return Turning(doing, sys.stderr)
    from odefit.heartbeat import Heartbeat

    return Heartbeat(lambda line: typer.echo(line, err=True), doing)
