"""The flow of examples/flow.py beside zuko's: log-likelihood of fresh samples after the same training.

    pip install zuko
    python benchmarks/flows.py --steps 1000 --seeds 1

Both are free-form continuous normalizing flows with three hidden layers of 64 units and three frequencies of the time,
on fresh samples with the same optimizer, batch and learning rates; both are asked on the same 20,000 samples. zuko's
`CNF` is solved and differentiated by its own adaptive solver and adjoint, with its defaults. OMP_NUM_THREADS=1.

Recorded with 800 steps and seed 0 (torch 2.13.0, one thread of a machine that did other work; 9,026 parameters each):

| density | flow | log-likelihood of fresh samples | true | CPU of the training |
|---|---|---|---|---|
| moons | odefit, exact trace | -2.4158 ± 0.0053 | -2.4023 | 81 s |
| moons | odefit, Hutchinson | -2.4174 ± 0.0053 | -2.4023 | 63 s |

zuko 1.6.0 (exact trace) had not ended its 800 steps on the moons after 550 s of CPU, on a machine with ten times
as much other work as cores, where the example took 99 s (-2.4099, the truth -2.3963).
So nothing is said of its likelihood.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
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


def main() -> None:
    """Train and print a row for each."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--only", default="moons,checkerboard")
    asked = arguments.parse_args()
    makers: dict[str, Callable[[], Any]] = {
        "odefit, exact": lambda: example.Flow(example.Field()),
        "odefit, Hutchinson": lambda: example.Flow(example.Field(), hutchinson=True),
        "zuko, exact": lambda: Zuko(exact=True),
    }
    print("density       flow                 seed  parameters  log-likelihood   true      training CPU (s)")
    for name in asked.only.split(","):
        density = example.DENSITIES[name]
        for seed in range(asked.seeds):
            for title, make in makers.items():
                torch.manual_seed(seed)
                flow = make()
                begun = time.process_time()
                example.train(flow, density.draw, asked.steps)
                spent = time.process_time() - begun
                torch.manual_seed(1000)
                mean, error, true = example.held_out(flow.log_density, density)
                size = sum(p.numel() for p in flow.parameters())
                numbers = f"{size:>10}  {mean:.4f} ± {error:.4f}  {true:.4f}  {spent:>8.0f}"
                print(f"{name:<12}  {title:<19}  {seed:>4}  {numbers}", flush=True)


if __name__ == "__main__":
    main()
