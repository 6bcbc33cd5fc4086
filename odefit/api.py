"""The functions of the public face: read the config, ask which kind of model it is, call what that kind has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.arguments import checked
from odefit.arguments import path as a_path
from odefit.config.load import Given, LoadedConfig, load_config
from odefit.config.versions import FIRST_VERSION
from odefit.data.outputs import check_writable, telling_storage
from odefit.errors import ConfigError, InputError, NewerConfigError, RunError
from odefit.interop.formats import is_foreign
from odefit.model_kinds import EQUATIONS, call, kind_of
from odefit.runs import folder as files
from odefit.runs import validation
from odefit.runs.checkpoint import Forgetful
from odefit.runs.fingerprint import identity_of
from odefit.runs.log import Logged
from odefit.runs.progress import Progress, Silent
from odefit.runs.results import Result
from odefit.runs.stored import read_result, result_folder
from odefit.tracking.hooks import check_trackers, tracked

if TYPE_CHECKING:
    import pandas as pd

    from odefit.data.experiments import Experiment
    from odefit.fitting.run import Run
    from odefit.folder_fits import Place
    from odefit.latent.latent_run import LatentRun
    from odefit.problem.assembly import Assembly
    from odefit.problem.interface import Problem
    from odefit.problem.simulation import Simulated

    Data = pd.DataFrame | Sequence[Experiment]
log = logging.getLogger(__name__)

Config = Path | str | Mapping[str, Any]


def loaded_from(config: Config, overrides: Sequence[str], data: Data | None, only_beside: bool | None) -> LoadedConfig:
    """A config as it was read, or made of a problem of the field's formats."""
    given: Given | None = None
    if data is not None:
        from odefit.data.given import given_data

        given = given_data(data)
    if isinstance(config, str | Path) and is_foreign(Path(config)):
        from odefit.interop.foreign import load_foreign

        return load_foreign(Path(config), overrides, given, only_beside)
    return load_config(config, overrides, given, only_beside=only_beside)


def assembled(
    config: Config, overrides: Sequence[str] = (), *, data: Data | None = None, only_beside: bool | None = None
) -> Assembly:
    """The problem of equations that a config describes, with all that belongs to it.

    Parameters
    ----------
    config, overrides, data, only_beside
        As for `load`.

    Returns
    -------
    Assembly

    Raises
    ------
    ConfigError, DataError, ModelError
        What is wrong with the input, as much of it as can be known at once; or the model has no equations.
    """
    loaded = loaded_from(config, overrides, data, only_beside)
    assembly: Assembly = call(kind_of(loaded).prepare, loaded)[0]
    return assembly


def load(
    config: Config, overrides: Sequence[str] = (), *, data: Data | None = None, only_beside: bool | None = None
) -> Problem:
    """Bind a model to its data, as functions of its parameters for your own optimizer or sampler.

    Parameters
    ----------
    config : path or mapping
        The YAML file, or what would stand in it as a mapping; paths are then relative to the current folder.
    overrides : sequence of str
        `solver.rtol=1e-8` and the like.
    data : pandas.DataFrame or sequence of Experiment, optional
        The measurements, in place of those that the config names. A frame is wide or long, as a CSV file would be.
    only_beside : bool, optional
        Refuse a config that names files elsewhere than beside it or below; default: what the environment says, by
        `ODEFIT_ONLY_BESIDE=1`.

    Returns
    -------
    Problem

    Raises
    ------
    ConfigError, DataError, ModelError
        What is wrong with the input, as much of it as can be known at once. A model with a network has weights beside
        its parameters, and cannot be loaded.

    Examples
    --------
    >>> import odefit, pandas
    >>> frame = pandas.DataFrame({"time": [0, 1, 2, 3], "x": [2.0, 1.2, None, 0.45]})
    >>> problem = odefit.load({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=frame)
    >>> problem
    <Problem: 3 measurements, 3 estimated: k, x_0, sigma_x>
    >>> problem.x0[:2]
    array([0.5, 2. ])
    """
    from odefit.problem.interface import Problem

    assembly = assembled(config, overrides, data=data, only_beside=only_beside)
    if assembly.networks is not None:
        what = "has a network, whose weights are no parameters of this kind; it can be fitted, checked and plotted"
        raise ConfigError(assembly.loaded.where("model"), what)
    return Problem(assembly)


