"""Parts of fits and of the questions to runs, computed on machines of their own; `merge` makes the whole of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.api import Config, begun_at, load_run, loaded_from
from odefit.config.load import LoadedConfig
from odefit.errors import ConfigError, RunError
from odefit.folder_fits import Place
from odefit.model_kinds import EQUATIONS, kind_of
from odefit.parts.folders import Desk, in_part_folder
from odefit.runs.fingerprint import identity_of
from odefit.runs.parts import Part, StoredPart, identified, part_of
from odefit.runs.progress import Progress, Silent
from odefit.runs.results import versions
from odefit.status import Status

if TYPE_CHECKING:
    from odefit.api import Data
    from odefit.data.experiments import Experiment
    from odefit.fitting.run import Run


def fit_part(
    config: Config,
    part: str,
    overrides: Sequence[str] = (),
    *,
    data: Data | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    start_from: Run | Path | str | None = None,
    only_beside: bool | None = None,
    progress: Progress | None = None,
) -> StoredPart | None:
    """Some of the starts of a fit, for `merge`.

    Parameters
    ----------
    config, overrides, data, start_from, only_beside
        As for `fit`; the same for all parts.
    part : str
        `0:50` for the starts 0, …, 49 of the `fit.starts` that there are in all; `1/4` for the first quarter.
    out : path, optional
        The folder of the part; default `runs/<name>-starts-0-50`.
    overwrite
        Begin anew, in place of a part in `out`.
    resume
        Go on with the part in `out` that was killed or interrupted; begin where there is none.
    progress : Progress, optional
        Is told how it goes.

    Returns
    -------
    StoredPart or None
        None where Ctrl-C ended it: `resume` goes on.

    Raises
    ------
    InputError
        As `fit`; there are no such starts; or the fit has no parts, as one with `fit.budget` or of a network.

    Examples
    --------
    >>> import odefit, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for k in ("1", "2"):
    ...         part = odefit.fit_part("configs/lynx_hare.yaml", f"{k}/2", ["fit.starts=4"], out=f"{folder}/{k}")
    ...     run = odefit.merge([f"{folder}/1", f"{folder}/2"], out=f"{folder}/run")
    >>> run.result.starts.finished, round(run.result.estimates["alpha"].value, 3)
    (4, 0.54)
    """
    place = place_of(out, overwrite, resume)
    loaded = begun_at(loaded_from(config, overrides, data, only_beside), start_from)
    if kind_of(loaded) is not EQUATIONS:
        raise ConfigError(loaded.where("model.name"), "is trained from one start, which has no parts")
    from odefit.fitting.starts_in_parts import check_has_parts
    from odefit.fitting.strategy import plan_part

    check_has_parts(loaded)
    section = loaded.config.fit
    chosen = part_of(part, "starts", section.starts, "starts")
    if chosen.all != section.starts:
        loaded = replace(
            loaded, config=loaded.config.model_copy(update={"fit": section.model_copy(update={"starts": chosen.all})})
        )
    measured, work = plan_part(loaded, chosen.numbers)
    settings = {
        "overrides": [*overrides, f"fit.starts={chosen.all}"],
        "folder": os.getcwd(),
        "start_from": None if start_from is None else str(getattr(start_from, "path", start_from)),
    }
    identity = identified(identity_of_fit(loaded, measured), chosen, str(loaded.path), settings)

    def compute(desk: Desk) -> bool:
        for note in loaded.notes:
            desk.progress.note(note)
        return work(desk.progress, desk.memory).status != Status.INTERRUPTED

    return in_part_folder(place, f"{loaded.path.stem}-{chosen.name}", identity, progress or Silent(), compute)


def identity_of_fit(loaded: LoadedConfig, measured: Sequence[Experiment]) -> dict[str, Any]:
    """What a fit is the fit of, with the values that it begins at where those are of an earlier one."""
    identity = identity_of(loaded, measured)
    if loaded.earlier is not None:
        values = repr(sorted(loaded.earlier.values.items()))
        identity["data"]["where the fit begins"] = hashlib.sha256(values.encode()).hexdigest()
    return identity


def of_run(run: Run | Path | str, refuse: Callable[[Run], Run]) -> tuple[Run, Path]:
    """A run with a folder that can be asked, and the folder. Raises RunError."""
    loaded = load_run(run) if isinstance(run, Path | str) else run
    found = refuse(loaded)  # type: ignore[arg-type]  # what is no fit of equations is refused there
    if found.path is None:
        raise RunError(found.place, "has no folder that parts on other machines could be of; save it first")
    return found, found.path


def identity_of_question(run: Run, question: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a question to a run is: of which fit, with which estimates, and how it is asked."""
    known = run.identity()
    config = {**known["config"], **{f"{question}.{name}": value for name, value in settings.items()}}
    estimates = hashlib.sha256(run.theta.tobytes()).hexdigest()
    return {"config": config, "data": {**known["data"], "the estimates": estimates}, "versions": versions()}


def question_part(
    run: Run,
    path: Path,
    question: str,
    settings: Mapping[str, Any],
    chosen: Part,
    place: Place,
    progress: Progress | None,
    compute: Callable[[Desk], bool],
) -> StoredPart | None:
    """A part of an answer, by default beside the run, whose folder is `path`. settings: how the question is asked."""
    beside = replace(place, out=place.out or path.with_name(f"{path.name}-{chosen.name}"))
    identity = identity_of_question(run, question, settings)
    whole = identified(identity, chosen, str(path), {"folder": os.getcwd(), **settings})
    return in_part_folder(beside, chosen.name, whole, progress or Silent(), compute)


def place_of(out: Path | str | None, overwrite: bool, resume: bool) -> Place:
    """Where a part goes, as its functions are asked."""
    return Place(None if out is None else Path(out), overwrite, resume)
