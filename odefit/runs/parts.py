"""Parts of a whole that several machines compute: which numbers each has, and whether some of them make the whole.

A part is a folder with one file, `part.jsonl`, in the form of a checkpoint (`checkpoint.py`): what it is a part of, and
what was reached. Nothing in it is code.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from odefit.compilation.program_cache import processor
from odefit.data.source_files import reason
from odefit.errors import Fault, InputError, RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.checkpoint import read
from odefit.runs.fingerprint import differences
from odefit.runs.shapes import misfit
from odefit.text import clip

FRACTION = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*")
RANGE = re.compile(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*(?:/\s*(\d{1,9})\s*)?")
MAX_NAMED = 8
"""Ranges that a message names."""
SHAPE = {
    "config": {str: object},
    "data": {str: str},
    "versions": {str: str},
    "part": {"of": str, "first": int, "end": int, "all": int},
    "processor": str,
    "source": str,
    "settings": {str: object},
}
"""Of the identity of a part."""


@dataclass(frozen=True)
class Part:
    """Which of the numbers of a whole, from 0.

    Parameters
    ----------
    of
        What is numbered: `starts`, `profiles`, `samples` or `chains`.
    first, end
        The numbers first, …, end - 1.
    all
        How many there are in all.
    """

    of: str
    first: int
    end: int
    all: int

    def __str__(self) -> str:
        return f"{self.of} {self.first}:{self.end} of {self.all}"

    @property
    def numbers(self) -> range:
        """From 0."""
        return range(self.first, self.end)

    @property
    def name(self) -> str:
        """For the name of a folder."""
        return f"{self.of}-{self.first}-{self.end}"

    def to_plain(self) -> dict[str, Any]:
        """As plain values."""
        return {"of": self.of, "first": self.first, "end": self.end, "all": self.all}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Part:
        """The inverse."""
        return cls(plain["of"], plain["first"], plain["end"], plain["all"])


def is_part(text: str) -> bool:
    """Whether a number of samples, or the like, names a part of them: `0:50`, `0:50/200` or `1/4`."""
    return ":" in text or "/" in text


def part_of(text: str, of: str, total: int, where: str) -> Part:
    """The part that `0:50`, `0:50/200` or `1/4` names.

    Parameters
    ----------
    text
        The numbers 0, …, 49; of 200 in all; the first quarter of all, in which 1 is the first.
    of
        What is numbered.
    total
        How many there are where the text does not say it.
    where
        What a message calls the text.

    Raises
    ------
    InputError
        It names none, or one with nothing in it.
    """
    if (found := FRACTION.fullmatch(text)) is not None:
        number, parts = int(found[1]), int(found[2])
        if not 1 <= number <= parts:
            raise InputError(where, f"'{clip(text)}' is no part: the first of {parts or 4} is 1/{parts or 4}")
        part = Part(of, total * (number - 1) // parts, total * number // parts, total)
        if not part.numbers:
            raise InputError(where, f"{total} {of} cannot be shared by {parts}: {clip(text)} has none of them")
        return part
    if (found := RANGE.fullmatch(text)) is None:
        raise InputError(
            where, f"'{clip(text)}' names no {of}: write 0:50 for the first 50, or 1/4 for the first quarter"
        )
    part = Part(of, int(found[1]), int(found[2]), int(found[3] or total))
    if not part.numbers:
        raise InputError(where, f"'{clip(text)}' has no {of}: the second number is the first that is left out")
    if part.end > part.all:
        raise InputError(where, f"'{clip(text)}' goes beyond the {part.all} {of} that there are, which count from 0")
    return part


def identified(
    identity: Mapping[str, Any], part: Part, source: str, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a part is a part of.

    Parameters
    ----------
    identity
        Of the whole: config, data and versions, as `fingerprint.identity_of` has them.
    part
        Its numbers.
    source
        The config or the run that it is of, as it was named.
    settings
        What else was asked for, by which `merge` asks again.
    """
    return {
        **identity,
        "part": part.to_plain(),
        "processor": hashlib.sha256(processor().encode()).hexdigest()[:16],
        "source": source,
        "settings": dict(settings or {}),
    }


