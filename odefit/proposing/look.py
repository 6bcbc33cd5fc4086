"""What a file of measurements holds, as far as it can be seen: which column is the time, which were measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.clock import ClockForm, on_clock
from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.csv_cells import SIGNS, decimal_comma, parse_number
from odefit.data.error_list import FaultList
from odefit.data.grid.opening import open_table
from odefit.data.labels import Labels
from odefit.data.nonmem.roles import find_roles
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import abridged, clip, counted

TIMES = (
    r"time|t|zeit|temps|tiempo|tempo|(time|t)[ _.\-(\[].*|.*[ _.]time|hours?|hrs?|h|days?|d|minutes?|mins?"
    r"|seconds?|secs?|s|weeks?|months?|years?|yr|date([ _.]?time)?|datum|timestamp"
)
SERIES = (
    r"experiment|exp|id|subj(ect)?|patient|animal|individual|sample|series|run|batch|plate|well|strain|group|condition"
    r"|treatment|culture|vessel|reactor|(.*_)?id|replicate|rep"
)
OBSERVABLES, VALUES = (
    r"observable|name|variable|parameter|analyte|species|measure|quantity|what",
    r"value|measurement|val|dv|conc(entration)?|result|y",
)
ERRORS = r"{0}[ _.\-]*(sd|se|sem|std|stdev|sigma|err|error)|(sd|se|std|sigma|err)[ _.\-]*{0}"
UNIT = re.compile(r"\s*[\[(][^\[\]()]*[\])]\s*$")
MISSING = ("", ".", "na", "nan", "n/a", "nd", "null", "-")
NUMERIC = 0.8
"""The share of a column's filled cells that hold numbers, if it is one of numbers."""


