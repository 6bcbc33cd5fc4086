"""One way along a profile: from an optimum up or down, until the likelihood says no, or there is nothing left to say.

A lane asks for the next position, is given the site there, and knows when it is at its end. Steps are chosen in the
root zeta of the likelihood, of which a profile needs about four to the threshold, whatever the scale of its parameter.
"""

from __future__ import annotations

import math
from dataclasses import field
from enum import StrEnum

import numpy as np

from odefit.arrays import FloatArray
from odefit.profiles.sites import Site, crossing
from odefit.records import dataclass

STEPS = 4
"""Steps from the optimum to just beyond the threshold."""

BEYOND = 1.15
"""How far beyond the threshold, in roots."""

ACCURACY = 3e-3
"""Of zeta at the end of an interval; what is left is corrected by the slope, to about its square."""

MOST_SITES = 200
MOST_CROSSING = 20
"""Sites to find the end between two."""

MOST_FAILED = 8
"""Steps in a row, each half as long as the one before, to which the model has no answer."""

MOST_LOST = 12
"""Searches that may end in a valley that lies too high, before it is believed that there is no other."""

DECADE = math.log(10.0)

FAR = 4 * DECADE
"""How far beyond home a logarithm must have moved before a flat profile is believed to stay flat."""

FARTHEST = 8 * DECADE
"""Where it is not followed further in any case."""

FLAT = 0.02
"""The share of the threshold that a flat profile rises by in the last half of its way."""


class End(StrEnum):
    """Why a lane ended."""

    CROSSED = "crossed"
    BOUND = "bound"
    FLAT = "flat"
    FAILED = "failed"
    UNFINISHED = "unfinished"


@dataclass
class Best:
    """The lowest value of the objective that anything has found: what heights are measured from."""

    value: float


