"""From the `model` and `parameters` sections to a `System`: formulas read, symbols checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp

from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import Conditions
from odefit.data.experiments import Experiment
from odefit.data.starts import Anchor
from odefit.errors import Faults, ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.system import TIME, Dosing, Event, System, symbol
from odefit.model.tokens import written_names
from odefit.problem.conditions import conditions_of
from odefit.problem.equations import ModelSource, declared_names, equation_texts

MAX_EVENTS = 10_000
"""The most events at all their times: an integration starts again at each, and this many take seconds per solve."""

ESTIMATE, FIRST, GIVEN, FORMULA = "estimate", "first", "given", "formula"
"""What an initial value may be, see `Described.initial_kind`."""


@dataclass(frozen=True)
class Described:
    """A system as the config describes it, before any data are seen.

    Parameters
    ----------
    system
        Its formulas.
    nominal, nominal_initial
        Values that the catalogue knows, by parameter and by state.
    initial_kind
        Per state `estimate`, `first`, `given` (by the table of experiments) or `formula`; but for the last, the
        system's initial value is the symbol `<state>_0`.
    ties
        Parameters with a formula, in terms of free ones and of constants; the system no longer names them.
    dosing
        Lag and fraction of doses.
    time_span
        Of a built-in system.
    unused, cancelled
        Parameters of the config that no formula of the model names, and those that are written in one and cancel out.
    starts
        `x_0` of every state whose initial value is a formula -> that formula; the system no longer names them.
    conditions
        The table of experiments, if there is one.
    anchor
        What the initial values are, as far as their time is concerned.
    """

    system: System
    nominal: Mapping[str, float]
    nominal_initial: Mapping[str, float]
    initial_kind: Mapping[str, str]
    ties: Mapping[str, sp.Expr] = field(default_factory=dict)
    dosing: Dosing = field(default_factory=lambda: Dosing(()))
    time_span: tuple[float, float] | None = None
    unused: tuple[str, ...] = ()
    conditions: Conditions | None = None
    cancelled: tuple[str, ...] = ()
    starts: Mapping[str, sp.Expr] = field(default_factory=dict)
    anchor: Anchor = Anchor.OWN

    @property
    def constants(self) -> tuple[str, ...]:
        """The columns of numbers of the table of experiments."""
        return () if self.conditions is None else tuple(self.conditions.constants)


def initial_name(state: str) -> str:
    """The parameter that is a state's initial value."""
    return f"{state}_0"


def describe_system(loaded: LoadedConfig, constants: Sequence[str] | None = None) -> Described:
    """Read every formula of the config's model, and the table of experiments, whose constants they may name.

    constants: the names of these (`Described.constants`), where the table has been read already; it is not read again.
    Raises ConfigError or DataError with all faults found.
    """
    conditions = conditions_of(loaded) if constants is None else None
    names = tuple(constants or ()) if conditions is None else tuple(conditions.constants)
    place = ModelSource(loaded, loaded.config.model, ("model",), tuple(loaded.config.parameters), names)
    return replace(_Reader(place).describe(), conditions=conditions)


def describe_simulated(loaded: LoadedConfig, described: Described, constants: Sequence[str] = ()) -> Described:
    """The system that makes the data: `data.simulate.model` where it is given, else the model that is fitted."""
    section = loaded.config.data.simulate
    if section is None or section.model is None:
        return described
    keys = ("data", "simulate", "model")
    return _Reader(ModelSource(loaded, section.model, keys, tuple(section.parameters), tuple(constants))).describe()


