"""How many processors this process may use: those that it is bound to, and its share of a control group."""

from __future__ import annotations

import math
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """At least 1."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, quota(GROUPS, MEMBERSHIP))))


def quota(groups: Path, membership: Path) -> float:
    """Processors that the control groups of this process allow; infinite where none says so.

    Parameters
    ----------
    groups
        Where the groups stand as folders, as version 2 has them: the least of `cpu.max` on the way up is what holds.
    membership
        The file that says which group is ours.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None or ".." in own:
        return math.inf
    folder, least = groups / own.lstrip("/"), math.inf
    for place in (folder, *folder.parents):
        if not place.is_relative_to(groups):
            break
        least = min(least, _allowed(place / "cpu.max"))
    return least


def _allowed(file: Path) -> float:
    """`200000 100000` is two processors, `max 100000` as many as there are."""
    try:
        share, period = file.read_text().split()[:2]
        return math.inf if share == "max" else max(int(share) / int(period), 0.0)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
