"""The network of a description as a torch module: its steps are done one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from odefit.errors import ConfigError
from odefit.model.graphs.description import Graph, Reference, Step
from odefit.model.graphs.layers import called, layers_of, safe
from odefit.text import clip, one_line

MAX_VALUES = 20_000_000
"""The most numbers that one step may make."""
_FAULTS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError, ZeroDivisionError)


class GraphModule(nn.Module):
    """What a `Graph` computes: forward(*arguments) -> its results, one tensor for each.

    Parameters
    ----------
    graph
        The description.
    device
        Where the weights lie, which torch's generator draws as for its own layers. On `meta` only shapes are computed.
    """

    def __init__(self, graph: Graph, device: str = "cpu") -> None:
        super().__init__()
        self.graph = graph
        self.layers = layers_of(graph, device)

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """The results of the arguments, each of the shape that the layers expect.

        Raises ConfigError with the step where shapes do not fit.
        """
        values: dict[str, Tensor] = {}
        given = iter(arguments)
        for step in self.graph.steps:
            if step.operation == "placeholder":
                values[step.name] = next(given)
            elif step.operation == "output":
                return tuple(_tensors(_filled(step.arguments, values)))
            else:
                values[step.name] = self._done(step, values)
        raise AssertionError  # a description ends with its output

    def _done(self, step: Step, values: Mapping[str, Tensor]) -> Tensor:
        try:
            arguments = _filled(step.arguments, values)
            if step.operation == "call_module":
                result: Tensor = self.layers[safe(step.target)](*arguments)
            else:
                result = called(step.target, arguments, {key: _filled(value, values) for key, value in step.options})
        except _FAULTS as error:
            what = one_line(str(error)) or type(error).__name__
            raise ConfigError(step.where, f"'{step.name}' cannot be computed: {clip(what, 200)}") from None
        if not isinstance(result, Tensor):
            raise ConfigError(step.where, f"'{step.name}' makes no tensor")
        if result.numel() > MAX_VALUES:
            what = f"'{step.name}' makes {result.numel():,} numbers; at most {MAX_VALUES:,}"
            raise ConfigError(step.where, what)
        return result


def result_shapes(graph: Graph, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The shapes of a network's results for arguments of these shapes, without computing any number.

    Raises ConfigError where they do not fit, or where something would be too large.
    """
    if len(shapes) != len(graph.arguments):
        raise ConfigError(graph.where, f"its forward pass has {len(graph.arguments)} arguments (got {len(shapes)})")
    module = GraphModule(graph, "meta").eval()
    with torch.no_grad():
        results = module(*(torch.empty(shape, device="meta") for shape in shapes))
    return [tuple(result.shape) for result in results]


def _filled(value: Any, values: Mapping[str, Tensor]) -> Any:
    """A value with tensors in the place of references."""
    if isinstance(value, tuple):
        return tuple(_filled(part, values) for part in value)
    return values[value.step] if isinstance(value, Reference) else value


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return [value] if isinstance(value, Tensor) else []
