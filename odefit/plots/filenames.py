"""The names of picture files: those of a choice are not those of the whole, which are the run's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from odefit.plots.kinds import By
from odefit.plots.selection import Choice

MAX_LENGTH = 40
"""Characters of the names in a file name; where there are more, it says how many names there are."""


def file_stem(kind: str, by: Sequence[By], choice: Choice) -> str:
    """`time_series`, or `time_series_0_60_x` where a time span or states (or experiments) were chosen and matter."""
    parts = [kind]
    if choice.time_range is not None and "time_range" in by:
        parts += [f"{end:.6g}" for end in choice.time_range]
    chosen: dict[By, Sequence[str] | None] = {"states": choice.states, "experiments": choice.experiments}
    for what, names in chosen.items():
        if names and what in by:
            joined = "_".join(re.sub(r"[^\w.+-]+", "-", name) for name in dict.fromkeys(names))
            parts.append(joined if len(joined) <= MAX_LENGTH else f"{len(set(names))}_{what}")
    flags: dict[By, bool] = {
        "log_x": choice.log_x,
        "log_y": choice.log_y,
        "all_panels": choice.all_panels,
        "dates": choice.dates,
    }
    parts += [flag for flag, is_set in flags.items() if is_set and flag in by]
    parts += [choice.bands] if choice.bands and "bands" in by else []
    return "_".join(parts)
