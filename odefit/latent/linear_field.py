"""A latent vector field that is linear, with a matrix for each series, and its exact solution.

    ds/dt = A s,   s(t) = exp(A t) s(0),   A = (J - L L') exp(S + S')

J is skew; S and L are lower triangles. So written are the matrices of systems that come to rest, and of no others: J
turns, L L' damps, exp(S + S') is the energy that falls (A. van der Schaft & D. Jeltsema 2014, "Port-Hamiltonian systems
theory: an introductory overview"). No prediction can explode, however far away a search looks. The entries of J, S
and L are linear in the constants of a series, which come from a normal distribution.

The exponential of a late time costs no more than that of an early one, and no step of a solver limits how fast a
series may turn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FIRST_TURN, FIRST_STRETCH, FIRST_SPREAD = 3.0, 0.5, 0.3
"""Spreads of the entries of J, S and L before anything is learnt, in a tenth of the duration of the series."""
FIRST_DAMPING = 0.7
"""The diagonal of L before anything is learnt."""


class LinearField(nn.Module):
    """The matrices of a linear vector field.

    Parameters
    ----------
    states, constants
        How many latent states move, and how many do not.
    """

    spread: Tensor

    def __init__(self, states: int, constants: int) -> None:
        super().__init__()
        self.states = states
        lower = states * (states + 1) // 2
        self.sizes = [states * (states - 1) // 2, lower, lower]
        self.entries = nn.Linear(constants, sum(self.sizes))
        nn.init.orthogonal_(self.entries.weight)
        nn.init.zeros_(self.entries.bias)
        spreads = zip(self.sizes, (FIRST_TURN, FIRST_STRETCH, FIRST_SPREAD), strict=True)
        self.register_buffer("spread", torch.cat([torch.full((n,), spread) for n, spread in spreads]))

    def matrices(self, constants: Tensor) -> Tensor:
        """A [E, S, S] of constants [E, C]."""
        n = self.states
        turn, stretch, damping = (self.spread * self.entries(constants)).split(self.sizes, dim=-1)
        turns, stretches = _lower(turn, n, -1), _lower(stretch, n)
        damps = _lower(damping, n) + FIRST_DAMPING * torch.eye(n).to(damping)
        energy = torch.linalg.matrix_exp(stretches + stretches.mT)
        found: Tensor = (turns - turns.mT - damps @ damps.mT) @ energy
        return found

    def solve(self, start: Tensor, constants: Tensor, times: Tensor) -> Tensor:
        """States [K, E, S] at times [K] since the start, from starts [E, S] and constants [E, C]."""
        flows = torch.linalg.matrix_exp(self.matrices(constants) * times.to(start)[:, None, None, None])
        solved: Tensor = (flows @ start.unsqueeze(-1)).squeeze(-1)
        return solved


def _lower(entries: Tensor, n: int, offset: int = 0) -> Tensor:
    """Matrices [E, n, n] with these entries [E, K] in the lower triangle, row by row, and 0 elsewhere."""
    rows, columns = torch.tril_indices(n, n, offset)
    zeros = entries.new_zeros(len(entries), n, n)
    return zeros.index_put((torch.arange(len(entries)).unsqueeze(-1), rows, columns), entries)
