"""The table of experiments: what is special about each of them, in numbers, formulas and words.

One row per experiment,

    experiment, temperature, genotype [, start] [, x_0]

A column of numbers gives each experiment a constant that formulas may name (also an initial value, `x_0`). Where a
formula names the column, a cell may also be a formula itself, of parameters and of other constants of its experiment.
Any other column of words holds labels, to group experiments by. `start` is where the integration of an experiment
starts; an empty cell there leaves it where it was. `steady_state` (yes or no) says which experiments came to rest
before, where the model has a steady state (rest_column.py). Replicates (`A#2`) take the row of their experiment
(`A`), unless they have a row of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.csv_cells import MISSING, decimal_comma, parse_number
from odefit.data.error_list import FaultList, PlacedFaults
from odefit.data.grid.opening import open_table
from odefit.data.rest_column import STEADY_STATE, read_rests
from odefit.data.table_units import Converter, check_said
from odefit.data.unit_form import NO_UNITS, UnitForm
from odefit.data.unit_form import TIME as UNIT_OF_TIME
from odefit.data.unit_words import split_unit
from odefit.data.units import UnitFault, conversion
from odefit.model.tokens import written_names
from odefit.records import dataclass
from odefit.text import clip, suggest

START = "start"
"""The column that says when an integration starts."""
MAX_CELLS = 10_000_000
"""The most cells of the table."""
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]{0,127}")
_RESERVED = {
    "t": "is the time",
    "experiment": "is what a row stands for",
    **dict.fromkeys(("and", "or", "not"), "is a word of the formula language"),
}

Where = Callable[..., str]
TableColumns = Mapping[str, tuple[str, ...]]
"""Columns that formulas may name, each with the different formulas in its cells."""
Grid = dict[str, dict[str, float | str]]
"""column -> experiment -> what its cell holds, without the empty ones"""
Tell = Callable[[str | None, str, str], None]
"""Takes the fault of a cell: its experiment (None: of the column as a whole), its column, what is wrong."""


@dataclass(frozen=True)
class Conditions:
    """What the table says. experiments: those that have a row, in its order.

    constants: column -> experiment -> number; labels: column -> experiment -> word; starts: experiment -> time;
    rests: experiment -> whether it came to rest before its start; formulas: column -> experiment -> formula, of the
    columns that `constants` has.
    An empty cell is missing from the inner mapping; a column without any filled cell is in neither.
    notes: how it was read, a sentence each.
    beside: the columns that stand in the file of measurements itself.
    where: the place of a row, `where("A")`, or of one of its cells, `where("A", "dose")`, for faults.
    as_measured: the experiments whose start is in the unit of the measurements' times, since the table says no unit.
    """

    experiments: tuple[str, ...]
    constants: Mapping[str, Mapping[str, float]]
    labels: Mapping[str, Mapping[str, str]]
    starts: Mapping[str, float]
    where: Where = field(compare=False, repr=False)
    rests: Mapping[str, bool] = field(default_factory=dict)
    formulas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    as_measured: frozenset[str] = field(default=frozenset(), compare=False)
    beside: frozenset[str] = frozenset()

    @property
    def columns(self) -> TableColumns:
        """The columns that formulas may name, each with the different formulas in its cells."""
        return {name: tuple(dict.fromkeys(self.formulas.get(name, {}).values())) for name in self.constants}

    def with_others(self, other: Conditions) -> Conditions:
        """With the columns, experiments and starts of another table, where this one does not have them."""
        ours = {*self.constants, *self.labels}

        def where(experiment: str = "", column: str = "") -> str:
            its = column not in ours and column in {*other.constants, *other.labels}
            return (other if its or (experiment not in self.experiments and not column) else self).where(
                experiment, column
            )

        return Conditions(
            tuple(dict.fromkeys((*self.experiments, *other.experiments))),
            {**other.constants, **self.constants},
            {**other.labels, **self.labels},
            {**other.starts, **self.starts},
            where,
            self.rests,
            {**other.formulas, **self.formulas},
            (*self.notes, *other.notes),
            self.as_measured | (other.as_measured - self.starts.keys()),
            self.beside | other.beside,
        )

    def with_starts_in(self, unit: str, target: str) -> Conditions:
        """The starts of which the table says no unit in the unit of the model.

        Parameters
        ----------
        unit
            That of the measurements' times; empty where it is not known.
        target
            That of the model's time.
        """
        change = None
        if self.as_measured and unit and target:
            with suppress(UnitFault):  # then the times of the measurements stayed as they are, too
                change = conversion(unit, target)
        if change is None:
            return self
        factors = {name: change.factor if name in self.as_measured else 1.0 for name in self.starts}
        return replace(
            self, starts={name: t * factors[name] for name, t in self.starts.items()}, as_measured=frozenset()
        )


def read_conditions(
    path: Path | str,
    *,
    experiment: str | None = None,
    where: str = "",
    named: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
    units: UnitForm = NO_UNITS,
) -> Conditions:
    """Read the table of experiments from a CSV file.

    Columns without a name, or without a single filled cell, are left alone.

    Parameters
    ----------
    path
        The file.
    experiment
        The column that names the experiment; default `experiment`.
    where
        The place in the config that names the file, for faults of the file as a whole.
    named
        The names that stand in formulas: in a column of such a name, text is a formula.
    columns
        What the table calls constants and labels, by the names that they get.
    units
        Those of the model, and what the config says of the columns.

    Raises
    ------
    DataError
        With the faults of the file, the first 20 of them spelled out: two rows for one experiment, a column that mixes
        numbers and words, a number that is not finite, a column that formulas could not name.
    """
    path = Path(path)
    key = "experiment" if experiment is None else experiment
    table = open_table(path, [key, START], where=where)
    header = table.header
    faults = FaultList(path, header.where)
    position = find_columns(header, faults)
    if key not in position:
        what = f"no column '{clip(key)}' for the experiment; {suggest(key, position)}"
        faults.add(header.line, "", f"{what} (the table of experiments has one row for each)")
    renamed = {}
    for name, column in (columns or {}).items():
        spelled = position.spelled(column)
        if spelled is None:
            what = f"no column '{clip(column)}' for {name} (data.experiments.columns); {suggest(column, position)}"
            faults.add(header.line, "", what)
        else:
            renamed[spelled] = name
    faults.check()
    at = position.pop(position.spelled(key) or key)
    request = Request(
        [],
        [at, *position.values()],
        required={at: "experiment"},
        blank=set(position.values()),
        limit=MAX_CELLS // (len(position) + 1),
    )
    sheet = table.read(request, faults)
    if not sheet.lines.size and not faults.count:
        faults.add(0, "", "has a header but no data; write one row per experiment")
    lines = _rows(sheet, at, header, faults)

    def tell(experiment: str | None, column: str, what: str) -> None:
        faults.add(header.line if experiment is None else lines[experiment], column, what)

    experiments = [sheet.labels[at].names[code] for code in sheet.labels[at].codes.tolist()]
    texts = [text for index in position.values() for text in sheet.labels[index].names]
    commas = header.delimiter == ";" and not any("." in text and parse_number(text) is not None for text in texts)
    grid: Grid = {
        renamed.get(name, split_unit(name)[0]): _cells(sheet, index, header, experiments, commas, tell)
        for name, index in position.items()
    }
    found = _sort_out(tuple(lines), grid, lambda e, column="": header.place(lines.get(e, 0), column), tell, named)
    converter = Converter(table, units, faults)
    check_said(units, set(grid), faults)
    found = constants_in_model_units(
        found, {renamed.get(name, split_unit(name)[0]): at for name, at in position.items()}, converter
    )
    faults.check()
    return replace(found, notes=tuple(converter.notes))


def constants_in_model_units(table: Conditions, position: Mapping[str, int], converter: Converter) -> Conditions:
    """The numbers of a table in the units of the model; `x_0` has that of x, `start` that of the time.

    Parameters
    ----------
    table
        What it says.
    position
        Its columns.
    converter
        What converts the columns of this table.
    """
    model = converter.form.model
    constants, starts = dict(table.constants), table.starts
    has_no_unit = START in position and not converter.source(START, position[START])
    for name, at in position.items():
        target = model.get(UNIT_OF_TIME) if name == START else model.get(name, model.get(name.removesuffix("_0")))
        found = converter.of(name, at, target or "") if name in {*constants, START} else None
        if found is None:
            continue
        if name == START:
            starts = {e: number * found.factor for e, number in starts.items()}
        else:
            constants[name] = {e: number * found.factor + found.offset for e, number in constants[name].items()}
    as_measured = frozenset(starts) if has_no_unit else table.as_measured
    return replace(table, constants=constants, starts=starts, as_measured=as_measured)


def _rows(sheet: Columns, at: int, header: Header, faults: FaultList) -> dict[str, int]:
    """The line of every experiment's row; a second row is a fault."""
    lines: dict[str, int] = {}
    names = sheet.labels[at].names
    for code, line in zip(sheet.labels[at].codes.tolist(), sheet.lines.tolist(), strict=True):
        name = names[code]
        if lines.setdefault(name, line) != line and name:  # an empty name was told already
            what = f"experiment '{clip(name)}' has a row already (line {lines[name]}); keep one of them"
            faults.add(line, header.names[at], what)
    return lines


