"""Local searches of the likelihood, from one start or from many together: in this process or in a worker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.config.fit_methods import FitMethod, imported
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.fitting.cpu_limit import CpuLimited, CpuTimeSpent
from odefit.fitting.explained import plateau_ending
from odefit.fitting.far_start import nearer_starts
from odefit.fitting.nonsmooth import kinks_met
from odefit.fitting.one_sided import Box, OneSided
from odefit.fitting.search_objective import ForSearches, SearchObjective
from odefit.fitting.tightening import tightened
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import BatchObjective, OfSearch, SearchOutcome
from odefit.optimizers.certificate import Certificate, certify_many
from odefit.optimizers.known_optima import KnownOptima
from odefit.problem.assembly import assemble
from odefit.problem.systems import describe_system
from odefit.records import dataclass
from odefit.status import Ending, Reason, Status

PLATEAU = 0.01
"""Standard deviations of the data by which a typical change of a parameter must move the predictions. Where none does a
search has come to rest on a plateau, which is no optimum."""
ENDS_AT_KINKS = {Reason.DERIVATIVES_DISAGREE, Reason.NOT_CERTIFIED}
"""How searches end where the likelihood has a kink."""

Listener = Callable[[int, FloatArray, float], None]
"""Called with the number of a search among those that go on together, its u [P'] and its value, after each step."""


@dataclass(frozen=True)
class LocalSearch:
    """Local searches with their method: what a worker runs. known: optima at which they need not arrive."""

    objective: ProfileLikelihood
    method: FitMethod
    max_iterations: int | None
    coarse: bool = False
    cpu_limit: float | None = None
    known: KnownOptima | None = None

    def __call__(self, points: FloatArray, listener: Listener | None = None) -> list[SearchOutcome]:
        """The outcomes of searches from points [B, P']: each is what it would be alone, so that one does for all that
        begin at the same place, as starts do that have been matched."""
        first, same = np.unique(points, axis=0, return_index=True, return_inverse=True)[1:]
        if len(first) < len(points):
            different = self(points[first], _renumbered(listener, first))
            return [different[k] for k in same.ravel()]
        if self.cpu_limit is not None and len(points) > 1:
            # Each has its own time, which only a search by itself can measure.
            return [self(u[None], _renumbered(listener, np.array([k])))[0] for k, u in enumerate(points)]
        objective = SearchObjective.of(self.objective, len(points))
        lower, upper = self.box
        within = CpuLimited(objective, self.cpu_limit)
        most = np.full(len(points), self.most)
        search = functools.partial(self.minimised, listener=listener)
        try:
            begun = nearer_starts(objective, points, self.plainly, self.cpu_limit)
            outcomes = self.certified(objective, search(within, begun, most=most), functools.partial(search, within))
            outcomes = [self.at_kinks(within, k, outcome) for k, outcome in enumerate(outcomes)]
        except CpuTimeSpent:
            outcomes = [within.outcome(points[0], lower, upper)]
        return [self.explained(objective, k, outcome) for k, outcome in enumerate(outcomes)]

    @property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """The bounds of the free u, [P'] each."""
        lower, upper = self.objective.full.problem.table.search_bounds()
        return lower[self.objective.free], upper[self.objective.free]

    def plainly(self, objective: BatchObjective, points: FloatArray) -> list[SearchOutcome]:
        """The outcomes for another objective of the same parameters, from points [B, P']."""
        return self.minimised(objective, points, most=np.full(len(points), self.most))

    @property
    def most(self) -> int:
        """The most steps of one search."""
        return self.max_iterations or self.method.iterations

    def minimised(
        self,
        objective: BatchObjective,
        points: FloatArray,
        *,
        most: IntArray,
        searches: IntArray | None = None,
        listener: Listener | None = None,
        box: Box | None = None,
    ) -> list[SearchOutcome]:
        """The plain outcomes from points [b, P'] within `most` steps [b].

        searches: [b], the numbers by which the objective knows them; default the first b. box: default all of it.
        """
        lower, upper = box or self.box
        numbers = np.arange(len(points)) if searches is None else searches
        settings: dict[str, Any] = {"lower": lower, "upper": upper, "size": typical_sizes(self.objective)}
        settings |= self.method.coarse if self.coarse else self.method.fine
        if self.method.minimize_many is not None:
            call = None if listener is None else lambda k, u, value: listener(int(numbers[k]), u, value)
            some = objective if searches is None else ForSearches(objective, searches)
            found: list[SearchOutcome] = imported(self.method.minimize_many)(
                some, points, max_iterations=most, callback=call, known=self.known, **settings
            )
            return found
        assert self.method.minimize is not None, f"{self.method.name} does not search"
        minimize = imported(self.method.minimize)
        outcomes = []
        for k, u, steps in zip(numbers, points, most, strict=True):
            one = None if listener is None else functools.partial(listener, int(k))
            outcomes.append(
                minimize(OfSearch(objective, int(k)), u, max_iterations=int(steps), callback=one, **settings)
            )
        return outcomes

    def certified(
        self, objective: BatchObjective, outcomes: list[SearchOutcome], search: Callable[..., list[SearchOutcome]]
    ) -> list[SearchOutcome]:
        """The outcomes; those that converged with what the certificate of an optimum leaves to gain.

        Where that is too much a search goes on from there, once, with nothing that it believed; where it is still too
        much then, the outcome is `stopped`.

        search: takes points, and by name `most` and `searches`.
        """
        outcomes = list(outcomes)
        certificates: dict[int, Certificate] = {}

        def certify(numbers: Sequence[int]) -> None:
            if numbers:
                u, own = np.stack([outcomes[k].u for k in numbers]), np.array(numbers, dtype=np.intp)
                found = certify_many(objective, u, *self.box, typical_sizes(self.objective), own)
                certificates.update(zip(numbers, found, strict=True))

        certify([k for k, outcome in enumerate(outcomes) if outcome.status == Status.CONVERGED])
        weak = [k for k, c in certificates.items() if not c.holds and outcomes[k].n_iterations < self.most]
        if weak:
            left = np.array([self.most - outcomes[k].n_iterations for k in weak])
            points = np.stack([outcomes[k].u for k in weak])
            better = []
            for k, more in zip(weak, search(points, most=left, searches=np.array(weak, dtype=np.intp)), strict=True):
                if more.value <= outcomes[k].value:
                    outcomes[k] = _joined(outcomes[k], more)
                    better.append(k)
            certify(better)
        for k, certificate in certificates.items():
            outcomes[k] = self.judged(outcomes[k], certificate)
        return outcomes

    def at_kinks(self, objective: BatchObjective, number: int, outcome: SearchOutcome) -> SearchOutcome:
        """The outcome; of a search that ended at a kink of the likelihood the optimum there, if it is one."""
        problem = self.objective.full.problem
        if outcome.ending.reason not in ENDS_AT_KINKS:
            return outcome
        theta = problem.table.to_natural(self.objective.lift(outcome.u))
        kinks, names = kinks_met(problem, theta), problem.table.estimated_names
        moved = [k for k, position in enumerate(self.objective.free) if names[position] in kinks]
        if len(moved) != 1:  # of several, not every part of the box between them would be looked at
            return outcome
        theta = np.array([kinks.get(n, old) for n, old in zip(problem.table.names, theta, strict=True)])
        (k,), places = moved, problem.table.to_search(theta)[self.objective.free]
        own, size = np.array([number], dtype=np.intp), typical_sizes(self.objective)

        def search(u: FloatArray, box: Box) -> SearchOutcome:
            return self.minimised(objective, u[None], most=np.array([self.most]), searches=own, box=box)[0]

        def certify(u: FloatArray, box: Box) -> Certificate:
            return certify_many(objective, u[None], *box, size, own)[0]

        one_sided = OneSided(search, certify, self.box, size)
        best, certificate = one_sided(outcome, k, float(places[k]))
        if best is not outcome:
            best = _joined(outcome, best)
        if certificate is None:
            return replace(best, ending=outcome.ending)
        still = one_sided.is_at(best.u[k], float(places[k]), k)
        ending = Ending(Reason.AT_KINK, {"names": " and ".join(kinks)}) if still else best.ending
        return replace(best, ending=ending, left=certificate.left)

    def judged(self, outcome: SearchOutcome, certificate: Certificate) -> SearchOutcome:
        """The outcome by its certificate."""
        table = self.objective.full.problem.table
        roles = [table.parameters[table.estimated[k]].role for k in self.objective.free]
        of_model = np.array([role != "noise" for role in roles], dtype=bool)
        if outcome.status == Status.CONVERGED and of_model.any() and (certificate.effects[of_model] < PLATEAU).all():
            outcome = replace(outcome, ending=plateau_ending(self.objective.full.problem, outcome.value))
        elif not certificate.holds and outcome.status == Status.CONVERGED:
            details = {"why": outcome.message.rstrip(".").lower(), "left": certificate.left}
            outcome = replace(outcome, ending=Ending(Reason.NOT_CERTIFIED, details))
        return replace(outcome, left=certificate.left)

    def explained(self, objective: SearchObjective, k: int, outcome: SearchOutcome) -> SearchOutcome:
        """The outcome with the cause of a failure: the optimizer knows only that there is no number."""
        cause = objective.failure(k, outcome.u) if outcome.status == Status.FAILED else None
        return replace(outcome, ending=Ending(Reason.MODEL_FAILS_AT_START, {"cause": cause})) if cause else outcome


def _renumbered(listener: Listener | None, numbers: IntArray) -> Listener | None:
    """A listener for some searches, which hears of them by their numbers among others."""
    return None if listener is None else lambda k, u, value: listener(int(numbers[k]), u, value)


def _joined(before: SearchOutcome, more: SearchOutcome) -> SearchOutcome:
    return replace(
        more,
        n_evaluations=before.n_evaluations + more.n_evaluations,
        n_gradients=before.n_gradients + more.n_gradients,
        history=(*before.history, *more.history[1:]),
    )


def typical_sizes(objective: ProfileLikelihood) -> FloatArray:
    """How much each free component of u typically changes, [P']; see `Parameter.size`."""
    sizes: FloatArray = objective.full.problem.table.sizes[objective.free]
    return sizes


def size_of(parameters: Sequence[Parameter]) -> FloatArray:
    """The same of parameters, [n]."""
    return np.array([p.size for p in parameters])


def build_search(
    loaded: LoadedConfig,
    measured: Sequence[Experiment],
    constants: TableColumns,
    method: FitMethod,
    limits: tuple[int | None, float | None],
    factor: int = 1,
    known: KnownOptima | None = None,
) -> LocalSearch:
    """Assemble everything anew: what a spawned worker does with what can be sent to it.

    limits: the most iterations and the CPU seconds of one search; factor: what the solver's tolerances are divided by;
    known: optima at which a search need not arrive.
    """
    assembly = tightened(
        assemble(loaded, describe_system(loaded, constants, measured), measured, for_fit=False), factor
    )
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    return LocalSearch(objective, method, limits[0], coarse=True, cpu_limit=limits[1], known=known)
