"""What a picture shows: which quantities, which experiments, which time span. Wrong names are named all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odefit.data.replicates import replicate_of
from odefit.data.unit_words import split_unit
from odefit.errors import Faults
from odefit.fitting.run import Run
from odefit.model.system import symbol
from odefit.plots.style import plain
from odefit.problem.described import initial_name
from odefit.records import dataclass
from odefit.runs.stored import StoredRun
from odefit.text import clip, suggest

if TYPE_CHECKING:
    from odefit.plots.band_kinds import BandKind


@dataclass(frozen=True)
class Choice:
    """What a user wants to see of a run; None: all of it.

    Parameters
    ----------
    time_range
        The model is solved over this span, in the unit of the data's times, and the part beyond the data is shaded.
        Not of residuals, history and the like.
    states
        Names of states, observables or expressions; the phase plane takes the first two or three.
    experiments
        By name.
    log_x, log_y
        Logarithmic axes where the picture's own choice would be others: of the time, and of values.
    all_panels
        A panel for each experiment, however many there are; wells of a plate where they are on it.
    bands
        The kind of bands around curves; None: the best that the run has.
    dates
        Dates on axes of time.
    """

    time_range: tuple[float, float] | None = None
    states: Sequence[str] | None = None
    experiments: Sequence[str] | None = None
    log_x: bool = False
    log_y: bool = False
    all_panels: bool = False
    bands: BandKind | None = None
    dates: bool = False


@dataclass(frozen=True)
class Quantity:
    """A state, an observable, or an observable that is a state: its columns in the solutions, and its unit.

    An expression has neither column.
    """

    name: str
    state: int | None
    observable: int | None
    unit: str | None

    @property
    def key(self) -> str:
        """What it is called beside the observables, as in `wider.py`."""
        return f"{self.name}@{'expression' if self.state is None else 'state'}"

    @property
    def label(self) -> str:
        """The name, with the unit."""
        return plain(f"{self.name} ({self.unit})" if self.unit else self.name, 40)


@dataclass(frozen=True)
class Group:
    """An experiment with its replicates (`A`, `A#2`, ...), which share one curve: positions in `run.measured`."""

    name: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Selection:
    """What is shown, bound to the run.

    Parameters
    ----------
    series
        Quantities of the time series.
    plane
        The axes of the phase plane.
    residuals
        Those of the series that are observables, of which there are more than limits and intervals.
    groups
        The experiments.
    limits
        The time span; None: that of the data.
    """

    series: tuple[Quantity, ...]
    plane: tuple[Quantity, ...]
    residuals: tuple[Quantity, ...]
    groups: tuple[Group, ...]
    limits: tuple[float, float] | None

    @property
    def lacks_residuals(self) -> str:
        """Why there are no residuals; empty where there are."""
        why = "needs an observable; none of these states is measured, or by limits and intervals only"
        return "" if self.residuals else why

    @property
    def rows(self) -> tuple[int, ...]:
        """Positions in `run.measured` of every chosen experiment."""
        return tuple(row for group in self.groups for row in group.members)


def select(
    run: Run,
    states: Sequence[str] | None,
    experiments: Sequence[str] | None,
    time_range: tuple[float, float] | None,
    faults: Faults,
) -> Selection:
    """Bind the names that the user gave; what is wrong with them goes to `faults`."""
    known_quantities = [*run.states, *run.observables, *run.expressions]
    what = "no state, observable or expression" if run.expressions else "neither a state nor an observable"
    names = known_names(states, known_quantities, "states", what, faults)
    groups = _groups(run)
    if experiments is not None:
        known = dict.fromkeys(name for g in groups for name in (g.name, *(run.measured[m].name for m in g.members)))
        wanted = set(known_names(experiments, list(known), "experiments", "no experiment of this run", faults))
        groups = [
            Group(g.name, kept)
            for g in groups
            if (kept := tuple(m for m in g.members if {g.name, run.measured[m].name} & wanted))
        ]
    check_span(time_range, [run.measured[g.members[0]].start for g in groups], faults)
    series = tuple(_quantity(run, name) for name in names or run.observables)
    plane = tuple(_quantity(run, name, state_first=True) for name in names or run.states)
    if states is None and len(plane) > 3:
        plane = plane[:2]
    data = run.assembly.problem.data
    observed = tuple(q for q in series if q.observable is not None and len(data[q.observable].rows))
    return Selection(series, plane, observed, tuple(groups), time_range)


def known_names(given: Sequence[str] | None, known: list[str], where: str, what: str, faults: Faults) -> list[str]:
    """Keep those of the given names that exist; what is wrong with the others goes to `faults`."""
    if given is None:
        return []
    if not given:
        faults.add(where, "names nothing; leave it out to have all")
    for name in given:
        if name not in known:
            faults.add(where, f"'{clip(name)}' is {what}; {suggest(name, dict.fromkeys(known))}")
    return [name for name in dict.fromkeys(given) if name in known]


def check_span(span: tuple[float, float] | None, starts: Sequence[float], faults: Faults) -> None:
    """Check that a time range is one, and reaches beyond the first of these starts."""
    if span is None:
        return
    low, high = span
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        faults.add("time_range", f"must be two finite numbers, the first below the second (got {low:g} and {high:g})")
    elif starts and high <= (start := min(starts)):
        faults.add("time_range", f"ends at {high:g}, but the model starts at {start:g}; choose a later end")


def _groups(run: Run) -> list[Group]:
    """Experiments in their order, replicates together where the model predicts the same for them."""
    binding = run.assembly.problem.binding
    groups: list[Group] = []
    place: dict[str, int] = {}
    for row, experiment in enumerate(run.measured):
        base = replicate_of(experiment.name)
        if base in place:
            first = groups[place[base]].members[0]
            same = np.array_equal(binding.index[first], binding.index[row])
            if same and np.array_equal(binding.constant[first], binding.constant[row]):
                groups[place[base]] = Group(base, (*groups[place[base]].members, row))
                continue
        else:
            place[base] = len(groups)
        groups.append(Group(experiment.name, (row,)))
    return groups


def _quantity(run: Run, name: str, state_first: bool = False) -> Quantity:
    """By name; where a state and an observable share it without being the same, `state_first` decides."""
    formulas = list(run.assembly.described.system.predicted.values())
    is_state, is_observable = name in run.states, name in run.observables
    if is_observable and not (is_state and state_first):
        k = run.observables.index(name)
        state = next((i for i, s in enumerate(run.states) if formulas[k] == symbol(s)), None)
        observable: int | None = k
    elif not is_state:
        state = observable = None
    else:
        state = run.states.index(name)
        observable = next((i for i, formula in enumerate(formulas) if formula == symbol(name)), None)
    unit = run.assembly.loaded.config.model.units.get(name)
    if unit is None and state is not None:
        unit = _unit(run, run.states[state])
    return Quantity(name, state, observable, unit)


def _unit(run: Run, state: str) -> str | None:
    """A state has the unit that the config gives to it, or that of its initial value."""
    config = run.assembly.loaded.config
    section = config.parameters.get(initial_name(state))
    return config.model.units.get(state, None if section is None else section.unit)


def time_name(run: StoredRun) -> str:
    """The name of the time, with its unit."""
    return run.time_name


def time_label(run: StoredRun, with_unit: bool = True) -> str:
    """The same as the label of an axis, without the unit where that shows dates."""
    return plain(run.time_name if with_unit else split_unit(run.loaded.config.data.time or "time")[0], 40)


def title_of(run: StoredRun) -> str:
    """The title of the config, or else the name of the run."""
    loaded = run.loaded
    if loaded.config.title or run.path is not None:
        return loaded.config.title or Path(run.place).resolve().name
    # A mapping has no name.
    return loaded.path.stem if loaded.source.name else ""
