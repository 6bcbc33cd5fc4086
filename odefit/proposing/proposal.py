"""A model for measurements: its parameters with starts and bounds that suit their size, and what is measured of it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.time_names import bare
from odefit.errors import ConfigError
from odefit.model import catalogue
from odefit.model.built_in.entry import Entry
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.system import TIME
from odefit.proposing.beside import UNNAMED
from odefit.proposing.dimensions import exponents
from odefit.proposing.look import Look
from odefit.proposing.naming import identifier
from odefit.proposing.scatter import noise_of
from odefit.proposing.settings import inputs_of, is_what_headers_say
from odefit.proposing.shapes import begins_with_nothing, experiments_differ, group_of
from odefit.records import dataclass
from odefit.text import clip

WIDTH = 100.0
"""How far bounds are from the start, as a factor, for what the sizes of the data tell."""
KNOWN = "set or measured apart: write yours"
_SWINGING = ("damped_oscillator", "van_der_pol", "duffing", "lorenz", "rossler", "fitzhugh_nagumo", "hodgkin_huxley")
WITH_FLOOR = "additive_proportional"
GENERIC = ("x", "y", "z")
"""States that are called so for want of a better name."""


@dataclass(frozen=True)
class Unknown:
    """A parameter that is estimated: its start and bounds, what there is to say of it, what has a value each;
    or a constant that is known."""

    name: str
    value: float
    lower: float
    upper: float
    scale: str
    remark: str = ""
    by: str = ""
    fixed: bool = False


@dataclass(frozen=True)
class Proposal:
    """A model for what was found in a file.

    Parameters
    ----------
    entry, equations
        The built-in system; its equations, of a family for the states at hand.
    initial
        State -> `estimate`, or the number that it begins with.
    observables
        Observable -> formula, in the order in which they are measured.
    columns
        Observable -> column or label, where that is called otherwise; columns or a pattern of several.
    unknowns
        What is estimated.
    noise
        Observable -> its kind.
    left
        What was measured, and no part of the model takes.
    called
        States of the built-in system that have the name of their column here.
    held
        States whose start is given, since no measurement tells their size.
    inputs
        What the experiment sets in the course of time -> its column, as a current.
    anew, start
        The observable that is the growth of its formula since the sample before, and where the first interval begins;
        None where there is none: see incidence.py.
    """

    entry: Entry
    equations: Mapping[str, str]
    initial: Mapping[str, str | float]
    observables: Mapping[str, str]
    columns: Mapping[str, str | Sequence[str]]
    unknowns: Sequence[Unknown]
    noise: Mapping[str, str]
    left: Sequence[str]
    called: Mapping[str, str]
    held: Sequence[str]
    inputs: Mapping[str, str]
    anew: str | None = None
    start: float | None = None


def propose(look: Look, model: str) -> Proposal:
    """A built-in system with numbers that suit the data.

    Parameters
    ----------
    look
        What was found in the file.
    model
        The name of the system.

    Raises
    ------
    ModelError
        There is no such system.
    ConfigError
        It is none that can be proposed for these data.
    """
    entry = catalogue.entry(model)
    equations, nominal, initial = entry.equations, {**entry.parameters, **entry.of_measured}, entry.initial
    inputs = inputs_of(entry, look)
    look = replace(look, series={n: pairs for n, pairs in look.series.items() if n not in inputs.values()})
    if entry.family:
        if entry.name != "linear":
            raise ConfigError(model, "is a network, which `odefit init` does not set up; see docs/networks.md")
        states: list[str] = []
        for column in look.series:
            states.append(identifier(column, states))
        equations, nominal = catalogue.linear_equations(states)
        initial = dict.fromkeys(states, 1.0)
    observables, taken = _paired(entry, equations, look)
    called = {} if entry.family else _called(entry, observables, taken, look)
    if called:
        equations = {called.get(state, state): _renamed(text, called) for state, text in equations.items()}
        initial = {called.get(state, state): value for state, value in initial.items()}
        observables = {called.get(name, name): _renamed(text, called) for name, text in observables.items()}
        taken = {called.get(name, name): column for name, column in taken.items()}
    sizes = _Sizes(look, equations, nominal, initial, entry.time_span, observables, taken)
    if entry.family:
        largest = [float(np.abs(look.series[taken[state]][:, 1]).max()) or 1.0 for state in equations]
        unknowns = _matrix(largest, list(nominal), sizes.span)
    else:
        unknowns = [_parameter(name, sizes) for name in nominal if name not in inputs]
        unknowns = [_known(one, sizes) if one.name in entry.known else one for one in unknowns]
    if look.kind != "events" and experiments_differ(look.series, len(nominal)):
        by = look.beside.by if look.beside else group_of(look.series, look.constants, len(nominal)) or "experiment"
        unknowns = [one if one.fixed else replace(one, by=by) for one in unknowns]
    unknowns += _infusion_parameters(look, list(equations), sizes.span)
    held = _without_size(observables, initial, sizes) if look.kind != "events" else {}
    starts: dict[str, str | float] = {}
    for state, value in initial.items():
        if look.kind == "events" or (value == 0 and (observables.get(state) != state or begins_with_nothing(look))):
            starts[state] = 0.0
        elif state in held:
            starts[state] = look.constants.dose or held[state]
        elif state not in observables.values() and is_what_headers_say(state, look, observables, taken):
            starts[state] = look.beside.constants[0] if look.beside else 0.0
        else:
            starts[state] = "estimate"
            unknowns.append(_initial(state, value, look, observables, taken, sizes))
    noise = noise_of(
        {name: look.series[column] for name, column in taken.items()},
        np.inf if look.kind == "events" else 0.0,  # concentrations after doses
        may_be_negative=entry.name in _SWINGING,
    )
    dosed_first = list(equations)[:1] if look.kind == "events" else []
    empty = {state: value == 0.0 and state not in dosed_first for state, value in starts.items()}
    for name in (name for name, kind in noise.items() if kind == "lognormal"):
        if _is_measured_at_nothing(observables[name], look.series[taken[name]], empty, look):
            noise[name] = WITH_FLOOR
    left = [name for name in look.series if name not in taken.values()]
    dosed = [] if look.constants.dose else list(held)
    said = (entry, equations, starts, observables, _columns(look, taken), unknowns, noise, left, called, dosed, inputs)
    return Proposal(*said)


def _columns(look: Look, taken: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    """Observable -> its column or columns, where a config has to say it. taken: observable -> its series."""
    if look.kind == "events":
        return {name: series.rpartition(" ")[2] for name, series in taken.items()} if len(taken) > 1 else {}
    if look.beside is not None:
        return {name: look.beside.columns[series] for name, series in taken.items()}
    return {name: series for name, series in taken.items() if series != name}


def _matrix(largest: Sequence[float], entries: Sequence[str], span: float) -> list[Unknown]:
    """The matrix of a linear system, row by row: each state decays within the span of the data, by itself.

    largest: the size of each state; an entry is in units of that of its row by that of its column.
    """
    rate = _round(3 / span)
    found = []
    for name, (row, column) in zip(entries, itertools.product(range(len(largest)), repeat=2), strict=True):
        width = _round(10 * rate * largest[row] / largest[column])
        found.append(Unknown(name, -rate if row == column else 0.0, -width, width, "linear"))
    return found


def _infusion_parameters(look: Look, states: Sequence[str], span: float) -> list[Unknown]:
    """Rates and durations of infusions that the model estimates, called as NONMEM calls them: R1, D1."""
    found = []
    for kind, compartment in look.events.modelled:
        number = str(states.index(compartment) + 1) if compartment in states else compartment or "1"
        value = _round(span / 10 if kind == "D" else (look.dose or 1.0) / (span / 10))
        remark = "how long infusions take (RATE -2)" if kind == "D" else "the rate of infusions (RATE -1)"
        found.append(Unknown(f"{kind}{number}", value, _round(value / WIDTH), _round(value * WIDTH), "log", remark))
    return found


def _called(entry: Entry, observables: Mapping[str, str], taken: Mapping[str, str], look: Look) -> dict[str, str]:
    """State -> the name of what was measured of it, for states that are x, y or z only for want of a name."""
    called: dict[str, str] = {}
    known = {*entry.equations, *entry.parameters, *(f"{state}_0" for state in entry.equations)}
    for name, column in taken.items():
        better = identifier(column, ())
        clashes = {better, f"{better}_0"} & {*known, *called.values()}
        if name in GENERIC and observables[name] == name and not clashes and not (look.beside and column == UNNAMED):
            called[name] = better
    return called


def _renamed(text: str, called: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Za-z_]\w*", lambda name: called.get(name[0], name[0]), text)


def _paired(entry: Entry, equations: Mapping[str, str], look: Look) -> tuple[dict[str, str], dict[str, str]]:
    """Observable -> formula, and observable -> what was measured: by name, then in their order."""
    formulas = dict(entry.measured) or {state: state for state in equations}
    left = list(look.series)
    pairs: dict[str, str] = {}
    if entry.family:
        pairs = dict(zip(equations, left, strict=True))
    # `x: prey` of its title: a column of prey is x.
    words = {name: word.strip().casefold() for name, word in re.findall(r"(\w+): ([\w ]+)", entry.title)}
    # What begins with nothing is a state that does so in the system, as the product of a reaction.
    from_zero = bool(left) and begins_with_nothing(look)
    ordered = sorted(formulas, key=lambda name: bool(entry.initial.get(formulas[name], 0))) if from_zero else formulas
    for by_name in (True, False):
        for name in ordered:
            known = {name.casefold(), words.get(name)}
            match = next((c for c in left if not by_name or bare(c).casefold() in known), None)
            if name not in pairs and match is not None and not entry.family:
                pairs[name] = match
                left.remove(match)
    return {name: formulas[name] for name in formulas if name in pairs}, {n: pairs[n] for n in formulas if n in pairs}


def _without_size(observables: Mapping[str, str], initial: Mapping[str, float], sizes: _Sizes) -> dict[str, float]:
    """State -> start, where several states may be larger together and nothing measured would show it: the first of them
    is given, as a dose."""
    held: dict[str, float] = {}
    for unit in sizes.powers:
        states = [state for state in unit if initial.get(state)]
        if states and set(unit) <= set(initial) and not set(unit) & set(observables.values()):
            held[states[0]] = _round(initial[states[0]] * sizes.factor[states[0]])
    return held


class _Sizes:
    """How much larger the units of the nominal values are than those of the data, and what follows for parameters."""

    def __init__(
        self,
        look: Look,
        equations: Mapping[str, str],
        nominal: Mapping[str, float],
        initial: Mapping[str, float],
        time_span: tuple[float, float],
        observables: Mapping[str, str],
        taken: Mapping[str, str],
    ) -> None:
        self.nominal = nominal
        known = {*equations, *nominal}
        slopes = {state: parse_formula(text, known) for state, text in equations.items()}
        measured = {name: parse_formula(text, known) for name, text in observables.items()}
        times = np.concatenate([pairs[:, 0] for pairs in look.series.values()])
        self.span = float(np.ptp(times)) or 1.0
        self.powers = exponents(
            slopes, measured, nominal, {state for state in slopes if state not in observables.values()}
        )
        curves = _solution(slopes, measured, nominal, initial, time_span)
        own = {TIME: self.span / (time_span[1] - time_span[0])}
        for name, column in taken.items():
            size = float(np.abs(look.series[column][:, 1]).max())
            unit = observables[name] if measured[name].is_Symbol else name
            own[unit] = (size or 1.0) / (curves[name] or 1.0)
        if look.dose is not None and not set(observables.values()) & {s for s, value in initial.items() if value}:
            own |= {state: look.dose / (max(initial.values()) or 1.0) for state in equations if state not in own}
        seen = [factor for unit, factor in own.items() if unit in equations]
        # States that nobody measured are taken to be in the units of those that somebody did.
        usual = float(np.exp(np.mean(np.log(seen)))) if seen else 1.0
        self.factor = {unit: own.get(unit, usual) for unit in (TIME, *equations, *observables)}

    def scaled(self, name: str) -> tuple[float, bool]:
        """A parameter's nominal value in the units of the data, and whether its units are known at all."""
        position = list(self.nominal).index(name)
        power = {unit: powers[position] for unit, powers in self.powers.items()}
        factor = math.prod(self._of(unit) ** by for unit, by in power.items())
        return self.nominal[name] * factor, (TIME,) in self.powers

    def _of(self, unit: tuple[str, ...]) -> float:
        """The factor of states that share a unit is that of the middle one, on the logarithmic scale."""
        return float(np.exp(np.mean([math.log(self.factor[name]) for name in unit])))