def fit(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    data: Data | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    start_from: Run | LatentRun | Path | str | None = None,
    only_beside: bool | None = None,
    progress: Progress | None = None,
) -> Run | LatentRun:
    """Fit the model of a config to its data.

    The fit is in memory and leaves nothing behind, unless `out` asks for a run folder.

    Parameters
    ----------
    config : path or mapping
        The YAML file, or what would stand in it as a mapping; paths are then relative to the current folder.
    overrides : sequence of str
        `fit.starts=50` and the like.
    data : pandas.DataFrame or sequence of Experiment, optional
        The measurements, in place of those that the config names. A frame is wide or long, as a CSV file would be.
    out : path, optional
        The run folder to write, with checkpoints on the way.
    overwrite : bool
        Replace an earlier run in `out`, which stays until the new one is complete.
    resume : bool
        Go on with the fit in `out` that was killed or interrupted; without `out`, with the newest in `runs`. Where
        there is none the fit begins; where it is finished this gives its result.
    accept_changes : bool
        Resume although the config or the data have changed since.
    start_from : Run or path, optional
        Begin at the values (and weights of networks) of an earlier run, as far as both have them.
    only_beside : bool, optional
        As for `load`.
    progress : Progress, optional
        Is told how the fit goes.

    Returns
    -------
    Run
        Its `result.status` says how it ended: converged, stopped, interrupted (Ctrl-C) or failed.

    Raises
    ------
    ConfigError, DataError, ModelError, RunError
        What is wrong with the input, as much of it as can be known at once.
    SolveError, FitError
        The numerics. What was reached by then is kept in the run folder, if there is one.
    StorageError
        The run folder cannot be written; the error has the run.

    Examples
    --------
    >>> import odefit, pandas
    >>> frame = pandas.DataFrame({"time": [0, 1, 2, 3, 4], "x": [2.0, 1.2, 0.75, 0.45, 0.27]})
    >>> run = odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=frame)
    >>> print(run.result.status, round(run.result.estimates["k"].value, 2))
    converged 0.5
    """
    if out is not None or resume:
        from odefit.folder_fits import Place

        return fit_into_folder(
            config,
            overrides,
            data=data,
            place=Place(None if out is None else Path(out), overwrite, resume, accept_changes),
            start_from=start_from,
            only_beside=only_beside,
            progress=progress,
        )
    loaded = begun_at(loaded_from(config, overrides, data, only_beside), start_from)
    return _fit_in_memory(loaded, Logged(progress or Silent()))


def _fit_in_memory(loaded: LoadedConfig, progress: Logged) -> Run | LatentRun:
    check_trackers(loaded)
    measured, work = call(kind_of(loaded).plan, loaded)
    for note in loaded.notes:
        progress.note(note)
    with tracked(loaded, lambda: identity_of(loaded, measured), progress, loaded.path.stem) as tracking:
        run: Run | LatentRun = work(progress if tracking is None else tracking.progress, Forgetful())
        if tracking is not None:
            tracking.finish(run)
    return run


def fit_into_folder(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    data: Data | None = None,
    place: Place | None = None,
    start_from: Run | LatentRun | Path | str | None = None,
    only_beside: bool | None = None,
    progress: Progress | None = None,
    show: Callable[[Result], None] | None = None,
) -> Run | LatentRun:
    """What the command does: the same with a run folder in any case. See `folder_fits.fit_in_folder`."""
    from odefit.folder_fits import Place, fit_in_folder

    place = place or Place()
    if start_from is not None and place.resume:
        raise RunError("--from", "begins at an earlier result, and --resume goes on with a fit; say one of them")
    loaded = begun_at(loaded_from(config, overrides, data, only_beside), start_from)
    foreign = isinstance(config, str | Path) and is_foreign(Path(config))
    origin = Path(config) if foreign and isinstance(config, str | Path) else loaded.path
    title = f"{origin.resolve()}{''.join(f', {text}' for text in overrides)}"
    run = fit_in_folder(loaded, place, progress or Silent(), title, load_run, show)
    if foreign and run.path is not None:
        from odefit.interop.foreign import keep_import

        keep_import(loaded.path, run.path)
    return run


