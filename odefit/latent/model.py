"""A latent ODE: series are the picture, through a decoder, of states that nobody measured.

    q(z0 | x) = N(mean, variance)      encoder: a recurrent network that reads the series backwards
    dz/dt = f(z),  z(0) = z0           vector field: a perceptron
    x(t) ~ N(g(z(t)), sigma²)          decoder: a perceptron

after Chen, Rubanova, Bettencourt and Duvenaud (2018), "Neural ordinary differential equations", section 5. Backwards,
because what was read last is remembered best, and z0 is the state at the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from odefit.engines.torch_engine import ADAMS, RUNGE_KUTTA
from odefit.latent.series import Reading, Series
from odefit.model.networks import MLP
from odefit.model.system import Network
from odefit.nn import ODELayer

FIRST_LOG_VARIANCE = -4.0
"""Of the encoder: with the wide prior's noise at the start of every curve, little would be learnt at first."""


SMALLEST = 1e-3
"""The size of a series that is nothing but its mean: a thousandth of the spread of all."""


@dataclass(frozen=True)
class LatentOptions:
    """How large a latent ODE is, and how it is solved.

    dimension: of the latent state. hidden, activation: of the vector field. encoder: hidden units of the recurrent
    network. decoder: widths of its hidden layers. sigma: the noise level in the unit of the data; None: learnt, one for
    each observable. method, step, rtol, atol: of the solver; the step, of methods that do not choose it themselves, in
    the unit of the times (default: a 100th of the time to be solved).
    own_scale: the networks see each series divided by its own size, that is the root mean square of what is read of it,
    and are told that size: a few large series then need no region of the latent space to themselves (after the scale
    handling of Salinas et al. 2020, "DeepAR"). The noise level remains one for all series.
    """

    dimension: int = 8
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "silu"
    encoder: int = 64
    decoder: tuple[int, ...] = (32,)
    sigma: float | None = None
    method: str = "rk4"
    step: float | None = None
    rtol: float = 1e-5
    atol: float = 1e-6
    own_scale: bool = False


class Posterior(NamedTuple):
    """A normal distribution with independent components: mean [E, Z] and logarithm of the variance [E, Z]."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """z [E, Z], differentiable in mean and variance (Kingma & Welling 2014)."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + torch.exp(0.5 * self.log_variance) * noise.to(self.mean.device)


class Encoder(nn.Module):
    """A recurrent network (GRU) over what is read, and from its last state the posterior."""

    def __init__(self, inputs: int, hidden: int, dimension: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2 * dimension)
        with torch.no_grad():
            self.head.bias[dimension:] = FIRST_LOG_VARIANCE

    def forward(self, inputs: Tensor, lengths: Tensor) -> Posterior:
        """inputs: [E, L, F], padded at the end; lengths: [E]."""
        states, _ = self.recurrent(inputs)
        # The state after each one's own last point: what the network makes of the padding is not looked at.
        last = states[torch.arange(len(states), device=states.device), lengths - 1]
        mean, log_variance = self.head(last).chunk(2, dim=-1)
        return Posterior(mean, log_variance)


