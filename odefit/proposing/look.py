"""What a file of measurements holds, as far as it can be seen: which column is the time, which were measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.clock import FIRST
from odefit.data.columns import find_columns
from odefit.data.csv_cells import MissingCells
from odefit.data.error_list import FaultList
from odefit.data.grid.arrangements import foreign_arrangement
from odefit.data.grid.whole import whole
from odefit.data.nonmem.roles import find_roles
from odefit.data.sheets import Sheet
from odefit.data.spreading import OBSERVABLE, VALUE, spread
from odefit.data.table_form import TableForm
from odefit.data.time_names import TIMES, is_called
from odefit.errors import DataError
from odefit.proposing.beside import Beside, side_by_side, times_in_headers
from odefit.proposing.cells import NUMERIC, errors_of, numbers_of, share_of_numbers
from odefit.proposing.constants import NO_CONSTANTS, Constants, constants_of, is_constant
from odefit.proposing.event_doses import NO_DOSES, EventDoses, doses_of
from odefit.proposing.limits import NO_LIMITS, FoundLimits, limit_columns, limits_of, strange_words
from odefit.proposing.opening import opened, read_cells
from odefit.proposing.reading import UNSAID, Reading
from odefit.proposing.remarks import remarks_of
from odefit.proposing.words import DOSES, ERRORS, OBSERVABLES, SENTINELS, SERIES, VALUES
from odefit.records import dataclass
from odefit.text import abridged, clip, show

NEARLY_A_YEAR = 300.0
"""Days."""


@dataclass(frozen=True)
class Look:
    """What was found in a file.

    Parameters
    ----------
    path, kind
        The file, and `wide`, `long`, `beside` or `events` (a table of NONMEM's).
    time, experiment
        Columns; None where nothing tells experiments apart.
    observable, value, sigmas
        Of a long file: the columns that say what was measured, and how much. Observable -> its column of errors.
    series
        What was measured -> times, values and numbers of experiments [N, 3], missing ones left out.
    first
        What was measured -> its first values, one for each experiment.
    experiments, rows
        Their number.
    beside
        How columns belong together, where they do.
    unused
        Column -> why nothing uses it.
    dose
        The largest amount of a dose; None where there are none.
    remarks
        Sentences on gaps, limits and the like.
    absent
        Numbers and words that seem to stand for no value.
    events
        The doses of a table of events.
    limits
        Columns of flags, and limits of detection.
    constants
        Columns that say something of each experiment.
    time_unit
        Of dates, where another than that of every file suits them better.
    """

    path: Path
    kind: str
    time: str
    experiment: str | None
    observable: str | None
    value: str | None
    sigmas: Mapping[str, str]
    series: Mapping[str, FloatArray]
    first: Mapping[str, FloatArray]
    experiments: int
    rows: int
    unused: Mapping[str, str]
    dose: float | None
    remarks: Sequence[str]
    beside: Beside | None = None
    absent: Sequence[int | str] = ()
    events: EventDoses = NO_DOSES
    limits: FoundLimits = NO_LIMITS
    constants: Constants = NO_CONSTANTS
    time_unit: str | None = None


def look_at(path: Path, reading: Reading = UNSAID) -> Look:
    """Look at a file of measurements.

    Parameters
    ----------
    path
        The file.
    reading
        What is known of how it is to be read.

    Raises
    ------
    DataError
        It cannot be read, or it cannot be seen which column holds the times.
    """
    form, time, experiment = reading.form, reading.time, reading.experiment
    if not reading.columns and not form.file.is_said and (what := foreign_arrangement(path, form.file)) is not None:
        raise DataError(show(path), what)
    sheet = opened(path, [name for name in (time, experiment, "time", "t", "TIME", "ID", "DV") if name], form.file)
    position = find_columns(sheet.header, FaultList(path))
    for given in (time, experiment, form.observable, form.value):
        if given is not None and given not in position:
            names = abridged(sheet.header.names, 12)
            raise DataError(sheet.header.place(), f"has no column '{clip(given)}'; its columns are {names}")
    time, experiment = time and position.spelled(time), experiment and position.spelled(experiment)
    looking = _Looking(sheet, time, experiment, form)
    absent = [] if form.missing.words else looking.absent()
    if absent:
        looking = _Looking(sheet, time, experiment, replace(form, missing=MissingCells.of(map(str, absent))))
    unit = looking.years() if form.clock.unit is None else None
    if unit:
        form = replace(looking.form, clock=replace(form.clock, unit=unit))
        looking = _Looking(sheet, time, experiment, form)
    if reading.columns:
        named = Beside(reading.columns, (), "columns that were named")
        look = looking.spread(named, None if named.are_times else looking.time(), experiment, {})
    else:
        look = looking.look()
    return replace(look, absent=absent, time_unit=unit)


class _Looking:
    """Takes the columns of a file one after the other for what they seem to be."""

    def __init__(
        self, sheet: Sheet, time: str | None, experiment: str | None, form: TableForm, beside: Beside | None = None
    ) -> None:
        self.sheet, self.form, self.beside = sheet, form, beside
        header, columns, self.clocks = read_cells(sheet, time, form)
        self.header, self.rows = header, len(columns.lines)
        self.labels = {header.names[index]: labels for index, labels in columns.labels.items()}
        self.numbers = {name: numbers_of(labels, form.missing) for name, labels in self.labels.items()}
        self.is_number = {
            name: share_of_numbers(labels, self.numbers[name], form.missing) >= NUMERIC
            for name, labels in self.labels.items()
        }
        self.given_time, self.given_experiment = time, experiment
        roles = find_roles(find_columns(header, FaultList(header.path)), {})
        self.roles = {role: header.names[at] for role, at in roles.at.items()} if roles.is_complete else {}

    def look(self) -> Look:
        names = list(self.labels)
        if self.roles and self.given_time is None:
            return self._events(self.roles)
        across = times_in_headers([name for name in names if self.is_number[name]])
        if across and not self.given_time and not any(is_called(n, TIMES) for n in names if n not in across.taken):
            return self.spread(across, None, self.given_experiment or self._place(across.taken), {})
        time = self.time()
        left = [name for name in names if name != time]
        observable, value = self._long(left)
        left = [name for name in left if name not in (observable, value)]
        experiment = self.given_experiment or (None if self.beside else self._experiment(left))
        left = [name for name in left if name != experiment]
        codes = self.labels[experiment].codes if experiment else np.zeros(self.rows, np.int64)
        bounded = limit_columns(self.labels, [name for name in (*left, value) if name and self.is_number[name]])
        left = [name for name in left if not any(name in found.values() for found in bounded)]
        errors = {*errors_of([name for name in left if self.is_number[name]]).values()}
        constants = constants_of(self.labels, self.numbers, [n for n in left if n not in errors], codes)
        if not observable and all(n in errors or n in constants.names for n in left if self.is_number[n]):
            constants = NO_CONSTANTS  # a row for each experiment
        left = [name for name in left if name not in constants.names]
        unused = self._unused(left, errors, experiment is not None, codes, observable is None)
        numbers = [name for name in left if name not in unused]
        if observable and value:
            sigma = next((n for n in numbers if re.fullmatch(ERRORS.format("(value)?"), n, re.I)), None)
            unused |= dict.fromkeys((n for n in numbers if n != sigma), "")
            parts = self.labels[observable]
            series = {
                label: (self.numbers[value], np.flatnonzero(parts.codes == k)) for k, label in enumerate(parts.names)
            }
            sigmas = {"": sigma} if sigma else {}
        else:
            sigmas = errors_of(numbers)
            numbers = [name for name in numbers if name not in sigmas.values()]
            beside = side_by_side({name: self.numbers[name] for name in numbers if name not in sigmas})
            if beside is not None:
                return self.spread(beside, time, experiment, unused)
            series = {name: (self.numbers[name], np.arange(self.rows)) for name in numbers}
        kind = "beside" if self.beside else "long" if observable else "wide"
        if series and not self.beside and all(is_called(n, f"{DOSES}|{SERIES}") for n in series):
            what = "holds doses, and no measurements; `data.doses` of a config names such a table"
            raise DataError(self.header.place(), f"{what}: `odefit init` wants the file of the measurements")
        look = self._found(kind, time, experiment, series, observable, value, sigmas, unused, codes)
        measured = {name: (value or name, rows) for name, (_, rows) in series.items() if name in look.series}
        limits = limits_of(self.labels, self.numbers, measured, bounded)
        return replace(look, limits=limits, constants=constants, dose=constants.largest)

    def _unused(
        self, left: Sequence[str], errors: Collection[str], has_experiments: bool, codes: IntArray, is_wide: bool
    ) -> dict[str, str]:
        """Columns that measure nothing, and why. errors: columns of errors, which may be the same throughout."""
        unused = {name: "no numbers" for name in left if not self.is_number[name]}

        def add(chosen: Callable[[str], bool], why: str) -> None:
            """What is chosen, unless nothing would be left to be measured."""
            numbers = [name for name in left if name not in unused]
            names = [name for name in numbers if name not in errors and chosen(name)]
            if len(names) < len(numbers):
                unused.update(dict.fromkeys(names, why))

        if has_experiments and is_wide and len(set(codes.tolist())) > 1:
            what = "the same throughout an experiment: a table of experiments holds such"
            add(lambda name: len(self.labels[name].names) > 1 and is_constant(self.labels[name].codes, codes), what)
        if has_experiments:
            add(self._is_label, "tells replicates or the like apart, and measures nothing")
        add(lambda name: len(self.labels[name].names) == 1, "the same throughout the file")
        return unused

    def absent(self) -> list[int | str]:
        """Numbers and words that seem to stand for no value."""
        if self.roles:
            return [*self.sentinels()]
        names = {self.given_experiment, *(n for n in self.labels if is_called(n, f"{SERIES}|{OBSERVABLES}"))}
        return [*self.sentinels(), *strange_words({n: labels for n, labels in self.labels.items() if n not in names})]

    def years(self) -> str | None:
        """`year`, for dates that are as far apart."""
        for name in self.clocks:
            times = np.unique(self.numbers[name][np.isfinite(self.numbers[name])])
            if len(times) > 2 and float(np.median(np.diff(times))) >= NEARLY_A_YEAR:
                return "year"
        return None

    def sentinels(self) -> list[int]:
        """Numbers such as -999 among others that are positive."""
        found = set[int]()
        for name, is_number in self.is_number.items():
            values = self.numbers[name][np.isfinite(self.numbers[name])] if is_number else np.empty(0)
            odd = np.isin(values, SENTINELS)
            if 0 < odd.sum() <= len(values) / 2 and (values[~odd] >= 0).all() and not is_called(name, TIMES):
                found |= {int(value) for value in values[odd]}
        return sorted(found)

    def spread(self, beside: Beside, time: str | None, experiment: str | None, unused: Mapping[str, str]) -> Look:
        """The look at the long table that the columns make. time, experiment: the columns that hold these."""
        left = [name for name in self.labels if name not in beside.taken and name not in (time, experiment)]
        left = left if beside.taken else []
        columns = {name: [text] if isinstance(text, str) else list(text) for name, text in beside.columns.items()}
        table = spread(whole(self.sheet, "has experiments side by side"), columns, time, experiment, left)
        names = table.grid.header.names
        own = names[1] if names[1] != OBSERVABLE else None
        form = replace(self.form, observable=OBSERVABLE, value=VALUE)
        look = _Looking(table.grid, names[0], own, form, beside).look()
        others = {name: unused.get(name, "") for name in left if name in names}
        return replace(look, time=time or names[0], experiment=experiment, rows=self.rows, unused=others)

    def _long(self, left: Sequence[str]) -> tuple[str | None, str | None]:
        """The columns that say what was measured, and how much, of a file with a row for each measurement."""
        observable = self.form.observable
        observable = observable or next((n for n in left if is_called(n, OBSERVABLES) and not self.is_number[n]), None)
        if observable is None:
            return None, None
        value = self.form.value or next((n for n in left if is_called(n, VALUES) and self.is_number[n]), None)
        value = value or self._only_value(left)
        return (observable, value) if value else (None, None)

    def _only_value(self, left: Sequence[str]) -> str | None:
        """The column of measurements, where all others of numbers are something else; None where several may be.

        Without a column of experiments, names may just as well be those: of strains, or of people.
        """
        series = self.given_experiment or self._experiment([n for n in left if is_called(n, SERIES)])
        if series is None:
            return None
        numbers = [n for n in left if self.is_number[n] and n != series and not is_called(n, f"{SERIES}|{DOSES}")]
        others = {name for found in limit_columns(self.labels, numbers) for name in found.values()}
        others |= {*errors_of(numbers).values()}
        # a temperature, a concentration at the start
        others |= {n for n in numbers if is_constant(self.labels[n].codes, self.labels[series].codes)}
        values = [n for n in numbers if n not in others and not re.fullmatch(ERRORS.format("()"), n, re.I)]
        return values[0] if len(values) == 1 else None

    def _place(self, times: Sequence[str]) -> str | None:
        """The column that names what each row measures, of a table with a column for each time."""
        names = [
            n for n in self.labels if n not in times and self._is_full(n) and len(self.labels[n].names) == self.rows
        ]
        return next((name for name in names if not self.is_number[name]), names[0] if names else None)

    def _found(
        self,
        kind: str,
        time: str,
        experiment: str | None,
        series: Mapping[str, tuple[FloatArray, IntArray]],
        observable: str | None,
        value: str | None,
        sigmas: Mapping[str, str],
        unused: Mapping[str, str],
        codes: IntArray,
        dose: float | None = None,
    ) -> Look:
        times = self.numbers[time]
        if self.form.clock.zero == FIRST:
            for code in set(codes.tolist()):
                times = np.where(codes == code, times - np.nanmin(times[codes == code]), times)
        pairs, first = {}, {}
        for name, (values, rows) in series.items():
            rows = rows[np.isfinite(values[rows]) & np.isfinite(times[rows])]
            if len(rows):
                rows = rows[np.lexsort((times[rows], codes[rows]))]
                pairs[name] = np.column_stack([times[rows], values[rows], codes[rows]])
                first[name] = values[rows[np.unique(codes[rows], return_index=True)[1]]]
        if not pairs:
            raise DataError(self.header.place(), "has no measurements beside the times: no other column holds numbers")
        count = len(set(codes.tolist()))
        sigmas = {name: column for name, column in sigmas.items() if not name or name in pairs}
        remarks = remarks_of(self.labels, series, times, experiment is None and self.beside is None)
        return Look(
            *(self.header.path, kind, time, experiment, observable, value, sigmas, pairs, first),
            *(count, self.rows, unused, dose, remarks, self.beside),
        )

    def time(self) -> str:
        """The column of the times. Raises DataError."""
        if self.given_time:
            return self.given_time
        names = list(self.labels)
        named = [name for name in names if is_called(name, TIMES) and self.is_number[name]]
        named = named or [name for name in names if name in self.clocks]
        best = [name for name in named if name.casefold() in ("time", "t")] or named
        if best:
            return best[0]
        numbers = [name for name in names if self.is_number[name] and not is_called(name, SERIES)]
        rising = [name for name in numbers if np.nanmin(np.diff(self.numbers[name]), initial=1.0) >= 0]
        if rising:
            return rising[0]
        what = "cannot see which column holds the times: none is called so, and no column of numbers rises"
        here = f"say `--time COLUMN`: {abridged(names, 12)}"
        if any(is_called(n, SERIES) and len(self.labels[n].names) == self.rows for n in names):
            here += "; a table of constants of experiments goes under `data.experiments`"
        raise DataError(self.header.place(), f"{what}; {here}")

    def _experiment(self, left: Sequence[str]) -> str | None:
        several = [name for name in left if 1 < len(self.labels[name].names) < self.rows and self._is_full(name)]
        named = [name for name in several if is_called(name, SERIES)]
        if named:  # the first word of SERIES that fits says more than the order of the columns
            words = SERIES.split("|")
            best = min(named, key=lambda n: next(k for k, word in enumerate([*words, ".*"]) if is_called(n, word)))
            # Of cultures and the strain that each is of, the cultures.
            finer = [n for n in named if n != best and is_constant(self.labels[best].codes, self.labels[n].codes)]
            return max(finer, key=lambda n: len(self.labels[n].names), default=best)
        texts = [name for name in several if not self.is_number[name]]
        return max(texts, key=lambda name: len(self.labels[name].names), default=None)

    def _is_full(self, name: str) -> bool:
        """Whether all cells say something: remarks on some rows tell no experiments apart."""
        return all(label.strip() for label in self.labels[name].names)

    def _is_label(self, name: str) -> bool:
        """Whether a column of numbers counts what it is called after: replicates, plates, subjects."""
        values = self.numbers[name]
        again = 1 < len(self.labels[name].names) < self.rows
        return again and is_called(name, SERIES) and bool((values == np.round(values)).all())

    def _events(self, names: Mapping[str, str]) -> Look:
        """A table of NONMEM's: what odefit reads of it by itself."""
        dv, codes = names["dv"], self.labels[names["id"]].codes
        zeros = np.zeros(self.rows)
        amounts = np.nan_to_num(self.numbers[names["amt"]]) if "amt" in names else zeros
        kinds = np.nan_to_num(self.numbers[names["evid"]]) if "evid" in names else (amounts != 0).astype(float)
        hidden = np.nan_to_num(self.numbers[names["mdv"]]) if "mdv" in names else zeros
        rows = np.flatnonzero((kinds == 0) & (hidden == 0))
        series = {dv: (self.numbers[dv], rows)}
        label = names.get("dvid")
        if label and len(self.labels[label].names) > 1:
            parts = self.labels[label]
            series = {
                f"{dv} {name}": (self.numbers[dv], rows[parts.codes[rows] == k]) for k, name in enumerate(parts.names)
            }
        dose = float(amounts.max(initial=0.0)) or None
        look = self._found("events", names["time"], names["id"], series, label, dv, {}, {}, codes, dose)
        others = [name for name in self.labels if name not in names.values()]
        constants = replace(constants_of(self.labels, self.numbers, others, codes), dose=None)
        events = doses_of(self.labels, self.numbers, names, kinds)
        if "lloq" in names or len(series) > 1:
            return replace(look, events=events, constants=constants)
        flags = {dv: names["cens"]} if "cens" in names else {}
        limits = replace(limits_of(self.labels, self.numbers, {dv: (dv, rows)}, (flags, {})), flags={})
        return replace(look, events=events, constants=constants, limits=limits)
