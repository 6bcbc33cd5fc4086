"""The starts of a fit in parts: which of them are searched here, and what several parts have reached, put together.

Every part makes the plan of all starts itself, from the same seed, and searches its own from their first step to their
last. What depends on all starts is decided in a part by those that it has, and by the merge anew: the merge is the
whole fit gone on with from all that the parts have reached. So it is the fit of one machine, bit for bit. What a part
could not know, as a start that it has ended early for an optimum which is not among the lowest of all, the merge
searches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import AUTO, METHODS, trains_equations
from odefit.config.load import LoadedConfig
from odefit.errors import ConfigError
from odefit.fitting.kept_starts import as_plain
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.checkpoint import Memory
from odefit.status import Reason

if TYPE_CHECKING:
    from odefit.runs.parts import StoredPart

PLAN = "plan"
"""Where all starts begin, in the memory of a part."""
ENDS = "ends"
"""What the memory of a merge calls searches that came to their own ends."""
_PASSES = re.compile(r"starts(, tolerances / \d+)?")
_STAGES = re.compile(rf"{_PASSES.pattern}, stage \d+")
_PILOTS = re.compile(rf"{_PASSES.pattern}, pilots")


Plan = tuple[FloatArray, Sequence[StartOutcome]]
"""Where all starts begin, [n, P'], and what is known of their searches already."""


def planned(memory: Memory, compute: Callable[[], Plan], part: str | None) -> Plan:
    """The plan of all starts: as parts have made it, or computed, and kept in a part. What parts know of their searches
    is a stage of these, of which the memory tells by itself. It is kept first: from a plan alone a part would go on.

    part: the name of the searches in the memory of a part; None in that of a whole fit.
    """
    kept = memory.restored(PLAN)
    if kept is not None:
        return np.asarray(kept), ()
    points, begun = compute()
    if part is not None:
        keep_first_steps(memory, part, begun)
        memory.offer(PLAN, lambda: points)
    return points, begun


def keep_first_steps(memory: Memory, part: str, begun: Sequence[StartOutcome]) -> None:
    """What the first steps of these starts have come to, if they have been taken: kept as a stage of its own, from
    which other parts of the fit go on."""
    kept = [r for r in begun if not r.lost]
    if kept:
        memory.offer(first_steps_of(part), lambda: [as_plain(r) for r in kept])


def first_steps_of(part: str) -> str:
    """The name of that stage."""
    return f"{part}, stage 0"


def reached_by(parts: Sequence[StoredPart]) -> dict[str, Any]:
    """The memory of the whole fit, put together from those of its parts, in their order."""
    points = np.asarray(parts[0].reached[PLAN]).copy()
    found: dict[str, Any] = {PLAN: points}
    for each in parts:
        # On another processor the last digits of a plan may differ; a start belongs to the plan that it came from.
        own = [number for number in each.part.numbers if number < len(points)]
        points[own] = np.asarray(each.reached[PLAN])[own]
        for key, kept in each.reached.items():
            if _PILOTS.fullmatch(key):
                found.setdefault(key, kept)  # every part has searched them all
            elif _STAGES.fullmatch(key):
                found[key] = [*found.get(key, []), *kept]
            elif _PASSES.fullmatch(key):
                ended = [plain for plain in kept if not _has_led_to_other(plain)]
                found[f"{key}, {ENDS}"] = [*found.get(f"{key}, {ENDS}", []), *ended]
    return found


def _has_led_to_other(plain: Mapping[str, Any]) -> bool:
    outcome = plain["outcome"]
    return outcome is not None and outcome["ending"]["reason"] == Reason.LEADS_TO_OTHER.name


def check_has_parts(loaded: LoadedConfig) -> None:
    """Raises ConfigError where a fit has no starts that could be shared."""
    section = loaded.config.fit
    if loaded.config.model.networks:
        raise ConfigError(loaded.where("model.networks"), "are trained from one start, which has no parts")
    method = None if section.method == AUTO else METHODS[section.method]
    if trains_equations(section.method) or (method is not None and not method.searches):
        what = f"is a training from one start, which has no parts; `{section.method}` goes on by --resume only"
        raise ConfigError(loaded.where("fit.method"), what)
    if section.budget is not None:
        what = "is spent in a race of all starts, which has no parts; set it to null, and fit.starts to how many"
        raise ConfigError(loaded.where("fit.budget"), what)
