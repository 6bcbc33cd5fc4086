"""A config whose file of measurements is a table of events: its doses and constants are read before all else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odefit.config.data_section import DataSection
from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.columns import Header, Positions
from odefit.data.frames import FrameSheet
from odefit.data.layouts import OBSERVABLE, TIME, usual_time
from odefit.data.nonmem.roles import MISSING, NAMES, Roles
from odefit.data.nonmem.table import EventTable, Wanted, check_complete, roles_of, take_apart
from odefit.data.sheets import Sheet
from odefit.data.table_form import TableForm
from odefit.data.time_names import suggest_time
from odefit.errors import ConfigError, DataError
from odefit.model import catalogue
from odefit.model.system import TIME as UNIT_OF_TIME
from odefit.model.tokens import written_names
from odefit.problem.data_file import open_data
from odefit.problem.formula_texts import named_in_formulas
from odefit.problem.table_form import table_form
from odefit.problem.units import dose_units, unit_form
from odefit.text import clip, suggest

FIRST_REPEATS = 20
"""Doses before one at steady state, to begin with."""


def with_events(loaded: LoadedConfig, repeats: int = FIRST_REPEATS) -> LoadedConfig:
    """The config with its table of events taken apart, if its file is one.

    Parameters
    ----------
    loaded
        The config.
    repeats
        How many doses come before one at steady state.

    Raises
    ------
    DataError
        With the faults of the table, or where it may be one or not.
    """
    data = loaded.config.data
    content = None if loaded.given is None else loaded.given.content
    if data.format == "table" or isinstance(content, tuple) or (content is None and data.csv is None):
        return loaded
    given = _given(data)
    try:
        sheet = FrameSheet(content) if content is not None else _opened(loaded, given)
    except DataError:
        if data.format == "nonmem":
            raise
        return loaded  # a file that cannot be opened is told of below the mistakes of the formulas
    roles = roles_of(sheet.header, given)
    if data.format == "nonmem":
        check_complete(roles, sheet.header)
    elif not roles.is_complete:
        _check_lacking(loaded, roles, sheet.header)
        return loaded
    elif data.doses is not None and (data.doses.csv is not None or data.doses.table is not None):
        what = "has the columns of a table of events, which holds doses, and `data.doses` names doses elsewhere"
        raise DataError(
            sheet.header.place(),
            f"{what}; write `data.format: table` to read measurements only, or leave these doses out",
        )
    roles = replace(roles, at={k: at for k, at in roles.at.items() if sheet.header.names[at] not in data.unused})
    return replace(loaded, events=take_apart(sheet, roles, _wanted(loaded, given, repeats)))


def _check_lacking(loaded: LoadedConfig, roles: Roles, header: Header) -> None:
    """Raises DataError where a file with EVID has no column of times, or of measurements, and none is named.

    What is said else, of formulas whose names are columns of subjects, hides that the file was not taken for a table
    of events.
    """
    config, names = loaded.config, Positions({name: k for k, name in enumerate(header.names)})
    data = config.data
    if data.format != "auto" or not {"evid", "id"} <= roles.at.keys() or len(roles.lacking) != 1:
        return
    if any(not isinstance(column, str) or set(column) & set("{[*") for column in data.columns.values()):
        return  # lists and patterns say themselves what they do not find
    lacking, free = roles.lacking[0], [n for k, n in enumerate(header.names) if k not in roles.at.values()]
    if lacking == "time":
        hint = suggest_time("TIME", free, "data: {{time: {}}}")
        is_there = (data.time or usual_time(names)) in names
    else:
        hint = f"`data.value` names it; {suggest('DV', free)}"
        own = [*(config.model.observables or _states(loaded)), *data.single_columns.values()]
        is_long = "value" in names and any(name in names for name in (data.observable or "", *OBSERVABLE))
        is_there = is_long or any(name in names for name in own)
    if not is_there:
        what = f"has ID and EVID, as a table of events, and no column {lacking.upper()}; {hint}"
        raise DataError(header.place(header.line), f"{what}; `data.format: table` reads it as any other")


def _opened(loaded: LoadedConfig, given: Mapping[str, str]) -> Sheet:
    data = loaded.config.data
    names = [
        *(name for names in NAMES.values() for name in names),
        *TIME,
        *given.values(),
        *data.single_columns.values(),
    ]
    names += [name.upper() for name in names]
    return open_data(loaded, names)


def _given(data: DataSection) -> dict[str, str]:
    """Role -> column, where the config names it."""
    doses = {} if data.doses is None else dict(data.doses.columns)
    named = {
        "id": data.experiment,
        "time": data.time,
        "dv": data.value,
        "dvid": data.observable,
        "cens": data.censored if isinstance(data.censored, str) else None,
        "amt": doses.get("amount"),
        "rate": doses.get("rate"),
        "dur": doses.get("duration"),
        "ii": doses.get("every"),
        "cmt": doses.get("state"),
    }
    return {role: name for role, name in named.items() if name is not None}


def _wanted(loaded: LoadedConfig, given: Mapping[str, str], repeats: int) -> Wanted:
    config, states = loaded.config, _states(loaded)
    default = None if config.data.doses is None else config.data.doses.state
    if default is not None and default not in states:
        where = loaded.where("data", "doses", "state")
        raise ConfigError(where, f"'{clip(default)}' is no state; {suggest(default, states)}")
    own = {*states, *config.parameters, *config.data.inputs, *(config.model.observables or {})}
    if catalogue.is_known(config.model.name):
        own |= {*catalogue.entry(config.model.name).parameters}
    grouped = {section.by for section in config.parameters.values() if isinstance(section.by, str)}
    shown = {plot.x for plot in config.plots.values()} if isinstance(config.plots, Mapping) else set()
    named = named_in_formulas(loaded) - own - _only_in_noise(loaded)
    doses = config.data.doses
    given_spreads = {} if doses is None else {"rate": doses.rate, "duration": doses.duration}
    spreads = {kind: text for kind, text in given_spreads.items() if text is not None}
    from odefit.data.nonmem.dosing import Compartments

    compartments = Compartments(states, config.data.compartments, default, spreads)
    clock = replace(table_form(loaded).clock, unit=config.data.time_unit)  # the unit of II, too, which is hours
    form = unit_form(loaded)
    said = {"time": form.said[UNIT_OF_TIME]} if UNIT_OF_TIME in form.said else {}
    units = replace(form, said={**form.said, **said, **dose_units(loaded)})
    return Wanted(given, compartments, named | grouped | shown, named, repeats, units, clock)


def _states(loaded: LoadedConfig) -> Sequence[str]:
    """The states in the order of the model."""
    model = loaded.config.model
    entry = catalogue.entry(model.name) if catalogue.is_known(model.name) else None
    names = dict.fromkeys(() if entry is None else entry.equations)
    return list(names | dict.fromkeys([*(model.equations or {}), *(model.states or ())]))


def _only_in_noise(loaded: LoadedConfig) -> set[str]:
    """The names that stand in formulas of noise and in no other: a number for each row."""
    config = loaded.config
    each = [config.noise] if isinstance(config.noise, NoiseSection) else list(config.noise.values())
    in_noise = {n for s in each for t in (s.sigma, s.proportional, s.dispersion) if t for n in written_names(t)}
    quiet = replace(loaded, config=config.model_copy(update={"noise": NoiseSection()}))
    return in_noise - named_in_formulas(quiet)


def event_form(events: EventTable, form: TableForm) -> TableForm:
    """How the rows of measurements are read: what stands for no value, which column flags limits."""
    missing = replace(form.missing, words=form.missing.words | MISSING.words)
    flags = form.censored or events.name("cens")
    form = replace(form, missing=missing, censored=flags, observable=None, value=None)
    interval = form.interval or (events.name("limit") if flags else None)
    return replace(form, interval=interval, lloq=events.name("lloq"), counted=events.clock, unit="")


def event_columns(
    events: EventTable, observables: Sequence[str], columns: Mapping[str, str]
) -> tuple[dict[str, str], str | None, str | None]:
    """Which column or label is which observable.

    Parameters
    ----------
    events
        The table.
    observables
        Those of the model.
    columns
        What the config says.

    Returns
    -------
    columns, label, note
        Observable -> the column of values, or its label in the column `label`; and what was assumed, if anything.

    Raises
    ------
    DataError
        It is not clear which is which.
    """
    header = events.sheet.header
    role = "dvid" if len(events.labels.get("dvid", ())) > 1 or "cmt" not in events.roles.at else "cmt"
    labels = list(events.labels.get(role, ()))
    if len(observables) == 1 and (len(labels) < 2 or (role == "cmt" and not columns)):
        if len(labels) > 1:
            raise DataError(header.place(), _unclear(events, role, labels, observables))
        return {observables[0]: events.name("dv") or "DV"}, None, None
    names = {name: columns.get(name, name) for name in observables}
    if not columns and not set(labels) <= set(names.values()):
        numbered = [str(k + 1) for k in range(len(observables))]
        if role != "dvid" or sorted(labels) != numbered:
            raise DataError(header.place(), _unclear(events, role, labels, observables))
        names = dict(zip(observables, numbered, strict=True))
        said = ", ".join(f"{number} = {name}" for name, number in names.items())
        return names, events.name(role), f"{header.place()}: {events.name(role)} {said} (data.columns says otherwise)"
    return names, events.name(role), None


def _unclear(events: EventTable, role: str, labels: Sequence[str], observables: Sequence[str]) -> str:
    column = events.name(role) or role.upper()
    found = ", ".join(clip(label or "nothing") for label in labels[:8]) or "nothing"
    pairs = ", ".join(f"{name}: {label}" for name, label in zip(observables, labels, strict=False))
    what = f"measures {', '.join(observables[:8])}, and its column {column} says {found}"
    remedy = f"say which is which, `data.columns: {{{pairs or 'NAME: LABEL'}}}`, or which to leave out, `data.ignore`"
    return f"{what}; {remedy}"
