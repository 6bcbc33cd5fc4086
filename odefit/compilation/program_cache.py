"""Compiled programs as bytes: on disk for the next process, and in memory for the workers of this one.

An entry is one file, named by the hash of its key; the key holds all that machine code depends on: the formulas as the
compiler reads them, the versions of what compiled them, and the processor. What is read back is machine code, so it
must be exactly what was written, by the same user, in a folder that nobody else can write to; else it is compiled anew.
Nothing here ever fails: without a cache there is compilation.

`ODEFIT_CACHE` says where the folder is, or `off`. The default is `odefit` in the user's folder of caches
(`XDG_CACHE_HOME`, or `~/.cache`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from odefit.records import dataclass

T = TypeVar("T")

log = logging.getLogger(__name__)

VARIABLE = "ODEFIT_CACHE"
OFF = "off"
MAX_BYTES = 200_000_000
"""All entries together; the ones that were used last stay."""
MAX_IN_MEMORY = 64
_MAGIC = b"odefit program 1\n"
_SUFFIX = ".program"
_DIGEST = hashlib.sha256().digest_size

# What this process has compiled, read or was sent, by key: the latest MAX_IN_MEMORY.
_known: dict[str, bytes] = {}


def key_of(kind: str, *parts: str) -> str:
    """The key of a program: its kind of compiler, and the texts that determine it, the processor added here."""
    whole = hashlib.sha256()
    for part in (kind, processor(), *parts):
        whole.update(part.encode())
        whole.update(b"\0")
    return whole.hexdigest()


def load(key: str) -> bytes | None:
    """The program, where it is known to this process or on disk."""
    if key in _known:
        return _known[key]
    place = folder()
    content = None if place is None else _read(place / (key + _SUFFIX), key)
    if content is not None:
        _remember(key, content)
    return content


def store(key: str, content: bytes) -> None:
    """Keep a program, for this process and on disk."""
    _remember(key, content)
    place = folder()
    if place is not None:
        _write(place, key, content)


def forget(key: str) -> None:
    """Remove a program that turned out to be of no use."""
    _known.pop(key, None)
    place = folder()
    if place is not None:
        with suppress(OSError):
            (place / (key + _SUFFIX)).unlink()


@dataclass(frozen=True)
class WithPrograms(Generic[T]):
    """`build`, to be called in another process, which then knows the programs that are known here."""

    build: Callable[[], T]

    def __call__(self) -> T:
        """The result of `build`."""
        return self.build()

    def __getstate__(self) -> dict[str, Any]:
        return {"build": self.build, "programs": _known}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "build", state["build"])
        for key, content in state["programs"].items():
            _remember(key, content)


def clear_memory() -> None:
    """Forget what this process knows; what is on disk stays."""
    _known.clear()


def folder() -> Path | None:
    """Where entries stand; None where they are not kept on disk."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.strip().lower() == OFF:
        return None
    if chosen:
        return Path(os.path.expanduser(chosen))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "odefit"
    try:
        return Path.home() / ".cache" / "odefit"
    except RuntimeError:  # there is no home
        return None


@cache
def processor() -> str:
    """What machine code depends on: architecture, model, and the instructions that there are."""
    lines = [platform.machine()]
    with suppress(OSError, UnicodeDecodeError), open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if not line.strip():
                break  # the other cores are like the first
            name = line.partition(":")[0].strip()
            if name in ("vendor_id", "cpu family", "model", "flags", "Features", "CPU implementer", "CPU part"):
                lines.append(line.strip())
    return "\n".join(lines)


def _remember(key: str, content: bytes) -> None:
    _known.pop(key, None)
    _known[key] = content
    while len(_known) > MAX_IN_MEMORY:
        del _known[next(iter(_known))]


def _read(path: Path, key: str) -> bytes | None:
    """The content of an entry that can be trusted."""
    if not _is_private(path.parent):
        return None
    try:
        # An entry is a plain file: no link to what somebody else holds, no pipe that would keep us waiting.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with open(handle, "rb") as file:
        try:
            found = os.fstat(handle)
            if not (stat.S_ISREG(found.st_mode) and _is_ours(found)):
                log.info("the cached program %s belongs to somebody else, so it is not used", path)
                return None
            data = file.read()
        except OSError:
            return None
    head = len(_MAGIC) + _DIGEST
    content = data[head:]
    if data[:head] != _MAGIC + _seal(key, content):
        log.info("the cached program %s is damaged, so it is made anew", path)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)  # used last
    return content


def _write(place: Path, key: str, content: bytes) -> None:
    """Whole or not at all, whoever else writes the same entry."""
    temporary = None
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(place):
            return
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=place)
        with open(handle, "wb") as file:
            file.write(_MAGIC + _seal(key, content) + content)
        os.replace(temporary, place / (key + _SUFFIX))
        _make_room(place)
    except OSError as error:
        log.info("compiled programs are not kept in %s: %s", place, error)
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _make_room(place: Path) -> None:
    """Remove the entries that were used longest ago, so that at most MAX_BYTES are left."""
    left = MAX_BYTES
    for _, size, path in sorted(_entries(place), reverse=True):
        left -= size
        if left < 0:
            with suppress(OSError):
                os.unlink(path)


def _entries(place: Path) -> Iterator[tuple[float, int, str]]:
    """When each was used, its size, its path; what a killed process left half written among them."""
    with os.scandir(place) as files:
        for file in files:
            if file.name.endswith((_SUFFIX, ".part")):
                with suppress(OSError):
                    found = file.stat(follow_symlinks=False)
                    yield found.st_mtime, found.st_size, file.path


def _seal(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + content).digest()


def _is_private(place: Path) -> bool:
    """Whether a folder is our own, and nobody else can write to it."""
    try:
        found = os.stat(place)
    except OSError:
        return False
    if _is_ours(found):
        return True
    log.info("the folder %s can be written to by others, so no compiled program is kept there", place)
    return False


def _is_ours(found: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
