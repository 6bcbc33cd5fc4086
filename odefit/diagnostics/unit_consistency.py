"""Units that contradict each other in the formulas of a model: `c/V` in mg/mL where `model.units` says mg/L.

Units are followed through sums, products and powers. Whatever has no unit is taken to fit, and so is any but a small
number: it may convert. So what is said is wrong, and what is not said need not be right.

Units whose words fit are right whatever the words mean; pint, whose import takes as long as all the rest of a check,
is asked where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.data.units import plain, unit_of
from odefit.diagnostics.formula_lines import formula_text
from odefit.errors import OdefitError
from odefit.model.formulas import parse_formula
from odefit.model.system import TIME
from odefit.model.tokens import written_names
from odefit.problem.described import initial_name

SAME = 1e-6
"""The relative difference of two units up to which they are one."""
MOST_SAID = 12
_COUNTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5, 0.25)
"""Numbers that convert nothing; of any other a formula may say how many minutes an hour has."""
_WITHOUT = ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sigmoid")
"""Functions of what has no unit."""
_ALIKE = ("Add", "Max", "Min")

Formula = tuple[str, str, Any, str]
"""Where it stands, its text, the unit that it should have (None: any), and what it is."""


def unit_warnings(loaded: LoadedConfig) -> list[str]:
    """A sentence for each formula whose units contradict each other, or what the config says of its result.

    Parameters
    ----------
    loaded
        A config; without pint, or without units, nothing is said.
    """
    model, parameters = loaded.config.model, loaded.config.parameters
    texts = {**model.units, **{name: one.unit for name, one in parameters.items() if one.unit is not None}}
    words = {name: _words_of(text) for name, text in texts.items()}
    if len(texts) < 2 or (None not in words.values() and not _faults(loaded, words, _Words({}))):
        return []
    units = {name: found for name, text in texts.items() if (found := unit_of(text)) is not None}
    return _faults(loaded, units, unit_of("1"))[:MOST_SAID] if len(units) > 1 else []


def _faults(loaded: LoadedConfig, units: dict[str, Any], one: Any) -> list[str]:
    """By units of either kind, of which `one` is that of a plain number."""
    model = loaded.config.model
    said = [*_starts(loaded, units)]
    for state in model.equations or {}:
        if state in units:
            units.setdefault(initial_name(state), units[state])
    for where, text, wanted, what in _formulas(loaded, units):
        try:
            formula = parse_formula(text, written_names(text))
        except OdefitError:
            continue
        walk = _Walk(units, one)
        said += [f"{where}: {fault}" for fault in walk.faults(formula, wanted, what)]
        if walk.found:
            units.pop(what, None)  # what is made of it is not said again
        elif what in model.expressions and walk.known is not None:
            units.setdefault(what, walk.known)
    return list(dict.fromkeys(said))


def _starts(loaded: LoadedConfig, units: Mapping[str, Any]) -> Iterator[str]:
    """Initial values whose own unit is not that of their state."""
    for state in loaded.config.model.equations or {}:
        own, other = units.get(initial_name(state)), units.get(state)
        if own is not None and other is not None and not _are_same(own, other):
            where = loaded.where("parameters", initial_name(state), "unit")
            yield f"{where}: {initial_name(state)} is in {_name(own)}, and model.units says {_name(other)} of {state}"


def _formulas(loaded: LoadedConfig, units: Mapping[str, Any]) -> Iterator[Formula]:
    model, time = loaded.config.model, units.get(TIME)
    for name, text in model.expressions.items():
        yield loaded.where("model", "expressions", name), text, units.get(name), name
    for state, text in (model.equations or {}).items():
        slope = None if time is None or state not in units else units[state] / time
        yield loaded.where("model", "equations", state), text, slope, f"the slope of {state}"
    for name, one in (model.observables or {}).items():
        wanted = units.get(name) if one.kind != "fold_change" else None
        yield loaded.where("model", "observables", name), one.text, wanted, name
    for state, text in (model.initial if isinstance(model.initial, dict) else {}).items():
        if text not in ("estimate", "first", initial_name(state)):
            yield loaded.where("model", "initial", state), text, units.get(state), state
    for k, event in enumerate(model.events):
        for state, text in event.set.items():
            yield loaded.where("model", "events", k, "set", state), text, units.get(state), state
    for name, parameter in loaded.config.parameters.items():
        if parameter.formula is not None:
            yield loaded.where("parameters", name), parameter.formula, units.get(name), name


class _Words:
    """A unit as the powers of its words, whatever these mean."""

    dimensionality = ()  # a word may be that of a plain number

    def __init__(self, powers: Mapping[str, float]) -> None:
        self.powers = {word: n for word, n in powers.items() if n}

    def __mul__(self, other: _Words) -> _Words:
        return _Words({w: self.powers.get(w, 0) + other.powers.get(w, 0) for w in {**self.powers, **other.powers}})

    def __truediv__(self, other: _Words) -> _Words:
        return self * other**-1

    def __pow__(self, exponent: float) -> _Words:
        return _Words({word: n * exponent for word, n in self.powers.items()})

    def __format__(self, form: str) -> str:
        return "*".join(f"{word}^{n}" for word, n in self.powers.items())


def _words_of(text: str) -> _Words | None:
    """The words of a unit that is a plain product or quotient; None for any other text."""
    found = _Words({})
    for sign, factor in re.findall(r"(^|[*/])([^*/]*)", plain(text)):
        word = re.fullmatch(r"1|([^\W\d_]+|%)(?:\^(-?\d{1,2}))?", factor.strip())
        if word is None:
            return None
        if word[1]:
            power = _Words({word[1]: float(word[2] or 1)})
            found = found / power if sign == "/" else found * power
    return found


class _Walk:
    """Follows units through one formula; `known` is that of the whole, None where it might be any."""

    def __init__(self, units: Mapping[str, Any], one: Any) -> None:
        self.units, self.one = units, one
        self.found: list[str] = []
        self.known: Any = None

    def faults(self, formula: Any, wanted: Any, what: str) -> list[str]:
        """What contradicts what: each term of a sum beside the unit that it should have."""
        self.known = self.of(formula)
        if wanted is None or self.found:
            return self.found
        for term in formula.args if formula.is_Add else (formula,):
            own = self.of(term)
            if own is not None and not term.is_Number and not _are_same(own, wanted):
                self.found.append(
                    f"{formula_text(term)} is in {_name(own)}, and {what} in {_name(wanted)}{_factor(own, wanted)}"
                )
        return self.found

    def of(self, node: Any) -> Any:
        """The unit of a part; None where it might be any."""
        kind = type(node).__name__
        if node.is_Symbol:
            return self.units.get(node.name)
        if node.is_Number:
            return self.one if abs(float(node)) in _COUNTS else None
        if node.is_Mul:
            return _product(self.one, [self.of(part) for part in node.args])
        if node.is_Pow:
            return self._power(*node.args)
        if kind in _ALIKE or node.is_Relational:
            shared = self._alike(node.args)
            return None if node.is_Relational else shared
        if kind == "Abs":
            return self.of(node.args[0])
        if node.is_Piecewise:
            for pair in node.args:
                self.of(pair.cond)
            return self._alike([pair.expr for pair in node.args])
        inner = [self.of(part) for part in node.args if isinstance(part, sp.Basic)]
        if kind in _WITHOUT and inner and inner[0] is not None and not _are_same(inner[0], self.one):
            self.found.append(f"{kind} of {formula_text(node.args[0])}, which is in {_name(inner[0])}")
        return self.one if kind in _WITHOUT else None

    def _power(self, base: Any, exponent: Any) -> Any:
        below = self.of(base)
        self.of(exponent)  # for what contradicts itself in it
        return below ** float(exponent) if below is not None and exponent.is_Number else None

    def _alike(self, parts: Sequence[Any]) -> Any:
        """The unit of what is added up or compared. A number may have any, but where the others have none."""
        known = [(part, unit) for part in parts if not part.is_Number and (unit := self.of(part)) is not None]
        if not known:
            return None
        first, unit = known[0]
        if any(part.is_Number and part != 0 for part in parts) and not unit.dimensionality:
            known.append((next(part for part in parts if part.is_Number), self.one))
        for other, own in known[1:]:
            if not _are_same(own, unit):
                remedy = "correct a unit, or convert one of them in the formula"
                first_said, other_said = (
                    f"{formula_text(first)} ({_name(unit)})",
                    f"{formula_text(other)} ({_name(own)})",
                )
                self.found.append(f"{first_said} and {other_said} are no units to be added or compared: {remedy}")
        return unit


def _product(one: Any, units: Sequence[Any]) -> Any:
    found = one
    for unit in units:
        if unit is None:
            return None
        found = found * unit
    return found


def _ratio(first: Any, second: Any) -> float | None:
    """How many of the second unit the first is; None where they measure different things."""
    if isinstance(first, _Words):
        return 1.0 if first.powers == second.powers else None
    quotient = (1.0 * (first / second)).to_base_units()
    return float(quotient.magnitude) if not quotient.dimensionality else None


def _are_same(first: Any, second: Any) -> bool:
    ratio = _ratio(first, second)
    return ratio is not None and abs(ratio - 1.0) < SAME


def _factor(own: Any, wanted: Any) -> str:
    ratio = _ratio(own, wanted)
    if ratio is None:
        return ": they measure different things; correct a unit, or the formula"
    return f": correct a unit, or write the factor {ratio:.6g} into the formula"


def _name(unit: Any) -> str:
    return f"{unit:~C}" or "1"
