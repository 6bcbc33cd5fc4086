"""One call for profiles: what is found so far, until when it goes on, and where the quantities are followed.

Every quantity is followed by itself, from the same optima, with heights measured from the same objective. So its
profile is the same whichever others are followed, and wherever. Something lower that one of them finds on its way
counts for the others afterwards (`settle`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.cluster import current_cluster
from odefit.fitting.run import Run
from odefit.fitting.run_elsewhere import send_run
from odefit.fitting.search_work import chunk_for_workers, seconds_of_start, together
from odefit.optimizers.cluster_pool import Cluster
from odefit.optimizers.cluster_worker import Compute
from odefit.problem.quantities import named_quantities
from odefit.profiles.following import LOWER, Place
from odefit.profiles.origins import origins
from odefit.profiles.records import Profile, Profiles
from odefit.profiles.request import Request
from odefit.profiles.work import Ends, Work
from odefit.runs.progress import Progress
from odefit.text import counted
from odefit.uncertainty.quantities import Quantity

WRITTEN_EVERY = 5.0
"""Seconds between two times that what is there is written."""

MOST_LANES = 64
"""Lanes that are followed at once."""

SITES = 20
"""Of a usual profile, each about as much work as a start."""


class Session:
    """One call: what is found so far, and until when it goes on.

    Attributes
    ----------
    asked
        What profiles are asked of.
    found
        Profiles by name, also those that are not finished.
    lost
        Why some quantities have none.
    known
        How the searches of quantities ended in an earlier call that did not finish them.
    """

    def __init__(
        self,
        asked: Request,
        progress: Progress,
        seconds: float | None,
        keeps: bool = True,
        keep: Callable[[], None] | None = None,
    ) -> None:
        """Nothing is computed yet. keeps: whether what is found goes into the run folder; keep: is called as well."""
        self.keeps, self.keep = keeps, keep
        self.asked, self.progress = asked, progress
        self.until = math.inf if seconds is None else time.monotonic() + seconds
        self.found: dict[str, Profile] = {}
        self.lost: list[str] = []
        self.known: Mapping[str, Ends] = {}
        self.best = self.began_at = math.inf
        self._remembered: tuple[str, ...] = ()
        self._work: Work | None = None
        self._written, self._total = time.monotonic(), 0
        self._starts: dict[int, FloatArray] = {}

    @property
    def profiles(self) -> Profiles:
        """What there is so far."""
        names = self.asked.run.assembly.problem.table.estimated_names
        return Profiles(names, self.best, self.asked.level, dict(self.found), self._remarks())

    def _remarks(self) -> tuple[str, ...]:
        """What else came out on the way."""
        if not math.isfinite(self.began_at):  # nothing was computed: what was known stays
            return self._remembered
        lower = self.began_at - self.best
        if not lower > LOWER:
            return tuple(self.lost)
        least = min(self.found.values(), key=lambda profile: profile.nll.min(initial=math.inf), default=None)
        where = ""
        if least is not None and len(least.nll):
            where = f", where {least.name} is {least.value[int(np.argmin(least.nll))]:.4g}"
        better = (
            f"warning: a better optimum than the fit's was found, {lower:.3g} log-likelihood units lower{where}: "
            "fit again with more starts; the intervals are measured from it"
        )
        return (better, *self.lost)

    def take(self, earlier: Profiles | None) -> None:
        """What an earlier call, or another machine, has found, as far as it is about the same level."""
        if earlier is not None and earlier.level == self.asked.level:
            self.found |= earlier.profiles
            self.best = min(self.best, earlier.nll)
            self._remembered = (*self._remembered, *earlier.remarks)

    def has(self, name: str) -> bool:
        """Whether the profile of a quantity is finished."""
        return name in self.found and self.found[name].is_finished

    def ends(self) -> dict[str, Ends]:
        """How the searches ended of the quantities that are on their way, by name: what `known` takes."""
        if self._work is None:
            return {}
        quantities = self._work.quantities
        return {q.name: self._work.ends_of(k) for k, q in enumerate(quantities) if not self.has(q.name)}

    def order(self, names: Iterable[str]) -> None:
        """Those with these names at the end, in their order: found by whichever call, and whoever was ready first."""
        for name in names:
            if name in self.found:
                self.found[name] = self.found.pop(name)

    def write(self) -> None:
        """Into the run folder, if it has one."""
        if self.keeps and self.asked.run.path is not None and self.found:
            self.profiles.write(self.asked.run.path)
        if self.keep is not None:
            self.keep()
        self._written = time.monotonic()

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def follow(self, quantities: Sequence[Quantity]) -> None:
        """The profiles of these quantities."""
        if not quantities:
            return
        self._total = len(quantities) + sum(profile.is_finished for profile in self.found.values())
        self.progress.begin("profiles", self._total)
        try:
            self._follow(quantities, None)
        finally:
            self.progress.end()

    def settle(self, quantities: Sequence[Quantity]) -> None:
        """Follow those anew whose heights are not measured from the lowest objective that any of them has found."""
        while not self.is_over() and (higher := [one for one in quantities if self._is_too_high(one)]):
            self._total = sum(profile.is_finished for profile in self.found.values())
            self.progress.begin("profiles from the better optimum", self._total)
            try:
                self._follow(higher, self.best)
            finally:
                self.progress.end()

    def _is_too_high(self, quantity: Quantity) -> bool:
        profile = self.found.get(quantity.name)
        if profile is None or not profile.is_finished or not len(profile.nll):
            return False
        is_own = self.asked.adjustment_of(quantity) is not None  # of these heights are those of their own profile
        return not is_own and float(profile.nll[0] - profile.rise[0]) > self.best + LOWER

    def _follow(self, quantities: Sequence[Quantity], base: float | None) -> None:
        """base: what heights are measured from; None: the optima that the profiles begin at."""
        groups: dict[int, tuple[Place, list[Quantity]]] = {}
        for quantity in quantities:
            place = self.asked.place_of(quantity)
            groups.setdefault(id(place), (place, []))[1].append(quantity)
        for place, own in groups.values():
            starts = self._origins(place)
            cluster = current_cluster()
            if cluster is None:
                self._follow_here(place, own, starts, base)
            else:
                self._follow_elsewhere(cluster, place, own, starts, base)

    def _follow_here(self, place: Place, own: Sequence[Quantity], starts: FloatArray, base: float | None) -> None:
        most = most_at_once(place, starts)
        for k in range(0, len(own), most):
            if self.is_over():
                return
            some = own[k : k + most]
            self._work = work = begun(self.asked, place, some, starts, base, self.found, self.known)
            try:
                work.run(self.is_over, self._tell)
            finally:
                self._keep(work, range(len(work.quantities)))

    def _follow_elsewhere(
        self, cluster: Cluster, place: Place, own: Sequence[Quantity], starts: FloatArray, base: float | None
    ) -> None:
        """On the workers of a cluster."""
        key, has_levels = send_run(cluster, self, self.asked.run, _built), place is self.asked.with_levels
        seconds = seconds_of_start(place.profile, starts[:1])
        work = None if seconds is None else SITES * seconds
        chunk = chunk_for_workers(len(own), cluster.n_workers, work, most_at_once(place, starts))

        def described(some: list[int]) -> tuple[Any, ...]:
            names = [own[k].name for k in some]
            return names, has_levels, starts, base, {name: self.found[name] for name in names if name in self.found}

        answers = cluster.answers(key, self.asked.level, described, range(len(own)), cluster.batch or chunk)
        with closing(answers):
            for answer in answers:
                name = own[answer.number].name
                if answer.lost:
                    self.lost.append(f"warning: {name} has no profile: {answer.error}")
                    continue
                if answer.error is not None:
                    raise answer.error
                self.found[name], lowest = answer.result
                self.best = min(self.best, lowest)
                self.progress.part(sum(profile.is_finished for profile in self.found.values()), "")
                if time.monotonic() - self._written > WRITTEN_EVERY:
                    self.write()
                if self.is_over():
                    return

    def _origins(self, place: Place) -> FloatArray:
        if id(place) not in self._starts:
            self.progress.now("profiles: the optima to begin at")
            self._starts[id(place)], values = origins(self.asked.run, place, self.asked.root**2 / 2)
            self.best = min(self.best, float(values.min()))
            self.began_at = min(self.began_at, float(values.min()))
        return self._starts[id(place)]

    def _tell(self, work: Work) -> None:
        """Say how far it is, and write what is finished now and then."""
        done = [k for k in range(len(work.quantities)) if not work.is_going(k)]
        before = {name for name, profile in self.found.items() if profile.is_finished}
        n = len(before - {work.quantities[k].name for k in done}) + len(done)
        followed = f"{counted(work.n_going, 'way')} to their ends followed" if work.n_going else ""
        self.progress.part(min(n, self._total), followed)
        if time.monotonic() - self._written > WRITTEN_EVERY:
            self._keep(work, done)
            self.write()

    def _keep(self, work: Work, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.found[work.quantities[number].name] = work.concluded(number)
            self.best = min(self.best, work.lowest_of(number))


def most_at_once(place: Place, starts: FloatArray) -> int:
    """Quantities that are followed together from optima [n, P']."""
    return max(min(MOST_LANES, together(place.profile)) // (2 * len(starts)), 1)


def begun(
    asked: Request,
    place: Place,
    quantities: Sequence[Quantity],
    starts: FloatArray,
    base: float | None,
    found: Mapping[str, Profile],
    known: Mapping[str, Ends],
) -> Work:
    """Quantities at the optima `starts` [n, P'], with what an earlier call has found of them. base: see `_follow`."""
    own = {quantity.name for quantity in quantities} - set(known)
    work = Work(asked, place, quantities, starts, math.inf if base is None else base, known)
    work.go_on({name: found[name] for name in own if name in found})
    return work


def _built(run: Run, level: float) -> Compute:
    """What a worker of a cluster follows quantities by."""
    asked = Request(run, level)

    def followed(described: tuple[Any, ...]) -> list[tuple[Profile, float]]:
        names, has_levels, starts, base, found = described
        place = asked.with_levels if has_levels else asked.without_levels
        work = begun(asked, place, named_quantities(run.assembly, names), starts, base, found, {})
        work.run(lambda: False, lambda _: None)
        return [(work.concluded(k), work.lowest_of(k)) for k in range(len(names))]

    return followed
