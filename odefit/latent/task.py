"""What a config says of a latent ODE: the data, and every option of the model and of its training.

Most of what equations know (parameters, noise models, doses, …) makes no sense for it: such keys are refused, all at
once, each with what to do instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from odefit.arrays import FloatArray, Mask
from odefit.config.latent_section import LatentSection
from odefit.config.load import LoadedConfig
from odefit.config.model_section import LATENT_ODE
from odefit.config.schema import FitSection
from odefit.data.experiments import Experiment
from odefit.data.table_beside import Beside
from odefit.engines.methods import METHODS, methods_of
from odefit.engines.torch_engine import MAX_STEPS
from odefit.errors import ConfigError, DataError, Fault, Faults, ModelError
from odefit.latent.estimator import check_observed, n_weights, validation_rows
from odefit.latent.minibatches import TrainingOptions
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.objective import ElboOptions
from odefit.latent.spirals import simulate_spirals
from odefit.model.networks import ACTIVATIONS, MAX_WEIGHTS
from odefit.model.system import TIME
from odefit.problem.dated_config import with_numbers_for_dates
from odefit.problem.dates import dates_of
from odefit.problem.measured import read_measured
from odefit.problem.table_form import beside_notes
from odefit.records import dataclass
from odefit.runs.results import Dates
from odefit.text import suggest
from odefit.training.learning_rate import Schedule

DEFAULT_STEPS = 100
"""Fixed steps on the longest series, where the config says nothing."""
DEFAULT_TIMES_PER_STEP = 200
"""Times of the grid in a step of the training, where the config says nothing."""
MIN_SERIES_TO_SPLIT = 50
"""With fewer series, all are trained on where the config says nothing: two or three choose badly."""
DEFAULT_VALIDATION = 0.1
"""The share of the series that is not trained on, where the config says nothing."""
MIN_STEPS = 2000
"""Steps of a training at least, where the config says nothing of the epochs: for few series more epochs."""
MAX_CELLS = 100_000_000
"""Series times their common times times observables: about a gigabyte."""

_REMOVE = "remove the key"
_START = f"the encoder reads off each series where it starts; {_REMOVE}"
REFUSED: dict[tuple[str, ...], str] = {
    ("parameters",): "it has no named parameters, only weights; remove the section",
    ("noise",): "its noise level is model.latent.sigma, learnt where that is not given; remove the section",
    ("model", "states"): "its states have no names; say how many there are: model.latent.dimension",
    ("model", "observables"): "its observables are learnt; name the measured columns in model.measured",
    ("model", "initial"): _START,
    ("model", "steady_state"): _START,
    ("model", "expressions"): f"its states have no names that a formula could use; {_REMOVE}",
    ("model", "events"): f"nothing changes its states at once; {_REMOVE}",
    ("model", "direction"): f"that is for `potential`; {_REMOVE}",
    ("model", "time_input"): f"its field does not depend on the time; {_REMOVE}",
    ("model", "normalise"): f"it always takes its units from the data; {_REMOVE}",
    (
        "data",
        "simulate",
    ): "make the data with `odefit simulate` from a config with equations, and name them as data.csv",
    ("data", "experiments"): f"it knows no constants of experiments; {_REMOVE}",
    ("data", "doses"): f"it knows no doses; {_REMOVE}",
    ("data", "inputs"): f"it knows no inputs; {_REMOVE}",
    ("data", "hold_out"): "series are set aside by model.latent.validation, and later times by model.latent.observed",
    ("solver", "adjoint"): f"it is trained by backpropagation; {_REMOVE}",
    ("solver", "sensitivity_rtol"): f"that is for equations; {_REMOVE}",
    ("solver", "sensitivity_atol"): f"that is for equations; {_REMOVE}",
    ("solver", "device"): f"it is trained on the CPU; {_REMOVE}",
    ("fit", "starts"): f"it is trained from one start; {_REMOVE} (several starting points of series: latent.starts)",
    ("fit", "time_limit"): "its time is limited by fit.epochs; set these",
    ("fit", "cpu_limit"): "its time is limited by fit.epochs; set these",
    ("fit", "budget"): "its time is limited by fit.epochs; set these",
    ("fit", "folds"): "series are set aside by model.latent.validation; remove the key",
    ("fit", "intervals"): f"its weights have no likelihood to profile; {_REMOVE}",
    ("fit", "max_iterations"): "it is trained for fit.epochs; set these",
    ("fit", "match"): f"its states are not in the data, so their slopes are not either; {_REMOVE}",
    ("fit", "windows"): "its series are cut by model.latent.starts and model.latent.grow; remove the key",
    ("fit", "horizon"): "its horizon grows by model.latent.grow; remove the key",
    ("fit", "loss"): f"it is trained by the evidence lower bound; {_REMOVE}",
    ("fit", "weight_decay"): f"its prior on the latent start keeps it simple; {_REMOVE}",
    ("fit", "patience"): f"all epochs are used, and the best is kept; {_REMOVE}",
}


@dataclass(frozen=True)
class LatentTask:
    """One latent ODE to be trained, or that was.

    Parameters
    ----------
    loaded
        The config.
    measured
        All series.
    options, elbo, training
        Those of the model, of its bound and of the training.
    observed
        The encoder reads until this elapsed time; None: everything.
    validation
        The share of the series that chooses the best epoch.
    dtype
        Of the weights and the solution.
    notes
        What a user should know of how the series were read.
    dates
        What their times count from, where they are dates.
    """

    loaded: LoadedConfig
    measured: tuple[Experiment, ...]
    options: LatentOptions
    elbo: ElboOptions
    training: TrainingOptions
    observed: float | None
    validation: float
    dtype: torch.dtype
    notes: tuple[str, ...] = ()
    dates: Dates | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the observables."""
        return tuple(self.loaded.config.model.measured or ())

    @cached_property
    def aside(self) -> tuple[int, ...]:
        """The positions of the series that are not trained on."""
        return tuple(validation_rows(len(self.measured), self.validation, self.training.seed))

    def read(self, experiment: Experiment) -> Mask:
        """Mark those of its times that the encoder reads, [T]."""
        end = math.inf if self.observed is None else self.observed * (1 + 1e-9)
        within: Mask = experiment.times - experiment.start <= end
        return within


