"""Words for people: one line, cut where it is long, counted, and the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

MOST_COMPARED, LONGEST_COMPARED = 1000, 100
"""Among more names, or longer ones, the search for the one that was meant would take longer than all else."""
MOST_LISTED = 12


class LatePattern:
    """A regular expression that is compiled when it is first asked, which takes as long as to import a module."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.text)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        return self.compiled.fullmatch(text)


def printable(text: str) -> str:
    """The text on one line and without commands to a terminal: other characters as Python writes them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cut(text: str, length: int, mark: str = "…") -> str:
    """At most `length` characters of a text; the mark says that there were more."""
    return text if len(text) <= length else text[: length - len(mark)] + mark


def clip(text: str, length: int = 40) -> str:
    """A text of the user's as it may stand in a one-line message."""
    return cut(printable(text), length)


def one_line(text: str) -> str:
    """A message that quotes the user's text: whatever that holds, it stays one line and no command to a terminal."""
    return clip(text, 500)


def show(path: Path) -> str:
    """The path as it may stand in a one-line message."""
    return clip(str(path), 300)


def counted(n: int, noun: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{n} {noun}{'s' * (n != 1)}"


def abridged(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name that is written most like a word, whatever the case; None where none is much like it."""
    import difflib  # not needed by a run without faults

    candidates = [name for name in islice(known, MOST_COMPARED) if 0 < len(name) <= LONGEST_COMPARED]
    folded = {name.casefold(): name for name in reversed(candidates)}
    found = difflib.get_close_matches(word[:LONGEST_COMPARED].casefold(), folded, n=1)
    return folded[found[0]] if found else None


def did_you_mean(name: str) -> str:
    return f"did you mean '{clip(name)}'?"


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'hare'?`, or a list of what there is."""
    candidates = [name for name in islice(known, MOST_COMPARED) if 0 < len(name) <= LONGEST_COMPARED]
    close = closest(word, candidates)
    if close is not None:
        return did_you_mean(close)
    return f"there is: {abridged([clip(name) for name in candidates], MOST_LISTED)}" if candidates else "there is none"


def plain_label(text: str) -> str:
    """A label without the blanks around it, and a number without the zeros of its fraction: `1.0` is `1`."""
    label = text.strip()
    return label.rstrip("0").rstrip(".") if re.fullmatch(r"-?[0-9]+\.[0-9]*", label, re.ASCII) else label


def duration_text(duration: datetime.timedelta) -> str:
    """Hours, minutes and seconds, as `25:30:00.000000`."""
    seconds = duration.total_seconds()
    return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02}:{seconds % 60:09.6f}"


def experiment_called(name: str) -> str:
    """An experiment, whose name may be a number: `experiment -40`, but `culture A`."""
    return f"experiment {name}" if name.removeprefix("-").replace(".", "", 1).isdigit() else name


def next_line(*words: object) -> str:
    """The line that says which command comes next, as a shell takes it."""
    from shlex import join

    return f"next: {join(('odefit', *map(str, words)))}"
