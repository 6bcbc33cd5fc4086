"""Whether a point is an optimum, judged without the search that found it.

Two questions are asked at u, in units of the objective (a negative log-likelihood: half a unit is one standard error).

promise: the decrease of the quadratic model, min |A d + z|² / 2 over lower <= u + d <= upper and FARTHEST sizes of each
    component, solved anew by another method than the search's: an orthogonal decomposition, and with bounds that are
    met active sets (linalg/bounded_least_squares.py).
gain: the decrease that was really had on the way down the projected gradient, to the lowest point of the model there,
    and along the step of the model itself: whole, a tenth and a hundredth of it.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, true_at
from odefit.linalg.bounded_least_squares import bounded_least_squares, shortest
from odefit.linalg.dense_least_squares import adjoint
from odefit.linalg.score import Evaluations
from odefit.optimizers.base import BatchObjective, Objective, OneByOne, cauchy_step, coordinate_steps
from odefit.records import dataclass

MOST_PROMISED = 1e-3
"""A model that promises no more has its minimum here: 1/500 of what one standard error changes."""

MOST_GAINED = 1e-3
"""The same of what was really gained."""

LENGTHS = (1.0, 0.1, 0.01)
"""Shares of the model's step that are tried."""

FARTHEST = 10.0
"""Typical sizes of a parameter beyond which the model is not asked: where A is nearly singular it promises there what
only a straight line could keep."""

MOST_ENTRIES = 20_000_000
"""Entries of A that are decomposed; of more, single components answer for the model."""


@dataclass(frozen=True)
class Certificate:
    """What is left to gain at a point, as the module's docstring defines it; infinite where nothing can be computed.

    effects: [P], standard deviations of the data by which a typical change of each component moves the predictions, all
    together.
    """

    promise: float
    gain: float
    effects: FloatArray

    @property
    def left(self) -> float:
        """The larger one."""
        return max(self.promise, self.gain)

    @property
    def holds(self) -> bool:
        """Whether the point is an optimum within the bounds, as far as these two can tell."""
        return self.promise <= MOST_PROMISED and self.gain <= MOST_GAINED


def certify(objective: Objective, u: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray) -> Certificate:
    """The certificate of u.

    Parameters
    ----------
    objective
        What was minimised.
    u, lower, upper
        [P], the point and the box that it lies in.
    size
        [P], how much each component may typically change.

    Returns
    -------
    Certificate
        Infinite in both numbers where the objective cannot be computed at u. It costs one evaluation with derivatives
        and up to five without.
    """
    return certify_many(OneByOne(objective), u[None], lower, upper, size, np.zeros(1, dtype=np.intp))[0]


def certify_many(
    objective: BatchObjective,
    u: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    size: FloatArray,
    searches: IntArray,
) -> list[Certificate]:
    """The certificates of many points u [B, P], which searches of these numbers [B] have found; see `certify`."""
    none = Certificate(np.inf, np.inf, np.zeros(u.shape[1]))
    found = [none] * len(u)
    values, here = objective.values(u, searches), objective.evaluations(u, searches)
    good = true_at(np.isfinite(values) & here.is_usable)
    if not len(good):
        return found
    u, values, searches, here = u[good], values[good], searches[good], here.take(good)
    down = _downhill(here, u, lower, upper, size)
    steps = _best_steps(here, u, lower, upper, size)
    if steps is None:
        promise = coordinate_steps(here.lengths, here.gradient, u, lower, upper)[1].sum(axis=1)
        moves = down[:, None]
    else:
        promise = _decrease(here, size * steps)
        moves = np.stack([*(share * steps for share in LENGTHS), down], axis=1)
    places = np.clip(u[:, None] + size * moves, lower, upper)
    there = objective.values(places.reshape(-1, u.shape[1]), np.repeat(searches, moves.shape[1]))
    there = np.where(np.isfinite(there), there, np.inf).reshape(len(u), -1)
    best = np.minimum(values, there.min(axis=1))
    effects = here.lengths * size
    for k, own in enumerate(good):
        found[own] = Certificate(max(float(promise[k]), 0.0), float(values[k] - best[k]), effects[k])
    return found


def _best_steps(
    here: Evaluations, u: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray
) -> FloatArray | None:
    """The minimisers of the models in p = d / size [B, P]; None where A is too large for that."""
    columns = u.shape[1]
    if not columns:
        return np.zeros_like(u)
    if here.z.shape[1] * columns > MOST_ENTRIES:
        return None
    low, high = np.maximum((lower - u) / size, -FARTHEST), np.minimum((upper - u) / size, FARTHEST)
    few = max(1, MOST_ENTRIES // (here.z.shape[1] * columns or 1))
    parts = [np.arange(first, min(first + few, len(u))) for first in range(0, len(u), few)]
    return np.concatenate([_minimisers(here.take(part), low[part], high[part], size) for part in parts])


def _minimisers(here: Evaluations, low: FloatArray, high: FloatArray, size: FloatArray) -> FloatArray:
    """The same of as many as fit into the memory at once."""
    a = np.stack([np.asarray(here.A[b]) for b in range(len(low))]) * size
    # Columns of length 1: what is singular then is the model, and not its units.
    lengths = np.linalg.norm(a, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    q, r = np.linalg.qr(a / lengths[:, None, :])
    target = -adjoint(q, here.z)
    p = shortest(r, target) / lengths
    beyond = true_at(~((p >= low) & (p <= high)).all(axis=1))
    if len(beyond):
        unit = lengths[beyond]
        found = bounded_least_squares(r[beyond], target[beyond], low[beyond] * unit, high[beyond] * unit)
        p[beyond] = np.clip(found / unit, low[beyond], high[beyond])
    return p


def _decrease(here: Evaluations, d: FloatArray) -> FloatArray:
    """How much the quadratic models fall along d [B, P]."""
    change = here.A.times(d)
    fall: FloatArray = -(change * here.z).sum(axis=1) - np.square(change).sum(axis=1) / 2
    return fall


def _downhill(here: Evaluations, u: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray) -> FloatArray:
    """The steps in p = d / size against the gradient, no component out of the box, to the lowest point of the model."""
    slope = size * here.gradient
    away = ((slope > 0) & (u <= lower)) | ((slope < 0) & (u >= upper))
    return cauchy_step(here, np.where(away, 0.0, slope), size)
