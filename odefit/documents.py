"""What commands print with `--json`: one document on standard output, for programs. A contract, as `result.json` is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.api import loaded_from
from odefit.model_kinds import call, kind_of
from odefit.runs.results import finite_or_none
from odefit.tracking.hooks import check_trackers

if TYPE_CHECKING:
    from odefit.comparison.comparing import Comparison
    from odefit.model.built_in.entry import Entry
    from odefit.runs.parts import StoredPart
    from odefit.runs.stored import StoredRun


def text_of(document: Any) -> str:
    """A document as it is printed."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def checked(config: Path, overrides: Sequence[str] = (), only_beside: bool | None = None) -> Mapping[str, Any]:
    """What `odefit check` says of a config. Raises ConfigError, DataError or ModelError, as `fit` would."""
    loaded = loaded_from(config, overrides, None, only_beside)
    check_trackers(loaded)
    document: Mapping[str, Any] = call(kind_of(loaded).describe, loaded, str(config))
    return document


def fitted(run: StoredRun, config: Path, pictures: Sequence[Path] = ()) -> Mapping[str, Any]:
    """What `odefit fit` found: the keys of `result.json`, with `config`, `run` and `pictures` before them."""
    begin = {"config": str(config), "run": str(run.path), "pictures": [str(picture) for picture in pictures]}
    return begin | run.result.to_json()


def part_of(part: StoredPart) -> Mapping[str, Any]:
    """What `odefit fit --starts 0:50` has computed: the folder, what is numbered, and the numbers first, …, end - 1."""
    own = part.part
    return {
        "part": str(part.path),
        "of": own.of,
        "first": own.first,
        "end": own.end,
        "all": own.all,
        "seconds": part.seconds,
    }


def compared(found: Comparison, files: Sequence[Path] = ()) -> Mapping[str, Any]:
    """What `odefit compare` found: the runs with their criteria, the best first, the tests, and what is said of it."""
    runs = [dict(zip(found.table.header, map(_plain, row), strict=True)) for row in found.table.rows]
    tests = [
        {
            "small": test.small,
            "large": test.large,
            "fixed": dict(test.nesting.fixed),
            "shared": list(test.nesting.shared),
            "on_bound": list(test.nesting.on_bound),
            "degrees": test.nesting.degrees,
            "statistic": _plain(test.statistic),
            "p": _plain(test.p),
            "note": test.note,
            "sentence": test.sentence,
        }
        for test in found.tests
    ]
    said = {"judgement": found.judgement, "notes": list(found.notes), "files": [str(file) for file in files]}
    return {"runs": runs, "tests": tests} | said


def _plain(value: Any) -> Any:
    """A number that JSON has a word for, or None."""
    return finite_or_none(value) if isinstance(value, float) else value


def built_in(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """The built-in systems; `equations`, `parameters` and `initial` of a family are empty."""
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "family": entry.family,
            "equations": dict(entry.equations),
            "parameters": dict(entry.parameters),
            "initial": dict(entry.initial),
            "time_span": list(entry.time_span),
            "notes": entry.notes,
            "reference": entry.reference,
        }
        for entry in entries
    ]