@dataclass
class Lane:
    """One way along one profile.

    Parameters
    ----------
    way
        1 upwards, -1 downwards.
    limit
        Where the quantity ends in this direction.
    unit
        How much the quantity typically changes: 1 for a logarithm.
    is_log
        Whether the position is a logarithm or a logit.
    zeta
        The root at the threshold.
    best
        What heights are measured from.
    branch
        Which optimum it began at.
    home
        The best optimum or the configured value, whichever lies farther on this way: from there on it is far out.
    sites
        The first is where it began.
    """

    way: int
    limit: float
    unit: float
    is_log: bool
    zeta: float
    best: Best
    branch: int
    home: float
    sites: list[Site]
    end: End | None = None
    at: float | None = None
    n_failed: int = 0
    n_crossing: int = 0
    n_lost: int = 0
    jumped: Site | None = None
    _step: float = field(default=math.inf)

    @property
    def base(self) -> float:
        return self.best.value

    @property
    def going(self) -> bool:
        return self.end is None

    def next_position(self) -> float:
        """Where the next site is wanted."""
        bracket = self._bracket()
        if bracket is not None:
            below, above = bracket
            if self.n_failed or self.n_crossing > MOST_CROSSING // 2:
                return (below.position + above.position) / 2
            return crossing(below, above, self.base, self.zeta, self.way)
        step = self._outward() if not self.n_failed else self._step / 2
        self._step = step
        return self._within(self.sites[-1].position + self.way * step)

    def predicted(self, position: float) -> FloatArray:
        """The free parameters [P'] to begin with there: along the tangent, and bent as the last step was."""
        here = self._nearest(position)
        step = position - here.position
        straight = here.tangent * step
        others = [s for s in self.sites if s is not here]
        if not others:
            return here.u + straight
        before = min(others, key=lambda s: abs(s.position - here.position))
        gap = here.position - before.position
        if gap == 0:
            return here.u + straight
        bend = (here.tangent - before.tangent) / gap * step * step / 2
        most = 0.5 * np.abs(straight) + 1e-12
        return here.u + straight + np.clip(bend, -most, most)

    def reach(self, site: Site) -> None:
        """A new site; the lane ends where that is the last one."""
        bracket = self._bracket()
        crossing_now = bracket is not None
        last = self.sites[-1]
        may_be_lost = self.n_lost < MOST_LOST and self.n_failed < MOST_FAILED - 1
        if may_be_lost and self._is_lost(site, *(bracket or (last, None))):
            self.n_lost += 1
            self.fail()
            return
        if not crossing_now and self.way * (site.position - last.position) <= 0 and not self._is_at_limit(site):
            self.fail(End.BOUND)  # it would not come any farther: what it follows from is at its bounds
            return
        self.n_failed = 0
        if not crossing_now:
            self._step = max(abs(site.position - last.position), 1e-300)
            if self._is_jump(last, site):
                self.jumped = site
        self.sites.append(site)
        self.sites.sort(key=lambda s: self.way * s.position)
        self.n_crossing += crossing_now
        self._judge(site)

    def reopen(self) -> None:
        """Something has found a lower objective, so that heights are others."""
        if self.end == End.CROSSED:
            self.end, self.at, self.n_crossing = None, None, 0

    def fail(self, end: End = End.FAILED) -> None:
        """There was no answer at the last position. end: what it ends with, where there never is."""
        self.n_failed += 1
        if self._bracket() is not None:
            self.n_crossing += 1
        if self.n_failed >= MOST_FAILED:
            self._settle(end)

    def _judge(self, site: Site) -> None:
        """Whether the lane is at its end."""
        bracket = self._bracket()
        if bracket is not None:
            zeta = site.root(self.base)
            if abs(zeta - self.zeta) < ACCURACY and site.steepness(self.base, self.way) > 0:
                self.at = site.position + self.way * (self.zeta - zeta) / site.steepness(self.base, self.way)
                self.end = End.CROSSED
            elif self.n_crossing >= MOST_CROSSING or self._is_tight(*bracket):
                self._settle(End.CROSSED)
            return
        if self._is_at_limit(site):
            self.end = End.BOUND
        elif self._is_flat() or len(self.sites) >= MOST_SITES:
            self.end = End.FLAT

    def _is_at_limit(self, site: Site) -> bool:
        left = self.way * (self.limit - site.position)
        return math.isfinite(left) and left <= 1e-9 * max(self.unit, abs(self.limit))

    def _settle(self, end: End) -> None:
        """End with the best guess of a crossing where there is one."""
        bracket = self._bracket()
        if bracket is not None:
            self.at = crossing(*bracket, self.base, self.zeta, self.way)
            end = End.CROSSED
        self.end = end

    def _is_tight(self, below: Site, above: Site) -> bool:
        return abs(above.position - below.position) <= 1e-9 * max(self.unit, abs(above.position))

    def _bracket(self) -> tuple[Site, Site] | None:
        """The two neighbours between which the profile crosses the threshold for the first time."""
        for below, above in zip(self.sites, self.sites[1:], strict=False):
            if above.root(self.base) >= self.zeta > below.root(self.base):
                return below, above
        return None

    def _nearest(self, position: float) -> Site:
        return min(self.sites, key=lambda s: abs(s.position - position))

    def _outward(self) -> float:
        """The length of the next step away from the optimum."""
        here = self.sites[-1]
        zeta = here.root(self.base)
        goal = BEYOND * self.zeta
        left = max(math.ceil((goal - zeta) / (goal / STEPS) - 0.2), 1)
        target = zeta + (goal - zeta) / left
        rise = max(target * target / 2 - (here.value - self.base), 0.0)
        slope, bend = self.way * here.slope, max(here.curvature, 0.0)
        root = math.sqrt(max(slope, 0.0) ** 2 + 2 * bend * rise)
        step = 2 * rise / (max(slope, 0.0) + root) if root > 0 else math.inf
        most = self.unit if math.isinf(self._step) else 2 * self._step
        if len(self.sites) > 1:
            step = min(step, 4 * self._step)
        if self.is_log:
            most = min(most, 2 * DECADE)
        # Where nothing resists, the scale of the parameter is all that is known.
        return min(step, most) if step > most else step

    def _within(self, position: float) -> float:
        """Not beyond the limit; and exactly there where it would be next to it."""
        left = self.way * (self.limit - self.sites[-1].position)
        return self.limit if self.way * (position - self.sites[-1].position) >= 0.9 * left else position

    def _is_flat(self) -> bool:
        """Whether the profile has come far without a rise, and rises no more."""
        first, last = self.sites[0], self.sites[-1]
        way = self.way * (last.position - self.home) / self.unit
        far, farthest = (FAR, FARTHEST) if self.is_log else (math.exp(FAR), math.exp(FARTHEST))
        if way < far:
            return False
        half = self._nearest((first.position + last.position) / 2)
        return way >= farthest or last.value - half.value < FLAT * self.zeta**2 / 2

    def _is_lost(self, site: Site, last: Site, beyond: Site | None) -> bool:
        """Whether the search has ended in a valley that lies too high: above both neighbours, or than slopes explain.

        The next one begins nearer to the last site. What stays up there is believed after MOST_LOST of them.
        """
        if beyond is not None:
            return site.value > max(last.value, beyond.value) + 0.1
        expected = (last.slope + site.slope) * (site.position - last.position) / 2
        rise = site.value - last.value
        return rise > expected + 0.1 + 0.5 * rise

    def _is_jump(self, last: Site, site: Site) -> bool:
        """Whether the other parameters have gone to another valley, where the objective is lower."""
        expected = last.value + (last.slope + site.slope) * (site.position - last.position) / 2
        rise = abs(site.value - last.value)
        return site.value < expected - 0.1 - 0.5 * rise
