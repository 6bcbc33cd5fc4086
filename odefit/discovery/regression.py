"""Sparse regression along smooth curves, before any equation is solved: weak form and derivative form.

With a smooth test function w that is zero at both ends of a window,

    -int w' x_s dt = sum_j c_j v_js int w phi_j(x) dt   (weak),     dx_s/dt = sum_j c_j v_js phi_j(x)   (derivative),

the former without a derivative of the data (D. Messenger and D. Bortz 2021). Windows lie within one experiment; times
may be as uneven as they like, since curves are splines through each series. Every equation is weighted by the size of
its left side, and the criterion does not depend on units.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.discovery.field import Known
from odefit.discovery.library import Library, Points
from odefit.discovery.series import Series
from odefit.discovery.stepwise import Normal
from odefit.records import dataclass

Form = Literal["weak", "derivative"]
FINER = 4
"""Points of the quadrature for each node."""
WIDTH = 2.0
"""Windows of the weak form in characteristic times (the spread of a state over that of its slope)."""
OVERLAP = 4
"""Windows that cover each time."""
SMOOTHNESS = 3
"""The exponent of the test function (1 - z²)^p."""
LEAST_WINDOW = 6
"""The fewest nodes of a window."""


@dataclass(frozen=True)
class Regression:
    """Rows of linear equations for the coefficients of a library.

    Parameters
    ----------
    rows
        [M, J + P] columns of the terms, and of the parameters of the known part.
    left
        [M] left sides, less the known part.
    owner
        [M] which window a row is of, for resampling.
    state
        [M] which equation.
    """

    rows: FloatArray
    left: FloatArray
    owner: IntArray
    state: IntArray

    def normal(self, library: Library, share: float = 1.0, weights: FloatArray | None = None) -> Normal:
        """The normal equations. share: of the rows that count as independent. weights: [M]."""
        w = np.ones(len(self.left)) if weights is None else weights
        scale = np.array([_size(self.left[self.state == s]) for s in range(int(self.state.max()) + 1)])
        w = w / scale[self.state] ** 2
        extra = self.rows.shape[1] - len(library)
        kept = np.append(np.zeros(len(library), dtype=bool), np.ones(extra, dtype=bool))
        pad = np.zeros(extra, dtype=np.intp)
        n = share * (len(self.left) if weights is None else float(weights.sum()))
        return Normal(
            self.rows.T @ (w[:, None] * self.rows),
            self.rows.T @ (w * self.left),
            float(self.left @ (w * self.left)),
            max(n, 3.0),
            kept,
            np.append(library.signs, pad),
            np.append(library.families, pad - 1),
        )


def _size(values: FloatArray) -> float:
    size = float(np.sqrt(np.mean(values**2))) if len(values) else 0.0
    return size if size > 0 else 1.0


def regression(series: Series, library: Library, known: Known | None, p: FloatArray, form: Form) -> Regression:
    """The equations of all experiments.

    Parameters
    ----------
    series, library
        The data and the terms.
    known, p
        What is known of the rates, with the parameters about which it is linear.
    form
        Which.
    """
    rows, left, owner, state = [], [], [], []
    count = 0
    width = _width(series)
    for e in range(len(series.times)):
        own = series.times[e, series.used[e]]
        if len(own) < LEAST_WINDOW:
            continue
        t = np.unique(
            np.concatenate(
                [own[:-1, None] + np.diff(own)[:, None] * np.arange(FINER) / FINER, own[-1:, None].repeat(FINER, 1)]
            )
        )
        x = series.curve(e, t)
        if not np.isfinite(x).all():
            continue
        phi, extra, fixed = _columns(series, library, known, p, e, t, x)
        if form == "weak":
            test, slope = _tests(t, own, width)
        else:
            test, slope = np.eye(len(t))[::FINER], _differences(t)[::FINER]
        for s in range(len(series.states)):
            columns = np.concatenate([test @ (phi * library.vectors[:, s]), test @ extra[:, s]], axis=1)
            if form == "weak":
                target = slope @ x[:, s] - test @ fixed[:, s]
            else:
                target = (slope @ x[:, s]) - fixed[::FINER, s]
            rows.append(columns)
            left.append(target)
            owner.append(count + np.arange(len(target)))
            state.append(np.full(len(target), s))
        count += len(test)
    if not rows:
        n = len(library) + (0 if known is None else len(p))
        return Regression(np.zeros((0, n)), np.zeros(0), np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))
    found = Regression(np.concatenate(rows), np.concatenate(left), np.concatenate(owner), np.concatenate(state))
    good = np.isfinite(found.rows).all(axis=1) & np.isfinite(found.left)
    return Regression(found.rows[good], found.left[good], found.owner[good], found.state[good])


def _columns(
    series: Series, library: Library, known: Known | None, p: FloatArray, e: int, t: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """phi [N, J], the derivatives of the known part [N, S, P], and that part [N, S]."""
    at = Points(x, series.known(np.full(len(t), e), t))
    phi = library.values(at)
    if known is None:
        return phi, np.zeros((*x.shape, 0)), np.zeros_like(x)
    fixed, _, by_p = known(at, p)
    return phi, by_p, fixed - by_p @ p


def _width(series: Series) -> float:
    """How long windows are: by how fast the states change."""
    ratios = []
    for e in range(len(series.times)):
        t, x = series.times[e, series.used[e]], series.smooth[e, series.used[e]]
        if len(t) < LEAST_WINDOW:
            continue
        slope = np.gradient(x, t, axis=0)
        spread, fast = x.std(axis=0), np.sqrt(np.mean(slope**2, axis=0))
        ratios.append(np.min(np.where(fast > 0, spread / np.where(fast > 0, fast, 1.0), np.inf)))
    good = [r for r in ratios if np.isfinite(r)]
    return WIDTH * float(np.median(good)) if good else float(np.ptp(series.times) / 10)


def _tests(t: FloatArray, nodes: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Test functions with the weights of the quadrature [W, N], and minus their slopes likewise."""
    span = nodes[-1] - nodes[0]
    width = float(np.clip(width, LEAST_WINDOW * span / len(nodes), span / 2))
    count = max(int(np.ceil((span - width) / (width / OVERLAP))), 1) + 1
    centres = np.linspace(nodes[0] + width / 2, nodes[-1] - width / 2, count)
    z = (t - centres[:, None]) / (width / 2)
    inside = np.abs(z) < 1
    w = np.where(inside, (1 - np.where(inside, z, 0.0) ** 2) ** SMOOTHNESS, 0.0)
    slope = np.where(inside, 2 * SMOOTHNESS * z * (1 - np.where(inside, z, 0.0) ** 2) ** (SMOOTHNESS - 1), 0.0)
    weights = np.zeros(len(t))
    weights[:-1] += np.diff(t) / 2
    weights[1:] += np.diff(t) / 2
    return w * weights / width, slope * weights / (width / 2) / width


def _differences(t: FloatArray) -> FloatArray:
    """The matrix [N, N] of second-order differences on uneven times."""
    found: FloatArray = np.asarray(np.gradient(np.eye(len(t)), t, axis=0))
    return found
