"""A set of terms as an ordinary model: equations, parameters, and where its fit begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odefit.config.earlier import EarlierFit
from odefit.config.load import LoadedConfig
from odefit.config.model_section import ParameterSection
from odefit.discovery.library import CONSTANT
from odefit.discovery.reading import Prepared, with_equations
from odefit.discovery.shooting import Model
from odefit.model.formula_text import is_sum, renamed
from odefit.records import dataclass


@dataclass(frozen=True)
class Draft:
    """A candidate before its fit.

    Parameters
    ----------
    name
        What it is called, also as a folder: `7-terms`.
    equations
        State -> the formula of its rate, with names of parameters.
    parameters
        Name -> {value, bounds, ...} of coefficients and of constants in terms.
    values
        Every parameter at which the fit begins, initial values included.
    columns
        The terms in the library.
    """

    name: str
    equations: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, float]
    columns: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many terms it has beside what is known."""
        return len(self.columns)

    def loaded(self, prepared: Prepared) -> LoadedConfig:
        """The config of its fit."""
        sections = {n: ParameterSection.model_validate(dict(p)) for n, p in self.parameters.items()}
        found = with_equations(prepared.loaded, self.equations, sections)
        fit = {"starts": 1, "match": False, "cluster": None}
        kept = {k: v for k, v in found.config.fit.model_dump(exclude_unset=True).items() if k not in fit}
        settings = type(found.config.fit).model_validate(kept | fit)
        config = found.config.model_copy(update={"fit": settings, "title": self._title(prepared.loaded)})
        return LoadedConfig(
            config, found.source, found.path, found.notes, found.given, EarlierFit("the search", self.values)
        )

    def _title(self, asked: LoadedConfig) -> str:
        """What its run is headed with, which lies in a folder whose name says its size alone."""
        return f"{asked.config.title or (asked.path.stem if asked.source.name else 'discovery')}: candidate {self.name}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "equations": dict(self.equations),
            "parameters": {n: dict(p) for n, p in self.parameters.items()},
            "values": dict(self.values),
            "columns": list(self.columns),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Draft:
        """The inverse."""
        return cls(data["name"], data["equations"], data["parameters"], data["values"], tuple(data["columns"]))


def draft(prepared: Prepared, model: Model, name: str) -> Draft:
    """A model that was found as one that can be fitted."""
    states, section = prepared.series.states, prepared.section
    taken = {*prepared.loaded.config.parameters, *states, *prepared.library.others}
    parts: dict[str, list[str]] = {s: [section.known[s]] if s in section.known else [] for s in states}
    parameters: dict[str, dict[str, Any]] = {}
    values: dict[str, float] = {}
    for j in _in_order(model, states):
        term, value = model.library.terms[j], float(model.c[j])
        text = term.text
        for inner, start in term.inner.items():
            own = inner
            if inner not in prepared.loaded.config.parameters:
                own = _free(inner, taken)
                text = renamed(text, {inner: own})
                parameters[own] = {"value": _shown(start), "bounds": _span(start), "scale": "log"}
            taken.add(own)
            values[own] = start
        coefficient = _free("c", taken, numbered=True)
        taken.add(coefficient)
        parameters[coefficient] = {"value": _shown(value)}
        if term.sign:
            parameters[coefficient] |= {"bounds": [0.0, float("inf")] if term.sign > 0 else [float("-inf"), 0.0]}
        values[coefficient] = value
        for state, weight in term.targets.items():
            parts[state].append(_product(weight, coefficient, text))
    if prepared.known is not None:
        values |= {n: float(v) for n, v in zip(prepared.known.parameters, model.p, strict=True)}
    values |= _starts(prepared, model)
    equations = {s: _sum(own) for s, own in parts.items()}
    return Draft(name, equations, parameters, values, model.columns)


def _in_order(model: Model, states: tuple[str, ...]) -> list[int]:
    """The terms by the first state that they enter."""
    return sorted(model.columns, key=lambda j: (min(states.index(s) for s in model.library.terms[j].targets), j))


def _starts(prepared: Prepared, model: Model) -> dict[str, float]:
    """The initial values of all experiments, by the names that they have in a fit."""
    names = set(prepared.assembly.problem.table.names)
    found = {}
    for e, experiment in enumerate(prepared.series.experiments):
        for s, state in enumerate(prepared.series.states):
            for name in (f"{state}_0", f"{state}_0[{experiment.name}]"):
                if name in names:
                    found[name] = float(model.x[e, 0, s])
    return found


def _free(name: str, taken: set[str], numbered: bool = False) -> str:
    """A name that is not taken yet."""
    if not numbered and name not in taken:
        return name
    k = 1 if numbered else 2
    joined = name if numbered else f"{name}_"
    while f"{joined}{k}" in taken:
        k += 1
    return f"{joined}{k}"


def _span(value: float) -> list[float]:
    return [_shown(value / 1e4), _shown(value * 1e4)]


def _shown(value: float) -> float:
    return float(f"{value:.6g}")


def _product(weight: float, coefficient: str, text: str) -> str:
    """`-2*c1*x*y`, with its sign."""
    sign, size = ("-" if weight < 0 else "+"), abs(weight)
    factors = [] if size == 1 else [f"{size:.12g}"]
    factors.append(coefficient)
    if text != CONSTANT:
        factors.append(f"({text})" if is_sum(text) else text)
    return sign + "*".join(factors)


def _sum(parts: list[str]) -> str:
    """Signed parts as one formula."""
    found = ""
    for part in parts:
        sign, rest = (part[0], part[1:]) if part[0] in "+-" and part[:2] != "--" else ("+", part)
        if not found:
            found = rest if sign == "+" else f"-{rest}"
        else:
            found += f" {sign} {rest}"
    return found or "0"


def with_numbers(draft: Draft, estimates: Mapping[str, float | None]) -> dict[str, str]:
    """The equations of a candidate with numbers in place of its own parameters."""
    values = {name: estimates.get(name) for name in draft.parameters}
    known = {name: f"{value:.4g}" for name, value in values.items() if value is not None}
    found = {}
    for state, text in draft.equations.items():
        text = renamed(text, known)
        text = text.replace("+ -", "- ").replace("- -", "+ ")
        found[state] = text[1:].lstrip() if text.startswith("--") else text
    return found
