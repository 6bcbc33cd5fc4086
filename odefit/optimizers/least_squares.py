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
from dataclasses import dataclass, replace

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
    cauchy_step,
    check_box,
    coordinate_steps,
    typical_size,
    usable,
)
from odefit.optimizers.local_model import LocalModel, norm
from odefit.optimizers.noise_level import POINTS, noise_level
from odefit.status import Ending, Reason

OBJECTIVE_ROUNDING = 1e-12
"""The relative rounding error of an objective: residuals are small differences of large numbers."""

MAX_CREEPING = 16
"""Accepted steps that may together gain no more than CREEPING before a search believes that nothing is left."""

CREEPING = 1e-5
"""Log-likelihood units (or shares of `Point.unit`, where that is less) that MAX_CREEPING steps must gain together."""

MOST_NOISE = 0.5
"""Log-likelihood units of noise beyond which an optimum cannot be told from its surroundings: a third of what a 95 %
interval spans."""

NOISE_FACTOR = 4.0
"""A promise of fewer standard deviations of the noise cannot be seen to come true."""

WORTHLESS = 1e-6
"""Log-likelihood units that are not worth a step which is too short to be taken: 1/700 of a standard error."""

FARTHEST = 4.0
"""Lengths of the last step beyond which its curvature says nothing; much shorter ones hold mostly rounding."""

MAX_BEND = 0.75
"""Largest share of a step that may be added for the curvature of the residuals."""

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

    @property
    def unit(self) -> float:
        """What promises are compared with: the energy of a good fit, M / 2, and less where there is less.

        Far from a good fit |z|**2 may be any number, and says nothing about what is worth having.
        """
        return min(self.energy, len(self.here.z) / 2)


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
        self.noise, self.measured_at = 0.0, np.inf
        self.last: Point | None = None

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
        # What single components promise stays true where A is so nearly singular that the whole step is not computable.
        gain = max(promise, self.component_promise(point))
        if gain <= self.tolerances.gtol**2 * point.unit:
            return Ending(Reason.GRADIENT_VANISHES)
        little = max(self.tolerances.ftol * point.unit, NOISE_FACTOR * self.noise)
        if self.stalls(gain):
            little = self.measured(point, gain)
            if gain <= little or self.creeps(point):
                return self.nothing_left()
        for n_rejected in itertools.count():
            if n_rejected == MAX_REJECTED:
                little = self.measured(point, gain)
            hopeless = n_rejected >= MAX_REJECTED and gain <= little
            if hopeless or (n_rejected >= 2 * MAX_REJECTED and self.component_promise(point) <= little):
                return self.nothing_left()
            if self.n_tried >= self.tolerances.max_iterations:
                return Ending(Reason.OUT_OF_STEPS, {"n": self.n_tried, "more": 4 * max(self.n_tried, 1)})
            within = norm(full) <= self.radius
            p, damping = (full, 0.0) if within else model.step(self.radius)
            u = self.move(point.u, p, model)
            if self.is_still(point.u, u):
                if within and gain <= WORTHLESS:
                    return Ending(Reason.PARAMETERS_REST)
                if min(gain, self.component_promise(point)) <= max(little, WORTHLESS):
                    return self.nothing_left()
                return Ending(Reason.DERIVATIVES_DISAGREE)
            self.n_tried += 1
            trial = self.attempt(point, self.bend(point, model, p, damping), model.decrease(p))
            self.resize(norm(p), trial.ratio)
            if trial.point is not None and trial.ratio > 1e-4:
                self.last = point
                return trial.point
        raise AssertionError("unreachable")

    def bend(self, point: Point, model: LocalModel, p: FloatArray, damping: float) -> FloatArray:
        """u + size p, corrected for the curvature of the residuals r = z / weights along the step.

        Their second derivative along the last step s is known from their values at both ends of it,
        r'' [s, s] = 2 (r_before - r + A s), and taken for that along p where p points the same way: in a curved
        valley it does. The step with r + r''/2 in place of r is the second-order one of M. K. Transtrum and
        J. P. Sethna, "Geodesic acceleration and the small-curvature approximation" (2012), at no evaluation; the
        curvature from the point before is that of tensor methods (R. B. Schnabel and P. D. Frank 1984).
        """
        straight = self.move(point.u, p, model)
        before, weights = self.last, point.here.weights
        if before is None or weights is None or before.here.weights is None:
            return straight
        step = (point.u - before.u) / self.size
        share = float(p @ step) / max(float(step @ step), np.finfo(np.float64).tiny)
        rows = before.here.z / before.here.weights * weights - point.here.z + point.here.A.times(point.u - before.u)
        change = share**2 * rows
        if not 0 < share <= FARTHEST or not np.isfinite(change).all():
            return straight
        here = replace(point.here, z=point.here.z + change)
        bent = LocalModel.at(point.u, here, self.size, self.lower, self.upper).damped(damping)
        if not norm(bent - p) <= MAX_BEND * norm(p):
            return straight
        return self.move(point.u, bent, model)

    def measured(self, point: Point, gain: float) -> float:
        """What cannot be seen to be gained: `ftol`, or what the noise of the objective hides.

        The noise is looked at where the rest is worth little, on the way down the gradient to the lowest point of the
        model: over so short a step the objective is a parabola, but for its noise.
        """
        if gain <= min(MOST_NOISE, 0.1 * self.measured_at):
            self.measured_at = gain
            step = self.size * cauchy_step(point.here, self.size * point.here.gradient, self.size)
            u = np.clip(point.u + np.linspace(0.0, 1.0, POINTS)[:, None] * step, self.lower, self.upper)
            self.noise = noise_level(np.array([point.value, *(self.count.value(x) for x in u[1:])])) or 0.0
        return max(self.tolerances.ftol * point.unit, NOISE_FACTOR * self.noise)

    def nothing_left(self) -> Ending:
        if self.noise > MOST_NOISE:
            return Ending(Reason.OBJECTIVE_NOISY, {"noise": self.noise})
        return Ending(Reason.NOTHING_LEFT)

    def model(self, point: Point) -> LocalModel:
        """The quadratic model there."""
        return LocalModel.at(point.u, point.here, self.size, self.lower, self.upper)

    def stalls(self, promise: float) -> bool:
        """Whether steps are taken, and yet do not bring down what the model promises: it promises its own errors."""
        self.n_stalled = self.n_stalled + 1 if promise > 0.5 * self.least_promise else 0
        self.least_promise = min(promise, self.least_promise)
        return self.n_stalled >= MAX_STALLED

    def creeps(self, point: Point) -> bool:
        """Whether the last steps together have gained next to nothing, whatever the model promised."""
        if len(self.history) <= MAX_CREEPING:
            return False
        return self.history[-1 - MAX_CREEPING] - self.history[-1] <= CREEPING * min(1.0, point.unit)

    def component_promise(self, point: Point) -> float:
        """What a change of the best single component promises: less than `promise`, and still true where A is
        nearly singular, so that it promises what cannot be had. A column that is rounding beside the others is none."""
        lengths = point.here.lengths * self.size
        seen = lengths > max(len(point.here.z), len(lengths)) * EPS * lengths.max(initial=0.0)
        promises = coordinate_steps(point.here, point.u, self.lower, self.upper)[1]
        return float(promises[seen].max(initial=0.0))

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
