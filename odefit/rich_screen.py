"""A terminal, by way of rich."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console

from odefit.screen import UNBROKEN, reader_may_leave, unread


class RichScreen(Console):
    """A console whose reader may leave, as that of a `PlainScreen`."""

    def print(self, *objects: Any, **options: Any) -> None:
        with reader_may_leave(self.file):
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        unread(self.file)


def rich_screen(stream: IO[str], soft_wrap: bool) -> RichScreen:
    """As wide as the terminal; where there is none, no line is broken."""
    # Rich's own highlighting colours numbers inside of sentences, which is of no help.
    width = None if stream.isatty() else UNBROKEN
    return RichScreen(file=stream, highlight=False, width=width, soft_wrap=soft_wrap)
