"""What an optimizer asks of an objective, and what it answers: nothing here knows of ODEs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray
from odefit.linalg.score import MAX_ENTRY, Evaluation, Evaluations, Gradient
from odefit.records import dataclass
from odefit.status import Ending, Status

Callback = Callable[[FloatArray, float], bool | None]
"""Called with u [P] and the value after each accepted step; returning True ends the search."""


class Objective(Protocol):
    """A function of u [P] to be minimised."""

    def value(self, u: FloatArray) -> float:
        """The value alone, which is cheap; inf where the model fails."""
        ...

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The value and its derivatives."""
        ...


class BatchObjective(Protocol):
    """The same function for many searches at once. What comes back for one does not depend on the others."""

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """Values [B] at u [B, P], each asked for by the search of that number [B]; inf where the model fails."""
        ...

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """The values and their derivatives."""
        ...


@runtime_checkable
class KnowsGradients(Protocol):
    """A `BatchObjective` that may have its gradient for less than its evaluation."""

    def gradient(self, u: FloatArray, search: int) -> Gradient | None:
        """The value and its gradient at u [P] for one search; None where an evaluation takes no more."""
        ...


@dataclass(frozen=True)
class OfSearch:
    """The objective of one search among many, as a plain one.

    Parameters
    ----------
    objective
        Of all.
    number
        The number of the search.
    """

    objective: BatchObjective
    number: int

    def value(self, u: FloatArray) -> float:
        """See `Objective`."""
        return float(self.objective.values(u[None], np.array([self.number]))[0])

    def evaluate(self, u: FloatArray) -> Evaluation:
        """See `Objective`."""
        return self.objective.evaluations(u[None], np.array([self.number]))[0]

    def gradient(self, u: FloatArray) -> Gradient | None:
        """As in `KnowsGradients`."""
        return self.objective.gradient(u, self.number) if isinstance(self.objective, KnowsGradients) else None


@dataclass(frozen=True)
class OneByOne:
    """A plain objective for many searches."""

    objective: Objective

    def values(self, u: FloatArray, searches: IntArray) -> FloatArray:
        """See `BatchObjective`."""
        del searches
        return np.array([self.objective.value(point) for point in u], dtype=np.float64)

    def evaluations(self, u: FloatArray, searches: IntArray) -> Evaluations:
        """See `BatchObjective`."""
        del searches
        return Evaluations.of([self.objective.evaluate(point) for point in u])


@dataclass(frozen=True)
class SearchOutcome:
    """Where a search ended.

    Parameters
    ----------
    u
        [P], the best point found, within the bounds (exactly on a bound where the optimum lies there).
    value
        The objective at u.
    ending
        Why the search ended, as a code. Where its status is `failed`, u is the start.
    n_evaluations, n_gradients
        Calls of `value`, and calls with derivatives.
    history
        The value at the start and after each accepted step; it falls, but for rounding (1e-12).
    at_bound
        [P], -1 where u lies on its lower bound, 1 on its upper bound, else 0.
    left
        What is left to gain at u by the certificate of an optimum (certificate.py); None where nobody asked.
    """

    u: FloatArray
    value: float
    ending: Ending
    n_evaluations: int
    n_gradients: int
    history: tuple[float, ...]
    at_bound: NDArray[np.int8]
    left: float | None = None

    @property
    def status(self) -> Status:
        """Whether the search converged, was stopped, or failed."""
        return self.ending.status

    @property
    def message(self) -> str:
        """A sentence that says why the search ended, and what to do about it where something can be done."""
        return self.ending.message

    @property
    def n_iterations(self) -> int:
        """The number of accepted steps."""
        return max(len(self.history) - 1, 0)


class Minimizer(Protocol):
    """A search for a local minimum of an objective."""

    def __call__(
        self,
        objective: Objective,
        u0: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        *,
        size: FloatArray | None = None,
        max_iterations: int,
        callback: Callback | None = None,
    ) -> SearchOutcome:
        """Search from u0.

        Parameters
        ----------
        objective
            The function to be minimised. Its failures never raise.
        u0
            [P], moved into the box.
        lower, upper
            [P], the box.
        size
            [P], how much each component may typically change.
        max_iterations
            The most accepted steps.
        callback
            Called after each accepted step.
        """
        ...


