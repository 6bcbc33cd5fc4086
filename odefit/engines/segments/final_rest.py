"""The steady state at infinite time: where the equations come to after all that happens in an experiment.

From the last change on, at z with derivatives dz, the way is followed to rest (rest_search.py), so that there

    dy = (dy/dy_init) dz + (dy/dq) dq,

which is A dz + B, as at any transition (saltation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import FailureReason
from odefit.engines.segments.rest_engines import rest_search, weight_shift_of
from odefit.engines.segments.saltation import EventSensitivities, EventValues
from odefit.engines.segments.schedule import Segment
from odefit.engines.segments.segment_system import SegmentSystem
from odefit.model.system import System

if TYPE_CHECKING:
    from torch import Tensor


class FinalRest:
    """Of the segments of one kind. Values come from the engine that `factory` makes."""

    def __init__(
        self,
        segment_system: SegmentSystem,
        options: SolverOptions,
        factory: Callable[[System, tuple[str, ...]], Engine],
    ) -> None:
        plain = segment_system.plain
        n_moved = len(segment_system.kept) + len(segment_system.kind.infused)
        moved, starts = plain.parameters[:n_moved], plain.parameters[-len(plain.states) :]
        engine = factory(plain, (*moved, *starts))
        self._search = rest_search(plain, engine, options, n_moved, FailureReason.NO_FINAL_REST)
        self._kept = segment_system.kept

    @property
    def engine(self) -> Engine:
        """What follows the way."""
        return self._search.engine

    def reset_copy(self) -> FinalRest:
        """With the engine before its first solve."""
        other = object.__new__(FinalRest)
        other._search, other._kept = replace(self._search, engine=self.engine.reset_copy()), self._kept
        return other

    def find(
        self,
        sensitivities: EventSensitivities,
        events: EventValues,
        segment: Segment,
        start: float,
        y: FloatArray,
        span: float,
    ) -> tuple[FloatArray, FloatArray | None, FloatArray | None, Callable[[], Tensor | None] | None]:
        """y at rest, from y [n] at a time in a segment, which goes on; A [n, n] and B [n, K], None without names.

        The last is what the weights of networks add, see `NetworkRestSearch.weight_shift`. n counts what is remembered
        behind the states. Raises IntegrationError where no rest is reached.
        """
        row, n = sensitivities.row(events, segment), len(y) - sensitivities.memory
        name, names = "", sensitivities.names
        came = self._search.come(row, y[:n], start, span, name)
        if not names:
            return np.concatenate([came.y, y[n:]]), None, None, None
        found, to_start, to_q = self._search.slopes(row, y[:n], start, came, name)
        A, B = np.eye(len(y)), np.zeros((len(y), len(names)))
        A[:n, :n] = to_start
        for j, wanted in enumerate(self._kept):
            if wanted in names:
                B[:n, names.index(wanted)] += to_q[:, j]
        B[:n] += to_q[:, len(self._kept) :] @ (segment.feeds[:, None] * events.darrival)
        return np.concatenate([found, y[n:]]), A, B, partial(weight_shift_of, self._search, row, came.time, found)
