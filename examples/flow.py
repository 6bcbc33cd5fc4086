"""A continuous normalizing flow: a density learnt by a differential equation that carries samples to a Gaussian.

    python examples/flow.py moons            # two half moons; or: checkerboard
    python examples/flow.py moons --hutchinson --out FOLDER

    dx/dt = f(t, x),   d log p/dt = -tr(df/dx),   t from 0 (data) to 1 (standard Gaussian)

so that log p(x(0)) = log N(x(1)) + the integral of tr(df/dx). f is any network. The trace is exact in two dimensions,
or Hutchinson's estimate e' (df/dx) e with a random e, which costs the same in any number of dimensions. Both need df/dx
in some directions only, which go through the network beside x (forward-mode derivatives).

R. T. Q. Chen et al., "Neural ordinary differential equations", NeurIPS (2018); W. Grathwohl et al., "FFJORD: free-form
continuous dynamics for scalable reversible generative models", ICLR (2019).
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.animation import FuncAnimation, PillowWriter
from torch import Tensor, nn

from odefit.nn import ODELayer

NOISE = 0.1
"""Standard deviation of the points around the moons."""
WINDOW = 4.0
"""Pictures show the square from -4 to 4."""


class Field(nn.Module):
    """f(t, x) of layers h -> tanh(W h + b), the first with cos and sin of t beside x; and its slopes in directions.

    Parameters
    ----------
    size
        The dimensions of x.
    width, depth
        Units of each hidden layer, and how many layers.
    frequencies
        Of the time: cos(pi t), sin(pi t), cos(2 pi t), …
    """

    def __init__(self, size: int = 2, width: int = 64, depth: int = 3, frequencies: int = 3) -> None:
        super().__init__()
        sizes = [size + 2 * frequencies, *[width] * depth, size]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.register_buffer("frequencies", math.pi * torch.arange(1, frequencies + 1))

    def forward(self, t: Tensor, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """f [B, D] and (df/dx) e [E, B, D], for directions e [E, B, D]."""
        angle = self.frequencies * t
        h = torch.cat([x, torch.cat([angle.cos(), angle.sin()]).expand(len(x), -1)], dim=1)
        *hidden, last = self.layers
        d = directions @ hidden[0].weight[:, : x.shape[1]].T
        for k, layer in enumerate(hidden):
            h = torch.tanh(layer(h))
            if k:
                d = d @ layer.weight.T
            d = d * (1 - h * h)
        return last(h), d @ last.weight.T


class Flow(nn.Module):
    """A density over [B, D], and samples of it.

    Parameters
    ----------
    field
        The velocity.
    step
        Of the Runge-Kutta method in training; fresh samples are solved to a tolerance of 1e-6.
    hutchinson
        Whether training estimates the trace by one random direction for each sample.
    """

    def __init__(self, field: Field, step: float = 0.1, hutchinson: bool = False) -> None:
        super().__init__()
        self.field, self.step, self.hutchinson = field, step, hutchinson

    def log_density(self, x: Tensor) -> Tensor:
        """log p [B] of samples [B, D]."""
        directions = self._directions(x)

        def slope(t: Tensor, state: Tensor) -> Tensor:
            velocity, turned = self.field(t, state[:, :-1], directions)
            return torch.cat([velocity, (turned * directions).sum(dim=(0, 2))[:, None]], dim=1)

        end = self._layer(slope, (0.0, 1.0))(torch.cat([x, torch.zeros_like(x[:, :1])], dim=1))
        z, gained = end[:, :-1], end[:, -1]
        return gained - (z**2).sum(dim=1) / 2 - x.shape[1] / 2 * math.log(2 * math.pi)

    def _directions(self, x: Tensor) -> Tensor:
        if self.training and self.hutchinson:
            return torch.randint(0, 2, (1, *x.shape)).to(x) * 2 - 1
        return torch.eye(x.shape[1]).to(x)[:, None, :].expand(-1, len(x), -1)

    def _layer(self, slope: Callable[[Tensor, Tensor], Tensor], span: tuple[float, ...]) -> ODELayer:
        if self.training:
            return ODELayer(slope, span, "rk4", step=self.step)
        return ODELayer(slope, span, "dopri5", rtol=1e-6, atol=1e-6, all_times=len(span) > 2)

    def samples(self, n: int, times: tuple[float, ...] = (1.0, 0.0)) -> Tensor:
        """[n, D] samples, or [T, n, D] on their way at falling times, from the Gaussian at 1 to the data at 0."""
        z = torch.randn(n, self.field.layers[-1].out_features)
        none = torch.zeros(0, *z.shape)
        with torch.no_grad():
            return self._layer(lambda t, x: self.field(t, x, none)[0], times)(z)


def moons(n: int) -> Tensor:
    """[n, 2] points around two half circles of radius 2, with Gaussian noise."""
    angle = math.pi * torch.rand(n)
    upper = torch.rand(n) < 0.5
    x = torch.where(upper, 2 * angle.cos() - 1, 1 - 2 * angle.cos())
    y = torch.where(upper, 2 * angle.sin() - 0.5, 0.5 - 2 * angle.sin())
    return torch.stack([x, y], dim=1) + 2 * NOISE * torch.randn(n, 2)


def moons_log_density(x: Tensor, points: int = 2000) -> Tensor:
    """The true log density [B] of `moons`, by the trapezoidal rule along the half circles."""
    angle = torch.linspace(0, math.pi, points, dtype=torch.float64)
    weight = torch.full((points,), 1 / (points - 1), dtype=torch.float64)
    weight[[0, -1]] /= 2
    upper = torch.stack([2 * angle.cos() - 1, 2 * angle.sin() - 0.5], dim=1)
    centres = torch.cat([upper, -upper])
    squares = ((x.double()[:, None] - centres) ** 2).sum(dim=2) / (2 * (2 * NOISE) ** 2)
    logs = torch.cat([weight, weight]).log() - math.log(2) - squares - math.log(2 * math.pi * (2 * NOISE) ** 2)
    return torch.logsumexp(logs, dim=1)


def checkerboard(n: int) -> Tensor:
    """[n, 2] points in every second square of a board of 4 x 4 from -4 to 4."""
    column = torch.randint(0, 4, (n,))
    row = 2 * torch.randint(0, 2, (n,)) + column % 2
    corner = torch.stack([column, row], dim=1).float()
    return 2 * (corner + torch.rand(n, 2)) - 4


def checkerboard_log_density(x: Tensor) -> Tensor:
    """The true log density [B] of `checkerboard` at points of it: 8 squares of area 4."""
    return torch.full((len(x),), -math.log(32), dtype=torch.float64)


@dataclass(frozen=True)
class Density:
    """A density to learn: samples of it, and its logarithm."""

    draw: Callable[[int], Tensor]
    log_density: Callable[[Tensor], Tensor]


DENSITIES = {
    "moons": Density(moons, moons_log_density),
    "checkerboard": Density(checkerboard, checkerboard_log_density),
}


def train(flow: Flow, draw: Callable[[int], Tensor], steps: int, batch: int = 512, rate: float = 5e-3) -> list[float]:
    """Adam on fresh samples, the rate falling to nothing by half a cosine; gives the loss of every step."""
    optimizer = torch.optim.Adam(flow.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    losses = []
    flow.train()
    for _ in range(steps):
        loss = -flow.log_density(draw(batch)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    flow.eval()
    return losses


def held_out(log_density: Callable[[Tensor], Tensor], density: Density, n: int = 20_000) -> tuple[float, float, float]:
    """The mean log-likelihood of fresh samples, its standard error, and what the true density has there."""
    x = density.draw(n)
    with torch.no_grad():
        values = torch.cat([log_density(part) for part in x.split(2000)])
    true = torch.cat([density.log_density(part) for part in x.split(2000)])
    return values.mean().item(), (values.std() / math.sqrt(n)).item(), true.mean().item()


def draw_flow(flow: Flow, density: Density, path: Path) -> None:
    """A picture: data, learnt density, samples, and their way from the Gaussian."""
    axis = torch.linspace(-WINDOW, WINDOW, 160)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        p = torch.cat([flow.log_density(part) for part in grid.split(4000)]).exp().reshape(160, 160)
    times = (1.0, 0.75, 0.5, 0.25, 0.0)
    on_the_way = flow.samples(4000, times)
    figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained", sharex=True, sharey=True)
    axes[0, 0].plot(*density.draw(4000).T, ".", ms=1, color="0.25")
    axes[0, 0].set_title("data")
    axes[0, 1].imshow(p, origin="lower", extent=(-WINDOW, WINDOW) * 2, cmap="Blues")
    axes[0, 1].set_title("learnt density")
    panels = [axes[0, 2], axes[0, 3], *axes[1, :3]]
    for panel, t, x in zip(panels, times, on_the_way, strict=True):
        panel.plot(*x.T, ".", ms=1, color="tab:blue")
        panel.set_title(f"samples at t = {t:g}" + {1.0: ": Gaussian", 0.0: ": data"}.get(t, ""))
    paths = flow.samples(60, tuple(np.linspace(1, 0, 41)))
    axes[1, 3].plot(paths[:, :, 0], paths[:, :, 1], lw=0.6, color="tab:orange")
    axes[1, 3].plot(*paths[-1].T, ".", ms=4, color="tab:blue")
    axes[1, 3].set_title("the way of sixty samples")
    for panel in axes.flat:
        panel.set(xlim=(-WINDOW, WINDOW), ylim=(-WINDOW, WINDOW), aspect="equal")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def animate_flow(flow: Flow, path: Path, frames: int = 36) -> None:
    """A GIF: samples on their way from the Gaussian to the data."""
    times = tuple(np.linspace(1, 0, frames))
    x = flow.samples(3000, times).numpy()
    figure, axes = plt.subplots(figsize=(4, 4.2), layout="constrained")
    (points,) = axes.plot([], [], ".", ms=1.5, color="tab:blue")
    axes.set(xlim=(-WINDOW, WINDOW), ylim=(-WINDOW, WINDOW), aspect="equal")

    def frame(k: int) -> None:
        k = min(k, frames - 1)  # the last one stays for a while
        points.set_data(*x[k].T)
        axes.set_title(f"t = {times[k]:.2f}")

    FuncAnimation(figure, frame, frames + 12).save(path, PillowWriter(fps=14))
    plt.close(figure)


def main() -> None:
    """Train, say how good it is, and draw it."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("density", choices=DENSITIES)
    arguments.add_argument("--hutchinson", action="store_true", help="estimate the trace by one random direction")
    arguments.add_argument("--steps", type=int, default=3000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=Path("flow"), help="the folder of the pictures")
    asked = arguments.parse_args()
    mpl.use("agg")
    torch.manual_seed(asked.seed)
    density = DENSITIES[asked.density]
    flow = Flow(Field(), hutchinson=asked.hutchinson)
    begun = time.process_time()
    train(flow, density.draw, asked.steps)
    mean, error, true = held_out(flow.log_density, density)
    spent = time.process_time() - begun
    print(f"log-likelihood of fresh samples {mean:.4f} ± {error:.4f}, of the true density {true:.4f}")
    print(f"{spent:.0f} s of CPU")
    asked.out.mkdir(parents=True, exist_ok=True)
    draw_flow(flow, density, asked.out / f"{asked.density}.png")
    animate_flow(flow, asked.out / f"{asked.density}.gif")
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
