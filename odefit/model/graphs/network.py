"""A described network as formulas call it: numbers in, numbers out, arrays by their position in a table."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.model.graphs.description import Graph
from odefit.model.graphs.module import GraphModule, result_shapes

Sizes = Sequence[int | str]
Tables = Mapping[str, FloatArray]


class DescribedNetwork(nn.Module):
    """[..., inputs] -> [..., outputs]: the results of a `GraphModule`, joined and flat.

    Each point is computed by itself. Dropout is off and normalisations use their running means, so that a likelihood
    is one number.

    Parameters
    ----------
    graph
        The description.
    sizes
        Its arguments: how many numbers each takes, or the name of an array, for which the input is a row of its table.
    tables
        Array -> its values [N, ...].
    """

    def __init__(self, graph: Graph, sizes: Sizes, tables: Tables) -> None:
        super().__init__()
        self.body = GraphModule(graph).eval()
        self.sizes = tuple(sizes)
        self.tables = {}
        for k, size in enumerate(self.sizes):
            if isinstance(size, str):
                self.tables[size] = f"table{k}"
                self.register_buffer(f"table{k}", torch.as_tensor(tables[size]), persistent=False)

    def train(self, mode: bool = True) -> Self:
        """Networks are computed in one way only, see above."""
        del mode
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs [..., outputs] at inputs x [..., inputs]."""
        points = x.reshape(-1, x.shape[-1])
        if len(points) == 1:
            return self._at(points[0]).reshape(*x.shape[:-1], -1)
        with warnings.catch_warnings():
            # Some layers are done point by point inside.
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            return torch.func.vmap(self._at)(points).reshape(*x.shape[:-1], -1)

    def _at(self, x: Tensor) -> Tensor:
        """[outputs] at one point [inputs]."""
        arguments, done = [], 0
        for size in self.sizes:
            if isinstance(size, str):
                table = getattr(self, self.tables[size])
                arguments.append(table.index_select(0, x[done : done + 1].detach().long()).squeeze(0))
                done += 1
            else:
                arguments.append(x[done : done + size])
                done += size
        return torch.cat([result.reshape(-1) for result in self.body(*arguments)])


def count_outputs(graph: Graph, sizes: Sizes, tables: Tables) -> int:
    """How many numbers such a network returns. Raises ConfigError where its steps do not fit its arguments."""
    shapes = [tables[size].shape[1:] if isinstance(size, str) else (size,) for size in sizes]
    return sum(math.prod(shape) for shape in result_shapes(graph, shapes))
