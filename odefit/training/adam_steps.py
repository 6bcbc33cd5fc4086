"""Adam's step, without torch.optim: the first of those optimizers that is made imports a second's worth of compiler.

With gradient g, of which weight decay w q is a part, and k the number of the step,

    m <- m + (1 - b1) (g - m),   v <- b2 v + (1 - b2) g²,
    q <- q - a / (1 - b1^k) m / (sqrt(v / (1 - b2^k)) + 1e-8),   b1 = 0.9, b2 = 0.999.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8


class AdamSteps:
    """Moves parameters in place.

    Parameters
    ----------
    free, decayed
        Parameters without and with weight decay.
    rate
        The length of a step; it may be changed at any time.
    weight_decay
        The weight of the squares of `decayed`.

    References
    ----------
    Kingma & Ba (2015), "Adam: a method for stochastic optimization".
    """

    def __init__(
        self, free: Sequence[nn.Parameter], decayed: Sequence[nn.Parameter], rate: float, weight_decay: float
    ) -> None:
        self.parameters, self.n_free = [*free, *decayed], len(free)
        self.rate, self.weight_decay, self.steps = rate, weight_decay, 0
        self.first = [torch.zeros_like(q) for q in self.parameters]
        self.second = [torch.zeros_like(q) for q in self.parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for q in self.parameters:
            q.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one; a parameter without a gradient stays where it is."""
        self.steps += 1
        shorter = self.rate / (1 - FIRST_DECAY**self.steps)
        root = math.sqrt(1 - SECOND_DECAY**self.steps)
        for k, (q, m, v) in enumerate(zip(self.parameters, self.first, self.second, strict=True)):
            if q.grad is None:
                continue
            g = q.grad
            if self.weight_decay and k >= self.n_free:
                g = g.add(q, alpha=self.weight_decay)
            m.lerp_(g, 1 - FIRST_DECAY)
            v.mul_(SECOND_DECAY).addcmul_(g, g, value=1 - SECOND_DECAY)
            q.addcdiv_(m, v.sqrt().div_(root).add_(EPSILON), value=-shorter)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        pairs = zip(self.first, self.second, strict=True)
        moments = {str(k): {"exp_avg": m.clone(), "exp_avg_sq": v.clone()} for k, (m, v) in enumerate(pairs)}
        return {"moments": moments, "steps": self.steps}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.steps = kept["steps"]
        for k, own in kept["moments"].items():
            self.first[int(k)].copy_(own["exp_avg"])
            self.second[int(k)].copy_(own["exp_avg_sq"])
