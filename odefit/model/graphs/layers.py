"""The layers, functions and methods of names.py in torch: chosen by their names from tables, and nothing else."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from odefit.errors import ConfigError
from odefit.model.graphs.description import Graph, Layer
from odefit.model.graphs.names import ACTIVATION_LAYERS, FUNCTIONS, LAYERS
from odefit.text import clip, one_line

MAX_WEIGHTS = 10_000_000
"""The most weights of one network."""
DROPPED = ("inplace", "return_indices", "_stacklevel", "dtype")
"""Options of torch that change nothing here."""
_TYPES: Mapping[str, type[nn.Module]] = {name: getattr(nn, name) for name in (*LAYERS, *ACTIVATION_LAYERS)}
_OTHERS: Mapping[str, Callable[..., Any]] = {
    "cat": torch.cat,
    "flatten": torch.flatten,
    "log_sigmoid": functional.logsigmoid,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "neg")},
}
CALLS: Mapping[str, Callable[..., Any]] = {name: _OTHERS.get(name) or getattr(functional, name) for name in FUNCTIONS}
"""Functions, and methods, by their names."""


def layers_of(graph: Graph, device: str = "cpu") -> nn.ModuleDict:
    """The layers of a network with torch's own initial weights. Raises ConfigError.

    They are counted before any memory is taken; on the device `meta` none is.
    """
    total = 0
    for layer in graph.layers:
        made = _made(layer, "meta")
        total += sum(tensor.numel() for tensor in (*made.parameters(), *made.buffers()))
        if total > MAX_WEIGHTS:
            raise ConfigError(layer.where, f"makes more than {MAX_WEIGHTS:,} weights with the layers above")
    return nn.ModuleDict({safe(layer.name): _made(layer, device) for layer in graph.layers})


def safe(name: str) -> str:
    """The name of a layer as torch's modules can be called: parts of `nn.Sequential` have dots."""
    return name.replace(".", "/")


def _made(layer: Layer, device: str) -> nn.Module:
    kind = _TYPES[layer.kind]
    arguments = {key: value for key, value in layer.arguments if key not in DROPPED}
    if arguments.get("bias") is True and "bias" not in inspect.signature(kind).parameters:
        del arguments["bias"]  # of normalisations, which older releases of torch always give one
    try:
        with torch.device(device):
            return kind(**arguments)
    except (TypeError, ValueError, RuntimeError, OverflowError, ZeroDivisionError, AssertionError) as error:
        what = one_line(str(error)) or type(error).__name__
        raise ConfigError(layer.where, f"torch makes no {layer.kind} of these args: {clip(what, 200)}") from None


def called(target: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Tensor:
    """A function of names.py at its arguments."""
    kept = {key: value for key, value in options.items() if key not in DROPPED}
    result: Tensor = CALLS[target](*arguments, **kept)
    return result
