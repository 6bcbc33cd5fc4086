"""Levenberg-Marquardt for likelihoods in score form: Fisher scoring in a trust region, within bounds.

Each iteration minimises the quadratic model

    m(d) = f + (A.T z).d + |A d|**2 / 2      over   |d / size| <= radius,   lower <= u + d <= upper

and keeps u + d only if the objective itself fell. For residuals with known sigma this is the method of
J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory" (1978). What differs: z and A may
be any score form (base.py); the bounds are part of the model; steps are measured by how much a parameter may
typically change (`size`) instead of by the columns of A, which on sums of exponentials solves more problems
with fewer evaluations (benchmarks/optimizers.py); and the end is judged by the relative offset of D. M. Bates
and D. G. Watts, "A relative offset orthogonality convergence criterion" (Technometrics 23, 1981): the cosine
of the angle between z and what A can change.

A.T A is never formed: one decomposition of A serves every radius of an iteration, and tells a rank-deficient problem,
for which the shortest step is taken (local_model.py).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray
from odefit.linalg.matrix import EPS
from odefit.linalg.score import Evaluation
from odefit.optimizers.base import (
    Callback,
    Counter,
    Objective,
    SearchOutcome,
    at_bound,
    check_box,
    coordinate_steps,
    typical_size,
    usable,
)
from odefit.optimizers.local_model import LocalModel, norm
from odefit.status import Ending, Reason

OBJECTIVE_ROUNDING = 1e-12
"""The relative rounding error of an objective: residuals are small differences of large numbers."""

MAX_REJECTED = 4
"""The rejected steps in a row after which a model that promises next to nothing is not believed any more."""

MAX_STALLED = 2
"""The accepted steps in a row after which a model that goes on promising the same is not believed any more."""


@dataclass(frozen=True)
class Tolerances:
    """When a search ends; `minimize_least_squares` says what each of them means."""

    max_iterations: int
    ftol: float
    xtol: float
    gtol: float


@dataclass(frozen=True)
class Point:
    """A point that was reached.

    Parameters
    ----------
    u
        [P].
    value
        The objective at u.
    here
        Its derivatives there.
    """

    u: FloatArray
    value: float
    here: Evaluation

    @property
    def energy(self) -> float:
        """|z|²/2: what the best possible linear model could take away."""
        return float(self.here.z @ self.here.z) / 2


@dataclass(frozen=True)
class Trial:
    """A step that was tried.

    Parameters
    ----------
    point
        Where it led; None where it is not to be kept.
    ratio
        Actual over predicted decrease.
    """

    point: Point | None
    ratio: float


def minimize_least_squares(
    objective: Objective,
    u0: FloatArray,
    lower: FloatArray | float = -np.inf,
    upper: FloatArray | float = np.inf,
    *,
    size: FloatArray | None = None,
    max_iterations: int = 200,
    ftol: float = 1e-8,
    xtol: float = 1e-13,
    gtol: float = 1e-10,
    callback: Callback | None = None,
) -> SearchOutcome:
    """A local minimum of an objective in a box.

    Parameters
    ----------
    objective
        The function; its failures never raise.
    u0
        [P], the start, which is moved into the box.
    lower, upper
        [P] or numbers, the box.
    size
        [P], how much each component may typically change: 1 for a logarithm. Default |u0| (1 where that is 0), which is
        right for natural scales. The first step is at most half of it in each component.
    max_iterations
        The most steps tried.
    ftol
        What is left to gain, relative to |z|²/2, below which repeated failure to gain it, or to make it less, means
        that the rest is noise of the objective (a solver's tolerance), and the search has converged as well.
    xtol
        The relative change of every component of u below which no more steps are tried.
    gtol
        The relative offset at which the search has converged; 1e-10 leaves about 1e-10 sqrt(M) standard errors.
    callback
        Called after each accepted step; returning True ends the search.

    Raises
    ------
    ValueError
        u0 and the box do not fit together.
    """
    search = _Search(objective, u0, lower, upper, size, Tolerances(max_iterations, ftol, xtol, gtol))
    return search.run(callback)


class _Search:
    """The state of one search: what it counts, where it is, and how far it trusts its model."""

    def __init__(
        self,
        objective: Objective,
        u0: FloatArray,
        lower: FloatArray | float,
        upper: FloatArray | float,
        size: FloatArray | None,
        tolerances: Tolerances,
    ) -> None:
        self.count = Counter(objective)
        self.u, self.lower, self.upper = check_box(u0, lower, upper)
        self.size = typical_size(self.u) if size is None else np.asarray(size, dtype=np.float64)
        self.tolerances = tolerances
        self.radius = 0.5 * float(np.sqrt(len(self.u)))
        self.history: list[float] = []
        self.n_tried = 0
        self.n_stalled, self.least_promise = 0, np.inf

    def run(self, callback: Callback | None) -> SearchOutcome:
        reached = self.start()
        while isinstance(reached, Point):
            self.u = reached.u
            self.history.append(reached.value)
            if callback is not None and len(self.history) > 1 and callback(self.u.copy(), reached.value):
                reached = Ending(Reason.ENDED_BY_CALLER)
            else:
                reached = self.improve(reached)
        return SearchOutcome(
            u=self.u,
            value=self.history[-1] if self.history else np.inf,
            ending=reached,
            n_evaluations=self.count.n_evaluations,
            n_gradients=self.count.n_gradients,
            history=tuple(self.history),
            at_bound=at_bound(self.u, self.lower, self.upper),
        )

    def start(self) -> Point | Ending:
        # `value` as well as `evaluate`: an ODE solver answers slightly differently with sensitivities, and
        # later values, which come from `value`, must be compared with their like.
        value = self.count.value(self.u)
        if np.isfinite(value):
            here = self.count.evaluate(self.u)
            if usable(here):
                return Point(self.u, value, here)
        return Ending(Reason.NO_OBJECTIVE_AT_START)

    def improve(self, point: Point) -> Point | Ending:
        """The next point, from steps in ever smaller radii until one is good; or why there is none."""
        model = self.model(point)
        full = model.damped(0.0)
        promise = model.decrease(full)
        if promise <= self.tolerances.gtol**2 * point.energy:
            return Ending(Reason.GRADIENT_VANISHES)
        little = self.tolerances.ftol * point.energy
        if self.stalls(promise) and promise <= little:
            return Ending(Reason.NOTHING_LEFT)
        for n_rejected in itertools.count():
            hopeless = n_rejected >= MAX_REJECTED and promise <= little
            if hopeless or (n_rejected >= 2 * MAX_REJECTED and self.component_promise(point) <= little):
                return Ending(Reason.NOTHING_LEFT)
            if self.n_tried >= self.tolerances.max_iterations:
                return Ending(Reason.OUT_OF_STEPS, {"n": self.n_tried})
            within = norm(full) <= self.radius
            p = full if within else model.step(self.radius)
            u = self.move(point.u, p, model)
            if self.is_still(point.u, u):
                if within or min(promise, self.component_promise(point)) <= little:
                    return Ending(Reason.PARAMETERS_REST)
                return Ending(Reason.DERIVATIVES_DISAGREE)
            self.n_tried += 1
            trial = self.attempt(point, u, model.decrease(p))
            self.resize(norm(p), trial.ratio)
            if trial.point is not None and trial.ratio > 1e-4:
                return trial.point
        raise AssertionError("unreachable")

    def model(self, point: Point) -> LocalModel:
        """The quadratic model there."""
        return LocalModel.at(point.u, point.here, self.size, self.lower, self.upper)

    def stalls(self, promise: float) -> bool:
        """Whether steps are taken, and yet do not bring down what the model promises: it promises its own errors."""
        self.n_stalled = self.n_stalled + 1 if promise > 0.5 * self.least_promise else 0
        self.least_promise = min(promise, self.least_promise)
        return self.n_stalled >= MAX_STALLED

    def component_promise(self, point: Point) -> float:
        """What a change of the best single component promises: less than `promise`, and still true where A is
        nearly singular, so that it promises what cannot be had."""
        return float(coordinate_steps(point.here, at_bound(point.u, self.lower, self.upper))[1].max())

    def is_still(self, before: FloatArray, after: FloatArray) -> bool:
        least = np.maximum(self.tolerances.xtol * np.abs(before), EPS * self.size)
        return bool((np.abs(after - before) <= least).all())

    def move(self, u: FloatArray, p: FloatArray, model: LocalModel) -> FloatArray:
        """u + size p, exactly on a bound where p reaches it."""
        moved = np.clip(u + self.size * p, self.lower, self.upper)
        return np.where(p <= model.low, self.lower, np.where(p >= model.high, self.upper, moved))

    def attempt(self, point: Point, u: FloatArray, predicted: float) -> Trial:
        """Looks at u. Derivatives are computed only if the value says that the step may be kept."""
        value = self.count.value(u)
        if not np.isfinite(value):
            return Trial(None, -np.inf)
        decrease = point.value - value
        rounding = OBJECTIVE_ROUNDING * max(abs(value), point.energy)
        blind = predicted < 1e3 * rounding
        if predicted <= 0 or (value > min(self.history) + rounding if blind else decrease < 1e-4 * predicted):
            return Trial(None, decrease / predicted if predicted > 0 else -1.0)
        here = self.count.evaluate(u)
        if not usable(here):
            return Trial(None, -np.inf)
        if blind:
            # Both values are the same but for rounding: integrate the gradient along the step instead
            # (as Hager and Zhang 2005 do in their line search), which has digits left.
            decrease = -float((point.here.gradient + here.gradient) @ (u - point.u)) / 2
        return Trial(Point(u, value, here), decrease / predicted)

    def resize(self, length: float, ratio: float) -> None:
        """Sets the radius for the next step; ratio is actual over predicted decrease."""
        if ratio > 0.75:
            self.radius = 2 * length
        elif ratio <= 0.25:
            # The parabola through the value, the slope and the failed value has its minimum at about
            # 1 / (2 - ratio) of the step (Moré's rule, with slope = -predicted).
            self.radius = min(self.radius, length) * float(np.clip(1 / (2 - ratio), 0.1, 0.5))
        elif length < 0.9 * self.radius:
            self.radius = 2 * length
