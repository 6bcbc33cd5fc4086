"""Starts that are not searched to their ends, since it is certain that these are where other starts have ended.

All starts are searched for some steps. One that is not at its end by then has nothing left to find if the optimum of
another one lies little below it and the objective only falls on the straight line there: no search that descends would
get away (`KnownOptima`). It would creep along a valley for hundreds of steps, to be what is known already.

Of many starts, which are there to look at other places, some go ahead of the others: where these pilots have ended is
known to all others from their first step on, so that most of these end when they come near.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.kept_starts import as_plain, restored
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.multistart_outcome import WITHIN_REGION
from odefit.fitting.observed_search import ObservedSearch
from odefit.fitting.search_objective import SearchObjective
from odefit.fitting.searches import searched
from odefit.fitting.starting_points import MANY
from odefit.fitting.starts_in_parts import ENDS, first_steps_of, keep_first_steps
from odefit.fitting.tightening import continued
from odefit.optimizers.known_optima import KnownOptima, falls_on_lines
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason

STAGES = (60, 120)
"""Steps of the stages after which it is seen who has nothing left to find; what follows is the last one."""

STAGES_OF_MANY = (20, 20, 140)
"""The same of many starts."""

PILOTS = 50
"""How many of many starts go ahead of the others; as many steps as the first stage has."""

ALIKE = 0.01
"""Typical sizes, and log-likelihood units, by which the ends of pilots differ at most that are the same."""

MOST_OPTIMA = 5
"""The most optima, the lowest ones, to which lines are drawn."""


class EarlyEnds:
    """The searches of a multi-start, some of which end early.

    Parameters
    ----------
    assembly, factor
        The problem, and what its solver's tolerances were divided by.
    search
        Of one start.
    points
        [n, P'], where starts begin.
    numbers
        Which of them belong together; all that is decided depends on these, and not on what is finished already.
    progress, memory
        Told of, and kept in, every batch of searches.
    part
        The name of these searches in the memory.
    many
        How many starts there are, with those that are searched elsewhere.
    begun
        What the first steps of all starts have come to, where these have been taken already (plain_first.py).
    """

    def __init__(
        self,
        assembly: Assembly,
        factor: int,
        search: LocalSearch,
        points: FloatArray,
        numbers: Sequence[int],
        progress: Progress,
        memory: Memory,
        part: str,
        many: int,
        begun: Sequence[StartOutcome] = (),
    ) -> None:
        self.assembly, self.factor, self.search, self.points = assembly, factor, search, points
        self.numbers, self.progress, self.memory, self.part = numbers, progress, memory, part
        self.many, self.begun = many, begun
        self.reached: dict[int, StartOutcome] = {}
        self.watched = ObservedSearch(search, progress)

    @property
    def is_due(self) -> bool:
        """Whether some may end early: not where the time of each start is limited, which is what ends it."""
        section = self.assembly.loaded.config.fit
        is_limited = self.search.cpu_limit is not None or section.time_limit is not None
        in_lockstep = self.search.method.minimize_many is not None and self.search.most > sum(self.stages)
        return self.many > 2 and in_lockstep and not is_limited

    @property
    def stages(self) -> tuple[int, ...]:
        """The steps of the stages."""
        return STAGES_OF_MANY if self.many > MANY else STAGES

    @property
    def pilots(self) -> Sequence[int]:
        """The starts that go ahead, wherever the others are searched; none of searches that only go on from optima."""
        is_first = self.factor == 1 and self.many > MANY
        return [k * self.many // PILOTS for k in range(PILOTS)] if is_first else ()

    def results(self, left: Sequence[int]) -> Generator[StartOutcome]:
        """The starts of these numbers as they finish; the others are taken along, since what ends early depends on
        all of them."""
        begun = self._first_steps()
        yield from self._new(begun, left)
        taken = max((_steps_of(r) for r in begun if _goes_on(r)), default=0)
        if not self.is_due:
            # Those without first steps are all, or starts whose worker was lost in them.
            yield from self._to_their_ends(self.search, self.points, [k for k in left if k not in self.reached])
            going = [k for k in left if k in self.reached and _goes_on(self.reached[k])]
            if taken == self.search.most:
                yield from (self.reached[k] for k in going)
            elif going:
                rest = replace(self.search, max_iterations=self.search.most - taken)
                yield from self._to_their_ends(rest, self._places(), going)
            return
        ahead, own = set(self.pilots), set(self.numbers)
        if ahead:
            yield from self._new(self._stage("pilots", self.stages[0], sorted(ahead)), left)
            self.search = replace(self.search, known=self._known())
        going = [k for k in self.numbers if k not in ahead and (k not in self.reached or _goes_on(self.reached[k]))]
        for stage, steps in enumerate(self.stages):
            new = self._stage(f"stage {stage + 1}", steps if stage else steps - taken, going)
            yield from self._new(new, left)
            ended = self._ended_early()
            self.reached |= ended
            yield from (r for r in ended.values() if r.number in left)
            going = sorted(k for k, r in self.reached.items() if _goes_on(r) and k in own)
        last = replace(self.search, max_iterations=self.search.most - sum(self.stages))
        yield from self._to_their_ends(last, self._places(), [k for k in going if k in left])

    def _first_steps(self) -> list[StartOutcome]:
        """What the first steps of these starts have come to, if they have been taken."""
        begun = self.begun or restored(self.memory, first_steps_of(self.part), self.points)
        kept = [r for r in begun if r.number in set(self.numbers) and not r.lost]
        keep_first_steps(self.memory, self.part, kept)
        return kept

    def _new(self, results: Iterable[StartOutcome], left: Sequence[int]) -> Generator[StartOutcome]:
        """Keeps what a stage has reached; the starts of these numbers that are at their ends."""
        for result in results:
            self.reached[result.number] = result
            if result.number in left and not _goes_on(result):
                yield result

    def _to_their_ends(self, search: LocalSearch, places: FloatArray, left: Sequence[int]) -> Generator[StartOutcome]:
        """The last searches; what parts of the fit have found is not searched again."""
        known = [r for r in restored(self.memory, f"{self.part}, {ENDS}", self.points) if r.number in left]
        yield from known
        for result in self._searched(search, places, [k for k in left if k not in {r.number for r in known}]):
            before = self.reached.get(result.number)
            yield result if before is None else _joined(before, result)

    def under_way(self, finished: Sequence[StartOutcome]) -> list[StartOutcome]:
        """What the starts had reached that are not among the finished ones, when they were interrupted."""
        own, known, stopped = set(self.numbers), {r.number for r in finished}, Ending(Reason.ENDED_BY_CALLER)
        return [
            replace(r, outcome=replace(r.outcome, ending=stopped))
            for r in self.reached.values()
            if r.number in own - known and r.outcome is not None and math.isfinite(r.value)
        ]

    def _stage(self, name: str, steps: int, going: Sequence[int]) -> Generator[StartOutcome]:
        """Starts after more steps; those that the memory holds are not searched again."""
        part = f"{self.part}, {name}"
        done = [r for r in restored(self.memory, part, self.points) if r.number in going]
        yield from done
        known = {r.number for r in done}
        short = replace(self.search, max_iterations=steps)
        for result in self._searched(short, self._places(), [k for k in going if k not in known]):
            earlier = self.reached.get(result.number)
            done.append(result if earlier is None else _joined(earlier, result))
            self.memory.offer(part, lambda: [as_plain(r) for r in done if not r.lost])
            yield done[-1]

    def _known(self) -> KnownOptima | None:
        """Where pilots have come to their ends, each place once: by the first of them in the order of their values."""
        size, found = typical_sizes(self.search.objective), list[StartOutcome]()
        for r in sorted((r for r in self.reached.values() if r.converged), key=lambda r: (r.value, r.number)):
            near = [other for other in found if r.value - other.value <= ALIKE]
            if not any((np.abs(_place(r) - _place(other)) <= ALIKE * size).all() for other in near):
                found.append(r)
        if not found:
            return None
        u, values = np.stack([_place(r) for r in found]), np.array([r.value for r in found])
        return KnownOptima(u, values, np.array([r.number for r in found]), size, WITHIN_REGION)

    def _places(self) -> FloatArray:
        """Where the starts are now, [n, P']."""
        places = self.points.copy()
        for k, r in self.reached.items():
            places[k] = r.start if r.outcome is None else r.outcome.u
        return places

    def _searched(self, search: LocalSearch, points: FloatArray, numbers: Sequence[int]) -> Generator[StartOutcome]:
        self.watched = ObservedSearch(search, self.progress)
        with closing(searched(self.assembly, search, points, numbers, self.factor, self.watched)) as coming:
            yield from coming

    def _ended_early(self) -> dict[int, StartOutcome]:
        """Those that lead to where others have ended, by their numbers."""
        results = [self.reached[k] for k in sorted(self.reached)]
        optima = sorted((r for r in results if r.converged), key=lambda r: (r.value, r.number))[:MOST_OPTIMA]
        pairs = [
            (r, optimum)
            for r in results
            if _goes_on(r)
            for optimum in optima
            if 0 <= r.value - optimum.value <= WITHIN_REGION
        ]
        if not pairs:
            return {}
        objective = SearchObjective.of(self.search.objective, len(pairs))
        u, value = np.stack([_place(r) for r, _ in pairs]), np.array([r.value for r, _ in pairs])
        ends = np.stack([_place(o) for _, o in pairs]), np.array([o.value for _, o in pairs])
        found: dict[int, StartOutcome] = {}
        for k in falls_on_lines(objective.values, u, value, *ends, np.arange(len(pairs))):
            r, optimum = pairs[k]
            found.setdefault(r.number, _leading(r, optimum))
        return found


def _leading(r: StartOutcome, optimum: StartOutcome) -> StartOutcome:
    assert r.outcome is not None
    return replace(r, outcome=replace(r.outcome, ending=Ending(Reason.LEADS_TO_OTHER, {"other": optimum.number + 1})))


def _goes_on(r: StartOutcome) -> bool:
    return r.outcome is not None and r.outcome.ending.reason is Reason.OUT_OF_STEPS and math.isfinite(r.value)


def _steps_of(r: StartOutcome) -> int:
    """How many steps were tried by a search that is out of them."""
    assert r.outcome is not None
    return int(r.outcome.ending.details["n"])


def _place(r: StartOutcome) -> FloatArray:
    assert r.outcome is not None
    return r.outcome.u


def _joined(before: StartOutcome, after: StartOutcome) -> StartOutcome:
    """A start after its search so far, which was out of steps, and another one; what it had reached stays where that
    came to nothing."""
    if after.outcome is None or not after.value <= before.value:
        return before
    (whole,) = continued([before], [after])
    if whole.outcome is None or before.outcome is None:
        return whole
    outcome = replace(whole.outcome, history=(*before.outcome.history, *after.outcome.history[1:]))
    if outcome.ending.reason is Reason.OUT_OF_STEPS:
        n = _steps_of(before) + _steps_of(whole)
        outcome = replace(outcome, ending=replace(outcome.ending, details={"n": n, "more": 4 * n}))
    return replace(whole, outcome=outcome)
