"""A fit that is kept track of, from its begin to its end; one that is not costs nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from odefit.config.track_section import TrackSection
from odefit.errors import OdefitError, RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.log import Logged
from odefit.runs.stored import StoredRun
from odefit.status import Status
from odefit.tracking.content import numbers_of, parameters_of, parts_of, status_of, tags_of
from odefit.tracking.installed import missing
from odefit.tracking.listening import Listening
from odefit.tracking.messages import Begin, End, Folder, Message, Part, Text
from odefit.tracking.names import Names
from odefit.tracking.session import Session

NOT_KEPT = {files.CHECKPOINT, files.PREVIOUS, files.TRACK}
"""Of the run folder."""


@dataclass(frozen=True)
class Kept:
    """tracking.json: by what a run is known to its trackers.

    Attributes
    ----------
    key
        Its own.
    name
        What it is called there.
    sessions
        How often a process has sent to it.
    """

    key: str
    name: str
    sessions: int

    def write(self, folder: Path) -> None:
        """Raises StorageError."""
        files.write_json(folder, files.TRACK, {"key": self.key, "name": self.name, "sessions": self.sessions})


def kept_in(folder: Path) -> Kept | None:
    """What tracking.json says; None where there is none, or it was damaged."""
    with suppress(RunError, KeyError, TypeError, ValueError):
        if (folder / files.TRACK).exists():
            found = files.read_json(folder, files.TRACK)
            return Kept(str(found["key"]), str(found["name"]), int(found["sessions"]))
    return None


def _free(section: TrackSection, name: str) -> str:
    """A name that no other fit has in TensorBoard's folder."""
    if section.tensorboard is None:
        return name
    above, found, number = Path(section.tensorboard), name, 2
    while (above / found).exists():
        found, number = f"{name}-{number}", number + 1
    return found


def session_of(section: TrackSection, note: Callable[[str], None]) -> Session:
    """A process that talks to the trackers of a config."""
    wanted = {
        "tensorboard": section.tensorboard,
        "mlflow": section.mlflow_address,
        "experiment": section.experiment,
        "wandb": section.wandb,
    }
    return Session(wanted, note, section.patience)


class Tracking:
    """A fit that is being tracked.

    Parameters
    ----------
    section, told, name, folder, resumed
        As for `hooks.tracked`.
    """

    def __init__(self, section: TrackSection, told: Logged, name: str, folder: Path | None, resumed: bool) -> None:
        before = kept_in(folder) if resumed and folder is not None else None
        kept = before or Kept(uuid.uuid4().hex, _free(section, name), 0)
        self._kept = Kept(kept.key, kept.name, kept.sessions + 1)
        if folder is not None:
            self._kept.write(folder)
        self._section, self._folder, self._resumed = section, folder, before is not None
        self._names, self._is_over = Names(), False
        self._session = session_of(section, told.note)
        self.progress = Listening(told.inner, self._session.send, self._names)

    def begin(self, identity: Mapping[str, Any], title: str | None) -> None:
        """Send what the fit is the fit of."""
        parameters, tags = parameters_of(identity, self._names), tags_of(identity, title)
        self._session.send(Begin(self._kept.name, self._kept.key, self._resumed, parameters, tags))

    def finish(self, run: StoredRun) -> None:
        """Send what the fit found, once it was written."""
        result, folder = run.result, self._folder
        numbers = {name: value for name, value in numbers_of(result) if value is not None}
        history = run.rows(files.HISTORY)
        if history is not None and "objective" in history.header:
            objectives = history.numbers(history.position("objective")).tolist()
            for step, value in enumerate(objectives):
                self.progress.values(step, {"objective": value})
        self.progress.values(self._kept.sessions - 1, numbers)
        if result.status != Status.INTERRUPTED:
            with suppress(OdefitError):  # a table that cannot be read is nothing that a tracker could mend
                for part in parts_of(run, self._names, self._section.nested):
                    self._session.send(part)
        self._session.send(Text("status.txt", f"{result.status}: {result.message}\n"))
        if self._names.changed:
            lines = (f"{found}: {name}\n" for found, name in sorted(self._names.changed.items()))
            self._session.send(Text("names.txt", "".join(lines)))
        if folder is not None:
            self._session.send(Folder(str(folder.resolve()), files_of(folder), "run"))
        self._end(status_of(result))

    def broke(self, error: BaseException) -> None:
        """Send that the fit ended with an error. A result that could not be written was sent already."""
        if not self._is_over:
            self._session.send(Text("status.txt", f"{type(error).__name__}: {error}\n"))
            self._end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    def _end(self, status: str) -> None:
        self._session.send(End(status))
        self._is_over = True

    def close(self) -> None:
        """Wait until all is kept."""
        self._session.close()


def files_of(folder: Path) -> list[str]:
    """The files of a fit that a tracker keeps, result.json first; pictures are sent when they are drawn."""
    return [name for name in files.FILES if name not in NOT_KEPT and (folder / name).is_file()]


def add(
    run: StoredRun,
    section: TrackSection,
    folder: Path,
    note: Callable[[str], None],
    pictures: Sequence[Path],
    parts: Sequence[Part],
) -> None:
    """Add to the tracked run of a fit that has ended. See `hooks.track_more`."""
    kept = kept_in(folder)
    if kept is None:
        return
    if missing(section):
        note("this is not tracked, since what `fit.track` needs is not installed here")
        return
    shown = [path.relative_to(folder).as_posix() for path in pictures if path.is_relative_to(folder)]
    messages: list[Message] = [Begin(kept.name, kept.key, True, {}, {}), *parts]
    messages += [Folder(str(folder.resolve()), shown, "run")] if shown else []
    session = session_of(section, note)
    try:
        for message in [*messages, End(status_of(run.result))]:
            session.send(message)
    finally:
        session.close()
