"""Models of terms fitted to trajectories by lifted multiple shooting.

The states at all nodes are unknowns beside the coefficients, and the equations are constraints between neighbours,
x_{k+1} = F(x_k; theta). Linearised, they make every state a linear function of the first one and of theta (condensing,
H. G. Bock 1983), so that a Gauss-Newton step is a least-squares problem in these alone; it starts on smooth curves
through the data, from where even chaotic series lead to the optimum. At the end the constraints hold: the states are
one trajectory, the sum of squares is that of the likelihood, and the matrix of the step is the exact sensitivity of
the trajectory to every term, also to those that the model lacks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.discovery.field import Field, only, with_inner
from odefit.discovery.library import Library, Points
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
LARGEST = 1e3
"""How many times its size a state may become."""


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
class _Linear:
    """A point and what is linear about it.

    x_k moves by start[k] dx_0 + columns[k] dtheta + gap[k].
    """

    x: FloatArray
    theta: FloatArray
    start: FloatArray
    columns: FloatArray
    gap: FloatArray
    defects: FloatArray


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

    def is_exact(self, model: Model) -> bool:
        """Whether twice as many Runge-Kutta steps give the same trajectories, compared with the noise."""
        field = Field(only(model.library, model.columns), self.field.known)
        theta = np.concatenate([model.c[list(model.columns)], field.extra, model.p])
        coarse, fine = (_Problem(self.series, field, k * self.steps).linear(model.x, theta) for k in (1, 2))
        if coarse is None or fine is None:
            return True
        error = np.abs(coarse.defects - fine.defects) / _Problem(self.series, field, 1).scale(model.sigma)
        return bool(error.sum(axis=1).max() < INEXACT)

    def fit(
        self, columns: tuple[int, ...], c: FloatArray, p: FloatArray, x: FloatArray, library: Library
    ) -> Model | None:
        """The best parameters of a model from a guess; None where the equations cannot be followed from there.

        Parameters
        ----------
        columns, c, p, x, library
            As in `Model`.
        """
        field = Field(only(library, columns), self.field.known)
        n_inner = len(field.inner)
        theta = np.concatenate([c[list(columns)], field.extra, p])
        own = _Problem(self.series, field, self.steps)
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
        own = _Problem(self.series, whole, self.steps)
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
            return Normal(a.T @ a, a.T @ right, float(right @ right), float(len(right)), kept, signs, families)

        parts = []
        if blocks:
            which = own.stretch(blocks)
            parts = [normal_of(np.flatnonzero(which == k)) for k in np.unique(which)]
        return normal_of(slice(None)), parts


class _Problem:
    """Integration from node to node, condensing, and steps."""

    def __init__(self, series: Series, field: Field, steps: int) -> None:
        self.series, self.field, self.steps = series, field, steps
        s = len(series.states)
        self.n_states, self.n_theta = s, len(field.library) + len(field.inner)
        self.n_theta += 0 if field.known is None else len(field.known.parameters)
        self.h = np.diff(series.times, axis=1)
        self.open = np.nonzero(series.used[:, 1:])
        cells = series.cells
        self.cells = cells
        owner = np.unique(cells.o, return_inverse=True)[1]
        self.owner, self.n_owners = owner, int(owner.max()) + 1
        shares = [
            series.times[self.open[0], self.open[1]] + self.h[self.open] * q / (2 * steps) for q in range(2 * steps + 1)
        ]
        self.known = [series.known(self.open[0], t) for t in shares]

    # -- noise

    @property
    def first_sigma(self) -> FloatArray:
        """[M] by the scatter about smooth curves."""
        return np.where(np.isnan(self.cells.error), self.series.deviations[self.cells.s], self.cells.error)

    def estimated_sigma(self, x: FloatArray) -> FloatArray:
        """[M] by the residuals."""
        rss, counts = self.squares(x)
        level = np.sqrt(np.maximum(rss / counts, (1e-9 * self.series.spreads[self._state_of]) ** 2))
        return np.where(np.isnan(self.cells.error), level[self.owner], self.cells.error)

    @cached_property
    def _state_of(self) -> IntArray:
        found = np.zeros(self.n_owners, dtype=np.intp)
        found[self.owner] = self.cells.s
        return found

    def residuals(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """T(d) - T(x) [M] without weights, and dT/dx [M]."""
        c = self.cells
        at = x[c.e, c.k, c.s]
        logs = c.is_log[c.s]
        floor = 1e-6 * self.series.sizes[c.s]
        safe = np.maximum(at, floor)
        value = np.where(logs, np.log(safe) + np.minimum(at - floor, 0.0) / floor, at)
        return c.d - value, np.where(logs, 1 / safe, 1.0)

    def squares(self, x: FloatArray) -> tuple[FloatArray, IntArray]:
        """RSS and number of cells of each observable; known errors count in their units."""
        r = self.residuals(x)[0]
        r = np.where(np.isnan(self.cells.error), r, r / self.cells.error)
        counts: IntArray = np.bincount(self.owner, minlength=self.n_owners)
        return np.bincount(self.owner, r**2, self.n_owners).astype(np.float64), counts

    def value(self, x: FloatArray, sigma: FloatArray) -> float:
        """Half the weighted sum of squares."""
        return 0.5 * float(np.sum((self.residuals(x)[0] / sigma) ** 2))

    # -- equations

    def linear(self, x: FloatArray, theta: FloatArray) -> _Linear | None:
        """Integrate from every node, and condense; None where that leads nowhere."""
        with np.errstate(all="ignore"):
            found = self._flow(x[self.open], theta)
        if found is None:
            return None
        end, z = found
        (e, k, s), n = x.shape, self.n_states + self.n_theta
        defects = np.zeros((e, k - 1, s))
        defects[self.open] = end - x[:, 1:][self.open]
        maps = np.zeros((e, k - 1, s, n))
        maps[..., : self.n_states] = np.eye(self.n_states)
        maps[self.open] = z
        whole = np.zeros((e, k, s, n + 1))
        whole[:, 0, :, : self.n_states] = np.eye(self.n_states)
        a = maps[..., : self.n_states]
        add = np.concatenate([np.zeros_like(a), maps[..., self.n_states :], defects[..., None]], axis=-1)
        for i in range(k - 1):
            whole[:, i + 1] = a[:, i] @ whole[:, i] + add[:, i]
        if not np.isfinite(whole).all():
            return None
        first, last = self.n_states, n
        return _Linear(x, theta, whole[..., :first], whole[..., first:last], whole[..., last], defects)

    def _flow(self, x: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """States [N, S] at the next nodes, and their derivatives [N, S, S + P] to states and parameters."""
        n, s = x.shape
        h = (self.h[self.open] / self.steps)[:, None]
        z = np.zeros((n, s, s + self.n_theta))
        z[:, :, :s] = np.eye(s)
        most = LARGEST * self.series.sizes

        def slope(at: FloatArray, dz: FloatArray, q: int) -> tuple[FloatArray, FloatArray]:
            f, fx, fp = self.rates(Points(at, self.known[q]), theta)
            rate = fx @ dz
            rate[:, :, s:] += fp
            return f, rate

        hz = h[:, :, None]
        for step in range(self.steps):
            q = 2 * step
            f1, z1 = slope(x, z, q)
            f2, z2 = slope(x + h / 2 * f1, z + hz / 2 * z1, q + 1)
            f3, z3 = slope(x + h / 2 * f2, z + hz / 2 * z2, q + 1)
            f4, z4 = slope(x + h * f3, z + hz * z3, q + 2)
            x = x + h / 6 * (f1 + 2 * f2 + 2 * f3 + f4)
            z = z + hz / 6 * (z1 + 2 * z2 + 2 * z3 + z4)
            if not (np.abs(x) <= most).all():
                return None
        return x, z

    def rates(self, at: Points, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """As `Field.at`, of one vector of all parameters."""
        j, i = len(self.field.library), len(self.field.inner)
        field = self.field
        if i:
            values: dict[int, dict[str, float]] = {}
            for (term, name), v in zip(field.inner, theta[j : j + i], strict=True):
                values.setdefault(term, {})[name] = float(v)
            if any(field.library.terms[t].inner != own for t, own in values.items()):
                field = Field(with_inner(field.library, values), field.known)
        return field.at(at, theta[:j], theta[j + i :])

    # -- steps

    def gap(self, at: _Linear, sigma: FloatArray) -> float:
        """The sum of all defects in standard deviations."""
        return float(np.sum(np.abs(at.defects) / self.scale(sigma)))

    def largest_gap(self, at: _Linear, sigma: FloatArray) -> float:
        """The largest of them."""
        return float(np.max(np.abs(at.defects) / self.scale(sigma), initial=0.0))

    def scale(self, sigma: FloatArray) -> FloatArray:
        """[S] typical standard deviations of the states."""
        r, slope = sigma, np.ones_like(sigma)
        found = np.array([np.median((r / slope)[self.cells.s == s]) if (self.cells.s == s).any() else 1.0
                          for s in range(self.n_states)])  # fmt: skip
        return np.where(self.cells.is_log, found * self.series.sizes, found)

    def _rows(self, at: _Linear, sigma: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Derivatives of the weighted predictions to the first states [M, S] and to theta [M, P], and what is left."""
        c = self.cells
        r, slope = self.residuals(at.x)
        w = slope / sigma
        left = r / sigma - w * at.gap[c.e, c.k, c.s]
        return w[:, None] * at.start[c.e, c.k, c.s], w[:, None] * at.columns[c.e, c.k, c.s], left

    def _without_starts(
        self, at: _Linear, sigma: FloatArray
    ) -> tuple[FloatArray, FloatArray, list[tuple[IntArray, FloatArray, FloatArray]]]:
        """Rows and what is left with the first states of each experiment taken out, and how."""
        first, rows, left = self._rows(at, sigma)
        rows, left = rows.copy(), left.copy()
        how = []
        for e in range(len(at.x)):
            own = np.flatnonzero(self.cells.e == e)
            q, r = np.linalg.qr(first[own])
            how.append((own, q, r))
            rows[own] -= q @ (q.T @ rows[own])
            left[own] -= q @ (q.T @ left[own])
        return rows, left, how

    def projected(self, at: _Linear, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows [M, P] and what is left [M], with the first states free."""
        rows, left, _ = self._without_starts(at, sigma)
        return rows, left

    def step(self, at: _Linear, sigma: FloatArray, damping: float) -> tuple[FloatArray, FloatArray, float]:
        """Changes of the first states [E, S] and of theta [P], and by how much the value is to fall."""
        rows, left, how = self._without_starts(at, sigma)
        sizes = np.sqrt(np.sum(rows**2, axis=0))
        sizes = np.where(sizes > 0, sizes, 1.0)
        a = rows / sizes
        h = a.T @ a + damping * np.eye(a.shape[1])
        dtheta = np.linalg.solve(h, a.T @ left) / sizes if a.shape[1] else np.zeros(0)
        first, columns, whole = self._rows(at, sigma)
        rest = whole - columns @ dtheta
        dx0 = np.zeros((len(at.x), self.n_states))
        for e, (own, q, r) in enumerate(how):
            right = q.T @ rest[own]
            tiny = 1e-10 * np.abs(np.diagonal(r)).max(initial=1e-300)
            r = r + np.diag(np.where(np.abs(np.diagonal(r)) < tiny, 1e10, 0.0))
            dx0[e] = np.linalg.solve(r, right)
            rest[own] -= first[own] @ dx0[e]
        falls = self.value(at.x, sigma) - 0.5 * float(rest @ rest)
        return dx0, dtheta, falls

    def moved(self, at: _Linear, dx0: FloatArray, dtheta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """States and theta after a step."""
        dx = (at.start @ dx0[:, None, :, None])[..., 0] + at.columns @ dtheta + at.gap
        return np.where(self.series.used[..., None], at.x + dx, at.x), at.theta + dtheta

    def stretch(self, blocks: int) -> IntArray:
        """[M] numbers of stretches of time, `blocks` in each experiment."""
        c, t = self.cells, self.series.times
        span = np.maximum(t[:, -1] - t[:, 0], 1e-300)
        share = (t[c.e, c.k] - t[c.e, 0]) / span[c.e]
        found: IntArray = c.e * blocks + np.minimum((share * blocks).astype(np.intp), blocks - 1)
        return found


def begun(model: Model, columns: tuple[int, ...], c: FloatArray) -> Model:
    """Another set of terms from where a model is, as a guess for the next fit."""
    return replace(model, columns=columns, c=c)
