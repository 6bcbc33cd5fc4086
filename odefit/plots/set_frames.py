"""Curves of parameter sets that the data allow, one after the other: draws of a posterior, or refits of a bootstrap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.errors import ConfigError
from odefit.fitting.run import Run
from odefit.plots.frame import Frame
from odefit.plots.search_frames import curves_of, times_of
from odefit.prediction.ensemble import COMMANDS, sets_of
from odefit.text import clip

SHOWN = 60
"""Sets that are shown, as far apart in the file as they can be."""


def set_frames(run: Run, kind: str) -> list[Frame]:
    """A frame for each of some sets.

    Parameters
    ----------
    run
        The fit.
    kind
        `posterior` or `bootstrap`.

    Raises
    ------
    ConfigError
        There are no sets of such a kind.
    RunError
        The run has none.
    """
    if kind not in COMMANDS:
        raise ConfigError("bands", f"'{clip(kind)}' has no curves to be animated; posterior and bootstrap have")
    sets, times = sets_of(run, kind), times_of(run)
    frames = []
    for k in np.unique(np.linspace(0, len(sets) - 1, min(len(sets), SHOWN)).round().astype(int)).tolist():
        curves = curves_of(replace(run, theta=sets[k]), times)
        if curves is not None:
            frames.append(Frame(k + 1, 0.0, curves, "draw" if kind == "posterior" else "refit", ""))
    return frames
