"""L-BFGS-B (R. H. Byrd, P. Lu, J. Nocedal, C. Zhu 1995) by SciPy: for objectives that are no least squares.

It asks for the value and the gradient only, and learns the curvature as it goes. Where the objective's score
form says the curvature (`least_squares.py`), that needs several times fewer evaluations.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import (
    Callback,
    Counter,
    Objective,
    SearchOutcome,
    at_bound,
    check_box,
    coordinate_steps,
    typical_size,
)
from odefit.status import Ending, Reason

SCIPY_CONVERGED = 0
SCIPY_OUT_OF_ITERATIONS = 1
"""The codes of SciPy's L-BFGS-B for how it ended."""


def minimize_lbfgs(
    objective: Objective,
    u0: FloatArray,
    lower: FloatArray | float = -np.inf,
    upper: FloatArray | float = np.inf,
    *,
    size: FloatArray | None = None,
    max_iterations: int = 1000,
    ftol: float = 1e-15,
    gtol: float = 1e-9,
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
        [P], how much each component may typically change, as in `minimize_least_squares`; the search runs in u / size,
        where L-BFGS-B's first step has length 1.
    max_iterations
        The most accepted steps.
    ftol
        The relative decrease of the value in one step below which the search has converged.
    gtol
        The search has converged where no component of the gradient with respect to u / size that points into the box
        exceeds gtol |z|²/2.
    callback
        Called after each accepted step; returning True ends the search.

    Raises
    ------
    ValueError
        u0 and the box do not fit together.
    """
    u, low, high = check_box(u0, lower, upper)
    unit = typical_size(u) if size is None else np.asarray(size, dtype=np.float64)
    search = _Search(Counter(objective), low, high, unit, callback)
    if not search.start(u):
        return search.outcome(Ending(Reason.NO_OBJECTIVE_AT_START))
    return search.outcome(_ending(search, max_iterations, ftol, gtol))


def _ending(search: _Search, max_iterations: int, ftol: float, gtol: float) -> Ending:
    """Why the search ends, after as many calls of SciPy as it takes."""
    while True:
        search.worth = max(search.energy, np.finfo(np.float64).tiny)
        n_before = search.n_iterations
        status = search.run(max_iterations - n_before, ftol, gtol)
        if search.interrupted:
            return Ending(Reason.ENDED_BY_CALLER)
        if status == SCIPY_OUT_OF_ITERATIONS:
            return Ending(Reason.OUT_OF_STEPS, {"n": search.n_iterations, "more": 4 * max(search.n_iterations, 1)})
        # SciPy's tolerances are absolute: when the objective has become much smaller, start again in its scale.
        if search.energy > search.worth / 2 or search.n_iterations == n_before:
            break
    # Among failures SciPy sees progress vanish on the hills that stand for them: it must be true here as well.
    if status == SCIPY_CONVERGED and (not search.failed or search.is_exhausted()):
        return Ending(Reason.GRADIENT_OR_PROGRESS_VANISHES)
    # The line search found nothing. Near an optimum that is rounding; elsewhere the gradient is at fault.
    return Ending(Reason.NOTHING_LEFT if search.is_exhausted() else Reason.DERIVATIVES_DISAGREE)


class _Search:
    """What SciPy calls, in x = u / unit, and the best point that it has seen."""

    def __init__(
        self,
        count: Counter,
        lower: FloatArray,
        upper: FloatArray,
        unit: FloatArray,
        callback: Callback | None,
    ) -> None:
        self.count, self.lower, self.upper, self.unit, self.callback = count, lower, upper, unit, callback
        self.value = self.energy = np.inf
        self.worth = 1.0
        self.n_iterations = 0
        self.interrupted = self.failed = False
        self.history: list[float] = []

    def start(self, u: FloatArray) -> bool:
        """Whether the objective can be computed at u, which becomes the best point."""
        self.u, self.slope = u, np.zeros_like(u)
        self.base = (u, np.inf, self.slope)
        self.value_and_gradient(u / self.unit)
        self.base = (self.u, self.value, self.slope)
        self.history.append(self.value)
        return bool(np.isfinite(self.value))

    def run(self, max_iterations: int, ftol: float, gtol: float) -> int:
        """One search of SciPy's from the best point; returns SciPy's status."""
        from scipy.optimize import Bounds, minimize

        answer = minimize(
            self.value_and_gradient,
            self.u / self.unit,
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(self.lower / self.unit, self.upper / self.unit),
            callback=self.accept,
            options={
                "maxiter": max_iterations,
                "maxfun": 20 * max_iterations,
                "maxcor": max(10, min(len(self.u), 30)),
                "ftol": ftol,
                "gtol": gtol,
            },
        )
        return int(answer.status)

    def value_and_gradient(self, x: FloatArray) -> tuple[float, FloatArray]:
        u = self.natural(x)
        here = self.count.gradient(u)
        if here is None:
            self.failed = True
            if np.isfinite(self.value) and np.array_equal(u, self.u):  # it did not fail here before
                return self.value / self.worth, self.slope / self.worth
            return self.hill(x)
        slope = here.gradient * self.unit
        if here.value <= self.value:
            self.u, self.value, self.slope, self.here = u, here.value, slope, here
            self.energy = here.energy
        return here.value / self.worth, slope / self.worth

    def hill(self, x: FloatArray) -> tuple[float, FloatArray]:
        """The value and gradient for the line search at a point where the model fails.

        They are those of a parabola around the point where the search began that rises as much as the slope there
        promised to fall, so that it looks a quarter of the way next.
        """
        u, value, slope = self.base
        away = x - u / self.unit
        distance = float(away @ away)
        if not np.isfinite(value) or distance == 0.0:
            return np.inf, np.zeros_like(x)
        rise = abs(float(slope @ away)) + 1e-3 * self.worth
        return (value + rise) / self.worth, 2 * rise / (distance * self.worth) * away

    def natural(self, x: FloatArray) -> FloatArray:
        """u at x, exactly on a bound where x is (u / unit * unit may differ from u in the last digit)."""
        u = np.clip(x * self.unit, self.lower, self.upper)
        u = np.where(x <= self.lower / self.unit, self.lower, u)
        return np.where(x >= self.upper / self.unit, self.upper, u)

    def accept(self, xk: FloatArray) -> None:
        del xk  # the best point is remembered by value_and_gradient
        self.n_iterations += 1
        self.base = (self.u, self.value, self.slope)
        self.history.append(self.value)
        if self.callback is not None and self.callback(self.u.copy(), self.value):
            self.interrupted = True
            raise StopIteration

    def is_exhausted(self) -> bool:
        """Whether no component alone can still lower the objective, or be moved, by more than rounding."""
        here = self.here.whole or self.count.evaluate(self.u)
        steps, promises = coordinate_steps(here.lengths, here.gradient, self.u, self.lower, self.upper)
        still = np.abs(steps) <= 1e-7 * np.maximum(np.abs(self.u), 1e-3 * self.unit)
        return bool((promises <= 1e-8 * self.energy).all() or still.all())

    def outcome(self, ending: Ending) -> SearchOutcome:
        return SearchOutcome(
            u=self.u,
            value=self.value,
            ending=ending,
            n_evaluations=self.count.n_evaluations,
            n_gradients=self.count.n_gradients,
            history=tuple(self.history),
            at_bound=at_bound(self.u, self.lower, self.upper),
        )
