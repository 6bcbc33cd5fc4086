"""The profiles of a run: which quantities, from which optima, followed together, and written down on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.run import Run, check_solvable
from odefit.fitting.search_work import together
from odefit.problem.quantities import named_quantities, quantities_of
from odefit.profiles.concluding import concluded
from odefit.profiles.following import Following, Place, interrupt
from odefit.profiles.lanes import Best, Lane
from odefit.profiles.origins import origins
from odefit.profiles.pinned import Pin
from odefit.profiles.records import POINTS, Profile, Profiles, read_profiles
from odefit.profiles.request import Request
from odefit.runs.progress import Progress, Silent
from odefit.status import Status
from odefit.uncertainty.quantities import ParameterQuantity, Quantity

WRITTEN_EVERY = 5.0
"""Seconds between two times that what is there is written."""

MOST_LANES = 64
"""Lanes that are followed at once."""


def profile(
    run: Run,
    parameters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seconds: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Profiles:
    """Profile likelihoods of parameters, derived quantities and predictions of a run.

    Of each quantity, the least negative log-likelihood that the parameters can have for each of its values. Where that
    rises above its least value by the threshold of the level the interval ends. It is right where the curvature at the
    optimum is not: for likelihoods that are bent, flat, or have several optima.

    Parameters
    ----------
    run : Run
        A fit of equations that has converged.
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
        Is told how it goes.

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
        A name means nothing.

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
    if not 0 < level < 1:
        raise ValueError(f"the level must be between 0 and 1 (got {level})")
    assembly = run.assembly
    wanted = quantities_of(assembly) if parameters is None else named_quantities(assembly, parameters)
    session = Session(Request(run, level), progress or Silent(), seconds)
    earlier = None if overwrite else read_profiles(run.path, run.rows(POINTS))
    session.take(earlier)
    try:
        session.follow([quantity for quantity in wanted if not session.has(quantity.name)])
    finally:
        session.write()
    return session.profiles.of(quantity.name for quantity in wanted)


def check_can_be_profiled(run: Any) -> Run:
    """The run itself. Raises RunError where there is nothing to profile, with what to do first."""
    if not isinstance(run, Run):
        raise RunError(run.place, "is a latent ODE: its decoder has no likelihood of parameters to profile")
    if run.assembly.networks is not None:
        raise RunError(run.place, "has a network, whose weights have no likelihood to profile")
    if run.result.status != Status.CONVERGED:
        what = f"has no certified optimum to begin at ({run.result.status}: {run.result.message})"
        raise RunError(run.place, f"{what} Fit again first, with more starts: --set fit.starts=20")
    check_solvable(run)
    if not len(run.assembly.problem.table.estimated):
        raise RunError(run.place, "estimates no parameter, so there is nothing to profile")
    return run


class Session:
    """One call: what is found so far, and until when it goes on."""

    def __init__(self, asked: Request, progress: Progress, seconds: float | None) -> None:
        """Nothing is computed yet."""
        self.asked, self.progress = asked, progress
        self.until = math.inf if seconds is None else time.monotonic() + seconds
        self.found: dict[str, Profile] = {}
        self.remarks: list[str] = []
        self.best = Best(math.inf)
        self.began_at = math.inf
        self._written = time.monotonic()
        self._starts: dict[int, tuple[FloatArray, FloatArray]] = {}

    @property
    def profiles(self) -> Profiles:
        """What there is so far."""
        names = self.asked.run.assembly.problem.table.estimated_names
        return Profiles(names, self.best.value, self.asked.level, dict(self.found), tuple(self.remarks))

    def take(self, earlier: Profiles | None) -> None:
        """What an earlier call has found, as far as it is about the same level."""
        if earlier is not None and earlier.level == self.asked.level:
            self.found = dict(earlier.profiles)
            self.best.value = earlier.nll
            self.remarks = list(earlier.remarks)

    def has(self, name: str) -> bool:
        """Whether the profile of a quantity is finished."""
        return name in self.found and self.found[name].is_finished

    def write(self) -> None:
        """Into the run folder, if it has one."""
        if self.asked.run.path is not None and self.found:
            self.profiles.write(self.asked.run.path)
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
        self.progress.begin("profiles", len(quantities))
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
            Work(self, place, quantities[k : k + most], starts).run()

    def _origins(self, place: Place) -> FloatArray:
        if id(place) not in self._starts:
            self.progress.now("profiles: the optima to begin at")
            points, values = origins(self.asked.run, place, self.asked.root**2 / 2)
            self._starts[id(place)] = points, values
            self.best.value = min(self.best.value, float(values.min()))
            self.began_at = min(self.began_at, float(values.min()))
        return self._starts[id(place)][0]


