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
from odefit.profiles.adjustment import Adjustment
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

SETTLING, SETTLED = 6, 1e-6
"""Rounds to find the least value of an adjusted profile, and twice its rise there that is none."""

LOWER = 1e-3
"""A lower objective by which heights are other ones."""

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


@dataclass(frozen=True)
class Ended:
    """Where the search for one site ended: u [P'] and the value; None in both where it failed."""

    u: FloatArray | None
    value: float | None

    @classmethod
    def of(cls, outcome: SearchOutcome) -> Ended:
        """What is kept of an outcome."""
        return cls(None, None) if outcome.status == Status.FAILED else cls(outcome.u, outcome.value)


class Following:
    """Lanes, and what each of them holds.

    Attributes
    ----------
    lanes
        As they are; the sites in them are what has been found.
    ends
        How the searches of each lane ended, in their order. By these a way is gone again to the last bit.
    known
        Of lanes, what an earlier call has kept of that: these searches are not made again.
    """

    def __init__(self, place: Place, pins: Sequence[Pin], adjustments: dict[int, Adjustment]) -> None:
        """One lane will follow each pin; `origins` says from where. adjustments: of lanes, by their numbers."""
        self.place, self.adjustments = place, adjustments
        self.pinned = Pinned(SearchObjective.of(place.profile, len(pins)), pins)
        self.lanes: list[Lane] = []
        self.ends: list[list[Ended]] = [[] for _ in pins]
        self.known: dict[int, Sequence[Ended]] = {}

    def origins(self, u: FloatArray) -> list[Site | None]:
        """The sites at the optima u [n, P'], one for each pin; None where the quantity cannot be computed there."""
        numbers = np.arange(len(u))
        sites = self.revisited(numbers, u)
        for _ in range(SETTLING):
            moving = [k for k in self.adjustments if (site := sites[k]) is not None and _is_off(site)]
            if not moving:
                break
            some = np.array(sorted(moving), dtype=np.intp)
            for k, site in zip(moving, self._reached(some, [_lowest(sites[k]) for k in some.tolist()]), strict=True):
                sites[k] = site or sites[k]
        return sites

    def revisited(self, numbers: IntArray, u: FloatArray) -> list[Site | None]:
        """The sites of lanes at points [b, P'] that an earlier call has found."""
        position, _ = self.pinned.positions(u, numbers)
        self.pinned.targets[numbers] = np.where(np.isfinite(position), position, 0.0)
        return self._sites(numbers, u, self.pinned.values(u, numbers))

    def add(self, lane: Lane, pin: Pin, adjustment: Adjustment | None) -> None:
        """One lane more."""
        self.pinned.add(pin)
        if adjustment is not None:
            self.adjustments[len(self.lanes)] = adjustment
        self.lanes.append(lane)
        self.ends.append([])

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
        wanted = []
        for k in numbers.tolist():
            lane, pin = self.lanes[k], self.pinned.pins[k]
            position = lane.next_position()
            wanted.append((position, lane.predicted(position)))
            if pin.quantity is not None:
                resistance = max(max(site.curvature for site in lane.sites), (lane.zeta / lane.unit) ** 2 * 1e-4)
                self.pinned.pins[k] = replace(pin, weight=HOLDING * float(np.sqrt(resistance)))
        for k, site in zip(numbers.tolist(), self._reached(numbers, wanted), strict=True):
            if site is None:
                self.lanes[k].fail()
                continue
            best, before = self.lanes[k].best, self.lanes[k].best.value
            best.value = min(before, site.value)
            self.lanes[k].reach(site)
            if best.value < before - LOWER:
                for lane in self.lanes:
                    if lane.best is best:
                        lane.reopen()

    def _reached(self, numbers: IntArray, wanted: Sequence[tuple[float, FloatArray]]) -> list[Site | None]:
        """The sites next to wanted positions, searched for from the points [P'] that come with them."""
        starts = np.empty((len(numbers), len(self.place.size)))
        for b, (k, (position, u)) in enumerate(zip(numbers.tolist(), wanted, strict=True)):
            starts[b] = np.clip(u, self.place.lower, self.place.upper)
            self.pinned.targets[k] = position
            if self.pinned.pins[k].quantity is None:
                starts[b, self.pinned.pins[k].coordinate] = position
        self._search(numbers, starts)
        ended = [self.ends[k][-1] for k in numbers.tolist()]
        reached = [(b, own.u, own.value) for b, own in enumerate(ended) if own.u is not None and own.value is not None]
        u, values = np.array([own for _, own, _ in reached]), np.array([value for _, _, value in reached])
        sites = self._sites(numbers[[b for b, _, _ in reached]], u, values)
        found = {b: site for (b, _, _), site in zip(reached, sites, strict=True)}
        return [found.get(b) for b in range(len(numbers))]

    def _search(self, numbers: IntArray, starts: FloatArray) -> None:
        """One end more for each of these lanes: as it is known, or by a search from starts [b, P']."""
        lanes = numbers.tolist()
        left = [b for b, k in enumerate(lanes) if len(self.ends[k]) >= len(self.known.get(k, ()))]
        found = dict[int, Ended]()
        if left:
            objective = ForSearches(self.pinned, numbers[left])
            outcomes = self.place._minimised(objective, starts[left], GTOL)
            found = {b: Ended.of(outcome) for b, outcome in zip(left, outcomes, strict=True)}
        for b, k in enumerate(lanes):
            self.ends[k].append(found[b] if b in found else self.known[k][len(self.ends[k])])

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
            adjustment = 0.0
            if (adjusting := self.adjustments.get(k)) is not None:
                adjustment, more = adjusting.value(u[b]), adjusting.slope_at(u[b], pin.coordinate)
                slope += more
            value = float(values[b]) - excess**2 / 2 + adjustment
            usable = np.isfinite((own.position, value, slope, curvatures[b])).all() and np.isfinite(tangents[b]).all()
            site = Site(own.position, u[b].copy(), value, slope, float(curvatures[b]), tangents[b], adjustment)
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
        # Of all of A: across may be but rounding, where the quantity is all that the data see.
        largest = DenseLeastSquares.of(scaled, target).largest_curvature()
        p = first + problem.minimiser(LEAST_DAMPING * largest)
        return size * p, np.square(times(scaled, np.nan_to_num(p))).sum(axis=1)


def _is_off(site: Site) -> bool:
    """Whether an adjusted profile falls on from here."""
    return site.slope**2 > SETTLED * site.curvature


def _lowest(site: Site | None) -> tuple[float, FloatArray]:
    """Where an adjusted profile has its least value, by its slope and its curvature; and a point to begin at."""
    assert site is not None
    step = float(np.clip(-site.slope / site.curvature, -1.0, 1.0))
    return site.position + step, site.u + step * site.tangent


def interrupt(lanes: Sequence[Lane]) -> None:
    """End all lanes that are still on their way."""
    for lane in lanes:
        if lane.going:
            lane.end = End.UNFINISHED
