"""XML of the parts of a workbook, gone through without entities."""

from __future__ import annotations

from typing import IO, Any
from xml.parsers import expat


def go_through(file: IO[bytes], separator: str | None = None, **handlers: Any) -> None:
    """Read XML to its end.

    Parameters
    ----------
    file
        Is closed at the end.
    separator
        Stands between a namespace and a name in what handlers are given; None: names are as they are written.
    handlers
        Those of `pyexpat` by their names: `StartElementHandler`.

    Raises
    ------
    expat.ExpatError
        It is not well-formed.
    ValueError
        It has entities.
    """
    parser = expat.ParserCreate(namespace_separator=separator)
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    parser.EntityDeclHandler = _no_entities
    with file:
        parser.ParseFile(file)


def _no_entities(*_: Any) -> None:
    raise ValueError("a workbook has no entities of its own")
