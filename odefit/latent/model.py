"""A latent ODE: series are the picture, through a decoder, of states that are not measured.

    q(z0 | x) = N(mean, variance)      encoder: a recurrent network that reads the series backwards
    dz/dt = f(z),  z(0) = z0           vector field: a perceptron, which may leave some of z as they are
    x(t) ~ N(g(z(t)), sigma²)          decoder: a perceptron

after Chen, Rubanova, Bettencourt and Duvenaud (2018), "Neural ordinary differential equations", section 5. Backwards,
because what was read last is remembered best, and z0 is the state at the start. What one series has of its own and
keeps, such as its frequency, has its place in latent states that are constant (Yildiz et al. 2019, "ODE2VAE"; Auzina
et al. 2023, "Modulated neural ODEs").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from odefit.engines.methods import METHODS
from odefit.errors import ModelError
from odefit.latent.linear_field import LinearField
from odefit.latent.refinement import Found, most_probable
from odefit.latent.search import AGAIN, AGAIN_IN_TRAINING, explained, search
from odefit.latent.series import Reading, Series, what_was_read
from odefit.model.networks import ACTIVATIONS, MLP
from odefit.model.system import Network
from odefit.nn import ODELayer
from odefit.records import dataclass

FIRST_LOG_VARIANCE = -4.0
"""Of the encoder. With the wide prior's noise at the start of every curve, little would be learnt at first."""

FIRST_MISFIT = 0.3
"""Misfit of the refinement before anything is learnt, in spreads."""
MIN_MISFIT, MAX_MISFIT = 1e-3, 1.0
"""Limits of the misfit, in spreads."""
MISFIT_WEIGHT = 0.05
"""Weight of the latest batch in the running mean of the misfit."""

MIN_SIZE = 1e-3
"""Size of a series that is nothing but its mean, in spreads of all."""


