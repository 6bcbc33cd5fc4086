"""The torch modules behind `Network`s: what a formula means when it calls a network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from odefit.errors import ModelError
from odefit.model.system import Network

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


class MLP(nn.Module):
    """A multi-layer perceptron: [..., inputs] -> [..., outputs]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        if network.activation not in ACTIVATIONS:
            raise ModelError(
                "model.activation",
                f"unknown activation '{network.activation}'; known: {', '.join(ACTIVATIONS)}",
            )
        widths = [network.inputs, *network.hidden, network.outputs]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[network.activation]()]
        layers.pop()
        if network.output == "positive":
            layers.append(nn.Softplus())
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


def build_networks(networks: Iterable[Network], seed: int) -> nn.ModuleDict:
    """One module per network, with weights drawn from `seed` alone (the global generator is left as it was)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({network.name: MLP(network) for network in networks})
