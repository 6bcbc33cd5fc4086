"""Experiments on their ways in tensors, differentiable once. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.engines.segments.march import SegmentMarch
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStart, SegmentStarts


class TensorMarch(SegmentMarch[Tensor, Tensor]):
    """p: [L]. What happens between segments enters with its derivatives, which are known: a value v with the derivative
    D to p is v + D (p - p_), where p_ is p itself without gradient. rest: what moves the steady state before the start
    with the weights of networks.
    """

    def __init__(
        self,
        p: Tensor,
        sensitivities: EventSensitivities,
        events: EventValues,
        starts: SegmentStarts,
        rest: Callable[[], Tensor | None] | None = None,
    ) -> None:
        super().__init__(starts)
        self._p, self._shift = p, p - p.detach()
        self._sensitivities, self._events = sensitivities, events
        self._kept = [sensitivities.names.index(name) for name in sensitivities.segment_system.kept]
        self._n = len(sensitivities.segment_system.whole.states)
        self._end: Tensor | None = None
        self._rest = rest
        self._remembered = p.new_empty(0)
        self._parts: list[Tensor] = []

    def enter(self, start: SegmentStart) -> None:
        y = self._constant(start.y)
        if self._rest is not None:
            self._end, self._rest = self._moved(self._rest()), None
        if self._end is not None:
            shift = self._end - self._end.detach()
            y = y + (shift if start.A is None else self._constant(start.A) @ shift)
        if start.B is not None:
            y = y + self._constant(start.B) @ self._shift
        if start.weights is not None:
            by_weights = self._moved(start.weights())
            y = y if by_weights is None else y + by_weights
        self._segment, self._end = start.segment, y
        y, self._remembered = y[: self._n], y[self._n :]
        if not start.segment.has_length:
            wanted = start.segment.wanted
            self._parts.append(y.expand(wanted.stop - wanted.start, -1))
            return
        parts = [self._p[self._kept], self._constant(start.segment.context), y]
        if len(start.segment.feeds):
            slope = self._constant(self._events.darrival) @ self._shift
            arrives = self._constant(self._events.arrival) + slope
            parts.insert(1, arrives * self._constant(start.segment.feeds))
        self.row = torch.cat(parts)

    def _moved(self, shift: Tensor | None) -> Tensor | None:
        """What moves a state [S], with nothing for what is remembered behind it."""
        if shift is None:
            return None
        return torch.nn.functional.pad(shift.to(self._p), (0, self._sensitivities.memory))

    def take(self, found: Tensor) -> FloatArray:
        """found: [>= number of times, S]; beyond them it is padding."""
        wanted, n = self._segment.wanted, len(self.experiment.times)
        self._parts.append(found[: wanted.stop - wanted.start])
        self._end = torch.cat([found[n - 1], self._remembered])
        end: FloatArray = found[n - 1].detach().to("cpu", torch.float64).numpy()
        return end

    def states(self, y: FloatArray) -> FloatArray:
        return y[: self._n]

    def padded(self, length: int) -> Tensor:
        """States at the experiment's times, padded to `length` with the last state: [length, S]."""
        y = torch.cat(self._parts)
        return y if len(y) == length else torch.cat([y, y[-1:].expand(length - len(y), -1)])

    def _constant(self, values: FloatArray) -> Tensor:
        return torch.as_tensor(values, dtype=self._p.dtype, device=self._p.device)


def stacked(marches: Sequence[TensorMarch], length: int) -> Tensor:
    """[E, length, S]."""
    return torch.stack([one.padded(length) for one in marches])
