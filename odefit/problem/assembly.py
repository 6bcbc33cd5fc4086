"""From a config and its data to a `FitProblem`: every name is bound here, and every contradiction found.

Nothing is solved and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import Mask
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.errors import ConfigError, Faults, ModelError
from odefit.model.formulas import free_names
from odefit.model.operators import put_numbers
from odefit.model.system import System, symbol
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Binding, ParameterTable
from odefit.objective.problem import FitProblem
from odefit.problem.derived import Derived, derived_quantities
from odefit.problem.hold_out import split
from odefit.problem.noise_models import NoiseModels, check_measurements, read_noise
from odefit.problem.parameter_table import TableBuilder
from odefit.problem.systems import FIRST, FORMULA, Described, initial_name, with_doses

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Assembly:
    """A problem, and what a result says about how it came together.

    measured: the experiments with every measurement; the problem's own leave out a first row that serves
    as initial value, and what is held out. held: the same experiments with what is held out, or empty; held_out:
    which cells of `measured` that is, [T, O] each.
    networks: the torch modules of the system, or None for a mechanistic one.
    derived: the parameters that follow from others by a formula.
    notes: what a user should know of how the data were read, a sentence each.
    """

    loaded: LoadedConfig
    described: Described
    measured: tuple[Experiment, ...]
    problem: FitProblem
    networks: nn.ModuleDict | None
    held: tuple[Experiment, ...] = ()
    held_out: tuple[Mask, ...] = ()
    derived: tuple[Derived, ...] = ()
    notes: tuple[str, ...] = ()


def assemble(
    loaded: LoadedConfig, described: Described, measured: Sequence[Experiment], fold: Collection[str] = ()
) -> Assembly:
    """Bind a described system to its data. Raises ConfigError with all faults found.

    fold: experiments to be held out beside those of `data.hold_out`.
    """
    faults = Faults()
    parts = split(loaded, measured, fold)
    constants = sorted({name for e in measured for name in e.constants})
    noise = read_noise(loaded, described, constants, faults)
    system = _with_surroundings(described, noise, measured)
    in_ties = sorted(set().union(*map(free_names, described.ties.values()))) if described.ties else []
    builder = TableBuilder(loaded, described, measured, parts.seen, faults)
    builder.add_model(in_ties)
    builder.add_named(noise)
    builder.add_initial()
    builder.add_noise(noise)
    _check_unused(loaded, described, noise, faults)
    check_measurements(loaded, noise.models, measured, faults)
    _check_training(loaded, described, faults)
    _check_times(loaded, described, measured, faults)
    faults.check()
    experiments = tuple(_without_first(described, e) for e in parts.seen)
    if not any(e.n_measured for e in experiments):
        raise ConfigError(loaded.where("model", "initial"), "the first row is all there is, and `first` uses it up")
    _check_held_out(loaded, builder, experiments, bool(fold))
    table = ParameterTable(tuple(builder.rows.values()))
    system, models = _inline(system, noise.models, builder)
    symbols = (*system.parameters, *_noise_symbols(models, system))
    binding = builder.bind(symbols)
    moving = _moving(binding, table)
    # A scale or an offset of an observable moves no state: no sensitivity equation is spent on it.
    in_states = set().union(*map(free_names, replace(system, observables={}).formulas))
    sensitive = tuple(name for name in system.parameters if name in moving and name in in_states)
    observed = tuple(name for name in symbols if name in moving and name not in sensitive)
    options = SolverOptions(**loaded.config.solver.model_dump())
    networks = _networks(described.system, loaded.config.fit.seed)
    engine = make_engine(system, options, sensitive, networks, loaded.where("solver", "method"))
    _check_solver(loaded, engine)
    observation = Observation(system, models, (*symbols, *system.inputs), (*sensitive, *observed))
    sections = loaded.config.parameters
    derived = derived_quantities(
        described.ties,
        builder.bound,
        measured,
        {name: section.formula for name, section in sections.items()},
        {name: section.unit for name, section in sections.items()},
    )
    problem = FitProblem(experiments, table, binding, observation, engine)
    held = tuple(_without_first(described, e) for e in parts.held)
    return Assembly(loaded, described, tuple(measured), problem, networks, held, parts.masks, derived)


def _with_surroundings(described: Described, noise: NoiseModels, measured: Sequence[Experiment]) -> System:
    """The system with the doses of its experiments, and with the inputs that noise formulas name."""
    system = with_doses(described.system, described, measured)
    used = set().union(*(free_names(m.sigma) for m in noise.models.values() if m.sigma is not None))
    known = dict.fromkeys(name for e in measured for name in e.inputs)
    return replace(system, inputs=tuple(name for name in known if name in used or name in system.inputs))


def _networks(system: System, seed: int) -> nn.ModuleDict | None:
    """The torch modules of a system's networks; the engine moves them to its device and dtype."""
    if system.is_mechanistic:
        return None
    from odefit.model.networks import build_networks

    return build_networks(system.networks.values(), seed)


