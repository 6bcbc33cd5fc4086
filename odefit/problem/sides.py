"""A measurement has a time and a side: what those at the time of a jump are compared with.

In this order: what the row says itself (a column `at_jump`, `Experiment.side`); what `data.at_jumps` says, for all or
for its observable; else before a dose and after an event or a step of an input. NONMEM takes records of one time in the
order of the file, so that a trough stands above its dose; nlmixr2 gives doses first. PEtab evaluates observables after
the changes of a condition. Where the default side is one number whatever is estimated (a bolus into an empty body, a
counter set to 0) and most of the measurements there are nearer to their neighbours on the other side, they belong to
that: nobody measures what is known. Two values of an observable that has one at every other time are the two sides, in
the order of the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import IntArray, Mask
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import Repeats, replicate_of
from odefit.data.side_column import SIDES
from odefit.errors import Faults
from odefit.problem.described import Described
from odefit.problem.jumps import DOSE, EVENT, NOTHING, JumpFinder
from odefit.records import dataclass
from odefit.text import abridged, clip, counted, suggest

BEFORE, AFTER = SIDES["before"], SIDES["after"]
REPLICATES_RANGE = 0.03
"""The share of the range of an observable's values within which two at a jump may as well be replicates."""
_SHOWN = 5
_BY_DEFAULT, _BY_KEY, _BY_ROW, _IN_PAIRS, _BY_VALUE = range(5)


@dataclass
class _Sided:
    """One experiment: what makes its cells jump, and the sides they get, [T, O]. home: the experiment that each cell
    belongs to, when a second value of a pair joins the first."""

    experiment: Experiment
    wanted: Mask
    kinds: IntArray
    side: IntArray
    how: IntArray
    home: IntArray

    @property
    def is_open(self) -> Mask:
        """The cells at a jump whose side is not known yet."""
        found: Mask = self.wanted & (self.kinds != NOTHING) & (self.side == 0)
        return found


def on_sides(
    loaded: LoadedConfig,
    described: Described,
    experiments: Sequence[Experiment],
    notes: list[str],
    repeats: Sequence[Repeats] = (),
    *,
    blank: bool = False,
) -> tuple[Experiment, ...]:
    """The experiments with a side for each measurement that stands on a jump of what it measures.

    Parameters
    ----------
    loaded, described
        The config, and the system that it describes.
    experiments
        With their doses and inputs.
    notes
        Takes what each of these measurements is compared with, and what is left to say of `repeats`.
    repeats
        Replicates that were made of values that came again at the same time.
    blank
        Whether every cell is to be measured, as in a simulation.

    Raises
    ------
    ConfigError
        `data.at_jumps` names no observable, or it is not clear which of several values were before and which after.
    """
    faults = Faults()
    names = tuple(described.system.observables)
    rules = _rules(loaded, names, faults)
    faults.check()
    finder = JumpFinder(described, _fixed(loaded))
    if not any(finder.may_jump(e) or e.sides.any() for e in experiments):
        notes += _left(repeats, experiments)
        return tuple(experiments)
    sided = [_begun(k, e, finder, blank) for k, e in enumerate(experiments)]
    made = {name for one in repeats for name in one.names}
    for one in sided:
        _beside(one)
    _pairs(loaded, sided, made, rules, names, faults)
    faults.check()
    for one in sided:
        _by_rule(one, rules, bool(described.system.triggers))
    if not blank:
        _by_value(sided, finder)
    found = _rebuilt(loaded, sided, names, faults)
    faults.check()
    notes += _notes(sided, names)
    notes += _idle_marks(sided) if finder.knows_all and loaded.events is None else []
    notes += _left(repeats, found)
    return found


def _left(repeats: Sequence[Repeats], experiments: Sequence[Experiment]) -> list[str]:
    """What is to be said of the replicates that are left."""
    left = {e.name for e in experiments}
    return [note for one in repeats if (note := one.note(left)) is not None]


def _rules(loaded: LoadedConfig, names: Sequence[str], faults: Faults) -> list[int]:
    """Per observable the side that the config says; 0 where it leaves that open."""
    said = loaded.config.data.at_jumps
    if isinstance(said, str):
        return [SIDES.get(said, 0)] * len(names)
    for name in said:
        if name not in names:
            what = f"'{clip(name)}' is no observable; {suggest(name, names)}"
            faults.add(loaded.where("data", "at_jumps", name), what)
    return [SIDES.get(said.get(name, ""), 0) for name in names]


