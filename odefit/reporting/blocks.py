"""What a report is made of: sections with paragraphs, tables, figures, formulas and texts to copy.

Every text here is plain: the template escapes it. Only `Markup`, made by `markup.element`, goes onto the page as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import ClassVar

from markupsafe import Markup

from odefit.records import dataclass


@dataclass(frozen=True)
class Paragraph:
    """Sentences; some of them may hold markup."""

    text: str | Markup
    is_lead: bool = False
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str | Markup]
    looks: str = ""
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Table:
    """A table that can be copied.

    Parameters
    ----------
    caption
        What it shows.
    header
        Of the columns.
    rows
        Cells: text, markup, or None for an empty one. The first of a row names it.
    numeric
        The columns that stand to the right.
    folded
        Whether it is closed at first, under its caption.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Markup | None]]
    numeric: frozenset[int] = frozenset()
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Sign:
    """An entry of a legend: a class of CSS, which shape it is, and its words."""

    looks: str
    shape: str
    text: str


@dataclass(frozen=True)
class Figure:
    """Panels with one caption and one legend.

    Parameters
    ----------
    caption
        What they show.
    panels
        SVG.
    legend
        The signs that occur.
    size
        `small`, `medium` or `large`: how many stand side by side.
    columns
        Of a matrix of panels; 0: as many as there is room for.
    more
        Further panels by the title of their page, closed at first.
    """

    caption: str | Markup
    panels: Sequence[Markup]
    legend: Sequence[Sign] = ()
    size: str = "small"
    columns: int = 0
    more: Sequence[tuple[str, Sequence[Markup]]] = ()
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Equations:
    """Formulas one below the other: (left side, sign, rows of the right side) each."""

    lines: Sequence[tuple[Markup, str, Sequence[Markup]]]
    title: str = ""
    kind: ClassVar[str] = "equations"


@dataclass(frozen=True)
class Text:
    """A text to be copied as it is."""

    title: str
    text: str
    folded: bool = False
    kind: ClassVar[str] = "text"


Block = Paragraph | Bullets | Table | Figure | Equations | Text


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading; `name` is its place in the page's address."""

    name: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
