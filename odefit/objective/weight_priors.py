"""Prior densities of the weights of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from odefit.objective.priors import Prior
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WeightPrior:
    """The density of each weight of one array.

    Parameters
    ----------
    network, name
        Which array: `net`, `layer1.weight`.
    prior
        The density.
    weights
        The array itself, as the network has it.
    """

    network: str
    name: str
    prior: Prior
    weights: Tensor

    def value_tensor(self) -> Tensor:
        """-log density, summed over all weights; differentiable."""
        return self.prior.value_tensor(self.weights).sum()


def total(priors: Sequence[WeightPrior]) -> float:
    """-log density of all weights at their present values."""
    return sum(float(prior.value_tensor().detach()) for prior in priors)