def begun_at(loaded: LoadedConfig, start_from: Run | LatentRun | Path | str | None) -> LoadedConfig:
    """With the earlier result that the fit begins at, if there is one. Raises RunError."""
    if start_from is None:
        return loaded
    run = load_run(start_from) if isinstance(start_from, Path | str) else start_from
    return replace(loaded, earlier=run.as_start)


def simulate(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    only_beside: bool | None = None,
) -> Simulated:
    """Make the data that a config's `data.simulate` or `data.spirals` describes.

    Parameters
    ----------
    config, overrides, only_beside
        As for `fit`.
    out : path, optional
        A CSV file to write, with `<name>.truth.yaml` beside it; the same seed gives the same bytes.

    Returns
    -------
    Simulated
        `frame` (a pandas frame in the wide layout), `experiments`, `observables`, and `truth`, the parameters that made
        them.

    Raises
    ------
    ConfigError, ModelError
        What is wrong with the input.
    SolveError
        The model cannot be solved at the true parameters.
    RunError
        The file cannot be written.

    Examples
    --------
    >>> import odefit
    >>> simulated = odefit.simulate(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5},
    ...      "data": {"simulate": {"times": [0, 1, 2], "initial": {"x": 2}, "noise": 0.1, "seed": 1}}}
    ... )
    >>> simulated.frame.shape, dict(simulated.truth)
    ((3, 3), {'k': 0.5, 'x_0': 2.0})
    """
    return simulated_from(loaded_from(config, overrides, None, only_beside), out)


def simulated_from(loaded: LoadedConfig, out: Path | str | None) -> Simulated:
    """The same of a config that has been read."""
    for note in loaded.notes:
        log.warning("note: %s", note)
    if out is not None:
        check_writable([Path(out)])
    kind = EQUATIONS if loaded.config.data.spirals is None else kind_of(loaded)
    simulated: Simulated = call(kind.simulate, loaded)
    for note in simulated.notes:
        log.warning("note: %s", note)
    if out is not None:
        with telling_storage(Path(out)):
            simulated.write(Path(out))
    return simulated


def check(
    config: Config, overrides: Sequence[str] = (), *, data: Data | None = None, only_beside: bool | None = None
) -> str:
    """Report what is bound to what, without a fit.

    Parameters
    ----------
    config, overrides, data, only_beside
        As for `fit`.

    Returns
    -------
    str
        Equations, measurements, parameters, solver, and the objective where the search begins.

    Raises
    ------
    ConfigError, DataError, ModelError
        What `fit` would raise for the same input.

    Examples
    --------
    >>> import odefit
    >>> config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    >>> print(odefit.check(config, data=[odefit.Experiment("a", [0, 1, 2, 3], {"x": [2, 1.2, 0.75, 0.45]})]))
    ... # doctest: +ELLIPSIS
    fit.yaml: fine
    <BLANKLINE>
    Equations
      dx/dt = -k*x
      x(0) = estimated
    ...
    """
    loaded = loaded_from(config, overrides, data, only_beside)
    check_trackers(loaded)
    name = str(loaded.path) if isinstance(config, Mapping) else str(config)
    return "\n".join([call(kind_of(loaded).check, loaded, name), *(f"note: {note}" for note in loaded.notes)])


@checked(path=a_path)
def load_run(path: Path | str) -> Run | LatentRun:
    """Read a run folder, which may be a stranger's.

    Parameters
    ----------
    path
        The folder that a fit wrote, or a discovery, whose best candidate this is then.

    Returns
    -------
    Run
        As `fit` returned it; its model can be solved again.

    Raises
    ------
    RunError
        The folder is missing or damaged.

    Examples
    --------
    >>> import odefit, tempfile
    >>> config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    >>> data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = odefit.fit(config, data=data, out=f"{folder}/run")
    ...     again = odefit.load_run(f"{folder}/run")
    >>> again.result.estimates == written.result.estimates
    True
    """
    path = result_folder(files.run_in(Path(path)))
    result = read_result(path)
    try:
        loaded = load_config(path / files.CONFIG, unversioned=FIRST_VERSION)
        validation.check_config(loaded)
        run: Run | LatentRun = call(kind_of(loaded).load, path, result, loaded)
    except RunError:
        raise
    except NewerConfigError as error:
        raise RunError(str(path / files.CONFIG), error.faults[0].what) from None
    except InputError as error:
        raise RunError(str(path), f"{validation.DAMAGED}: {error.faults[0]}") from None
    return run
