"""How a table of measurements is to be read, as far as its file does not say it itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from odefit.data.clock import UNSAID, Clock, ClockForm
from odefit.data.csv_cells import NOTHING_ELSE, MissingCells
from odefit.data.grid.table_file import OPEN, FileForm
from odefit.data.unit_form import NO_UNITS, UnitForm
from odefit.records import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of detection of one observable, and what the truth beyond them can be; None where nothing is said."""

    below: float | None = None
    above: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """What is said, by its key."""
        known = {"below": self.below, "above": self.above, "least": self.least, "most": self.most}
        return {key: number for key, number in known.items() if number is not None}


@dataclass(frozen=True)
class Exclusion:
    """Measurements that are left out: those that all of the given keys speak of; None speaks of all.

    Parameters
    ----------
    lines
        Lines of the file, the first and the last of each range.
    times
        These times.
    after, before
        Later and earlier times.
    experiments, observables
        Their names.
    reason
        Why.
    where
        The place in the config.
    """

    lines: Sequence[tuple[int, int]] | None = None
    times: Sequence[float] | None = None
    after: float | None = None
    before: float | None = None
    experiments: Sequence[str] | None = None
    observables: Sequence[str] | None = None
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class TableForm:
    """What the columns of a table are called, and which cells count.

    Parameters
    ----------
    observable, value
        The columns of a long file; None for the usual names.
    sigma, censored
        Observable -> its column, or one for all; None for the usual names.
    limits
        Of the observables that have any.
    missing
        Cells that stand for no value.
    exclude
        What is left out.
    interval
        The columns of the other ends of intervals, as `censored`.
    unit
        The column that says the unit of each row; None for the usual names, empty for none.
    merged
        Whether the rows are those of several files that have experiments in common.
    lloq
        The column of the limits of detection in a table of events.
    file
        About the file itself.
    clock
        About times that are no numbers.
    units
        Those of the model, and those that the config says of columns.
    counted
        The clock of a table of events, whose times are numbers already.
    """

    observable: str | None = None
    value: str | None = None
    sigma: Mapping[str, str] | str | None = None
    censored: Mapping[str, str] | str | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    missing: MissingCells = NOTHING_ELSE
    exclude: Sequence[Exclusion] = ()
    interval: Mapping[str, str] | str | None = None
    unit: str | None = None
    merged: bool = False
    lloq: str | None = None
    file: FileForm = OPEN
    clock: ClockForm = UNSAID
    units: UnitForm = NO_UNITS
    counted: Clock | None = None


PLAIN = TableForm()
