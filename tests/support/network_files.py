"""Small descriptions of networks, and files of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml


def layer(name: str, kind: str, **arguments: Any) -> dict[str, Any]:
    return {"layer_id": name, "layer_type": kind, "args": arguments}


def call(name: str, operation: str, target: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    return {"name": name, "op": operation, "target": target, "args": list(arguments), "kwargs": options}


def argument(name: str = "x") -> dict[str, Any]:
    return call(name, "placeholder", name)


def output(of: str) -> dict[str, Any]:
    return call("output", "output", "output", of)


def description(layers: list[dict[str, Any]], forward: list[dict[str, Any]], name: str = "net") -> dict[str, Any]:
    inputs = [{"input_id": f"input{k}"} for k, step in enumerate(s for s in forward if s["op"] == "placeholder")]
    return {"nn_model_id": name, "inputs": inputs, "layers": layers, "forward": forward}


def perceptron(inputs: int, hidden: int, outputs: int, activation: str = "tanh") -> dict[str, Any]:
    """Two linear layers, `first` and `second`."""
    layers = [
        layer("first", "Linear", in_features=inputs, out_features=hidden, bias=True),
        layer("second", "Linear", in_features=hidden, out_features=outputs, bias=True),
    ]
    steps = [
        argument(),
        call("first", "call_module", "first", "x"),
        call("bent", "call_method", activation, "first"),
        call("second", "call_module", "second", "bent"),
    ]
    return description(layers, [*steps, output("second")])


def write(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
    return path


def weights_of_perceptron(inputs: int, hidden: int, outputs: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "first.weight": rng.normal(size=(hidden, inputs)),
        "first.bias": rng.normal(size=hidden),
        "second.weight": rng.normal(size=(outputs, hidden)),
        "second.bias": rng.normal(size=outputs),
    }


def at(weights: Mapping[str, Any], *x: float) -> Any:
    """What such a perceptron with tanh returns, written out."""
    h = np.tanh(weights["first.weight"] @ np.array(x) + weights["first.bias"])
    return weights["second.weight"] @ h + weights["second.bias"]
