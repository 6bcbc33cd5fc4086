"""Events that come when a condition becomes true, as rules for numbers.

What a rule must remember until later, when a delayed event comes and the values that states get then, is *memory*:
numbers behind the states that nothing moves on the way, with derivatives like theirs. So a delay makes two rules,

    condition:         memory := t + delay (and the new values)
    t >= memory:       states := new values, memory := never,

and the second one's time depends on a state, as that of any other does.
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
    delayed
        The position in memory of the time when its trigger comes; None where that comes at once.
    executes
        Whether the delay is over; then its condition is about `delayed`.
    """

    number: int
    condition: Condition
    gaps: tuple[int, ...]
    capture: Mapping[int, Any]
    apply: Mapping[int, Any]
    priority: Any
    at_start: bool = False
    persistent: bool = True
    delayed: int | None = None
    executes: bool = False


@dataclass
class Rules:
    """All of them for one system.

    Attributes
    ----------
    memory
        The names of what is remembered, behind the states.
    gaps
        All comparisons of all conditions, each once.
    """

    system: System
    inputs: Mapping[Any, Any]
    memory: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, trigger in enumerate(self.system.triggers):
            self._add(number, trigger)

    def _add(self, number: int, trigger: Trigger) -> None:
        position = {state: i for i, state in enumerate(self.system.states)}
        changes: dict[int, Any] = {position[state]: self._put(f) for state, f in trigger.changes.items()}
        capture: dict[int, Any] = {}
        if trigger.early_values and changes:
            kept = {i: self._remember(f"{number}.{self.system.states[i]}") for i in changes}
            capture = {kept[i]: formula for i, formula in changes.items()}
            changes = {i: symbol(self._name(kept[i])) for i in changes}
        at_start, persistent = trigger.at_start, trigger.persistent
        if trigger.delay is None:
            self._rule(number, trigger.when, trigger.priority, capture, changes, at_start, persistent)
            return
        time = self._remember(f"{number}.time")
        capture[time] = symbol(TIME) + self._put(trigger.delay)
        self._rule(number, trigger.when, trigger.priority, capture, {}, at_start, persistent, time)
        due = Condition((Gap(symbol(TIME) - symbol(self._name(time)), strict=False),), ("gap", 0))
        changes = {**changes, time: sp.Float(NEVER)}
        gaps = self._positions(due)
        self.rules.append(
            Rule(number, due, gaps, {}, changes, self._put(trigger.priority), delayed=time, executes=True)
        )

    def _rule(
        self,
        number: int,
        when: Any,
        priority: Any,
        capture: Mapping[int, Any],
        apply: Mapping[int, Any],
        at_start: bool,
        persistent: bool,
        delayed: int | None = None,
    ) -> None:
        condition = condition_of(self._put(when))
        gaps = self._positions(condition)
        priority = self._put(priority)
        self.rules.append(Rule(number, condition, gaps, capture, apply, priority, at_start, persistent, delayed))

    def _positions(self, condition: Condition) -> tuple[int, ...]:
        for gap in condition.gaps:
            if gap not in self.gaps:
                self.gaps.append(gap)
        return tuple(self.gaps.index(gap) for gap in condition.gaps)

    def _put(self, formula: Any) -> Any:
        return substitute(formula, self.inputs)

    def _remember(self, what: str) -> int:
        self.memory.append(f"@{what}")
        return len(self.system.states) + len(self.memory) - 1

    def _name(self, position: int) -> str:
        return self.memory[position - len(self.system.states)]
