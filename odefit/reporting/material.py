"""What the parts of a report share of a run of equations: curves and residuals, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.errors import Faults, OdefitError, SolveError
from odefit.fitting.run import Run
from odefit.plots.compared import Compared, compared
from odefit.plots.curves import Trace, trace
from odefit.plots.selection import Selection, select

MOST_CURVES = 400
"""Experiments whose curves are drawn."""


class Material:
    """A run, and what is solved of it.

    Parameters
    ----------
    run
        A finished fit of equations.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.selection: Selection = select(run, None, None, None, Faults())

    @property
    def is_solvable(self) -> bool:
        """Whether there are estimates to draw curves with."""
        return bool(np.isfinite(self.run.theta).all())

    @cached_property
    def solved(self) -> tuple[Sequence[Trace], str]:
        """The curves of the experiments, and why there are none where there are none."""
        if not self.is_solvable:
            return (), self.run.result.message
        try:
            return trace(self.run, self.selection.groups[:MOST_CURVES], None, {}), ""
        except OdefitError as error:
            return (), str(error)

    @property
    def traces(self) -> Sequence[Trace]:
        """The curves; none where the model cannot be solved."""
        return self.solved[0]

    @cached_property
    def compared(self) -> tuple[Compared, ...]:
        """Measurements beside predictions, by observable; none where the model cannot be solved."""
        try:
            return compared(self.run) if self.is_solvable else ()
        except SolveError:
            return ()
