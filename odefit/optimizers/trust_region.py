"""The searches of least_squares.py in lockstep: the state of B of them, and what each round does to all.

A round looks for the next step of every search that goes on, asks for the values there in one call, and for the
derivatives where a step is kept in another. All else is arithmetic on arrays with a leading axis, in which the searches
do not see each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask, true_at
from odefit.linalg.matrix import EPS
from odefit.linalg.score import Evaluations
from odefit.optimizers.base import BatchObjective, SearchOutcome, at_bound, cauchy_step, coordinate_steps
from odefit.optimizers.known_optima import KnownOptima, Tolerances
from odefit.optimizers.local_model import LocalModels, norm
from odefit.optimizers.noise_level import POINTS, noise_levels
from odefit.records import dataclass
from odefit.status import Ending, Reason

OBJECTIVE_ROUNDING = 1e-12
"""The relative rounding error of an objective: residuals are small differences of large numbers."""

MAX_CREEPING = 16
"""Accepted steps that may together gain no more than CREEPING before a search believes that nothing is left."""

CREEPING = 1e-5
"""Log-likelihood units (or shares of the search's unit, where that is less) that MAX_CREEPING steps must gain
together."""

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

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Step:
    """Steps that are to be tried, one for each of some searches.

    Parameters
    ----------
    searches
        [b], which searches these are.
    p
        [b, P], the step of the model, in units of `size`.
    u
        [b, P], where it leads, with its bend.
    predicted
        [b], the decrease that the model promises.
    """

    searches: IntArray
    p: FloatArray
    u: FloatArray
    predicted: FloatArray


class TrustRegionSearches:
    """The state of B searches: what each counts, where it is, and how far it trusts its model."""

    def __init__(
        self,
        objective: BatchObjective,
        u: FloatArray,
        box: tuple[FloatArray, FloatArray],
        size: FloatArray,
        max_iterations: IntArray,
        tolerances: Tolerances,
        callback: Callable[[int, FloatArray, float], bool | None] | None,
        known: KnownOptima | None = None,
    ) -> None:
        """See `minimize_many`; u lies in the box, [P] each."""
        n = len(u)
        self.objective, self.u, self.size, self.callback, self.known = objective, u, size, callback, known
        self.lower, self.upper = box
        self.max_iterations, self.tolerances = max_iterations, tolerances
        self.n_values, self.n_gradients = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
        self.n_tried, self.n_rejected, self.n_stalled = (np.zeros(n, dtype=np.intp) for _ in range(3))
        self.value, self.lowest = np.full(n, np.inf), np.full(n, np.inf)
        self.history: list[list[float]] = [[] for _ in range(n)]
        self.endings: list[Ending | None] = [None] * n
        self.radius = np.full(n, 0.5 * np.sqrt(u.shape[1]))
        self.least_promise, self.measured_at = np.full(n, np.inf), np.full(n, np.inf)
        self.noise, self.energy, self.unit = np.zeros(n), np.zeros(n), np.zeros(n)
        self.gain, self.component, self.little = np.zeros(n), np.zeros(n), np.zeros(n)
        self.full, self.gradient, self.lengths = (np.zeros_like(u) for _ in range(3))
        self.has_last, self.last_u = np.zeros(n, dtype=bool), u.copy()

    def run(self) -> list[SearchOutcome]:
        """All searches to their ends."""
        going = self.start()
        while len(going):
            step = self.steps(going)
            if len(step.searches):
                self.open(self.attempt(step))
            going = np.array([k for k in going if self.endings[k] is None], dtype=np.intp)
        return [self.outcome(k) for k in range(len(self.u))]

    def outcome(self, k: int) -> SearchOutcome:
        history, ending = self.history[k], self.endings[k]
        assert ending is not None
        return SearchOutcome(
            u=self.u[k].copy(),
            value=history[-1] if history else np.inf,
            ending=ending,
            n_evaluations=int(self.n_values[k]),
            n_gradients=int(self.n_gradients[k]),
            history=tuple(history),
            at_bound=at_bound(self.u[k], self.lower, self.upper),
        )

    # --- what is asked of the objective

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """Values [b] at u [b, P]; infinite where they are NaN, so that comparisons are safe."""
        np.add.at(self.n_values, searches, 1)
        values = np.asarray(self.objective.values(u, searches), dtype=np.float64)
        return np.where(np.isnan(values), np.inf, values)

    def evaluations(self, u: FloatArray, searches: IntArray) -> tuple[Evaluations, Mask]:
        """The derivatives at u [b, P], and which of them are usable [b]."""
        self.n_gradients[searches] += 1
        here = self.objective.evaluations(u, searches)
        return here, here.is_usable

    # --- a new point

    def start(self) -> IntArray:
        """Look at the starts; the searches that can go on."""
        everyone = np.arange(len(self.u))
        # `values` as well as `evaluations`: an ODE solver answers slightly differently with sensitivities, and
        # later values, which come from `values`, must be compared with their like.
        value = self.values(self.u, everyone)
        known = true_at(np.isfinite(value))
        here, usable = self.evaluations(self.u[known], known) if len(known) else (None, np.zeros(0, dtype=bool))
        good = known[usable]
        for k in np.delete(everyone, good):
            self.endings[k] = Ending(Reason.NO_OBJECTIVE_AT_START)
        if here is None or not len(good):
            return good
        here = here.take(true_at(usable))
        self.row = np.searchsorted(good, everyone)  # where a search stands in what follows
        self.here, self.last_z = here, here.z.copy()
        self.last_weights = None if here.weights is None else here.weights.copy()
        self.models = self.models_at(self.u[good], here)
        self.gradient[good], self.lengths[good] = here.gradient, here.lengths
        self.value[good] = self.lowest[good] = value[good]
        for k in good:
            self.history[k].append(float(self.value[k]))
        self.open(good)
        return np.array([k for k in good if self.endings[k] is None], dtype=np.intp)

    def models_at(self, u: FloatArray, here: Evaluations) -> LocalModels:
        return LocalModels.at(u, here, self.size, self.lower, self.upper)

    def open(self, searches: IntArray) -> None:
        """Judge the points that were reached: what their models promise, and whether it is worth a step."""
        searches = self.not_led(searches)
        if not len(searches):
            return
        row = self.row[searches]
        z, models = self.here.z[row], self.models.take(row)
        self.energy[searches] = energy = np.square(z).sum(axis=1) / 2
        self.unit[searches] = unit = np.minimum(energy, z.shape[1] / 2)
        self.full[searches] = full = models.damped(np.zeros(len(searches)))
        self.component[searches] = component = self.component_promise(searches)
        # What single components promise stays true where A is so nearly singular that the whole step is not computable.
        self.gain[searches] = gain = np.maximum(models.decrease(full), component)
        self.little[searches] = np.maximum(self.tolerances.ftol * unit, NOISE_FACTOR * self.noise[searches])
        self.n_rejected[searches] = 0
        vanishes = gain <= self.tolerances.gtol**2 * unit
        self.end(searches[vanishes], Reason.GRADIENT_VANISHES)
        rest = searches[~vanishes]
        # Steps are taken, and yet do not bring down what the model promises: it promises its own errors.
        stays = self.gain[rest] > 0.5 * self.least_promise[rest]
        self.n_stalled[rest] = np.where(stays, self.n_stalled[rest] + 1, 0)
        self.least_promise[rest] = np.minimum(self.gain[rest], self.least_promise[rest])
        stalled = rest[self.n_stalled[rest] >= MAX_STALLED]
        self.measure(stalled)
        for k in stalled:
            if self.gain[k] <= self.little[k] or self.creeps(int(k)):
                self.nothing_left(int(k))

    def not_led(self, searches: IntArray) -> IntArray:
        """Those that are not certain to end at an optimum that is known; the others end now."""
        if self.known is not None and len(searches):
            other = self.known.led_to(self.values, self.u[searches], self.value[searches], searches)
            for k, number in zip(searches[other >= 0], other[other >= 0], strict=True):
                self.endings[k] = Ending(Reason.LEADS_TO_OTHER, {"other": int(number) + 1})
            searches = searches[other < 0]
        return searches

    def component_promise(self, searches: IntArray) -> FloatArray:
        """What a change of the best single component promises, [b]: less than the whole step, and still true where A is
        nearly singular, so that it promises what cannot be had. A column that is rounding beside the others is none."""
        lengths = self.lengths[searches]
        scaled = lengths * self.size
        largest = scaled.max(axis=1, initial=0.0, keepdims=True)
        seen = scaled > max(self.here.z.shape[1], scaled.shape[1]) * EPS * largest
        promises = coordinate_steps(lengths, self.gradient[searches], self.u[searches], self.lower, self.upper)[1]
        return np.asarray(np.where(seen, promises, 0.0).max(axis=1, initial=0.0))

    def creeps(self, k: int) -> bool:
        """Whether the last steps together have gained next to nothing, whatever the model promised."""
        history = self.history[k]
        if len(history) <= MAX_CREEPING:
            return False
        return bool(history[-1 - MAX_CREEPING] - history[-1] <= CREEPING * min(1.0, self.unit[k]))

    def measure(self, searches: IntArray) -> None:
        """Sets what cannot be seen to be gained: `ftol`, or what the noise of the objective hides.

        The noise is looked at where the rest is worth little, on the way down the gradient to the lowest point of the
        model: over so short a step the objective is a parabola, but for its noise.
        """
        due = searches[self.gain[searches] <= np.minimum(MOST_NOISE, 0.1 * self.measured_at[searches])]
        if len(due):
            self.measured_at[due] = self.gain[due]
            step = self.size * cauchy_step(self.here.take(self.row[due]), self.size * self.gradient[due], self.size)
            shares = np.linspace(0.0, 1.0, POINTS)[1:]
            u = np.clip(self.u[due, None] + shares[:, None] * step[:, None], self.lower, self.upper)
            values = self.values(u.reshape(-1, u.shape[2]), np.repeat(due, len(shares))).reshape(len(due), -1)
            self.noise[due] = np.nan_to_num(noise_levels(np.column_stack([self.value[due], values])))
        floor = self.tolerances.ftol * self.unit[searches]
        self.little[searches] = np.maximum(floor, NOISE_FACTOR * self.noise[searches])

    # --- the end of a search

    def end(self, searches: IntArray, reason: Reason) -> None:
        for k in searches:
            self.endings[k] = Ending(reason)

    def nothing_left(self, k: int) -> None:
        noise = float(self.noise[k])
        is_rough = noise > MOST_NOISE
        self.endings[k] = Ending(Reason.OBJECTIVE_NOISY, {"noise": noise}) if is_rough else Ending(Reason.NOTHING_LEFT)

    # --- steps

    def steps(self, searches: IntArray) -> Step:
        """The next step of each search; those for which there is none end."""
        self.measure(searches[self.n_rejected[searches] == MAX_REJECTED])
        rejected, little = self.n_rejected[searches], self.little[searches]
        hopeless = (rejected >= MAX_REJECTED) & (self.gain[searches] <= little)
        hopeless |= (rejected >= 2 * MAX_REJECTED) & (self.component[searches] <= little)
        spent = ~hopeless & (self.n_tried[searches] >= self.max_iterations[searches])
        for k in searches[hopeless]:
            self.nothing_left(int(k))
        for k in searches[spent]:
            n = int(self.n_tried[k])
            self.endings[k] = Ending(Reason.OUT_OF_STEPS, {"n": n, "more": 4 * max(n, 1)})
        searches = searches[~hopeless & ~spent]
        models, full, before = self.models.take(self.row[searches]), self.full[searches], self.u[searches]
        within = norm(full) <= self.radius[searches]
        p, damping = models.step(np.where(within, np.inf, self.radius[searches]), full)
        u = self.move(before, p, models)
        least = np.maximum(self.tolerances.xtol * np.abs(before), EPS * self.size)
        still = (np.abs(u - before) <= least).all(axis=1)
        for k, inside in zip(searches[still], within[still], strict=True):
            self.endings[k] = self.at_rest(int(k), bool(inside))
        moving = true_at(~still)
        searches, p, damping, u, models = searches[moving], p[moving], damping[moving], u[moving], models.take(moving)
        self.n_tried[searches] += 1
        if not len(searches):
            return Step(searches, p, u, np.zeros(0))
        return Step(searches, p, self.bend(searches, models, p, damping, u), models.decrease(p))

    def at_rest(self, k: int, within: bool) -> Ending:
        """The end of a search whose step is too short to be taken; within: whether it is the whole step."""
        gain, component = self.gain[k], self.component[k]
        if within and gain <= WORTHLESS:
            return Ending(Reason.PARAMETERS_REST)
        if min(gain, component) > max(self.little[k], WORTHLESS):
            return Ending(Reason.DERIVATIVES_DISAGREE)
        self.nothing_left(k)
        ending = self.endings[k]
        assert ending is not None
        return ending

    def move(self, u: FloatArray, p: FloatArray, models: LocalModels) -> FloatArray:
        """u + size p, exactly on a bound where p reaches it."""
        moved = np.minimum(np.maximum(u + self.size * p, self.lower), self.upper)
        return np.where(p <= models.low, self.lower, np.where(p >= models.high, self.upper, moved))

    def bend(
        self, searches: IntArray, models: LocalModels, p: FloatArray, damping: FloatArray, straight: FloatArray
    ) -> FloatArray:
        """u + size p, corrected for the curvature of the residuals r = z / weights along the step.

        Their second derivative along the last step s is known from their values at both ends of it,
        r'' [s, s] = 2 (r_before - r + A s), and taken for that along p where p points the same way: in a curved
        valley it does. The step with r + r''/2 in place of r is the second-order one of M. K. Transtrum and
        J. P. Sethna, "Geodesic acceleration and the small-curvature approximation" (2012), at no evaluation; the
        curvature from the point before is that of tensor methods (R. B. Schnabel and P. D. Frank 1984).

        straight: [b, P], u + size p itself, which is the answer where the curvature is not known or not small.
        """
        if self.here.weights is None or self.last_weights is None:
            return straight
        before, now = self.last_u[searches], self.u[searches]
        step = (now - before) / self.size
        share = (p * step).sum(axis=1) / np.maximum(np.square(step).sum(axis=1), TINY)
        chosen = true_at(self.has_last[searches] & (share > 0) & (share <= FARTHEST))
        if not len(chosen):
            return straight
        row, here = self.row[searches[chosen]], self.here.take(self.row[searches[chosen]])
        assert here.weights is not None
        slope = here.A.times(now[chosen] - before[chosen])
        change = self.last_z[row] / self.last_weights[row] * here.weights - here.z + slope
        change *= np.square(share[chosen])[:, None]
        finite = np.isfinite(change).all(axis=1)
        chosen, change = chosen[finite], change[finite]
        if not len(chosen):
            return straight
        some = models.take(chosen)
        bent = some.shifted(change).damped(damping[chosen])
        small = norm(bent - p[chosen]) <= MAX_BEND * norm(p[chosen])
        found = straight.copy()
        found[chosen] = np.where(small[:, None], self.move(now[chosen], bent, some), straight[chosen])
        return found

    def attempt(self, step: Step) -> IntArray:
        """Look at the steps, and take the good ones; the searches that have a new point and go on.

        Derivatives are computed only if the value says that the step may be kept.
        """
        searches, predicted = step.searches, step.predicted
        value = self.values(step.u, searches)
        decrease = self.value[searches] - value
        rounding = OBJECTIVE_ROUNDING * np.maximum(np.abs(value), self.energy[searches])
        blind = predicted < 1e3 * rounding
        bad = np.where(blind, value > self.lowest[searches] + rounding, decrease < 1e-4 * predicted)
        ratio = np.where(predicted > 0, decrease / predicted, -1.0)
        ratio[~np.isfinite(value)] = -np.inf
        looked = true_at(np.isfinite(value) & (predicted > 0) & ~bad)
        kept = looked[:0]
        if len(looked):
            here, usable = self.evaluations(step.u[looked], searches[looked])
            # Where both values are the same but for rounding, integrate the gradient along the step instead
            # (as Hager and Zhang 2005 do in their line search), which has digits left.
            slopes = self.gradient[searches[looked]] + here.gradient
            along = -(slopes * (step.u[looked] - self.u[searches[looked]])).sum(axis=1) / 2
            real = np.where(blind[looked], along, decrease[looked]) / predicted[looked]
            ratio[looked] = np.where(usable, real, -np.inf)
            good = true_at(usable & (real > 1e-4))
            kept = looked[good]
            if len(kept):
                self.reach(searches[kept], step.u[kept], value[kept], here.take(good))
        self.resize(searches, norm(step.p), ratio)
        self.n_rejected[np.delete(searches, kept)] += 1
        return np.array([k for k in searches[kept] if self.endings[k] is None], dtype=np.intp)

    def reach(self, searches: IntArray, u: FloatArray, value: FloatArray, here: Evaluations) -> None:
        """New points of some searches."""
        row = self.row[searches]
        self.last_u[searches], self.has_last[searches] = self.u[searches], True
        self.last_z[row] = self.here.z[row]
        if self.last_weights is not None and self.here.weights is not None:
            self.last_weights[row] = self.here.weights[row]
        self.here.put(row, here)
        self.models.put(row, self.models_at(u, here))
        self.gradient[searches], self.lengths[searches] = here.gradient, here.lengths
        self.u[searches], self.value[searches] = u, value
        self.lowest[searches] = np.minimum(self.lowest[searches], value)
        for k, point, reached in zip(searches, u, value, strict=True):
            self.history[k].append(float(reached))
            if self.callback is not None and self.callback(int(k), point.copy(), float(reached)):
                self.endings[k] = Ending(Reason.ENDED_BY_CALLER)

    def resize(self, searches: IntArray, length: FloatArray, ratio: FloatArray) -> None:
        """Sets the radius for the next step; ratio is actual over predicted decrease."""
        radius = self.radius[searches]
        # The parabola through the value, the slope and the failed value has its minimum at about
        # 1 / (2 - ratio) of the step (Moré's rule, with slope = -predicted).
        shorter = np.minimum(radius, length) * np.clip(1 / (2 - ratio), 0.1, 0.5)
        same = np.where(length < 0.9 * radius, 2 * length, radius)
        self.radius[searches] = np.where(ratio > 0.75, 2 * length, np.where(ratio <= 0.25, shorter, same))
