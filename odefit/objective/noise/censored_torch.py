"""Censored cells in torch: their likelihood and its slopes come from NumPy. Imports torch.

Torch has neither the distribution function of Student's t nor that of counts, and the far tails of the others are
not right. Censored cells are few, so the way through the CPU costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from odefit.objective.noise.family import Family
from odefit.objective.noise.interval import limited


def tail_tensor(family: Family, side: Tensor, c: Tensor, m: Tensor, s: Tensor, far: Tensor | None = None) -> Tensor:
    """-ln P of censored cells (`Family.tail`), [M], differentiable in m and s.

    far: the other end of the interval in which each value lies, NaN where it has none.
    """
    f: Tensor = _Tail.apply(m, s, side, c, far, family)  # type: ignore[no-untyped-call]
    return f


class _Tail(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, m: Tensor, s: Tensor, side: Tensor, c: Tensor, far: Tensor | None, family: Family) -> Tensor:
        numbers = [x.detach().to("cpu", torch.float64).numpy() for x in (side, c, m, s)]
        ends = None if far is None else far.detach().to("cpu", torch.float64).numpy()
        with np.errstate(all="ignore"):
            found = limited(family, numbers[0], numbers[1], ends, numbers[2], numbers[3])
        ctx.save_for_backward(torch.from_numpy(found.dm).to(m), torch.from_numpy(found.ds).to(m))
        return torch.from_numpy(found.f).to(m)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        dm, ds = ctx.saved_tensors
        return grad * dm, grad * ds, None, None, None, None
