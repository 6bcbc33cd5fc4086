"""A fitted model under other conditions: the problem of experiments that were never made, with the fit's parameters.

A new experiment is made like one of the fit (its row names it in the column `like`, or bears its name, or the fit has
but one), and has other numbers, doses and inputs where the row says so; or it is like none, and everything is said. It
is put beside the experiments of the fit, the whole is bound as any config is, and the rows of the new ones are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.config.model_section import ParameterSection
from odefit.data.doses import apply_doses
from odefit.data.experiment_table import Conditions
from odefit.data.experiments import Experiment
from odefit.data.inputs import apply_inputs
from odefit.data.replicates import replicate_of
from odefit.engines.choice import make_engine
from odefit.errors import Fault, Faults, InputError
from odefit.fitting.run import Run
from odefit.objective.parameters import Binding
from odefit.objective.problem import FitProblem
from odefit.prediction.wanted import LIKE, Wanted, read_doses_of, read_inputs_of, read_table_of
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.described import ESTIMATE, FIRST, FORMULA, Described, initial_name
from odefit.problem.formula_texts import named_in_formulas
from odefit.problem.systems import describe_system
from odefit.records import dataclass
from odefit.text import abridged, clip, suggest

_FIRST_NUMBER = 1001
"""From here on new experiments are numbered as replicates of those that they are like."""
WHERE = "experiments"


@dataclass(frozen=True)
class Conditioned:
    """What is to be predicted.

    Parameters
    ----------
    problem
        Of the new experiments, over the parameters of the fit.
    experiments
        With their conditions; their times are still those of the experiments that they are like.
    likes
        Which experiment of the fit each is like; None for one that is like none.
    notes
        What was assumed, a sentence each.
    """

    problem: FitProblem
    experiments: tuple[Experiment, ...]
    likes: tuple[str | None, ...]
    notes: tuple[str, ...] = ()


def conditioned(run: Run, wanted: Wanted, replicates: bool = True) -> Conditioned:
    """The problem of the experiments that are wanted.

    Parameters
    ----------
    run, wanted
        The fit, and the conditions.
    replicates
        Whether those of the fit are wanted as well, which differ from their experiments in what was measured only.

    Raises
    ------
    InputError
        With all faults: an unknown experiment, a number that is missing, a parameter of which nothing is known there.
    """
    measured = run.measured
    if wanted.changes_nothing:
        chosen = [k for k, e in enumerate(measured) if replicates or replicate_of(e.name) == e.name]
        kept, old = tuple(measured[k] for k in chosen), run.assembly.problem.binding
        binding = replace(old, index=old.index[chosen], constant=old.constant[chosen])
        problem = replace(run.assembly.problem, experiments=kept, binding=binding)
        return Conditioned(problem, kept, tuple(e.name for e in kept))
    new, notes = [_New(e.name, e.name, e) for e in measured if replicate_of(e.name) == e.name], list[str]()
    conditions = None
    if wanted.experiments is not None:
        numbers = {*map(initial_name, run.states), *(p.name.partition("[")[0] for p in run.assembly.problem.table)}
        conditions, likes = read_table_of(run.loaded, wanted.experiments, numbers)
        new = _rows(run, conditions, likes)
        notes += _idle(run, conditions)
    new = _dosed(run, new, wanted)
    new = _with_inputs(run, new, wanted)
    try:
        return _bound(run, new, [*notes, *_undosed(run, new)])
    except InputError as error:
        if conditions is None:
            raise
        raise type(error)(faults=[_in_the_table(fault, new, conditions) for fault in error.faults]) from None


def _in_the_table(fault: Fault, new: Sequence[_New], conditions: Conditions) -> Fault:
    """A fault of a cell where the user wrote it; the whole is bound as if it stood in the config."""
    cell = re.search(r"data\.experiments\.(.+)\.(\w+)$", fault.where)
    name = {made: one.name for made, one in zip(_made_names(new), new, strict=True)}.get(cell[1]) if cell else None
    return fault if cell is None or name is None else Fault(conditions.where(name, cell[2]), fault.what)


@dataclass(frozen=True)
class _New:
    """One new experiment: what it is called, which of the fit it is like, and its conditions.

    fitted: of its constants those that are the fit's own estimates, with their errors.
    """

    name: str
    like: str | None
    experiment: Experiment
    fitted: tuple[str, ...] = ()


def _rows(run: Run, conditions: Conditions, likes: Mapping[str, str]) -> list[_New]:
    """The experiments of the table. Raises InputError."""
    known = {e.name: e for e in run.measured}
    only = next(iter(known)) if len({replicate_of(name) for name in known}) == 1 else None
    faults = list[Fault]()
    needed = _needed(run.measured)
    found = []
    for name in conditions.experiments:
        like = likes.get(name) or (name if name in known else only)
        where = conditions.where(name)
        if like is not None and like not in known:
            faults.append(
                Fault(where, f"'{clip(like)}' in the column {LIKE} is no experiment of the fit; {suggest(like, known)}")
            )
            continue
        base = known[like] if like is not None else _blank(run, name)
        experiment = _changed(base, name, conditions)
        fitted = {} if like is None else _fitted(run, experiment, like, conditions)
        experiment = replace(experiment, constants={**experiment.constants, **fitted})
        missing = [c for c in needed if c not in {**experiment.constants, **experiment.formulas}] if not like else []
        if missing:
            faults.append(
                Fault(
                    where,
                    f"experiment {clip(name)} needs a number for {', '.join(missing)}; or name "
                    f"in a column `{LIKE}` an experiment of the fit that has the same",
                )
            )
        found.append(_New(name, like, experiment, tuple(fitted)))
    if faults:
        raise InputError(faults=faults)
    return found


def _needed(measured: Sequence[Experiment]) -> list[str]:
    """The numbers that every experiment of the fit has."""
    names = dict.fromkeys(name for e in measured for name in (*e.constants, *e.formulas))
    return [name for name in names if all(name in {**e.constants, **e.formulas} for e in measured)]


def _blank(run: Run, name: str) -> Experiment:
    """An experiment of which nothing is known; it starts where all of the fit do, or at 0."""
    starts = {e.start for e in run.measured}
    start = starts.pop() if len(starts) == 1 else 0.0
    width = len(run.observables)
    beside = dict.fromkeys((key for e in run.measured for key in e.covariates), np.full((1, width), np.nan))
    return Experiment(name, [start], np.full((1, width), np.nan), start, covariates=beside)


def _changed(base: Experiment, name: str, conditions: Conditions) -> Experiment:
    """An experiment with what its row says."""
    constants = {c: by[name] for c, by in conditions.constants.items() if name in by and c != LIKE}
    formulas = {c: by[name] for c, by in conditions.formulas.items() if name in by}
    labels = {c: by[name] for c, by in conditions.labels.items() if name in by and c != LIKE}
    start = conditions.starts.get(name, base.start)
    moved = base if start <= base.times[0] else replace(base, times=base.times + (start - base.times[0]))
    return replace(
        moved,
        start=float(start),
        constants={c: v for c, v in base.constants.items() if c not in formulas} | constants,
        formulas={c: v for c, v in base.formulas.items() if c not in constants} | formulas,
        labels={**base.labels, **labels},
        steady_state=conditions.rests.get(name, base.steady_state),
    )


def _fitted(run: Run, experiment: Experiment, like: str, conditions: Conditions) -> dict[str, float]:
    """The fit's own numbers where other rows give initial values or parameters, and this one says nothing."""
    binding, row = run.assembly.problem.binding, [e.name for e in run.measured].index(like)
    own = dict(zip(binding.symbols, binding.local(run.theta)[row].tolist(), strict=True))
    known = {**experiment.constants, **experiment.formulas}
    return {name: own[name] for name in conditions.constants if name in own and name not in known}