class _Reader:
    """Reads the formulas of one model, and gathers what is wrong with them."""

    def __init__(self, place: ModelSource) -> None:
        self.place = place
        self.faults = Faults()
        self.texts = equation_texts(place)
        self.networks = self.texts.networks
        self.states = tuple(self.texts.equations)
        self.declared = declared_names(place, self.states, self.texts.nominal, self.faults)
        starts = map(initial_name, self.states)
        self.known = {*self.declared, *place.constants, *starts}
        """What a formula may name that is evaluated before anything is integrated."""
        self.written = set[str]()
        """The names that stand in formulas, also where they cancel out."""

    def describe(self) -> Described:
        place = self.place
        built_in = place.section.equations is None
        names = {*self.states, *self.known, *place.inputs}
        equations = {
            state: self.read(text, names, *(("name",) if built_in else ("equations", state)))
            for state, text in self.texts.equations.items()
        }
        given = place.section.observables
        observables = (
            {state: symbol(state) for state in self.states}
            if given is None
            else {name: self.read(one.text, names, "observables", name) for name, one in given.items()}
        )
        compared = {name: one.kind for name, one in (given or {}).items() if one.kind != "formula"}
        ties = self.ties()
        initial, kinds = self.initial(ties)
        ties, starts = self.with_starts(ties, initial, kinds)
        events = self.events()
        dosing = self.dosing()
        rest = self.rest(equations, kinds, ties)
        self.check_units(observables)
        self.faults.check()
        system = System(
            place.section.name or "equations",
            self.states,
            (),
            equations,
            initial,
            observables,
            self.networks,
            tuple(name for name in place.inputs if self.uses(name, equations, observables)),
            events,
            rest=rest,
            compared=compared,
        )
        return self.tied(system, kinds, ties, dosing, starts)

    def tied(
        self,
        system: System,
        kinds: Mapping[str, str],
        ties: Mapping[str, sp.Expr],
        dosing: Dosing,
        starts: Mapping[str, sp.Expr],
    ) -> Described:
        """Ties and starts put in, and parameters counted: those that are named anywhere, in the order of the config."""
        formulas = {symbol(name): formula for name, formula in {**ties, **starts}.items()}
        system = system.mapped(lambda formula: formula.xreplace(formulas))
        dosing = replace(dosing, lag=dosing.lag.xreplace(formulas), fraction=dosing.fraction.xreplace(formulas))
        used = set().union(*map(free_names, (*system.formulas, dosing.lag, dosing.fraction)))
        derived = set().union(*map(free_names, ties.values())) if ties else set()
        order = dict.fromkeys([*self.declared, *self.place.constants, *map(initial_name, self.states)])
        parameters = tuple(name for name in order if name in used)
        rest = system.rest or {}
        unused = [n for n in self.place.parameters if n not in used | derived | ties.keys() | rest.keys()]
        return Described(
            replace(system, parameters=parameters),
            self.texts.nominal,
            self.texts.nominal_initial,
            kinds,
            ties,
            dosing,
            self.texts.time_span,
            tuple(n for n in unused if n not in self.written),
            cancelled=tuple(n for n in unused if n in self.written),
            starts=starts,
            anchor=self.anchor(kinds),
        )

    def anchor(self, kinds: Mapping[str, str]) -> Anchor:
        """What the initial values are: an estimated one has a time where more than the curves depends on it."""
        if FIRST in kinds.values():
            return Anchor.ROW
        sections = self.place.loaded.config.parameters
        for state, kind in kinds.items():
            own = sections.get(initial_name(state))
            shared = own is not None and (not own.estimate or own.by not in (None, "experiment"))
            dated = (own is not None and own.prior is not None) or initial_name(state) in self.written
            if kind in (FORMULA, GIVEN) or shared or dated:
                return Anchor.TIME
        is_compared = any(one.kind != "formula" for one in (self.place.section.observables or {}).values())
        return Anchor.TIME if is_compared else Anchor.OWN

    def read(self, text: str, names: Collection[str], *keys: str | int) -> sp.Expr:
        return self.formula(text, names, self.place.where(*keys))

    def formula(self, text: str, names: Collection[str], where: str) -> sp.Expr:
        self.written |= written_names(text)
        try:
            return parse_formula(text, names, where, self.networks)
        except ModelError as error:
            self.faults.found.extend(error.faults)
            return sp.Integer(0)

    def uses(self, name: str, *groups: Mapping[str, sp.Expr]) -> bool:
        return any(name in free_names(formula) for group in groups for formula in group.values())

    def timeless(self, formula: sp.Expr, where: str, what: str) -> sp.Expr:
        """A formula that is evaluated once, before the start: no states, no time."""
        for name in sorted(free_names(formula) & {*self.states, TIME}):
            self.faults.add(where, f"{what} cannot depend on '{name}', which is not known before the start")
        return formula

    def ties(self) -> dict[str, sp.Expr]:
        """The parameters with a formula, each in terms of parameters without one."""
        loaded, formulas = self.place.loaded, dict[str, sp.Expr]()
        if self.place.keys != ("model",):
            return {}
        names = {*self.known, *self.states}
        for name, section in loaded.config.parameters.items():
            if section.formula is not None:
                where = loaded.where("parameters", name)
                formulas[name] = self.timeless(self.formula(section.formula, names, where), where, "a parameter")
        closed: dict[str, sp.Expr] = {}
        for name in formulas:
            circle = _close(name, formulas, closed, ())
            if circle:
                way = " -> ".join(circle)
                self.faults.add(loaded.where("parameters", name), f"is defined by itself: {way}; break the circle")
        return closed

    def initial(self, ties: Mapping[str, sp.Expr]) -> tuple[dict[str, sp.Expr], dict[str, str]]:
        section = self.place.section.initial
        given = dict.fromkeys(self.states, section) if isinstance(section, str) else dict(section)
        for name in given:
            if name not in self.states:
                what = f"'{name}' is no state; the states are {', '.join(self.states)}"
                self.faults.add(self.place.where("initial", name), what)
        formulas: dict[str, sp.Expr] = {}
        kinds: dict[str, str] = {}
        for state in self.states:
            formulas[state], kinds[state] = symbol(initial_name(state)), ESTIMATE
            where = self.place.where("initial", state)
            if initial_name(state) in self.place.constants:
                kinds[state] = GIVEN
                if not isinstance(section, str) and given.get(state, ESTIMATE) != ESTIMATE:
                    what = f"data.experiments says what {state} starts from; remove one of the two"
                    self.faults.add(where, what)
            elif initial_name(state) in ties:
                kinds[state] = FORMULA
            elif given.get(state) == FIRST:
                kinds[state] = FIRST
            elif given.get(state, ESTIMATE) != ESTIMATE:
                kinds[state] = FORMULA
                formula = self.read(given[state], {*self.states, *self.known}, "initial", state)
                formulas[state] = self.timeless(formula, where, "an initial value")
        return formulas, kinds

    def with_starts(
        self, ties: Mapping[str, sp.Expr], initial: dict[str, sp.Expr], kinds: Mapping[str, str]
    ) -> tuple[dict[str, sp.Expr], dict[str, sp.Expr]]:
        """Ties, and the `x_0` of states with a formula as initial value, in terms of what is neither."""
        starts = {}
        for state, formula in initial.items():
            name = initial_name(state)
            if kinds[state] != FORMULA or name in ties:
                continue
            if name not in self.place.parameters:
                starts[name] = formula
            elif symbol(name) not in formula.free_symbols:
                self.faults.add(
                    self.place.loaded.where("parameters", name),
                    "model.initial already says what this state starts from; remove one of the two",
                )
        formulas, closed = {**ties, **starts}, dict[str, sp.Expr]()
        for name in formulas:
            circle = _close(name, formulas, closed, ())
            if circle:
                state = next((s for s in self.states if initial_name(s) == name), name)
                self.faults.add(
                    self.place.where("initial", state), f"is defined by itself: {' -> '.join(circle)}; break the circle"
                )
                break
        return {name: closed.get(name, f) for name, f in ties.items()}, {n: closed.get(n, f) for n, f in starts.items()}

    def events(self) -> tuple[Event, ...]:
        names = {*self.states, *self.known}
        found = list[Event]()
        sections = self.place.section.events
        number = sum(len(section.time) if isinstance(section.time, list) else 1 for section in sections)
        if number > MAX_EVENTS:
            self.faults.add(self.place.where("events"), f"at most {MAX_EVENTS:,} in all (got {number:,}); remove some")
            return ()
        for k, section in enumerate(sections):
            changes = {}
            for state, text in section.set.items():
                if state not in self.states:
                    what = f"'{state}' is no state; the states are {', '.join(self.states)}"
                    self.faults.add(self.place.where("events", k, "set", state), what)
                changes[state] = self.read(text, names, "events", k, "set", state)
            for text in section.time if isinstance(section.time, list) else [section.time]:
                where = self.place.where("events", k, "time")
                time = self.timeless(self.read(text, names, "events", k, "time"), where, "the time of an event")
                found.append(Event(time, changes))
        return tuple(found)

    def dosing(self) -> Dosing:
        section, loaded = self.place.loaded.config.data.doses, self.place.loaded
        if section is None:
            return Dosing(())
        formulas = {}
        for key in ("lag", "fraction"):
            where = loaded.where("data", "doses", key)
            formula = self.formula(getattr(section, key), {*self.states, *self.known}, where)
            formulas[key] = self.timeless(formula, where, f"the {key} of doses")
        return Dosing((), **formulas)

    def rest(
        self, equations: Mapping[str, sp.Expr], kinds: Mapping[str, str], ties: Mapping[str, sp.Expr]
    ) -> dict[str, sp.Expr] | None:
        section = self.place.section.steady_state
        if section is False:
            return None
        if self.networks:
            self.faults.add(self.place.where("steady_state"), "needs equations; a network has no known steady state")
        for state, kind in kinds.items():
            if kind != FORMULA:
                what = f"needs model.initial to say where {state} comes from before it rests, e.g. `{state}: 1`"
                self.faults.add(self.place.where("steady_state"), what)
        rest = {}
        for name, text in section.items() if isinstance(section, dict) else ():
            where = self.place.where("steady_state", name)
            if name in self.place.inputs or name in self.states:
                what = (
                    "is an input, which keeps the value of its first point"
                    if name in self.place.inputs
                    else "is a state"
                )
                self.faults.add(
                    where, f"'{name}' {what}; parameters and constants may have other values before the start"
                )
            elif name not in self.known or not self.uses(name, equations):
                used = sorted(set().union(*map(free_names, equations.values())) & self.known)
                self.faults.add(where, f"no equation names '{name}'; they name {', '.join(used) or 'no parameter'}")
            elif name in ties:
                self.faults.add(
                    where, "has a formula in `parameters`; give its value before the start to what that names"
                )
            formula = self.read(text, {*self.states, *self.known}, "steady_state", name)
            rest[name] = self.timeless(formula, where, "a value before the start")
        return rest

    def check_units(self, observables: Mapping[str, sp.Expr]) -> None:
        known = dict.fromkeys((TIME, *self.states, *observables))
        for name in self.place.section.units:
            if name not in known:
                what = f"'{name}' is no state and no observable; there is: {', '.join(known)}"
                self.faults.add(self.place.where("units", name), what)


