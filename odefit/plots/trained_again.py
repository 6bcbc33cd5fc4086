"""The frames of a training that kept none: it is run once more, which the seed makes the same, and keeps some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.errors import RunError
from odefit.runs import folder as files
from odefit.runs.checkpoint import Forgetful
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.runs.tables import Rows

FRAMES = 60
"""About as many are kept."""


def rows_of_frames(
    run: StoredRun, plan: Callable[[LoadedConfig], tuple[Any, Callable[[Progress, Forgetful], StoredRun]]]
) -> Rows | None:
    """The table of the frames.

    Parameters
    ----------
    run
        One that was trained in epochs.
    plan
        Config -> its measurements, and the work: as fits of this kind of model have it.

    Returns
    -------
    Rows or None
        None where the training kept none.

    Raises
    ------
    RunError
        It has no history.
    """
    kept, history = run.rows(files.FRAMES), run.rows(files.HISTORY)
    if kept is not None and len(kept):
        return kept
    if history is None or not len(history):
        raise RunError(run.place, "has no history of its training, so it cannot be run once more; fit again")
    epochs = int(history.numbers(0)[-1])
    config = run.loaded.config
    fit = config.fit.model_copy(update={"plot_every": max(1, epochs // FRAMES), "folds": None})
    _, work = plan(replace(run.loaded, config=config.model_copy(update={"fit": fit})))
    return work(Silent(), Forgetful()).rows(files.FRAMES)
