"""Experiments on their ways in tensors, differentiable once. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.engines.segments.march import Traveller
from odefit.engines.segments.saltation import Calculus, Numbers, Stretch, Walk


class TensorTraveller(Traveller[Tensor, Tensor]):
    """p: [L]. What happens between legs enters with its derivatives, which are known: a value v with the derivative
    D to p is v + D (p - p_), where p_ is p itself without gradient.
    """

    def __init__(self, p: Tensor, calculus: Calculus, numbers: Numbers, walk: Walk) -> None:
        super().__init__(walk)
        self._p, self._shift = p, p - p.detach()
        self._calculus, self._numbers = calculus, numbers
        self._kept = [calculus.names.index(name) for name in calculus.segments.kept]
        self._end: Tensor | None = None
        self._parts: list[Tensor] = []

    def enter(self, stretch: Stretch) -> None:
        y = self._constant(stretch.y)
        if self._end is not None:
            shift = self._end - self._end.detach()
            y = y + (shift if stretch.A is None else self._constant(stretch.A) @ shift)
        if stretch.B is not None:
            y = y + self._constant(stretch.B) @ self._shift
        self._leg = stretch.leg
        if stretch.leg.piece is None:
            self._parts.append(y.unsqueeze(0))
            return
        parts = [self._p[self._kept], self._constant(stretch.leg.context), y]
        if len(stretch.leg.feeds):
            slope = self._constant(self._numbers.dfraction) @ self._shift
            parts.insert(1, (self._numbers.fraction + slope) * self._constant(stretch.leg.feeds))
        self.row = torch.cat(parts)

    def take(self, found: Tensor) -> FloatArray:
        """found: [>= number of times, S]; beyond them it is padding."""
        wanted, n = self._leg.wanted, len(self.piece.times)
        self._parts.append(found[: wanted.stop - wanted.start])
        self._end = found[n - 1]
        end: FloatArray = self._end.detach().to("cpu", torch.float64).numpy()
        return end

    def states(self, length: int) -> Tensor:
        """At the experiment's times, padded to `length` with the last state: [length, S]."""
        y = torch.cat(self._parts)
        return y if len(y) == length else torch.cat([y, y[-1:].expand(length - len(y), -1)])

    def _constant(self, values: FloatArray) -> Tensor:
        return torch.as_tensor(values, dtype=self._p.dtype, device=self._p.device)


def stacked(travellers: Sequence[TensorTraveller], length: int) -> Tensor:
    """[E, length, S]."""
    return torch.stack([traveller.states(length) for traveller in travellers])
