"""Columns of a table of measurements that are constant within each experiment: a weight, a sex, a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from odefit.arrays import Mask
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import IntArray, MissingCells, decimal_comma, parse_number
from odefit.data.error_list import FaultList
from odefit.data.labels import Labels
from odefit.records import dataclass
from odefit.text import clip


@dataclass(frozen=True)
class Experiments:
    """The experiment of each row: `names[codes[row]]`, codes [R]."""

    names: Sequence[str]
    codes: IntArray


@dataclass(frozen=True)
class ConstantColumns:
    """Columns that say something of experiments.

    Parameters
    ----------
    columns
        Their cells, as labels.
    at
        What formulas call them -> their position.
    experiments
        Of each row.
    header
        Of the table.
    missing
        Cells that stand for no value; a column may be filled in one row of an experiment alone.
    """

    columns: Columns
    at: Mapping[str, int]
    experiments: Experiments
    header: Header
    missing: MissingCells

    def cells(self, name: str, faults: FaultList | None = None) -> dict[str, float | str]:
        """Experiment -> the value of its filled cells, without the experiments that have none.

        Parameters
        ----------
        name
            The column.
        faults
            Takes experiments in which the value changes; None to leave these out.
        """
        labels = self.columns.labels[self.at[name]]
        values, ids = self._values(labels)
        filled = np.array([value is not None for value in values], dtype=bool)[labels.codes]
        found: dict[str, tuple[float | str, int]] = {}
        varies = set[str]()
        for experiment, row in self._first_rows(ids[labels.codes], filled):
            value = values[int(labels.codes[row])]
            assert value is not None  # of a filled cell
            before = found.setdefault(experiment, (value, row))
            if before[1] != row and experiment not in varies:
                varies.add(experiment)
                if faults is not None:
                    self._tell(name, experiment, before[1], row, faults)
        return {experiment: value for experiment, (value, _) in found.items() if experiment not in varies}

    def line(self, experiment: str) -> int:
        """The line of the first row of an experiment; 0 where it has none."""
        if experiment not in self.experiments.names:
            return 0
        rows = np.flatnonzero(self.experiments.codes == list(self.experiments.names).index(experiment))
        return int(self.columns.lines[rows[0]]) if len(rows) else 0

    def _values(self, labels: Labels) -> tuple[list[float | str | None], IntArray]:
        """Of each label its value, None for none; and a number that is the same where values are: `70` and `70.0`."""
        values = [self._value(cell) for cell in labels.names]
        order = {value: number for number, value in enumerate(dict.fromkeys(values))}
        return values, np.array([order[value] for value in values], dtype=np.int64)

    def _value(self, cell: str) -> float | str | None:
        if self.missing.means_none(cell):
            return None
        comma = decimal_comma(cell) if self.header.delimiter == ";" else None
        number = parse_number(cell if comma is None else comma)
        return cell if number is None else None if number in self.missing.numbers else number

    def _first_rows(self, ids: IntArray, filled: Mask) -> Iterator[tuple[str, int]]:
        """The first row of each value of each experiment, in the order of the file."""
        rows = np.flatnonzero(filled)
        pairs = np.stack([self.experiments.codes[rows], ids[rows]], axis=1)
        if not len(rows):
            return
        _, first = np.unique(pairs, axis=0, return_index=True)
        for k in np.sort(first).tolist():
            yield self.experiments.names[int(pairs[k, 0])], int(rows[k])

    def _tell(self, name: str, experiment: str, first: int, row: int, faults: FaultList) -> None:
        labels, lines = self.columns.labels[self.at[name]], self.columns.lines
        before, here = (clip(labels.names[int(labels.codes[k])]) for k in (first, row))
        line = int(lines[first])
        place = f"line {line}" if self.header.where is None else self.header.place(line)
        what = f"changes within experiment {clip(experiment)}: {before} in {place}, {here} here"
        remedy = f"make it an input (`data.inputs: {{{name}: …}}`), or give the experiment one value"
        if len(self.experiments.names) == 1:
            remedy = f"`data.experiment: {name}` makes each of its values an experiment; else {remedy}"
        faults.add(int(lines[row]), self.header.names[self.at[name]], f"{what}, and a constant does not; {remedy}")
