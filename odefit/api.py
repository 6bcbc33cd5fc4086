"""The functions of the public face: read the config, ask `KINDS` which wing of the house it belongs to, call it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.config.latent_section import LATENT_ODE
from odefit.config.load import LoadedConfig, load_config
from odefit.config.versions import FIRST_VERSION
from odefit.errors import InputError, NewerConfigError, RunError
from odefit.runs import folder as files
from odefit.runs import validation
from odefit.runs.acquire import acquire_run_folder
from odefit.runs.checkpoint import Checkpoint
from odefit.runs.fingerprint import identity_of
from odefit.runs.log import Logged, run_log
from odefit.runs.progress import Progress, Silent
from odefit.runs.results import versions
from odefit.runs.stored import read_result

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.problem.simulation import Simulated

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """Where one kind of model is fitted, loaded, checked and simulated, each as `module:function`.

    plan: LoadedConfig -> its measurements, and the work that is left once there is a folder for it.
    load: path, result, LoadedConfig -> the run. check: LoadedConfig, name -> the report as text.
    simulate: LoadedConfig -> Simulated.
    """

    plan: str
    load: str
    check: str
    simulate: str


EQUATIONS = Kind(
    plan="odefit.fitting.strategy:plan",
    load="odefit.fitting.run:load_equations",
    check="odefit.diagnostics.checking:report",
    simulate="odefit.problem.simulation:simulate_data",
)
KINDS = {
    LATENT_ODE: Kind(
        plan="odefit.latent.strategy:plan",
        load="odefit.latent.latent_run:load_latent",
        check="odefit.latent.task_check:latent_report",
        simulate="odefit.latent.spirals:simulate_spirals",
    ),
}
"""Models by name that are no equations; all others are `EQUATIONS`."""


def kind_of(loaded: LoadedConfig) -> Kind:
    return KINDS.get(loaded.config.model.name or "", EQUATIONS)


def _call(place: str, *arguments: Any) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)(*arguments)


def fit(
    config: Path | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run | LatentRun:
    """Fit the model of a config to its data, and write the run folder.

    config: the YAML file, or what would stand in it as a mapping; paths are then relative to the current folder.
    overrides: `fit.starts=50` and the like. out: the run folder; default `runs/<name of the config>`,
    numbered. resume: go on with the fit in `out`, or the newest of these, that was killed or interrupted.
    Raises ConfigError, DataError, ModelError or RunError for the user's input, SolveError or
    FitError for the numerics. What was reached by then is kept in the run folder.
    """
    loaded = load_config(config, overrides)
    measured, work = _call(kind_of(loaded).plan, loaded)
    with (
        acquire_run_folder(None if out is None else Path(out), loaded.path.stem, overwrite, resume) as path,
        run_log(path),
    ):
        told = Logged(progress or Silent())
        log.info("fit of %s%s", loaded.path.resolve(), "".join(f", {text}" for text in overrides))
        log.info("versions: %s", ", ".join(f"{name} {version}" for name, version in versions().items()))
        checkpoint = Checkpoint(path, identity_of(loaded, measured), told.note)
        if resume:
            checkpoint.resume()
            log.info("resumed after %.3g s", checkpoint.seconds)
        for note in loaded.notes:
            told.note(note)
        with checkpoint.kept():
            run: Run | LatentRun = work(path, told, checkpoint)
        log.info("%s: %s", run.result.status, run.result.message)
        return run


def simulate(
    config: Path | str | Mapping[str, Any], overrides: Sequence[str] = (), *, out: Path | str | None = None
) -> Simulated:
    """Make the data that a config's `data.simulate` or `data.spirals` describes; with `out`, write them there.

    The CSV comes with `<name>.truth.yaml` beside it; the same seed gives the same bytes. Raises
    ConfigError, ModelError, SolveError, or RunError where the file cannot be written.
    """
    loaded = load_config(config, overrides)
    for note in loaded.notes:
        log.warning("note: %s", note)
    kind = EQUATIONS if loaded.config.data.spirals is None else kind_of(loaded)
    simulated: Simulated = _call(kind.simulate, loaded)
    if out is not None:
        try:
            simulated.write(Path(out))
        except OSError as error:
            raise RunError(str(out), f"cannot be written: {(error.strerror or str(error)).lower()}") from error
    return simulated


def check(config: Path | str, overrides: Sequence[str] = ()) -> str:
    """A report of the assembled problem. Raises what `fit` would raise for the same input."""
    loaded = load_config(config, overrides)
    report: str = _call(kind_of(loaded).check, loaded, str(config))
    return "\n".join([report, *(f"note: {note}" for note in loaded.notes)])


def load_run(path: Path | str) -> Run | LatentRun:
    """Read a run folder, which may be a stranger's. Raises RunError where it is missing or damaged."""
    path = Path(path)
    validation.check_folder(path)
    result = read_result(path)
    try:
        loaded = load_config(path / files.CONFIG, unversioned=FIRST_VERSION)
        validation.check_config(loaded)
        run: Run | LatentRun = _call(kind_of(loaded).load, path, result, loaded)
    except RunError:
        raise
    except NewerConfigError as error:
        raise RunError(str(path / files.CONFIG), error.faults[0].what) from None
    except InputError as error:
        raise RunError(str(path), f"{validation.DAMAGED}: {error.faults[0]}") from None
    return run