@dataclass(frozen=True)
class StoredPart:
    """A part that is finished, as its folder has it.

    Attributes
    ----------
    path
        Its folder.
    part
        Its numbers.
    identity
        What it is a part of.
    seconds
        How long it took.
    reached
        What it has found, by the names of a checkpoint's parts.
    """

    path: Path
    part: Part
    identity: Mapping[str, Any]
    seconds: float
    reached: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<StoredPart {self.path}: {self.part}>"

    @property
    def source(self) -> str:
        """The config or the run that it is of, as it was named."""
        return str(self.identity["source"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """What else was asked for."""
        found: Mapping[str, Any] = self.identity["settings"]
        return found

    def apart(self, identity: Mapping[str, Any]) -> list[str]:
        """What is different from what another one is a part of, a few words each."""
        found = differences(identity, self.identity)
        if "part" in identity and identity["part"] != self.identity["part"]:
            found.append(f"it has {self.part}, not {Part.from_plain(identity['part'])}")
        return found


def read_part(path: Path) -> StoredPart:
    """The part in a folder. Raises RunError where there is none, or it is damaged."""
    file = path / files.PART
    try:
        content = read(file)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(str(path), _no_part(path)) from None
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else error
        raise RunError(str(file), f"is damaged ({why}); compute this part again") from None
    if (bad := misfit(content["identity"], SHAPE)) is not None:
        raise RunError(str(file), f"is damaged ({bad}); compute this part again")
    part = Part.from_plain(content["identity"]["part"])
    if not 0 <= part.first < part.end <= part.all:
        raise RunError(str(file), f"is damaged: there are no {part}; compute this part again")
    return StoredPart(path, part, content["identity"], float(content["seconds"]), content["parts"])


def _no_part(path: Path) -> str:
    if not path.is_dir():
        what = "is a file, and no folder" if path.exists() else "does not exist"
        return f"{what}; give the folders that parts were computed into"
    if (path / files.RESULT).exists():
        return "is a whole run, and no part of one: there is nothing to merge"
    if files.is_begun(path):
        return "is not finished: the command that began it goes on with it when --resume is added"
    return "holds no part of a run; give the folders that parts were computed into"


def read_parts(paths: Sequence[Path]) -> list[StoredPart]:
    """Parts that make a whole, in the order of their numbers. Raises RunError with all that speaks against it."""
    found, faults = list[StoredPart](), list[Fault]()
    for path in paths:
        try:
            found.append(read_part(path))
        except InputError as error:
            faults += error.faults
    if not paths:
        faults.append(Fault("merge", "needs the folders of parts"))
    if found:
        first = _typical(found)
        strange = {id(each): apart for each in found if (apart := _apart(first, each))}
        for each in found:
            if id(each) in strange:
                what = f"does not belong to {first.path}: {'; '.join(strange[id(each)])}"
                faults.append(Fault(str(each.path), what))
        faults += _shared([each for each in found if id(each) not in strange])
        if len(found) == len(paths):  # what cannot be read may hold what is missing
            faults += _missing([each for each in found if (each.part.of, each.part.all) == _counted(first)])
    if faults:
        raise RunError(faults=faults)
    return sorted(found, key=lambda each: each.part.first)


def _typical(found: Sequence[StoredPart]) -> StoredPart:
    """The first of those that most are alike."""
    keys = [repr((each.part.of, each.part.all, each.identity["config"], each.identity["data"])) for each in found]
    return found[keys.index(Counter(keys).most_common(1)[0][0])]


def _apart(first: StoredPart, each: StoredPart) -> list[str]:
    """What is not of the same whole."""
    if each.part.of != first.part.of:
        return [f"it holds {each.part.of}, not {first.part.of}"]
    apart = differences(first.identity, each.identity)
    if each.part.all != first.part.all:
        apart.append(f"it is of {each.part.all} {each.part.of} in all, not {first.part.all}")
    return apart


def _counted(each: StoredPart) -> tuple[str, int]:
    return each.part.of, each.part.all


def _shared(found: Sequence[StoredPart]) -> list[Fault]:
    """Numbers that several parts have."""
    faults, at = list[Fault](), 0
    holder: StoredPart | None = None
    for each in _ordered(found):
        part = each.part
        if part.first < at and holder is not None:
            shared = f"{part.first}:{min(at, part.end)}"
            what = f"has the {part.of} {shared}, as {holder.path} has: each must be in one part only"
            faults.append(Fault(str(each.path), what))
        if part.end > at:
            at, holder = part.end, each
    return faults


def _missing(found: Sequence[StoredPart]) -> list[Fault]:
    """Numbers that no part has; those of parts that do not belong to the others are not missing, but wrong."""
    missing, at, whole = list[str](), 0, found[0].part
    for part in (each.part for each in _ordered(found)):
        if part.first > at:
            missing.append(f"{at}:{part.first}")
        at = max(at, part.end)
    if at < whole.all:
        missing.append(f"{at}:{whole.all}")
    if not missing:
        return []
    more = f", … ({len(missing)} gaps)" if len(missing) > MAX_NAMED else ""
    named = f"{whole.of} {', '.join(missing[:MAX_NAMED])}{more} of {whole.all}"
    what = f"{named} are in none of these parts; compute them, or name their folders too"
    return [Fault("merge", what)]


def _ordered(found: Sequence[StoredPart]) -> list[StoredPart]:
    return sorted(found, key=lambda one: (one.part.first, one.part.end))


def processors(found: Sequence[StoredPart]) -> int:
    """How many kinds of processors have computed them, this machine's among them."""
    here = hashlib.sha256(processor().encode()).hexdigest()[:16]
    return len({here, *(each.identity["processor"] for each in found)})
