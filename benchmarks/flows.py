"""The flow of examples/flow.py beside zuko's: log-likelihood of fresh samples after the same training.

    pip install zuko
    OMP_NUM_THREADS=1 python benchmarks/flows.py --steps 150 --only moons

Both are free-form continuous normalizing flows with three hidden layers of 64 units and three frequencies of the time,
on fresh samples with the same optimizer, batch and learning rates; both are asked on the same samples (4,000 on the
way, 20,000 at the end). zuko's `CNF` is solved and differentiated by its own adaptive solver and adjoint, with its
defaults. The figures are in README.md.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import flow as example


class Zuko(torch.nn.Module):
    """zuko's flow with the face of the example's."""

    def __init__(self, exact: bool) -> None:
        super().__init__()
        import zuko

        self.flow: Any = zuko.flows.CNF(2, freqs=3, hidden_features=(64, 64, 64), activation=torch.nn.Tanh, exact=exact)

    def log_density(self, x: Tensor) -> Tensor:
        """log p [B] of samples [B, 2]."""
        found: Tensor = self.flow().log_prob(x)
        return found


class OverTime(Exception):
    """A training has used its CPU time."""


class Watched:
    """Samples for a training whose log-likelihood is asked on the way; what that takes is not counted.

    Parameters
    ----------
    flow, density
        What learns, and what it learns.
    every
        Steps between two rows.
    limit
        Seconds of CPU after which the training ends.
    """

    def __init__(self, flow: Any, density: example.Density, every: int, limit: float) -> None:
        self.flow, self.density, self.every, self.limit = flow, density, every, limit
        self.steps, self.spent, self._since = 0, 0.0, time.process_time()

    def draw(self, n: int) -> Tensor:
        """Samples of the next step. Raises OverTime."""
        self.stop()
        if self.steps and self.steps % self.every == 0:
            self.show(4000)
        if self.spent > self.limit:
            raise OverTime
        self.steps += 1
        self._since = time.process_time()
        return self.density.draw(n)

    def stop(self) -> None:
        """Count what went by since the samples were drawn."""
        self.spent += time.process_time() - self._since
        self._since = time.process_time()

    def show(self, n: int) -> None:
        """Print a row; the training draws the same samples as without it."""
        with torch.random.fork_rng():
            torch.manual_seed(1000)
            self.flow.eval()
            mean, error, true = example.held_out(self.flow.log_density, self.density, n)
            self.flow.train()
        print(f"{self.steps:>8}  {self.spent:>8.1f}  {mean:.4f} ± {error:.4f}  {true:.4f}", flush=True)
        self._since = time.process_time()


def main() -> None:
    """Train, and print rows for each."""
    makers: dict[str, Callable[[], Any]] = {
        "exact": lambda: example.Flow(example.Field()),
        "hutchinson": lambda: example.Flow(example.Field(), hutchinson=True),
        "zuko": lambda: Zuko(exact=True),
    }
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--every", type=int, default=50, help="steps between two rows")
    arguments.add_argument("--limit", type=float, default=600.0, help="seconds of CPU for each training")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=example.DENSITIES, default=list(example.DENSITIES))
    arguments.add_argument("--flows", nargs="+", choices=makers, default=list(makers))
    asked = arguments.parse_args()
    torch.set_num_threads(1)
    for name, seed, title in itertools.product(asked.only, range(asked.seeds), asked.flows):
        torch.manual_seed(seed)
        flow = makers[title]()
        size = sum(p.numel() for p in flow.parameters())
        print(f"{name}, seed {seed}, {title}, {size:,} parameters, a training of {asked.steps} steps")
        print("   steps   CPU (s)  log-likelihood    true", flush=True)
        watched = Watched(flow, example.DENSITIES[name], asked.every, asked.limit)
        with suppress(OverTime):
            example.train(flow, watched.draw, asked.steps)
            watched.stop()
        watched.show(20_000)


if __name__ == "__main__":
    main()