@dataclass(frozen=True)
class LatentOptions:
    """How large a latent ODE is, and how it is solved.

    Parameters
    ----------
    dimension
        Of the latent state.
    hidden, activation
        Of the vector field. No hidden layer, with constants: it is linear in the states that move, with a matrix for
        each series that depends on the constants (`linear_field.py`), and is solved exactly.
    encoder
        Hidden units of the recurrent network.
    decoder
        Widths of its hidden layers.
    sigma
        The noise level in the unit of the data; None: learnt, one for each observable.
    method, step, rtol, atol
        Of the solver. The step, of methods that do not choose it themselves, is in the unit of the times; default: a
        hundredth of the time to be solved.
    own_scale
        The networks see each series divided by its own size, that is the root mean square of what is read of it, and
        that size beside it: a few large series then need no region of the latent space to themselves (after the scale
        handling of Salinas et al. 2020, "DeepAR"). A noise level that is learnt is a share of the size, too.
    constants
        This many of the latent states, the last ones, stay what they are. The hidden units of the vector field are
        multiplied by linear functions of them, so that a rate constant times a state is easily learnt.
    refine
        Gauss-Newton steps from the encoder's latent start to the most probable one (`refinement.py`); of a linear
        field this many in each part of what is read, from several places (`search.py`).
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
    constants: int = 0
    refine: int = 0


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
        """Read inputs [E, L, F], padded at the end, of lengths [E]."""
        states, _ = self.recurrent(inputs)
        # The state after each one's own last point: what the network makes of the padding is not looked at.
        last = states[torch.arange(len(states), device=states.device), lengths - 1]
        mean, log_variance = self.head(last).chunk(2, dim=-1)
        return Posterior(mean, log_variance)


class GatedField(nn.Module):
    """ds/dt = A(c) s + W2 h(... (a(W s + B c + b) * (G c + g))): a linear part, whose matrix depends on the constants,
    and a perceptron whose first hidden layer they multiply.

    s: states [E, Z - constants]; c: constants [E, constants]; A linear in c; a, h: activations. Around a place of rest
    every system is linear, and its matrix is what differs from series to series.
    """

    def __init__(self, options: LatentOptions) -> None:
        super().__init__()
        n = options.dimension - options.constants
        if n < 1 or not options.hidden or options.activation not in ACTIVATIONS:
            raise ModelError(
                "model.latent",
                "constants need a state that moves, a hidden layer and a known activation (got "
                f"{options.constants} of {options.dimension}, {list(options.hidden)}, '{options.activation}')",
            )
        first, *others = options.hidden
        self.states = nn.Linear(n, first, bias=False)
        self.shift = nn.Linear(options.constants, first)
        self.gate = nn.Linear(options.constants, first)
        with torch.no_grad():
            self.gate.bias.fill_(1.0)
        self.matrix = nn.Linear(options.constants, n * n)
        widths = [first, *others, n]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        self.activation = ACTIVATIONS[options.activation]()

    def given(self, constants: Tensor) -> Callable[[Tensor], Tensor]:
        """The vector field of s alone: what depends on the constants is worked out once and for all times."""
        shift, gate, weight = self.shift(constants), self.gate(constants), self.states.weight.T
        matrix = self.matrix(constants).unflatten(-1, (len(self.states.weight.T), -1))

        def field(s: Tensor) -> Tensor:
            h = self.activation(torch.addmm(shift, s, weight)) * gate
            for layer in self.layers[:-1]:
                h = self.activation(layer(h))
            ds: Tensor = torch.baddbmm(self.layers[-1](h).unsqueeze(-1), matrix, s.unsqueeze(-1)).squeeze(-1)
            return ds

        return field


class LatentODE(nn.Module):
    """The three networks, in the units of the data: `centre` and `scale` of each observable, `unit` of time.

    The vector field is the network's divided by `unit`; gaps between points are read in units of `gap`. All of these
    are saved with the weights. sigma is a parameter (its logarithm is) unless it is given. misfit: the refinement's
    noise level of what is read, in spreads (of series of size 1): the root mean square of what it leaves unexplained of
    the series that are trained on; of a linear field that of the series in the middle. sigma is larger, since it covers
    what the model misses much later as well.
    """

    centre: Tensor
    scale: Tensor
    unit: Tensor
    gap: Tensor
    misfit: Tensor

    def __init__(self, observables: int, options: LatentOptions) -> None:
        super().__init__()
        self.options = options
        n = options.dimension
        self.encoder = Encoder(2 * observables + 1 + options.own_scale, options.encoder, n)
        self.field: MLP | GatedField | LinearField
        if options.constants and not options.hidden:
            self.field = _linear_field(options)
        elif options.constants:
            self.field = GatedField(options)
        else:
            self.field = MLP(Network("field", n, n, options.hidden, options.activation))
        self.decoder = MLP(Network("decoder", n, observables, options.decoder, options.activation))
        if self.is_linear and not options.decoder:
            _show_states(self.decoder)
        self.log_sigma = nn.Parameter(torch.zeros(observables))
        if options.refine and not self.is_linear:
            # What the encoder alone achieves, which is trained beside what the refinement makes of it.
            self.log_sigma_encoder = nn.Parameter(torch.zeros(observables))
        if options.refine:
            self.register_buffer("misfit", torch.full((observables,), FIRST_MISFIT))
        self.register_buffer("centre", torch.zeros(observables))
        self.register_buffer("scale", torch.ones(observables))
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("gap", torch.ones(()))

    @property
    def is_linear(self) -> bool:
        """Whether each series has a matrix of its own."""
        return isinstance(self.field, LinearField)

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
            for log_sigma in (q for name, q in self.named_parameters() if name.startswith("log_sigma")):
                log_sigma.copy_(torch.log(sigma / self.scale))
                log_sigma.requires_grad_(False)

    @property
    def sigma(self) -> Tensor:
        """The noise levels, [O], in the unit of the data; with `own_scale` and learnt, of series of size 1."""
        return self.scale * self.log_sigma.exp()

    def noise(self, size: Tensor, log_sigma: Tensor | None = None) -> Tensor:
        """The noise levels of series of sizes [E, 1, 1] in the unit of the data, [E, 1, O]."""
        own = size if self.options.sigma is None else torch.ones_like(size)
        return self.scale * (self.log_sigma if log_sigma is None else log_sigma).exp() * own

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
        """The size of each series, [E, 1, 1]: 1 without `own_scale`, else the root mean square of what is read."""
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
        field: Callable[[Tensor], Tensor] = self.field
        constants = z0[:, o.dimension - o.constants :]
        if isinstance(self.field, LinearField):
            s = self.field.solve(z0[:, : -o.constants], constants, rate * times)
            return torch.cat((s, constants.expand(len(s), *constants.shape)), dim=-1)
        if isinstance(self.field, GatedField):
            field, z0 = self.field.given(constants), z0[:, : -o.constants]
        width = o.step or span[-1] / 100
        layer = ODELayer(
            lambda z: rate * field(z),
            span,
            o.method,
            rtol=o.rtol,
            atol=o.atol,
            step=width if METHODS[o.method].is_fixed_step else None,
            autonomous=True,
            all_times=True,
        )
        z: Tensor = layer(z0)
        if o.constants:
            z = torch.cat((z, constants.expand(len(z), *constants.shape)), dim=-1)
        return z[1:] if begins_later else z

    def decode(self, z: Tensor, size: Tensor | float = 1.0) -> Tensor:
        """Observables [..., O] of latent states [..., Z] of series of this size, [..., 1]."""
        x: Tensor = self.centre + self.scale * size * self.decoder(z)
        return x

    def predict(self, reading: Reading, times: Tensor) -> Tensor:
        """Observables [E, K, O] at elapsed times [K], from the best guess of the latent start."""
        z = self.evolve(self.best_start(reading), times).transpose(0, 1)
        return self.decode(z, self.size(reading))

    def best_start(self, reading: Reading) -> Tensor:
        """The posterior mean of the latent start, or what the refinement makes of it, [E, Z]."""
        mean = self.encode(reading).mean
        return self.refine(reading, mean).z if self.options.refine else mean

    @torch.no_grad()
    def refine(self, reading: Reading, z: Tensor, stride: int = 1, *, learn: bool = False) -> Found:
        """Find the most probable latent starts.

        Parameters
        ----------
        reading
            What is read of each series.
        z
            [E, Z], where the search begins.
        stride
            One in `stride` of the times read counts, and all of these as much as all times.
        learn
            Bring `misfit` up to date.

        Returns
        -------
        Found
        """
        seen = what_was_read(reading, len(self.centre))
        points = torch.arange(0, len(seen.grid), stride)
        values, mask = seen.values[:, points].unsqueeze(1), seen.mask[:, points].unsqueeze(1)
        weight = (len(seen.grid) / len(points)) ** 0.5
        size = self.size(reading)
        sigma = self.noise(size, self.misfit.log() if self.options.sigma is None else None)

        def residuals(share: float, rows: Tensor, z: Tensor) -> Tensor:
            some = math.ceil(share * len(points))
            states = self.evolve(z.flatten(0, 1), seen.grid[points[:some]]).transpose(0, 1)
            x = self.decode(states.reshape(*z.shape[:2], *states.shape[1:]), size[rows].unsqueeze(1))
            r = (x - values[rows, :, :some]) / sigma[rows].unsqueeze(1)
            return torch.where(mask[rows, :, :some], weight * r, 0.0).flatten(2)

        if self.is_linear:
            tolerated = weight**2 * explained(mask.sum(dim=(1, 2, 3)))
            again = AGAIN_IN_TRAINING if learn else AGAIN
            best = search(residuals, z, self.options.refine, tolerated, again)
        else:
            best = most_probable(partial(residuals, 1.0), z, self.options.refine)
        if learn and self.options.sigma is None:
            squares = (best.residuals.reshape(len(z), len(points), -1) / weight).square().sum(dim=1)
            counts = mask.sum(dim=(1, 2))
            mean = squares.sum(dim=0) / counts.sum(dim=0).clamp(min=1)
            if self.is_linear:
                # The median of the series: one whose search ended wrong says nothing of the noise.
                median = (squares / counts).nanmedian(dim=0).values
                mean = torch.where(median.isnan(), mean, median)
            latest = self.misfit * mean.sqrt()
            self.misfit.lerp_(latest.clamp(MIN_MISFIT, MAX_MISFIT), MISFIT_WEIGHT)
        return best


def _linear_field(options: LatentOptions) -> LinearField:
    if options.constants >= options.dimension or not options.refine:
        raise ModelError(
            "model.latent",
            "a linear field (`hidden: []`) needs a state that moves, and `refine`, which finds the matrix of a series "
            f"(got {options.constants} constants of {options.dimension}, refine: {options.refine}); set refine: 6",
        )
    return LinearField(options.dimension - options.constants, options.constants)


@torch.no_grad()
def _show_states(decoder: MLP) -> None:
    """Begin with the first latent states as observables: a matrix can be in any coordinates, so these are as good."""
    (layer,) = decoder.layers
    assert isinstance(layer, nn.Linear)
    layer.weight.zero_().fill_diagonal_(1.0)
    layer.bias.zero_()


def root_mean_square(scaled: Tensor, mask: Tensor) -> Tensor:
    """Over the points and observables of each series [E, L, O] where mask is 1, [E, 1, 1]; not below MIN_SIZE."""
    squares = (scaled.square() * mask).sum(dim=(1, 2), keepdim=True)
    return (squares / mask.sum(dim=(1, 2), keepdim=True)).sqrt().clamp(min=MIN_SIZE)
