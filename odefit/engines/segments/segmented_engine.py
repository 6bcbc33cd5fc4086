"""Integration in segments: doses, events, inputs, time switches and rest before the start, on any engine.

Between two transitions nothing happens, so each segment is an ordinary problem with its own initial values
(segment_system.py), which the engine underneath solves; the k-th segments of all experiments are one batch (march.py).
When transitions come stands in schedule.py; what they do, and the derivatives of it, in saltation.py.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, distinct
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, members_of, offsets_of, rows_of
from odefit.engines.experiment_sets import ExperimentSets
from odefit.engines.failure import Failure, IntegrationError
from odefit.engines.segments.checks import check, check_numbers, is_felt
from odefit.engines.segments.fast_times import FastTimes
from odefit.engines.segments.fixed_march import MAX_SETS, FixedMarch, is_fixed
from odefit.engines.segments.march import ArrayMarch, march_all
from odefit.engines.segments.plan import Factory, Plan
from odefit.engines.segments.rest_with_events import RestWithEvents
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStarts, ToRest
from odefit.engines.segments.schedule import kind_of
from odefit.engines.segments.segment_system import PLAIN, Kind, SegmentSystem, named_by_events
from odefit.engines.segments.steady_state import SharedRests, SteadyState
from odefit.engines.segments.way_back import RecordedMarch, pull_fixed, pull_marched
from odefit.errors import SolveError
from odefit.model.system import System

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch

MIN_PULLED, MIN_MOVED = 1_500, 2
"""States times sensitive parameters from which on gradients go back, and how many times as many on ways that move."""


class SegmentedEngine(Engine):
    """Engine protocol for a system that is interrupted on its way; see `model.switches.is_interrupted`.

    factory: makes the engine for the parts; resting: those that look for a steady state, and for events by conditions.
    Of a compiled engine, `solve_batch` is differentiable in the columns of `sensitive` only; of torch, in all.
    Raises ModelError for what no engine can do.
    """

    def __init__(
        self,
        system: System,
        options: SolverOptions,
        sensitive: Sequence[str],
        factory: Factory,
        resting: Factory,
    ) -> None:
        self.system, self.options, self.sensitive = system, options, tuple(sensitive)
        self.notes: list[str] = []
        self._factory, self._calm = factory, resting
        self._plans: dict[Kind, Plan] = {}
        self._callback: Callable[[], None] | None = None
        self._kinds = ExperimentSets[Kind](MAX_SETS)
        self._fast = FastTimes(system)
        check(system)
        self._steady = None if system.rest is None else self._rest()
        self._plan(PLAIN)  # what cannot be solved is refused here

    def _rest(self) -> SteadyState:
        """What finds the steady state before the start."""
        if not self.system.triggers:
            return SteadyState(self.system, self.options, self._calm)

        def make(system: System, sensitive: tuple[str, ...]) -> SegmentedEngine:
            return SegmentedEngine(system, self.options, sensitive, self._calm, self._calm)

        return RestWithEvents(self.system, self.options, self._calm, make)

    @property
    def is_compiled(self) -> bool:
        """Whether the engine for the segments is."""
        return self._plan(PLAIN).base.is_compiled

    @property
    def remembers(self) -> bool:
        """Only where an engine underneath does."""
        engines = [engine for plan in self._plans.values() for engine in (plan.base, plan.scouting)]
        engines += [] if self._steady is None else [self._steady.engine]
        return any(engine.remembers for engine in engines)

    @property
    def is_found_stiff(self) -> bool:
        """Whether segments of any kind are."""
        return any(plan.base.is_found_stiff for plan in self._plans.values())

    @property
    def method_in_use(self) -> str:
        """Of the engine for segments without inputs and infusions; each kind has its own."""
        return self._plan(PLAIN).base.method_in_use

    def reset_copy(self) -> SegmentedEngine:
        """The same engine before its first solve; nothing is compiled again."""
        engine = copy.copy(self)
        engine._plans = {kind: plan.reset_copy() for kind, plan in self._plans.items()}
        engine._steady = None if self._steady is None else self._steady.reset_copy()
        engine.notes = []
        engine._gather_notes()
        return engine

    def state(self) -> dict[str, Any]:
        """The states of the engines underneath."""
        plans = [[kind.degree, list(kind.infused), *plan.states()] for kind, plan in self._plans.items()]
        steady = None if self._steady is None else self._steady.engine.state()
        return {"plans": plans, "steady": steady, "notes": list(self.notes)}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for degree, infused, *states in state["plans"]:
            self._plan(Kind(degree, tuple(infused))).restore(states)
        if self._steady is not None:
            self._steady.engine.restore(state["steady"])
        self.notes = list(state["notes"])

    def watch(self, callback: Callable[[], None] | None) -> None:
        """Call back at the evaluations in segments."""
        self._callback = callback
        for plan in self._plans.values():
            plan.base.watch(callback)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is compiled: another process makes its own."""
        return vars(self) | {"_plans": {}}

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment; sensitivities with those of moving doses and events."""
        if sensitivities and not self.system.is_mechanistic:
            raise SolveError("sensitivities need formulas; a system with a network is fitted with fit.method: adam")
        rows = rows_of(self.system, p, len(experiments) if members is None else len(members))
        plan = self._plan(self._kind(experiments))
        names = self.sensitive if sensitivities else ()
        compiled = plan.compiled(self.sensitive, self._fast)
        if compiled is None or not len(rows):
            return self._solved(plan, names, rows, experiments, members, sensitivities)
        members = None if members is None else np.asarray(members, dtype=np.intp)
        found, left, _ = compiled.solve(plan.sensitivities(names), rows, experiments, members, sensitivities)
        if not left.any():
            return found
        other, which = np.flatnonzero(left), np.arange(len(rows)) if members is None else members
        rest = self._solved(plan, names, rows[other], experiments, which[other], sensitivities)
        return rest if len(other) == len(rows) else found.with_members(other, rest)

    def _solved(
        self,
        plan: Plan,
        names: tuple[str, ...],
        p: FloatArray,
        experiments: Sequence[Experiment],
        members: IntArray | None,
        sensitivities: bool,
    ) -> Solutions:
        """From segment to segment."""
        derived = plan.sensitivities(names)
        way = self._fixed(plan, derived, p, experiments, members)
        if way is not None:
            self._gather_notes()
            return way.solutions(sensitivities)
        chosen = experiments if members is None else [experiments[e] for e in members]
        marches = self._marched(plan, names, p, chosen)
        while plan.makes_room(one.failure for one in marches):
            marches = self._marched(plan, names, p, chosen)
        self._gather_notes()
        return Solutions.joined([one.trajectory(sensitivities) for one in marches])

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states alone take in whole ways, for p [E, L], with what comes between them in steps; None
        where one goes in parts."""
        plan = self._plan(self._kind(experiments))
        compiled = plan.compiled(self.sensitive, self._fast)
        p = np.asarray(p, dtype=np.float64)
        return None if compiled is None else compiled.count_steps(plan.sensitivities(()), p, experiments)

    @property
    def can_pull(self) -> bool:
        """Where the engine for segments can."""
        can = self.system.is_mechanistic and not self.remembers
        return can and self._plan(PLAIN).back(self._factory, self.sensitive).can_pull

    @property
    def pulls(self) -> bool:
        """With many parameters."""
        least = MIN_PULLED if is_fixed(self.system) else MIN_MOVED * MIN_PULLED
        return len(self.system.states) * len(self.sensitive) >= least and self.can_pull

    def pull(
        self, p: FloatArray, experiments: Sequence[Experiment], worth: FloatArray, members: IntArray | None = None
    ) -> FloatArray:
        """Back through the segments; see `Engine.pull` and `way_back`."""
        p, chosen = members_of(self.system, p, experiments, members)
        plan = self._plan(self._kind(experiments))
        back, of = plan.back(self._factory, self.sensitive), plan.sensitivities(self.sensitive)
        if not back.can_pull:
            return super().pull(p, experiments, worth, members)
        way = self._fixed(plan, plan.sensitivities(()), p, experiments, members)
        if way is not None:
            found = pull_fixed(back, of, way, worth)
        else:
            marches = self._recorded(plan, p, chosen)
            while plan.makes_room(one.failure for one in marches):
                marches = self._recorded(plan, p, chosen)
            offsets = offsets_of([len(e.times) for e in chosen])
            found = pull_marched(back, plan.sensitivities(self.sensitive), marches, offsets, worth)
        self._gather_notes()
        return found

    def _recorded(self, plan: Plan, p: FloatArray, chosen: Sequence[Experiment]) -> list[RecordedMarch]:
        """The states of each row of p [M, L] on the way of its experiment, and how they go on to the next segment."""
        of = plan.sensitivities(self.sensitive)
        marches = [RecordedMarch(of, events, starts) for events, starts in self._ways(plan, of, p, chosen)]
        march_all(marches, lambda rows, parts: plan.base.solve(np.stack(rows), parts))
        return marches

    def _fixed(
        self,
        plan: Plan,
        of: EventSensitivities,
        p: FloatArray,
        experiments: Sequence[Experiment],
        members: IntArray | None,
    ) -> FixedMarch | None:
        """All members at their ends, where nothing on the way depends on parameters; else None."""
        known = is_fixed(self.system) and not self._fast.formulas and not plan.segment_system.moving
        if not (known and plan.base.is_compiled and len(p)):
            return None
        if (rounds := plan.fixed.rounds(plan.timeline, of, p[:1], experiments)) is None:
            return None
        which = np.arange(len(p)) if members is None else np.asarray(members, dtype=np.intp)
        lengths = np.array([len(e.times) for e in experiments], dtype=np.intp)
        way = FixedMarch(plan.base, of, p, which, lengths, plan.is_along)
        way.run(rounds)
        return way

    def _ways(
        self, plan: Plan, of: EventSensitivities, p: FloatArray, chosen: Sequence[Experiment]
    ) -> list[tuple[EventValues, SegmentStarts]]:
        """What follows from each row of p [M, L], and where its segments start."""
        (y, dy), events = of.initial(p), of.event_values(p)
        rests = None if self._steady is None else self._steady.shared(of.names)
        return [
            (events[m], self._segment_starts(plan, of, experiment, events[m], (y[m], dy[m]), rests))
            for m, experiment in enumerate(chosen)
        ]

    def _marched(
        self, plan: Plan, names: Sequence[str], p: FloatArray, chosen: Sequence[Experiment]
    ) -> list[ArrayMarch]:
        """Each row of p [M, L] on the way of its experiment, with derivatives to the names."""
        derived = plan.sensitivities(tuple(names))
        wanted = plan.base.sensitive if derived.names else ()
        is_along = plan.is_along and bool(wanted)
        marches = [
            ArrayMarch(experiment, derived, events, starts, wanted, is_along)
            for experiment, (events, starts) in zip(chosen, self._ways(plan, derived, p, chosen), strict=True)
        ]
        march_all(marches, lambda rows, parts: plan.solve(np.stack(rows), parts, bool(derived.names)))
        return marches

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at the batch's times, [E, T, S], differentiable (once) with respect to p [E, L].

        Raises SolveError, which names the experiment, when an integration fails.
        """
        from odefit.engines.torch_engine import TorchEngine

        plan = self._plan(self._kind(batch.experiments))
        if isinstance(plan.base, TorchEngine):
            from odefit.engines.segments.tensors import solve_tensors

            found = solve_tensors(plan, p, batch, self._steady, functools.partial(self._segment_starts, plan))
            self._gather_notes()
            return found
        from odefit.engines.autograd import states_of

        return states_of(self, p, batch.experiments)

    def jumps(self, p: FloatArray, experiment: Experiment) -> FloatArray:
        """When states jump, by an event or a dose, and when infusions end that move, at parameters p [L]."""
        plan = self._plan(self._kind([experiment]))
        derived = plan.sensitivities(())
        events = derived.event_values(p[None])[0]
        try:
            segments = plan.timeline(experiment).segments(events.event_times, self._fast.stops(p, experiment))
        except IntegrationError:
            return np.empty(0)
        transitions = ((segment.start, segment.transition) for segment in segments)
        known = [t for t, what in transitions if what is not None and is_felt(what)]
        happened = list[float]()
        if self.system.triggers:
            failure = self._happening(plan, p, experiment, happened)
            while plan.makes_room([failure]):
                happened.clear()
                failure = self._happening(plan, p, experiment, happened)
        return distinct(np.array([*known, *happened], dtype=np.float64))

    def _happening(self, plan: Plan, p: FloatArray, experiment: Experiment, happened: list[float]) -> Failure | None:
        """Take the times of events by conditions; why that failed."""
        derived = plan.sensitivities(())
        (y, dy), events = derived.initial(p[None]), derived.event_values(p[None])[0]
        rests = None if self._steady is None else self._steady.shared(())
        starts = self._segment_starts(plan, derived, experiment, events, (y[0], dy[0]), rests, happened)
        march = ArrayMarch(experiment, derived, events, starts, ())
        march_all([march], lambda rows, parts: plan.base.solve(np.stack(rows), parts))
        return march.failure

    def _segment_starts(
        self,
        plan: Plan,
        sensitivities: EventSensitivities,
        experiment: Experiment,
        events: EventValues,
        start: tuple[FloatArray, FloatArray],
        rests: SharedRests | None,
        happened: list[float] | None = None,
    ) -> SegmentStarts:
        """As a generator, so that what cannot begin fails where the others fail. happened: takes times of events."""
        check_numbers(self.system, events.p)
        if not len(experiment.times):
            return
        timeline, (y, dy) = plan.timeline(experiment), start
        rested: list[bool] | None = None
        if rests is not None and experiment.steady_state:
            y, dy = rests.find(events.p, experiment)
            rested = rests.standing(events.p, experiment, y)
        segments, finite = timeline.plan(events.event_times, self._fast.stops(events.p, experiment))
        to_rest: ToRest | None = None
        if experiment.ends_at_rest:
            span = finite.last - finite.start or 1.0
            final = plan.final_rest(self._calm)
            to_rest = lambda segment, t, at: final.find(sensitivities, events, segment, t, at, span)  # noqa: E731
        if not self.system.triggers:
            yield from sensitivities.segment_starts(segments, events, y, dy, to_rest)
            return
        way = plan.triggered(sensitivities, events, finite, [] if happened is None else happened, to_rest)
        yield from way.segment_starts(segments, y, dy, rested)

    def _kind(self, experiments: Sequence[Experiment]) -> Kind:
        """What the segments of all of them need."""

        def make() -> Kind:
            inputs = self._plan(PLAIN).segment_system.inputs
            kinds = [kind_of(experiment, inputs, self.system.dosing) for experiment in experiments]
            infused = tuple(sorted({state for kind in kinds for state in kind.infused}))
            return Kind(max((kind.degree for kind in kinds), default=0), infused)

        return self._kinds.find(experiments, make)

    def _plan(self, kind: Kind) -> Plan:
        if (known := self._plans.get(kind)) is None:
            system = self.system
            segment_system, base, is_along = self._made(kind)
            base.watch(self._callback)
            # What looks for events reads many times on the way: best compiled, whatever solves the segments.
            looks_itself = base.is_compiled or not system.triggers or not system.is_mechanistic
            scouting = base if looks_itself else self._calm(segment_system.plain, ())
            known = self._plans[kind] = Plan(segment_system, base, scouting, is_along)
            self._gather_notes()
        return known

    def _made(self, kind: Kind) -> tuple[SegmentSystem, Engine, bool]:
        """What solves segments, and whether sensitivities go through them as they are.

        Else each segment has those to all its initial values.
        """
        if self.system.is_mechanistic:
            segment_system = SegmentSystem(self.system, kind, (*self.sensitive, *named_by_events(self.system)))
            base = self._factory(segment_system.plain, segment_system.along(self.sensitive))
            if base.takes_tangents:
                return segment_system, base, True
        segment_system = SegmentSystem(self.system, kind)
        return segment_system, self._factory(segment_system.plain, segment_system.sensitive(self.sensitive)), False

    def _gather_notes(self) -> None:
        for note in (note for plan in self._plans.values() for note in plan.base.notes):
            if note not in self.notes:
                self.notes.append(note)
