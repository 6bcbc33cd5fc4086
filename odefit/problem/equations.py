"""The equations of a model section as they are written, and the names that its formulas may use.

Nothing is parsed here: built-in systems, families and the user's own equations all come out as texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field

from odefit.config.load import LoadedConfig
from odefit.config.model_section import ModelSection
from odefit.data.experiment_table import Conditions
from odefit.errors import ConfigError, Faults
from odefit.model import catalogue
from odefit.model.system import TIME, Network
from odefit.problem.network_files import described_network
from odefit.records import dataclass

MAX_LINEAR = 50
"""The most states of `linear`; it has their square of parameters, and fifty states take half a minute to solve once."""


@dataclass(frozen=True)
class ModelSource:
    """A model section, where it stands in the config, and what else its formulas may name."""

    loaded: LoadedConfig
    section: ModelSection
    keys: tuple[str, ...]
    parameters: tuple[str, ...]
    constants: tuple[str, ...] = ()
    conditions: Conditions | None = None
    in_cells: frozenset[str] = frozenset()
    """The names in those cells of the table of experiments that are formulas."""
    columns: frozenset[str] = frozenset()
    """The columns beside the measurements, which formulas of observables may name."""
    measured: Callable[[], Collection[str]] = frozenset
    """All columns of the measurements, for messages; they are read with the call."""

    def where(self, *keys: str | int) -> str:
        """The place of a key of the section in the config, for messages."""
        return self.loaded.where(*self.keys, *keys)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of known functions of time."""
        return tuple(self.loaded.config.data.inputs)


@dataclass(frozen=True)
class Texts:
    """equations: state -> the text of its time derivative. networks: those that they call.

    nominal, nominal_initial, time_span: what the catalogue knows besides, see `Described`.
    """

    equations: Mapping[str, str]
    nominal: Mapping[str, float] = field(default_factory=dict)
    nominal_initial: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    time_span: tuple[float, float] | None = None


def equation_texts(place: ModelSource) -> Texts:
    """The equations that a model section gives, or names. Raises ConfigError or ModelError."""
    section = place.section
    if section.equations is not None:
        return Texts(section.equations, networks=_networks(place, _formula_texts(place)))
    assert section.name is not None  # the schema sees to it
    entry = catalogue.entry(section.name, place.where("name"))
    if entry.family:
        return _family(place, section.name)
    for key in ("states", "hidden", "activation", "direction"):
        if getattr(section, key) is not None:
            raise ConfigError(place.where(key), f"not an option of the model `{section.name}`")
    return Texts(entry.equations, entry.parameters, entry.initial, time_span=entry.time_span)


def _family(place: ModelSource, name: str) -> Texts:
    """A built-in system for any states."""
    section = place.section
    if section.states is None:
        raise ConfigError(place.where(), f"`{name}` needs `states`: a list of names such as [x, y]")
    states = tuple(section.states)
    if len(set(states)) < len(states):
        raise ConfigError(place.where("states"), "a state is named twice")
    if name == "linear":
        if len(states) > MAX_LINEAR:
            what = f"`linear` has a parameter for every pair of states: at most {MAX_LINEAR} states (got {len(states)})"
            raise ConfigError(place.where("states"), f"{what}; write `equations` with the few that matter")
        return Texts(*catalogue.linear_equations(states))
    if name == "potential":
        hidden = tuple(section.hidden or (32, 32))
        field, network = catalogue.potential_equations(
            states, hidden, section.activation or "tanh", section.direction or "descent"
        )
        return Texts(field, networks={network.name: network})
    hidden = tuple(section.hidden) if section.hidden is not None else (8, 16, 32)
    mlp, network = catalogue.mlp_equations(states, hidden, section.activation or "leaky_relu", section.time_input)
    return Texts(mlp, networks={network.name: network})


def _networks(place: ModelSource, texts: Sequence[str]) -> dict[str, Network]:
    """The networks that formulas call; how many inputs each has is seen where it is called."""
    found, faults = {}, Faults()
    for name, section in place.section.networks.items():
        inputs = next((n for text in texts if (n := call_arity(text, name)) is not None), None)
        if inputs is None:
            faults.add(place.where("networks", name), f"no formula calls it, e.g. `{name}(...)` in an equation")
        found[name] = described_network(place.loaded, name, section, inputs or 1, faults)
    faults.check()
    return found


def _formula_texts(place: ModelSource) -> list[str]:
    """The texts in which networks may be called, equations first."""
    section, loaded = place.section, place.loaded
    texts = [*(section.equations or {}).values(), *section.expressions.values()]
    texts += [one.text for one in (section.observables or {}).values()]
    texts += [] if isinstance(section.initial, str) else section.initial.values()
    texts += [text for event in section.events for text in event.texts]
    texts += [one.formula for one in loaded.config.parameters.values() if one.formula is not None]
    return texts


def call_arity(text: str, name: str) -> int | None:
    """How many arguments the first call of `name` in a formula has; None where it is not called."""
    call = re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}\s*\(", text)
    if call is None:
        return None
    depth, commas = 1, 0
    for sign in text[call.end() :]:
        depth += (sign in "([") - (sign in ")]")
        if depth == 0:
            break
        commas += sign == "," and depth == 1
    return commas + 1


def declared_names(
    place: ModelSource, states: tuple[str, ...], nominal: Mapping[str, float], faults: Faults
) -> tuple[str, ...]:
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
    for name in place.inputs:
        if name in states or name in declared or name == TIME or name in place.constants:
            what = f"'{name}' is also the name of a state, a parameter, a constant or the time; an input needs its own"
            faults.add(place.loaded.where("data", "inputs", name), what)
    for name in place.loaded.config.data.arrays:
        if (
            name in states
            or name in declared
            or name == TIME
            or place.constants.count(name) > 1
            or name in place.inputs
        ):
            what = f"'{name}' is also the name of something else; an array needs its own"
            faults.add(place.loaded.where("data", "arrays", name), what)
    for name in place.constants:
        if name in states or name == TIME:
            what = f"the column '{name}' has the name of a state or the time; call an initial value `{name}_0`"
            faults.add(place.loaded.where("data", "experiments"), what)
    return declared
