"""Where a likelihood is not smooth: parameters that move the time at which something happens.

An event or a dose changes a state at once. Where its time passes that of a measurement, what is predicted there jumps,
and the likelihood with it. A time switch of the equations only bends the solution, and an infusion too: there the
likelihood has a kink. No derivative knows of either, so that a search comes to a stop where no step leads on, whatever
the solver's tolerances. Where such a time ends on that of a measurement, the curvature of one side is that of the
likelihood on neither, and no standard error follows from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.formulas import free_names
from odefit.model.functions import numpy_function
from odefit.model.switches import find_switches
from odefit.model.system import System
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

NEAR = 0.01
"""Share of the distance between neighbouring measurements that is still at one of them."""


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

    def among(self, names: Collection[str]) -> NonsmoothParameters:
        """Those of them that are among these names."""
        kept = (tuple(name for name in those if name in names) for those in (self.jumps, self.kinks))
        return NonsmoothParameters(*kept)


def parameters_at_measurements(problem: FitProblem, theta: FloatArray) -> NonsmoothParameters:
    """Those whose time has come to lie on that of a measurement, at theta [N]: within NEAR, or a fixed step."""
    nonsmooth, system = nonsmooth_parameters(problem), problem.engine.system
    if not (nonsmooth.jumps or nonsmooth.kinks):
        return nonsmooth
    switches = [-switch.intercept / switch.slope for switch in find_switches(system) if not switch.is_fixed]
    lag = sp.S.Zero if system.dosing is None else sp.sympify(system.dosing.lag)
    lengths = _lengths(system)
    spread = [sp.Add(lag, length) for length in lengths.values()]
    formulas = [lag, *(sp.sympify(event.time) for event in system.events), *switches, *spread]
    values_of = numpy_function(formulas, system.parameters)
    met: set[str] = set()
    for e, experiment in enumerate(problem.experiments):
        times = np.unique(experiment.times[~np.isnan(experiment.values).all(axis=1)])
        if len(times) < 2:
            continue
        near = max(NEAR * float(np.diff(times).min()), problem.engine.options.step or 0.0)
        with np.errstate(all="ignore"):
            values = [float(v) for v in values_of(*problem.binding.local(theta)[e, : problem.n_system])]
        ends = [t for dose in experiment.doses for t in (dose.time, dose.time + dose.duration)]
        others = values[1 : len(values) - len(spread)]
        happens = [[values[0] + t for t in ends], *([v] for v in others)]
        for key, after in zip(lengths, values[len(values) - len(spread) :], strict=True):
            own = [dose for dose in experiment.doses if dose.spread == key]
            far = [abs(dose.amount) if key[0] == "rate" else 1.0 for dose in own]
            happens.append([d.time + values[0] + f * (after - values[0]) for d, f in zip(own, far, strict=True)])
        for formula, at in zip(formulas, happens, strict=True):
            if any(np.abs(times - t).min() <= near for t in at if np.isfinite(t)):
                met.update(_bound(problem, e, free_names(formula)))
    return nonsmooth.among(met)


def kinks_met(problem: FitProblem, theta: FloatArray) -> dict[str, float]:
    """Parameters that are the time of a switch, and that lie at the time of a measurement: that time, at theta [N].

    Nothing where such times follow from parameters by a formula, or where the likelihood jumps.
    """
    met, measured = parameters_at_measurements(problem, theta), dict[str, list[FloatArray]]()
    if met.jumps or not met.kinks:
        return {}
    for switch in find_switches(problem.engine.system):
        time = -switch.intercept / switch.slope
        for e, experiment in enumerate(problem.experiments) if time.is_Symbol else ():
            times = experiment.times[~np.isnan(experiment.values).all(axis=1)]
            for name in _bound(problem, e, free_names(time)):
                measured.setdefault(name, []).append(times)
    if not {*met.kinks} <= measured.keys():
        return {}
    found = {}
    for name in met.kinks:
        times = np.concatenate(measured[name])
        found[name] = float(times[np.abs(times - theta[problem.table.names.index(name)]).argmin()])
    return found


def _bound(problem: FitProblem, experiment: int, symbols: Collection[str]) -> set[str]:
    """The parameters of the table that local symbols are bound to in one experiment."""
    index = problem.binding.index[experiment]
    pairs = zip(problem.binding.symbols, index, strict=True)
    return {problem.table.names[int(i)] for name, i in pairs if name in symbols and i >= 0}


def nonsmooth_parameters(problem: FitProblem) -> NonsmoothParameters:
    """Which estimated parameters of a problem move a time at which something happens in an experiment with data."""
    system = problem.engine.system
    events = _names(event.time for event in system.events)
    switches = _names(part for switch in find_switches(system) for part in (switch.intercept, switch.slope))
    doses = [dose for e in problem.experiments for dose in e.doses]
    lag = _names([system.dosing.lag]) if system.dosing is not None else set[str]()
    at_once = any(dose.jumps for dose in doses)
    lengths = _names(length for length in _lengths(system).values())
    jumps = _estimated(problem, system, events | (lag if at_once else set()))
    kinks = _estimated(problem, system, switches | lag | lengths)
    return NonsmoothParameters(jumps, tuple(name for name in kinks if name not in jumps))


def _lengths(system: System) -> dict[tuple[str, str], sp.Expr]:
    """How long infusions take that depend on parameters."""
    dosing = system.dosing
    return {} if dosing is None else {(one.kind, one.text): dosing.length(one) for one in dosing.spreads}


def _names(formulas: Iterable[sp.Expr]) -> set[str]:
    return set().union(*map(free_names, formulas))


def _estimated(problem: FitProblem, system: System, symbols: Collection[str]) -> tuple[str, ...]:
    """The estimated parameters that local symbols are bound to, in the order of the table."""
    table, binding = problem.table, problem.binding
    columns = [k for k, name in enumerate(binding.symbols) if name in symbols and name in system.parameters]
    bound = {int(i) for i in binding.index[:, columns].ravel()}
    return tuple(table.names[i] for i in table.estimated if int(i) in bound)