def _close(
    name: str, formulas: Mapping[str, sp.Expr], closed: dict[str, sp.Expr], above: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Put formulas into formulas until `name` depends on free parameters alone; the circle where it cannot."""
    if name in closed:
        return None
    if name in above:
        return (*above[above.index(name) :], name)
    inner = free_names(formulas[name]) & formulas.keys()
    for other in sorted(inner):
        circle = _close(other, formulas, closed, (*above, name))
        if circle is not None:
            return circle
    closed[name] = formulas[name].xreplace({symbol(other): closed[other] for other in inner})
    return None


def with_doses(system: System, described: Described, experiments: Sequence[Experiment]) -> System:
    """The system with the states that the experiments put doses into, if any do."""
    dosed = {dose.state for e in experiments for dose in e.doses}
    if not dosed:
        return system
    return replace(system, dosing=replace(described.dosing, states=tuple(s for s in system.states if s in dosed)))


def with_constant_start(described: Described) -> System:
    """The system whose initial values are all symbols `<state>_0`, as a simulation sets them."""
    system = described.system
    start = {state: symbol(initial_name(state)) for state in system.states}
    others = [name for name in system.parameters if name not in {initial_name(s) for s in system.states}]
    return replace(system, initial=start, parameters=(*others, *(initial_name(s) for s in system.states)))
