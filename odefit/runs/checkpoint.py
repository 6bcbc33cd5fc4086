"""What a fit has reached, written into its folder as it goes, so that `--resume` can go on from there.

One file of two lines: a header with the checksum of the rest, and the rest as JSON. Floats are written in their
shortest exact form and arrays by their bytes, so what is read is bit for bit what was written. The checkpoint before
is kept beside it, for the case that this one is damaged.

A checkpoint is written when the time since the last one is so long that the writing costs less than 1 % of it.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from odefit.config.earlier import EarlierFit
from odefit.data.atomic_files import atomic_write
from odefit.data.source_files import reason
from odefit.errors import OdefitError, RunError
from odefit.runs.fingerprint import changes, other_versions, same_search
from odefit.runs.folder import CHECKPOINT, LOG, PART, PREVIOUS, write_text

FORMAT = 2
RARITY = 200
"""So many times as long as the last checkpoint took to be written passes before the next one."""
FIRST, AFTER_FAILURE = 2.0, 10.0
"""Seconds until the first one, and until the next try where one could not be written."""

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the system says where there is no room."""
MAX_BYTES = 2_000_000_000
"""Of a checkpoint; the largest network with all that Adam knows of it takes a third of that."""
BEST = "best"
"""The key under which a part tells its best `values` of the parameters and the `weights` of its networks."""

log = logging.getLogger(__name__)


class Memory(Protocol):
    """Where a part of a fit keeps what it has reached, and finds what was kept by the fit that it resumes."""

    def offer(self, part: str, state: Callable[[], Any], *, passing: bool = False) -> None:
        """This is what the part has reached by now; `state` is called if it is to be written, now or later.

        It makes plain values, arrays and tensors, in lists and in mappings with texts as keys. passing: what it tells
        of is about to change, so that it is called now or never; the value must not change.
        """
        ...

    def restored(self, part: str) -> Any | None:
        """What the part had reached, or None."""
        ...


class FitMemory(Memory, Protocol):
    """The Memory of a whole fit."""

    @property
    def seconds(self) -> float:
        """For how long the fit has been running, with the time before it was resumed."""
        ...


