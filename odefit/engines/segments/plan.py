"""How segments of one kind are solved: the engine for them, that which looks for events, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions
from odefit.engines.experiment_sets import ExperimentSets
from odefit.engines.failure import Failure, FailureReason
from odefit.engines.segments.compiled_ways import CompiledWays, way_program
from odefit.engines.segments.fast_times import FastTimes
from odefit.engines.segments.final_rest import FinalRest
from odefit.engines.segments.fixed_march import FixedWays
from odefit.engines.segments.saltation import EventSensitivities, EventValues, ToRest
from odefit.engines.segments.schedule import Timeline
from odefit.engines.segments.scout import GapFunctions, Scout
from odefit.engines.segments.segment_system import SegmentSystem
from odefit.engines.segments.triggered_way import TriggeredWay
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System
from odefit.records import dataclass

Factory = Callable[[System, tuple[str, ...]], Engine]
"""An engine for a system, with sensitivities to the names."""
ROOMIER, MOST_ROOM = 8, 64
"""How much more room delayed events get that are due again while they are on their way, and the most that they get."""
REMEMBERED = 10_000
"""Experiments that are kept with what is known of them; a fit has fewer, a plot makes new ones."""


@dataclass
class Plan:
    """What solves the segments of one kind, and what is known of experiments that were solved before."""

    segment_system: SegmentSystem
    base: Engine
    scouting: Engine
    is_along: bool
    _sensitivities: dict[tuple[str, ...], EventSensitivities] = field(default_factory=dict)
    _timelines: ExperimentSets[Timeline] = field(default_factory=lambda: ExperimentSets(REMEMBERED))
    _gaps: dict[tuple[str, ...], GapFunctions] = field(default_factory=dict)
    _final: FinalRest | None = None
    _back: Engine | None = None
    fixed: FixedWays = field(default_factory=FixedWays)
    _compiled: dict[tuple[str, ...], CompiledWays | None] = field(default_factory=dict)

    def reset_copy(self) -> Plan:
        base = self.base.reset_copy()
        scouting = base if self.scouting is self.base else self.scouting.reset_copy()
        final = None if self._final is None else self._final.reset_copy()
        return replace(self, base=base, scouting=scouting, _final=final)

    def solve(self, rows: FloatArray, parts: Sequence[Experiment], sensitivities: bool) -> Solutions:
        """Segments from the rows of their marches."""
        if not (self.is_along and sensitivities):
            return self.base.solve(rows, parts, sensitivities)
        plain = self.segment_system.plain
        behind = rows[:, len(plain.parameters) :].reshape(len(rows), len(plain.states), -1)
        return self.base.solve_along(rows[:, : len(plain.parameters)], parts, behind)

    def makes_room(self, failures: Iterable[Failure | None]) -> bool:
        """Whether a delayed event was due again while it was on its way, and there is more room for it now."""
        room = ROOMIER * self.segment_system.rules.room
        if room > MOST_ROOM or not any(f and f.reason is FailureReason.DELAYS_OVERLAP for f in failures):
            return False
        self.segment_system = self.segment_system.with_room(room)
        self._sensitivities, self._gaps, self._final = {}, {}, None
        return True

    def compiled(self, sensitive: tuple[str, ...], fast: FastTimes) -> CompiledWays | None:
        """What solves whole ways in one call; None where nothing does. fast: where it has to stop besides."""
        if sensitive not in self._compiled:
            program = way_program(self.segment_system, self.base, sensitive)
            ways = None if program is None else CompiledWays(self.segment_system, program, self.timeline, fast)
            self._compiled[sensitive] = ways
        return self._compiled[sensitive]

    def states(self) -> list[dict[str, Any]]:
        """Of its engine, and of the one that looks for events where that is another one."""
        return [engine.state() for engine in dict.fromkeys((self.base, self.scouting))]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """The inverse of `states`."""
        for engine, state in zip(dict.fromkeys((self.base, self.scouting)), states, strict=False):
            engine.restore(state)

    def sensitivities(self, names: tuple[str, ...]) -> EventSensitivities:
        if names not in self._sensitivities:
            self._sensitivities[names] = EventSensitivities(
                self.segment_system, names, lambda *values: self._slopes(*values)
            )
        return self._sensitivities[names]

    def timeline(self, experiment: Experiment) -> Timeline:
        return self._timelines.find([experiment], lambda: Timeline(experiment, self.segment_system))

    def final_rest(self, calm: Factory) -> FinalRest:
        """What is at infinite time."""
        if self._final is None:
            self._final = FinalRest(self.segment_system, self.base.options, calm)
        return self._final

    def back(self, factory: Factory, names: Sequence[str]) -> Engine:
        """What goes back through segments: to the parameters of each and to its initial values."""
        if not self.is_along:
            return self.base
        if self._back is None:
            self._back = factory(self.segment_system.plain, self.segment_system.sensitive(names))
        return self._back

    def triggered(
        self,
        sensitivities: EventSensitivities,
        events: EventValues,
        experiment: Experiment,
        happened: list[float],
        to_rest: ToRest | None,
    ) -> TriggeredWay:
        """The way of an experiment that conditions interrupt; happened: takes the times at which they do."""
        if sensitivities.names not in self._gaps:
            self._gaps[sensitivities.names] = GapFunctions(sensitivities)
        gaps = self._gaps[sensitivities.names]
        span = experiment.last - experiment.start or 1.0
        eps = float(np.finfo(self.scouting.options.dtype).eps)
        scout = Scout(
            sensitivities, gaps, events, lambda row, part: self.scouting.solve(row[None], [part])[0], span, eps
        )
        return TriggeredWay(sensitivities, gaps, events, experiment, scout, happened, to_rest)

    @cached_property
    def _slopes(self) -> Any:
        """f of the segments, of numbers: compiled with the first moving boundary that there is."""
        system = self.segment_system.plain
        arguments = (*system.states, TIME, *system.parameters[: -len(system.states)])
        if system.is_mechanistic:
            return numpy_function(list(system.rhs), arguments)
        import torch

        from odefit.engines.torch_engine import TorchEngine
        from odefit.model.functions import torch_function

        assert isinstance(self.base, TorchEngine)  # no other takes networks
        like = torch.empty(0, dtype=self.base.dtype, device=self.base.device)
        function = torch_function(list(system.rhs), arguments, dict(self.base.networks.items()))

        @torch.no_grad()
        def slopes(*values: float) -> list[float]:
            return [float(rate) for rate in function(*torch.tensor(values).to(like))]

        return slopes
