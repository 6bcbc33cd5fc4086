"""Columns beside the measurements that formulas of observables and noise name, such as `x_sd` in `sigma: s*x_sd`.

A cell holds a number, or a formula of parameters (cell_texts.py says how tables of numbers hold these).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.cell_texts import covariate_of, formula_keys, joined_cells, split_cells
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import Decimals, IntArray, NumberColumn, explain
from odefit.data.error_list import FaultList
from odefit.data.experiments import Experiment
from odefit.records import dataclass
from odefit.text import clip


def _nothing(_observable: str, _name: str, _value: float) -> bool:
    return False


def _no_formula(_text: str) -> str | None:
    return ""


@dataclass(frozen=True)
class CovariateUse:
    """Which columns the formulas of which observable may name.

    Parameters
    ----------
    names
        Observable -> the names in its formula and in those of its noise that mean nothing else: columns, where the data
        have them.
    taken
        The other names in noise formulas -> what they mean already; a column of this name would be a second meaning.
    refuses
        Whether the noise of an observable is none where a column of this name has this value.
    formula_fault
        Why a cell that is no number cannot be a formula of parameters, empty where it does not look like one; None
        where it is one.
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)
    refuses: Callable[[str, str, float], bool] = _nothing
    formula_fault: Callable[[str], str | None] = _no_formula

    def check_names(self, known: Sequence[str], own: Sequence[str], line: int, faults: FaultList) -> None:
        """A column with a second meaning is a fault.

        Parameters
        ----------
        known
            The columns of the data.
        own
            Those that are read as measurements or times.
        line
            Where the columns are named.
        faults
            Takes the faults.
        """
        for name, meaning in self.taken.items():
            if name in known and name not in own:
                what = f"'{clip(name)}' is a column of the data and {meaning}, and a noise formula names it"
                faults.add(line, "", f"{what}: rename one of the two")

    def check_values(
        self,
        observable: str,
        name: str,
        numbers: FloatArray,
        values: FloatArray,
        lines: IntArray,
        column: str,
        faults: FaultList,
    ) -> None:
        """A number that is missing beside a measurement, or that makes its noise level none, is a fault.

        Parameters
        ----------
        observable, name
            Whose noise formula names which column.
        numbers, values
            [R] numbers of the column, and measurements.
        lines, column
            [R], the line of every row, and what the column is called there.
        faults
            Takes the faults.
        """
        measured = ~np.isnan(values)
        told = faults.lines  # a number that could not be read is not missing as well
        for row in np.flatnonzero(np.isnan(numbers) & measured).tolist():
            if int(lines[row]) not in told:
                what = f"is missing beside a measurement of {observable}, whose noise formula names it; fill it in, or "
                faults.add(int(lines[row]), column, what + "leave the measurement out", "missing")
        doubtful = {v for v in np.unique(numbers[measured]).tolist() if v <= 0}
        refused = [v for v in doubtful if self.refuses(observable, name, v)]
        for row in np.flatnonzero(np.isin(numbers, refused) & measured).tolist():
            what = f"{float(numbers[row])!r} leaves the measurement of {observable} no positive noise level"
            faults.add(int(lines[row]), column, f"{what}; correct it, or leave the measurement out", "no level")


def covariate_columns(
    use: CovariateUse, names: Mapping[str, str], position: Mapping[str, int], is_long: bool
) -> dict[str, tuple[int | None, ...]]:
    """Covariate -> its column for each observable; None where the noise of that one does not name it.

    A wide file may have a column `sd[x]` for one observable in place of a column `sd` for all.

    Parameters
    ----------
    use
        What is named.
    names
        Observable -> its column, in the order of the table.
    position
        Where the columns of the data are.
    is_long
        Whether all observables share the columns.
    """
    found: dict[str, tuple[int | None, ...]] = {}
    for name in dict.fromkeys(name for observable in names for name in use.names.get(observable, ())):
        columns = []
        for observable in names:
            own = None if is_long else position.get(f"{name}[{observable}]")
            named = name in use.names.get(observable, ())
            columns.append((position.get(name) if own is None else own) if named else None)
        if any(column is not None for column in columns):
            found[name] = tuple(columns)
    return found


Cells = tuple[str, Any, IntArray | slice]
"""An observable, where its cells are in a table of measurements, and the rows of the sheet that they come from."""


def read_covariates(
    use: CovariateUse,
    columns: Mapping[str, tuple[int | None, ...]],
    sheet: Columns,
    header: Header,
    values: FloatArray,
    cells: Sequence[Cells],
    faults: FaultList,
) -> dict[str, FloatArray]:
    """Covariate -> its number beside each of `values`, NaN where no noise formula asks for it.

    Parameters
    ----------
    use, columns
        What is named, and where it stands (`covariate_columns`).
    sheet, header
        The data.
    values
        [R, O] or [R], the measurements.
    cells
        Of every observable.
    faults
        Takes what is wrong with the numbers.
    """
    found: dict[str, FloatArray] = {}
    for name, places in columns.items():
        table, words = np.full_like(values, np.nan), np.full(values.shape, None, dtype=object)
        for (observable, target, rows), index in zip(cells, places, strict=True):
            if index is None:
                continue
            lines, column = sheet.lines[rows], header.names[index]
            numbers = table[target] = sheet.numbers[index][rows]
            texts = sheet.texts.get(index, {})
            if texts:
                words[target] = [texts.get(line) for line in lines.tolist()]
                check_texts(use, texts, lines, column, faults)
                # A formula is looked at where it is evaluated; here it stands for any number.
                numbers = np.where([word is None for word in words[target]], numbers, 1.0)
            use.check_values(observable, name, numbers, values[target], lines, column, faults)
        places_of = [(tuple(place), words[tuple(place)]) for place in np.argwhere(words != None).tolist()]  # noqa: E711
        found |= split_cells(name, table, places_of)
    return found


def check_texts(use: CovariateUse, texts: Mapping[int, str], lines: IntArray, column: str, faults: FaultList) -> None:
    """Whatever is neither a number nor a formula is a fault."""
    kind = NumberColumn(column, Decimals(False))
    for line in lines.tolist():
        text = texts.get(line)
        fault = None if text is None else use.formula_fault(text)
        if text is None or fault is None:
            continue
        what = explain(text, None, kind)[1] if not fault else f"'{clip(text)}' is no number and, as a formula, {fault}"
        faults.add(int(line), column, what, "text")


def covariate_table(experiments: Sequence[Experiment], observables: Sequence[str]) -> dict[str, Any]:
    """Column -> its cells in all rows [R], as a wide file holds them: numbers, and formulas where there are any.

    A covariate with one number in each row is a column of its own name; else each observable has its own, `sd[x]`.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(map(covariate_of, experiments[0].covariates)) if experiments else ():
        cells = [joined_cells(e.covariates, name) for e in experiments]
        numbers = np.concatenate([e.covariates[name] for e in experiments])
        blank = np.isnan(numbers)
        if any(formula_keys(e.covariates, name) for e in experiments):
            whole = np.concatenate([np.asarray(table, dtype=object) for table in cells])
            for column, observable in enumerate(observables):
                if not blank[:, column].all():
                    found[f"{name}[{observable}]"] = whole[:, column].tolist()
            continue
        one = np.where(blank, -np.inf, numbers).max(axis=1, initial=-np.inf)
        if (blank | (numbers == one[:, None])).all():
            found[name] = np.where(np.isneginf(one), np.nan, one)
            continue
        for column, observable in enumerate(observables):
            if not blank[:, column].all():
                found[f"{name}[{observable}]"] = numbers[:, column]
    return found
