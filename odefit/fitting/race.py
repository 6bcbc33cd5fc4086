"""A budget of CPU time spent on many starts: short searches from all, longer ones from those that are ahead.

Successive halving without a fixed number of starts (L. Li et al., "A system for massively parallel hyperparameter
tuning", MLSys 2020): each start is searched for a few steps; of all that have come so far the best third goes on for
twice as many, and of these the best third again. When none is to go on, new starts are drawn, or put together from
the best so far (crossing.py). A start that has come to where another one is, is not searched twice.

The race is over when there is nothing left to find, or when the budget is spent. C. G. E. Boender and A. H. G. Rinnooy
Kan, "Bayesian stopping rules for multistart global optimization methods" (Mathematical Programming 37, 1987): after n
searches that ended in w different optima, w (n - 1) / (n - w - 2) of them are to be expected in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.entrant import UNFINISHED, Entrant, is_unfinished
from odefit.fitting.multistart_outcome import SAME_OPTIMUM
from odefit.optimizers.start_pool import StartOutcome, best_of
from odefit.records import dataclass
from odefit.status import Ending, Reason

FIRST_STEPS, FACTOR = 20, 2
"""Steps of the first search of a start, and by how much each one that follows is longer than all before together."""

LONG_STEPS = 360
"""The steps, at least, of a search that is to bring one of the best to its end."""

AHEAD = 3
"""One of so many goes on."""

RACE, BATCH = 0.7, 0.1
"""Shares of the budget: until the best ones go on alone to their ends, before others are looked for again, and of one
batch of searches."""

FINALISTS = 3
"""How many of the best ones do."""

PARENTS = 8
"""The best starts, of which new ones are made; and the drawn ones that there are before."""

UNSEEN = 0.5
"""The number of optima that are not found yet, by expectation, below which all are found."""

MANY, HITS = 200, 10
"""The starts after which an optimum that so many of them have reached is the best one. Before, more than half of so
many must have reached it: plateaus are seen again and again, and let a few optima look like all."""

SLOW = 5
"""Times the usual CPU time of a search, which a single one may take: where a model is stiff, and the solver has ten
thousand steps to do, the way is not through there."""

LEAST, KNOWN = 0.2, 3
"""Seconds that a search always has; searches after which it is known what is usual."""

COSTLY = 0.02
"""Seconds of a step from which on starts are searched one by one: then a slow one among them is seen and left."""

SAME = 0.01
"""Typical sizes by which two places differ at most that are the same."""


@dataclass(frozen=True)
class Rules:
    """What a race is given.

    Parameters
    ----------
    budget
        Seconds of CPU time.
    size
        How many starts are searched together at most.
    most
        The most steps of one start.
    sizes
        [P'], how much each component typically changes.
    is_limit
        Whether the budget alone limits the time of a single start.
    """

    budget: float
    size: int
    most: int
    sizes: FloatArray
    is_limit: bool = True


class Race:
    """All starts so far, and which of them are next.

    Parameters
    ----------
    rules
        What it is given.
    draw
        The starts [n, P'] of the round of this number; the first of round 0 is the user's.
    search
        Searches from points [B, P'] for a number of steps, numbered from 0; a single one also within so many seconds
        of CPU time.
    clock
        Seconds of CPU time since the beginning, those of finished workers included.
    cross
        Makes new starts [n, P'] out of the best places so far [E, P'] and a number; None where that is not done.
    """

    def __init__(
        self,
        rules: Rules,
        draw: Callable[[int], FloatArray],
        search: Callable[[FloatArray, int, float | None], Iterable[StartOutcome]],
        clock: Callable[[], float],
        cross: Callable[[FloatArray, int], FloatArray] | None = None,
    ) -> None:
        self.rules, self.draw, self.search, self.clock, self.cross = rules, draw, search, clock, cross
        self.entrants: list[Entrant] = []
        self.waiting: list[FloatArray] = []
        self.n_rounds, self.before, self.paces, self.is_final = 0, 0.0, list[float](), False

    # --- what a checkpoint holds

    def to_plain(self) -> dict[str, Any]:
        """All that the race needs to go on."""
        entrants = [e.to_plain() for e in self.entrants]
        return {"entrants": entrants, "n_rounds": self.n_rounds, "spent": self.spent, "paces": self.paces}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """The inverse; the rounds are drawn again."""
        self.entrants = [Entrant.of_plain(each) for each in plain["entrants"]]
        while self.n_rounds < plain["n_rounds"]:
            self.draw_round()
        self.waiting = self.waiting[sum(e.is_drawn for e in self.entrants) :]
        self.before, self.paces = float(plain["spent"]), [float(pace) for pace in plain["paces"]]

    # --- the course of the race

    @property
    def spent(self) -> float:
        """Seconds of CPU time."""
        return self.before + self.clock()

    @property
    def is_racing(self) -> bool:
        """Whether it is too early for the best ones to go on alone to their ends."""
        return self.spent < RACE * self.rules.budget

    @property
    def results(self) -> list[StartOutcome]:
        """All starts as they are."""
        return [e.result for e in self.entrants]

    @property
    def best(self) -> StartOutcome | None:
        """The lowest."""
        return best_of(self.results)

    def advance(self) -> bool:
        """One more batch of searches; False where there is nothing left to do."""
        left = self.rules.budget - self.spent
        if left <= 0 or self.is_enough():
            return False
        if not self.is_racing and self.finish(left):
            return True
        chosen = self.ahead()
        if chosen:
            self.go_on(chosen, left)
        else:
            self.begin(left)
        return True

    def begin(self, left: float) -> None:
        """New starts: drawn ones, and when there are some of these as many out of the best."""
        first, many = len(self.entrants), self.together(FIRST_STEPS)
        points = self.crossed(many)
        if is_drawn := points is None:
            if not self.waiting:
                self.draw_round()
            points = np.stack(self.waiting[:many])
            self.waiting = self.waiting[many:]
        steps = min(FIRST_STEPS, self.rules.most)
        for result in sorted(self.searched(points, steps, left), key=lambda r: r.number):
            own = replace(result, number=first + result.number)
            unfinished = is_unfinished(result.outcome) and self.rules.most > FIRST_STEPS
            self.entrants.append(self.within_limits(Entrant(own, 1, not unfinished, -1, is_drawn)))

    def crossed(self, many: int) -> FloatArray | None:
        """Starts [n, P'] out of the best ones; None where drawn ones are next."""
        n_drawn = sum(e.is_drawn for e in self.entrants)
        owed = n_drawn - PARENTS - (len(self.entrants) - n_drawn)
        order = sorted(range(len(self.entrants)), key=lambda k: (self.entrants[k].result.value, k))
        elite = [self.entrants[k] for k in order if self.entrants[k].twin < 0][:PARENTS]
        elite = [e for e in elite if math.isfinite(e.result.value)]
        if self.cross is None or owed <= 0 or len(elite) < 2:
            return None
        return self.cross(np.stack([e.place for e in elite]), len(self.entrants))[: min(many, owed)]

    def draw_round(self) -> None:
        self.waiting += list(self.draw(self.n_rounds))
        self.n_rounds += 1

    def go_on(self, numbers: Sequence[int], left: float, least: int = 0) -> None:
        """These starts from where they are, for longer than they were searched before."""
        steps = [max(self.steps_of_round(self.entrants[k].rounds), least) for k in numbers]
        some = [k for k, n in zip(numbers, steps, strict=True) if n == steps[0]][: self.together(steps[0])]
        places = np.stack([self.entrants[k].place for k in some])
        for later in self.searched(places, steps[0], left):
            k = some[later.number]
            best = math.inf if self.best is None else self.best.value
            self.entrants[k] = self.within_limits(self.entrants[k].further(later, best))

    def within_limits(self, entrant: Entrant) -> Entrant:
        """The same, at its end where it has used what the config allows a single start."""
        steps = sum(self.steps_of_round(r) for r in range(entrant.rounds))
        outcome = entrant.result.outcome
        is_late = outcome is not None and outcome.ending.reason is Reason.OUT_OF_CPU_TIME and not self.rules.is_limit
        return replace(entrant, is_done=True) if is_late or steps >= self.rules.most else entrant

    def finish(self, left: float) -> bool:
        """The best that are not at their ends go on; False where there is none."""
        order = sorted(range(len(self.entrants)), key=lambda k: (self.entrants[k].result.value, k))[:FINALISTS]
        going = [k for k in order if self.entrants[k].goes_on]
        if going:
            self.is_final = True
            self.go_on(going[:1], left, LONG_STEPS)
            self.is_final = False
        return bool(going)

    def searched(self, points: FloatArray, steps: int, left: float) -> list[StartOutcome]:
        """Searches from these points; a batch of several is small beside what is left, so that they go on together."""
        begun, pace = self.clock(), self.pace
        limit = left
        if not self.is_final:
            usual = math.inf if pace is None else SLOW * pace * steps
            limit = min(left, BATCH * self.rules.budget, max(usual, LEAST))
        results = list(self.search(points, steps, limit if len(points) == 1 else None))
        tried = sum(r.outcome.n_evaluations for r in results if r.outcome is not None)
        self.paces.append((self.clock() - begun) / max(tried, 1))
        return results

    @property
    def pace(self) -> float | None:
        """Seconds of CPU time that a step of a search takes, typically; None where that is not known yet."""
        return float(np.median(self.paces)) if len(self.paces) >= KNOWN else None

    def steps_of_round(self, number: int) -> int:
        """Of the search of this number of a start, from 0."""
        return FIRST_STEPS if number == 0 else FACTOR * FIRST_STEPS * (1 + FACTOR) ** (number - 1)

    def together(self, steps: int) -> int:
        """How many starts a batch has: all, unless the few before have shown that they take too long."""
        if not self.paces:
            return self.rules.size if self.rules.size <= 1 else 1
        pace = float(np.mean(self.paces))
        affordable = BATCH * self.rules.budget / max(pace * steps, 1e-9) if pace < COSTLY else 1
        return int(np.clip(affordable, 1, self.rules.size))

    def ahead(self) -> list[int]:
        """Who goes on: of all that had a search of a round the best third, the longest searched first."""
        self.see_twins()
        deepest = max((e.rounds for e in self.entrants), default=0)
        for rounds in range(deepest, 0, -1):
            ranked = [k for k, e in enumerate(self.entrants) if e.rounds >= rounds or not e.goes_on]
            ranked.sort(key=lambda k: (self.entrants[k].result.value, k))
            first = ranked[: len(ranked) // AHEAD]
            going = [k for k in first if self.entrants[k].goes_on and not self.entrants[k].creeps]
            chosen = [k for k in going if self.entrants[k].rounds == rounds]
            if chosen:
                return chosen[: self.rules.size]
        return []

    def see_twins(self) -> None:
        """Mark those that have come to where a better one is."""
        order = sorted(range(len(self.entrants)), key=lambda k: (self.entrants[k].result.value, k))
        for place, k in enumerate(order):
            one = self.entrants[k]
            if not one.goes_on:
                continue
            for other in order[:place][::-1]:
                ahead = self.entrants[other]
                if one.result.value - ahead.result.value > SAME_OPTIMUM:
                    break
                if ahead.twin < 0 and np.all(np.abs(one.place - ahead.place) <= SAME * self.rules.sizes):
                    self.entrants[k] = replace(one, twin=other)
                    break

    # --- its end

    def is_enough(self) -> bool:
        """Whether no better optimum is to be expected."""
        best = self.best
        if best is None or not best.converged:
            return False
        ends = [self.end_of(e).result for e in self.entrants if e.is_drawn]
        values = np.sort([end.value for end in ends if end.converged])
        n, different = len(values), 1 + int((np.diff(values) > SAME_OPTIMUM).sum())
        hits, room = int((values <= best.value + SAME_OPTIMUM).sum()), n - different - 2
        if not hits or len(ends) < MANY:
            return n >= HITS and 2 * hits > n
        return hits >= HITS or (room > 0 and different * (n - 1) / room - different <= UNSEEN)

    def end_of(self, entrant: Entrant) -> Entrant:
        """Itself, or the start that goes on in its place."""
        while entrant.twin >= 0:
            entrant = self.entrants[entrant.twin]
        return entrant

    def ended(self) -> list[StartOutcome]:
        """All starts with what became of them: those that others have left behind say so."""
        best = self.best
        return [self._ended(e, e.result is best) for e in self.entrants]

    def _ended(self, entrant: Entrant, is_best: bool) -> StartOutcome:
        outcome = entrant.result.outcome
        if outcome is None or not entrant.goes_on:
            if outcome is None or entrant.twin < 0 or outcome.ending.reason not in UNFINISHED:
                return entrant.result
            ending = Ending(Reason.SAME_AS_OTHER, {"other": entrant.twin + 1})
        elif is_best:
            ending = Ending(Reason.OUT_OF_BUDGET, {"budget": self.rules.budget})
        else:
            ending = Ending(Reason.OTHERS_AHEAD, {"n": entrant.n_steps})
        return replace(entrant.result, outcome=replace(outcome, ending=ending))

    def account(self) -> str:
        """How the budget was used, a sentence."""
        best, n = self.best, len(self.entrants)
        ends = [self.end_of(e).result.value for e in self.entrants]
        hits = 0 if best is None else sum(value <= best.value + SAME_OPTIMUM for value in ends)
        early = sum(e.goes_on or e.twin >= 0 for e in self.entrants)
        why = "no better optimum is to be expected" if self.is_enough() else "the budget is spent"
        if not self.is_enough() and self.spent < self.rules.budget:
            why = "it was interrupted"
        return (
            f"fit.budget: {n} starts in {self.spent:.3g} of {self.rules.budget:g} s of CPU time, {early} of them ended "
            f"early because others were ahead; {hits} reached the lowest value, and {why}."
        )