def _fixed(loaded: LoadedConfig) -> dict[str, float]:
    """The parameters that are one number in every experiment and never move."""
    sections = loaded.config.parameters
    return {n: float(s.value) for n, s in sections.items() if not s.estimate and s.value is not None and s.by is None}


def _begun(k: int, experiment: Experiment, finder: JumpFinder, blank: bool) -> _Sided:
    wanted = np.ones(experiment.values.shape, dtype=bool) if blank else ~np.isnan(experiment.values)
    side = np.where(wanted, experiment.sides[:, None], 0).astype(np.intp)
    how = np.where(side != 0, _BY_ROW, _BY_DEFAULT)
    return _Sided(experiment, wanted, finder.kinds(experiment), side, how, np.full(side.shape, k, dtype=np.intp))


def _beside(one: _Sided) -> None:
    """A cell beside one of the same observable and time that says its side is on the other."""
    times = one.experiment.times
    for i, o in np.argwhere(one.is_open):
        others = one.side[(times == times[i]) & (one.side[:, o] != 0), o]
        if len(others):
            one.side[i, o], one.how[i, o] = -others[0], _BY_ROW


def _pairs(
    loaded: LoadedConfig,
    sided: Sequence[_Sided],
    made: set[str],
    rules: Sequence[int],
    names: Sequence[str],
    faults: Faults,
) -> None:
    """Two values at a jump where the observable has one elsewhere: before and after. What is not clear is a fault."""
    families: dict[str, list[int]] = defaultdict(list)
    for k, one in enumerate(sided):
        if one.experiment.name in made:
            families[replicate_of(one.experiment.name)].append(k)
    for k, one in enumerate(sided):
        if one.experiment.name in families and one.experiment.name not in made:
            families[one.experiment.name].insert(0, k)
    for base, members in families.items():
        for o in np.flatnonzero([not rule for rule in rules]).tolist():
            at_jump: dict[float, list[tuple[int, int]]] = defaultdict(list)
            elsewhere: dict[float, int] = defaultdict(int)
            for k in members:
                times = sided[k].experiment.times
                for i in np.flatnonzero(sided[k].is_open[:, o]).tolist():
                    at_jump[float(times[i])].append((k, i))
                for i in np.flatnonzero(sided[k].wanted[:, o] & (sided[k].kinds[:, o] == NOTHING)).tolist():
                    elsewhere[float(times[i])] += 1
            several = {time: cells for time, cells in at_jump.items() if len(cells) > 1}
            if not several:
                continue
            apart = all(len(cells) == 2 and _are_apart(sided, cells, members, o) for cells in several.values())
            if apart and set(elsewhere.values()) == {1}:
                for first, second in several.values():
                    for side, (k, i) in ((BEFORE, first), (AFTER, second)):
                        sided[k].side[i, o], sided[k].how[i, o], sided[k].home[i, o] = side, _IN_PAIRS, first[0]
                continue
            time, cells = next(iter(several.items()))
            why = "not exactly one at every other time" if set(elsewhere.values()) != {1} else "they are no jump apart"
            what = (
                f"{names[o]} has {len(cells)} values at t = {time:g} in experiment {clip(base)}, where it jumps, and "
                f"{why}: which were measured before and which after? `data.at_jumps` says "
                "it for all (before or after), a column `at_jump` row by row"
            )
            faults.add(loaded.where("data", "at_jumps"), what)


def _are_apart(sided: Sequence[_Sided], pair: Sequence[tuple[int, int]], members: Sequence[int], o: int) -> bool:
    """Whether two values differ by more than replicates of one side might, as a share of all values' range."""
    values = np.concatenate([sided[k].experiment.values[sided[k].wanted[:, o], o] for k in members])
    first, second = (float(sided[k].experiment.values[i, o]) for k, i in pair)
    return abs(second - first) > REPLICATES_RANGE * float(np.ptp(values))


def _by_rule(one: _Sided, rules: Sequence[int], triggered: bool) -> None:
    """triggered: whether conditions make states jump, at times that are not known beforehand."""
    for o, rule in enumerate(rules):
        rows = one.is_open[:, o]
        if triggered and rule == BEFORE:
            rows = rows | (one.wanted[:, o] & (one.kinds[:, o] == NOTHING) & (one.side[:, o] == 0))
        one.how[rows, o] = _BY_KEY if rule else _BY_DEFAULT
        one.side[rows, o] = rule or np.where(one.kinds[rows, o] == DOSE, BEFORE, AFTER)


