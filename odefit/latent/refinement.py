"""The most probable latent starts of a batch of series, by damped Gauss-Newton steps.

    min over z   1/2 |r(z)|² + 1/2 |z|²,    (J'J + I + lambda diag(J'J + I)) s = J'r + z,    z <- z - s

r: what the model misses of each measurement, in standard deviations; |z|² is the prior N(0, I). An encoder says at a
glance where z lies, and errs; to begin there and look again is semi-amortized inference (Kim et al. 2018,
"Semi-amortized variational autoencoders"). Damping as in Marquardt (1963), for each series on its own.
"""

from __future__ import annotations

from collections.abc import Callable
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
SETTLED = 1e-2
"""A series is settled where a step promises to lower the squares by less than this."""

Residuals = Callable[[Tensor, Tensor], Tensor]
"""Of several latent starts for each of some series: their rows [A] and the starts [A, R, Z] -> [A, R, M]."""


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
def most_probable(residuals: Residuals, z: Tensor, steps: int, rows: Tensor | None = None) -> Found:
    """Take steps from z. One that does not improve is not taken, but dampens the next.

    Parameters
    ----------
    residuals
        What is missed.
    z
        [E, Z], where the steps begin.
    steps
        How many are tried at most. Series that are settled take no more of them.
    rows
        [E], the series; default: 0 to E - 1.

    Returns
    -------
    Found
    """
    rows = torch.arange(len(z), device=z.device) if rows is None else rows
    identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    offsets = DIFFERENCE * torch.cat((torch.zeros_like(identity[:1]), identity))

    def look(rows: Tensor, z: Tensor) -> _Place:
        r = residuals(rows, z.unsqueeze(1) + offsets)
        jacobian = (r[:, 1:] - r[:, :1]).mT / DIFFERENCE
        return _Place(z, r[:, 0], jacobian, r[:, 0].square().sum(dim=-1) + z.square().sum(dim=-1))

    best = look(rows, z.clone())
    damping = torch.full_like(z[:, 0], FIRST_DAMPING)
    moving = torch.arange(len(z), device=z.device)
    for _ in range(steps):
        if not len(moving):
            break
        here = _Place(*(a[moving] for a in best))
        step, promised = here.step(damping[moving])
        there = look(rows[moving], here.z - step)
        better = there.value < here.value
        for kept, found in zip(best, there, strict=True):
            kept[moving[better]] = found[better]
        changed = torch.where(better, damping[moving] / LESS_DAMPING, damping[moving] * MORE_DAMPING)
        damping[moving] = changed.clamp(MIN_DAMPING, MAX_DAMPING)
        moving = moving[promised > SETTLED]
    return Found(best.z, best.residuals, best.value, best.precision)


class _Place(NamedTuple):
    """Where searches are: z [E, Z], residuals [E, M] and their Jacobian [E, M, Z] there, the squares [E]."""

    z: Tensor
    residuals: Tensor
    jacobian: Tensor
    value: Tensor

    @property
    def precision(self) -> Tensor:
        """J'J + I, in float64: in float32 rounding makes it indefinite where a combination is known very well."""
        exact = self.jacobian.double()
        found: Tensor = exact.mT @ exact + torch.eye(exact.shape[-1], dtype=exact.dtype, device=exact.device)
        return found

    def step(self, damping: Tensor) -> tuple[Tensor, Tensor]:
        """The step [E, Z] with this damping [E], and by how much it promises to lower the squares, [E]."""
        precision = self.precision
        slope = (self.jacobian.mT @ self.residuals.unsqueeze(-1)).squeeze(-1) + self.z
        diagonal = torch.diag_embed(precision.diagonal(dim1=1, dim2=2))
        step, _failed = torch.linalg.solve_ex(precision + damping[:, None, None] * diagonal, slope.double())
        step = torch.nan_to_num(step).to(self.z)
        step = step / (step.norm(dim=1, keepdim=True) / MAX_STEP).clamp(min=1.0)
        return step, (step * slope).sum(dim=1)
