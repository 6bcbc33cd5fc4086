"""Which column of a table of measurements is what.

What is wide, long and a replicate is told in `odefit.data.tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from odefit.data.columns import Header, Positions, find_columns
from odefit.data.covariates import CovariateUse, covariate_columns
from odefit.data.error_list import FaultList
from odefit.data.side_column import AT_JUMP
from odefit.data.table_form import PLAIN, TableForm
from odefit.data.time_names import suggest_time
from odefit.data.unit_words import split_unit
from odefit.records import dataclass
from odefit.text import clip, suggest

TIME = ("time", "t")
OBSERVABLE = ("observable", "name")
"""The names of the columns of times and of observables, where a config names none."""
UNIT_COLUMNS = ("unit", "units", "uom", "dvunit", "dv_unit", "valueunit", "value_unit", "einheit")
"""What a column that says the unit of each row may be called, whatever the case."""
ONLY = "1"
"""The name of the experiment of a file that names none."""


def usual_time(position: Positions) -> str:
    """The time column where none is named; a `T` is a temperature as often."""
    has_t = any(split_unit(name)[0] == TIME[1] for name in position)
    return TIME[1] if TIME[0] not in position and has_t else TIME[0]


@dataclass(frozen=True)
class Layout:
    """Positions in the header. Wide: a value (and sigma) column per observable. Long: one for all.

    flags: the columns that say which values are limits, as `values`.
    intervals: the columns of the other ends of intervals, as `values`.
    lloq: the column of limits of a table of events.
    covariates: name -> its column for each observable, None where that one has no use for it.
    clock: the columns of dates and of times of day that stand for the time, where these are two.
    unit: the column that says the unit of each row.
    """

    time: int
    experiment: int | None
    observable: int | None
    values: tuple[int, ...]
    sigmas: tuple[int | None, ...]
    side: int | None = None
    flags: tuple[int | None, ...] = ()
    intervals: tuple[int | None, ...] = ()
    lloq: int | None = None
    covariates: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    clock: tuple[int, ...] = ()
    unit: int | None = None

    @property
    def measured(self) -> list[int]:
        """The columns of times, measurements and their sigmas."""
        return [self.time, *self.values, *(index for index in self.sigmas if index is not None)]

    @property
    def numbers(self) -> list[int]:
        """The columns of numbers, each once."""
        lloq = () if self.lloq is None else (self.lloq,)
        return list(dict.fromkeys([*self.measured, *lloq, *self.beside]))

    @property
    def beside(self) -> list[int]:
        """The columns of covariates."""
        return [index for columns in self.covariates.values() for index in columns if index is not None]

    @property
    def labels(self) -> list[int]:
        """The columns of names."""
        return [index for index in (self.experiment, self.observable) if index is not None] + self.blank

    @property
    def blank(self) -> list[int]:
        """The columns of names whose cells may be empty."""
        return list(
            dict.fromkeys(index for index in (self.side, self.unit, *self.intervals, *self.flags) if index is not None)
        )

    @property
    def used(self) -> set[int]:
        """All columns that are read."""
        return {*self.numbers, *self.labels, *self.clock}


def find_layout(
    header: Header,
    names: Mapping[str, str],
    time: str | None,
    experiment: str | None,
    faults: FaultList,
    *,
    chosen: bool = True,
    use: CovariateUse,
    form: TableForm = PLAIN,
) -> Layout:
    """Which column is what. names: observable -> column. After a fault, the layout is of no use.

    chosen: whether somebody chose these observables; else they are the states, all of them.
    use: what noise formulas may name.
    form: what else the config says of the columns.
    """
    line, position = header.line, find_columns(header, faults)
    finder = _Finder(header, position, names, form, faults)
    if time is None:
        time = usual_time(position)
    if time in position:
        time_at = position[time]
    else:
        hint = suggest_time(time, [n for n in position if n not in names.values()], "data: {{time: {}}}")
        faults.add(line, "", f"no column '{clip(time)}' for the time; {hint} (data.time names the time column)")
        time_at = 0
    if experiment is None and "experiment" in position and "experiment" not in names.values():
        experiment = "experiment"
    experiment_at = None
    if experiment is not None:
        experiment_at = finder.find(experiment, "the experiment", "data.experiment names that column")
    label = finder.label()
    if label is not None:
        value = finder.find(form.value or "value", "the measurements", "data.value names that column")
        layout = Layout(
            time_at, experiment_at, position[label], (value,), finder.sigmas(True), flags=finder.flags(True)
        )
    else:
        values = finder.values(chosen)
        layout = Layout(time_at, experiment_at, None, values, finder.sigmas(False), flags=finder.flags(False))
    if AT_JUMP in position and AT_JUMP not in (time, experiment, *names.values()):
        layout = replace(layout, side=position[AT_JUMP])
    layout = replace(layout, unit=finder.unit(layout.observable is not None or len(names) == 1))
    intervals = finder.intervals(layout.observable is not None)
    layout = replace(layout, intervals=intervals, lloq=position.get(form.lloq or ""))
    if not faults.count:
        used = [*layout.measured, *layout.labels]
        for index in sorted({index for index in used if used.count(index) > 1}):
            faults.add(line, header.names[index], "two roles ask for this column; each needs its own")
    is_long = layout.observable is not None
    use.check_names(list(position), [header.names[time_at], *(() if is_long else names.values())], line, faults)
    return replace(layout, covariates=covariate_columns(use, names, position, is_long))


@dataclass(frozen=True)
class _Finder:
    """Finds columns by their names, and tells of those that are not there. names: observable -> column."""

    header: Header
    position: Positions
    names: Mapping[str, str]
    form: TableForm
    faults: FaultList

    def find(self, name: str, role: str, remedy: str) -> int:
        """The position of a column; a fault, and 0, where there is none of this name."""
        if name not in self.position:
            what = f"no column '{clip(name)}' for {role}; {suggest(name, self.position)} ({remedy})"
            self.faults.add(self.header.line, "", what)
        found: int = self.position.get(name, 0)
        return found

    def label(self) -> str | None:
        """The column that says what a row measures; None for a wide file."""
        given, value = self.form.observable, self.form.value
        if given is not None:
            self.find(given, "the observables", "data.observable names the column that says what a row measures")
            return given if given in self.position else None
        label = next((name for name in OBSERVABLE if name in self.position), None)
        is_wide = all(name in self.position for name in self.names.values())
        if label is not None and (value or "value") in self.position and (value is not None or not is_wide):
            return label
        if value is not None and len(self.names) > 1:
            what = "data.value names one column for several observables, and no column says which row measures which"
            self.faults.add(self.header.line, "", f"{what}; name it (data.observable), or use data.columns")
        return None

    def values(self, chosen: bool) -> tuple[int, ...]:
        """The columns of the observables of a wide file."""
        header, position, names = self.header, self.position, dict(self.names)
        if self.form.value is not None and len(names) == 1:
            names = dict.fromkeys(names, self.form.value)
        missing = [name for name, column in names.items() if column not in position]
        found = [name for name in names if name not in missing]
        if chosen or not found:
            remedy = "or leave it out of model.observables" if chosen else "model.observables names what was measured"
            for name in missing:
                what = f"no column '{clip(names[name])}' for the observable {name}; {suggest(names[name], position)}"
                self.faults.add(header.line, "", f"{what} (data.columns renames; {remedy})")
        elif missing:
            self.faults.add(header.line, "", _states_without(missing, found, names, position))
        return tuple(position.get(column, 0) for column in names.values())

    def sigmas(self, is_long: bool) -> tuple[int | None, ...]:
        """The columns `<column>_sigma` or `<observable>_sigma`, unless an observable itself is called so.

        A long file has one column, `sigma`, for all.
        """
        named = self._named("sigma", is_long)
        if named is not None:
            return named
        if is_long:
            return (self.position.get("sigma"),)
        found = []
        for name, column in self.names.items():
            candidates = [c for c in (f"{column}_sigma", f"{name}_sigma") if c not in self.names.values()]
            found.append(next((self.position[c] for c in candidates if c in self.position), None))
        return tuple(found)

    def flags(self, is_long: bool) -> tuple[int | None, ...]:
        """The columns that flag values as limits; there are such only where the config names them."""
        return self._named("censored", is_long) or ()

    def unit(self, may_be: bool) -> int | None:
        """The column of units; may_be: whether one for all values is clear."""
        given = self.form.unit
        if given is None:
            taken = {self.form.observable, self.form.value, *self.names.values()}
            taken |= {*self.form.clock.unused}
            found = [name for name in self.position if name.casefold() in UNIT_COLUMNS and name not in taken]
            return self.position[found[0]] if may_be and len(found) == 1 else None
        if given and not may_be:
            what = f"data.unit: '{clip(given)}' is one column of units for several observables; `data.units` says each"
            self.faults.add(self.header.line, "", what)
        return self.find(given, "the units", "data.unit names that column") if given else None

    def intervals(self, is_long: bool) -> tuple[int | None, ...]:
        """The columns of the other ends of intervals."""
        return self._named("interval", is_long) or ()

    def _named(self, key: str, is_long: bool) -> tuple[int | None, ...] | None:
        """The columns that `data.sigma`, `data.censored` or `data.interval` names, as those of the values."""
        given = getattr(self.form, key)
        if given is None:
            return None
        if isinstance(given, str):
            at = self.find(given, f"data.{key}", "it names a column")
            if not is_long and len(self.names) > 1:
                what = f"data.{key} names one column for several observables; write one for each, `{key}: {{x: …}}`"
                self.faults.add(0, "", what)
            return (at,) if is_long else (at,) * len(self.names)
        for name in given.keys() - self.names.keys():
            self.faults.add(0, "", f"data.{key}: '{clip(name)}' is no observable; {suggest(name, self.names)}")
        found = {name: self.find(column, f"data.{key}.{name}", "it names a column") for name, column in given.items()}
        if not is_long:
            return tuple(found.get(name) for name in self.names)
        if len(set(found.values())) > 1:
            self.faults.add(0, "", f"data.{key}: a long file has one column for all; write `{key}: COLUMN`")
        return tuple(dict.fromkeys(found.values()))[:1]


def _states_without(missing: list[str], found: list[str], names: Mapping[str, str], position: Positions) -> str:
    """Every state is an observable unless somebody says which are: then these lack one cause, not a column each."""
    columns = ", ".join(f"'{clip(names[name])}'" for name in missing[:5]) + ", …" * (len(missing) > 5)
    what = f"no column {columns} for the state{'s' * (len(missing) > 1)}; {suggest(names[missing[0]], position)}"
    pairs = ", ".join(f"{name}: {name}" for name in found[:5]) + ", …" * (len(found) > 5)
    measured = f"{', '.join(found[:5])}{', …' * (len(found) > 5)} {'is' if len(found) == 1 else 'are'} measured"
    remedy = f"if only {measured}, write `observables: {{{pairs}}}` under model"
    return f"{what} (data.columns renames); {remedy}"