class Forgetful:
    """A FitMemory without one."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def offer(self, part: str, state: Callable[[], Any], *, passing: bool = False) -> None: ...

    def restored(self, part: str) -> Any | None:
        del part
        return None


class Checkpoint:
    """The Memory of a fit, in its run folder. `note` is told what the user should know."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], note: Callable[[str], None]) -> None:
        self.folder, self.identity, self.note = folder, identity, note
        self._parts: dict[str, Callable[[], Any]] = {}
        self._restored: dict[str, Any] = {}
        self._earlier, self._begun = 0.0, time.monotonic()
        self._due = self._begun + FIRST
        self._written, self._cost, self._fails = 0, 0.0, False
        self.other: EarlierFit | None = None
        """What a fit of another problem has reached, which was accepted: where this one begins."""

    @property
    def seconds(self) -> float:
        """For how long the fit has been running, with the time before it was resumed."""
        return self._earlier + time.monotonic() - self._begun

    @property
    def exists(self) -> bool:
        return (self.folder / CHECKPOINT).exists() or (self.folder / PREVIOUS).exists()

    def resume(self, accept_changes: bool = False) -> None:
        """Take up what the folder holds. Raises RunError where that is another fit, or is damaged throughout.

        accept_changes: another fit is no obstacle. What it has reached is taken up as far as it can be compared with
        what this one will reach; see `reached` for the rest.
        """
        content = self._read()
        if content is None:
            self.note("nothing had been reached yet, so the fit begins anew")
            return
        self._check_part(content["identity"])
        changed = changes(content["identity"], self.identity)
        if changed and not accept_changes:
            remedy = "--accept-changes goes on with them all the same"
            raise RunError(str(self.folder), f"cannot be resumed: {'; '.join(changed)}; {remedy}")
        for change in changed:
            self.note(change)
        versions = other_versions(content["identity"], self.identity)
        if versions:
            self.note(f"other versions than at first, so the last digits may differ: {', '.join(versions)}")
        self._earlier = content["seconds"]
        if not same_search(content["identity"], self.identity):
            self.other = _best_of(content["parts"], str(self.folder))
            where = "its best values" if self.other else "the config's values"
            self.note(f"what was reached is of another problem by that, so the search begins anew from {where}")
            return
        self._restored = content["parts"]
        self._parts = {part: partial(self._restored.get, part) for part in self._restored}

    def take(self, reached: Mapping[str, Any], seconds: float) -> None:
        """Go on from what others have reached, in so many seconds."""
        self._restored, self._earlier = dict(reached), seconds
        self._parts = {part: partial(self._restored.get, part) for part in self._restored}

    def _check_part(self, before: Mapping[str, Any]) -> None:
        """Raises RunError where what is there is another part of a run than this one, or one of them the whole."""
        if before.get("part") != self.identity.get("part"):
            held, now = (_part_words(one) for one in (before, self.identity))
            raise RunError(str(self.folder), f"holds {held}, and this is {now}; choose another --out")

    def restored(self, part: str) -> Any | None:
        return self._restored.get(part)

    def offer(self, part: str, state: Callable[[], Any], *, passing: bool = False) -> None:
        is_due = time.monotonic() >= self._due
        if passing and is_due:
            value = state()
            self._parts[part] = lambda: value
        elif not passing:
            self._parts[part] = state
        if is_due:
            self.write()

    def write(self, last: bool = False) -> None:
        """Write now. Where that fails it is noted, once; what was written before still stands.

        last: there will be no other, so that it may take the room of the one before where the disk is full.
        """
        begun = time.perf_counter()
        try:
            store(self.folder, self._text(), last)
        except OSError as error:
            if last:
                self.note(f"what was reached since the last checkpoint cannot be kept ({reason(error)})")
            elif not self._fails:
                self.note(f"no checkpoint can be written ({reason(error)}); the fit goes on, and tries again")
            self._fails, self._due = True, time.monotonic() + AFTER_FAILURE
            return
        cost = time.perf_counter() - begun
        self._fails, self._due = False, time.monotonic() + RARITY * cost
        self._written, self._cost = self._written + 1, self._cost + cost

    def _text(self) -> str:
        content = {
            "identity": self.identity,
            "seconds": self.seconds,
            "parts": {part: state() for part, state in self._parts.items()},
        }
        body = json.dumps(content, default=_plain)
        header = json.dumps({"format": FORMAT, "sha256": _checksum(body)})
        return f"{header}\n{body}\n"

    def finish(self) -> None:
        """What was reached is the result: a part of a run. Raises StorageError."""
        write_text(self.folder, PART, self._text())
        self.remove()

    def remove(self) -> None:
        """The fit is finished, and the folder holds its result."""
        for name in (CHECKPOINT, PREVIOUS):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around a fit: however it ends, what it has reached is written before."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, OdefitError | KeyboardInterrupt):
                log.info("ended: %s", error or type(error).__name__)
            else:
                log.exception("an unexpected error")
                self.note(f"where it happened is told in {self.folder / LOG}")
            if self._parts:
                self.write(last=True)
            if self.exists:
                self.note(f"what was reached is kept in {self.folder}: --resume goes on from there")
            raise
        finally:
            share = self._cost / max(time.monotonic() - self._begun, 1e-9)
            log.info("%d checkpoints written, in %.2g %% of the time", self._written, 100 * share)

    def _read(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole; None where there never was one. Raises RunError."""
        damaged = ""
        for name in (CHECKPOINT, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                content = read(path)
            except (OSError, ValueError) as error:
                damaged = f"{name} is damaged ({reason(error) if isinstance(error, OSError) else error})"
                continue
            if damaged:
                self.note(f"{damaged}, so the one before it is used")
                # Else it would take the place of the good one when the next is written.
                (self.folder / CHECKPOINT).unlink()
            return content
        if damaged:
            raise RunError(str(self.folder), f"{damaged}, and there is no other; fit again, with --overwrite")
        return None


def _part_words(identity: Mapping[str, Any]) -> str:
    part = identity.get("part")
    return "a whole run" if part is None else f"{part['of']} {part['first']}:{part['end']} of {part['all']}"


def store(folder: Path, text: str, last: bool = False) -> None:
    """Write a checkpoint, and keep the one before as long as there is room for both. Raises OSError."""
    path, previous = folder / CHECKPOINT, folder / PREVIOUS
    if len(text) > MAX_BYTES:  # it would not be read either
        raise OSError(errno.EFBIG, f"it would have {len(text) / 1e9:.1f} GB, and {MAX_BYTES / 1e9:.0f} are the limit")
    try:
        atomic_write(path, text, previous=previous)
        return
    except OSError as error:
        if error.errno not in FULL:
            raise
        previous.unlink(missing_ok=True)
    try:
        atomic_write(path, text)
    except OSError as error:
        if error.errno not in FULL or not last or not path.exists():
            raise
        overwrite(path, text)


def overwrite(path: Path, text: str) -> None:
    """Write where the old bytes stand, which needs the least room; they are put back where that fails."""
    before = path.read_bytes()
    try:
        _write_over(path, text.encode())
    except OSError:
        _write_over(path, before)
        raise


def _write_over(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _best_of(parts: Mapping[str, Any], name: str) -> EarlierFit | None:
    """The best values that the parts of a fit have reached; None where they keep none."""
    for part in parts.values():
        if isinstance(part, dict) and BEST in part:
            return EarlierFit(name, part[BEST]["values"], part[BEST]["weights"])
    return None


def read(path: Path) -> dict[str, Any]:
    """One checkpoint. Raises ValueError where it is damaged."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size / 1e9:.1f} GB, more than any checkpoint; the limit is {MAX_BYTES / 1e9:.0f} GB")
    lines = path.read_text(encoding="utf-8").split("\n")
    header = _json(lines[0])
    if header.get("format", FORMAT) != FORMAT:
        raise ValueError(f"it has format {header['format']}; this odefit reads format {FORMAT}")
    if len(lines) != 3 or lines[2] or header.get("sha256") != _checksum(lines[1]):
        raise ValueError("its checksum is not right")
    content = _json(lines[1])
    if content.keys() != {"identity", "seconds", "parts"}:
        raise ValueError("it is no checkpoint of a fit")
    return content


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_hook=_arrays)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("it is cut off, or no checkpoint")
    return found


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """An array or a tensor as JSON: type, shape, and the bytes."""
    if isinstance(value, np.generic):
        return value.item()
    kind = "array" if isinstance(value, np.ndarray) else "tensor"
    array = value if kind == "array" else value.detach().cpu().numpy()
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {kind: array.dtype.str, "shape": list(array.shape), "base64": data}


def _arrays(value: dict[str, Any]) -> Any:
    """The inverse of `_plain`."""
    if value.keys() != {"shape", "base64", *value.keys() & {"array", "tensor"}} or len(value) != 3:
        return value
    kind = "array" if "array" in value else "tensor"
    array = np.frombuffer(base64.b64decode(value["base64"]), dtype=value[kind]).reshape(value["shape"]).copy()
    if kind == "array":
        return array
    import torch

    return torch.from_numpy(array)
