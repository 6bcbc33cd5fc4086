"""The quantities of a fit by their names: parameters, derived formulas, curves at a time.

k, CL             a parameter, a derived quantity
conc(6)           an observable, a state or an expression at a time; one quantity for each experiment
conc[mary](6)     the same in one experiment
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from odefit.data.replicates import replicate_of
from odefit.errors import Fault, InputError
from odefit.objective.problem import FitProblem
from odefit.problem.assembly import Assembly
from odefit.problem.solver_steps import with_steps
from odefit.problem.wider import expression_quantities, observing, state_quantities
from odefit.text import abridged, clip, suggest
from odefit.uncertainty.quantities import CurveQuantity, Curves, ParameterQuantity, Quantity, of_one

_AT_A_TIME = re.compile(r"\s*(?P<name>\w+)\s*(?:\[(?P<experiment>[^\]]*)\])?\s*\(\s*(?P<time>[^()]+?)\s*\)\s*")


def quantities_of(assembly: Assembly) -> list[Quantity]:
    """Every estimated parameter, and every derived quantity."""
    table = assembly.problem.table
    parameters: list[Quantity] = [ParameterQuantity(table, name) for name in table.estimated_names]
    return parameters + [derived.quantity(assembly.problem) for derived in assembly.derived]


def named_quantities(assembly: Assembly, names: Sequence[str], where: str = "parameters") -> list[Quantity]:
    """The quantities that some names mean, each once.

    Parameters
    ----------
    assembly
        The fit.
    names
        As the head of this file has them. `k` of a parameter that has a value for each experiment or group means all
        of these.
    where
        What the user calls the list of names, for faults.

    Raises
    ------
    InputError
        With a fault for each name that means nothing.
    """
    known = {q.name: q for q in quantities_of(assembly)}
    found, faults = dict[str, Quantity](), list[Fault]()
    for name in names:
        text = name.strip()
        own = [known[text]] if text in known else [q for q in known.values() if q.name.partition("[")[0] == text]
        try:
            at_time = _AT_A_TIME.fullmatch(text) if not own else None
            if at_time is not None:
                own = list(_at_a_time(assembly, at_time["name"], at_time["experiment"], at_time["time"]))
            elif not own:
                raise ValueError(_unknown(assembly, text, list(known)))
        except ValueError as error:
            faults.append(Fault(where, f"{clip(text)}: {error}"))
        found |= {q.name: q for q in own}
    if not found and not faults:
        faults.append(Fault(where, f"names nothing; there is: {abridged(list(known), 8)}"))
    if faults:
        raise InputError(faults=faults)
    return list(found.values())


def _unknown(assembly: Assembly, text: str, known: Sequence[str]) -> str:
    if text in assembly.problem.table.names:
        return "is fixed, so nothing is to be determined of it"
    if text in curve_names(assembly):
        return f"is a curve; say at which time, as `{text}({_some_time(assembly):g})`"
    short = dict.fromkeys(name.partition("[")[0] for name in known)
    return f"is no estimated parameter and no derived quantity; {suggest(text, short | dict.fromkeys(known))}"


def _some_time(assembly: Assembly) -> float:
    last = max(e.last for e in assembly.measured)
    return last if math.isfinite(last) else 0.0


def curve_names(assembly: Assembly) -> dict[str, int]:
    """What is a curve: observables, states and expressions, and the column of each in `with_all_curves`."""
    system = assembly.described.system
    names = (*system.observables, *system.states, *system.expressions)
    return {name: column for column, name in reversed(list(enumerate(names)))}


def with_all_curves(problem: FitProblem) -> FitProblem:
    """The problem with states and expressions as observables behind its own."""
    system = problem.observation.system
    return observing(problem, state_quantities(system, range(len(system.states))) | expression_quantities(system))


def _at_a_time(assembly: Assembly, name: str, experiment: str | None, time: str) -> Iterator[Quantity]:
    """Raises ValueError."""
    columns = curve_names(assembly)
    if name not in columns:
        raise ValueError(f"'{clip(name)}' is no observable, state or expression; {suggest(name, columns)}")
    try:
        t = float(time)
    except ValueError:
        raise ValueError(f"'{clip(time)}' is no time; write a number") from None
    if assembly.networks is not None:
        raise ValueError("a model with a network has no errors of its parameters, so nothing is known of its curves")
    problem, unit = with_all_curves(assembly.problem), assembly.loaded.config.model.units.get(name)
    names = [e.name for e in assembly.measured]
    chosen = {k: e for k, e in enumerate(assembly.measured) if replicate_of(e.name) == e.name}
    if experiment is not None:
        if experiment not in names:
            raise ValueError(f"'{clip(experiment)}' is no experiment; {suggest(experiment, names)}")
        chosen = {names.index(experiment): assembly.measured[names.index(experiment)]}
    for k, e in chosen.items():
        if math.isnan(t) or t < e.start:
            raise ValueError(f"comes before experiment {e.name} starts ({e.start:g})")
        solved, rows = with_steps(problem, [e.at(np.array([t]))])
        row = int(np.arange(len(solved[0].times))[rows[0]][0])
        full = f"{name}({t:g})" if len(chosen) == len(names) == 1 else f"{name}[{e.name}]({t:g})"
        yield CurveQuantity(full, Curves(of_one(problem, k, solved[0])), columns[name], row, unit)