@dataclass(frozen=True)
class Look:
    """What was found in a file.

    Parameters
    ----------
    path, kind
        The file, and `wide`, `long` or `events` (a table of NONMEM's).
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
    unused
        Column -> why nothing uses it.
    dose
        The largest amount of a dose; None where there are none.
    compartments
        Of a table of events, the labels of CMT.
    remarks
        Sentences on gaps, limits and the like.
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
    compartments: Sequence[str]
    remarks: Sequence[str]


def look_at(path: Path, time: str | None = None, experiment: str | None = None) -> Look:
    """Look at a file of measurements.

    Parameters
    ----------
    path
        The file.
    time, experiment
        Columns, where they are known.

    Raises
    ------
    DataError
        It cannot be read, or it cannot be seen which column holds the times.
    """
    sheet = open_table(path, [name for name in (time, experiment, "time", "t", "TIME", "ID", "DV") if name])
    for index, name in enumerate(sheet.header.names):
        if name == time or (time is None and _is(name, TIMES)):
            sheet, _, _ = on_clock(sheet, index, None, ClockForm())  # dates become numbers, as in a fit
    header, faults = sheet.header, FaultList(path)
    position = find_columns(header, faults)
    everything = [index for index, name in enumerate(header.names) if name]
    columns = sheet.read(Request((), everything, required={everything[0]: ""}, blank=everything), faults)
    faults.check()
    for given in (time, experiment):
        if given is not None and given not in position:
            raise DataError(
                header.place(), f"has no column '{clip(given)}'; its columns are {abridged(header.names, 12)}"
            )
    return _Looking(
        header, columns, time and position.spelled(time), experiment and position.spelled(experiment)
    ).look()


class _Looking:
    """Takes the columns of a file one after the other for what they seem to be."""

    def __init__(self, header: Header, columns: Columns, time: str | None, experiment: str | None) -> None:
        self.header, self.rows = header, len(columns.lines)
        self.labels = {header.names[index]: labels for index, labels in columns.labels.items()}
        self.numbers = {name: _numbers(labels) for name, labels in self.labels.items()}
        self.is_number = {name: _share(labels, self.numbers[name]) >= NUMERIC for name, labels in self.labels.items()}
        self.given_time, self.given_experiment = time, experiment

    def look(self) -> Look:
        names = list(self.labels)
        roles = find_roles(find_columns(self.header, FaultList(self.header.path)), {})
        if roles.is_complete and self.given_time is None:
            return self._events({role: self.header.names[at] for role, at in roles.at.items()})
        time = self.given_time or self._time(names)
        left = [name for name in names if name != time]
        observable = next((n for n in left if _is(n, OBSERVABLES) and not self.is_number[n]), None)
        value = next((n for n in left if _is(n, VALUES) and self.is_number[n]), None) if observable else None
        observable = observable if value else None
        left = [name for name in left if name not in (observable, value)]
        experiment = self.given_experiment or self._experiment(left)
        left = [name for name in left if name != experiment]
        codes = self.labels[experiment].codes if experiment else np.zeros(self.rows, np.int64)
        unused = {name: "no numbers" for name in left if not self.is_number[name]}
        numbers = [name for name in left if name not in unused]
        errors = {*self._sigmas(numbers).values()}  # they may be the same throughout
        if observable is None and experiment and len(set(codes.tolist())) > 1:
            constant = [name for name in numbers if name not in errors and self._is_constant(name, codes)]
            if len(constant) < len(numbers):
                unused |= dict.fromkeys(
                    constant, "the same throughout an experiment: a table of experiments holds such"
                )
        known = errors.union(unused)
        still = [name for name in numbers if name not in known and len(self.labels[name].names) == 1]
        if len(still) < len(numbers) - len(unused):
            unused |= dict.fromkeys(still, "the same throughout the file")
        numbers = [name for name in numbers if name not in unused]
        if observable and value:
            sigma = next((n for n in numbers if re.fullmatch(ERRORS.format("(value)?"), n, re.I)), None)
            unused |= dict.fromkeys((n for n in numbers if n != sigma), "")
            parts = self.labels[observable]
            series = {
                label: (self.numbers[value], np.flatnonzero(parts.codes == k)) for k, label in enumerate(parts.names)
            }
            sigmas = {"": sigma} if sigma else {}
        else:
            sigmas = self._sigmas(numbers)
            numbers = [name for name in numbers if name not in sigmas.values()]
            series = {name: (self.numbers[name], np.arange(self.rows)) for name in numbers}
        return self._found(
            "long" if observable else "wide", time, experiment, series, observable, value, sigmas, unused, codes
        )

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
        compartments: Sequence[str] = (),
    ) -> Look:
        times = self.numbers[time]
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
        remarks = self._remarks(series, times, experiment)
        return Look(
            *(self.header.path, kind, time, experiment, observable, value, sigmas, pairs, first),
            *(count, self.rows, unused, dose, compartments, remarks),
        )

    def _time(self, names: Sequence[str]) -> str:
        named = [name for name in names if _is(name, TIMES) and self.is_number[name]]
        best = [name for name in named if name.casefold() in ("time", "t")] or named
        if best:
            return best[0]
        rising = [n for n in names if self.is_number[n] and np.nanmin(np.diff(self.numbers[n]), initial=1.0) >= 0]
        if rising:
            return rising[0]
        what = "cannot see which column holds the times: none is called so, and no column of numbers rises"
        raise DataError(self.header.place(), f"{what}; say `--time COLUMN`: {abridged(list(names), 12)}")

    def _experiment(self, left: Sequence[str]) -> str | None:
        several = [name for name in left if 1 < len(self.labels[name].names) < self.rows and self._is_full(name)]
        named = [name for name in several if _is(name, SERIES)]
        if named:  # the first word of SERIES that fits says more than the order of the columns
            words = SERIES.split("|")
            return min(named, key=lambda n: next(k for k, word in enumerate([*words, ".*"]) if _is(n, word)))
        texts = [name for name in several if not self.is_number[name]]
        return max(texts, key=lambda name: len(self.labels[name].names), default=None)

    def _is_full(self, name: str) -> bool:
        """Whether all cells say something: remarks on some rows tell no experiments apart."""
        return all(label.strip() for label in self.labels[name].names)

    def _is_constant(self, name: str, codes: IntArray) -> bool:
        pairs = {(code, own) for code, own in zip(codes.tolist(), self.labels[name].codes.tolist(), strict=True)}
        return len(pairs) == len(set(codes.tolist())) and len(self.labels[name].names) > 1

    def _sigmas(self, numbers: Sequence[str]) -> dict[str, str]:
        found = {}
        for name in numbers:
            pattern = ERRORS.format(re.escape(_bare(name)))
            others = (other for other in numbers if other != name)
            match = next((other for other in others if re.fullmatch(pattern, _bare(other), re.I)), None)
            if match is not None:
                found[name] = match
        return found

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
        compartments = self.labels[names["cmt"]].names if "cmt" in names else ()
        dose = float(amounts.max(initial=0.0)) or None
        return self._found(
            *("events", names["time"], names["id"], series, label, dv, {}, {}, codes), dose, tuple(compartments)
        )

    def _remarks(
        self,
        series: Mapping[str, tuple[FloatArray, IntArray]],
        times: FloatArray,
        experiment: str | None,
    ) -> list[str]:
        remarks = []
        for name, (values, rows) in series.items():
            column = self.labels.get(name)
            empty = int(np.isnan(values[rows]).sum())
            limits = 0 if column is None else _limits(column)
            if limits:
                remarks.append(f"{name}: {counted(limits, 'value')} known only to lie below or above a limit")
            if empty - limits > 0:
                remarks.append(f"{name}: {counted(empty - limits, 'empty cell')}")
        if experiment is None and (np.diff(times) < 0).any():
            what = "the times go back, and no column tells experiments apart: times that come again are replicates"
            remarks.append(f"{what}; say `--experiment COLUMN` if one does")
        return remarks


def _is(name: str, pattern: str) -> bool:
    return any(re.fullmatch(pattern, each.strip(), re.IGNORECASE) for each in (name, _bare(name)))


def _bare(name: str) -> str:
    """A column's name without the unit in brackets behind it."""
    return UNIT.sub("", name) or name


def _number(text: str) -> float:
    if text.casefold() in MISSING or text[:1] in SIGNS:
        return np.nan
    value = parse_number(decimal_comma(text) or text)
    return np.nan if value is None or np.isinf(value) else value


def _numbers(labels: Labels) -> FloatArray:
    """The numbers of a column [R], NaN where a cell holds none."""
    return np.array([_number(name) for name in labels.names] or [np.nan])[labels.codes]


def _limits(labels: Labels) -> int:
    """How many cells say `<0.5` or `>100`."""
    limits = [k for k, name in enumerate(labels.names) if name[:1] in SIGNS and name[:1]]
    return int(np.isin(labels.codes, limits).sum())


def _share(labels: Labels, numbers: FloatArray) -> float:
    """The share of the filled cells that are numbers, or limits."""
    filled = [k for k, name in enumerate(labels.names) if name.casefold() not in MISSING]
    count = int(np.isin(labels.codes, filled).sum())
    return (int(np.isfinite(numbers).sum()) + _limits(labels)) / count if count else 0.0
