"""A sign of life beside what a command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from odefit.heartbeat import Heartbeat


def alive(doing: str) -> Heartbeat:
    """Says now and then, beside what the command prints, that it is at work."""
    from odefit.heartbeat import Heartbeat

    return Heartbeat(lambda line: typer.echo(line, err=True), doing)
