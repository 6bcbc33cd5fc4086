"""A system as the config describes it, before any data are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit import algebra as sp
from odefit.data.experiment_table import Conditions, TableColumns
from odefit.data.starts import Anchor
from odefit.model.system import Dosing, System
from odefit.records import dataclass

ESTIMATE, FIRST, GIVEN, FORMULA = "estimate", "first", "given", "formula"
"""What an initial value may be, see `Described.initial_kind`."""


Cell = str | float
"""What a column is in one experiment: the parameter of this name, or a number."""


@dataclass(frozen=True)
class Described:
    """A system as the config describes it, before any data are seen.

    Parameters
    ----------
    system
        Its formulas.
    nominal, nominal_initial
        Values that the catalogue knows, by parameter and by state.
    initial_kind
        Per state `estimate`, `first`, `given` (by the table of experiments) or `formula`; but for the last, the
        system's initial value is the symbol `<state>_0`.
    ties
        Parameters with a formula, in terms of free ones and of constants; the system no longer names them.
    dosing
        Lag and fraction of doses.
    time_span
        Of a built-in system.
    unused, cancelled
        Parameters of the config that no formula of the model names, and those that are written in one and cancel out.
    starts
        `x_0` of every state whose initial value is a formula -> that formula; the system no longer names them.
    conditions
        The table of experiments, if there is one.
    anchor
        What the initial values are, as far as their time is concerned.
    known
        The names that formulas before the start may use: parameters, constants and initial values, in their order.
    columns, cells, in_cells
        Once the experiments are known (`cell_formulas.with_cells`): the columns of the table of experiments that stand
        for formulas, what their symbols are bound to in each experiment, and the names in these formulas.
    beside
        Observable -> the tables beside the measurements that its formula needs (`measured_columns.py`), likewise.
    """

    system: System
    nominal: Mapping[str, float]
    nominal_initial: Mapping[str, float]
    initial_kind: Mapping[str, str]
    ties: Mapping[str, sp.Expr] = field(default_factory=dict)
    dosing: Dosing = field(default_factory=lambda: Dosing(()))
    time_span: tuple[float, float] | None = None
    unused: tuple[str, ...] = ()
    conditions: Conditions | None = None
    cancelled: tuple[str, ...] = ()
    starts: Mapping[str, sp.Expr] = field(default_factory=dict)
    anchor: Anchor = Anchor.OWN
    known: tuple[str, ...] = ()
    columns: Mapping[str, sp.Expr] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    in_cells: tuple[str, ...] = ()
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def constants(self) -> TableColumns:
        """The columns of the table of experiments that formulas may name, each with the formulas in its cells."""
        return {} if self.conditions is None else self.conditions.columns


def initial_name(state: str) -> str:
    """The parameter that is a state's initial value."""
    return f"{state}_0"
