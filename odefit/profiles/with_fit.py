"""A fit whose intervals are those of its profiles: `fit.intervals: profile`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.fitting import strategy
from odefit.objective.likelihood import Likelihood
from odefit.runs import folder as files
from odefit.runs.tables import Text
from odefit.status import Status
from odefit.uncertainty.degrees_of_freedom import no_degrees_left

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.profiles.records import Profiles
    from odefit.runs.checkpoint import FitMemory
    from odefit.runs.progress import Progress
    from odefit.runs.results import Estimate

    Work = Callable[[Progress, FitMemory], Run]

PROFILE = "profile"
NOTE = "95 % intervals by profile likelihoods"


def plan(loaded: LoadedConfig) -> tuple[Sequence[Experiment], Work]:
    """All measurements, and what is left to be done. Raises InputError."""
    measured, work = strategy.plan(loaded)
    return measured, partial(_fit, work) if loaded.config.fit.intervals == PROFILE else work


def _fit(work: Work, progress: Progress, memory: FitMemory) -> Run:
    run = work(progress, memory)
    if run.result.status != Status.CONVERGED:
        if run.result.status != Status.INTERRUPTED:
            progress.note("no profiles: they begin at an optimum, and this fit did not reach one for certain")
        return run
    if no_degrees_left(Likelihood(run.assembly.problem)):
        progress.note("no profiles: there are no more measurements than parameters")
        return run
    return with_profiles(run, progress)


def with_profiles(run: Run, progress: Progress) -> Run:
    """The same with the intervals of its profiles, which are among its tables; those that are not made stay."""
    from odefit.profiles.profiling import profile

    try:
        found = profile(run, progress=progress)
    except KeyboardInterrupt:
        message = f"the profiles were interrupted; the fit itself {run.result.status}: {run.result.message}"
        return replace(run, result=replace(run.result, status=Status.INTERRUPTED, message=message))
    estimates = dict(run.result.estimates)
    for one in found:
        estimates[one.name] = _with_interval(estimates[one.name], one.interval, one.sentence)
    said = [f"{one.name} is {one.sentence}" for one in found if None in (one.low, one.high)]
    tables = {**run.tables, files.PROFILES: found.table, files.PROFILE_VERDICTS: Text.of(found.json_text)}
    result = replace(
        run.result,
        estimates=estimates,
        notes=(*run.result.notes, NOTE),
        warnings=(*_without(run, found), *said, *found.remarks),
    )
    return replace(run, result=result, tables=tables)


def _with_interval(estimate: Estimate, interval: tuple[float, float], sentence: str) -> Estimate:
    """An open interval is none, for a reason."""
    if all(abs(end) < float("inf") for end in interval):
        return replace(estimate, interval=interval, reason=None)
    return replace(estimate, interval=None, reason=sentence)


def _without(run: Run, found: Profiles) -> list[str]:
    """The warnings but for those that a profile says better."""
    names = [one.name for one in found]
    stale = tuple(f"{name} is {what}" for name in names for what in ("not determined", "poorly determined"))
    return [warning for warning in run.result.warnings if not warning.startswith(stale)]
