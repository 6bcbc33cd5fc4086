"""The most probable latent starts of a batch of series, by damped Gauss-Newton steps.

    min over z   1/2 |r(z)|² + 1/2 |z|²,    (J'J + I + lambda diag(J'J + I)) s = J'r + z,    z <- z - s

r: what the model misses of each measurement, in standard deviations; |z|² is the prior N(0, I). An encoder says at a
glance where z lies, and errs; to begin there and look again is semi-amortized inference (Kim et al. 2018,
"Semi-amortized variational autoencoders"). Damping as in Marquardt (1963), for each series on its own.

A series that turns has many local minima, one for each wrong number of turns. The beginning of a series has none:
`most_probable_by_parts` looks at a quarter of what was read first, then at half of it, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

FIRST_DAMPING, MIN_DAMPING, MAX_DAMPING = 1e-2, 1e-6, 1e6
"""The damping at first, and its limits."""
LESS_DAMPING, MORE_DAMPING = 5, 10
"""The damping is divided by the one after a step that improves, multiplied by the other after one that does not."""
MAX_STEP = 1.0
"""In standard deviations of the prior: further away the model says nothing that could be relied on."""
DIFFERENCE = 3e-3
"""Of the difference quotients: the rounding of float32 and the curvature of the model err about equally there."""
PARTS = 4
"""How many parts of what was read are looked at, each longer than the one before."""


class Found(NamedTuple):
    """Where a search led.

    Parameters
    ----------
    z
        [E, Z].
    residuals
        [E, M], there.
    value
        [E], the squares of both.
    precision
        [E, Z, Z], J'J + I there, float64: the inverse of the posterior's covariance, as far as it is normal.
    """

    z: Tensor
    residuals: Tensor
    value: Tensor
    precision: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        """From the normal posterior, [E, Z]."""
        noise = torch.randn(self.z.shape, generator=generator, dtype=torch.float64).to(self.precision)
        root, failed = torch.linalg.cholesky_ex(self.precision)
        offset = torch.linalg.solve_triangular(root.mT, noise.unsqueeze(-1), upper=True).squeeze(-1)
        return self.z + torch.where((failed == 0).unsqueeze(-1), offset, 0.0).to(self.z)


@torch.no_grad()
def most_probable(residuals: Callable[[Tensor], Tensor], z: Tensor, steps: int) -> Found:
    """Take steps from z. One that does not improve is not taken, but dampens the next.

    Parameters
    ----------
    residuals
        Of several latent starts for each series, [E, R, Z] -> [E, R, M].
    z
        [E, Z], where the steps begin.
    steps
        How many are tried.

    Returns
    -------
    Found
    """
    n = z.shape[1]
    identity = torch.eye(n, dtype=z.dtype, device=z.device)
    offsets = DIFFERENCE * torch.cat((torch.zeros_like(identity[:1]), identity))

    def look(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r = residuals(z.unsqueeze(1) + offsets)
        jacobian = (r[:, 1:] - r[:, :1]).mT / DIFFERENCE
        return r[:, 0], jacobian, r[:, 0].square().sum(dim=-1) + z.square().sum(dim=-1)

    r, jacobian, value = look(z)
    damping = torch.full_like(z[:, :1, None], FIRST_DAMPING)
    for _ in range(steps):
        precision = _precision(jacobian)
        slope = (jacobian.mT @ r.unsqueeze(-1)).squeeze(-1) + z
        diagonal = torch.diag_embed(precision.diagonal(dim1=1, dim2=2))
        step, _failed = torch.linalg.solve_ex(precision + damping * diagonal, slope.double())
        step = torch.nan_to_num(step).to(z)
        step = step / (step.norm(dim=1, keepdim=True) / MAX_STEP).clamp(min=1.0)
        there, its_jacobian, its_value = look(z - step)
        better = its_value < value
        z = torch.where(better[:, None], z - step, z)
        r = torch.where(better[:, None], there, r)
        jacobian = torch.where(better[:, None, None], its_jacobian, jacobian)
        value = torch.where(better, its_value, value)
        damping = torch.where(better[:, None, None], damping / LESS_DAMPING, damping * MORE_DAMPING)
        damping = damping.clamp(MIN_DAMPING, MAX_DAMPING)
    return Found(z, r, value, _precision(jacobian))


def _precision(jacobian: Tensor) -> Tensor:
    """J'J + I, in float64: in float32 rounding makes it indefinite where a combination is known very well."""
    exact = jacobian.double()
    found: Tensor = exact.mT @ exact + torch.eye(exact.shape[-1], dtype=exact.dtype, device=exact.device)
    return found


def most_probable_by_parts(residuals: Callable[[float, Tensor], Tensor], z: Tensor, steps: int) -> Found:
    """The better of two searches: from z, and from the prior's mean by growing parts of what was read.

    residuals takes the share of what was read that counts, and latent starts; the others are as for `most_probable`.
    """
    direct = most_probable(partial(residuals, 1.0), z, steps)
    other = torch.zeros_like(z)
    for part in range(1, PARTS):
        other = most_probable(partial(residuals, part / PARTS), other, steps).z
    grown = most_probable(partial(residuals, 1.0), other, steps)
    better = ~(direct.value <= grown.value)
    return Found(*(torch.where(better.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(grown, direct, strict=True)))