def prepare_latent(loaded: LoadedConfig) -> LatentTask:
    """Do everything that comes before the training.

    Parameters
    ----------
    loaded
        The config.

    Returns
    -------
    LatentTask

    Raises
    ------
    ConfigError, DataError
        Keys that make no sense for a latent ODE, or series that do not suit it.
    """
    refuse(loaded)
    if loaded.config.data.spirals is not None:
        return latent_task(loaded, simulate_spirals(loaded).experiments)
    notes: list[str] = []
    beside, loaded = Beside(), with_numbers_for_dates(loaded)
    experiments = read_measured(loaded, tuple(loaded.config.model.measured or ()), notes, beside=beside)
    notes += beside_notes(loaded, beside)
    return replace(latent_task(loaded, experiments), notes=tuple(notes), dates=dates_of(loaded, beside.clock))


def refuse(loaded: LoadedConfig) -> None:
    """Raise ConfigError with every key that makes no sense here, or not such a value."""
    config, faults = loaded.config, Faults()
    for keys, what in REFUSED.items():
        section: Any = config
        for key in keys[:-1]:
            section = getattr(section, key)
        field = type(section).model_fields[keys[-1]]
        if getattr(section, keys[-1]) != field.get_default(call_default_factory=True, validated_data={}):
            faults.add(loaded.where(*keys), f"not for `{LATENT_ODE}`: {what}")
    names = config.model.measured or []
    for name in {name for name in names if names.count(name) > 1}:
        faults.add(loaded.where("model", "measured"), f"names '{name}' twice")
    for name in config.model.units:
        if name not in (*names, TIME):
            faults.add(loaded.where("model", "units", name), f"'{name}' is not measured; {suggest(name, names)}")
    if config.data.spirals is not None and len(names) != 2:
        faults.add(loaded.where("model", "measured"), f"must be two names for `data.spirals` (got {len(names)})")
    if config.data.spirals is not None and config.data.fixed_start is not None:
        faults.add(loaded.where("data", "start"), "spirals start at 0; remove the key")
    activation = config.model.activation
    if activation is not None and activation not in ACTIVATIONS:
        faults.add(loaded.where("model", "activation"), f"'{activation}' is none; {suggest(activation, ACTIVATIONS)}")
    _check_solver(loaded, faults)
    _check_fit(loaded, faults)
    faults.check()
    size = _size(loaded)
    if size > MAX_WEIGHTS:
        raise ConfigError(loaded.where("model"), f"makes {size:,} weights; at most {MAX_WEIGHTS:,}")


