"""What the fit's process says to the tracker's: each a line of JSON.

A tracker gets a `Begin` first and an `End` last; `Metrics` in between, each value with a step of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from odefit.records import dataclass


@dataclass(frozen=True)
class Begin:
    """A run begins, or is gone on with.

    Attributes
    ----------
    name
        What it is called.
    key
        What it is known by, so that a resumed fit goes on in the same run.
    resumed
        Whether there may be one of this key.
    parameters, tags
        By name; all of them text.
    """

    name: str
    key: str
    resumed: bool
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Metrics:
    """Values by name at a step."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """A run inside of the run: a start, a fold, a profile.

    Attributes
    ----------
    name, status
        What it is called, and whether it came to an end in good order.
    parameters
        By name.
    series
        Values by name, one for each step.
    """

    name: str
    status: str
    parameters: Mapping[str, str]
    series: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Text:
    """A text under a name."""

    name: str
    text: str


@dataclass(frozen=True)
class Folder:
    """Files of a folder that belong to the run, below `under`; pictures are shown where a tracker can."""

    path: str
    names: Sequence[str]
    under: str = ""


@dataclass(frozen=True)
class End:
    """The run is over. status: FINISHED, KILLED or FAILED."""

    status: str


Message = Begin | Metrics | Part | Text | Folder | End
KINDS = {kind.__name__: kind for kind in (Begin, Metrics, Part, Text, Folder, End)}


def line_of(message: Message) -> str:
    """A message as a line. Raises ValueError where a number is not finite, which no tracker keeps as it is."""
    return json.dumps([type(message).__name__, asdict(message)], allow_nan=False) + "\n"


def message_of(line: str) -> Message:
    """The inverse of `line_of`."""
    kind, fields = json.loads(line)
    found: Any = KINDS[kind](**fields)
    return found  # type: ignore[no-any-return]
