"""Multi-layer perceptrons among described networks: what is one is computed as one, which is compiled."""

from __future__ import annotations

from typing import Any

from odefit.model.graphs.description import Graph, Layer, Reference, Step
from odefit.records import dataclass

_DEFAULTS: dict[str, dict[str, Any]] = {
    "leaky_relu": {"negative_slope": 0.01},
    "elu": {"alpha": 1.0},
    "gelu": {"approximate": "none"},
    "softplus": {"beta": 1.0, "threshold": 20.0},
}
"""Options that say what holds anyway."""
ACTIVATION_OF = {
    "LeakyReLU": "leaky_relu",
    "ReLU": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "ELU": "elu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Softplus": "softplus",
}
"""The activation that each layer of PyTorch applies."""


@dataclass(frozen=True)
class Perceptron:
    """Linear layers with one activation between them.

    Attributes
    ----------
    layers
        The names of the linear layers.
    widths
        Inputs, hidden layers, outputs.
    activation, output
        As of `model.system.Network`.
    """

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    activation: str
    output: str


def perceptron_of(graph: Graph) -> Perceptron | None:
    """What a graph is as a perceptron; None where it is anything else.

    Several arguments are one where the first step puts them together in their order.
    """
    layers = {layer.name: layer for layer in graph.layers}
    steps = [step for step in graph.steps if step.operation != "placeholder"]
    before = graph.arguments
    if len(before) > 1:
        joined = steps.pop(0)
        dimension = dict(joined.options).get("dim", 0)
        whole = (tuple(Reference(name) for name in before),)
        if joined.target != "cat" or joined.arguments not in (whole, (*whole, dimension)) or dimension not in (0, -1):
            return None
        before = (joined.name,)
    linear: list[Layer] = []
    activations: list[str] = []
    for step in steps[:-1]:
        if step.arguments != (Reference(before[0]),):
            return None
        before = (step.name,)
        layer = layers.get(step.target) if step.operation == "call_module" else None
        if layer is not None and layer.kind == "Linear" and len(linear) == len(activations):
            linear.append(layer)
            continue
        activation = _activation(step, layer)
        if activation is None or len(activations) != len(linear) - 1:
            return None
        activations.append(activation)
    if (
        steps[-1].arguments != (Reference(before[0]),)
        or len(linear) < 2
        or len({one.name for one in linear}) < len(linear)
    ):
        return None
    return _made(linear, activations)


def _made(linear: list[Layer], activations: list[str]) -> Perceptron | None:
    arguments = [dict(layer.arguments) for layer in linear]
    inner, last = activations[: len(linear) - 1], activations[len(linear) - 1 :]
    if len(set(inner)) != 1 or last not in ([], ["softplus"]):
        return None
    widths = [arguments[0].get("in_features"), *(one.get("out_features") for one in arguments)]
    follows = all(one.get("in_features") == width for one, width in zip(arguments, widths, strict=False))
    if not follows or not all(isinstance(width, int) and width > 0 for width in widths):
        return None
    if not all(one.get("bias", True) is True for one in arguments):
        return None
    output = "positive" if last else "linear"
    return Perceptron(tuple(layer.name for layer in linear), tuple(w for w in widths if w), inner[0], output)


def _activation(step: Step, layer: Layer | None) -> str | None:
    """The activation of a step, with torch's own options; None where it is none."""
    if layer is not None:
        name, options = ACTIVATION_OF.get(layer.kind, ""), dict(layer.arguments)
    else:
        name, options = step.target if step.operation != "call_module" else "", dict(step.options)
    if name not in ACTIVATION_OF.values():
        return None
    default = _DEFAULTS.get(name, {})
    return name if all(default.get(key) == value for key, value in options.items() if key != "inplace") else None
