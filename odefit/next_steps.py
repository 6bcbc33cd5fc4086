"""What comes next: one command that can be copied and runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odefit.config.fit_methods import trains_equations
from odefit.runs.stored import StoredRun
from odefit.status import TOO_FEW, Status
from odefit.text import next_line


def closing_lines(run: StoredRun, pictures: Sequence[Path], fit: Sequence[str], place: Sequence[str]) -> list[str]:
    """Which pictures there are, and the command that goes on from here, by how the fit ended.

    Parameters
    ----------
    run
        The fit, in its folder.
    pictures
        What was drawn of it.
    fit, place
        The command that fitted it, and the words behind it that say where to.
    """
    lines = []
    if pictures:
        first, *others = pictures
        lines.append(f"pictures: {', '.join([str(first), *(picture.name for picture in others)])}")
    return [*lines, next_line(*_following(run, bool(pictures), fit, place))]


def _following(run: StoredRun, is_drawn: bool, fit: Sequence[str], place: Sequence[str]) -> Sequence[str]:
    """The words after `odefit`."""
    folder, status = str(run.path), run.result.status
    if status == Status.INTERRUPTED:
        return (*fit[1:], *place, "--resume")
    if status == Status.FAILED:
        return ("check", fit[2], "--gradients")
    may_go_on = TOO_FEW not in run.result.message  # else nothing is missing but measurements
    # Trainings end after the epochs that they were given.
    if status == Status.STOPPED and may_go_on and not trains_equations(run.result.method):
        return (*fit[1:], "--from", folder)
    if not is_drawn:
        return ("plot", folder)
    start, end = min(e.start for e in run.measured), max(e.last for e in run.measured)
    return ("plot", folder, "--time-range", f"{start:.5g}", f"{end + (end - start) / 2:.5g}")
