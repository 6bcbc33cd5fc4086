"""A part of a run that writes its folder: begun, begun anew, or gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odefit.errors import RunError
from odefit.folder_fits import Place
from odefit.records import dataclass
from odefit.runs.acquire import acquire_run_folder
from odefit.runs.checkpoint import Checkpoint
from odefit.runs.log import Logged, run_log
from odefit.runs.parts import Part, StoredPart, read_part
from odefit.runs.progress import Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """Where a part is computed.

    Attributes
    ----------
    path
        Its folder.
    memory
        Keeps what it reaches, and becomes the part.
    progress
        Is told how it goes.
    """

    path: Path
    memory: Checkpoint
    progress: Progress


def in_part_folder(
    place: Place,
    name: str,
    identity: Mapping[str, Any],
    progress: Progress,
    compute: Callable[[Desk], bool],
) -> StoredPart | None:
    """Compute a part into a folder of its own.

    Parameters
    ----------
    place
        The folder; default `runs/<name>`, numbered.
    name
        Of the folder, where none is asked for.
    identity
        What it is a part of: see `parts.identified`.
    progress
        Is told how it goes.
    compute
        Does it, and says whether it came to its end.

    Returns
    -------
    StoredPart
        None where it was interrupted: what was reached is in the folder, and `Place.resume` goes on.

    Raises
    ------
    RunError
        The folder holds something else.
    StorageError
        The part cannot be written.
    """
    if place.accept_changes:
        raise RunError("--accept-changes", "is for whole runs: a part of another fit would be of no use")
    with acquire_run_folder(place.out, name, place.overwrite, place.resume, is_part=True) as folder:
        told = Logged(progress)
        for note in folder.notes:
            told.note(note)
        if place.resume and folder.is_finished:
            return _as_asked(read_part(folder.path), identity, told)
        with run_log(folder.work), _desk(folder.work, identity, told, place.resume and folder.is_begun) as desk:
            log.info("%s of %s", Part.from_plain(identity["part"]), identity["source"])
            if not compute(desk):
                desk.memory.write(last=True)
                told.note(f"what was reached is kept in {folder.work}: the same command with --resume goes on")
                return None
            desk.memory.finish()
        return read_part(folder.work)


@contextmanager
def _desk(path: Path, identity: Mapping[str, Any], told: Logged, goes_on: bool) -> Iterator[Desk]:
    memory = Checkpoint(path, identity, told.note)
    if goes_on:
        memory.resume()
        log.info("resumed after %.3g s", memory.seconds)
    with memory.kept():
        yield Desk(path, memory, told)


def _as_asked(found: StoredPart, identity: Mapping[str, Any], told: Progress) -> StoredPart:
    """A part that is finished, if it is the one that was asked for. Raises RunError."""
    apart = found.apart(identity)
    if apart:
        what = f"holds {found.part} of another run: {'; '.join(apart)}; choose another --out, or say --overwrite"
        raise RunError(str(found.path), what)
    told.note(f"{found.part} are finished, in {found.path}")
    return found
