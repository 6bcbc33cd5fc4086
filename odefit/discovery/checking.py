"""`odefit check` of a sparse model: what the search would look among."""

from __future__ import annotations

from typing import Any

from odefit.config.load import LoadedConfig
from odefit.discovery.reading import Prepared, prepared
from odefit.text import abridged, counted

MOST_SHOWN = 60


def report(loaded: LoadedConfig, name: str) -> str:
    """The library and the data as text. Raises what `odefit discover` would raise for the same input."""
    ready = prepared(loaded)
    lines = [f"{name}: fine", "", "Known"]
    lines += [f"  d{s}/dt = {ready.section.known.get(s, '0')} + …" for s in ready.series.states]
    lines += ["", f"Library: {counted(len(ready.library), 'term')}"]
    lines += [f"  {abridged(_names(ready), MOST_SHOWN)}"]
    lines += ["", "Measured"]
    lines += [f"  {counted(len(ready.series.experiments), 'experiment')}, {len(ready.series.cells.d)} measurements"]
    lines += [f"note: {note}" for note in ready.notes]
    return "\n".join([*lines, f"next: odefit discover {name}"])


def _names(ready: Prepared) -> list[str]:
    return list(dict.fromkeys(term.name for term in ready.library.terms))


def document(loaded: LoadedConfig, name: str) -> dict[str, Any]:
    """The same as plain JSON values."""
    ready = prepared(loaded)
    return {
        "config": name,
        "title": loaded.config.title,
        "states": list(ready.series.states),
        "known": {s: ready.section.known.get(s, "0") for s in ready.series.states},
        "library": _names(ready),
        "experiments": [e.name for e in ready.series.experiments],
        "measurements": len(ready.series.cells.d),
        "notes": [*ready.notes, *loaded.notes],
    }
