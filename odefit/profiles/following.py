"""All lanes of all profiles together: a round asks every lane for its next position, and searches there in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.search_objective import ForSearches, SearchObjective
from odefit.linalg.dense_least_squares import DenseLeastSquares, times
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.least_squares import minimize_many
from odefit.profiles.lanes import End, Lane
from odefit.profiles.pinned import Pin, Pinned, Seen
from odefit.profiles.sites import Site
from odefit.records import dataclass
from odefit.status import Status

GTOL = 1e-4
"""The relative offset at which the search for one site ends: the objective is right to about 1e-6 then."""

MOST_STEPS = 100
HOLDING = 10.0
"""The root of the curvature of what holds a quantity near its target, over that of its profile."""

LEAST_DAMPING = 1e-14
"""Of the largest curvature: what keeps a direction that the data do not see from being followed blindly."""


@dataclass(frozen=True)
class Place:
    """Where lanes go: the objective, and the box of its free parameters with their typical changes, [P'] each."""

    profile: ProfileLikelihood
    lower: FloatArray
    upper: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, profile: ProfileLikelihood) -> Place:
        """The whole box."""
        lower, upper = profile.full.problem.table.search_bounds()
        return cls(profile, lower[profile.free], upper[profile.free], typical_sizes(profile))

    def polished(self, u: FloatArray) -> list[SearchOutcome]:
        """The optima next to points u [B, P']."""
        objective = SearchObjective.of(self.profile, len(u))
        return self._minimised(objective, u, 1e-7)

    def _minimised(self, objective: SearchObjective | ForSearches, u: FloatArray, gtol: float) -> list[SearchOutcome]:
        most = np.full(len(u), MOST_STEPS)
        return minimize_many(objective, u, self.lower, self.upper, size=self.size, max_iterations=most, gtol=gtol)


class Following:
    """Lanes, and what each of them holds.

    Attributes
    ----------
    lanes
        As they are; the sites in them are what has been found.
    """

    def __init__(self, place: Place, pins: Sequence[Pin]) -> None:
        """One lane will follow each pin; `begin` says from where."""
        self.place = place
        self.pinned = Pinned(SearchObjective.of(place.profile, len(pins)), pins)
        self.lanes: list[Lane] = []

    def origins(self, u: FloatArray) -> list[Site | None]:
        """The sites at the optima u [n, P'], one for each pin; None where the quantity cannot be computed there."""
        numbers = np.arange(len(u))
        position, _ = self.pinned.positions(u, numbers)
        self.pinned.targets[:] = np.where(np.isfinite(position), position, 0.0)
        values = self.pinned.values(u, numbers)
        return self._sites(numbers, u, values)

    def run(self, is_over: Callable[[], bool], told: Callable[[], None]) -> None:
        """Every lane to its end, or until it is over.

        told: is called after each round.
        """
        while going := [k for k, lane in enumerate(self.lanes) if lane.going]:
            if is_over():
                break
            self._round(np.array(going, dtype=np.intp))
            told()

    def _round(self, numbers: IntArray) -> None:
        """One site more for each of these lanes."""
        starts = np.empty((len(numbers), len(self.place.size)))
        for b, k in enumerate(numbers.tolist()):
            lane, pin = self.lanes[k], self.pinned.pins[k]
            position = lane.next_position()
            starts[b] = np.clip(lane.predicted(position), self.place.lower, self.place.upper)
            self.pinned.targets[k] = position
            if pin.quantity is None:
                starts[b, pin.coordinate] = position
            else:
                resistance = max(max(site.curvature for site in lane.sites), (lane.zeta / lane.unit) ** 2 * 1e-4)
                self.pinned.pins[k] = replace(pin, weight=HOLDING * float(np.sqrt(resistance)))
        outcomes = self.place._minimised(ForSearches(self.pinned, numbers), starts, GTOL)
        reached = [b for b, outcome in enumerate(outcomes) if outcome.status != Status.FAILED]
        u = np.array([outcome.u for outcome in outcomes])
        values = np.array([outcome.value for outcome in outcomes])
        found = dict(zip(reached, self._sites(numbers[reached], u[reached], values[reached]), strict=True))
        for b, k in enumerate(numbers.tolist()):
            site = found.get(b)
            if site is None:
                self.lanes[k].fail()
            else:
                self.lanes[k].best.value = min(self.lanes[k].best.value, site.value)
                self.lanes[k].reach(site)

    def _sites(self, numbers: IntArray, u: FloatArray, values: FloatArray) -> list[Site | None]:
        """The sites of searches that have ended at u [b, P'] with these values; None where something is not finite."""
        if not len(numbers):
            return []
        self._look_again(numbers, u)
        seen = [self.pinned.seen[k] for k in numbers.tolist()]
        tangents, curvatures = self._tangents(numbers, u, seen)
        sites: list[Site | None] = []
        for b, k in enumerate(numbers.tolist()):
            own, pin = seen[b], self.pinned.pins[k]
            excess = pin.weight * (own.position - self.pinned.targets[k]) if pin.quantity is not None else 0.0
            slope = float(own.gradient @ tangents[b])
            numbers_here = (own.position, values[b], slope, curvatures[b])
            usable = np.isfinite(numbers_here).all() and np.isfinite(tangents[b]).all()
            value = float(values[b]) - excess**2 / 2
            site = Site(own.position, u[b].copy(), value, slope, float(curvatures[b]), tangents[b])
            sites.append(site if usable else None)
        return sites

    def _look_again(self, numbers: IntArray, u: FloatArray) -> None:
        """Compute the derivatives at u where they are not those that were computed last."""
        known = self.pinned.seen
        due = [b for b, k in enumerate(numbers.tolist()) if k not in known or not np.array_equal(known[k].u, u[b])]
        if due:
            self.pinned.evaluations(u[due], numbers[due])

    def _tangents(self, numbers: IntArray, u: FloatArray, seen: Sequence[Seen]) -> tuple[FloatArray, FloatArray]:
        """d u/d position [b, P'] along the profiles, and the curvatures of these [b], by the linearised model.

        Among all d with q'd = 1 the tangent is the one that A d is shortest for; a component on its bound stays there.
        """
        rows = max(len(own.z) for own in seen)
        a = np.stack([own.A if len(own.A) == rows else np.zeros((rows, u.shape[1])) for own in seen])
        size = np.where((u <= self.place.lower) | (u >= self.place.upper), 0.0, self.place.size)
        for b, k in enumerate(numbers.tolist()):
            if (column := self.pinned.pins[k].coordinate) >= 0:
                size[b, column] = self.place.size[column]
        scaled = a * size[:, None, :]
        g = np.stack([own.direction for own in seen]) * size
        length = np.linalg.norm(g, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            along = g / length[:, None]
            first = along / length[:, None]
        bad = ~np.isfinite(first).all(axis=1) | ~np.isfinite(scaled).all(axis=(1, 2))
        along[bad], first[bad], scaled[bad] = 0.0, np.nan, 0.0
        across = scaled - times(scaled, along)[:, :, None] * along[:, None, :]
        target = times(scaled, np.nan_to_num(first))
        problem = DenseLeastSquares.of(across, target)
        p = first + problem.minimiser(LEAST_DAMPING * problem.largest_curvature())
        return size * p, np.square(times(scaled, np.nan_to_num(p))).sum(axis=1)


def interrupt(lanes: Sequence[Lane]) -> None:
    """End all lanes that are still on their way."""
    for lane in lanes:
        if lane.going:
            lane.end = End.UNFINISHED
