"""Events that come when a condition becomes true, as rules for numbers.

What a rule must remember until later, when a delayed event comes and the values that states get then, is *memory*:
numbers behind the states that nothing moves on the way, with derivatives like theirs. So a delay makes two rules,

    condition:         memory := t + delay (and the new values)
    t >= memory:       states := new values, memory := never,

and the second one's time depends on a state, as that of any other does. An event that is due again while it is on its
way needs another place for what it remembers: as many as there is room for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from odefit import algebra as sp
from odefit.engines.segments.schedule_times import NEVER
from odefit.model.conditions import Condition, Gap, condition_of
from odefit.model.switches import substitute
from odefit.model.system import TIME, System, Trigger, symbol
from odefit.records import dataclass


@dataclass(frozen=True)
class Rule:
    """What happens when a condition becomes true.

    Attributes
    ----------
    number
        Which trigger of the system it belongs to.
    condition, gaps
        Its condition, and which of all gaps the condition's are.
    capture, apply
        Position in states and memory -> formula: what is computed at once, and what is done in its turn.
    captures
        For a delayed event, what is computed at once for each place in memory that it has.
    delayed
        For a delayed event, the positions in memory of the times when it comes, one for each place.
    executes
        Whether the delay is over; then its condition is about the only one of `delayed`.
    """

    number: int
    condition: Condition
    gaps: tuple[int, ...]
    captures: tuple[Mapping[int, Any], ...]
    apply: Mapping[int, Any]
    priority: Any
    at_start: bool = False
    persistent: bool = True
    delayed: tuple[int, ...] = ()
    executes: bool = False

    @property
    def waits(self) -> bool:
        """Whether its event is delayed, and the delay is still to come."""
        return bool(self.delayed) and not self.executes


@dataclass
class Rules:
    """All of them for one system.

    Attributes
    ----------
    room
        How often a delayed event may be on its way at once.
    memory
        The names of what is remembered, behind the states.
    gaps
        All comparisons of all conditions, each once.
    awaited
        Which of these wait until a time in memory has come -> its position.
    """

    system: System
    inputs: Mapping[Any, Any]
    room: int = 1
    memory: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    awaited: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, trigger in enumerate(self.system.triggers):
            self._add(number, trigger)

    def _add(self, number: int, trigger: Trigger) -> None:
        position = {state: i for i, state in enumerate(self.system.states)}
        changes: dict[int, Any] = {position[state]: self._put(f) for state, f in trigger.changes.items()}
        if trigger.delay is None:
            capture, changes = self._kept(number, trigger, changes)
            self._rule(number, trigger, (capture,) if capture else (), changes)
            return
        captures, coming, delay = list[Mapping[int, Any]](), list[Rule](), self._put(trigger.delay)
        for _ in range(self.room if trigger.persistent else 1):  # others are called off before they are due again
            capture, at_last = self._kept(number, trigger, changes)
            time = self._remember(f"{number}.time")
            captures.append({**capture, time: symbol(TIME) + delay})
            due = Condition((Gap(symbol(TIME) - symbol(self._name(time)), strict=False),), ("gap", 0))
            at_last = {**at_last, time: sp.Float(NEVER)}
            gaps, priority = self._positions(due), self._put(trigger.priority)
            self.awaited[gaps[0]] = time
            coming.append(Rule(number, due, gaps, (), at_last, priority, delayed=(time,), executes=True))
        self._rule(number, trigger, tuple(captures), {}, tuple(rule.delayed[0] for rule in coming))
        self.rules += coming

    def _kept(self, number: int, trigger: Trigger, changes: Mapping[int, Any]) -> tuple[dict[int, Any], dict[int, Any]]:
        """What is computed when a condition becomes true, and what is set in its turn."""
        if not trigger.early_values or not changes:
            return {}, dict(changes)
        kept = {i: self._remember(f"{number}.{self.system.states[i]}") for i in changes}
        capture = {kept[i]: formula for i, formula in changes.items()}
        return capture, {i: symbol(self._name(kept[i])) for i in changes}

    def _rule(
        self,
        number: int,
        trigger: Trigger,
        captures: tuple[Mapping[int, Any], ...],
        apply: Mapping[int, Any],
        delayed: tuple[int, ...] = (),
    ) -> None:
        condition = condition_of(self._put(trigger.when))
        gaps, priority = self._positions(condition), self._put(trigger.priority)
        at_start, persistent = trigger.at_start, trigger.persistent
        self.rules.append(Rule(number, condition, gaps, captures, apply, priority, at_start, persistent, delayed))

    def _positions(self, condition: Condition) -> tuple[int, ...]:
        for gap in condition.gaps:
            if gap not in self.gaps:
                self.gaps.append(gap)
        return tuple(self.gaps.index(gap) for gap in condition.gaps)

    def _put(self, formula: Any) -> Any:
        return substitute(formula, self.inputs)

    def _remember(self, what: str) -> int:
        self.memory.append(f"@{what}@{len(self.memory)}")
        return len(self.system.states) + len(self.memory) - 1

    def _name(self, position: int) -> str:
        return self.memory[position - len(self.system.states)]