def _check_solver(loaded: LoadedConfig, faults: Faults) -> None:
    solver, where = loaded.config.solver, loaded.where("solver", "method")
    known = [name for name in methods_of("torch") if not METHODS[name].adjoint_only]
    if solver.method in METHODS and METHODS[solver.method].is_compiled:
        faults.add(where, f"{solver.method} is for equations; a latent ODE takes rk4, dopri5 or another of torchdiffeq")
    elif solver.method not in ("auto", *known):
        faults.add(where, f"'{solver.method}' is none for `{LATENT_ODE}`; {suggest(solver.method, known)}")
    elif solver.step is not None and _is_adaptive(_method(loaded)):
        faults.add(loaded.where("solver", "step"), f"{solver.method} chooses its steps itself; {_REMOVE}")


def _check_fit(loaded: LoadedConfig, faults: Faults) -> None:
    fit = loaded.config.fit
    if fit.method not in ("auto", "adam"):
        faults.add(loaded.where("fit", "method"), f"a latent ODE is trained by adam (got {fit.method})")
    if fit.schedule is None:
        return
    if fit.schedule.kind not in ("cosine", "constant"):
        what = f"the learning rate of a latent ODE is `cosine` or `constant` (got {fit.schedule.kind})"
        faults.add(loaded.where("fit", "schedule"), what)
    rate = fit.learning_rate or TrainingOptions().adam.learning_rate
    if fit.schedule.final is not None and fit.schedule.final > rate:
        what = f"must not be above the first learning rate, {rate:g} (got {fit.schedule.final:g})"
        faults.add(loaded.where("fit", "schedule", "final"), what)


def _method(loaded: LoadedConfig) -> str:
    return "rk4" if loaded.config.solver.method == "auto" else loaded.config.solver.method


def _is_adaptive(method: str) -> bool:
    return not METHODS[method].is_fixed_step


def _size(loaded: LoadedConfig) -> int:
    """Count the weights of the model; none of them is made."""
    with torch.device("meta"), _placed(loaded):
        return n_weights(LatentODE(len(loaded.config.model.measured or ()), _options(loaded, 1.0)))


@contextmanager
def _placed(loaded: LoadedConfig) -> Iterator[None]:
    """Say where in the config a network stands that is too large."""
    try:
        yield
    except ModelError as error:
        raise ModelError(loaded.where("model"), error.faults[0].what) from None


