"""examples/flow.py: its derivatives, that its densities are densities, and that it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from scripts import script

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    with script("examples/flow.py") as module:
        yield module


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_slopes_in_directions_are_those_of_automatic_differentiation(example: ModuleType) -> None:
    field = example.Field(size=3, width=8, depth=3).double()
    x, directions = torch.randn(4, 3).double(), torch.randn(5, 4, 3).double()
    t = torch.tensor(0.3).double()
    _, slopes = field(t, x, directions)
    whole = torch.func.vmap(torch.func.jacrev(lambda one: field(t, one[None], directions[:, :0, :])[0][0]))(x)
    assert torch.allclose(slopes, torch.einsum("bij,ebj->ebi", whole, directions), atol=1e-12)


def test_the_density_of_any_flow_sums_to_one(example: ModuleType) -> None:
    flow = example.Flow(example.Field(width=16, depth=2)).eval()
    axis = torch.linspace(-8, 8, 81)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        mass = flow.log_density(grid).double().exp().sum().item() * (16 / 80) ** 2
    assert mass == pytest.approx(1, abs=1e-4)


def test_hutchinson_has_the_exact_trace_on_the_average(example: ModuleType) -> None:
    flow = example.Flow(example.Field(width=16, depth=2), step=0.25, hutchinson=True).train()
    x = torch.tensor([[0.5, -0.2]])
    with torch.no_grad():
        drawn = flow.log_density(x.expand(20_000, 2))
        flow.hutchinson = False
        exact = flow.log_density(x).item()
    assert drawn.mean().item() == pytest.approx(exact, abs=4 * drawn.std().item() / math.sqrt(20_000))
    assert drawn.std() > 0


@pytest.mark.parametrize("name", ["moons", "checkerboard"])
def test_the_true_densities_sum_to_one(example: ModuleType, name: str) -> None:
    density = example.DENSITIES[name]
    x = density.draw(20_000)
    # E[1 / p] over samples is the area of what they cover: of the squares 32; of the moons as far as the box goes.
    assert torch.isfinite(density.log_density(x[:200])).all()
    if name == "checkerboard":
        assert ((x[:, 0] + 4).div(2).floor() + (x[:, 1] + 4).div(2).floor()).remainder(2).eq(0).all()
        return
    axis = torch.linspace(-4.5, 4.5, 181)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
    values = torch.cat([density.log_density(part, 300) for part in grid.split(4000)])
    assert values.exp().sum().item() * (9 / 180) ** 2 == pytest.approx(1, abs=1e-3)


def test_it_learns_and_its_samples_come_from_what_it_learnt(example: ModuleType) -> None:
    density = example.DENSITIES["moons"]
    flow = example.Flow(example.Field(width=16, depth=2), step=0.25)
    losses = example.train(flow, density.draw, 60, batch=128, rate=2e-2)
    assert sum(losses[-10:]) / 10 < losses[0] - 0.2
    there = flow.samples(500)
    with torch.no_grad():
        own, other = flow.log_density(there).mean(), flow.log_density(torch.randn(500, 2) * 3).mean()
    assert own > other + 0.5
