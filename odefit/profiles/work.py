"""The profiles of some quantities, all their ways followed together: where each begins, and what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.profiles.adjustment import Adjustment
from odefit.profiles.concluding import concluded, natural_values
from odefit.profiles.following import Ended, Following, Place, interrupt
from odefit.profiles.lanes import Best, Lane
from odefit.profiles.pinned import Pin, on_scale
from odefit.profiles.records import Profile
from odefit.profiles.request import Request
from odefit.profiles.sites import Site
from odefit.uncertainty.quantities import ParameterQuantity, Quantity

Ends = Sequence[Sequence[Ended]]
"""Of one quantity: how the searches of each of its lanes ended."""

MOST_JUMPS = 4
"""Ways back from where a profile has fallen into another valley, for each quantity."""


class Work:
    """Quantities, and the lanes of each: from every optimum down and up."""

    def __init__(
        self,
        asked: Request,
        place: Place,
        quantities: Sequence[Quantity],
        starts: FloatArray,
        base: float,
        known: Mapping[str, Ends] | None = None,
    ) -> None:
        """Look at the optima `starts` [n, P'], the best first.

        base: what heights are measured from, until a quantity finds something lower; each by itself, so that its
        profile does not depend on which others are followed. known: how the searches of some quantities have ended in
        an earlier call. Raises RunError.
        """
        self.asked, self.place, self.quantities, self.known = asked, place, quantities, known or {}
        self.owner: list[int] = []
        self.n_starts, self.n_branches = len(starts), [len(starts)] * len(quantities)
        pins, begin, adjustments, roots, bests = list[Pin](), [], dict[int, Adjustment](), [], []
        for number, quantity in enumerate(quantities):
            adjusted = asked.adjustment_of(quantity)
            own_best = Best(base if adjusted is None else math.inf)
            for branch in range(len(starts)):
                for way in (-1, 1):
                    if adjusted is not None:
                        adjustments[len(pins)] = adjusted[0]
                    roots.append(asked.root if adjusted is None else adjusted[1])
                    bests.append(own_best)
                    pins.append(self._pin(quantity))
                    begin.append((branch, way))
                    self.owner.append(number)
        self.following = Following(place, pins, adjustments)
        for k in range(len(pins)):
            self._recall(k)
        sites = self.following.origins(np.stack([starts[branch] for branch, _ in begin]))
        for k, ((branch, way), site) in enumerate(zip(begin, sites, strict=True)):
            if site is None:
                what = f"{quantities[self.owner[k]].name} cannot be computed at the estimates, so it has no profile"
                raise RunError(asked.run.place, what)
            bests[k].value = min(bests[k].value, site.value)
            first = sites[k - k % (2 * len(starts)) + (way > 0)]
            assert first is not None
            self.following.lanes.append(self._lane(pins[k], branch, way, site, roots[k], bests[k], first.position))

    def _pin(self, quantity: Quantity) -> Pin:
        table = self.place.profile.full.problem.table
        if not isinstance(quantity, ParameterQuantity):
            return Pin(-1, quantity)
        return Pin([table.estimated_names[k] for k in self.place.profile.free].index(quantity.name))

    def _lane(self, pin: Pin, branch: int, way: int, site: Site, root: float, best: Best, first: float) -> Lane:
        """first: where the quantity is at the best optimum."""
        place, table = self.place, self.place.profile.full.problem.table
        configured = table.to_search(table.values)[place.profile.free]
        if pin.quantity is None:
            k = pin.coordinate
            limit, at_start = float((place.upper if way > 0 else place.lower)[k]), float(configured[k])
            is_log = table.transforms.scales[place.profile.free[k]] != "linear"
            unit = float(place.size[k])
        else:
            with np.errstate(all="ignore"):
                position, _ = on_scale(pin.quantity, table.to_search(table.values)[None], place.profile.free)
            at_start = float(position[0]) if np.isfinite(position[0]) else first
            limit, is_log, unit = way * math.inf, pin.quantity.is_log, abs(at_start) or 1.0
        unit = 1.0 if is_log else max(unit, abs(first))
        home = way * max(way * first, way * at_start)
        return Lane(way, limit, unit, is_log, root, best, branch, home, [site])

    def _recall(self, lane: int) -> None:
        """Of a lane, what is known."""
        number = self.owner[lane]
        own, place = self.known.get(self.quantities[number].name, []), self.owner[:lane].count(number)
        if place < len(own):
            self.following.known[lane] = own[place]

    def ends_of(self, number: int) -> Ends:
        """How the searches of a quantity have ended, by its lanes: what `known` takes."""
        return [ends for ends, owner in zip(self.following.ends, self.owner, strict=True) if owner == number]

    def lowest_of(self, number: int) -> float:
        """The lowest objective that a quantity has found; infinite where its heights are of an adjusted one."""
        return math.inf if self.owner.index(number) in self.following.adjustments else self._lanes(number)[0].base

    def go_on(self, earlier: Mapping[str, Profile]) -> None:
        """Take the points of profiles that an earlier call could not finish."""
        table, free = self.place.profile.full.problem.table, self.place.profile.free
        left: dict[int, list[FloatArray]] = {}
        for k, lane in enumerate(self.following.lanes):
            known = earlier.get(self.quantities[self.owner[k]].name)
            if known is None:
                continue
            theta = np.tile(table.values, (len(known.u), 1))
            theta[:, table.estimated] = known.u
            own = known.branch == lane.branch
            points = table.to_search(theta)[own][:, free]
            ahead = lane.way * (known.value[own] - natural_values(self.place, self._of(k), self._first(lane)))
            chosen = np.flatnonzero(ahead > 0)
            left[k] = list(points[chosen[np.argsort(ahead[chosen])]])
        while waiting := sorted(k for k, points in left.items() if points and self.following.lanes[k].going):
            numbers = np.array(waiting, dtype=np.intp)
            sites = self.following.revisited(numbers, np.stack([left[k].pop(0) for k in waiting]))
            for k, site in zip(waiting, sites, strict=True):
                if site is not None:
                    self.following.lanes[k].reach(site)
                    self.following.lanes[k].jumped = None

    def _of(self, k: int) -> Quantity:
        return self.quantities[self.owner[k]]

    @staticmethod
    def _first(lane: Lane) -> FloatArray:
        return np.array([lane.sites[0].position])

    def run(self, is_over: Callable[[], bool], told: Callable[[Work], None]) -> None:
        """Every lane to its end, or until it is over."""

        def after_round() -> None:
            self._go_back()
            told(self)

        try:
            self.following.run(is_over, after_round)
        finally:
            interrupt(self.following.lanes)

    def _go_back(self) -> None:
        """From where a lane has fallen into another valley, a lane the other way: it may lead below the first."""
        for k, lane in enumerate(list(self.following.lanes)):
            site, lane.jumped = lane.jumped, None
            number = self.owner[k]
            if site is None or self.n_branches[number] >= self.n_starts + MOST_JUMPS:
                continue
            self.owner.append(number)
            self._recall(len(self.owner) - 1)
            branch, self.n_branches[number] = self.n_branches[number], self.n_branches[number] + 1
            pin, way, home = self.following.pinned.pins[k], -lane.way, lane.sites[0].position
            limit = way * math.inf
            if pin.quantity is None:
                limit = float((self.place.upper if way > 0 else self.place.lower)[pin.coordinate])
            back = Lane(way, limit, lane.unit, lane.is_log, lane.zeta, lane.best, branch, home, [site])
            self.following.add(back, pin, self.following.adjustments.get(k))

    def is_going(self, number: int) -> bool:
        """Whether a quantity has lanes on their way."""
        return any(lane.going for lane in self._lanes(number))

    @property
    def n_going(self) -> int:
        """Lanes on their way."""
        return sum(lane.going for lane in self.following.lanes)

    def _lanes(self, number: int) -> list[Lane]:
        return [lane for lane, owner in zip(self.following.lanes, self.owner, strict=True) if owner == number]

    def concluded(self, number: int) -> Profile:
        """The profile of a quantity, as far as it is known."""
        return concluded(self.asked, self.place, self.quantities[number], self._lanes(number))


def ends_to_plain(ends: Ends) -> list[dict[str, Any]]:
    """As plain values and arrays."""
    return [{"u": [one.u for one in own], "values": [one.value for one in own]} for own in ends]


def ends_from_plain(plain: Sequence[Mapping[str, Any]]) -> Ends:
    """The inverse."""
    return [[Ended(*one) for one in zip(own["u"], own["values"], strict=True)] for own in plain]
