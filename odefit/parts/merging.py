"""`odefit.merge`: the whole made of its parts, as if one machine had computed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.api import Config, begun_at, load_run, loaded_from
from odefit.errors import RunError
from odefit.folder_fits import Known, Place, fit_in_folder
from odefit.model_kinds import call, kind_of
from odefit.parts.answers import merged_chains, merged_profiles, merged_samples
from odefit.parts.fits import identity_of_fit
from odefit.runs.fingerprint import differences
from odefit.runs.parts import StoredPart, processors, read_parts
from odefit.runs.progress import Progress, Silent
from odefit.runs.results import Result

if TYPE_CHECKING:
    from odefit.api import Data
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.profiles.records import Profiles
    from odefit.resampling.bootstrap import Bootstrap
    from odefit.sampling.sample import Sampled

    Merged = Run | LatentRun | Profiles | Bootstrap | Sampled


def merge(
    parts: Sequence[Path | str],
    *,
    config: Config | None = None,
    data: Data | None = None,
    run: Run | Path | str | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    show: Callable[[Result], None] | None = None,
) -> Merged:
    """Make the whole of parts that were computed on several machines.

    The result is that of one machine, to the last bit where the processors are of one kind.

    Parameters
    ----------
    parts : sequence of path
        The folders of all parts, in any order.
    config : path or mapping, optional
        Of a fit: its config, where it lies elsewhere than when the parts were computed.
    data : pandas.DataFrame or sequence of Experiment, optional
        Of a fit: the measurements, where parts were computed with such.
    run : Run or path, optional
        Of what a run was asked: the run, where it lies elsewhere than when the parts were computed.
    out : path, optional
        Of a fit: the run folder; default `runs/<name>`, numbered. Answers are written into the folder of their run.
    overwrite
        Replace what is there of an earlier run or answer.
    progress : Progress, optional
        Is told how it goes.
    show
        Of a fit: is given the result as soon as there is one, before anything of it is written.

    Returns
    -------
    Run, Profiles, Bootstrap or Sampled
        As `fit`, `profile`, `bootstrap` or `sample` give it.

    Raises
    ------
    RunError
        A folder holds no part, or the parts do not belong together: another config, other data or versions, numbers
        that are missing or twice; all that is wrong at once.
    InputError
        As `fit`.

    Examples
    --------
    >>> import odefit
    >>> try:
    ...     odefit.merge(["runs/no-such-part"])
    ... except odefit.RunError as error:
    ...     print(error)
    runs/no-such-part: does not exist; give the folders that parts were computed into
    """
    found, told = read_parts([Path(each) for each in parts]), progress or Silent()
    kind = found[0].part.of
    if (kinds := processors(found)) > 1:
        same = "other draws of the same posterior" if kind == "chains" else "the same but for the last digits"
        told.note(f"{kinds} kinds of processors have computed these parts: on one kind they would be {same}")
    if kind == "starts":
        return _merged_fit(found, config, data, Place(None if out is None else Path(out), overwrite), told, show)
    if out is not None:
        raise RunError("--out", f"is for fits: {kind} go into the folder of their run, which --run names")
    source = located(found[0], "run", "--run") if run is None else run
    if kind == "samples":
        return merged_samples(found, source, overwrite)
    if kind == "chains":
        return merged_chains(found, source, overwrite)
    return merged_profiles(found, source, overwrite, told)


def _merged_fit(
    found: Sequence[StoredPart],
    config: Config | None,
    data: Data | None,
    place: Place,
    progress: Progress,
    show: Callable[[Result], None] | None,
) -> Run | LatentRun:
    from odefit.fitting.starts_in_parts import reached_by

    first = found[0]
    source = config if config is not None else located(first, "config", "--config")
    loaded = loaded_from(source, first.settings["overrides"], data, None)
    loaded = begun_at(loaded, first.settings.get("start_from"))
    measured, _ = call(kind_of(loaded).plan, loaded)
    apart = differences(first.identity, identity_of_fit(loaded, measured))
    if apart:
        what = f"is not what the parts were computed with: {'; '.join(apart)}"
        raise RunError(str(loaded.path), f"{what}; name the right one by --config, or compute them again")
    known = Known(reached_by(found), sum(each.seconds for each in found))
    title = f"{loaded.path.resolve()}, from {len(found)} parts"
    return fit_in_folder(loaded, place, progress, title, load_run, show, known)


def located(part: StoredPart, what: str, option: str) -> Path:
    """Where the config, or the run, is that a part is of. Raises RunError."""
    for candidate in (Path(part.source), Path(part.settings.get("folder", "."), part.source)):
        if candidate.exists():
            return candidate
    raise RunError(part.source, f"is the {what} of these parts, and is not here: say where it is by {option}")