def latent_task(loaded: LoadedConfig, experiments: Sequence[Experiment]) -> LatentTask:
    """Bind the config to its series.

    Parameters
    ----------
    loaded
        The config, whose keys have been checked by `refuse`.
    experiments
        The series.

    Returns
    -------
    LatentTask

    Raises
    ------
    ConfigError, DataError
        The series do not suit it.
    """
    section = loaded.config.model.latent or LatentSection()
    measured = tuple(experiments)
    _check_series(loaded, measured, section)
    longest = max(float(e.times[-1] - e.start) for e in measured)
    options = _options(loaded, longest)
    if options.step is not None and longest / options.step > MAX_STEPS:
        what = (
            f"{options.step:g} makes {longest / options.step:.1e} steps, and {MAX_STEPS} are too many; make it larger"
        )
        raise ConfigError(loaded.where("solver", "step"), what)
    solver, share = loaded.config.solver, _validation(section, len(measured))
    return LatentTask(
        loaded,
        measured,
        options,
        ElboOptions(section.times_per_step or DEFAULT_TIMES_PER_STEP, section.anneal, section.grow, section.starts),
        _training(loaded.config.fit, len(measured) - round(share * len(measured))),
        section.observed,
        share,
        # What suits a network; equations have another default.
        torch.float64 if "dtype" in solver.model_fields_set and solver.dtype == "float64" else torch.float32,
    )


def _options(loaded: LoadedConfig, longest: float) -> LatentOptions:
    model, solver = loaded.config.model, loaded.config.solver
    section = model.latent or LatentSection()
    default, method = LatentOptions(), _method(loaded)
    given = solver.model_fields_set
    return LatentOptions(
        dimension=section.dimension,
        constants=section.constants,
        refine=section.refine,
        hidden=default.hidden if model.hidden is None else tuple(model.hidden),
        activation=model.activation or default.activation,
        encoder=section.encoder,
        decoder=tuple(section.decoder),
        sigma=section.sigma,
        method=method,
        # The same for every horizon, so that a curve does not depend on how far it is drawn.
        step=None if _is_adaptive(method) else solver.step or longest / DEFAULT_STEPS or None,
        rtol=solver.rtol if "rtol" in given else default.rtol,
        atol=solver.atol if isinstance(solver.atol, float) else default.atol,
        own_scale=section.own_scale,
    )


def _validation(section: LatentSection, n: int) -> float:
    if section.validation is not None:
        return section.validation
    return DEFAULT_VALIDATION if n >= MIN_SERIES_TO_SPLIT else 0.0


def _training(fit: FitSection, series: int) -> TrainingOptions:
    """series: how many are trained on."""
    default = TrainingOptions()
    batch_size = fit.batch_size or default.batch_size
    steps = -(-series // batch_size)
    words = fit.schedule
    return TrainingOptions(
        replace(
            default.adam,
            epochs=fit.epochs or max(default.adam.epochs, -(-MIN_STEPS // steps)),
            learning_rate=fit.learning_rate or default.adam.learning_rate,
            schedule=Schedule(words.kind, words.final) if words else default.adam.schedule,
            gradient_clip=fit.gradient_clip or default.adam.gradient_clip,
        ),
        batch_size=batch_size,
        seed=fit.seed,
    )


def _check_series(loaded: LoadedConfig, measured: Sequence[Experiment], section: LatentSection) -> None:
    faults = [
        Fault(
            f"experiment {e.name}", "has limits such as `<0.5`, which a latent ODE cannot use; leave these cells empty"
        )
        for e in measured
        if e.censored is not None and e.censored.any()
    ]
    if faults:
        raise DataError(faults=faults[:20])
    check_observed(measured, section.observed)
    share = _validation(section, len(measured))
    if round(share * len(measured)) == len(measured):
        where = loaded.where("model", "latent", "validation")
        raise ConfigError(where, f"{share:g} of {len(measured)} series leaves none to train on; lower it")
    cells = len(measured) * len(common_times(measured)) * measured[0].values.shape[1]
    if cells > MAX_CELLS:
        what = f"{len(measured)} series have {len(common_times(measured))} different times, too many; round the times"
        raise DataError(loaded.where("data"), what)


def common_times(measured: Sequence[Experiment]) -> FloatArray:
    """The elapsed times of all series, [G], each once but for rounding."""
    elapsed: FloatArray = np.unique(np.concatenate([e.times - e.start for e in measured]))
    slack = 1e-9 * max(float(elapsed[-1]), math.ulp(0.0))
    return elapsed[np.diff(elapsed, prepend=-math.inf) > slack]
