"""What fits a network: the shapes of its results for its arguments, and arrays for its weights. Nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import Faults
from odefit.model.graphs.description import Graph
from odefit.model.graphs.perceptron import perceptron_of
from odefit.records import dataclass
from odefit.text import clip, suggest

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Results:
    """The shapes of what a network returns, which a config counts through as one list of numbers."""

    shapes: tuple[Shape, ...]

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(map(math.prod, self.shapes))

    def component(self, result: int, indices: Shape) -> int | None:
        """Which number an output is; None where there is none. One index counts through a result of any shape."""
        if result >= len(self.shapes):
            return None
        shape, before = self.shapes[result], sum(map(math.prod, self.shapes[:result]))
        if len(indices) == 1:
            shape = (math.prod(shape),)
        if len(indices) != len(shape) or any(i >= n for i, n in zip(indices, shape, strict=True)):
            return None
        return before + int(np.ravel_multi_index(indices, shape))

    def __str__(self) -> str:
        return ", ".join("x".join(map(str, shape)) or "one number" for shape in self.shapes)


def results_of(graph: Graph, shapes: Sequence[Shape]) -> Results:
    """What a network returns for arguments of these shapes. Raises ConfigError, with the step that they do not fit."""
    perceptron = perceptron_of(graph)
    if perceptron is not None and len(shapes) == 1 and shapes[0] == (perceptron.widths[0],):
        return Results(((perceptron.widths[-1],),))
    from odefit.model.graphs.module import result_shapes

    return Results(tuple(result_shapes(graph, shapes)))


def check_weights(
    name: str, graph: Graph, given: Mapping[str, FloatArray], numbers: Sequence[str], where: str, faults: Faults
) -> None:
    """Arrays that are no weights of a network, or have other shapes, and those that are missing.

    Parameters
    ----------
    given
        Arrays that the weights begin with, `layer1.weight` -> array.
    numbers
        Layers and arrays that begin with a number; an empty one for all.
    where
        The files of arrays.
    """
    from odefit.model.graphs.module import GraphModule
    from odefit.model.weights import belongs

    layers = GraphModule(graph, "meta").layers
    weights = {key.replace("/", "."): tuple(q.shape) for key, q in layers.named_parameters()}
    buffers = {key.replace("/", "."): tuple(q.shape) for key, q in layers.named_buffers() if q.is_floating_point()}
    own = weights | buffers
    for key, array in given.items():
        place = f"parameters/{name}/{key.replace('.', '/')}"
        if key not in own:
            faults.add(where, f"{clip(place)} is no array of this network; {suggest(key, list(own))}")
        elif array.shape != own[key]:
            faults.add(where, f"{clip(place)} has the shape {array.shape}, and the network's is {own[key]}")
    for key in weights if given else ():
        if key not in given and not any(belongs(key, target) for target in numbers):
            faults.add(where, f"no array file has parameters/{name}/{key.replace('.', '/')}")
