"""Integration from node to node, condensing, and the Gauss-Newton steps of multiple shooting."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.discovery.field import Field, with_inner
from odefit.discovery.library import Points
from odefit.discovery.series import Series
from odefit.records import dataclass

LARGEST = 1e3
"""How many times its size a state may become."""


@dataclass(frozen=True)
class Linear:
    """A point and what is linear about it.

    x_k moves by start[k] dx_0 + columns[k] dtheta + gap[k].
    """

    x: FloatArray
    theta: FloatArray
    start: FloatArray
    columns: FloatArray
    gap: FloatArray
    defects: FloatArray


class Pieces:
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

    def linear(self, x: FloatArray, theta: FloatArray) -> Linear | None:
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
        return Linear(x, theta, whole[..., :first], whole[..., first:last], whole[..., last], defects)

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

    def gap(self, at: Linear, sigma: FloatArray) -> float:
        """The sum of all defects in standard deviations."""
        return float(np.sum(np.abs(at.defects) / self.scale(sigma)))

    def largest_gap(self, at: Linear, sigma: FloatArray) -> float:
        """The largest of them."""
        return float(np.max(np.abs(at.defects) / self.scale(sigma), initial=0.0))

    def scale(self, sigma: FloatArray) -> FloatArray:
        """[S] typical standard deviations of the states."""
        r, slope = sigma, np.ones_like(sigma)
        found = np.array([np.median((r / slope)[self.cells.s == s]) if (self.cells.s == s).any() else 1.0
                          for s in range(self.n_states)])  # fmt: skip
        return np.where(self.cells.is_log, found * self.series.sizes, found)

    def _rows(self, at: Linear, sigma: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Derivatives of the weighted predictions to the first states [M, S] and to theta [M, P], and what is left."""
        c = self.cells
        r, slope = self.residuals(at.x)
        w = slope / sigma
        left = r / sigma - w * at.gap[c.e, c.k, c.s]
        return w[:, None] * at.start[c.e, c.k, c.s], w[:, None] * at.columns[c.e, c.k, c.s], left

    def _without_starts(
        self, at: Linear, sigma: FloatArray
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

    def projected(self, at: Linear, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows [M, P] and what is left [M], with the first states free."""
        rows, left, _ = self._without_starts(at, sigma)
        return rows, left

    def step(self, at: Linear, sigma: FloatArray, damping: float) -> tuple[FloatArray, FloatArray, float]:
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

    def moved(self, at: Linear, dx0: FloatArray, dtheta: FloatArray) -> tuple[FloatArray, FloatArray]:
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
