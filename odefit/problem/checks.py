"""What may be wrong between a config and its data, once both are read: every check gathers faults in one list.

A new check is one function of a `Draft` and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from odefit.config.fit_methods import METHODS, TRAINING_KEYS, as_written, trains_equations
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine
from odefit.errors import ConfigError, Faults
from odefit.model.formulas import free_names
from odefit.problem.described import FORMULA, Described, initial_name
from odefit.problem.hold_out import Split
from odefit.problem.measured_columns import in_measured_cells
from odefit.problem.network_calls import check_places
from odefit.problem.network_files import Arrays
from odefit.problem.noise_columns import NoiseColumns
from odefit.problem.noise_models import NoiseModels, check_measurements
from odefit.problem.parameter_table import TableBuilder
from odefit.problem.requested_plots import check_plots
from odefit.records import dataclass


@dataclass(frozen=True)
class Draft:
    """A problem whose names are known and whose numbers are not yet bound.

    Parameters
    ----------
    loaded, described
        The config, and the system that it describes.
    measured
        The experiments with every measurement.
    parts
        The same, split into what the fit sees and what is held out.
    by_folds
        Whether a fold of the cross-validation was held out as well.
    noise
        The noise model of every observable.
    builder
        The rows of the parameter table, and who uses them.
    arrays
        What networks are given beside numbers.
    """

    loaded: LoadedConfig
    described: Described
    measured: tuple[Experiment, ...]
    parts: Split
    by_folds: bool
    noise: NoiseModels
    builder: TableBuilder
    arrays: Arrays


def unused_names(draft: Draft, faults: Faults) -> None:
    """Parameters and inputs that no formula names."""
    loaded, described, noise = draft.loaded, draft.described, draft.noise
    in_noise = NoiseColumns(loaded, described).names
    in_cells = in_measured_cells(draft.measured)
    if in_cells and loaded.config.data.only is not None:
        in_cells |= {*described.unused}  # cells of rows that are left out may name them
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind == FORMULA}
    for name in described.unused:
        if name not in noise.named | noise.own.keys() | in_noise | in_cells | starts:
            faults.add(
                loaded.where("parameters", name), "appears in no formula; remove it, or check its spelling there"
            )
    for name in loaded.config.data.inputs:
        formulas = [
            *described.system.formulas,
            *described.system.expressions.values(),
            *(m.sigma for m in noise.models.values() if m.sigma is not None),
        ]
        if not any(name in free_names(formula) for formula in formulas):
            faults.add(loaded.where("data", "inputs", name), "appears in no formula; remove it, or check its spelling")


def impossible_measurements(draft: Draft, faults: Faults) -> None:
    """Measurements that their noise model cannot produce, or that lack the errors which it needs."""
    check_measurements(draft.loaded, draft.noise.models, draft.measured, faults)


def meaningless_fit_keys(draft: Draft, faults: Faults) -> None:
    """Keys of the fit that have no meaning for equations."""
    loaded, section = draft.loaded, draft.loaded.config.fit
    if section.intervals == "profile" and not draft.described.system.is_mechanistic:
        faults.add(loaded.where("fit", "intervals"), "a model with a network has no profiles; remove the key")
    if not draft.described.system.is_mechanistic:
        if section.shooting:
            faults.add(loaded.where("fit", "shooting"), "is for equations without a network; `windows` train networks")
        return
    if section.shooting and trains_equations(section.method):
        what = f"is not for `method: {section.method}`, which has no starts; remove it"
        faults.add(loaded.where("fit", "shooting"), what)
    if section.windows is not None:
        faults.add(loaded.where("fit", "windows"), "is for models with a network; remove it")
    if section.match is not None and section.match not in (False, True):
        what = f"a number of iterations is for models with a network; write true or false (got {section.match})"
        faults.add(loaded.where("fit", "match"), what)
    elif section.match and trains_equations(section.method):
        faults.add(
            loaded.where("fit", "match"), f"is not for `method: {section.method}`, which has no starts; remove it"
        )
    if trains_equations(section.method):
        return
    trainings = as_written(method for method in METHODS.values() if not method.searches)
    for key in TRAINING_KEYS:
        if getattr(section, key) is not None:
            what = f"only for {trainings}, so say that (got `{section.method}`), or for models with a network"
            faults.add(loaded.where("fit", key), what)


def early_times(draft: Draft, faults: Faults) -> None:
    """Doses and events at known times that come before anything begins."""
    loaded, described, measured = draft.loaded, draft.described, draft.measured
    lag = described.dosing.lag
    if lag.is_number and any(d.time + float(lag) < e.start for e in measured for d in e.doses):
        what = f"a dose that comes {float(lag):g} after its time comes before the start of an experiment"
        faults.add(loaded.where("data", "doses", "lag"), what)
    for event in described.system.events:
        time = event.time
        if time.is_number and all(float(time) < e.start for e in measured):
            what = f"the event at t = {float(time):g} comes before every experiment; remove it, or see data.start"
            faults.add(loaded.where("model", "events"), what)


def unknown_in_plots(draft: Draft, faults: Faults) -> None:
    """Observables and experiments that `plots` names and that do not exist."""
    system = draft.described.system
    quantities = dict.fromkeys([*system.observables, *system.states, *system.expressions])
    check_plots(draft.loaded, quantities, draft.measured, faults)


def misplaced_networks(draft: Draft, faults: Faults) -> None:
    """Networks where they cannot be computed."""
    check_places(draft.loaded, draft.described.system, faults)


CHECKS: tuple[Callable[[Draft, Faults], None], ...] = (
    unused_names,
    impossible_measurements,
    meaningless_fit_keys,
    early_times,
    unknown_in_plots,
    misplaced_networks,
)


def check_learnable(draft: Draft, seen: Sequence[Experiment]) -> None:
    """Something must be left to learn from, when rows that serve as initial values are no measurements any more.

    Raises ConfigError.
    """
    if not any(e.n_measured for e in seen):
        where = draft.loaded.where("model", "initial")
        raise ConfigError(where, "the first row is all there is, and `first` uses it up")


def check_held_out(draft: Draft, seen: Sequence[Experiment]) -> None:
    """What an experiment of which nothing is seen needs must be learnt from the others.

    Parameters
    ----------
    draft
        The problem so far.
    seen
        All experiments with those measurements that the fit is to explain.

    Raises
    ------
    ConfigError
        With every parameter of which nothing can be learnt.
    """
    builder = draft.builder
    learnt, needed = set[str](), dict[str, str]()
    is_seen = [bool(e.n_measured) for e in seen]
    for targets in builder.bound.values():
        for experiment, target, here in zip(seen, targets, is_seen, strict=True):
            if isinstance(target, str) and builder.rows[target].estimate:
                if here:
                    learnt.add(target)
                else:
                    needed.setdefault(target, experiment.name)
    faults = Faults()
    for target, name in needed.items():
        if target not in learnt:
            what = f"nothing is left to learn {target} from when experiment {name} is held out: "
            if builder.rows[target].role == "initial":
                what += "start from `first`, a number, or a parameter that all share, such as `initial: {x: x_start}`"
            else:
                what += "share it (no `by`), or fix it"
            faults.add(draft.loaded.where(*(("fit", "folds") if draft.by_folds else ("data", "hold_out"))), what)
    faults.check()


def check_solver(loaded: LoadedConfig, engine: Engine) -> None:
    """Options that the chosen engine does not have. Raises ConfigError."""
    if not engine.is_compiled:
        return
    faults, section = Faults(), loaded.config.solver
    if section.step is not None:
        what = f"{section.method} chooses its steps itself; remove it, or use a fixed-step method such as rk4"
        faults.add(loaded.where("solver", "step"), what)
    if section.adjoint:
        what = f"{section.method} has exact sensitivities; remove it, or use a torch method such as dopri5"
        faults.add(loaded.where("solver", "adjoint"), what)
    faults.check()
