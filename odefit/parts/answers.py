"""Answers of a run made of their parts: profiles, a bootstrap, a posterior, each written into the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.errors import RunError
from odefit.parts.fits import identity_of_question, of_run
from odefit.runs.parts import StoredPart
from odefit.runs.progress import Progress

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.profiles.records import Profiles
    from odefit.resampling.bootstrap import Bootstrap
    from odefit.sampling.sample import Sampled


def merged_samples(found: Sequence[StoredPart], run: Run | Path | str, overwrite: bool) -> Bootstrap:
    """The bootstrap whose samples these are. Raises RunError where it is of another run, or there is one already."""
    from odefit.resampling.bootstrap import Bootstrap, checked_run
    from odefit.resampling.storage import sample_from_plain
    from odefit.resampling.work import Work

    asked = _asked(found, "kind", "seed", "intervals", "level")
    kind, seed, intervals, level = asked.values()
    total = found[0].part.all
    fit, path = of_run(run, lambda one: checked_run(one, total, kind, intervals, level))
    _check_same(found[0], fit, "bootstrap", asked)
    work = Work(fit, kind, seed, intervals, level)
    done = [sample_from_plain(plain) for each in found for plain in each.reached["samples"]]
    with work.held(overwrite) as there:
        if there:
            what = f"holds {len(there)} samples already; say --overwrite to put those of the parts in their place"
            raise RunError(str(path), what)
        summary = work.write(done, total)
    return Bootstrap(summary, work.quantities.names, tuple(done), path, run=fit)


def merged_chains(found: Sequence[StoredPart], run: Run | Path | str, overwrite: bool) -> Sampled:
    """The posterior whose chains these are. Raises RunError where it is of another run, or there are other draws."""
    from odefit.sampling import storage
    from odefit.sampling.sample import Sampled, checked_run
    from odefit.sampling.work import Work

    asked = _asked(found, "draws", "warm_up", "acceptance", "level", "seed", "begun with draws")
    draws, warm_up, acceptance, level, seed, begun = asked.values()
    total = found[0].part.all
    fit, path = of_run(run, lambda one: checked_run(one, draws, total, warm_up))
    _check_same(found[0], fit, "sample", asked)
    work = Work(fit, total, seed, warm_up, acceptance, level)
    with work.held(overwrite):
        there = 0 if work.table is None else work.table.values.shape[1]
        if there not in (0, begun):
            what = f"holds {there} draws already; say --overwrite to put those of the parts in their place"
            raise RunError(str(path), what)
        kept = [each.reached["draws"] for each in found]
        tables = [storage.Table.from_plain(plain) for plain in kept]
        work.table = storage.Table(
            tables[0].names,
            np.concatenate([table.values for table in tables]),
            np.concatenate([table.log_posterior for table in tables]),
            {name: np.concatenate([table.stats[name] for table in tables]) for name in storage.STATS},
        )
        work.states = []
        for each, plain in zip(found, kept, strict=True):
            work.tuned, states = storage.state_from_plain(plain["state"], len(each.part.numbers), len(fit.theta))
            work.states += states
        summary = work.write()
    return Sampled(summary, work.table, path, run=fit)


def merged_profiles(
    found: Sequence[StoredPart], run: Run | Path | str, overwrite: bool, progress: Progress
) -> Profiles:
    """The profiles of a run, with those that it has already. Raises RunError where they are of another run."""
    from odefit.problem.quantities import named_quantities
    from odefit.profiles.profiling import check_can_be_profiled
    from odefit.profiles.records import read_profiles
    from odefit.profiles.request import Request
    from odefit.profiles.session import Session

    asked = _asked(found, "level", "quantities")
    level, quantities = asked.values()
    fit, _ = of_run(run, check_can_be_profiled)
    _check_same(found[0], fit, "profile", asked)
    session = Session(Request(fit, level), progress, None)
    session.take(None if overwrite else read_profiles(fit))
    for each in found:
        kept = each.reached["profiles"]
        session.take(read_profiles(fit, kept["points"], kept["verdicts"]))
        session.began_at = min(session.began_at, kept["began at"])
    try:
        session.settle(named_quantities(fit.assembly, quantities))
    finally:
        session.order(quantities)
        session.write()
    return session.profiles.of(quantities)


def _asked(found: Sequence[StoredPart], *names: str) -> dict[str, Any]:
    """How the question was asked, in the order of the names. Raises RunError."""
    try:
        return {name: found[0].settings[name] for name in names}
    except KeyError as error:
        raise RunError(str(found[0].path), f"is damaged: {error} is missing; compute this part again") from None


def _check_same(part: StoredPart, fit: Run, question: str, settings: Mapping[str, Any]) -> None:
    """Raises RunError where a part is of another run, or of this one as it was before."""
    apart = part.apart({**identity_of_question(fit, question, settings), "part": part.identity["part"]})
    if apart:
        what = f"is not the run that the parts are of: {'; '.join(apart)}; name the right one by --run"
        raise RunError(fit.place, what)
