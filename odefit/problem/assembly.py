"""From a config and its data to a `FitProblem`: every name is bound here, and every contradiction found.

Nothing is written, and nothing is solved but to find out how to solve it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import Mask
from odefit.config.load import LoadedConfig
from odefit.data.chosen_rows import Excluded
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.first_method import settled_engine
from odefit.errors import ConfigError, Faults, ModelError
from odefit.model.constant_calls import CallCollector, ConstantCalls
from odefit.model.formulas import free_names
from odefit.model.operators import put_numbers
from odefit.model.system import TIME, System, compared_symbol, symbol
from odefit.objective.observation import Noise, Observation, covariate_symbol, covariates_of
from odefit.objective.parameters import Binding, ParameterTable
from odefit.objective.problem import FitProblem
from odefit.problem.array_inputs import with_numbers_of_arrays
from odefit.problem.cell_formulas import with_cells
from odefit.problem.checks import CHECKS, Draft, check_held_out, check_learnable, check_solver
from odefit.problem.derived import Derived, derived_quantities
from odefit.problem.described import FIRST, Described
from odefit.problem.exact_rows import check_bounded, check_possible
from odefit.problem.formula_reader import names_in
from odefit.problem.hold_out import split
from odefit.problem.intervals import interval_notes, with_intervals
from odefit.problem.measured_columns import with_measured_columns
from odefit.problem.network_calls import called_by, names_in_calls, part_of, solved_system, with_constant_calls
from odefit.problem.network_files import build, given_weights, read_array_tables, weight_priors
from odefit.problem.noise_models import read_noise
from odefit.problem.parameter_table import TableBuilder
from odefit.problem.state_sizes import representative, solver_options
from odefit.problem.systems import with_doses
from odefit.records import changed, dataclass
from odefit.runs.network_files import Content, contents_of
from odefit.runs.results import Dates
from odefit.text import abridged

if TYPE_CHECKING:
    from torch import nn

    from odefit.problem.curve_formulas import CurveDerived


@dataclass(frozen=True)
class Assembly:
    """A problem, and what a result says about how it came together.

    Parameters
    ----------
    loaded, described
        The config, and the system that it describes.
    measured
        The experiments with every measurement; the problem's own leave out a first row that serves as initial value,
        and what is held out.
    problem
        What is fitted.
    networks
        The torch modules of the system; None for a mechanistic one.
    held
        The experiments with what is held out, or empty.
    held_out
        [T, O] each, which cells of `measured` are held out.
    derived
        What follows from the parameters: those with a formula, and quantities of whole curves.
    notes
        What a user should know of how the config and the data were read, a sentence each.
    trained
        The networks whose weights come from an earlier fit.
    excluded
        The measurements that the config leaves out.
    dates
        What times that were dates are counted from.
    files
        The files of its networks, by the keys of the config that name them.
    """

    loaded: LoadedConfig
    described: Described
    measured: tuple[Experiment, ...]
    problem: FitProblem
    networks: nn.ModuleDict | None
    held: tuple[Experiment, ...] = ()
    held_out: tuple[Mask, ...] = ()
    derived: tuple[Derived | CurveDerived, ...] = ()
    notes: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    dates: Dates | None = None
    files: Content = field(default_factory=dict)


def assemble(
    loaded: LoadedConfig,
    described: Described,
    measured: Sequence[Experiment],
    fold: Collection[str] = (),
    *,
    for_fit: bool = True,
) -> Assembly:
    """Bind a described system to its data: read, check, bind, choose an engine.

    Parameters
    ----------
    loaded, described
        The config, and the system that it describes.
    measured
        Its experiments with every measurement.
    fold
        Names of experiments to be held out beside those of `data.hold_out`.
    for_fit
        Whether to refuse data under which a fit has no optimum; not where one has been made.

    Raises
    ------
    ConfigError
        With all faults found.
    """
    measured = with_intervals(loaded, described.system, measured)
    draft = _draft(loaded, described, measured, fold)
    seen, held = _without_first_rows(draft, draft.parts.seen), _without_first_rows(draft, draft.parts.held)
    check_learnable(draft, seen)
    if for_fit:
        check_held_out(draft, seen)
        check_possible(draft, seen)
        check_bounded(draft, seen)
    table = ParameterTable(tuple(draft.builder.rows.values()))
    networks = build(loaded, draft.described.system.networks, draft.arrays)
    formulas = _bind(draft, table, networks)
    notes = interval_notes(loaded, described.system, measured)
    taken = given_weights(loaded)
    if loaded.earlier is not None:
        from odefit.problem.earlier_start import with_earlier_values

        table, more = with_earlier_values(table, loaded.earlier)
        notes += more
    engine = _engine(draft, formulas, seen, table, networks)
    if loaded.earlier is not None and networks is not None:
        from odefit.problem.earlier_start import take_earlier_weights

        trained, more = take_earlier_weights(networks, loaded.earlier)
        taken, notes = (*taken, *trained), (*notes, *more)
    priors = weight_priors(loaded, networks)
    problem = FitProblem(seen, table, formulas.binding, formulas.observation, engine, priors)
    derived: tuple[Derived | CurveDerived, ...] = (*_derived(draft, networks), *_of_curves(draft, formulas.system))
    masks, notes = draft.parts.masks, (*notes, *_cancelled(draft))
    return Assembly(
        loaded,
        described,
        draft.measured,
        problem,
        networks,
        held,
        masks,
        derived,
        notes,
        taken,
        files=contents_of(loaded) if networks is not None else {},
    )


def _draft(loaded: LoadedConfig, described: Described, measured: Sequence[Experiment], fold: Collection[str]) -> Draft:
    """Every name of the config with its meaning. Raises ConfigError with what is wrong with them."""
    faults = Faults()
    described = with_measured_columns(with_cells(described, measured), measured)
    parts = split(loaded, measured, fold)
    noise = read_noise(loaded, described, measured, faults)
    arrays = read_array_tables(loaded, measured, faults)
    described, numbers = with_numbers_of_arrays(described, arrays)
    builder = TableBuilder(loaded, described, measured, parts.seen, faults)
    builder.bound.update({name: [*rows] for name, rows in {**arrays.rows, **numbers}.items()})
    more = names_in(described.ties) | _named_in_expressions(described.system, builder.known) | {*described.in_cells}
    builder.add_model(sorted(more))
    builder.add_named(noise)
    builder.add_initial()
    builder.add_noise(noise)
    draft = Draft(loaded, described, tuple(measured), parts, bool(fold), noise, builder, arrays)
    for check in CHECKS:
        check(draft, faults)
    faults.check()
    return draft


@dataclass(frozen=True)
class Formulas:
    """The formulas with numbers in place of what never moves, and where their symbols get values from.

    Parameters
    ----------
    system
        The equations.
    binding, observation
        As in `FitProblem`.
    sensitive
        The parameters of the system that move a state; the observation's own come behind them.
    """

    system: System
    binding: Binding
    observation: Observation
    sensitive: tuple[str, ...]


def _bind(draft: Draft, table: ParameterTable, networks: nn.ModuleDict | None) -> Formulas:
    """The formulas of system and noise over symbols that are bound to the parameter table."""
    system, noise = _inline(_with_surroundings(draft), draft.noise.models, draft.builder)
    modules = dict(networks.items()) if networks is not None else {}
    collector = CallCollector((*system.states, TIME, *system.inputs, *_covariate_symbols(system, noise)))
    inner = names_in_calls(system)
    if modules:
        system, noise = with_constant_calls(system, noise, collector)
    calls = collector.formulas
    others = dict.fromkeys(
        (*_noise_symbols(noise, system), *sorted({*_named_in_expressions(system, draft.builder.known), *inner}), *calls)
    )
    symbols = (*system.parameters, *(name for name in others if name not in system.parameters))
    binding = draft.builder.bind(symbols, calls)
    if calls:
        binding = replace(binding, calls=ConstantCalls(calls, symbols, modules))
    moving = _moving(binding, table) | calls.keys()
    # A scale or an offset of an observable moves no state: no sensitivity equation is spent on it.
    in_states = set().union(*map(free_names, replace(system, observables={}).formulas))
    sensitive = tuple(name for name in system.parameters if name in moving and name in in_states)
    observed = tuple(name for name in symbols if name in moving and name not in sensitive)
    beside = _covariate_symbols(system, noise)
    observation = Observation(
        system, noise, (*symbols, *system.inputs, *beside), (*sensitive, *observed), called_by(system, noise, modules)
    )
    return Formulas(system, binding, observation, sensitive)


def _engine(
    draft: Draft,
    formulas: Formulas,
    seen: tuple[Experiment, ...],
    table: ParameterTable,
    networks: nn.ModuleDict | None,
) -> Engine:
    """The engine that the config asks for; of the networks it gets those that it has to solve. Raises ConfigError."""
    loaded = draft.loaded
    system = solved_system(formulas.system)
    p = formulas.binding.local(table.values)[:, : len(system.parameters)]
    options = solver_options(loaded, system, seen, p, formulas.observation, formulas.sensitive)
    inside = part_of(networks, system)

    def made(by: SolverOptions) -> Engine:
        return make_engine(system, by, formulas.sensitive, inside, loaded.where("solver", "method"))

    tried = representative(seen)
    engine = settled_engine(made, options, p[tried], [seen[e] for e in tried])
    check_solver(loaded, engine)
    return engine


def _cancelled(draft: Draft) -> tuple[str, ...]:
    """A note for the parameters that stand in formulas only where they cancel out."""
    described = draft.described
    names = [n for n in (*described.cancelled, *described.unused) if n not in draft.builder.bound]
    if not names:
        return ()
    verb = "cancels out of every formula, has no effect, and is" if len(names) == 1 else "cancel out, and are"
    return (f"{draft.loaded.where('parameters')}: {abridged(names, 5)} {verb} left out",)


def _derived(draft: Draft, networks: nn.ModuleDict | None) -> tuple[Derived, ...]:
    """The parameters that follow from others, with their texts and units."""
    sections = draft.loaded.config.parameters
    return derived_quantities(
        draft.described.ties,
        draft.builder.bound,
        draft.measured,
        {name: section.formula for name, section in sections.items()},
        {name: section.unit for name, section in sections.items()},
        {} if networks is None else dict(networks.items()),
    )


def _of_curves(draft: Draft, system: System) -> tuple[CurveDerived, ...]:
    """The quantities of whole curves. Raises ConfigError."""
    if not draft.loaded.config.derived:
        return ()
    from odefit.problem.curve_formulas import read_derived

    meanings = dict.fromkeys(draft.builder.bound, "a parameter") | dict.fromkeys(system.expressions, "an expression")
    meanings |= dict.fromkeys(draft.loaded.config.parameters, "a parameter")
    meanings |= dict.fromkeys(system.observables, "an observable") | dict.fromkeys(system.states, "a state")
    ties, bound = draft.described.ties, draft.builder.bound
    return read_derived(draft.loaded, system, ties, bound, draft.measured, meanings.get)


def _with_surroundings(draft: Draft) -> System:
    """The system with the doses of its experiments, and with the inputs that noise formulas name."""
    described, measured, models = draft.described, draft.measured, draft.noise.models.values()
    system = with_doses(described.system, described, measured)
    used = set().union(*(free_names(m.sigma) for m in models if m.sigma is not None))
    known = dict.fromkeys(name for e in measured for name in e.inputs)
    return replace(system, inputs=tuple(name for name in known if name in used or name in system.inputs))


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


def _noise_symbols(noise: Mapping[str, Noise], system: System) -> tuple[str, ...]:
    levels = (compared_symbol(name).name for name in system.compared)
    known = {*system.parameters, *system.states, *levels, *system.inputs, *_covariate_symbols(system, noise), "t"}
    names = [n for model in noise.values() if model.sigma is not None for n in sorted(free_names(model.sigma))]
    return tuple(name for name in dict.fromkeys(names) if name not in known)


def _named_in_expressions(system: System, known: Collection[str]) -> set[str]:
    """Parameters and constants that expressions name, also where nothing that is measured depends on them."""
    return names_in(system.expressions) & set(known)


def _covariate_symbols(system: System, noise: Mapping[str, Noise]) -> tuple[str, ...]:
    names = tuple(system.observables)
    return tuple(covariate_symbol(c, names[o]) for c, o in covariates_of([noise[name] for name in names]))


def _moving(binding: Binding, table: ParameterTable) -> set[str]:
    """Local symbols that depend on an estimated parameter in some experiment."""
    estimated = set(table.estimated.tolist())
    return {
        name
        for column, name in enumerate(binding.symbols)
        if any(int(i) in estimated for i in binding.index[:, column])
    }


def _without_first_rows(draft: Draft, experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """First rows that serve as initial values are no measurements any more."""
    return tuple(_without_first(draft.described, experiment) for experiment in experiments)


def _without_first(described: Described, experiment: Experiment) -> Experiment:
    """A first row that serves as the initial value is no measurement any more."""
    if FIRST not in described.initial_kind.values() or experiment.times[0] != experiment.start:
        return experiment
    values = experiment.values.copy()
    for column, g in enumerate(described.system.predicted.values()):
        if any(g == symbol(s) and kind == FIRST for s, kind in described.initial_kind.items()):
            values[0, column] = np.nan
    return changed(experiment, values=values)
