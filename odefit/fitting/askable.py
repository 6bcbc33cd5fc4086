"""Whether a run can be asked what the rooms above ask of it: profiles, samples, predictions, designs."""

from __future__ import annotations

from pathlib import Path

from odefit.errors import RunError
from odefit.fitting.run import Run
from odefit.runs.asked import from_folder
from odefit.runs.stored import StoredRun
from odefit.status import Status


def equations_of(run: StoredRun | Path | str, lack: str) -> Run:
    """The run of equations that is meant, read from its folder where that is given.

    Parameters
    ----------
    run
        A run, or its folder.
    lack
        Why a latent ODE cannot be asked.

    Raises
    ------
    RunError
        The folder is missing or damaged, or the run is one of a latent ODE.
    """
    found = from_folder(run) if isinstance(run, Path | str) else run
    if not isinstance(found, Run):
        raise RunError(found.place, f"is a latent ODE: {lack}")
    return found


def check_certified(run: Run, purpose: str) -> None:
    """Raises RunError where the run is not at an optimum for certain, with what to do first; purpose: `begin at`."""
    if run.result.status != Status.CONVERGED:
        what = f"has no certified optimum to {purpose} ({run.result.status}: {run.result.message})"
        raise RunError(run.place, f"{what} Fit again first, with more starts: --set fit.starts=20")
