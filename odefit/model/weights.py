"""The weights of a network's module by layer and array, `layer1.weight`, as files and settings name them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from odefit.model.graphs.network import DescribedNetwork
from odefit.model.networks import MLP


def weights_by_layer(module: nn.Module) -> dict[str, nn.Parameter]:
    """All weights: of a described network under the names of its file, of others as `layer1`, `layer2`, ..."""
    return {name: tensor for name, tensor in tensors_by_layer(module).items() if isinstance(tensor, nn.Parameter)}


def tensors_by_layer(module: nn.Module) -> dict[str, Tensor]:
    """The same with what a training leaves alone: running means of normalisations."""
    if isinstance(module, DescribedNetwork):
        own = module.body.layers
        pairs = [*own.named_parameters(), *own.named_buffers()]
        return {name.replace("/", "."): tensor for name, tensor in pairs if tensor.is_floating_point()}
    if isinstance(module, MLP):
        linear = [layer for layer in module.layers if isinstance(layer, nn.Linear)]
        named = zip(module.layer_names, linear, strict=True)
        return {f"{layer}.{name}": q for layer, own in named for name, q in own.named_parameters()}
    return dict(module.named_parameters())


def belongs(name: str, target: str) -> bool:
    """Whether `layer1.weight` is meant by a target: `layer1`, `layer1.weight`, or an empty one for all."""
    return target in ("", name) or name.startswith(f"{target}.")


def most_specific(name: str, targets: Iterable[str]) -> list[str]:
    """The targets that mean a weight, the most specific first."""
    return sorted((target for target in targets if belongs(name, target)), key=len, reverse=True)


@torch.no_grad()
def put(tensor: Tensor, values: Tensor | float) -> None:
    """Fill a weight."""
    tensor.copy_(torch.as_tensor(values, dtype=tensor.dtype))
