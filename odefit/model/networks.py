"""The torch modules behind `Network`s: what a formula means when it calls a network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from odefit.errors import ModelError
from odefit.model.graphs.network import DescribedNetwork, Tables
from odefit.model.system import Network

MAX_WEIGHTS = 10_000_000
"""The most weights of one network."""
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
"""The activations by their names in a config."""
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda z: 1 - z.tanh().square(),
    "sigmoid": lambda z: z.sigmoid() * (1 - z.sigmoid()),
    "softplus": torch.sigmoid,
    "silu": lambda z: z.sigmoid() * (1 + z * (1 - z.sigmoid())),
    "gelu": lambda z: 0.5 * (1 + (z / math.sqrt(2)).erf()) + z * (-0.5 * z * z).exp() / math.sqrt(2 * math.pi),
}
"""The derivatives of the activations that are smooth enough for a potential."""


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
        size = sum((before + 1) * after for before, after in itertools.pairwise(widths))
        if size > MAX_WEIGHTS:
            raise ModelError("model.hidden", f"makes {size:,} weights; at most {MAX_WEIGHTS:,}")
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[network.activation]()]
        layers.pop()
        if network.output == "positive":
            layers.append(nn.Softplus())
        self.layers = nn.Sequential(*layers)
        self.layer_names = network.layers or tuple(f"layer{k + 1}" for k in range(len(widths) - 1))
        self.register_buffer("centre", torch.zeros(network.inputs))
        self.register_buffer("scale", torch.ones(network.inputs))
        self.register_buffer("output_scale", torch.ones(network.outputs))
        self._has_units = False
        self.register_load_state_dict_post_hook(_look_at_units)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """The outputs [..., outputs] at inputs x [..., inputs]."""
        if not self._has_units:
            result: Tensor = self.layers(x)
            return result
        scaled: Tensor = self.layers((x - self.centre) / self.scale)
        return scaled * self.output_scale

    @torch.no_grad()
    def set_units(self, centre: Tensor, scale: Tensor, output_scale: Tensor) -> None:
        """Set the units of inputs and outputs. Weights stay as they are, so the function changes.

        Parameters
        ----------
        centre, scale
            [inputs] each, where the inputs lie and how far they spread; the scale is positive.
        output_scale
            [outputs], how large the outputs are, positive.
        """
        self.centre.copy_(centre)
        self.scale.copy_(scale)
        self.output_scale.copy_(output_scale)
        _look_at_units(self)


def _look_at_units(module: Any, _keys: Any = None) -> None:
    """Whether there are any: a network without is spared the arithmetic."""
    plain = not module.centre.any() and (module.scale == 1).all() and (module.output_scale == 1).all()
    module._has_units = not bool(plain)


class Potential(MLP):
    """The gradient of a scalar perceptron times `network.gradient`, [..., inputs] -> [..., inputs]: it has no curl.

    For layers z_l = W_l h_(l-1) + b_l, h_l = s(z_l), potential p = W_L h_(L-1) + b_L, it comes by going back:

        g = W_L,    g <- (g * s'(z_l)) W_l    for l = L - 1, ..., 1

    written out, so that it can itself be differentiated in every way that torch knows.
    """

    def __init__(self, network: Network) -> None:
        if network.activation not in SLOPES:
            raise ModelError(
                "model.activation",
                f"a potential needs a smooth activation: {', '.join(SLOPES)} (got '{network.activation}')",
            )
        super().__init__(replace(network, outputs=1, output="linear"))
        self.sign = network.gradient
        self._slope = SLOPES[network.activation]

    def potential(self, x: Tensor) -> Tensor:
        """The scalar whose gradient the field is, up to its sign and a constant: [..., inputs] -> [...]."""
        return super().forward(x).squeeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        h, slopes = (x - self.centre) / self.scale, []
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for layer in linear[:-1]:
            z = layer(h)
            slopes.append(self._slope(z))
            h = self.layers[1](z)
        g = linear[-1].weight[0].expand(*x.shape[:-1], -1)
        for layer, slope in zip(reversed(linear[:-1]), reversed(slopes), strict=True):
            g = (g * slope) @ layer.weight
        return self.sign * self.output_scale * g / self.scale

    @torch.no_grad()
    def set_units(self, centre: Tensor, scale: Tensor, output_scale: Tensor) -> None:
        """Set the units as for an MLP; output_scale [inputs] says how fast the states change."""
        super().set_units(centre, scale, (output_scale * scale).mean().unsqueeze(0))


def build_networks(networks: Iterable[Network], seed: int, tables: Tables | None = None) -> nn.ModuleDict:
    """One module per network.

    Parameters
    ----------
    networks
        Their shapes.
    seed
        Weights are drawn from it alone; the global generator is left as it was.
    tables
        The arrays that networks from files take.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({n.name: _module(n, tables or {}) for n in networks})


def _module(network: Network, tables: Tables) -> nn.Module:
    if network.graph is not None:
        return DescribedNetwork(network.graph, network.sizes, tables)
    return Potential(network) if network.gradient else MLP(network)


def same_architecture(module: nn.Module, weights: Mapping[str, Any]) -> bool:
    """Whether weights by name are those of a module of this shape."""
    own = module.state_dict()
    return own.keys() == weights.keys() and all(own[name].shape == weights[name].shape for name in own)
