"""What the pictures of one call share, of a run with equations: the selection, and the curves, solved once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from odefit.errors import Faults, OdefitError
from odefit.fitting.run import Run
from odefit.plots.band_kinds import KINDS
from odefit.plots.curves import Trace, log_threshold, trace
from odefit.plots.dates import calendar_of
from odefit.plots.kinds import OF_EQUATIONS, PictureKind, requested
from odefit.plots.panels import MAX_PANELS, MOST_PANELS
from odefit.plots.selection import Choice, Group, select, time_label
from odefit.problem.wider import expression_quantities, state_quantities
from odefit.text import clip, suggest


class EquationPictures:
    """The run, what is shown of it, and its curves.

    Parameters
    ----------
    run
        The fitted run.
    choice
        The names and the span that the user gave.
    faults
        Takes what is wrong with these.
    """

    kinds: Mapping[str, PictureKind] = OF_EQUATIONS

    def __init__(self, run: Run, choice: Choice, faults: Faults) -> None:
        self.run, self.choice = run, choice
        self.kinds = {**self.kinds, **requested(run.loaded.config.plots)}
        self.selection = select(run, choice.states, choice.experiments, choice.time_range, faults)
        self.calendar = calendar_of(run.result.dates, self._named, faults) if choice.dates else None
        if choice.dates and choice.log_x:
            faults.add("dates", "have no logarithmic axis; leave out log_x or dates")
        if choice.bands is not None and choice.bands not in KINDS:
            faults.add("bands", f"'{clip(str(choice.bands))}' is none; {suggest(str(choice.bands), KINDS)}")

    @property
    def _named(self) -> list[str]:
        return [self.run.measured[row].name for row in self.selection.rows]

    @property
    def time_label(self) -> str:
        """Of axes of time."""
        return time_label(self.run, with_unit=self.calendar is None)

    def log_threshold(self, groups: Sequence[Group]) -> float | None:
        """Up to which time a logarithmic axis is linear; None where the axis is not logarithmic, as with dates."""
        return None if self.calendar is not None else log_threshold(self.run, groups, self.choice.log_x)

    @property
    def traces(self) -> list[Trace]:
        """The curves of the selected experiments. Raises OdefitError where they cannot be solved."""
        if isinstance(self._solved, OdefitError):
            raise self._solved
        return self._solved

    @cached_property
    def _solved(self) -> list[Trace] | OdefitError:
        """What cannot be solved for one picture is not tried again for the next."""
        chosen = self.selection
        system = self.run.assembly.problem.observation.system
        alone = [q for q in chosen.series if q.observable is None]
        beside = state_quantities(system, [q.state for q in alone if q.state is not None])
        expressions = [q.name for q in (*alone, *chosen.plane) if q.observable is None and q.state is None]
        beside |= expression_quantities(system, expressions)
        groups = chosen.groups if self.choice.all_panels else chosen.groups[:MAX_PANELS]
        try:
            return trace(self.run, groups[:MOST_PANELS], chosen.limits, beside, self.choice.log_x, self.choice.bands)
        except OdefitError as error:
            return error

    @cached_property
    def all_traces(self) -> list[Trace]:
        """The curves of every selected experiment, up to 400. Raises OdefitError."""
        if len(self.selection.groups) <= MAX_PANELS or self.choice.all_panels:
            return self.traces
        return EquationPictures(self.run, replace(self.choice, all_panels=True), Faults()).traces
