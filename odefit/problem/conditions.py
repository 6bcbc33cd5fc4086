"""Under which conditions the experiments were made: constants, doses and inputs of the `data` section."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence

from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock
from odefit.data.doses import DoseRow, apply_doses, doses_from_list
from odefit.data.experiment_table import Conditions, conditions_from_mapping, read_conditions
from odefit.data.experiments import Experiment
from odefit.data.inputs import apply_inputs
from odefit.data.replicates import replicate_of
from odefit.data.rest_column import STEADY_STATE
from odefit.data.starts import Anchor, assume_starts, movable
from odefit.errors import ConfigError, Faults
from odefit.model.system import TIME
from odefit.problem.formula_texts import named_in_formulas
from odefit.problem.input_files import inputs_of
from odefit.problem.spread_columns import spread_conditions
from odefit.problem.table_constants import table_constants
from odefit.problem.units import dose_units, unit_form
from odefit.runs import folder as files


def conditions_of(loaded: LoadedConfig) -> Conditions | None:
    """The table of experiments, if there is one, with the constants in the file of measurements. Raises ConfigError or
    DataError."""
    found = _conditions_named(loaded)
    more: Conditions | None = spread_conditions(loaded) if loaded.events is None else loaded.events.conditions
    found = _both(found, more)
    return _both(found, table_constants(loaded, found))


def _both(found: Conditions | None, more: Conditions | None) -> Conditions | None:
    return found if more is None else more if found is None else found.with_others(more)


def _conditions_named(loaded: LoadedConfig) -> Conditions | None:
    section = loaded.config.data.experiments
    if section is None:
        return None
    if not isinstance(section, dict):
        from odefit.config.conditions_section import ExperimentsFile

        file = ExperimentsFile(csv=section) if isinstance(section, str) else section
        return read_conditions(
            loaded.folder / file.csv,
            experiment=file.experiment,
            where=loaded.where("data", "experiments"),
            named=named_in_formulas(loaded),
            columns=file.columns,
            units=unit_form(loaded, file.units, "experiments"),
        )
    place = functools.partial(loaded.where, "data", "experiments")
    return conditions_from_mapping(section, place, named_in_formulas(loaded))


def under_conditions(
    loaded: LoadedConfig,
    experiments: Sequence[Experiment],
    states: Sequence[str],
    conditions: Conditions | None,
    anchor: Anchor,
    notes: list[str],
    left_out: Collection[str] | None = None,
    clock: tuple[Clock | None, str] = (None, ""),
) -> tuple[Experiment, ...]:
    """The experiments with all that the config says of them beside their measurements.

    Parameters
    ----------
    states
        Of the system.
    conditions
        See `conditions_of`.
    anchor
        What the initial values are, which decides on starts of which nothing is said.
    notes
        Takes what was assumed of the starts.
    left_out
        The experiments of the data that `data.only` leaves out, which tables may be about as well. Without them any row
        of a table may be about one of those.
    clock
        What the dates of the measurements are counted from, which other tables follow, and the unit of their times.

    Raises
    ------
    ConfigError, DataError
        With all faults found.
    """
    data = loaded.config.data
    # Tables may be about more experiments than `data.only` chooses.
    partial = data.only is not None and left_out is None
    others = dict.fromkeys(name for other in left_out or () for name in (replicate_of(other), other))
    known = dict.fromkeys(name for e in experiments for name in (replicate_of(e.name), e.name)) | others
    found = list(experiments)
    faults = Faults()
    _check_rests(loaded, conditions, faults)
    if conditions is not None:
        conditions = conditions.with_starts_in(clock[1], unit_form(loaded).model.get(TIME, ""))
    free = movable(found, anchor, _said(loaded, conditions, found))
    with faults.catching():
        if conditions is not None:
            # An empty cell leaves a parameter to the parameters section, and an initial value to be estimated.
            optional = {*loaded.config.parameters, *(f"{state}_0" for state in states)}
            where = loaded.where("data", "experiments")
            from odefit.data.applied_conditions import apply_conditions

            found = apply_conditions(found, conditions, where, optional, partial=partial, others=others)
    with faults.catching():
        doses = _doses(loaded, states, None if partial else known, clock, notes)
        found = apply_doses(
            found, doses, states, loaded.where("data", "doses"), partial=partial, others=others, free=free
        )
    inputs = inputs_of(loaded, faults, clock, notes)
    with faults.catching():
        found, note = assume_starts(found, free, anchor, (known for by in inputs.values() for known in by.values()))
        notes += [] if note is None else [note]
        # Steps go on: their last value holds until another is named.
        held = [name for name, section in data.inputs.items() if section.interpolation == "previous"]
        where_of = functools.partial(loaded.where, "data", "inputs")
        found = apply_inputs(found, inputs, where_of, held=held, partial=partial, others=others)
    faults.check()
    return tuple(found)


def _said(loaded: LoadedConfig, conditions: Conditions | None, experiments: Sequence[Experiment]) -> list[str]:
    """The experiments whose start the config or the table of experiments says."""
    if loaded.config.data.start != "auto":
        return [e.name for e in experiments]
    starts = set[str]() if conditions is None else {*conditions.starts}
    return [e.name for e in experiments if starts & {e.name, replicate_of(e.name)}]


def _check_rests(loaded: LoadedConfig, conditions: Conditions | None, faults: Faults) -> None:
    """A column `steady_state` chooses among the experiments of a model that has a steady state."""
    simulated = loaded.config.data.simulate
    models = [
        loaded.config.model,
        *([simulated.model] if simulated is not None and simulated.model is not None else []),
    ]
    if conditions is not None and conditions.rests and all(model.steady_state is False for model in models):
        what = "the column chooses which experiments came to rest, and the model has no steady state: "
        where = conditions.where(next(iter(conditions.rests)), STEADY_STATE)
        faults.add(where, f"{what}write `model.steady_state: true`, or remove the column")


def _doses(
    loaded: LoadedConfig,
    states: Sequence[str],
    experiments: Collection[str] | None,
    clock: tuple[Clock | None, str],
    notes: list[str],
) -> Sequence[DoseRow]:
    section = loaded.config.data.doses
    if loaded.events is not None:
        found: Sequence[DoseRow] = loaded.events.doses
        return [row for row in found if experiments is None or row.experiment in experiments]
    if section is None:
        return ()
    from odefit.problem.doses_beside import are_beside, doses_beside

    if are_beside(loaded):
        return doses_beside(loaded, states, experiments, clock, notes)
    if section.csv is None and section.table is None:
        what = "give `csv` (a file), `table` (a list of doses), or `columns: {amount: …}` of the file of measurements"
        raise ConfigError(loaded.where("data", "doses"), what)
    if section.csv is not None:
        from odefit.data.dose_table import read_doses

        return read_doses(
            loaded.folder / section.csv,
            default_state=section.state,
            time=section.time,
            experiment=section.experiment,
            columns={role: column for role, column in section.columns.items()},  # noqa: C416
            where=loaded.where("data", "doses"),
            clock=clock[0],
            units=unit_form(loaded, dose_units(loaded), "doses"),
            time_unit=clock[1],
            notes=notes,
            states=states,
            experiments=experiments,
            # In a run folder: `data.only` chose experiments without a dose, and lag and fraction are still parameters.
            may_be_empty=(loaded.folder / files.RESULT).exists(),
        )
    items = [{"state": section.state} | dose.model_dump(exclude_unset=True) for dose in section.table or ()]
    # A list may stand there without the word `table`.
    keys = ("table",) if isinstance(loaded.source.data["data"]["doses"], Mapping) else ()
    where = functools.partial(loaded.where, "data", "doses", *keys)
    from odefit.problem.dated_doses import on_data_clock

    dated = on_data_clock(loaded, items, clock[0], where)
    return doses_from_list(dated, where, states=states, experiments=experiments)