def _dosed(run: Run, new: list[_New], wanted: Wanted) -> list[_New]:
    """With the doses that are given in place of what they had: for those that these name, or for all."""
    if wanted.doses is None:
        return new
    names = [one.name for one in new]
    known = dict.fromkeys([*names, *map(replicate_of, names)])
    dosed = {dose.state for e in run.measured for dose in e.doses}
    rows = read_doses_of(run.loaded, wanted.doses, run.states, known, dosed)
    named = {row.experiment for row in rows}
    bare = [replace(one.experiment, name=one.name) for one in new]
    given = apply_doses(bare, rows, run.states, "doses")
    return [
        replace(one, experiment=replace(one.experiment, doses=e.doses))
        if None in named or named & {one.name, replicate_of(one.name)}
        else one
        for one, e in zip(new, given, strict=True)
    ]


def _with_inputs(run: Run, new: list[_New], wanted: Wanted) -> list[_New]:
    """With the known functions of time that are given. Raises InputError where one has none."""
    if wanted.inputs is not None:
        given = read_inputs_of(run.loaded, wanted.inputs)
        # Where they end is looked at once the times are known.
        bare = [replace(one.experiment, name=one.name, times=one.experiment.times[:1]) for one in new]
        found = apply_inputs(bare, given, lambda name: f"--inputs {name}", held=list(given))
        pairs = zip(new, found, strict=True)
        new = [replace(one, experiment=replace(one.experiment, inputs=e.inputs)) for one, e in pairs]
    needed = dict.fromkeys(name for e in run.measured for name in e.inputs)
    faults = [
        Fault(WHERE, f"experiment {clip(one.name)} has no input {name}; give --inputs, or a column `{LIKE}`")
        for one in new
        for name in needed
        if name not in one.experiment.inputs
    ]
    if faults:
        raise InputError(faults=faults)
    return new