def _solution(
    slopes: Mapping[str, Any],
    measured: Mapping[str, Any],
    nominal: Mapping[str, float],
    initial: Mapping[str, float],
    time_span: tuple[float, float],
) -> dict[str, float]:
    """Observable -> its largest size along the nominal solution."""
    from scipy.integrate import solve_ivp

    names = [TIME, *slopes, *nominal]
    slope = numpy_function(list(slopes.values()), names)
    observe = numpy_function(list(measured.values()), names)
    values = tuple(nominal.values())
    found = solve_ivp(
        lambda t, y: np.array(slope(t, *y, *values), dtype=float),
        time_span,
        np.array(list(initial.values()), dtype=float),
        method="LSODA",
        rtol=1e-6,
    )
    rows = np.array([observe(t, *y, *values) for t, y in zip(found.t, found.y.T, strict=True)], dtype=float)
    return dict(zip(measured, np.abs(rows).max(axis=0).tolist(), strict=True))


def _parameter(name: str, sizes: _Sizes) -> Unknown:
    value, known = sizes.scaled(name)
    value = _round(value)
    remark = "" if known else "its nominal value: the equations are in units of their own"
    if value > 0:
        return Unknown(name, value, _round(value / WIDTH), _round(value * WIDTH), "log", remark)
    width = 10 * (abs(value) or 1.0)
    return Unknown(name, value, value - width, value + width, "linear", remark)


