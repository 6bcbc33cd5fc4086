"""From the `model` and `parameters` sections to a `System`: formulas read, symbols checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import sympy as sp

from odefit.config.load import LoadedConfig
from odefit.config.schema import ModelSection
from odefit.errors import ConfigError, Faults, ModelError
from odefit.model import catalogue
from odefit.model.formulas import free_names, parse_formula
from odefit.model.system import TIME, Network, System, symbol

ESTIMATE, FIRST = "estimate", "first"


@dataclass(frozen=True)
class Described:
    """A system as the config describes it, before any data are seen.

    nominal: values that the catalogue knows (parameters, and initial values by state name).
    initial_kind: per state `estimate`, `first` or `formula`; in the first two cases the system's
    initial value is the symbol `<state>_0`.
    unused: parameters of the config that no formula of the model names.
    """

    system: System
    nominal: Mapping[str, float]
    nominal_initial: Mapping[str, float]
    initial_kind: Mapping[str, str]
    time_span: tuple[float, float] | None = None
    unused: tuple[str, ...] = ()


def initial_name(state: str) -> str:
    """The parameter that is a state's initial value."""
    return f"{state}_0"


@dataclass(frozen=True)
class Place:
    """A model section, where it stands in the config, and the parameters that its formulas may name."""

    loaded: LoadedConfig
    section: ModelSection
    keys: tuple[str, ...]
    parameters: tuple[str, ...]

    def where(self, *keys: str) -> str:
        return self.loaded.where(*self.keys, *keys)


def describe_system(loaded: LoadedConfig) -> Described:
    """Read every formula of the config's model. Raises ConfigError with all faults found."""
    return _describe(Place(loaded, loaded.config.model, ("model",), tuple(loaded.config.parameters)))


def describe_simulated(loaded: LoadedConfig, described: Described) -> Described:
    """The system that makes the data: `data.simulate.model` where it is given, else the model that is fitted."""
    section = loaded.config.data.simulate
    if section is None or section.model is None:
        return described
    return _describe(Place(loaded, section.model, ("data", "simulate", "model"), tuple(section.parameters)))


def _describe(place: Place) -> Described:
    faults = Faults()
    texts, nominal, nominal_initial, networks, time_span = _equations(place)
    states = tuple(texts)
    declared = _declared(place, states, nominal, faults)
    names = {*states, *declared, *map(initial_name, states)}

    def read(text: str, *keys: str) -> sp.Expr:
        try:
            return parse_formula(text, names, place.where(*keys), networks)
        except ModelError as error:
            faults.found.extend(error.faults)
            return sp.Integer(0)

    built_in = place.section.equations is None
    equations = {state: read(text, *(("name",) if built_in else ("equations", state))) for state, text in texts.items()}
    given = place.section.observables
    observables = (
        {state: symbol(state) for state in states}
        if given is None
        else {name: read(text, "observables", name) for name, text in given.items()}
    )
    initial, kinds = _initial(place, states, read, faults)
    faults.check()
    used = set().union(*(free_names(f) for f in (*equations.values(), *observables.values(), *initial.values())))
    order = [*declared, *(initial_name(s) for s in states)]
    parameters = tuple(name for name in dict.fromkeys(order) if name in used)
    name = place.section.name or "equations"
    system = System(name, states, parameters, equations, initial, observables, networks)
    unused = tuple(n for n in place.parameters if n not in used)
    return Described(system, nominal, nominal_initial, kinds, time_span, unused)


def _equations(
    place: Place,
) -> tuple[dict[str, str], dict[str, float], dict[str, float], dict[str, Network], tuple[float, float] | None]:
    section = place.section
    if section.equations is not None:
        return dict(section.equations), {}, {}, {}, None
    assert section.name is not None  # the schema sees to it
    where = place.where("name")
    entry = catalogue.entry(section.name, where)
    if not entry.family:
        for key in ("states", "hidden", "activation"):
            if getattr(section, key) is not None:
                raise ConfigError(place.where(key), f"not an option of the model `{section.name}`")
        return dict(entry.equations), dict(entry.parameters), dict(entry.initial), {}, entry.time_span
    if section.states is None:
        raise ConfigError(place.where(), f"`{section.name}` needs `states`: a list of names such as [x, y]")
    states = tuple(section.states)
    if len(set(states)) < len(states):
        raise ConfigError(place.where("states"), "a state is named twice")
    if section.name == "linear":
        linear, coefficients = catalogue.linear_equations(states)
        return linear, coefficients, {}, {}, None
    hidden = tuple(section.hidden) if section.hidden is not None else (8, 16, 32)
    mlp, network = catalogue.mlp_equations(states, hidden, section.activation or "leaky_relu", section.time_input)
    return dict(mlp), {}, {}, {network.name: network}, None


def _declared(place: Place, states: tuple[str, ...], nominal: Mapping[str, float], faults: Faults) -> tuple[str, ...]:
    """Names of parameters: the catalogue's, then the config's own."""
    declared = tuple(dict.fromkeys((*nominal, *place.parameters)))
    for name in declared:
        where = place.loaded.where("parameters", name)
        if name in states:
            faults.add(where, f"'{name}' is a state; a parameter needs another name (its initial value is {name}_0)")
        elif name == TIME:
            faults.add(where, "'t' is the time; choose another name")
    if TIME in states:
        faults.add(place.where("equations", TIME), "'t' is the time; choose another name")
    return declared


def _initial(
    place: Place, states: tuple[str, ...], read: Callable[..., sp.Expr], faults: Faults
) -> tuple[dict[str, sp.Expr], dict[str, str]]:
    section = place.section.initial
    given = dict.fromkeys(states, section) if isinstance(section, str) else dict(section)
    for name in given:
        if name not in states:
            faults.add(place.where("initial", name), f"'{name}' is no state; the states are {', '.join(states)}")
    formulas: dict[str, sp.Expr] = {}
    kinds: dict[str, str] = {}
    for state in states:
        text = given.get(state, ESTIMATE)
        if text in (ESTIMATE, FIRST):
            formulas[state], kinds[state] = symbol(initial_name(state)), text
            continue
        formulas[state], kinds[state] = read(text, "initial", state), "formula"
        for name in sorted(free_names(formulas[state]) & {*states, TIME}):
            faults.add(
                place.where("initial", state),
                f"an initial value cannot depend on '{name}', which is not known before the start",
            )
    return formulas, kinds


def with_constant_start(described: Described) -> System:
    """The system whose initial values are all symbols `<state>_0`, as a simulation sets them."""
    system = described.system
    start = {state: symbol(initial_name(state)) for state in system.states}
    others = [name for name in system.parameters if name not in {initial_name(s) for s in system.states}]
    return replace(system, initial=start, parameters=(*others, *(initial_name(s) for s in system.states)))
