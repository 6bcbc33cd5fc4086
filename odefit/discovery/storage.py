"""The folder of a discovery.

    search.json       what the search on trajectories has chosen: the candidates before their fits
    discovery.json    candidates with criteria and weights, terms with inclusion probabilities, the judgement
    candidates.csv    the table of candidates
    terms.csv         the table of terms
    equations.yaml    the best candidate as an ordinary config
    N-terms/          the run folder of each candidate

Every file appears whole or not at all; `search.json` says what it is a search of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from odefit.data.outputs import telling_storage
from odefit.discovery.asked import Asked
from odefit.discovery.candidates import Draft
from odefit.discovery.config_text import config_text
from odefit.discovery.found import Discovery
from odefit.errors import RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.fingerprint import changes
from odefit.runs.lock import locked

SEARCH, FOUND, CANDIDATES, TERMS, EQUATIONS = (
    *("search.json", files.DISCOVERY, "candidates.csv", "terms.csv", "equations.yaml"),
)


@dataclass(frozen=True)
class Kept:
    """A search that was made before."""

    drafts: list[Draft]
    terms: list[dict[str, Any]]


@contextmanager
def held(out: Path | None, overwrite: bool, identity: Mapping[str, Any], asked: Asked) -> Iterator[Kept | None]:
    """The folder, locked, and the search that it has. Raises RunError where that is one of other data or settings."""
    if out is None:
        yield None
        return
    with telling_storage(out):
        out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        yield None if overwrite else read_search(out, identity, asked)


def read_search(out: Path, identity: Mapping[str, Any], asked: Asked) -> Kept | None:
    """The search in a folder; None where there is none."""
    if not (out / SEARCH).exists():
        if any(out.glob("*/result.json")):
            raise RunError(str(out), "has runs, and no search of `odefit discover`; choose another --out")
        return None
    try:
        data = files.read_json(out, SEARCH)
        before, settings = data["identity"], data["asked"]
        drafts, terms = [Draft.from_json(one) for one in data["candidates"]], list(data["terms"])
    except (KeyError, TypeError, AttributeError):
        raise RunError(str(out / SEARCH), "is damaged; say --overwrite to begin anew") from None
    different = changes(before, identity)
    now = _settings(asked)
    different += [
        f"{key} (was {settings[key]}, is {now[key]})" for key in now if settings.get(key, now[key]) != now[key]
    ]
    if different:
        what = f"holds another discovery: {'; '.join(different)}; choose another --out, or say --overwrite"
        raise RunError(str(out), what)
    return Kept(drafts, terms)


def _settings(asked: Asked) -> dict[str, Any]:
    return {key: value for key, value in asdict(asked).items() if key != "seconds"}


def write_search(
    out: Path, identity: Mapping[str, Any], asked: Asked, drafts: Sequence[Draft], terms: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what the search has chosen, in the place of all that is there. Raises StorageError."""
    for old in (FOUND, CANDIDATES, TERMS, EQUATIONS):
        (out / old).unlink(missing_ok=True)
    for run in out.glob("[0-9]*-term*"):
        _remove(run)
    data = {
        "identity": dict(identity),
        "asked": _settings(asked),
        "candidates": [one.to_json() for one in drafts],
        "terms": [dict(row) for row in terms],
    }
    files.write_json(out, SEARCH, data, allow_nan=True)


def _remove(run: Path) -> None:
    """A candidate's run folder of an earlier discovery."""
    import shutil

    if run.is_dir() and not run.is_symlink():
        shutil.rmtree(run)


def write_discovery(out: Path, found: Discovery) -> None:
    """All that was found. Raises StorageError."""
    files.write_text(out, CANDIDATES, found.table.text)
    files.write_text(out, TERMS, found.term_table.text)
    best = found.candidates[0]
    files.write_text(out, EQUATIONS, config_text(found.prepared, best.draft, best.run, found.judgement, out))
    files.write_json(out, FOUND, found.to_json())
