"""From when until when each count counts: the intervals of observables that are an increase.

A cell counts since the last measurement of its observable in the same experiment, replicates included, and the first
one since the start of the integration. Cells that are missing are skipped; those that are held out are not, for they
were counted. Where the config says how long an interval is (`over`), it is that long at most: what was missing before
it is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import Faults
from odefit.model.system import System
from odefit.text import abridged, clip, counted

MAX_MORE = 10_000
"""The most intervals that are drawn after those of the data."""
OVERLAP = 0.1
"""The share of an interval by which the next one may begin before its end: clocks change, months differ."""
SAME = 1e-3
"""The share of an interval up to which its begin is that of the data."""
LONGER = 1.5
"""How much longer than most an interval is that is named for the counts that are missing in it."""


def with_intervals(loaded: LoadedConfig, system: System, measured: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """The experiments with what is compared in them: intervals of increases, and the side of the sample at the start.

    Parameters
    ----------
    loaded
        Names the place of an observable in messages.
    system
        Its observables are the columns of the data.
    measured
        The experiments with every measurement.

    Raises
    ------
    ConfigError
        A count at the start of the integration, which has no interval; or intervals that overlap.
    """
    if not system.compared:
        return tuple(measured)
    groups: dict[str, list[Experiment]] = {}
    for experiment in measured:
        groups.setdefault(replicate_of(experiment.name), []).append(experiment)
    sides = {base: min(e.reference_side for e in members) for base, members in groups.items()}
    measured = [replace(e, start_side=sides[replicate_of(e.name)]) for e in measured]
    columns = increases(system)
    if not columns:
        return tuple(measured)
    faults = Faults()
    for name, k in columns.items():
        early = [e for e in measured if not np.isnan(e.values[0, k]) and e.times[0] <= e.start]
        if early:
            t = early[0].times
            before = f", `data: {{start: {t[0] - (t[1] - t[0]):g}}}` for one as long as the next" if len(t) > 1 else ""
            faults.add(
                loaded.where("model", "observables", name),
                f"experiment {early[0].name} counts {early[0].values[0, k]:g} at t = {early[0].start:g}, where the "
                f"integration starts: nothing can have grown yet; leave the cell empty, or set data.start to where "
                f"the first interval begins{before}",
            )
    faults.check()
    known = {base: [_counted(members, k) for k in columns.values()] for base, members in groups.items()}
    found = tuple(_with(e, list(columns.values()), known[replicate_of(e.name)]) for e in measured)
    said = {name: section.over for name, section in (loaded.config.model.observables or {}).items()}
    for name, k in columns.items():
        over = said.get(name)
        if over is not None:
            found = tuple(_no_longer(e, k, over, loaded.where("model", "observables", name), faults) for e in found)
    faults.check()
    return found


def _no_longer(experiment: Experiment, column: int, over: float, where: str, faults: Faults) -> Experiment:
    """The intervals of an observable with a length that is said."""
    assert experiment.intervals is not None  # it was given some
    intervals = experiment.intervals.copy()
    begins, ends = intervals[:, column].T
    short = (
        ~np.isnan(experiment.values[:, column]) & (ends - begins < (1 - OVERLAP) * over) & (begins > experiment.start)
    )
    if short.any():
        k = int(np.argmax(short))
        apart = f"{ends[k] - begins[k]:g} from one count to the next at t = {ends[k]:g} of experiment"
        what = f"`over: {over:g}` is longer than the {apart} {clip(experiment.name)}, and would count cases twice; "
        what += "keep counts of intervals that do not overlap"
        faults.add(where, what)
    # Ends less a length are not to the last digit where the interval before has ended.
    intervals[:, column, 0] = np.where(ends - over > begins + SAME * over, ends - over, begins)
    return replace(experiment, intervals=intervals)


def interval_notes(loaded: LoadedConfig, system: System, measured: Sequence[Experiment]) -> tuple[str, ...]:
    """What is said of counts that follow missing ones, and are taken for those of the whole time since the last."""
    said = {name: section.over for name, section in (loaded.config.model.observables or {}).items()}
    notes = []
    for name, column in increases(system).items():
        pairs = [
            (e, *row)
            for e in measured
            if e.intervals is not None
            for row in e.intervals[~np.isnan(e.values[:, column]), column].tolist()
            if row[0] > e.start
        ]
        usual = float(np.median([end - begin for _, begin, end in pairs])) if pairs else 0.0
        longer = [(e, begin, end) for e, begin, end in pairs if end - begin > LONGER * usual]
        if said.get(name) is None and longer:
            shown = abridged([f"{end:g}" for _, _, end in longer], 4)
            what = f"{counted(len(longer), 'count')} (t = {shown}) of more than {usual:g}, the usual interval"
            remedy = f"where the missing ones are lost, write `{{increase: …, over: {usual:g}}}`"
            notes.append(f"{name}: {what}: taken for all since the count before; {remedy}")
    return tuple(notes)


def increases(system: System) -> dict[str, int]:
    """The observables that are an increase, and their columns."""
    return {name: k for k, name in enumerate(system.observables) if system.compared.get(name) == "increase"}


def without_counts_at_start(system: System, experiment: Experiment) -> Experiment:
    """An experiment whose increases are not measured at the start, where nothing can have grown yet."""
    values = experiment.values.copy()
    for k in increases(system).values():
        values[experiment.times <= experiment.start, k] = np.nan
    return replace(experiment, values=values)


def over_intervals(system: System, experiment: Experiment, data: Sequence[Experiment]) -> Experiment:
    """An experiment at any times, to be drawn over its data: each increase is that over the interval of the data in
    which the time lies, so that a curve is a staircase. After the last measurement intervals are as long as the last.

    Parameters
    ----------
    system
        Its observables are the columns of the data.
    experiment
        At times of its own (`Experiment.at`).
    data
        The same experiment as it was measured, and its replicates.
    """
    columns, times = increases(system), experiment.times
    if not columns or experiment.intervals is None:
        return experiment
    intervals = experiment.intervals.copy()
    for k in columns.values():
        ends = interval_ends(data, k, experiment.last)
        later = np.clip(np.searchsorted(ends, times), 1, len(ends) - 1)
        intervals[:, k] = np.stack([ends[later - 1], ends[later]], axis=1)
    return replace(experiment, intervals=intervals)


def interval_ends(data: Sequence[Experiment], column: int, last: float) -> FloatArray:
    """Where the intervals of an increase begin and end, from the start to `last` or a little later; two or more."""
    lows = [e.intervals[:, column, 0] for e in data if e.intervals is not None]
    ends = np.unique(np.concatenate([[data[0].start], _counted(data, column), *lows]))
    ends = np.unique(np.concatenate([ends, *(_lost(e, column, ends) for e in data)]))
    width = float(ends[-1] - ends[-2]) if len(ends) > 1 else max(last - float(ends[0]), 1.0)
    more = max(0, min(MAX_MORE, int(np.ceil((last - ends[-1]) / width - 1e-9))))
    found: FloatArray = np.append(ends, ends[-1] + width * np.arange(1, max(more, len(ends) == 1) + 1))
    return found


def _lost(experiment: Experiment, column: int, ends: FloatArray) -> FloatArray:
    """Where the intervals lie whose counts are lost: as long as the next one that was counted, back to the last."""
    if experiment.intervals is None:
        return np.empty(0)
    found = [np.empty(0)]
    for begin, end in experiment.intervals[~np.isnan(experiment.values[:, column]), column]:
        before = ends[max(np.searchsorted(ends, begin) - 1, 0)]
        steps = int(min((begin - before) / (end - begin) - 1e-9, MAX_MORE)) if end > begin else 0
        found.append(begin - (end - begin) * np.arange(1, steps + 1))
    return np.concatenate(found)


def _counted(experiments: Sequence[Experiment], column: int) -> FloatArray:
    """The times at which an observable was measured in any of some replicates."""
    return np.unique(np.concatenate([e.times[~np.isnan(e.values[:, column])] for e in experiments]))


def _with(experiment: Experiment, columns: Sequence[int], counted: Sequence[FloatArray]) -> Experiment:
    times = experiment.times
    intervals = np.broadcast_to(times[:, None, None], (*experiment.values.shape, 2)).copy()
    for k, known in zip(columns, counted, strict=True):
        ends = np.append(experiment.start, known)
        intervals[:, k, 0] = ends[np.searchsorted(known, times)]
    return replace(experiment, intervals=intervals)
