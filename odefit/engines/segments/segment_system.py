"""The equations within one segment: nothing happens on the way, and what differs between segments is a parameter.

The initial values are parameters, an input is a cubic at most, an infusion is a constant rate, a time switch is a
number. The names of these parameters hold an `@`, which no user can write.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.engines.segments.names import start_name
from odefit.engines.segments.triggers import Rules
from odefit.model.switches import find_switches, substitute
from odefit.model.system import TIME, System, symbol
from odefit.records import dataclass

MIDDLE = "@middle"


@dataclass(frozen=True)
class Kind:
    """What the segments of some experiments need: degree of their inputs' polynomials; states that are infused.

    A state stands there as itself for infusions whose duration is a number, and as `state@k` for those with the k-th of
    `Dosing.spreads`.
    """

    degree: int = 0
    infused: tuple[str, ...] = ()


PLAIN = Kind()


def fed_by(slot: str) -> tuple[str, int | None]:
    """The state that a slot of `Kind.infused` feeds, and which of `Dosing.spreads` says for how long; None for none."""
    state, _, spread = slot.partition("@")
    return state, int(spread) if spread else None


class SegmentSystem:
    """`system` in segments of one kind.

    plain: the system that an engine solves. Its parameters, in this order: `kept`, those of the whole system that its
    equations name; the rates of infusion; the `context`, known events of each segment; the initial values.
    changes: per event, the index of a state -> its formula. rules: what happens by conditions, with its memory.
    also: names that are kept in any case.
    """

    def __init__(self, system: System, kind: Kind = PLAIN, also: Sequence[str] = ()) -> None:
        self.whole, self.kind = system, kind
        switches = find_switches(system)
        self.fixed = tuple(switch for switch in switches if switch.is_fixed)
        self.moving = tuple(switch for switch in switches if not switch.is_fixed)
        events = [sp.sympify(formula) for event in system.events for formula in event.changes.values()]
        events += [formula for trigger in system.triggers for formula in trigger.formulas]
        named = {s for formula in (*system.rhs, *events) for s in sp.sympify(formula).free_symbols}
        self.inputs = tuple(name for name in system.inputs if symbol(name) in named)
        parts = self._parts()
        position = {state: i for i, state in enumerate(system.states)}
        self.changes = tuple(
            {position[state]: substitute(formula, self._polynomials) for state, formula in event.changes.items()}
            for event in system.events
        )
        self.rules = Rules(system, self._polynomials)
        rates = {slot: symbol(f"{slot}@rate") for slot in kind.infused}
        equations = {
            state: substitute(formula, parts) + sp.Add(*(r for slot, r in rates.items() if fed_by(slot)[0] == state))
            for state, formula in system.equations.items()
        }
        used = {s for formula in equations.values() for s in sp.sympify(formula).free_symbols}
        self.kept = tuple(name for name in system.parameters if symbol(name) in used or name in also)
        self.plain = System(
            name=system.name,
            states=system.states,
            parameters=(*self.kept, *(s.name for s in rates.values()), *self.context, *map(start_name, system.states)),
            equations=equations,
            initial={state: symbol(start_name(state)) for state in system.states},
            observables={},
            networks=system.networks,
        )

    def with_room(self, room: int) -> SegmentSystem:
        """The same with more places for delayed events."""
        wider = copy.copy(self)
        wider.rules = Rules(self.whole, self._polynomials, room)
        return wider

    def sensitive(self, names: Sequence[str]) -> tuple[str, ...]:
        """The parameters of `plain` that derivatives to `names` of the whole system need."""
        kept = [name for name in self.kept if name in names]
        return (*kept, *self._rates(names), *map(start_name, self.whole.states))

    def along(self, names: Sequence[str]) -> tuple[str, ...]:
        """The same where sensitivities begin with what they are: to `names`, which are kept, and no initial values."""
        return (*names, *self._rates(names))

    def _rates(self, names: Sequence[str]) -> list[str]:
        named = {s for slot in self.kind.infused for s in self.arrival(slot).free_symbols}
        scaled = bool(named & {symbol(name) for name in names})
        return [f"{slot}@rate" for slot in self.kind.infused] if scaled else []

    def arrival(self, slot: str) -> sp.Expr:
        """What the feed of a slot is multiplied by: the fraction that arrives, or a rate."""
        dosing, spread = self.whole.dosing, fed_by(slot)[1]
        found: sp.Expr = sp.S.One
        if dosing is not None:
            found = sp.sympify(dosing.fraction if spread is None else dosing.arrival(dosing.spreads[spread]))
        return found

    @cached_property
    def context(self) -> tuple[str, ...]:
        """Names of the known events of a segment: its middle, where it matters; inputs; sides of the switches."""
        middle = (MIDDLE,) if self.fixed or (self.inputs and self.kind.degree) else ()
        coefficients = [f"{name}@{k}" for name in self.inputs for k in range(self.kind.degree + 1)]
        return (*middle, *coefficients, *(f"side@{i}" for i in range(len(self.moving))))

    def contexts(self, middles: FloatArray, inputs: Sequence[FloatArray], sides: FloatArray) -> FloatArray:
        """The values of `context` [N, C] in segments around `middles` [N].

        inputs: of each input the coefficients around the middles, [N, 4]; sides: [N, switches].
        """
        columns = [middles[:, None]] if MIDDLE in self.context else []
        columns += [coefficients[:, : self.kind.degree + 1] for coefficients in inputs]
        return np.concatenate([*columns, sides], axis=1)

    @cached_property
    def _polynomials(self) -> dict[Any, Any]:
        """Input -> polynomial around the middle of the segment."""
        s = symbol(TIME) - symbol(MIDDLE)
        found = {}
        for name in self.inputs:
            value: Any = sp.S.Zero
            for k in reversed(range(self.kind.degree + 1)):
                value = symbol(f"{name}@{k}") + s * value
            found[symbol(name)] = value
        return found

    def _parts(self) -> dict[Any, Any]:
        """What is replaced in the equations: inputs and switches."""
        middle = {symbol(TIME): symbol(MIDDLE)}
        fixed: dict[Any, Any] = {switch.part: substitute(switch.part, middle) for switch in self.fixed}
        moving = {switch.part: switch.standing_in(symbol(f"side@{i}")) for i, switch in enumerate(self.moving)}
        return self._polynomials | fixed | moving


def named_by_events(system: System) -> set[str]:
    """What formulas of events name."""
    formulas = [formula for event in system.events for formula in event.changes.values()]
    formulas += [formula for trigger in system.triggers for formula in trigger.formulas]
    return {s.name for formula in formulas for s in sp.sympify(formula).free_symbols}
