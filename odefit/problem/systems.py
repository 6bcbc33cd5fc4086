"""From the `model` and `parameters` sections to a `System`: formulas read, symbols checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.model.formulas import free_names
from odefit.model.language import CONSTANTS
from odefit.model.substitution import replacing
from odefit.model.system import TIME, Dosing, System, symbol
from odefit.model.tokens import written_names
from odefit.problem.cell_formulas import check_cells
from odefit.problem.conditions import conditions_of
from odefit.problem.described import Described, initial_name
from odefit.problem.equations import ModelSource, equation_texts
from odefit.problem.events import read_dosing, read_events
from odefit.problem.expressions import read_named
from odefit.problem.formula_reader import FormulaReader, names_in
from odefit.problem.formulas_beside import add_beside
from odefit.problem.initial_values import anchor_of, read_initial, with_starts
from odefit.problem.measured_columns import columns_beside, data_columns
from odefit.problem.rest import read_rest


def describe_system(
    loaded: LoadedConfig, constants: TableColumns | None = None, measured: Sequence[Experiment] | None = None
) -> Described:
    """Read every formula of the config's model, and the table of experiments, whose constants they may name.

    constants, measured: these (`Described.constants`) and the measurements, where they have been read already; no file
    is read again. Raises ConfigError or DataError with all faults found.
    """
    conditions = conditions_of(loaded) if constants is None else None
    columns = (constants or {}) if conditions is None else conditions.columns
    in_cells = frozenset(name for texts in columns.values() for text in texts for name in written_names(text))
    parameters = tuple(loaded.config.parameters)
    beside = (*columns, *loaded.config.data.arrays)
    place = ModelSource(loaded, loaded.config.model, ("model",), parameters, beside, conditions, in_cells)
    known = functools.partial(data_columns, loaded) if measured is None else functools.partial(columns_beside, measured)
    place = replace(place, columns=_columns_named(place, known), measured=known)
    return replace(_describe(FormulaReader(place)), conditions=conditions)


def describe_simulated(loaded: LoadedConfig, described: Described, constants: Sequence[str] = ()) -> Described:
    """The system that makes the data: `data.simulate.model` where it is given, else the model that is fitted."""
    section = loaded.config.data.simulate
    if section is None or section.model is None:
        return described
    keys = ("data", "simulate", "model")
    place = ModelSource(loaded, section.model, keys, tuple(section.parameters), tuple(constants))
    return _describe(FormulaReader(place))


def _describe(reader: FormulaReader) -> Described:
    """The system of one model section. Raises ConfigError with all faults found."""
    place = reader.place
    ties, expressions = read_named(reader)
    built_in = place.section.equations is None
    names = {*reader.states, *reader.known, *place.inputs}
    equations = {
        state: reader.read(text, names, *(("name",) if built_in else ("equations", state)))
        for state, text in reader.texts.equations.items()
    }
    given = place.section.observables
    observables = (
        {state: symbol(state) for state in reader.states}
        if given is None
        else {name: reader.read(one.text, {*names, *place.columns}, "observables", name) for name, one in given.items()}
    )
    _check_compared(reader)
    initial, kinds = read_initial(reader, ties)
    ties, starts = with_starts(reader, ties, initial, kinds)
    events, triggers = read_events(reader)
    dosing = read_dosing(reader)
    check_cells(reader, expressions)
    rest = read_rest(reader, equations, initial, kinds, triggers)
    _check_units(reader, observables)
    if reader.faults.found and place.keys == ("model",):
        add_beside(reader)
    reader.faults.check()
    used = names_in(equations, observables, expressions)
    used = used.union(*(free_names(formula) for one in triggers for formula in one.formulas))
    system = System(
        place.section.name or "equations",
        reader.states,
        (),
        equations,
        initial,
        observables,
        reader.networks,
        tuple(name for name in place.inputs if name in used),
        events,
        triggers=triggers,
        rest=rest,
        compared={name: one.kind for name, one in (given or {}).items() if one.kind != "formula"},
        expressions=expressions,
    )
    return _tied(reader, system, kinds, ties, dosing, starts)


def _columns_named(place: ModelSource, known: Callable[[], Collection[str]]) -> frozenset[str]:
    """The columns of the measurements that observables name, where a name means nothing else."""
    texts = equation_texts(place)
    states = tuple(texts.equations)
    others = {*states, *map(initial_name, states), *texts.nominal, *place.parameters, *place.constants, *place.inputs}
    others |= {TIME, *CONSTANTS, *place.section.expressions}
    observables = place.section.observables or {}
    named = {name for one in observables.values() for name in written_names(one.text)} - others
    return frozenset(named & set(known())) if named else frozenset()


def _check_compared(reader: FormulaReader) -> None:
    """What is compared with an earlier value has cells of two rows, and so no column."""
    for name, one in (reader.place.section.observables or {}).items():
        found = sorted(written_names(one.text) & reader.place.columns)
        if one.kind != "formula" and found:
            what = f"compares two rows, and '{found[0]}' is a column with a cell for each; leave the column out"
            reader.faults.add(reader.place.where("observables", name), what)


def _tied(
    reader: FormulaReader,
    system: System,
    kinds: Mapping[str, str],
    ties: Mapping[str, sp.Expr],
    dosing: Dosing,
    starts: Mapping[str, sp.Expr],
) -> Described:
    """Ties and starts put in, and parameters counted: those that are named anywhere, in the order of the config."""
    put = replacing({symbol(name): formula for name, formula in {**ties, **starts}.items()})
    system = system.mapped(put)
    dosing = dosing.mapped(put)
    used = set().union(*map(free_names, (*system.formulas, *dosing.formulas)))
    place, texts = reader.place, reader.texts
    order = dict.fromkeys([*reader.declared, *place.constants, *map(initial_name, reader.states)])
    named = (
        used
        | place.in_cells
        | names_in(ties, system.expressions)
        | ties.keys()
        | (set() if system.rest is None else system.rest.values.keys())
    )
    unused = [name for name in place.parameters if name not in named]
    return Described(
        replace(system, parameters=tuple(name for name in order if name in used)),
        texts.nominal,
        texts.nominal_initial,
        kinds,
        ties,
        dosing,
        texts.time_span,
        tuple(name for name in unused if name not in reader.written),
        cancelled=tuple(name for name in unused if name in reader.written),
        starts=starts,
        anchor=anchor_of(reader, kinds),
        known=tuple(order),
    )


def _check_units(reader: FormulaReader, observables: Mapping[str, sp.Expr]) -> None:
    place = reader.place
    known = dict.fromkeys((TIME, *reader.states, *observables, *place.section.expressions))
    for name in place.section.units:
        if name not in {*known, *place.inputs, *place.constants}:
            what = f"'{name}' is no state and no observable; there is: {', '.join(known)}"
            reader.faults.add(reader.place.where("units", name), what)


def with_doses(system: System, described: Described, experiments: Sequence[Experiment]) -> System:
    """The system with the states that the experiments put doses into, if any do, and whether some end at rest."""
    dosed = {dose.state for e in experiments for dose in e.doses}
    if any(e.ends_at_rest for e in experiments):
        system = replace(system, comes_to_rest=True)
    if not dosed:
        return system
    return replace(system, dosing=replace(described.dosing, states=tuple(s for s in system.states if s in dosed)))


def with_constant_start(described: Described) -> System:
    """The system whose initial values are all symbols `<state>_0`, as a simulation sets them."""
    system = described.system
    start = {state: symbol(initial_name(state)) for state in system.states}
    others = [name for name in system.parameters if name not in {initial_name(s) for s in system.states}]
    return replace(system, initial=start, parameters=(*others, *(initial_name(s) for s in system.states)))