def _bound(run: Run, new: Sequence[_New], notes: Sequence[str]) -> Conditioned:
    """The new experiments bound to the parameters of the fit."""
    made = [replace(one.experiment, name=name) for one, name in zip(new, _made_names(new), strict=True)]
    together, model = _starts_from_table(run.assembly, [*run.measured, *made])
    config = run.loaded.config
    table = {e.name: {**e.constants, **e.formulas, **e.labels} for e in together}
    data = config.data.model_copy(update={"experiments": table if any(table.values()) else None})
    sections = {"data": data, "model": model, "parameters": _with_values(run), "plots": {}, "derived": {}}
    changed = config.model_copy(update=sections)
    loaded = replace(run.loaded, config=changed)
    whole = assemble(loaded, describe_system(loaded), together, for_fit=False)
    if whole.networks is not None:
        whole.networks.load_state_dict(dict(run.weights))
    first = len(run.measured)
    binding = _estimated(run, new, _of_the_fit(run, whole, first, [one.name for one in new]))
    final = tuple(replace(e, name=one.name) for e, one in zip(whole.measured[first:], new, strict=True))
    engine = make_engine(
        whole.problem.engine.system,
        run.assembly.problem.engine.options,
        whole.problem.engine.sensitive,
        whole.networks,
        run.loaded.where("solver", "method"),
    )
    table_of_fit = run.assembly.problem.table
    problem = replace(whole.problem, experiments=final, table=table_of_fit, binding=binding, engine=engine)
    return Conditioned(problem, final, tuple(one.like for one in new), tuple(notes))


def _estimated(run: Run, new: Sequence[_New], binding: Binding) -> Binding:
    """With the estimates of the fit where a row leaves a number to it, so that their errors count."""
    old, rows = run.assembly.problem.binding, [e.name for e in run.measured]
    index = binding.index.copy()
    for e, one in enumerate(new):
        for name in one.fitted:
            index[e, binding.symbols.index(name)] = old.index[rows.index(one.like or ""), old.symbols.index(name)]
    return replace(binding, index=index)


def _made_names(new: Sequence[_New]) -> list[str]:
    """What the new experiments are called beside those of the fit: replicates of those that they are like."""
    return [
        one.name if one.like is None else f"{replicate_of(one.like)}#{number}"
        for number, one in enumerate(new, _FIRST_NUMBER)
    ]


