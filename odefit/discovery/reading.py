"""From a config of a sparse model to series, library and known part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.library_section import LibrarySection
from odefit.config.load import LoadedConfig
from odefit.config.model_section import SPARSE, ModelSection
from odefit.data.experiments import Experiment
from odefit.discovery.asked_library import asked_library
from odefit.discovery.field import Known
from odefit.discovery.library import Library, as_law
from odefit.discovery.series import Series, make_series
from odefit.errors import ConfigError, Fault, Faults, InputError, ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.language import FUNCTIONS
from odefit.model.operators import put_numbers
from odefit.model.system import TIME, symbol
from odefit.model.tokens import written_names
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.records import dataclass
from odefit.text import abridged, suggest

HIDDEN = (
    "Discovery needs every state measured: with some course of a hidden one, almost any equations of the others are "
    "right; leave it out of `states`, or fit equations that you know"
)
USED = "used_by_the_library"
FEWEST_TIMES = 6
"""The fewest times at which a state must have been measured."""
OF_SPARSE = ("name", "states", "library")
"""Keys of the section `model` that its equations take the place of."""


@dataclass(frozen=True)
class Prepared:
    """What a search for equations needs.

    Parameters
    ----------
    loaded
        The config of the sparse model.
    assembly
        The same states with the known part of their equations alone, bound to the data.
    series, library, known, p
        See `searching.py`.
    notes
        What a user should know, a sentence each.
    """

    loaded: LoadedConfig
    assembly: Assembly
    series: Series
    library: Library
    known: Known | None
    p: FloatArray
    notes: tuple[str, ...] = ()

    @property
    def section(self) -> LibrarySection:
        """What the config says of the library."""
        return self.loaded.config.model.library or LibrarySection()


def with_equations(loaded: LoadedConfig, equations: Mapping[str, str], parameters: Mapping[str, Any]) -> LoadedConfig:
    """The config with equations in place of the sparse model, and parameters beside its own.

    Inputs that nothing names any more are left out.
    """
    config = loaded.config
    kept = {k: v for k, v in config.model.model_dump(exclude_unset=True).items() if k not in OF_SPARSE}
    model = ModelSection.model_validate({"equations": dict(equations), "initial": "estimate"} | kept)
    named = set().union(*map(written_names, (*equations.values(), *model.expressions.values())))
    data = config.data.model_copy(update={"inputs": {n: u for n, u in config.data.inputs.items() if n in named}})
    own = {**config.parameters, **parameters}
    if data.inputs == config.data.inputs:
        data = config.data
    return replace(loaded, config=config.model_copy(update={"model": model, "data": data, "parameters": own}))


def prepared(loaded: LoadedConfig) -> Prepared:
    """Read the data, and make the library. Raises InputError with all that stands in the way."""
    model = loaded.config.model
    if model.name != SPARSE or model.states is None:
        what = "is no sparse model: write `model: {name: sparse, states: [...]}`, with the measured states"
        raise ConfigError(loaded.where("model"), what)
    section = model.library or LibrarySection()
    _check_names(loaded, section, model.states)
    known = {s: section.known.get(s, "0") for s in model.states}
    assembly = _assembled(loaded, section, known)
    columns = _measured_states(loaded, assembly)
    _check_conditions(loaded, assembly)
    series = _series(assembly, columns, ())
    library = asked_library(loaded, section, assembly, series)
    others = library.others
    part = _known_part(loaded, section, assembly, others)
    p = np.array([assembly.problem.table[name].value for name in part.parameters]) if part else np.zeros(0)
    return Prepared(loaded, assembly, _series(assembly, columns, others), library, part, p, assembly.notes)


def _assembled(loaded: LoadedConfig, section: LibrarySection, known: Mapping[str, str]) -> Assembly:
    """The known part alone, bound to the data; all inputs count as used. Raises InputError."""
    bare, inputs = _bare(loaded, section), loaded.config.data.inputs
    if inputs:
        model = bare.config.model.model_copy(update={"expressions": {USED: " + ".join(inputs)}})
        bare = replace(bare, config=bare.config.model_copy(update={"model": model}))
    try:
        return prepare(with_equations(bare, known, {}))[0]
    except InputError as error:
        lacking = ("never measured", "no column")
        keys = {loaded.where("model", "equations", s): loaded.where("model", "library", "known", s) for s in known}
        faults = [
            Fault(f.where, f"{f.what}. {HIDDEN}")
            if any(word in f.what for word in lacking)
            else Fault(keys.get(f.where, f.where), f.what)
            for f in error.faults
        ]
        raise type(error)(faults=faults) from None


def _bare(loaded: LoadedConfig, section: LibrarySection) -> LoadedConfig:
    """Without the parameters that terms of the library alone name."""
    inside = {name for text in section.terms for name in written_names(text)}
    used = {name for text in section.known.values() for name in written_names(text)}
    kept = {n: p for n, p in loaded.config.parameters.items() if n not in inside - used}
    return replace(loaded, config=loaded.config.model_copy(update={"parameters": kept}))


def _check_names(loaded: LoadedConfig, section: LibrarySection, states: list[str]) -> None:
    faults = Faults()

    def where(*keys: str) -> str:
        return loaded.where("model", "library", *keys)

    data = loaded.config.data
    for name in sorted({s for s in states if states.count(s) > 1}):
        faults.add(loaded.where("model", "states"), f"'{name}' is named twice")
    known = {*states, TIME, *data.inputs}
    for name in section.of or ():
        if name not in known and data.experiments is None and data.csv is not None:
            faults.add(where("of"), f"'{name}' is no state, input or `t`; {suggest(name, sorted(known))}")
    for key in ("known", "signs", "without"):
        for state in getattr(section, key):
            if state not in states:
                faults.add(where(key, state), f"'{state}' is no state; {suggest(state, states)}")
    for key in ("positive", "vanishing"):
        for state in getattr(section, key):
            if state not in states:
                faults.add(where(key), f"'{state}' is no state; {suggest(state, states)}")
    for name in section.functions:
        if name not in FUNCTIONS or FUNCTIONS[name].arity != 1:
            one = [f for f, what in FUNCTIONS.items() if what.arity == 1]
            faults.add(where("functions"), f"'{name}' is no function of one variable; {suggest(name, one)}")
    for name, observed in (loaded.config.model.observables or {}).items():
        if observed.kind != "formula" or observed.text.strip() not in states:
            what = f"must be one of the states alone, {abridged(states, 10)}: their slopes are what the data tell"
            faults.add(loaded.where("model", "observables", name), what)
    for text in section.terms:
        try:
            parse_formula(text, written_names(text))
        except ModelError as error:
            faults.add(where("terms"), str(error))
    for text in section.conserved:
        try:
            law = as_law(text, states)
        except ModelError as error:
            faults.add(where("conserved"), str(error))
            continue
        if law is None:
            faults.add(where("conserved"), f"'{text}' is no weighted sum of states, such as S + I + R")
    if data.doses is not None:
        faults.add(
            loaded.where("data", "doses"), "states jump at doses, and discovery is for data without; leave them out"
        )
    for key in ("events", "steady_state", "networks", "expressions"):
        if getattr(loaded.config.model, key):
            faults.add(loaded.where("model", key), "is not for a sparse model, whose equations are to be found")
    faults.check()


def _measured_states(loaded: LoadedConfig, assembly: Assembly) -> dict[int, int]:
    """Column of the measurements -> state. Raises ConfigError where a state is not measured itself."""
    system = assembly.described.system
    found, faults = {}, Faults()
    for column, (name, formula) in enumerate(system.observables.items()):
        own = next((k for k, state in enumerate(system.states) if formula == symbol(state)), None)
        if own is None:
            what = "is no state itself; discovery needs the states, so that slopes of its own follow from the data"
            faults.add(loaded.where("model", "observables", name), what)
        else:
            found[column] = own
    faults.check()
    values = np.concatenate([e.values for e in assembly.problem.experiments])
    for k, state in enumerate(system.states):
        columns = [c for c, s in found.items() if s == k]
        n = int((~np.isnan(values[:, columns])).any(axis=1).sum()) if columns else 0
        if n == 0:
            what = f"the state '{state}' is not measured. {HIDDEN}"
            faults.add(loaded.where("model", "states"), what)
        elif n < FEWEST_TIMES:
            what = f"the state '{state}' is measured at {n} times, too few to find an equation from"
            faults.add(loaded.where("model", "states"), what)
    faults.check()
    return found


def _check_conditions(loaded: LoadedConfig, assembly: Assembly) -> None:
    if any(e.doses for e in assembly.problem.experiments):
        raise ConfigError(
            loaded.where("data"), "states jump at doses, and discovery is for data without; leave them out"
        )
    if assembly.held:
        what = "holds measurements out; discovery compares by criteria on all data, so leave it out"
        raise ConfigError(loaded.where("data", "hold_out"), what)


def _series(assembly: Assembly, columns: Mapping[int, int], others: tuple[str, ...]) -> Series:
    problem = assembly.problem
    noises = list(problem.observation.noise.values())
    states = assembly.described.system.states
    is_log = np.zeros(len(states), dtype=bool)
    for column, s in columns.items():
        is_log[s] |= noises[column].is_log
    errors = [_errors(assembly, e) for e in problem.experiments]
    return make_series(problem.experiments, states, columns, is_log, errors, others)


def _errors(assembly: Assembly, experiment: Experiment) -> FloatArray:
    """[T, O] standard deviations where they are known, else NaN."""
    found = np.full(experiment.values.shape, np.nan)
    for column, noise in enumerate(assembly.problem.observation.noise.values()):
        if noise.family.is_count:
            found[:, column] = np.sqrt(np.maximum(experiment.values[:, column], 0.0) + 1.0)
        elif noise.sigma is None and experiment.sigma is not None:
            found[:, column] = experiment.sigma[:, column]
        elif noise.sigma is not None and not free_names(noise.sigma):
            found[:, column] = float(noise.sigma)
    return np.where(found > 0, found, np.nan)


def _known_part(
    loaded: LoadedConfig, section: LibrarySection, assembly: Assembly, others: tuple[str, ...]
) -> Known | None:
    """The known part of the rates, with numbers in place of parameters that are fixed. Raises ConfigError."""
    if not section.known:
        return None
    system, table = assembly.described.system, assembly.problem.table
    named = set().union(*(free_names(f) for f in system.equations.values())) - {*system.states, *others}
    for name in sorted(named - {*table.names}):
        what = "has a value for each experiment or group; in a known part of a sparse model it must be one for all"
        raise ConfigError(loaded.where("parameters", name), what)
    fixed = {symbol(n): table[n].value for n in named if not table[n].estimate}
    formulas = tuple(put_numbers(system.equations[s], fixed) for s in system.states)
    return Known(
        formulas, system.states, others, tuple(n for n in system.parameters if n in named and table[n].estimate)
    )
