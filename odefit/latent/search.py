"""Where the search for the latent start of a series begins, and when it begins again.

A series that turns has many local minima, one for each wrong number of turns. The beginning of a series has none:
a quarter of what was read is looked at first, then half of it, and so on.

A search that ended wrong betrays itself: it leaves more unexplained than the noise would. It begins again then, from
draws of the prior, as far as the noise explains the rest (multi-start, with the test of a chi-squared sum as the end).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from odefit.latent.refinement import Found, most_probable

PARTS = 4
"""How many parts of what was read are looked at, each longer than the one before."""
LONGEST = 10
"""All of it may take this many times as many steps as a part."""
AGAIN = 12
"""How many draws of the prior are searched from, where the noise does not explain what is missed."""
AGAIN_IN_TRAINING = 2
"""The same in each step of a training, which a few wrong series do not spoil: data that no matrix explains, or that are
said to be without noise, then make it no more than a few times as slow."""
TOLERATED = 5.0
"""The squares may exceed what the noise explains by this many of its standard deviations."""

PartialResiduals = Callable[[float, Tensor, Tensor], Tensor]
"""As `Residuals`, but first the share of what was read that counts."""


@torch.no_grad()
def search(residuals: PartialResiduals, z: Tensor, steps: int, tolerated: Tensor, again: int) -> Found:
    """Search from z, and by growing parts from the prior's mean; where neither explains a series, from draws of it.

    Parameters
    ----------
    residuals
        What is missed.
    z
        [E, Z], where the first search begins.
    steps
        Gauss-Newton steps in each part.
    tolerated
        [E], the sum of the squared residuals up to which a series is explained.
    again
        How many draws.

    Returns
    -------
    Found
        The best for each series.
    """
    every = torch.arange(len(z), device=z.device)
    direct = most_probable(partial(residuals, 1.0), z, steps)
    best = _better(direct, by_growing_parts(residuals, torch.zeros_like(z), steps, every))
    # The same places for all series, so that what is found for one does not depend on which are searched with it.
    places = torch.randn(again, z.shape[1], generator=torch.Generator().manual_seed(0))
    for place in places.to(z):
        missed = every[~(best.residuals.square().sum(dim=1) <= tolerated)]
        if not len(missed):
            break
        found = by_growing_parts(residuals, place.expand(len(missed), -1), steps, missed)
        chosen = _better(Found(*(a[missed] for a in best)), found)
        for kept, new in zip(best, chosen, strict=True):
            kept[missed] = new
    return best


def explained(measured: Tensor) -> Tensor:
    """The sum of squared residuals that the noise of so many measurements explains."""
    return measured + TOLERATED * (2 * measured).sqrt()


def by_growing_parts(residuals: PartialResiduals, z: Tensor, steps: int, rows: Tensor) -> Found:
    """Search from z [A, Z] for the series of some rows [A], in growing parts of what was read."""
    for part in range(1, PARTS):
        z = most_probable(partial(residuals, part / PARTS), z, steps, rows).z
    return most_probable(partial(residuals, 1.0), z, LONGEST * steps, rows)


def _better(first: Found, second: Found) -> Found:
    """For each series the one with the lower value; the second where the first has none."""
    chosen = first.value <= second.value
    return Found(*(torch.where(chosen.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(first, second, strict=True)))
