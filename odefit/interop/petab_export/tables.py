"""The tables of PEtab version 2 as text, and the YAML file that names them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from odefit.interop.mathematics import Tree
from odefit.interop.petab_export.network_tables import NetworkTables
from odefit.interop.petab_export.problem import ExperimentRow, ParameterRow, Period, PetabTables
from odefit.interop.petab_export.sbml import sbml_text
from odefit.interop.petab_export.trees import text_of

ARRAYS = "arrays.hdf5"
"""The file of weights."""
PARAMETERS = (
    *("parameterId", "parameterName", "lowerBound", "upperBound", "nominalValue", "estimate"),
    *("priorDistribution", "priorParameters"),
)
OBSERVABLES = (
    *("observableId", "observableName", "observableFormula", "noiseFormula", "noiseDistribution"),
    *("observablePlaceholders", "noisePlaceholders"),
)


def petab_files(tables: PetabTables) -> dict[str, str]:
    """Text by file name, the YAML first."""
    model = "model.xml"
    periods = [(e, period) for e in tables.experiments for period in e.periods]
    files = {
        "parameters.tsv": _table(PARAMETERS, [*map(_parameter, tables.parameters), *_weights(tables.networks)]),
        "observables.tsv": _table(
            OBSERVABLES,
            (
                [
                    *(o.id, o.name, _text(o.formula), _text(o.noise), o.distribution),
                    *(";".join(o.placeholders), ";".join(o.noise_placeholders)),
                ]
                for o in tables.observables
            ),
        ),
        "measurements.tsv": _table(
            ("observableId", "experimentId", "time", "measurement", "observableParameters", "noiseParameters"),
            (
                [
                    *(m.observable, m.experiment, _number(m.time), _number(m.value)),
                    *(";".join(map(_text, given)) for given in (m.parameters, m.noise)),
                ]
                for m in tables.measurements
            ),
        ),
        "experiments.tsv": _table(
            ("experimentId", "time", "conditionId"),
            ([e.id, _number(p.start), _condition(e, p) if p.changes else ""] for e, p in periods),
        ),
    }
    changes = [[_condition(e, p), name, _text(value)] for e, p in periods for name, value in p.changes.items()]
    if changes:
        files["conditions.tsv"] = _table(("conditionId", "targetId", "targetValue"), changes)
    if tables.networks is not None:
        files["mapping.tsv"] = _table(("petabEntityId", "modelEntityId"), tables.networks.mapping.items())
    lines = ["format_version: 2.0.0"]
    lines += [f"{name.removesuffix('.tsv').removesuffix('s')}_files: [{name}]" for name in files]
    lines += ["model_files:", f"  {tables.model.id}:", f"    location: {model}", "    language: sbml"]
    if tables.networks is not None:
        lines += _extension(tables.networks)
        rows = ([name, _text(tree)] for name, tree in tables.networks.hybridization.items())
        files["hybridization.tsv"] = _table(("targetId", "targetValue"), rows)
        files |= {f"{name}.yaml": text for name, text in tables.networks.descriptions.items()}
    return {"problem.yaml": "\n".join([*lines, ""]), model: sbml_text(tables.model), **files}


def _extension(networks: NetworkTables) -> list[str]:
    """The section of PEtab-SciML."""
    lines = ["extensions:", "  petab_sciml:", "    version: 2.0.0", "    required: true", "    neural_networks:"]
    for name in networks.descriptions:
        lines += [f"      {name}:", f"        location: {name}.yaml", "        format: yaml"]
        lines.append("        pre_initialization: false")
    return [*lines, "    hybridization_files: [hybridization.tsv]", f"    array_files: [{ARRAYS}]"]


def _weights(networks: NetworkTables | None) -> Iterable[Sequence[str]]:
    """The rows of weights: all their values stand in the file of arrays."""
    for row in () if networks is None else networks.weights:
        kind, numbers = row.prior or ("", ())
        flag = "true" if row.estimated else "false"
        yield [row.id, "", "-inf", "inf", "array", flag, kind, ";".join(map(_number, numbers))]


def _condition(experiment: ExperimentRow, period: Period) -> str:
    """The id of what holds in a period."""
    return f"{'before' if math.isinf(period.start) else 'of'}_{experiment.id}"


def _parameter(row: ParameterRow) -> Sequence[str]:
    kind, numbers = row.prior or ("", ())
    cells = [row.id, row.name, *map(_number, (row.lower, row.upper, row.value)), "true"]
    return [*cells, kind, ";".join(map(_number, numbers))]


def _text(tree: Tree) -> str:
    return text_of(tree)


def _number(value: float) -> str:
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in [header, *rows])
