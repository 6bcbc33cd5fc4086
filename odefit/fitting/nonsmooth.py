"""Where a likelihood is not smooth: parameters that move the time at which something happens.

An event or a dose changes a state at once. Where its time passes that of a measurement, what is predicted there jumps,
and the likelihood with it. A time switch of the equations only bends the solution, and an infusion too: there the
likelihood has a kink. No derivative knows of either, so that a search comes to a stop where no step leads on, whatever
the solver's tolerances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sympy as sp

from odefit.model.formulas import free_names
from odefit.model.switches import find_switches
from odefit.model.system import System
from odefit.objective.problem import FitProblem


@dataclass(frozen=True)
class NonsmoothParameters:
    """The estimated parameters that move a jump of the solution, and those that move a kink of it alone."""

    jumps: tuple[str, ...]
    kinks: tuple[str, ...]

    @property
    def sentence(self) -> str | None:
        """What a user should know of them where a search came to no end; None where there is nothing to know."""
        if not (self.jumps or self.kinks):
            return None
        what, names = ("jumps", self.jumps) if self.jumps else ("has a kink", self.kinks)
        which = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
        return (
            f"The likelihood {what} where {which} passes the time of a measurement, and a search may end there: "
            f"try more starts (fit.starts), or bounds of {which} between two measurements."
        )


def nonsmooth_parameters(problem: FitProblem) -> NonsmoothParameters:
    """Which estimated parameters of a problem move a time at which something happens in an experiment with data."""
    system = problem.engine.system
    events = _names(event.time for event in system.events)
    switches = _names(part for switch in find_switches(system) for part in (switch.intercept, switch.slope))
    doses = [dose for e in problem.experiments for dose in e.doses]
    lag = _names([system.dosing.lag]) if system.dosing is not None else set[str]()
    at_once = any(dose.duration == 0 for dose in doses)
    jumps = _estimated(problem, system, events | (lag if at_once else set()))
    kinks = _estimated(problem, system, switches | lag)
    return NonsmoothParameters(jumps, tuple(name for name in kinks if name not in jumps))


def _names(formulas: Iterable[sp.Expr]) -> set[str]:
    return set().union(*map(free_names, formulas))


def _estimated(problem: FitProblem, system: System, symbols: Collection[str]) -> tuple[str, ...]:
    """The estimated parameters that local symbols are bound to, in the order of the table."""
    table, binding = problem.table, problem.binding
    columns = [k for k, name in enumerate(binding.symbols) if name in symbols and name in system.parameters]
    bound = {int(i) for i in binding.index[:, columns].ravel()}
    return tuple(table.names[i] for i in table.estimated if int(i) in bound)
