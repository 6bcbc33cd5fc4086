"""One live line on a terminal: the stage, how far it is, how it goes, the rate, and the time that remains."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

NARROW = 72
"""Columns below which there is no bar."""


class _Rate(ProgressColumn):
    """`12 /s`, or `4.2 s each`."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.3g} /s" if speed >= 1 else f"{1 / speed:.3g} s each")


class LiveBar:
    """The live line of a stage; it goes away at the end.

    Parameters
    ----------
    console
        That of the terminal.
    what
        The stage.
    total
        Its parts.
    """

    def __init__(self, console: Console, what: str, total: int) -> None:
        how = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        left = TimeRemainingColumn(compact=True)
        # On a narrow terminal how it goes matters more than a bar.
        bar = (BarColumn(16),) if console.width >= NARROW else ()
        columns = (TextColumn(escape(what)), MofNCompleteColumn(), *bar, how, _Rate(), left)
        self._progress = Progress(*columns, console=console, transient=True, expand=True, redirect_stdout=False)
        self._task = self._progress.add_task("", total=total)
        self._progress.start()

    def show(self, done: int, text: str) -> None:
        """Say how many parts are done, and how it goes."""
        self._progress.update(self._task, completed=done, description=escape(text))

    def pause(self) -> None:
        """Make room for lines of others."""
        self._progress.stop()

    def go_on(self) -> None:
        """Be there again."""
        self._progress.start()

    def end(self) -> None:
        """Go away."""
        self._progress.stop()