def _cells(
    sheet: Columns, index: int, header: Header, experiments: Sequence[str], commas: bool, tell: Tell
) -> dict[str, float | str]:
    """One column: the filled cells, as numbers where they are. A nan is an empty cell, as in the data.

    commas: whether decimals may have them: semicolons part the cells, and no number of the file has a point.
    """
    labels, column = sheet.labels[index], header.names[index]
    mended = [decimal_comma(name) for name in labels.names]
    if commas:
        texts = [name if other is None else other for name, other in zip(labels.names, mended, strict=True)]
        mended = [None] * len(texts)
    else:
        texts = list(labels.names)
    values: list[float | str | None] = []
    for text in texts:
        number = parse_number(text)
        missing = text.lower() in MISSING or (number is not None and math.isnan(number))
        values.append(None if missing else text if number is None else number)
    found: dict[str, float | str] = {}
    for experiment, code in zip(experiments, labels.codes.tolist(), strict=True):
        value, other = values[code], mended[code]
        if other is not None:
            tell(experiment, column, f"'{clip(labels.names[code])}' has a decimal comma; write {clip(other)}")
        elif value is not None:
            found.setdefault(experiment, value)  # a second row was told already
    return found


def conditions_from_mapping(
    mapping: Mapping[str, Mapping[str, float | str]], where: Where, named: Collection[str] = ()
) -> Conditions:
    """The same table as a mapping of experiments, each a mapping of columns: `{A: {dose: 5, genotype: wt}}`.

    Parameters
    ----------
    mapping
        The table.
    where
        The place of the mapping, of a row or of a cell: `where()`, `where("A")`, `where("A", "dose")`.
    named
        As for `read_conditions`.

    Raises
    ------
    DataError
        With its faults, which are those of `read_conditions`.
    """
    faults = PlacedFaults()
    grid: Grid = {}
    for experiment, row in mapping.items():
        for column, value in row.items():
            cells = grid.setdefault(column, {})
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                if value is not None:  # a key without a value is an empty cell
                    faults.add(where(experiment, column), "must be a number or a word")
            elif not isinstance(value, str) or value.strip():
                cells[experiment] = value.strip() if isinstance(value, str) else _number(value)

    def tell(experiment: str | None, column: str, what: str) -> None:
        faults.add(where(next(iter(grid[column])) if experiment is None else experiment, column), what)

    found = _sort_out(tuple(mapping), grid, where, tell, named)
    faults.check(where())
    return found


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # of a whole number with hundreds of digits
        return math.inf


