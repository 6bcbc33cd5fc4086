"""A perceptron of odefit as layers and steps, and its weights without the units of its inputs and outputs.

net(x) = s * L_n(... L_1((x - c) / u)): the units c, u, s go into the first and the last layer,

    W_1 <- W_1 / u,  b_1 <- b_1 - W_1 (c / u),  W_n <- s W_n,  b_n <- s b_n;

where a softplus keeps the output positive, s is left to the formulas around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from odefit.arrays import FloatArray
from odefit.model.graphs.perceptron import ACTIVATION_OF

if TYPE_CHECKING:
    from torch import nn


def plain_weights(module: nn.Module) -> dict[str, FloatArray]:
    """All weights by layer and array, as torch has them, such that no units are needed."""
    from odefit.model.networks import MLP
    from odefit.model.weights import tensors_by_layer

    found = {name: q.detach().cpu().double().numpy().copy() for name, q in tensors_by_layer(module).items()}
    if not isinstance(module, MLP):
        return found
    first, last = module.layer_names[0], module.layer_names[-1]
    centre, scale, size = (
        b.detach().cpu().double().numpy() for b in (module.centre, module.scale, module.output_scale)
    )
    weight = found[f"{first}.weight"] / scale
    found[f"{first}.bias"] = found[f"{first}.bias"] - weight @ centre
    found[f"{first}.weight"] = weight
    if not _is_positive(module):
        found[f"{last}.weight"] = size[:, None] * found[f"{last}.weight"]
        found[f"{last}.bias"] = size * found[f"{last}.bias"]
    return found


def scale_of_output(module: nn.Module, k: int) -> float:
    """By what the k-th output has to be multiplied: its unit, where the last layer cannot take it in for a softplus."""
    from odefit.model.networks import MLP

    return float(module.output_scale[k]) if isinstance(module, MLP) and _is_positive(module) else 1.0


def has_units(module: object) -> bool:
    """Whether inputs or outputs have units of their own."""
    from odefit.model.networks import MLP

    if not isinstance(module, MLP):
        return False
    return bool(module.centre.any() or (module.scale != 1).any() or (module.output_scale != 1).any())


def _is_positive(module: Any) -> bool:
    return type(module.layers[-1]).__name__ == "Softplus"


def description_of(name: str, module: Any) -> str:
    """The description of a perceptron."""
    linear = [one for one in module.layers if hasattr(one, "in_features")]
    layers = [
        {
            "layer_id": called,
            "layer_type": "Linear",
            "args": {"in_features": one.in_features, "out_features": one.out_features, "bias": True},
        }
        for called, one in zip(module.layer_names, linear, strict=True)
    ]
    steps = [_step("net_input", "placeholder", "net_input")]
    names, before, number = iter(module.layer_names), "net_input", 0
    for one in module.layers:
        if hasattr(one, "in_features"):
            called = next(names)
            steps.append(_step(called, "call_module", called, before))
            before = called
        else:
            number += 1
            steps.append(_step(f"bent{number}", "call_function", ACTIVATION_OF[type(one).__name__], before))
            before = f"bent{number}"
    steps.append(_step("output", "output", "output", before))
    whole = {"nn_model_id": name, "inputs": [{"input_id": "input0"}], "layers": layers, "forward": steps}
    return str(yaml.safe_dump(whole, sort_keys=False))


def _step(name: str, operation: str, target: str, *arguments: str) -> dict[str, Any]:
    return {"name": name, "op": operation, "target": target, "args": list(arguments), "kwargs": {}}
