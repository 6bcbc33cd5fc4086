"""The torch modules behind `Network`s: what a formula means when it calls a network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

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
    """A multi-layer perceptron: [..., inputs] -> [..., outputs].

    With `set_units`, net(x) = output_scale * layers((x - centre) / scale). The units belong to the state of the
    module, so that they are saved and loaded with its weights.
    """

    centre: Tensor
    scale: Tensor
    output_scale: Tensor

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
        self.register_buffer("centre", torch.zeros(network.inputs))
        self.register_buffer("scale", torch.ones(network.inputs))
        self.register_buffer("output_scale", torch.ones(network.outputs))
        self._has_units = False
        self.register_load_state_dict_post_hook(_look_at_units)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        if not self._has_units:
            result: Tensor = self.layers(x)
            return result
        scaled: Tensor = self.layers((x - self.centre) / self.scale)
        return scaled * self.output_scale

    @torch.no_grad()
    def set_units(self, centre: Tensor, scale: Tensor, output_scale: Tensor) -> None:
        """Where the inputs lie and how far they spread, [inputs] each, and how large the outputs are, [outputs].

        Scales must be positive. Weights stay as they are, so the function changes.
        """
        self.centre.copy_(centre)
        self.scale.copy_(scale)
        self.output_scale.copy_(output_scale)
        _look_at_units(self)


def _look_at_units(module: Any, _keys: Any = None) -> None:
    """Whether there are any: a network without is spared the arithmetic."""
    plain = not module.centre.any() and (module.scale == 1).all() and (module.output_scale == 1).all()
    module._has_units = not bool(plain)


def build_networks(networks: Iterable[Network], seed: int) -> nn.ModuleDict:
    """One module per network, with weights drawn from `seed` alone (the global generator is left as it was)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({network.name: MLP(network) for network in networks})
