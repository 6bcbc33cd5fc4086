"""The doses of a table of events: repeated ones (ADDL, II), and those that came before (SS).

A steady state is reached by repetition: a dose with SS 1 or 2 comes after `repeats` equal ones, II apart. SS 1 starts
anew; with SS 2 what came before goes on, so that two rows are a steady state of two doses in turn. Whether they are
enough depends on the parameters: problem/settled.py looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from odefit.data.columns import Header
from odefit.data.doses import MAX_DOSES, TOO_MANY, DoseRow
from odefit.data.error_list import FaultList
from odefit.data.experiments import Dose
from odefit.data.nonmem.occasions import Occasion
from odefit.data.nonmem.records import Record
from odefit.records import dataclass
from odefit.text import abridged, clip, suggest


@dataclass(frozen=True)
class Compartments:
    """Which state a compartment is.

    Parameters
    ----------
    states
        Of the system, in their order: compartment n is the n-th, unless `given` says otherwise.
    given
        Number or name -> state.
    default
        Where doses go that name none.
    spreads
        `rate` and `duration` -> the formula of those that the model estimates, where the config says one.
    """

    states: Sequence[str]
    given: Mapping[str, str]
    default: str | None = None
    spreads: Mapping[str, str] = field(default_factory=dict)

    def formula(self, kind: str, compartment: str, state: str) -> str:
        """The name of a rate or duration that the model estimates, as NONMEM calls it: R1 or D1."""
        numbers = [n for n, name in self.given.items() if name == state and n.isdigit()]
        number = compartment if compartment.isdigit() else (numbers or [str(self.states.index(state) + 1)])[0]
        return self.spreads.get(kind) or f"{kind[0].upper()}{number}"

    def state(self, compartment: str) -> str | None:
        """The state; None where there is none."""
        if not compartment:
            return self.default or self.given.get("1") or (self.states[0] if self.states else None)
        if compartment in self.given:
            return self.given[compartment]
        if compartment in self.states:
            return compartment
        if not self.given and compartment.isdigit() and 0 < int(compartment) <= len(self.states):
            return self.states[int(compartment) - 1]
        return None

    def fault(self, compartment: str) -> str:
        """What to say of a compartment that is no state."""
        known = [f"{name}: {state}" for name, state in self.given.items()] or list(self.states)
        what = f"compartment {clip(compartment)} is no state; {suggest(compartment, known)}"
        return f"{what} (`data.compartments: {{{clip(compartment)}: STATE}}` names it)"


def find_doses(
    occasions: Sequence[Occasion], compartments: Compartments, repeats: int, header: Header, faults: FaultList
) -> tuple[list[DoseRow], list[str]]:
    """Every single dose, and which state the compartments were taken for (`1 = gut`)."""
    found: list[DoseRow] = []
    used: dict[str, str] = {}
    for occasion in occasions:
        for record in occasion.doses:
            state = compartments.state(record.compartment)
            if state is None:
                faults.add(record.line, "", compartments.fault(record.compartment), "compartment")
                continue
            used.setdefault(record.compartment or "no CMT", state)
            if record.steady == 2 and any(one.is_measured and one.line < record.line for one in occasion.records):
                what = "SS 2 adds doses that came before, also before measurements above this row; write these doses"
                faults.add(record.line, "", what, "beside")
                continue
            if len(found) + record.more + repeats * bool(record.steady) > MAX_DOSES:
                faults.add(record.line, "", TOO_MANY)
                return found, []
            where = header.place(record.line)
            formula = ""
            if record.modelled:
                formula = compartments.formula(record.modelled, record.compartment, state)
            found += [DoseRow(occasion.name, dose, where) for dose in _series(record, state, formula, repeats)]
    return found, [f"{name} = {state}" for name, state in used.items()]


def _series(record: Record, state: str, formula: str, repeats: int) -> list[Dose]:
    before = repeats if record.steady else 0
    spread = {f"{record.modelled}_formula": formula} if formula else {}
    return [
        Dose(record.time + k * record.every if k else record.time, state, record.amount, record.length, **spread)
        for k in range(-before, int(record.more) + 1)
    ]


def shown(compartments: Sequence[str]) -> str:
    return abridged(compartments, 8)
