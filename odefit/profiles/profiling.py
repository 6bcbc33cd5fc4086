"""The profiles of a run: which quantities, from which optima, followed together, and written down on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from odefit.arguments import checked
from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.askable import check_certified, equations_of
from odefit.fitting.run import Run, check_solvable
from odefit.fitting.search_work import together
from odefit.objective.likelihood import Likelihood
from odefit.problem.quantities import named_quantities, quantities_of
from odefit.profiles.following import LOWER, Place
from odefit.profiles.lanes import Best
from odefit.profiles.origins import origins
from odefit.profiles.records import Profile, Profiles, read_profiles
from odefit.profiles.request import Request
from odefit.profiles.tracked_parts import parts_of
from odefit.profiles.work import Work
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.text import counted
from odefit.tracking.hooks import track_more
from odefit.uncertainty.degrees_of_freedom import no_degrees_left
from odefit.uncertainty.intervals import check_level
from odefit.uncertainty.quantities import Quantity

WRITTEN_EVERY = 5.0
"""Seconds between two times that what is there is written."""

NO_DEGREES = (
    "has no more measurements than parameters, so that no noise can be told and every profile is one of noise that "
    "vanishes: say how large it is, as `noise: {x: {sigma: 0.1}}` does, or measure more"
)

MOST_LANES = 64
"""Lanes that are followed at once."""


@checked()
def profile(
    run: Run | Path | str,
    parameters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seconds: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Profiles:
    """Profile likelihoods of parameters, derived quantities and predictions of a run.

    The profile of a quantity is the least negative log-likelihood that the parameters can have for each of its values.
    Where it rises by the threshold of the level the interval ends. Such intervals are right where the curvature at the
    optimum misleads: for likelihoods that are bent, flat, or have several optima.

    Parameters
    ----------
    run : Run or path
        A fit of equations that has converged, or its folder.
    parameters : sequence of str, optional
        `k`, a derived quantity, or a prediction such as `conc(6)` or `conc[mary](6)`; default all estimated parameters
        and all derived quantities.
    level : float
        The coverage of the intervals.
    seconds : float, optional
        When to end in any case, about. What is not finished by then is gone on with by the next call.
    overwrite : bool
        Begin anew, also what the run folder has already.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Profiles
        By name: the interval, a verdict in words, and the points. A run with a folder keeps them there, in
        `profiles.csv` and `profiles.json`.

    Raises
    ------
    RunError
        The fit has not converged, so there is no optimum to begin at, or its model has no likelihood to profile.
    InputError
        A name means nothing, or the level is none.

    References
    ----------
    A. Raue et al., "Structural and practical identifiability analysis of partially observed dynamical models by
    exploiting the profile likelihood", Bioinformatics 25 (2009).

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> profiles = odefit.profile(run, ["k", "x(6)"])
    >>> profiles.frame[["low", "high"]].round(3).to_dict("index")
    {'k': {'low': 0.482, 'high': 0.514}, 'x(6)': {'low': 0.092, 'high': 0.11}}
    """
    run = check_can_be_profiled(run)
    check_level(level)
    assembly = run.assembly
    wanted = quantities_of(assembly) if parameters is None else named_quantities(assembly, parameters)
    session = Session(Request(run, level), progress or Silent(), seconds)
    earlier = None if overwrite else read_profiles(run)
    session.take(earlier)
    known = frozenset(session.found)
    try:
        session.follow([quantity for quantity in wanted if not session.has(quantity.name)])
    finally:
        session.write()
    found = session.profiles.of(quantity.name for quantity in wanted)
    track_more(run, session.progress.note, parts=lambda: parts_of(found, known))
    left = len(wanted) - len(found)
    if not left:
        return found
    said = f"{left} of {len(wanted)} profiles were not begun in the time: the same call goes on with them"
    return replace(found, remarks=(*found.remarks, said))


def check_can_be_profiled(run: StoredRun | Path | str) -> Run:
    """The run, from its folder where that is given. Raises RunError where there is nothing to profile."""
    run = equations_of(run, "its decoder has no likelihood of parameters to profile")
    if run.assembly.networks is not None:
        raise RunError(run.place, "has a network, whose weights have no likelihood to profile")
    check_certified(run, "begin at")
    check_solvable(run)
    if not len(run.assembly.problem.table.estimated):
        raise RunError(run.place, "estimates no parameter, so there is nothing to profile")
    if no_degrees_left(Likelihood(run.assembly.problem)):
        raise RunError(run.place, NO_DEGREES)
    return run


class Session:
    """One call: what is found so far, and until when it goes on."""

    def __init__(
        self,
        asked: Request,
        progress: Progress,
        seconds: float | None,
        keeps: bool = True,
        keep: Callable[[Profiles], None] | None = None,
    ) -> None:
        """Nothing is computed yet. keeps: whether what is found goes into the run folder; keep: is given it as well."""
        self.keeps, self.keep = keeps, keep
        self.asked, self.progress = asked, progress
        self.until = math.inf if seconds is None else time.monotonic() + seconds
        self.found: dict[str, Profile] = {}
        self.best = Best(math.inf)
        self.began_at = math.inf
        self._known: tuple[str, ...] = ()
        self._written, self._total = time.monotonic(), 0
        self._starts: dict[int, tuple[FloatArray, FloatArray]] = {}

    @property
    def profiles(self) -> Profiles:
        """What there is so far."""
        names = self.asked.run.assembly.problem.table.estimated_names
        return Profiles(names, self.best.value, self.asked.level, dict(self.found), self._remarks())

    def _remarks(self) -> tuple[str, ...]:
        """What else came out on the way."""
        if not math.isfinite(self.began_at):  # nothing was computed: what was known stays
            return self._known
        lower = self.began_at - self.best.value
        if not lower > LOWER:
            return ()
        least = min(self.found.values(), key=lambda profile: profile.nll.min(initial=math.inf), default=None)
        where = ""
        if least is not None and len(least.nll):
            where = f", where {least.name} is {least.value[int(np.argmin(least.nll))]:.4g}"
        better = (
            f"warning: a better optimum than the fit's was found, {lower:.3g} log-likelihood units lower{where}: "
            "fit again with more starts; the intervals are measured from it"
        )
        return (better,)

    def take(self, earlier: Profiles | None) -> None:
        """What an earlier call has found, as far as it is about the same level."""
        if earlier is not None and earlier.level == self.asked.level:
            self.found = dict(earlier.profiles)
            self.best.value, self._known = earlier.nll, earlier.remarks

    def has(self, name: str) -> bool:
        """Whether the profile of a quantity is finished."""
        return name in self.found and self.found[name].is_finished

    def write(self) -> None:
        """Into the run folder, if it has one."""
        if self.keeps and self.asked.run.path is not None and self.found:
            self.profiles.write(self.asked.run.path)
        if self.keep is not None:
            self.keep(self.profiles)
        self._written = time.monotonic()

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def follow(self, quantities: Sequence[Quantity]) -> None:
        """The profiles of these quantities."""
        if not quantities:
            return
        groups: dict[int, tuple[Place, list[Quantity]]] = {}
        for quantity in quantities:
            place = self.asked.place_of(quantity)
            groups.setdefault(id(place), (place, []))[1].append(quantity)
        self._total = len(quantities) + sum(profile.is_finished for profile in self.found.values())
        self.progress.begin("profiles", self._total)
        try:
            for place, own in groups.values():
                self._follow_in(place, own)
        finally:
            self.progress.end()

    def _follow_in(self, place: Place, quantities: Sequence[Quantity]) -> None:
        starts = self._origins(place)
        most = max(min(MOST_LANES, together(place.profile)) // (2 * len(starts)), 1)
        for k in range(0, len(quantities), most):
            if self.is_over():
                return
            work = Work(self.asked, place, quantities[k : k + most], starts, self.best)
            work.go_on(self.found)
            try:
                work.run(self.is_over, self._tell)
            finally:
                self._keep(work, range(len(work.quantities)))

    def _origins(self, place: Place) -> FloatArray:
        if id(place) not in self._starts:
            self.progress.now("profiles: the optima to begin at")
            points, values = origins(self.asked.run, place, self.asked.root**2 / 2)
            self._starts[id(place)] = points, values
            self.best.value = min(self.best.value, float(values.min()))
            self.began_at = min(self.began_at, float(values.min()))
        return self._starts[id(place)][0]

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