def _by_value(sided: Sequence[_Sided], finder: JumpFinder) -> None:
    """Measurements that stand by default on a side of which everything is known beforehand, and do not look like it."""
    cells: dict[tuple[int, int], list[tuple[_Sided, int]]] = defaultdict(list)
    votes: dict[tuple[int, int], list[bool]] = defaultdict(list)
    for one in sided:
        default = one.wanted & (one.kinds != NOTHING) & (one.how == _BY_DEFAULT)
        if not default.any():
            continue
        certain = finder.certain(one.experiment)
        for i, o in np.argwhere(default & ~np.isnan(np.where(one.side == BEFORE, *certain))):
            known, other = certain[:: 1 if one.side[i, o] == BEFORE else -1, i, o]
            if not np.isnan(other):
                continue
            group = int(o), int(one.kinds[i, o])
            cells[group].append((one, int(i)))
            neighbour = _neighbour(one, i, o)
            if neighbour is not None:
                value = one.experiment.values[i, o]
                votes[group].append(abs(value - neighbour) < abs(value - known))
    for (o, kind), found in cells.items():
        cast = votes[o, kind]
        if 2 * sum(cast) > len(cast):
            for one, i in found:
                one.side[i, o], one.how[i, o] = -one.side[i, o], _BY_VALUE


def _neighbour(one: _Sided, i: int, o: int) -> float | None:
    """The nearest value of an observable on the other side of the jump at row i; None where there is none."""
    times = one.experiment.times
    there = one.wanted[:, o] & (times > times[i] if one.side[i, o] == BEFORE else times < times[i])
    rows = np.flatnonzero(there)
    return float(one.experiment.values[rows[0 if one.side[i, o] == BEFORE else -1], o]) if len(rows) else None


def _rebuilt(
    loaded: LoadedConfig, sided: Sequence[_Sided], names: Sequence[str], faults: Faults
) -> tuple[Experiment, ...]:
    """One row for each time and side. An experiment all of whose values joined another one is gone."""
    found = []
    moved: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for m, one in enumerate(sided):
        for i, o in np.argwhere(one.home != m):
            moved[int(one.home[i, o])].append((m, i, o))
    for k, one in enumerate(sided):
        joined = moved[k]
        if one.wanted.any() and not (one.wanted & (one.home == k)).any():
            continue
        rows = _row_sides(one)
        if rows is not None and not joined and (one.home == k).all():
            found.append(one.experiment if not rows.any() else replace(one.experiment, side=rows.astype(np.int8)))
            continue
        cells = [
            (m, int(i), int(o)) for m, i, o in [*((k, *c) for c in np.argwhere(one.wanted & (one.home == k))), *joined]
        ]
        found.append(_of_cells(loaded, one.experiment, sided, cells, names, faults))
    return tuple(found)


def _row_sides(one: _Sided) -> IntArray | None:
    """[T] the side of each row; None where its cells have several, or two rows have the same."""
    low, high = np.minimum(one.side.min(axis=1), 0), np.maximum(one.side.max(axis=1), 0)
    if ((low < 0) & (high > 0)).any():
        return None
    side: IntArray = low + high
    times = one.experiment.times
    again = (times[1:] == times[:-1]) & (side[1:] <= side[:-1])
    return None if again.any() else side