class Work:
    """The profiles of some quantities, all their lanes together."""

    def __init__(self, session: Session, place: Place, quantities: Sequence[Quantity], starts: FloatArray) -> None:
        """Nothing is computed yet."""
        self.session, self.place, self.quantities = session, place, quantities
        self.pins: list[Pin] = []
        self.owner: list[int] = []
        begin = []
        free = [place.profile.full.problem.table.estimated_names[k] for k in place.profile.free]
        for number, quantity in enumerate(quantities):
            pin = Pin(free.index(quantity.name)) if isinstance(quantity, ParameterQuantity) else Pin(-1, quantity)
            for branch in range(len(starts)):
                for way in (-1, 1):
                    self.pins.append(pin)
                    self.owner.append(number)
                    begin.append((branch, way))
        self.following = Following(place, self.pins)
        sites = self.following.origins(np.stack([starts[branch] for branch, _ in begin]))
        for pin, (branch, way), site in zip(self.pins, begin, sites, strict=True):
            self.following.lanes.append(self._lane(pin, branch, way, site))

    def _lane(self, pin: Pin, branch: int, way: int, site: Any) -> Lane:
        place, asked = self.place, self.session.asked
        if site is None:
            raise RunError(
                asked.run.place, "the model cannot be differentiated at its estimates, so nothing is profiled"
            )
        if pin.quantity is None:
            k = pin.coordinate
            limit = float((place.upper if way > 0 else place.lower)[k])
            scale = place.profile.full.problem.table.transforms.scales[place.profile.free[k]]
            unit = float(place.size[k])
            is_log = scale != "linear"
            unit = unit if is_log else max(unit, abs(site.position))
        else:
            is_log = pin.quantity.is_log
            limit, unit = way * math.inf, 1.0 if is_log else abs(site.position) or 1.0
        return Lane(way, limit, unit, is_log, asked.root, self.session.best, branch, [site])

    def run(self) -> None:
        """Every lane to its end, or until the time is up; what is there is concluded in any case."""
        try:
            self.following.run(self.session.is_over, self._tell)
        finally:
            interrupt(self.following.lanes)
            self._conclude(range(len(self.quantities)))

    def _tell(self) -> None:
        """Say how far it is, and write what is finished now and then."""
        done = sum(not any(lane.going for lane in self._lanes(k)) for k in range(len(self.quantities)))
        before = sum(profile.is_finished for profile in self.session.found.values())
        going = sum(lane.going for lane in self.following.lanes)
        self.session.progress.part(before + done, f"{going} ways to their ends are followed")
        if time.monotonic() - self.session._written > WRITTEN_EVERY:
            self._conclude([k for k in range(len(self.quantities)) if not any(x.going for x in self._lanes(k))])
            self.session.write()

    def _lanes(self, number: int) -> list[Lane]:
        return [lane for lane, owner in zip(self.following.lanes, self.owner, strict=True) if owner == number]

    def _conclude(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            quantity = self.quantities[number]
            self.session.found[quantity.name] = concluded(self.session.asked, self.place, quantity, self._lanes(number))
