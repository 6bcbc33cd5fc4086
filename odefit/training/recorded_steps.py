"""Windows solved step by step with every operation recorded by torch: for what is not compiled (engines/networks)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from odefit.engines.torch_fields import Equations, VectorField


def march(equations: Equations, p: Tensor, start: Tensor, elapsed: Tensor, y: Tensor, steps: int) -> Tensor:
    """States [E, T, S] by `steps` classical Runge-Kutta steps between neighbouring times.

    Parameters
    ----------
    p, y
        [E, L] local values and [E, S] initial states.
    start, elapsed
        [E], and [E, T] times since then.
    """
    field = _Field(equations, p, start, math.inf)
    y, path = y.T, []
    times = torch.cat((torch.zeros_like(start)[None], elapsed.T))
    for k, h in enumerate(times.diff(dim=0) / steps):
        # A window that starts with its first time has nothing to do there.
        for i in range(steps if k or bool(h.any()) else 0):
            y = _step(field, times[k] + i * h, y, h)
        path.append(y)
    return torch.stack(path).permute(2, 0, 1)


class _Field(VectorField):
    """A vector field that is asked at a different elapsed time in each window, s [E], and so often as is known."""

    def _count(self, s: Tensor) -> None:
        del s
        self.evaluations += 1


def _step(field: VectorField, s: Tensor, y: Tensor, h: Tensor) -> Tensor:
    """One step of the classical Runge-Kutta method from y [S, E] at s [E], of width h [E]."""
    half = h / 2
    k1 = field(s, y)
    k2 = field(s + half, y + half * k1)
    k3 = field(s + half, y + half * k2)
    k4 = field(s + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * (k2 + k3) + k4)
