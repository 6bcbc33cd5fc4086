"""What a command does once there is a fit: its pictures, and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from odefit.commands.errors import INTERRUPTED
from odefit.errors import OdefitError
from odefit.status import Status

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.terminal import Reporter


def pictures_of(run: Run | LatentRun, told: Reporter) -> list[Path]:
    """Draw a fit that can be drawn; the files."""
    from odefit.pictures import draw
    from odefit.plots.undocumented import leave_out_tables

    if run.result.status == Status.FAILED:
        return []
    told.now("drawing the pictures")
    leave_out_tables()
    try:
        return draw(run, after_fit=True)
    except OdefitError as error:
        # The run folder is complete: a picture that cannot be drawn is no reason to fail.
        told.say(f"warning: no pictures: {error}")
        return []


def code_of(status: Status) -> int:
    """The exit code of a fit that came to an end."""
    if status == Status.INTERRUPTED:
        return INTERRUPTED
    return OdefitError.exit_code if status == Status.FAILED else 0