class Counter:
    """Hands calls on to an objective, and counts them. A value of NaN becomes inf, so that comparisons are safe."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.n_evaluations = 0
        self.n_gradients = 0

    def value(self, u: FloatArray) -> float:
        """The value at u [P]; inf where it is NaN."""
        self.n_evaluations += 1
        value = float(self.objective.value(u))
        return np.inf if np.isnan(value) else value

    def evaluate(self, u: FloatArray) -> Evaluation:
        """The value and its derivatives at u [P]."""
        self.n_gradients += 1
        return self.objective.evaluate(u)

    def gradient(self, u: FloatArray) -> Gradient | None:
        """The value and its gradient at u [P]; None where no step can be computed from them."""
        found = self.objective.gradient(u) if isinstance(self.objective, OfSearch) else None
        if found is None:
            here = self.evaluate(u)
            return Gradient.of(here) if usable(here) else None
        self.n_gradients += 1
        is_usable = np.isfinite(found.value) and np.abs(found.gradient).max(initial=0.0) < MAX_ENTRY
        return found if is_usable else None


def usable(here: Evaluation) -> bool:
    """Whether a step can be computed from an evaluation: no NaN, and no number whose square overflows."""
    # np.maximum, for Python's max loses a NaN that comes second.
    most = np.maximum(np.abs(here.z).max(initial=0.0), here.A.max_abs)
    return bool(np.isfinite(here.value) and most < MAX_ENTRY)


def coordinate_steps(
    lengths: FloatArray, gradient: FloatArray, u: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The Fisher scoring step within the box in each component alone.

    Parameters
    ----------
    lengths, gradient
        [..., P], of the columns of A, and A'z.
    u, lower, upper
        [..., P], where that is, and the box.

    Returns
    -------
    steps, decreases
        [..., P] each, and what they promise.
    """
    curvature = lengths**2
    steps = np.clip(-gradient / np.where(curvature > 0, curvature, 1.0), lower - u, upper - u)
    return steps, -steps * (gradient + curvature * steps / 2)


def cauchy_step(here: Evaluations, slope: FloatArray, size: FloatArray) -> FloatArray:
    """The steps along directions to the lowest points of the quadratic models on them, in units of `size`.

    Parameters
    ----------
    here
        The objective and its derivatives at B points.
    slope
        [B, P], the directions to go against: the gradients to u / size, or some of their components.
    size
        [P], how much each component may typically change.

    Returns
    -------
    FloatArray
        [B, P], to be multiplied by `size`.
    """
    bend = here.A.times(size * slope)
    with np.errstate(over="ignore"):  # as far as it goes, which is nowhere
        steep, curvature = np.square(slope).sum(axis=1), np.square(bend).sum(axis=1)
    return np.asarray(-slope * (steep / np.maximum(curvature, np.finfo(np.float64).tiny))[:, None])


def check_box(
    u0: FloatArray, lower: FloatArray | float, upper: FloatArray | float, ndim: int = 1
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A start or many, moved into the box, and the box, as float arrays.

    Parameters
    ----------
    u0
        [P], or [B, P] where `ndim` is 2.
    lower, upper
        [P] or numbers.

    Returns
    -------
    u, lower, upper
        As u0, and [P] each.

    Raises
    ------
    ValueError
        The shapes differ or the box is empty: a mistake of the caller, not of a user.
    """
    u = np.atleast_1d(np.array(u0, dtype=np.float64))
    low = np.broadcast_to(np.asarray(lower, dtype=np.float64), u.shape[-1:])
    high = np.broadcast_to(np.asarray(upper, dtype=np.float64), u.shape[-1:])
    if u.ndim != ndim or not np.isfinite(u).all():
        raise ValueError(f"the start must be a vector of finite numbers (got {u})")
    if not (low <= high).all() or np.isposinf(low).any() or np.isneginf(high).any():
        raise ValueError(f"each lower bound must be at most its upper bound (got {low} and {high})")
    return np.clip(u, low, high), low, high


def at_bound(u: FloatArray, lower: FloatArray, upper: FloatArray) -> NDArray[np.int8]:
    """Where u lies on the box [lower, upper], [P]: -1 on its lower bound, 1 on its upper bound, else 0."""
    return (u >= upper).astype(np.int8) - (u <= lower).astype(np.int8)


def typical_size(u: FloatArray) -> FloatArray:
    """How much parameters u on their natural scale may typically change, [P]: by |u|, or by 1 where u is 0."""
    return np.where(u != 0, np.abs(u), 1.0)
