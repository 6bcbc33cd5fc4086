"""Constants of experiments that stand in the file of measurements itself, as columns that formulas or `by` name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.blank_lines import split_at_blanks
from odefit.data.clock import on_clock
from odefit.data.columns import Columns, Positions, Request
from odefit.data.constant_columns import ConstantColumns, Experiments
from odefit.data.error_list import FaultList
from odefit.data.experiment_table import Conditions, conditions_from_mapping, constants_in_model_units
from odefit.data.frames import FrameSheet
from odefit.data.layouts import OBSERVABLE, ONLY, TIME, Layout, usual_time
from odefit.data.replicates import replicate_of
from odefit.data.sheets import Sheet
from odefit.data.table_units import Converter
from odefit.errors import DataError, InputError
from odefit.model import catalogue
from odefit.model.language import CONSTANTS
from odefit.model.system import TIME as CLOCK
from odefit.model.tokens import written_names
from odefit.problem.data_file import one_file, open_data
from odefit.problem.described import initial_name
from odefit.problem.formula_texts import named_in_formulas
from odefit.problem.spread_columns import spread_data
from odefit.problem.table_form import table_form
from odefit.problem.units import unit_form
from odefit.text import abridged, clip

EXPERIMENT, VALUE, SIGMA = "experiment", "value", "sigma"


def table_constants(loaded: LoadedConfig, others: Conditions | None) -> Conditions | None:
    """The constants and labels in columns of the measurements that formulas or `by` name, if there are any.

    Parameters
    ----------
    loaded
        The config.
    others
        The table of experiments, whose columns go before these, and may not contradict them.

    Raises
    ------
    DataError
        A column changes within an experiment, or says another thing than the table of experiments.
    """
    data = loaded.config.data
    content = None if loaded.given is None else loaded.given.content
    if isinstance(content, tuple) or (content is None and data.csv is None) or loaded.events is not None:
        return None
    known = {} if others is None else {**others.constants, **others.labels}
    wanted = _without_meaning(loaded, others) - known.keys()
    if not wanted and not known:
        return None
    try:
        found = _open(loaded, content)
    except (InputError, DataError):
        return None  # a file that cannot be opened is told of by those who read the measurements
    sheet, experiment, is_spread = found
    position = Positions({name: k for k, name in enumerate(sheet.header.names) if name})
    own = experiment if experiment in position else None
    left = {name for name in position if name in data.unused} | _read_as_measured(loaded, position)
    at = {n: position[n] for n in sorted(wanted | known.keys()) if n in position and position.spelled(n) not in left}
    if not at or (data.time or usual_time(position)) not in position:
        return None
    faults = FaultList(sheet.header.path, sheet.header.where)
    split = content is None and not is_spread and one_file(loaded) is not None and not data.ignore
    table = _read(loaded, sheet, at, None if own is None else position[own], split, faults)
    _check_same(table, others, known.keys() & at.keys(), faults)
    cells = {name: table.cells(name, faults) for name in at if name in wanted}
    faults.check()
    if not cells:
        return None
    rows: dict[str, dict[str, float | str]] = {name: {} for name in table.experiments.names}
    for name, values in cells.items():
        for one, value in values.items():
            rows[one][name] = value

    def where(one: str = "", column: str = "") -> str:
        return sheet.header.place(table.line(one), sheet.header.names[at[column]] if column in at else column)

    conditions = conditions_from_mapping(rows, where, named_in_formulas(loaded) | _in_cells(others))
    converter = Converter(sheet, unit_form(loaded), faults)
    conditions = constants_in_model_units(conditions, {name: at[name] for name in cells}, converter)
    faults.check()
    verb = "is read as a constant" if len(cells) == 1 else "are read as constants"
    note = f"{sheet.header.place()}: {abridged([clip(name) for name in cells], 8)} {verb} of each experiment"
    return replace(conditions, notes=(note, *converter.notes), beside=frozenset(cells))


def _without_meaning(loaded: LoadedConfig, others: Conditions | None) -> set[str]:
    """The names in formulas, those of observables and noise aside, and after `by`, that mean nothing else."""
    config = loaded.config
    model = config.model
    states = [*(model.equations or {}), *(model.states or ())]
    own = {*config.parameters, *config.data.inputs, *model.expressions, *(model.observables or {}), CLOCK, *CONSTANTS}
    if catalogue.is_known(model.name):
        entry = catalogue.entry(model.name)
        own |= {*entry.parameters}
        states += entry.equations
    own |= {*states, *map(initial_name, states), EXPERIMENT}
    # A column that only observables or noise name has a number for each row.
    quiet = config.model_copy(update={"model": model.model_copy(update={"observables": None}), "noise": NoiseSection()})
    grouped = {section.by for section in config.parameters.values() if isinstance(section.by, str)}
    return (named_in_formulas(replace(loaded, config=quiet)) | grouped | _in_cells(others)) - own


def _in_cells(conditions: Conditions | None) -> set[str]:
    """The names in cells of the table of experiments."""
    texts = () if conditions is None else (text for own in conditions.columns.values() for text in own)
    return {name for text in texts for name in written_names(text)}


def _open(loaded: LoadedConfig, content: Any) -> tuple[Sheet, str, bool]:
    """The table, the column of its experiments, and whether it had experiments side by side."""
    data = loaded.config.data
    experiment = data.experiment or EXPERIMENT
    spread = spread_data(loaded, tuple(loaded.config.model.observables or ()))
    if spread is not None:
        return spread.grid, experiment, True
    if content is not None:
        return FrameSheet(content), experiment, False
    wanted = [*([data.time] if data.time else TIME), experiment, *OBSERVABLE, VALUE, *data.single_columns.values()]
    return open_data(loaded, wanted), experiment, False


def _read_as_measured(loaded: LoadedConfig, position: Positions) -> set[str | None]:
    """The columns that are read as times, measurements and their errors."""
    data = loaded.config.data
    found = [data.time or usual_time(position), data.observable, data.value, *data.single_columns.values()]
    for given in (data.sigma, data.censored, data.interval):
        found += [given] if isinstance(given, str) else [] if given is None else given.values()
    label = data.observable or next((name for name in OBSERVABLE if name in position), None)
    if label in position and (data.value or VALUE) in position:
        found += [label, data.value or VALUE, SIGMA]
    return {position.spelled(name) for name in found if name is not None}


def _read(
    loaded: LoadedConfig, sheet: Sheet, at: Mapping[str, int], own: int | None, split: bool, faults: FaultList
) -> ConstantColumns:
    """The cells of the columns, and the experiments of the rows. Raises DataError.

    own: the column of experiments. split: whether blank lines may part them where there is none.
    """
    data, form = loaded.config.data, table_form(loaded)
    blank = [k for k in dict.fromkeys(at.values()) if k != own]
    if own is not None:
        columns = sheet.read(Request([], [own, *blank], required={own: "experiment"}, blank=blank), faults)
        labels = columns.labels[own]
        experiments = Experiments(labels.names, labels.codes)
    else:
        position = Positions({name: k for k, name in enumerate(sheet.header.names) if name})
        time = position[data.time or usual_time(position)]
        timed, _, _ = on_clock(sheet, time, None, form.clock)
        request = Request([time], blank, {time: "time"}, blank, endless=[time], missing=form.missing)
        columns = timed.read(request, faults)
        faults.check()
        layout = Layout(time, None, None, (), ())
        if split:
            columns, layout, _ = split_at_blanks(columns, layout, "")
        if layout.experiment is None:
            experiments = Experiments((ONLY,), np.zeros(len(columns.lines), dtype=np.int64))
        else:
            experiments = Experiments(columns.labels[layout.experiment].names, columns.labels[layout.experiment].codes)
    faults.check()
    columns, experiments = _chosen(columns, experiments, data.only)
    return ConstantColumns(columns, at, experiments, sheet.header, form.missing)


def _chosen(columns: Columns, experiments: Experiments, only: Collection[str] | None) -> tuple[Columns, Experiments]:
    """The rows of the experiments that are read at all."""
    if only is None:
        return columns, experiments
    wants = np.array([name in only or replicate_of(name) in only for name in experiments.names], dtype=bool)
    rows = wants[experiments.codes]
    names = [name for name, own in zip(experiments.names, wants.tolist(), strict=True) if own]
    return columns.rows(rows), Experiments(names, (np.cumsum(wants) - 1)[experiments.codes[rows]])


def _check_same(table: ConstantColumns, others: Conditions | None, columns: Collection[str], faults: FaultList) -> None:
    """What a column and the table of experiments say of one experiment is the same."""
    for name in sorted(columns):
        assert others is not None  # it has these columns
        said: dict[str, float | str] = {**others.constants.get(name, {}), **others.labels.get(name, {})}
        for experiment, value in table.cells(name).items():
            other = said.get(experiment, said.get(replicate_of(experiment)))
            if other is None or _same(value, other):
                continue
            here, there = (clip(v) if isinstance(v, str) else f"{v:g}" for v in (value, other))
            what = f"{here} for experiment {clip(experiment)}, and data.experiments says {there}; correct one of them"
            spelled = table.header.names[table.at[name]]
            remedy = f"or leave this column alone: `data.unused: [{clip(spelled)}]`"
            faults.add(table.line(experiment), spelled, f"{what}, {remedy}", "contradiction")


def _same(value: float | str, other: float | str) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    return bool(np.isclose(value, other, rtol=1e-9, atol=0.0))