def _of_cells(
    loaded: LoadedConfig,
    experiment: Experiment,
    sided: Sequence[_Sided],
    cells: Sequence[tuple[int, int, int]],
    names: Sequence[str],
    faults: Faults,
) -> Experiment:
    """The experiment with these cells of it and of its replicates: (which, row, observable)."""
    times_sides: dict[float, set[int]] = {float(t): set() for t in experiment.times}
    for m, i, o in cells:
        time = float(sided[m].experiment.times[i])
        times_sides.setdefault(time, set())
        if sided[m].side[i, o]:
            times_sides[time].add(int(sided[m].side[i, o]))
    keys = [(time, side) for time in sorted(times_sides) for side in sorted(times_sides[time] or {0})]
    place = {key: row for row, key in enumerate(keys)}
    shape = (len(keys), len(names))
    values, sigma, censored = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=np.int8)
    ends = np.full(shape, np.nan)
    taken, beside = np.zeros(shape, dtype=bool), {name: np.full(shape, np.nan) for name in experiment.covariates}
    for m, i, o in cells:
        source = sided[m].experiment
        time, side = float(source.times[i]), int(sided[m].side[i, o])
        row = place[time, side] if (time, side) in place else place[time, min(times_sides[time])]
        if taken[row, o]:
            what = f"{names[o]} has two values on the same side of t = {time:g} in experiment {clip(experiment.name)}"
            faults.add(loaded.where("data"), f"{what}: change one of the marks in the column `at_jump`")
        taken[row, o], values[row, o] = True, source.values[i, o]
        if source.sigma is not None:
            sigma[row, o] = source.sigma[i, o]
        if source.censored is not None:
            censored[row, o] = source.censored[i, o]
        if source.other_end is not None:
            ends[row, o] = source.other_end[i, o]
        for name, numbers in beside.items():
            numbers[row, o] = source.covariates[name][i, o]
    sources = {m for m, _, _ in cells}
    return replace(
        experiment,
        times=np.array([time for time, _ in keys]),
        values=values,
        sigma=sigma if any(sided[m].experiment.sigma is not None for m in sources) else None,
        censored=censored if any(sided[m].experiment.censored is not None for m in sources) else None,
        other_end=None if np.isnan(ends).all() else ends,
        covariates=beside,
        side=np.array([side for _, side in keys], dtype=np.int8),
    )


def _notes(sided: Sequence[_Sided], names: Sequence[str]) -> list[str]:
    """What the measurements on a jump are compared with: a sentence for each observable, cause, side and reason."""
    groups: dict[tuple[int, int, int, int], list[float]] = defaultdict(list)
    for one in sided:
        for i, o in np.argwhere(one.wanted & (one.side != 0) & (one.kinds != NOTHING)):
            how, side = int(one.how[i, o]), int(one.side[i, o])
            key = (int(o), int(one.kinds[i, o]), 0 if how == _IN_PAIRS else side, how)
            groups[key].append(float(one.experiment.times[i]))
    return [_note(names[o], kind, side, how, times) for (o, kind, side, how), times in groups.items()]


def _idle_marks(sided: Sequence[_Sided]) -> list[str]:
    """A sentence for rows whose side is said although nothing jumps then: a time that is a little off, maybe."""
    times = [
        float(t)
        for one in sided
        for t in one.experiment.times[(one.experiment.sides != 0) & (one.kinds == NOTHING).all(axis=1)]
    ]
    if not times:
        return []
    shown = abridged([f"{t:g}" for t in sorted(set(times))], _SHOWN)
    rows = f"{counted(len(times), 'row')} {'is' if len(times) == 1 else 'are'}"
    return [
        f"{rows} marked as before or after at a time when nothing jumps (t = {shown}): the mark changes nothing there"
    ]


def _note(name: str, kind: int, side: int, how: int, times: Sequence[float]) -> str:
    shown = abridged([f"{t:g}" for t in sorted(set(times))], _SHOWN)
    one = len(times) == 1
    cause = {DOSE: "a dose", EVENT: "an event"}.get(kind, "a step")
    if how == _IN_PAIRS:
        where = f"{name} has two values at the time of {cause} (t = {shown}) and one at every other time: "
        return where + (
            "they are taken for what was just before and just after it, in the order of the file "
            "(`data.at_jumps` or a column `at_jump` says otherwise)"
        )
    what = f"{len(times)} value{'s' * (not one)} of {name} {'stands' if one else 'stand'} at the time of {cause}"
    word, other = ("before", "after") if side == BEFORE else ("after", "before")
    reason = {
        _BY_KEY: "as `data.at_jumps` says",
        _BY_ROW: "as the column `at_jump` says",
        _BY_VALUE: (
            f"just {other} it the model says one number whatever its parameters are; `data.at_jumps: {other}` takes "
            "that side for all, a column `at_jump` row by row"
        ),
        _BY_DEFAULT: f"`data.at_jumps: {other}` says otherwise for all, a column `at_jump` row by row",
    }[how]
    return f"{what} (t = {shown}) and {'is' if one else 'are'} compared with what is there just {word} it: {reason}"
