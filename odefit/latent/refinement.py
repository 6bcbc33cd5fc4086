"""The most probable latent starts of a batch of series, by damped Gauss-Newton steps.

    min over z   1/2 |r(z)|² + 1/2 |z|²,    (J'J + I + lambda diag(J'J + I)) s = J'r + z,    z <- z - s

r: what the model misses of each measurement, in standard deviations; |z|² is the prior N(0, I). An encoder says at a
glance where z lies, and errs; to begin there and look again is semi-amortized inference (Kim et al. 2018,
"Semi-amortized variational autoencoders"). Damping as in Marquardt (1963), for each series on its own.
"""

from __future__ import annotations

from collections.abc import Callable

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


@torch.no_grad()
def most_probable(residuals: Callable[[Tensor], Tensor], z: Tensor, steps: int) -> tuple[Tensor, Tensor]:
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
    tuple of Tensor
        Where they lead, [E, Z], and the residuals there, [E, M].
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
        precision = jacobian.mT @ jacobian + identity
        slope = (jacobian.mT @ r.unsqueeze(-1)).squeeze(-1) + z
        diagonal = torch.diag_embed(precision.diagonal(dim1=1, dim2=2))
        step, _failed = torch.linalg.solve_ex(precision + damping * diagonal, slope)
        step = torch.nan_to_num(step)
        step = step / (step.norm(dim=1, keepdim=True) / MAX_STEP).clamp(min=1.0)
        there, its_jacobian, its_value = look(z - step)
        better = its_value < value
        z = torch.where(better[:, None], z - step, z)
        r = torch.where(better[:, None], there, r)
        jacobian = torch.where(better[:, None, None], its_jacobian, jacobian)
        value = torch.where(better, its_value, value)
        damping = torch.where(better[:, None, None], damping / LESS_DAMPING, damping * MORE_DAMPING)
        damping = damping.clamp(MIN_DAMPING, MAX_DAMPING)
    return z, r
