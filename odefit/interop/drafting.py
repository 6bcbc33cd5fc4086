"""From a PEtab problem, or a model alone, to the draft of a config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from odefit.errors import Faults
from odefit.interop.completion import completed
from odefit.interop.conditions import Conditions, conditions_of
from odefit.interop.draft import Draft, DraftParameter, DraftTable
from odefit.interop.equations import readable
from odefit.interop.mathematics import Number, Tree, names_in
from odefit.interop.model import Model
from odefit.interop.model_events import drafted
from odefit.interop.names import renamed
from odefit.interop.observing import observed
from odefit.interop.petab_problem import PetabProblem
from odefit.interop.simulation_times import sensible_times
from odefit.interop.unknowns import priors_in, unknown
from odefit.interop.visualisation import plots_of
from odefit.text import clip, closest, suggest


def draft_of_problem(problem: PetabProblem, model: Model, faults: Faults) -> Draft:
    """A problem as a config.

    Parameters
    ----------
    problem, model
        The tables, and the equations that they are of.
    faults
        Is told of what contradicts the other, or is missing.
    """
    measured = {row.experiment for row in problem.measurements}
    experiments = [e for e in problem.experiments.values() if e.name in measured]
    unnamed = _unnamed(problem, model)
    model = _with_table(model, problem)
    conditions = conditions_of(model, experiments, problem.parameters, faults)
    names = [*model.values, *model.rates, *model.expressions, *problem.parameters, *conditions.columns]
    watched = observed(problem, names, faults)
    _check_names(problem, model, faults)
    outside = [
        *watched.formulas.values(),
        *(n.sigma for n in watched.noise.values() if n.sigma is not None),
        *(tree for event in conditions.events for tree in event.changes.values()),
    ]
    touched = {*conditions.columns, *conditions.settings, *problem.parameters}
    equations = readable(model, outside, [*touched, *(n for e in experiments for p in e.periods for n in p.changes)])
    events, decisions = drafted(model, conditions.start)
    unknowns: list[DraftParameter] = []
    for parameter in problem.parameters.values():
        entry, decided = unknown(parameter, problem.version, priors_in(problem.parameters))
        unknowns.append(entry)
        decisions += decided
    numbers = [
        name for name, cells in conditions.columns.items() if all(isinstance(cell, Number) for cell in cells.values())
    ]
    plots, undrawn = plots_of(problem, numbers)
    draft = Draft(
        name=problem.name,
        origin=problem.path.name,
        equations=equations.rates,
        expressions=equations.expressions,
        initial=conditions.initial,
        observables=watched.formulas,
        events=[*conditions.events, *events],
        steady_state=conditions.steady_state,
        parameters=unknowns,
        noise=watched.noise,
        start=conditions.start,
        data=watched.data,
        experiments=_table(conditions, [e.name for e in experiments]),
        jumps=bool(conditions.events or events),
        simulate=None,
        decisions=[*model.decisions, *problem.decisions, *watched.decisions, *decisions, *undrawn],
        unnamed=unnamed,
        plots=plots,
        notes=model.notes,
    )
    return renamed(completed(draft, model, equations, conditions, faults))


def draft_of_model(
    model: Model, name: str, origin: str, faults: Faults, observables: Mapping[str, Tree] | None = None
) -> Draft:
    """A model without data as a config for `odefit simulate`.

    Parameters
    ----------
    model
        The equations.
    name, origin
        What the config is called, and the file that it was made from.
    faults
        Is told of names that need a value and have none.
    observables
        What is seen of it, formulas of the model's names; default every state.
    """
    watched = observables or {}
    equations = readable(model, watched.values(), ())
    events, decisions = drafted(model, 0.0)
    draft = Draft(
        name=name,
        origin=origin,
        equations=equations.rates,
        expressions=equations.expressions,
        initial={state: model.values[state] for state in model.rates},
        observables=watched,
        events=events,
        steady_state=None,
        parameters=[],
        noise={},
        start=None,
        data=None,
        experiments=None,
        jumps=False,
        simulate=sensible_times(model),
        decisions=[*model.decisions, *decisions],
        notes=model.notes,
    )
    return renamed(completed(draft, model, equations, Conditions(), faults))


def _with_table(model: Model, problem: PetabProblem) -> Model:
    """The model with the names of the parameter table in the place of its own numbers for them."""
    own = {name: value for name, value in model.values.items() if name not in problem.parameters or name in model.rates}
    return replace(model, values=own)


def _check_names(problem: PetabProblem, model: Model, faults: Faults) -> None:
    """Names that formulas of the tables use and nothing defines."""
    known = dict.fromkeys([*problem.parameters, *model.values, *model.rates, *model.expressions, *problem.arrays])
    for observable in problem.observables.values():
        own = dict.fromkeys([*observable.placeholders, *observable.noise_placeholders, observable.name])
        for column, tree in (("observableFormula", observable.formula), ("noiseFormula", observable.noise)):
            _unknown(tree, known | own, f"{observable.where}, column {column}", faults)
    for experiment in problem.experiments.values():
        for period in experiment.periods:
            for name, tree in period.changes.items():
                _unknown(tree, known, experiment.place(period, name), faults)
    for row in problem.measurements:
        for column, trees in (("observableParameters", row.parameters), ("noiseParameters", row.noise_parameters)):
            for tree in trees:
                _unknown(tree, known, f"{row.where}, column {column}", faults)


def _unnamed(problem: PetabProblem, model: Model) -> dict[str, str]:
    """Parameters of the table that nothing names: mostly names of something else, misspelt, which keeps its value."""
    periods = [period for experiment in problem.experiments.values() for period in experiment.periods]
    trees = [tree for period in periods for tree in period.changes.values()]
    trees += [tree for one in problem.observables.values() for tree in (one.formula, one.noise)]
    trees += [tree for row in problem.measurements for tree in (*row.parameters, *row.noise_parameters)]
    known = {*model.values, *model.rates, *model.expressions, *model.unset, *problem.arrays}
    known.update(*(period.changes for period in periods), *map(names_in, trees))
    found = {}
    for name, parameter in problem.parameters.items():
        if name not in known:
            close = closest(name, sorted(set(model.values) - set(problem.parameters)))
            hint = f"; did you mean '{clip(close)}', which keeps the value of the model?" if close else ""
            what = f"nothing in the model or in what was measured has the name '{clip(name)}': this row is left out"
            found[name] = f"{parameter.where}: {what}{hint}"
    return found


def _unknown(tree: Tree, known: Iterable[str], where: str, faults: Faults) -> None:
    for name in dict.fromkeys(names_in(tree)):
        if name not in known:
            faults.add(where, f"unknown symbol '{clip(name)}'; {suggest(name, list(known))}")


def _table(conditions: Conditions, experiments: Sequence[str]) -> DraftTable | None:
    if not conditions.columns:
        return None
    rows: list[list[Tree | str]] = [
        [name, *(cells[name] for cells in conditions.columns.values())] for name in experiments
    ]
    return DraftTable(["experiment", *conditions.columns], rows)
