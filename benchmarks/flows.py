"""The flow of examples/flow.py beside zuko's: log-likelihood of fresh samples after the same whole training.

    pip install zuko
    OMP_NUM_THREADS=1 python benchmarks/flows.py --steps 600 --depth 2 --batch 128 --seeds 2

All are free-form continuous normalizing flows with hidden layers of tanh units and three frequencies of the time, on
the same fresh samples with the same optimizer, batch and learning rates, and are asked on the same samples (4,000 on
the way, 20,000 at the end). zuko's `CNF` is solved and differentiated by its own adaptive solver and adjoint, with its
defaults. `exact` and `hutchinson` are the example as it is, `alike` is the example from the random weights that zuko's
begins with: only the ways of solving differ then. What has ended is a line of a file, and a later call goes on from
there. The figures are in README.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
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

    def __init__(self, hidden: tuple[int, ...]) -> None:
        super().__init__()
        import zuko

        self.flow: Any = zuko.flows.CNF(2, freqs=3, hidden_features=hidden, activation=torch.nn.Tanh)

    def log_density(self, x: Tensor) -> Tensor:
        """log p [B] of samples [B, 2]."""
        found: Tensor = self.flow().log_prob(x)
        return found


def shipped(hidden: tuple[int, ...], hutchinson: bool = False) -> example.Flow:
    """The example's."""
    return example.Flow(example.Field(width=hidden[0], depth=len(hidden)), hutchinson=hutchinson)


def alike(hidden: tuple[int, ...]) -> example.Flow:
    """The example's with the weights that zuko's begins with, whose inputs are the times and then x."""
    peer = [part for part in Zuko(hidden).modules() if isinstance(getattr(part, "weight", None), Tensor)]
    with torch.random.fork_rng(), torch.no_grad():
        flow = shipped(hidden)
        for own, other in zip(flow.field.layers, peer, strict=True):
            own.weight.copy_(other.weight.roll(2, dims=1) if own is flow.field.layers[0] else other.weight)
            own.bias.copy_(other.bias)
    return flow


MAKERS: dict[str, Callable[[tuple[int, ...]], Any]] = {
    "exact": shipped,
    "hutchinson": lambda hidden: shipped(hidden, hutchinson=True),
    "alike": alike,
    "zuko": Zuko,
}


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

    def show(self, n: int) -> dict[str, float]:
        """Print a row, and give it; the training draws the same samples as without it."""
        with torch.random.fork_rng():
            torch.manual_seed(1000)
            self.flow.eval()
            mean, error, true = example.held_out(self.flow.log_density, self.density, n)
            self.flow.train()
        print(f"{self.steps:>8}  {self.spent:>8.1f}  {mean:.4f} ± {error:.4f}  {true:.4f}", flush=True)
        self._since = time.process_time()
        return {"steps": self.steps, "cpu": self.spent, "mean": mean, "error": error, "true": true}


def main() -> None:
    """Train, and print rows for each."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--width", type=int, default=64)
    arguments.add_argument("--depth", type=int, default=3)
    arguments.add_argument("--batch", type=int, default=512)
    arguments.add_argument("--every", type=int, default=200, help="steps between two rows")
    arguments.add_argument("--limit", type=float, default=600.0, help="seconds of CPU for each training")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=example.DENSITIES, default=list(example.DENSITIES))
    arguments.add_argument("--flows", nargs="+", choices=MAKERS, default=list(MAKERS))
    arguments.add_argument("--out", type=Path, default=Path("flows.jsonl"))
    asked = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    for seed, name, title in itertools.product(range(asked.seeds), asked.only, asked.flows):
        about = {"density": name, "flow": title, "seed": seed}
        about |= {"width": asked.width, "depth": asked.depth, "batch": asked.batch, "asked": asked.steps}
        if not any(about.items() <= row.items() for row in rows):
            rows.append(about | trained(about, asked.every, asked.limit))
            with asked.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    summary(rows)


def trained(about: dict[str, Any], every: int, limit: float) -> dict[str, float]:
    """One training."""
    torch.manual_seed(about["seed"])
    flow = MAKERS[about["flow"]]((about["width"],) * about["depth"])
    size = sum(p.numel() for p in flow.parameters())
    print(f"{about['density']}, seed {about['seed']}, {about['flow']}, {size:,} parameters, {about['asked']} steps")
    print("   steps   CPU (s)  log-likelihood    true", flush=True)
    watched = Watched(flow, example.DENSITIES[about["density"]], every, limit)
    with suppress(OverTime):
        example.train(flow, watched.draw, about["asked"], about["batch"])
        watched.stop()
    return watched.show(20_000)


def summary(rows: list[dict[str, Any]]) -> None:
    """A row for each density, size and flow: log-likelihoods less the true ones, which all seeds were asked of."""
    print("| density | width, depth, batch | flow | steps | log-likelihood by seed | mean below the truth | CPU (s) |")
    key = lambda r: (r["density"], r["width"], r["depth"], r["batch"], r["asked"], r["flow"])  # noqa: E731
    for (density, width, depth, batch, steps, flow), own in itertools.groupby(sorted(rows, key=key), key):
        seeds = sorted(own, key=lambda r: r["seed"])
        values = ", ".join(f"{r['mean']:.4f} ± {r['error']:.4f}" for r in seeds)
        below = sum(r["true"] - r["mean"] for r in seeds) / len(seeds)
        cpu = sum(r["cpu"] for r in seeds) / len(seeds)
        reached = min(r["steps"] for r in seeds)
        about = f"{density} | {width}, {depth}, {batch} | {flow} | {reached} of {steps}"
        print(f"| {about} | {values} | {below:.4f} | {cpu:.0f} |")


if __name__ == "__main__":
    main()
