"""Units that contradict each other in the formulas of a model: `c/V` in mg/mL where `model.units` says mg/L.

Units are followed through sums, products and powers. Whatever has no unit is taken to fit, and so is any but a small
number: it may convert. So what is said is wrong, and what is not said need not be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.data.units import unit_of
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
    units = {name: found for name, text in texts.items() if (found := unit_of(text)) is not None}
    if len(units) < 2:
        return []
    said = [*_starts(loaded, units)]
    for state in model.equations or {}:
        if state in units:
            units.setdefault(initial_name(state), units[state])
    for where, text, wanted, what in _formulas(loaded, units):
        try:
            formula = parse_formula(text, written_names(text))
        except OdefitError:
            continue
        walk = _Walk(units)
        said += [f"{where}: {fault}" for fault in walk.faults(formula, wanted, what)]
        if walk.found:
            units.pop(what, None)  # what is made of it is not said again
        elif what in model.expressions and walk.known is not None:
            units.setdefault(what, walk.known)
    return list(dict.fromkeys(said))[:MOST_SAID]


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


class _Walk:
    """Follows units through one formula; `known` is that of the whole, None where it might be any."""

    def __init__(self, units: Mapping[str, Any]) -> None:
        self.units = units
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
            return unit_of("1") if abs(float(node)) in _COUNTS else None
        if node.is_Mul:
            return _product([self.of(part) for part in node.args])
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
        if kind in _WITHOUT and inner and inner[0] is not None and not _are_same(inner[0], unit_of("1")):
            self.found.append(f"{kind} of {formula_text(node.args[0])}, which is in {_name(inner[0])}")
        return unit_of("1") if kind in _WITHOUT else None

    def _power(self, base: Any, exponent: Any) -> Any:
        below, above = self.of(base), self.of(exponent)
        del above
        return below ** float(exponent) if below is not None and exponent.is_Number else None

    def _alike(self, parts: Sequence[Any]) -> Any:
        """The unit of what is added up or compared. A number may have any, but where the others have none."""
        known = [(part, unit) for part in parts if not part.is_Number and (unit := self.of(part)) is not None]
        if not known:
            return None
        first, unit = known[0]
        if any(part.is_Number and part != 0 for part in parts) and not unit.dimensionality:
            known.append((next(part for part in parts if part.is_Number), unit_of("1")))
        for other, own in known[1:]:
            if not _are_same(own, unit):
                remedy = "correct a unit, or convert one of them in the formula"
                first_said, other_said = (
                    f"{formula_text(first)} ({_name(unit)})",
                    f"{formula_text(other)} ({_name(own)})",
                )
                self.found.append(f"{first_said} and {other_said} are no units to be added or compared: {remedy}")
        return unit


def _product(units: Sequence[Any]) -> Any:
    found = unit_of("1")
    for unit in units:
        if unit is None:
            return None
        found = found * unit
    return found


def _ratio(first: Any, second: Any) -> float | None:
    """How many of the second unit the first is; None where they measure different things."""
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
