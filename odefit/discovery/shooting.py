"""Models of terms fitted to trajectories by lifted multiple shooting.

The states at all nodes are unknowns beside the coefficients, and the equations are constraints between neighbours,
x_{k+1} = F(x_k; theta). Linearised, they make every state a linear function of the first one and of theta (condensing,
H. G. Bock 1983), so that a Gauss-Newton step is a least-squares problem in these alone; it starts on smooth curves
through the data, from where even chaotic series lead to the optimum. At the end the constraints hold: the states are
one trajectory, the sum of squares is that of the likelihood, and the matrix of the step is the exact sensitivity of
the trajectory to every term, also to those that the model lacks.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.discovery.condensing import Pieces
from odefit.discovery.field import Field, only, with_inner
from odefit.discovery.library import Library
from odefit.discovery.series import Series
from odefit.discovery.stepwise import Normal
from odefit.records import dataclass

MOST_STEPS = 30
"""Gauss-Newton steps of one fit."""
CLOSED = 1e-3
"""Defects, in standard deviations of the noise, below which the pieces are one trajectory."""
LITTLE = 1e-5
"""The share of the sum of squares that a step must change; below it the fit has come to rest."""
FIRST_DAMPING, EASIER, HARDER, MOST_DAMPING = 1e-6, 0.1, 10.0, 1e4
INEXACT = 0.05
"""Standard deviations of the noise that the errors of the steps over a whole series may sum up to."""


@dataclass(frozen=True)
class Model:
    """Which terms a model has, and the values of all that is in it.

    Parameters
    ----------
    columns
        Its terms in the library.
    library
        All terms; those of the model with the constants that the fit has found.
    c
        [J] coefficients of the whole library, 0 of all other terms.
    p
        Parameters of the known part.
    x
        [E, K, S] states at the nodes.
    rss
        [O'] sums of squares of each observable, on the scale of its noise.
    counts
        [O'] how many measurements each has.
    sigma
        [M] standard deviations by which the residuals were weighted.
    closed
        Whether it is one trajectory for each experiment.
    """

    columns: tuple[int, ...]
    library: Library
    c: FloatArray
    p: FloatArray
    x: FloatArray
    rss: FloatArray
    counts: IntArray
    sigma: FloatArray
    closed: bool

    @property
    def misfit(self) -> float:
        """Twice the negative log-likelihood, up to what all models share, with the noise levels that fit best."""
        return float(np.sum(self.counts * np.log(np.maximum(self.rss, 1e-300) / self.counts)))


@dataclass(frozen=True)
class Shooting:
    """Fits of models of one library to series.

    Parameters
    ----------
    series
        The data.
    field
        The library, and what is known beside.
    steps
        Runge-Kutta steps from each node to the next.
    """

    series: Series
    field: Field
    steps: int = 1

    @property
    def n_others(self) -> int:
        """The number of parameters beside those of terms: initial values, noise levels, what is known."""
        cells, known = self.series.cells, self.field.known
        levels = len(np.unique(cells.o[np.isnan(cells.error)]))
        starts = len(self.series.experiments) * len(self.series.states)
        return starts + levels + (0 if known is None else len(known.parameters))

    def is_exact(self, model: Model) -> bool:
        """Whether twice as many Runge-Kutta steps give the same trajectories, compared with the noise."""
        field = Field(only(model.library, model.columns), self.field.known)
        theta = np.concatenate([model.c[list(model.columns)], field.extra, model.p])
        coarse, fine = (Pieces(self.series, field, k * self.steps).linear(model.x, theta) for k in (1, 2))
        if coarse is None or fine is None:
            return True
        error = np.abs(coarse.defects - fine.defects) / Pieces(self.series, field, 1).scale(model.sigma)
        return bool(error.sum(axis=1).max() < INEXACT)

    def fit(
        self, columns: tuple[int, ...], c: FloatArray, p: FloatArray, x: FloatArray, library: Library
    ) -> Model | None:
        """The best parameters of a model from a guess; None where there is no solution, or a sign is wrong.

        Parameters
        ----------
        columns, c, p, x, library
            As in `Model`.
        """
        field = Field(only(library, columns), self.field.known)
        n_inner = len(field.inner)
        theta = np.concatenate([c[list(columns)], field.extra, p])
        own = Pieces(self.series, field, self.steps)
        sigma = own.first_sigma
        damping, weight, at = FIRST_DAMPING, 0.0, own.linear(x, theta)
        if at is None:
            return None
        value, gap = own.value(at.x, sigma), own.gap(at, sigma)
        for _ in range(MOST_STEPS):
            dx0, dtheta, falls = own.step(at, sigma, damping)
            weight = max(weight, 2.0 * max(-falls, 0.0) / gap if gap > 0 else 0.0)
            moved = own.moved(at, dx0, dtheta)
            there = own.linear(*moved)
            reached = np.inf if there is None else own.value(there.x, sigma) + weight * own.gap(there, sigma)
            here = value + weight * gap
            if there is None or not reached < here + 1e-12 * abs(here):
                damping = max(damping, 1e-4) * HARDER
                if damping > MOST_DAMPING:
                    break
                continue
            damping = max(damping * EASIER, FIRST_DAMPING)
            rest = here - reached
            at = there
            newer = own.estimated_sigma(at.x)
            calm = np.allclose(newer, sigma, rtol=0.01)
            sigma = newer
            value, gap = own.value(at.x, sigma), own.gap(at, sigma)
            if rest <= LITTLE * here and calm and own.largest_gap(at, sigma) < CLOSED:
                break
        rss, counts = own.squares(at.x)
        inner = at.theta[len(columns) : len(columns) + n_inner]
        full = np.zeros(len(library))
        full[list(columns)] = at.theta[: len(columns)]
        if np.any(full * library.signs < 0):
            return None  # with the right sign it would be 0, which is the set without that term
        by_term: dict[int, dict[str, float]] = {}
        for (j, name), v in zip(field.inner, inner, strict=True):
            by_term.setdefault(columns[j], {})[name] = float(v)
        closed = own.largest_gap(at, sigma) < CLOSED
        tail = at.theta[len(columns) + n_inner :]
        return Model(columns, with_inner(library, by_term), full, tail, at.x, rss, counts, sigma, closed)

    def normal(self, model: Model, blocks: int = 0) -> tuple[Normal, list[Normal]] | None:
        """The linear model of the residuals about a fit, in the coefficients of all terms of the library.

        Parameters
        ----------
        blocks
            Into how many stretches of time each experiment is cut.

        Returns
        -------
        normal, parts
            The whole, and what each stretch brings to it; None where the equations cannot be followed.
        """
        library = model.library
        inside = Field(only(library, model.columns), self.field.known)
        whole = Field(library, self.field.known)
        # Constants of terms that the model lacks stay where they are.
        places = {(model.columns[j], name) for j, name in inside.inner}
        keep = np.array([True] * len(library) + [place in places for place in whole.inner] + [True] * len(model.p))
        theta = np.concatenate([model.c, whole.extra, model.p])
        own = Pieces(self.series, whole, self.steps)
        at = own.linear(model.x, theta)
        if at is None:
            return None
        rows, b = own.projected(at, model.sigma)
        rows = rows[:, keep]
        theta = theta[keep]
        n_coefficients = len(library)
        b = b + rows[:, :n_coefficients] @ theta[:n_coefficients]
        extra = rows.shape[1] - n_coefficients
        kept = np.append(np.zeros(n_coefficients, dtype=bool), np.ones(extra, dtype=bool))
        pad = np.zeros(extra, dtype=np.intp)
        signs, families = np.append(library.signs, pad), np.append(library.families, pad - 1)

        def normal_of(chosen: slice | IntArray) -> Normal:
            a, right = rows[chosen], b[chosen]
            n, others = float(len(right)), self.n_others
            return Normal(a.T @ a, a.T @ right, float(right @ right), n, kept, signs, families, others)

        parts = []
        if blocks:
            which = own.stretch(blocks)
            parts = [normal_of(np.flatnonzero(which == k)) for k in np.unique(which)]
        return normal_of(slice(None)), parts