def _known(one: Unknown, sizes: _Sizes) -> Unknown:
    return replace(one, value=float(f"{sizes.scaled(one.name)[0]:.6g}"), fixed=True, remark=KNOWN)


def _is_measured_at_nothing(formula: str, series: FloatArray, empty: Mapping[str, bool], look: Look) -> bool:
    """Whether something was measured at the start, where the model has nothing: of that there is no logarithm.

    Parameters
    ----------
    formula
        Of the observable.
    series
        Its times, values and numbers of experiments [N, 3].
    empty
        State -> whether it begins at 0, and no dose fills it at the start.
    """
    named = [empty[name] for name in re.findall(r"[A-Za-z_]\w*", formula) if name in empty]
    start = 0.0 if look.kind == "events" else min(float(pairs[:, 0].min()) for pairs in look.series.values())
    at_start = series[series[:, 0] <= start, 1]
    return bool(named) and all(named) and bool((at_start > 0).any())


def _initial(
    state: str,
    nominal: float,
    look: Look,
    observables: Mapping[str, str],
    taken: Mapping[str, str],
    sizes: _Sizes,
) -> Unknown:
    """The initial value of a state: near the first measurements, or its nominal value in the units of the data."""
    name = f"{state}_0"
    column = next((taken[o] for o, formula in observables.items() if formula == state), None)
    if column is None:
        value = _round(nominal * sizes.factor[state])
        if value > 0:
            return Unknown(name, value, _round(value / WIDTH), _round(value * WIDTH), "log", "not measured")
        width = 10 * (abs(value) or 1.0)
        return Unknown(name, value, value - width, value + width, "linear", "not measured")
    first: FloatArray = look.first[column]
    size = float(np.abs(look.series[column][:, 1]).max()) or 1.0
    value = _round(float(np.median(first)))
    if look.series[column][:, 1].min() > 0:
        lower, upper = _round(float(first.min()) / 10), _round(max(float(first.max()) * 10, size))
        return Unknown(name, value, lower, upper, "log", "the first measurements")
    low, high = float(first.min()) - size, float(first.max()) + size
    low = max(low, 0.0) if look.series[column][:, 1].min() >= 0 else low
    return Unknown(name, value, _round(low), _round(high), "linear", "the first measurements")


def _round(value: float) -> float:
    return float(f"{value:.2g}")


def check_model(name: str) -> str:
    """A name of a built-in system that can be proposed. Raises ModelError, ConfigError."""
    entry = catalogue.entry(name)
    if entry.family and entry.name != "linear":
        raise ConfigError(clip(name), "is a network, which `odefit init` does not set up; see docs/networks.md")
    return name
