"""The names of picture files: those of a choice are not those of the whole, which are the run's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

BY_TIME = ("time_series", "phase_plane", "interpolation")
BY_STATES = ("time_series", "phase_plane", "residuals")
BY_EXPERIMENTS = (*BY_STATES, "network", "potential", "interpolation")
LONGEST = 40


def file_stem(
    kind: str, span: tuple[float, float] | None, states: Sequence[str] | None, experiments: Sequence[str] | None
) -> str:
    """`time_series`, or `time_series_0_60_x` where a time span or states (or experiments) were chosen and matter."""
    parts = [kind]
    if span is not None and kind in BY_TIME:
        parts += [f"{end:.6g}" for end in span]
    for names, kinds, what in ((states, BY_STATES, "states"), (experiments, BY_EXPERIMENTS, "experiments")):
        if names and kind in kinds:
            joined = "_".join(re.sub(r"[^\w.+-]+", "-", name) for name in dict.fromkeys(names))
            parts.append(joined if len(joined) <= LONGEST else f"{len(set(names))}_{what}")
    return "_".join(parts)