def _with_values(run: Run) -> dict[str, ParameterSection]:
    """The config's parameters, all with a value: where a search would start is no matter here."""
    sections = dict(run.loaded.config.parameters)
    table = run.assembly.problem.table
    for parameter, value in zip(table, run.theta, strict=True):
        name = parameter.name.partition("[")[0]
        section = sections.get(name)
        if section is not None and section.value is None and section.formula is None:
            sections[name] = section.model_copy(update={"value": float(value)})
        elif section is None and parameter.role == "initial":
            sections[name] = ParameterSection(value=float(value))
    return sections


def _starts_from_table(assembly: Assembly, experiments: list[Experiment]) -> tuple[list[Experiment], Any]:
    """Initial values that some rows give in place of what the model says: then all rows have them."""
    model, described = assembly.loaded.config.model, assembly.described
    initial = model.initial
    kinds = described.initial_kind
    said = {name for e in experiments for name in (*e.constants, *e.formulas)}
    states = [s for s, kind in kinds.items() if kind in (FORMULA, FIRST) and initial_name(s) in said]
    if not states:
        return experiments, model
    faults = Faults()
    texts = {s: _start_text(assembly, s, faults) for s in states}
    faults.check()
    found = []
    for e in experiments:
        numbers, formulas = dict(e.constants), dict(e.formulas)
        for state in states:
            name = initial_name(state)
            if name in numbers or name in formulas:
                continue
            text = texts[state] if texts[state] is not None else repr(_first_value(described, state, e))
            try:
                numbers[name] = float(text or "nan")
            except ValueError:
                formulas[name] = text or ""
        found.append(replace(e, constants=numbers, formulas=formulas))
    rest = dict.fromkeys(kinds, initial) if isinstance(initial, str) else dict(initial)
    kept = {s: text for s, text in rest.items() if s not in states and text != ESTIMATE}
    return found, model.model_copy(update={"initial": kept})


def _start_text(assembly: Assembly, state: str, faults: Faults) -> str | None:
    """What the config says that a state starts from; None where it is the first row."""
    initial = assembly.loaded.config.model.initial
    if assembly.described.initial_kind[state] == FIRST:
        return None
    if isinstance(initial, str) or state not in initial:
        what = f"the model has a formula for {initial_name(state)}, which no column can replace"
        faults.add(WHERE, what)
        return ""
    return initial[state]


def _first_value(described: Described, state: str, experiment: Experiment) -> float:
    from odefit.model.system import symbol

    columns = list(described.system.predicted.values())
    return float(experiment.values[0, columns.index(symbol(state))])


def _of_the_fit(run: Run, whole: Assembly, first: int, names: Sequence[str]) -> Binding:
    """The binding of the new experiments to the parameters of the fit. Raises InputError for those that it lacks."""
    own, binding = whole.problem.table, whole.problem.binding
    known = run.assembly.problem.table.index
    index, constant = binding.index[first:].copy(), binding.constant[first:].copy()
    faults = list[Fault]()
    for e, column in np.argwhere(index >= 0):
        parameter = own.parameters[int(index[e, column])]
        if parameter.name in known:
            index[e, column] = known[parameter.name]
        elif not parameter.estimate:
            index[e, column], constant[e, column] = -1, parameter.value
        else:
            short = parameter.name.partition("[")[0]
            what = (
                f"nothing is known of {short} in experiment {clip(names[e])}; give a column {short}, or name in a "
                f"column `{LIKE}` an experiment of the fit that has the same"
            )
            faults.append(Fault(WHERE, what))
    if faults:
        raise InputError(faults=list(dict.fromkeys(faults)))
    return replace(binding, index=index, constant=constant)


def _idle(run: Run, conditions: Conditions) -> list[str]:
    """A note for numbers that no formula names: they change nothing."""
    idle = [c for c in conditions.constants if c != LIKE and c not in named_in_formulas(run.loaded)]
    return [f"no formula names {c}, so that column changes nothing" for c in idle]


def _undosed(run: Run, new: Sequence[_New]) -> list[str]:
    """A note for experiments without doses, where those of the fit have some."""
    if not any(e.doses for e in run.measured):
        return []
    bare = [clip(one.name) for one in new if one.like is None and not one.experiment.doses]
    return [f"no doses in {abridged(bare, 3)}: `--doses` gives some, and a column `{LIKE}` those of another"] * bool(
        bare
    )