def _sort_out(experiments: tuple[str, ...], grid: Grid, where: Where, tell: Tell, named: Collection[str]) -> Conditions:
    """Which columns are constants, which are labels, and what is wrong with them."""
    constants: dict[str, dict[str, float]] = {}
    formulas: dict[str, dict[str, str]] = {}
    labels: dict[str, dict[str, str]] = {}
    named = _named_columns(grid, named)
    rests = read_rests(grid.get(STEADY_STATE, {}), tell)
    for column, cells in grid.items():
        if not cells or column == STEADY_STATE:
            continue
        if column != START and (fault := _name_fault(column)):
            tell(None, column, fault)
        numbers = {experiment: value for experiment, value in cells.items() if not isinstance(value, str)}
        words = {experiment: value for experiment, value in cells.items() if isinstance(value, str)}
        if column in named and column != START:
            _check_kinds(column, numbers, {}, tell)
            constants[column], formulas[column] = numbers, words
            continue
        _check_kinds(column, numbers, words, tell)
        if words:
            labels[column] = words
        else:
            constants[column] = numbers
    starts = constants.pop(START, {})
    labels.pop(START, None)
    return Conditions(experiments, constants, labels, starts, where, rests, formulas)


def _named_columns(grid: Grid, named: Collection[str]) -> set[str]:
    """The columns that formulas name, those in cells of such columns among them."""
    found, new = set[str](), {*named} & grid.keys()
    while new:
        found |= new
        texts = [value for column in new for value in grid[column].values() if isinstance(value, str)]
        new = {name for text in texts for name in written_names(text)} & grid.keys() - found
    return found


def _check_kinds(column: str, numbers: Mapping[str, float], words: Mapping[str, str], tell: Tell) -> None:
    """All numbers and finite, or all words. The rarer kind is taken for the mistake."""
    for experiment, number in numbers.items():
        if not math.isfinite(number):
            tell(experiment, column, f"the number is {number!r}; write a finite one, or leave the cell empty")
    if column == START:
        for experiment, word in words.items():
            tell(experiment, column, f"'{clip(word)}' is not a number; write the time at which the experiment starts")
    elif numbers and len(words) <= len(numbers):
        for experiment, word in words.items():
            what = f"'{clip(word)}' is not a number, and other cells of this column are"
            tell(experiment, column, f"{what} ({_example(numbers)}); write numbers only, or words only")
    elif words:
        for experiment, number in numbers.items():
            what = f"'{number:g}' is a number, and other cells of this column are words"
            tell(experiment, column, f"{what} ({_example(words)}); write words only, or numbers only")


def _example(cells: Mapping[str, float] | Mapping[str, str]) -> str:
    experiment, value = next(iter(cells.items()))
    shown = f"'{clip(value)}'" if isinstance(value, str) else f"{value:g}"
    return f"{shown} for experiment {clip(experiment)}"


def _name_fault(column: str) -> str | None:
    """Why neither a formula nor `by` could name this column, and what to do."""
    if column in _RESERVED:
        return f"'{column}' {_RESERVED[column]}; give the column another name"
    if not _NAME.fullmatch(column):
        return f"'{clip(column)}' is no name for formulas; use a letter or _, then letters, digits or _ (at most 128)"
    return None
