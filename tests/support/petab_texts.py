"""PEtab problems as text, written here: tables as lines of words, `|` between cells, which become tabs."""

from __future__ import annotations

from pathlib import Path

import sbml_texts as s

CONVERSION = s.sbml(
    compartments=[s.compartment("cell", 1.0)],
    species=[s.species("A"), s.species("B", initialConcentration=0)],
    parameters=[s.parameter("a0", 1.0), s.parameter("k1", 0.8), s.parameter("k2", 0.6)],
    initial=[s.initially("A", "a0")],
    reactions=[s.reaction("forward", "cell*k1*A", "A", "B"), s.reaction("backward", "cell*k2*B", "B", "A")],
)
"""A <-> B with rates k1 and k2, from A = a0 and B = 0."""
DEFAULTS = {
    "parameters": """
        parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
        k1 | log10 | 0.01 | 100 | 0.8 | 1""",
    "observables": """
        observableId | observableFormula | noiseFormula
        obs_a | A | 0.5""",
    "conditions": """
        conditionId
        c0""",
    "measurements": """
        observableId | simulationConditionId | time | measurement
        obs_a | c0 | 0 | 0.7
        obs_a | c0 | 10 | 0.1""",
}
VERSION_2 = {
    "parameters": """
        parameterId | lowerBound | upperBound | nominalValue | estimate
        k1 | 0.01 | 100 | 0.8 | true""",
    "observables": DEFAULTS["observables"],
    "measurements": """
        observableId | experimentId | time | measurement
        obs_a | e0 | 0 | 0.7
        obs_a | e0 | 10 | 0.1""",
    "conditions": """
        conditionId | targetId | targetValue
        c0 | k2 | 0.6""",
    "experiments": """
        experimentId | time | conditionId
        e0 | 0 | c0""",
}


def table(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return "".join("\t".join(cell.strip() for cell in line.split("|")) + "\n" for line in lines)


def problem(folder: Path, model: str = CONVERSION, version: int = 1, name: str = "conversion", **tables: str) -> Path:
    """A problem with the default tables, or others in their places. Gives the path of its YAML file."""
    given = {**(DEFAULTS if version == 1 else VERSION_2), **tables}
    for key, text in given.items():
        (folder / f"{key}.tsv").write_text(table(text), encoding="utf-8")
    s.write(folder, model)
    files = {key: f"{key}.tsv" for key in given}
    if version == 1:
        lists = "\n".join(f"    {key.rstrip('s')}_files: [{files[key]}]" for key in files if key != "parameters")
        text = f"format_version: 1\nparameter_file: parameters.tsv\nproblems:\n  - sbml_files: [model.xml]\n{lists}\n"
    else:
        lists = "\n".join(f"{key.rstrip('s')}_files: [{files[key]}]" for key in files)
        text = f"format_version: 2.0.0\nmodel_files: {{m: {{language: sbml, location: model.xml}}}}\n{lists}\n"
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_names_to_change(folder: Path) -> Path:
    """A problem with the names `_k`, `t` and `and`, which odefit cannot have."""
    return problem(
        folder,
        model=s.sbml(
            parameters=[s.parameter("_k", 1.0), s.parameter("t", 2.0, False), s.parameter("and", 1.0)],
            rules=[s.rule("t", "-_k*t", "rate")],
        ),
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            _k | log10 | 0.01 | 100 | 0.8 | 1
            and | lin | 0 | 10 | 1 | 1""",
        observables="observableId | observableFormula | noiseFormula\nobs_a | and*t | 0.5",
    )
