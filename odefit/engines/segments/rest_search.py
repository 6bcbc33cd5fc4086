"""The way to a steady state, from where the equations are: how it is followed, known to be there, and made exact.

y is followed over growing spans until it is as near to a steady state as the solver can tell, then Newton's method
makes it exact. With the conserved quantities W'y, which no reaction changes,

    f(y, q) = 0,  W'y = W'y_init,    so    J dy = -df/dq,  W'dy = W'dy_init        (J = df/dy).

Only a state that the equations come to counts: where Newton's method alone would end in an unstable one, the way goes
on. Where the steady states are a continuum that no linear law tells apart, derivatives are integrated instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.model.sloped_functions import sloped_function
from odefit.model.system import TIME, System
from odefit.records import dataclass

# How many spans are followed, each ten times as long as the one before.
_SPANS = 7
# Near a steady state: within this number of tolerances, from where Newton's method is trusted.
_NEAR = 100.0
_NEWTON_STEPS = 10
# Below this part of the largest, a singular value of equilibrated equations is zero.
_SINGULAR = 1e-10
# An unstable direction in which nothing has grown over this number of its own times is empty: an absent species.
_GROWTH_TIMES = 30.0


@dataclass
class RestSearch:
    """Of one system, whose last parameters are the initial values.

    Attributes
    ----------
    system, engine
        What comes to rest; the engine is sensitive to the first `n_moved` parameters and to the initial values.
    n_moved
        Parameters q that derivatives are taken to; the others, before the initial values, are held.
    reason
        How a failure is called.
    """

    system: System
    engine: Engine
    options: SolverOptions
    n_moved: int
    reason: FailureReason

    def come(self, row: FloatArray, y_init: FloatArray, start: float, span: float, name: str) -> Came:
        """To rest, from a time on: y at rest [S], and the spans that it took.

        row: parameters without initial values. Raises IntegrationError where none is reached.
        """
        y, spans, t = y_init, list[float](), start
        for k in range(_SPANS):
            spans.append(span * 10.0**k)
            trajectory = self._over(row, y, t, spans[-1], name)
            if trajectory.failure is not None:
                # Over a long span a method gives up on what moves all the time: no news.
                what = f": {trajectory.failure}" if k == 0 else f", within a time of {sum(spans[:-1]):g}"
                raise IntegrationError(Failure(self.reason, subject=what))
            y, t = trajectory.y[-1], t + spans[-1]
            found = self._at_rest(row, t, y, y_init, sum(spans))
            if found is not None:
                return Came(found, t, tuple(spans))
        raise IntegrationError(Failure(self.reason, subject=f", within a time of {sum(spans):g}"))

    def slopes(
        self, row: FloatArray, y_init: FloatArray, start: float, came: Came, name: str
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """y, dy/dy_init [S, S] and dy/dq [S, n_moved]: by the implicit function theorem, or integrated all the way.

        Raises IntegrationError where they are not finite, or that cannot be integrated.
        """
        _, J, f_q = self._values(row, came.time, came.y)
        if not (np.isfinite(f_q).all() and np.isfinite(J).all()):
            raise IntegrationError(Failure(FailureReason.REST_SENSITIVITIES_NOT_FINITE))
        n, m = len(came.y), self.n_moved
        laws = self.laws
        right = np.concatenate([np.eye(n), np.zeros((len(laws), n))]), np.concatenate([np.zeros((n, n)), laws])
        X, is_singular = least_squares(np.concatenate([J, laws]), np.concatenate(right, axis=1))
        # What relaxes more slowly than the way took has not come to rest by itself: it stayed where it was.
        still = np.count_nonzero(np.abs(np.linalg.eigvals(J)) * sum(came.spans) < 1)
        if not is_singular and still <= len(laws):
            return came.y, X[:, n:], -X[:, :n] @ f_q
        y, t = y_init, start
        to_start, to_q = np.eye(n), np.zeros((n, m))
        for span in (*came.spans, 10 * came.spans[-1]):
            trajectory = self._over(row, y, t, span, name, sensitivities=True)
            if trajectory.failure is not None or trajectory.dy is None:
                raise IntegrationError(Failure(self.reason, subject=f": {trajectory.failure}"))
            last = trajectory.dy[-1]
            y, t = trajectory.y[-1], t + span
            to_start, to_q = last[:, m:] @ to_start, last[:, :m] + last[:, m:] @ to_q
        return y, to_start, to_q

    @cached_property
    def laws(self) -> FloatArray:
        """What the equations conserve, [laws, S]."""
        return conservation_laws(self.system.rhs)

    def _over(
        self, row: FloatArray, y: FloatArray, start: float, span: float, name: str, sensitivities: bool = False
    ) -> Any:
        part = Experiment(name, np.array([start + span]), np.empty((1, 0)), start)
        return self.engine.solve(np.concatenate([row, y])[None], [part], sensitivities)[0]

    def _at_rest(
        self, row: FloatArray, t: float, y: FloatArray, y_init: FloatArray, elapsed: float
    ) -> FloatArray | None:
        """The steady state, if y is as good as at it."""
        weight = np.asarray(self.options.atol) + self.options.rtol * np.abs(y)
        f, J, _ = self._values(row, t, y)
        step, is_singular = self._newton(f, J, y, y_init)
        if not (np.abs(step) <= _NEAR * weight).all():
            return None
        if is_singular:
            # Newton's method cannot be trusted here, but what is left of f must not lead anywhere.
            drift = np.abs(f + J @ step) * elapsed
            return y if (drift <= weight).all() and (np.abs(step) <= weight).all() else None
        growth = np.linalg.eigvals(J).real.max(initial=-np.inf)
        if growth > _SINGULAR * np.abs(J).max() and growth * elapsed < _GROWTH_TIMES:
            return None
        at = y
        for _ in range(_NEWTON_STEPS):
            at = at + step
            f, J, _ = self._values(row, t, at)
            if not (np.isfinite(f).all() and np.isfinite(J).all()):
                return None
            before, (step, _) = step, self._newton(f, J, at, y_init)
            if (np.abs(step) <= 1e-14 * np.abs(at)).all() or np.abs(step).max() >= 0.5 * np.abs(before).max():
                break
        is_exact = (np.abs(step) <= weight).all() and (np.abs(at - y) <= 2 * _NEAR * weight).all()
        return at if is_exact else None

    def _newton(self, f: FloatArray, J: FloatArray, y: FloatArray, y_init: FloatArray) -> tuple[FloatArray, bool]:
        right = np.concatenate([-f, self.laws @ (y_init - y)])
        if not (np.isfinite(right).all() and np.isfinite(J).all()):
            return np.full_like(y, np.nan), True
        step, is_singular = least_squares(np.concatenate([J, self.laws]), right[:, None])
        return step[:, 0], is_singular

    def _values(self, row: FloatArray, t: float, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """f [S], J [S, S] and df/dq [S, n_moved]."""
        n, values = len(y), self._functions(*y, *row, t)
        return values[:, 0], values[:, 1 : 1 + n], values[:, 1 + n :]

    @cached_property
    def _functions(self) -> Any:
        states, parameters = self.system.states, self.system.parameters[: -len(self.system.states)]
        moved = *states, *parameters[: self.n_moved]
        return sloped_function(self.system.rhs, moved, (*states, *parameters, TIME))

    def __getstate__(self) -> dict[str, Any]:
        """Without compiled functions."""
        return {key: value for key, value in vars(self).items() if key != "_functions"}


@dataclass(frozen=True)
class Came:
    """A steady state, y [S], when the way to it ended, and the spans of the way."""

    y: FloatArray
    time: float
    spans: tuple[float, ...]


def conservation_laws(rhs: Sequence[sp.Expr]) -> FloatArray:
    """W' [laws, S]: numbers w with w'f = 0 whatever states and parameters are, an orthonormal set.

    Equal terms are found by expanding, as in k*(a - b) and k*b - k*a.
    """
    terms: dict[Any, int] = {}
    entries = []
    for i, formula in enumerate(rhs):
        for term in sp.Add.make_args(sp.expand_mul(sp.sympify(formula))):
            coefficient, rest = term.as_coeff_Mul()
            entries.append((i, terms.setdefault(rest, len(terms)), float(coefficient)))
    stoichiometry = np.zeros((len(rhs), len(terms)))
    for i, j, coefficient in entries:
        stoichiometry[i, j] += coefficient
    left, size, _ = np.linalg.svd(stoichiometry)
    rank = int(np.count_nonzero(size > 1e-12 * size.max(initial=0.0)))
    laws: FloatArray = left[:, rank:].T
    return laws


def least_squares(M: FloatArray, right: FloatArray) -> tuple[FloatArray, bool]:
    """X with M X = right, [n, K], and whether M [m, n] is rank-deficient, after rows and columns are equilibrated."""
    rows, columns = np.ones(len(M)), np.ones(M.shape[1])
    scaled = M
    for _ in range(3):
        rows /= _size(scaled, 1)
        scaled = rows[:, None] * M * columns
        columns /= _size(scaled, 0)
        scaled = rows[:, None] * M * columns
    u, size, vt = np.linalg.svd(scaled, full_matrices=False)
    used = size > _SINGULAR * size.max(initial=0.0)
    inverse = np.where(used, 1 / np.where(used, size, 1.0), 0.0)
    X: FloatArray = columns[:, None] * (vt.T @ (inverse[:, None] * (u.T @ (rows[:, None] * right))))
    return X, not used.all()


def _size(M: FloatArray, axis: int) -> FloatArray:
    """The largest entry of each row or column, 1 where all are zero."""
    largest: FloatArray = np.abs(M).max(axis=axis, initial=0.0)
    return np.where(largest > 0, largest, 1.0)
