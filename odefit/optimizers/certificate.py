"""Whether a point is an optimum, judged without the search that found it.

Two questions are asked at u, in units of the objective (a negative log-likelihood: half a unit is one standard error).

promise: the decrease of the quadratic model, min |A d + z|² / 2 over lower <= u + d <= upper and FARTHEST sizes of each
    component, solved anew by another method than the search's: an orthogonal decomposition, and with bounds that are
    met the active sets of P. B. Stark and R. L. Parker (1995), by SciPy.
gain: the decrease that was really had on the way down the projected gradient, to the lowest point of the model there,
    and along the step of the model itself: whole, a tenth and a hundredth of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray
from odefit.linalg.score import Evaluation
from odefit.optimizers.base import Objective, cauchy_step, coordinate_steps, usable

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
    value = objective.value(u)
    here = objective.evaluate(u)
    if not np.isfinite(value) or not usable(here):
        return Certificate(np.inf, np.inf, np.zeros(len(u)))
    low, high = np.maximum((lower - u) / size, -FARTHEST), np.minimum((upper - u) / size, FARTHEST)
    step = _best_step(here, low, high, size)
    if step is None:
        promise, moves = float(coordinate_steps(here, u, lower, upper)[1].sum()), []
    else:
        promise = _decrease(here, size * step)
        moves = [share * step for share in LENGTHS]
    moves.append(_downhill(here, u, lower, upper, size))
    best = value
    for move in moves:
        there = objective.value(np.clip(u + size * move, lower, upper))
        best = min(best, there) if np.isfinite(there) else best
    return Certificate(max(promise, 0.0), value - best, here.lengths * size)


def _best_step(here: Evaluation, low: FloatArray, high: FloatArray, size: FloatArray) -> FloatArray | None:
    """The minimiser of the model in p = d / size [P]; None where A is too large for that."""
    rows, columns = here.A.shape
    if rows * columns > MOST_ENTRIES or not columns:
        return None if columns else np.zeros(0)
    a = np.asarray(here.A) * size
    # Columns of length 1: what is singular then is the model, and not its units.
    lengths = np.linalg.norm(a, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    q, r = np.linalg.qr(a / lengths)
    target = -(q.T @ here.z)
    p: FloatArray = np.linalg.lstsq(r, target, rcond=None)[0] / lengths
    if ((p >= low) & (p <= high)).all():
        return p
    from scipy.optimize import lsq_linear

    # A component that is fixed by equal bounds has no room, which SciPy does not accept.
    free = high > low
    answer = lsq_linear(r[:, free], target, (low[free] * lengths[free], high[free] * lengths[free]), method="bvls")
    p = np.zeros(columns)
    p[free] = answer.x / lengths[free]
    return np.clip(p, low, high)


def _decrease(here: Evaluation, d: FloatArray) -> float:
    """How much the quadratic model falls along d [P]."""
    change = here.A.times(d)
    return -float(change @ here.z) - float(change @ change) / 2


def _downhill(here: Evaluation, u: FloatArray, lower: FloatArray, upper: FloatArray, size: FloatArray) -> FloatArray:
    """The step in p = d / size against the gradient, no component out of the box, to the lowest point of the model."""
    slope = size * here.gradient
    away = ((slope > 0) & (u <= lower)) | ((slope < 0) & (u >= upper))
    slope = np.where(away, 0.0, slope)
    return cauchy_step(here, slope, size)