class LatentODE(nn.Module):
    """The three networks, in the units of the data: `centre` and `scale` of each observable, `unit` of time.

    The vector field is the network's divided by `unit`; gaps between points are read in units of `gap`. All of these
    are saved with the weights. sigma is a parameter (its logarithm is) unless it is given.
    """

    centre: Tensor
    scale: Tensor
    unit: Tensor
    gap: Tensor

    def __init__(self, observables: int, options: LatentOptions) -> None:
        super().__init__()
        self.options = options
        n = options.dimension
        self.encoder = Encoder(2 * observables + 1 + options.own_scale, options.encoder, n)
        self.field = MLP(Network("field", n, n, options.hidden, options.activation))
        self.decoder = MLP(Network("decoder", n, observables, options.decoder, options.activation))
        self.log_sigma = nn.Parameter(torch.zeros(observables))
        self.register_buffer("centre", torch.zeros(observables))
        self.register_buffer("scale", torch.ones(observables))
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("gap", torch.ones(()))

    @torch.no_grad()
    def set_units(self, series: Series) -> None:
        """Take the units from series: each observable's mean and spread, a tenth of their duration.

        A sigma that is learnt begins at the spread, one that is given stays what it is.
        """
        for column in range(series.n_observables):
            own = series.values[..., column][series.mask[..., column]]
            self.centre[column] = own.mean() if len(own) else 0.0
            spread = float(own.std(correction=0)) if len(own) else 0.0
            self.scale[column] = spread or 1.0
        self.unit.fill_(float(series.grid[-1]) / 10 or 1.0)
        self.gap.fill_(float(series.grid[-1]) / max(len(series.grid) - 1, 1) or 1.0)
        sigma = self.options.sigma
        if sigma is not None:
            self.log_sigma.copy_(torch.log(sigma / self.scale))
            self.log_sigma.requires_grad_(False)

    @property
    def sigma(self) -> Tensor:
        """The noise levels, [O], in the unit of the data."""
        return self.scale * self.log_sigma.exp()

    def encode(self, reading: Reading) -> Posterior:
        """The posterior of the latent start."""
        n = len(self.centre)
        values, mask, gap = reading.inputs[..., :n], reading.inputs[..., n:-1], reading.inputs[..., -1:]
        scaled = (values - self.centre) / self.scale * mask
        inputs = [scaled, mask, gap / self.gap]
        if self.options.own_scale:
            size = self.size(reading)
            inputs = [scaled / size, *inputs[1:], size.log().expand_as(gap)]
        posterior: Posterior = self.encoder(torch.cat(inputs, dim=-1), reading.lengths)
        return posterior

    def size(self, reading: Reading) -> Tensor:
        """How large each series is, [E, 1, 1]: 1 without `own_scale`, else the root mean square of what is read."""
        n = len(self.centre)
        if not self.options.own_scale:
            return torch.ones_like(reading.inputs[:, :1, :1])
        mask = reading.inputs[..., n : 2 * n]
        return root_mean_square((reading.inputs[..., :n] - self.centre) / self.scale, mask)

    def evolve(self, z0: Tensor, times: Tensor) -> Tensor:
        """Latent states [K, E, Z] at elapsed times [K], float64, rising from 0 or later. Raises SolveError."""
        chosen = times.tolist()
        begins_later = chosen[0] > 0
        span = [0.0, *chosen] if begins_later else chosen
        if len(span) == 1:
            return z0.unsqueeze(0)
        o, rate = self.options, 1 / float(self.unit)
        width = o.step or span[-1] / 100
        layer = ODELayer(
            lambda z: rate * self.field(z),
            span,
            o.method,
            rtol=o.rtol,
            atol=o.atol,
            step=width if o.method in RUNGE_KUTTA | ADAMS else None,
            autonomous=True,
            all_times=True,
        )
        z: Tensor = layer(z0)
        return z[1:] if begins_later else z

    def decode(self, z: Tensor, size: Tensor | float = 1.0) -> Tensor:
        """Observables [..., O] of latent states [..., Z] of series of this size, [..., 1]."""
        x: Tensor = self.centre + self.scale * size * self.decoder(z)
        return x

    def predict(self, reading: Reading, times: Tensor) -> Tensor:
        """Observables [E, K, O] at elapsed times [K], from the posterior mean of the latent start."""
        z = self.evolve(self.encode(reading).mean, times).transpose(0, 1)
        return self.decode(z, self.size(reading))


def root_mean_square(scaled: Tensor, mask: Tensor) -> Tensor:
    """Over the points and observables of each series [E, L, O] where mask is 1, [E, 1, 1]; not below SMALLEST."""
    squares = (scaled.square() * mask).sum(dim=(1, 2), keepdim=True)
    return (squares / mask.sum(dim=(1, 2), keepdim=True)).sqrt().clamp(min=SMALLEST)
