"""PEtab version 1, read as it is meant: never by way of version 2, where preequilibration means something else.

A pair of conditions (before, during) is an experiment. What the first one sets ends with it: the second one is a
change of the model as the file has it, except for the states, which go on from where they have come to rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from odefit.interop.mathematics import Tree, names_in
from odefit.interop.petab_prior import PetabPrior
from odefit.interop.petab_problem import (
    Measured,
    Period,
    PetabExperiment,
    PetabObservable,
    PetabParameter,
)
from odefit.interop.petab_rows import measured_in
from odefit.interop.petab_tables import Reading, Row
from odefit.text import clip, suggest

SCALES = ("lin", "log", "log10")
_PLACEHOLDER = r"Parameter([0-9]+)_"
_PRIORS: Mapping[str, tuple[str, bool, int]] = {
    "uniform": ("uniform", False, 2),
    "normal": ("normal", False, 2),
    "laplace": ("laplace", False, 2),
    "logNormal": ("log-normal", False, 2),
    "logLaplace": ("log-laplace", False, 2),
    "parameterScaleUniform": ("uniform", True, 2),
    "parameterScaleNormal": ("normal", True, 2),
    "parameterScaleLaplace": ("laplace", True, 2),
}
"""Version 1's words: ours, whether it is a density on the parameter's scale, how many numbers it has."""


def read_parameters(reading: Reading, paths: list[Path]) -> dict[str, PetabParameter]:
    """The parameter table."""
    rows = reading.rows_by_id(paths, ["parameterId", "estimate"])
    return {name: _parameter(reading, row, name) for name, row in rows}


def _parameter(reading: Reading, row: Row, name: str) -> PetabParameter:
    scale = reading.choice(row, "parameterScale", "lin", SCALES)
    estimated = reading.flag(row, "estimate")
    lower, upper = (
        reading.number(row, column, default) if estimated else default
        for column, default in (("lowerBound", -math.inf), ("upperBound", math.inf))
    )
    nominal = reading.number(row, "nominalValue") if row.text("nominalValue") else None
    if estimated and not lower < upper:
        reading.faults.add(row.where("upperBound"), f"'{name}': the lower bound must be below the upper one")
    if not estimated and nominal is None:
        reading.faults.add(row.where("nominalValue"), f"'{name}' is not estimated and has no value")
    prior = _prior(reading, row) if estimated else None
    return PetabParameter(name, row.where(), scale, lower, upper, nominal, estimated, prior, row.text("parameterName"))


def _prior(reading: Reading, row: Row) -> PetabPrior | None:
    word = row.text("objectivePriorType")
    if not word:
        return None
    if word not in _PRIORS:
        column = "objectivePriorType"
        reading.faults.add(row.where(column), f"'{clip(word)}' is no prior of PEtab; {suggest(word, _PRIORS)}")
        return None
    kind, on_scale, count = _PRIORS[word]
    numbers = reading.numbers(row, "objectivePriorParameters", count)
    if numbers is None and word == "parameterScaleUniform":
        return None  # the bounds, on the scale of the search: no prior
    return None if numbers is None else PetabPrior(kind, numbers, on_scale)


def read_observables(reading: Reading, paths: list[Path]) -> dict[str, PetabObservable]:
    """The observable table."""
    found: dict[str, PetabObservable] = {}
    for name, row in reading.rows_by_id(paths, ["observableId", "observableFormula", "noiseFormula"]):
        formula, noise = reading.tree(row, "observableFormula"), reading.tree(row, "noiseFormula")
        found[name] = PetabObservable(
            name,
            row.where(),
            formula,
            noise,
            reading.choice(row, "noiseDistribution", "normal", ("normal", "laplace")),
            reading.choice(row, "observableTransformation", "lin", SCALES),
            _placeholders("observable", name, formula, noise),
            _placeholders("noise", name, formula, noise),
            row.text("observableName"),
        )
    return found


def _placeholders(kind: str, observable: str, *trees: Tree) -> tuple[str, ...]:
    """`observableParameter1_x`, `observableParameter2_x`, … as far as formulas name them."""
    pattern = re.compile(rf"{kind}{_PLACEHOLDER}{re.escape(observable)}")
    counts = [int(m[1]) for tree in trees for name in names_in(tree) if (m := pattern.fullmatch(name))]
    return tuple(f"{kind}Parameter{i}_{observable}" for i in range(1, min(max(counts, default=0), 1000) + 1))


def read_conditions(reading: Reading, paths: list[Path]) -> dict[str, Period]:
    """What each condition sets, from 0 on. An empty cell leaves a name as the model has it."""
    found: dict[str, Period] = {}
    for name, row in reading.rows_by_id(paths, ["conditionId"]):
        columns = [c for c in row.cells if c not in ("conditionId", "conditionName") and c]
        changes = {column: reading.tree(row, column) for column in columns if row.text(column)}
        found[name] = Period(0.0, name, changes, row.where())
    return found


def read_measurements(
    reading: Reading, paths: list[Path], conditions: Mapping[str, Period]
) -> tuple[tuple[Measured, ...], dict[str, PetabExperiment]]:
    """The measurement table, and the experiments that it is of: pairs of conditions."""
    pairs: dict[tuple[str, str], None] = {}
    rows: list[tuple[Row, tuple[str, str]]] = []
    unknown: dict[str, list[str]] = {}
    for path in paths:
        for row in reading.rows(path, ["observableId", "simulationConditionId", "measurement", "time"]):
            pair = (row.text("preequilibrationConditionId"), row.text("simulationConditionId"))
            for column, condition in zip(("preequilibrationConditionId", "simulationConditionId"), pair, strict=True):
                if condition and condition not in conditions:
                    unknown.setdefault(condition, []).append(row.where(column))
            if not pair[1]:
                reading.faults.add(row.where("simulationConditionId"), "a condition is missing")
            if pair[1] in conditions and pair[0] in ("", *conditions):
                pairs[pair] = None
                rows.append((row, pair))
            else:
                measured_in(reading, row, "")  # for its faults
    reading.unknown(unknown, "condition", conditions)
    called = _names_of_pairs(list(pairs))
    experiments = {called[pair]: _experiment(called[pair], pair, conditions) for pair in pairs}
    measured = tuple(measured_in(reading, row, called[pair]) for row, pair in rows)
    return measured, experiments


def _names_of_pairs(pairs: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The condition alone where that says which experiment is meant."""
    during = [pair[1] for pair in pairs]
    return {
        pair: pair[1] if during.count(pair[1]) == 1 else f"{pair[1]} after {pair[0] or 'nothing'}" for pair in pairs
    }


def _experiment(name: str, pair: tuple[str, str], conditions: Mapping[str, Period]) -> PetabExperiment:
    before, during = pair
    periods: tuple[Period, ...] = (conditions[during],)
    if before:
        periods = (replace(conditions[before], time=-math.inf), *periods)
    return PetabExperiment(name, periods, taken_back=True)