def _noise_symbols(noise: Mapping[str, Noise], system: System) -> tuple[str, ...]:
    known = {*system.parameters, *system.states, *system.inputs, "t"}
    names = [n for model in noise.values() if model.sigma is not None for n in sorted(free_names(model.sigma))]
    return tuple(name for name in dict.fromkeys(names) if name not in known)


def _check_unused(loaded: LoadedConfig, described: Described, noise: NoiseModels, faults: Faults) -> None:
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind == FORMULA}
    for name in described.unused:
        if name in noise.named or name in noise.own:
            continue
        if name in starts:
            what = "model.initial already says what this state starts from; remove one of the two"
        else:
            what = "appears in no formula; remove it, or check its spelling there"
        faults.add(loaded.where("parameters", name), what)
    for name in loaded.config.data.inputs:
        formulas = [*described.system.formulas, *(m.sigma for m in noise.models.values() if m.sigma is not None)]
        if not any(name in free_names(formula) for formula in formulas):
            faults.add(loaded.where("data", "inputs", name), "appears in no formula; remove it, or check its spelling")


def _check_solver(loaded: LoadedConfig, engine: Engine) -> None:
    """Options that the chosen engine does not have. Raises ConfigError."""
    if not isinstance(getattr(engine, "underlying", engine), DiffsolEngine):
        return
    faults, section = Faults(), loaded.config.solver
    if section.step is not None:
        what = f"{section.method} chooses its steps itself; remove it, or use a fixed-step method such as rk4"
        faults.add(loaded.where("solver", "step"), what)
    if section.adjoint:
        what = f"{section.method} has exact sensitivities; remove it, or use a torch method such as dopri5"
        faults.add(loaded.where("solver", "adjoint"), what)
    faults.check()


def _check_training(loaded: LoadedConfig, described: Described, faults: Faults) -> None:
    """Keys of the fit that have no meaning for equations."""
    section = loaded.config.fit
    if not described.system.is_mechanistic:
        return
    for key in ("match", "windows"):
        if getattr(section, key) is not None:
            faults.add(loaded.where("fit", key), "is for models with a network; remove it")
    for key in ("horizon", "epochs", "loss", "weight_decay", "plot_every"):
        if section.method != "adam" and getattr(section, key) is not None:
            what = f"only for `method: adam`, so say that (got `{section.method}`), or for models with a network"
            faults.add(loaded.where("fit", key), what)


def _check_times(loaded: LoadedConfig, described: Described, measured: Sequence[Experiment], faults: Faults) -> None:
    """Doses and events at known times that come before anything begins."""
    lag = described.dosing.lag
    if lag.is_number and any(d.time + float(lag) < e.start for e in measured for d in e.doses):
        what = f"a dose that comes {float(lag):g} after its time comes before the start of an experiment"
        faults.add(loaded.where("data", "doses", "lag"), what)
    for event in described.system.events:
        time = event.time
        if time.is_number and all(float(time) < e.start for e in measured):
            what = f"the event at t = {float(time):g} comes before every experiment; remove it, or see data.start"
            faults.add(loaded.where("model", "events"), what)


def _check_held_out(loaded: LoadedConfig, builder: TableBuilder, seen: Sequence[Experiment], by_folds: bool) -> None:
    """What an experiment of which nothing is seen needs must be learnt from the others. Raises ConfigError."""
    learnt, needed = set[str](), dict[str, str]()
    for targets in builder.bound.values():
        for experiment, target in zip(seen, targets, strict=True):
            if isinstance(target, str) and builder.rows[target].estimate:
                if experiment.n_measured:
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
            faults.add(loaded.where(*(("fit", "folds") if by_folds else ("data", "hold_out"))), what)
    faults.check()


def _without_first(described: Described, experiment: Experiment) -> Experiment:
    """A first row that serves as the initial value is no measurement any more."""
    if FIRST not in described.initial_kind.values() or experiment.times[0] != experiment.start:
        return experiment
    values = experiment.values.copy()
    for column, g in enumerate(described.system.observables.values()):
        if any(g == symbol(s) and kind == FIRST for s, kind in described.initial_kind.items()):
            values[0, column] = np.nan
    return replace(experiment, values=values)


def _inline(system: System, noise: Mapping[str, Noise], table: TableBuilder) -> tuple[System, dict[str, Noise]]:
    """Numbers in place of symbols that never move: engines need not carry their sensitivities."""
    numbers = table.inlined()
    values = {symbol(name): float(value) for name, value in numbers.items()}
    try:
        bound = system.bind(numbers)
        swapped = {
            name: model if model.sigma is None else replace(model, sigma=put_numbers(model.sigma, values))
            for name, model in noise.items()
        }
    except ModelError as error:
        raise ConfigError(table.loaded.where("parameters"), error.faults[0].what) from None
    return bound, swapped


def _moving(binding: Binding, table: ParameterTable) -> set[str]:
    """Local symbols that depend on an estimated parameter in some experiment."""
    estimated = set(table.estimated.tolist())
    return {
        name
        for column, name in enumerate(binding.symbols)
        if any(int(i) in estimated for i in binding.index[:, column])
    }
