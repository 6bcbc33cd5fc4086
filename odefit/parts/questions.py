"""Parts of what a run is asked: some of its profiles, of the samples of a bootstrap, of the chains of its posterior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.parts.fits import of_run, place_of, question_part
from odefit.parts.folders import Desk
from odefit.runs.parts import StoredPart, part_of
from odefit.runs.progress import Progress

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.resampling.data_sets import Kind
    from odefit.resampling.intervals import IntervalKind


def bootstrap_part(
    run: Run | Path | str,
    part: str,
    samples: int = 1000,
    *,
    kind: Kind = "parametric",
    intervals: IntervalKind = "studentized",
    level: float = 0.95,
    seed: int = 0,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> StoredPart | None:
    """Some of the samples of a bootstrap, for `merge`.

    Parameters
    ----------
    run, samples, kind, intervals, level, seed
        As for `bootstrap`; the same for all parts.
    part : str
        `0:250` for the first 250 of the samples; `1/4` for the first quarter.
    out : path, optional
        The folder of the part; default beside the run: `runs/mine-samples-0-250`.
    overwrite, resume, progress
        As for `fit_part`.

    Returns
    -------
    StoredPart or None
        None where Ctrl-C ended it: `resume` goes on.

    Raises
    ------
    InputError
        As `bootstrap`; or there are no such samples.

    Examples
    --------
    >>> import odefit, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = odefit.fit("configs/lynx_hare.yaml", ["fit.starts=1"], out=f"{folder}/run")
    ...     parts = [odefit.bootstrap_part(run, f"{k}/2", 20).path for k in (1, 2)]
    ...     odefit.merge(parts).summary.samples["finished"]
    20
    """
    from odefit.resampling.bootstrap import checked_run
    from odefit.resampling.storage import sample_from_plain, sample_to_plain
    from odefit.resampling.work import Work

    fit, path = of_run(run, lambda one: checked_run(one, samples, kind, intervals, level))
    chosen = part_of(part, "samples", samples, "samples")
    work = Work(fit, kind, seed, intervals, level)
    settings = {"kind": kind, "seed": seed, "intervals": intervals, "level": level}

    def compute(desk: Desk) -> bool:
        for note in work.notes:
            desk.progress.note(note)
        done = [sample_from_plain(plain) for plain in desk.memory.restored("samples") or []]

        def keep() -> None:
            desk.memory.offer("samples", lambda: [sample_to_plain(one) for one in done])

        keep()
        desk.progress.begin("samples", len(chosen.numbers))
        try:
            work.go_on(done, chosen.numbers, None, desk.progress, keep)
        except KeyboardInterrupt:
            return False
        finally:
            desk.progress.end()
        return True

    return question_part(fit, path, "bootstrap", settings, chosen, place_of(out, overwrite, resume), progress, compute)


def sample_part(
    run: Run | Path | str,
    part: str,
    draws: int = 250,
    *,
    chains: int = 16,
    warm_up: int = 200,
    acceptance: float = 0.8,
    level: float = 0.95,
    seed: int = 0,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> StoredPart | None:
    """Some of the chains of a posterior, for `merge`.

    What chains learn in the warm-up they learn together, so each part does the warm-up of all of them, unless the run
    has draws already (`sample(run, 1)`): then parts go on from these.

    Parameters
    ----------
    run, draws, chains, warm_up, acceptance, level, seed
        As for `sample`; the same for all parts.
    part : str
        `0:4` for the first four of the chains; `1/4` for the first quarter.
    out : path, optional
        The folder of the part; default beside the run: `runs/mine-chains-0-4`.
    overwrite, resume, progress
        As for `fit_part`.

    Returns
    -------
    StoredPart or None
        None where Ctrl-C ended it: `resume` goes on.

    Raises
    ------
    InputError
        As `sample`; or there are no such chains.

    Examples
    --------
    >>> import odefit, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = odefit.fit("configs/lynx_hare.yaml", ["fit.starts=1"], out=f"{folder}/run")
    ...     parts = [odefit.sample_part(run, f"{k}/2", 5, chains=4, warm_up=20).path for k in (1, 2)]
    ...     odefit.merge(parts)
    <Sampled ...run: 4 chains of 5 draws; ...>
    """
    from odefit.sampling import storage
    from odefit.sampling.sample import check_settings, checked_run
    from odefit.sampling.work import Work

    fit, path = of_run(run, lambda one: checked_run(one, draws, chains, warm_up))
    check_settings(level, acceptance)
    chosen = part_of(part, "chains", chains, "chains")
    work = Work(fit, chosen.all, seed, warm_up, acceptance, level)
    work.restore()
    known = 0 if work.table is None else work.table.values.shape[1]
    settings = {"draws": draws, "warm_up": warm_up, "acceptance": acceptance, "level": level, "seed": seed}
    settings |= {"begun with draws": known}

    def compute(desk: Desk) -> bool:
        for note in work.notes:
            desk.progress.note(note)

        def keep() -> None:
            assert work.table is not None
            assert work.tuned is not None
            plain = {**work.table.to_plain(), "state": storage.state_to_plain(work.tuned, work.states)}
            desk.memory.offer("draws", lambda: plain)

        try:
            if (kept := desk.memory.restored("draws")) is not None:
                work.own, work.table = list(chosen.numbers), storage.Table.from_plain(kept)
                work.tuned, work.states = storage.state_from_plain(kept["state"], len(work.own), len(fit.theta))
            else:
                work.warm_up(desk.progress)
                work.only(chosen.numbers)
            desk.progress.begin("draws", draws)
            work.go_on(draws, None, desk.progress, keep)
            keep()
        except KeyboardInterrupt:
            if work.table is not None and work.own == list(chosen.numbers):
                keep()
            return False
        finally:
            desk.progress.end()
        return True

    return question_part(fit, path, "sample", settings, chosen, place_of(out, overwrite, resume), progress, compute)


def profile_part(
    run: Run | Path | str,
    part: str,
    parameters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> StoredPart | None:
    """Some of the profiles of a run, for `merge`.

    Parameters
    ----------
    run, parameters, level
        As for `profile`; the same for all parts.
    part : str
        `1/4` for the first quarter of the quantities, `0:2` for the first two, in the order that `profile` has them.
    out : path, optional
        The folder of the part; default beside the run: `runs/mine-profiles-0-2`.
    overwrite, resume, progress
        As for `fit_part`.

    Returns
    -------
    StoredPart or None
        None where Ctrl-C ended it: `resume` goes on.

    Raises
    ------
    InputError
        As `profile`; or there are no such quantities.

    Examples
    --------
    >>> import odefit, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = odefit.fit("configs/lynx_hare.yaml", ["fit.starts=1"], out=f"{folder}/run")
    ...     parts = [odefit.profile_part(run, f"{k}/2", ["alpha", "beta"]).path for k in (1, 2)]
    ...     list(odefit.merge(parts).frame.index)
    ['alpha', 'beta']
    """
    from odefit.problem.quantities import named_quantities, quantities_of
    from odefit.profiles.profiling import check_can_be_profiled
    from odefit.profiles.records import read_profiles
    from odefit.profiles.request import Request
    from odefit.profiles.session import Session
    from odefit.profiles.work import ends_from_plain, ends_to_plain
    from odefit.uncertainty.intervals import check_level

    fit, path = of_run(run, check_can_be_profiled)
    check_level(level)
    wanted = quantities_of(fit.assembly) if parameters is None else named_quantities(fit.assembly, parameters)
    chosen = part_of(part, "profiles", len(wanted), "part")
    own = [wanted[number] for number in chosen.numbers]
    settings: dict[str, Any] = {"level": level, "quantities": [quantity.name for quantity in wanted]}

    def compute(desk: Desk) -> bool:
        def state() -> dict[str, Any]:
            found = session.profiles.of(quantity.name for quantity in own if session.has(quantity.name))
            ends = {name: ends_to_plain(one) for name, one in session.ends().items()}
            files = {"points": found.table.text, "verdicts": found.json_text}
            return {**files, "began at": session.began_at, "ends": ends}

        def keep() -> None:
            desk.memory.offer("profiles", state)

        session = Session(Request(fit, level), desk.progress, None, keeps=False, keep=keep)
        if (kept := desk.memory.restored("profiles")) is not None:
            session.take(read_profiles(fit, kept["points"], kept["verdicts"]))
            session.began_at = kept["began at"]
            session.known = {name: ends_from_plain(plain) for name, plain in kept["ends"].items()}
        try:
            session.follow([quantity for quantity in own if not session.has(quantity.name)])
        except KeyboardInterrupt:
            return False
        finally:
            session.write()
        return True

    return question_part(fit, path, "profile", settings, chosen, place_of(out, overwrite, resume), progress, compute)
