"""PEtab version 2: conditions as lists of changes, experiments as sequences of periods.

What a period sets stays until a later one sets it again, preequilibration included.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from odefit.interop.mathematics import Name, Tree, replaced
from odefit.interop.petab_problem import (
    Measured,
    Period,
    PetabExperiment,
    PetabObservable,
    PetabParameter,
    PetabProblem,
)
from odefit.interop.petab_rows import Files, measured_in, prior_in
from odefit.interop.petab_tables import Reading, Row
from odefit.interop.sciml.extension import NAMES, Entities, names_of, read_entities, read_hybrid, section_of
from odefit.text import clip

UNNAMED = "data"
"""What the experiment of measurements that name none is called."""
_SCALES = ("lin", "log", "log10")
_OBSERVABLE = ("observableId", "observableFormula", "noiseFormula")
_NOISE = {
    "normal": ("normal", "lin"),
    "laplace": ("laplace", "lin"),
    "log-normal": ("normal", "log"),
    "log-laplace": ("laplace", "log"),
}


def read_version_2(name: str, path: Path, files: Files, reading: Reading) -> PetabProblem:
    """A problem of version 2."""
    data = files.source.data
    _check_extensions(files)
    section = section_of(data)
    mapping = [row for path in files.named(data, (), "mapping_files") for row in _mapping_rows(reading, path)]
    entities = Entities() if section is None else read_entities(mapping, names_of(section, files), reading)
    rows = list(reading.rows_by_id(files.needed(data, (), "parameter_files"), ["parameterId", "estimate"]))
    parameters = {n: _parameter(reading, row, n, section is not None) for n, row in rows if n not in entities.weights}
    weights = [(name, row) for name, row in rows if name in entities.weights]
    hybrid = None if section is None else read_hybrid(section, files, reading, entities, weights)
    seen = list(reading.rows_by_id(files.needed(data, (), "observable_files"), _OBSERVABLE))
    observables = {n: _observable(reading, row, n, section is not None) for n, row in seen}
    conditions = _conditions(reading, files.named(data, (), "condition_files"))
    if hybrid is not None:  # some are known by their arrays alone
        conditions = {name: dict[str, Tree]() for name in sorted(hybrid.conditions)} | conditions
    experiments = _experiments(reading, files.named(data, (), "experiment_files"), conditions)
    measurements = _measurements(reading, files.needed(data, (), "measurement_files"), experiments)
    if any(row.experiment == UNNAMED for row in measurements):
        experiments.setdefault(UNNAMED, PetabExperiment(UNNAMED, ()))
    problem = PetabProblem(
        name,
        path,
        2,
        _model(files, path),
        parameters,
        observables,
        experiments,
        tuple(measurements),
        decisions=()
        if section is None
        else (*_dropped(rows, "parameterScale"), *_dropped(seen, "observableTransformation")),
        hybrid=hybrid,
    )
    return _mapped(problem, _mapping(mapping, entities.ids))


def _check_extensions(files: Files) -> None:
    extensions = files.source.data.get("extensions") or {}
    if isinstance(extensions, Mapping):
        for name, extension in extensions.items():
            if name in NAMES and isinstance(extension, Mapping):
                continue
            if not isinstance(extension, Mapping) or extension.get("required", True):
                files.fault(
                    ("extensions", str(name)), f"needs PEtab's extension '{clip(str(name))}', which is not read"
                )


def _model(files: Files, path: Path) -> Path:
    models = files.source.data.get("model_files")
    if not isinstance(models, Mapping) or len(models) != 1:
        many = isinstance(models, Mapping) and len(models) > 1
        files.fault(("model_files",), "names several models; odefit fits one" if many else "must name one model")
        return path
    ((name, model),) = models.items()
    keys = ("model_files", str(name))
    if not isinstance(model, Mapping) or not isinstance(model.get("location"), str):
        files.fault(keys, "must have a 'language' and a 'location'")
        return path
    if model.get("language") != "sbml":
        files.fault((*keys, "language"), f"'{clip(str(model.get('language')))}' is not read; odefit reads sbml")
    return (files.named(model, keys, "location") or [path])[0]


def _parameter(reading: Reading, row: Row, name: str, scaled: bool) -> PetabParameter:
    """scaled: whether a column `parameterScale` is read, which version 2 dropped and hybrid problems may have."""
    estimated = reading.flag(row, "estimate")
    lower, upper = -math.inf, math.inf
    if estimated:
        lower = reading.number(row, "lowerBound", lower)
        upper = reading.number(row, "upperBound", upper)
        if not lower < upper:
            reading.faults.add(row.where("upperBound"), f"'{name}': the lower bound must be below the upper one")
    nominal = reading.number(row, "nominalValue") if row.text("nominalValue") else None
    if not estimated and nominal is None:
        reading.faults.add(row.where("nominalValue"), f"'{name}' is not estimated and has no value")
    prior = prior_in(reading, row) if estimated else None
    scale = reading.choice(row, "parameterScale", "lin", _SCALES) if scaled else "lin"
    return PetabParameter(name, row.where(), scale, lower, upper, nominal, estimated, prior, row.text("parameterName"))


def _dropped(rows: Sequence[tuple[str, Row]], column: str) -> tuple[str, ...]:
    """What is to be said of a column that version 2 dropped, where there is one."""
    if not any(row.text(column) for _, row in rows):
        return ()
    return (f"the column {column}, which PEtab dropped in version 2, is read as in version 1",)


def _observable(reading: Reading, row: Row, name: str, scaled: bool) -> PetabObservable:
    """scaled: as for `_parameter`, of a column `observableTransformation`."""
    distribution, transformation = _NOISE[reading.choice(row, "noiseDistribution", "normal", tuple(_NOISE))]
    if scaled and transformation == "lin":
        transformation = reading.choice(row, "observableTransformation", "lin", _SCALES)
    return PetabObservable(
        name,
        row.where(),
        reading.tree(row, "observableFormula"),
        reading.tree(row, "noiseFormula"),
        distribution,
        transformation,
        _list(row, "observablePlaceholders"),
        _list(row, "noisePlaceholders"),
        row.text("observableName"),
    )


def _list(row: Row, column: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in row.text(column).split(";") if part.strip())


def _conditions(reading: Reading, paths: list[Path]) -> dict[str, dict[str, Tree]]:
    found: dict[str, dict[str, Tree]] = {}
    for path in paths:
        for row in reading.rows(path, ["conditionId", "targetId", "targetValue"]):
            name, target = row.text("conditionId"), row.text("targetId")
            if not name or not target:
                reading.faults.add(row.where("targetId" if name else "conditionId"), "an id is missing")
            elif target in found.setdefault(name, {}):
                reading.faults.add(row.where("targetId"), f"condition '{clip(name)}' sets '{clip(target)}' twice")
            else:
                found[name][target] = reading.tree(row, "targetValue")
    return found


def _experiments(
    reading: Reading, paths: list[Path], conditions: Mapping[str, Mapping[str, Tree]]
) -> dict[str, PetabExperiment]:
    periods: dict[str, dict[float, Period]] = {}
    unknown: dict[str, list[str]] = {}
    for path in paths:
        for row in reading.rows(path, ["experimentId", "time", "conditionId"]):
            name, condition, at = row.text("experimentId"), row.text("conditionId"), reading.number(row, "time")
            if not name:
                reading.faults.add(row.where("experimentId"), "an id is missing")
                continue
            if condition and condition not in conditions:
                unknown.setdefault(condition, []).append(row.where("conditionId"))
                continue
            own = periods.setdefault(name, {})
            earlier = own.get(at, Period(at, condition, {}, row.where()))
            changes = conditions.get(condition, {})
            for target in earlier.changes.keys() & changes.keys():
                what = f"sets '{clip(target)}', which '{clip(earlier.condition)}' sets at the same time"
                reading.faults.add(row.where("conditionId"), what)
            both = dict.fromkeys([*earlier.condition.split(";"), condition])
            own[at] = replace(earlier, condition=";".join(both), changes={**earlier.changes, **changes})
    reading.unknown(unknown, "condition", conditions)
    return {name: PetabExperiment(name, tuple(own[at] for at in sorted(own))) for name, own in periods.items()}


def _measurements(reading: Reading, paths: list[Path], experiments: Mapping[str, PetabExperiment]) -> list[Measured]:
    found, unknown = [], dict[str, list[str]]()
    for path in paths:
        for row in reading.rows(path, ["observableId", "experimentId", "time", "measurement"]):
            experiment = row.text("experimentId") or UNNAMED
            if experiment not in experiments and row.text("experimentId"):
                unknown.setdefault(experiment, []).append(row.where("experimentId"))
            found.append(measured_in(reading, row, experiment))
    reading.unknown(unknown, "experiment", experiments)
    return found


# -- names of the tables for things of the model


def _mapping_rows(reading: Reading, path: Path) -> list[Row]:
    return reading.rows(path, ["petabEntityId", "modelEntityId"])


def _mapping(rows: Sequence[Row], others: Collection[str]) -> dict[str, str]:
    """Ids for things of the model; others: those that are for things of networks."""
    return {
        row.text("petabEntityId"): row.text("modelEntityId")
        for row in rows
        if row.text("modelEntityId") not in ("", row.text("petabEntityId")) and row.text("petabEntityId") not in others
    }


def _mapped(problem: PetabProblem, names: Mapping[str, str]) -> PetabProblem:
    """The problem with the model's own names in its formulas."""
    if not names:
        return problem
    put: dict[str, Tree] = {name: Name(own) for name, own in names.items()}

    def each(trees: Mapping[str, Tree]) -> dict[str, Tree]:
        return {names.get(name, name): replaced(tree, put) for name, tree in trees.items()}

    return replace(
        problem,
        parameters={names.get(n, n): replace(p, name=names.get(n, n)) for n, p in problem.parameters.items()},
        observables={
            n: replace(o, formula=replaced(o.formula, put), noise=replaced(o.noise, put))
            for n, o in problem.observables.items()
        },
        experiments={
            n: replace(e, periods=tuple(replace(p, changes=each(p.changes)) for p in e.periods))
            for n, e in problem.experiments.items()
        },
        measurements=tuple(
            replace(
                row,
                parameters=tuple(replaced(t, put) for t in row.parameters),
                noise_parameters=tuple(replaced(t, put) for t in row.noise_parameters),
            )
            for row in problem.measurements
        ),
    )
