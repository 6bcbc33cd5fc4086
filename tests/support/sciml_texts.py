"""PEtab-SciML problems as text, written here: A <-> B, in which networks stand for what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from network_files import perceptron, weights_of_perceptron, write
from odefit.model.graphs.arrays import write_arrays
from petab_texts import CONVERSION, VERSION_2, problem

WEIGHTS = weights_of_perceptron(2, 3, 1, seed=3)
TABLES = {
    **VERSION_2,
    "parameters": """
        parameterId | lowerBound | upperBound | nominalValue | estimate
        k1 | 0.01 | 100 | 0.8 | true
        one | -inf | inf | 1.0 | false
        net_ps | -inf | inf | array | true""",
    "mapping": """
        petabEntityId | modelEntityId
        net_in0 | net.inputs[0][0]
        net_in1 | net.inputs[0][1]
        net_out | net.outputs[0][0]
        net_ps | net.parameters""",
}
"""Without conditions that set anything; k2 is 0.6 in the model unless a network sets it."""
BEFORE = """
    targetId | targetValue
    net_in0 | one
    net_in1 | k1
    k2 | net_out"""


def hybrid(
    folder: Path,
    hybridization: str = BEFORE,
    *,
    before: bool = True,
    section: str = "petab_sciml",
    network: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    entry: Mapping[str, Any] | None = None,
    **tables: str,
) -> Path:
    """A problem with one network, `net`. Gives the path of its YAML file."""
    given = {
        **TABLES,
        "conditions": "conditionId | targetId | targetValue",
        "experiments": "experimentId | time | conditionId\ne0 | 0 |",
    }
    path = problem(folder, CONVERSION, 2, **{**given, "hybridization": hybridization, **tables})
    write(folder / "net.yaml", network or perceptron(2, 3, 1))
    weights = {f"parameters/net/{name.replace('.', '/')}": values for name, values in WEIGHTS.items()}
    write_arrays(folder / "arrays.hdf5", {**weights, **(arrays or {})})
    content = yaml.safe_load(path.read_text())
    for key in ("hybridization_files",):
        content.pop(key)
    one = {"location": "net.yaml", "format": "yaml", "pre_initialization": before, **(entry or {})}
    content["extensions"] = {
        section: {
            "version": "2.0.0",
            "required": True,
            "neural_networks": {"net": one},
            "hybridization_files": ["hybridization.tsv"],
            "array_files": ["arrays.hdf5"],
        }
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def concentration(k2: float, times: Any, k1: float = 0.8) -> Any:
    """A at these times, from A = 1 and B = 0."""
    t = np.asarray(times)
    return (k2 + k1 * np.exp(-(k1 + k2) * t)) / (k1 + k2)
