"""The posterior as a density of unbounded coordinates v [P], which a sampler may move anywhere.

A parameter with bounds has v = logit((u - low)/(high - low)) of its search value u, with one bound v = ln |u - bound|,
and without bounds v = u. The log density is

    ln p(v) = -nll(u) + ln prior(u) + sum ln |du/dv|

where ln prior(u) is, of a parameter with a prior, that of its density of x with ln dx/du, or of ln x with `on: log`;
without one it is 0 where the scale is linear or logarithmic, so that it is flat in x or in ln x within its bounds; and
with the logit scale, which has no density of its own that could be flat, ln dx/du, so that it is flat in x.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.base import Engine
from odefit.objective.likelihood import Likelihood
from odefit.objective.slopes import values_and_gradients
from odefit.records import dataclass

FARTHEST = 700.0
"""|v| of a bounded parameter beyond which its density is 0."""


class LogDensity(Protocol):
    """A density of v [P] that a sampler can draw from."""

    def evaluate(self, v: FloatArray, chains: list[int]) -> tuple[FloatArray, FloatArray]:
        """ln p [B], -inf where it is 0 or cannot be computed, and its gradient [B, P], at v [B, P] of these chains."""
        ...


@dataclass(frozen=True)
class Box:
    """Bounds of u, [P] each, and the coordinates in which there are none."""

    lower: FloatArray
    upper: FloatArray

    @cached_property
    def _kinds(self) -> tuple[IntArray, IntArray, IntArray]:
        """Positions with two bounds, with a lower one only, and with an upper one only."""
        low, high = np.isfinite(self.lower), np.isfinite(self.upper)
        return np.flatnonzero(low & high), np.flatnonzero(low & ~high), np.flatnonzero(high & ~low)

    def inside(self, v: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """u, du/dv and ln |du/dv| at v, [B, P] each."""
        both, low, high = self._kinds
        u, slope, log_slope = v.copy(), np.ones_like(v), np.zeros_like(v)
        if len(both):
            e = np.exp(-np.abs(v[:, both]))
            width = self.upper[both] - self.lower[both]
            near = width * e / (1 + e)
            u[:, both] = np.where(v[:, both] < 0, self.lower[both] + near, self.upper[both] - near)
            slope[:, both] = near / (1 + e)
            log_slope[:, both] = np.log(width) - np.abs(v[:, both]) - 2 * np.log1p(e)
        for columns, sign, bound in ((low, 1.0, self.lower), (high, -1.0, self.upper)):
            if len(columns):
                distance = np.exp(v[:, columns])
                u[:, columns] = bound[columns] + sign * distance
                slope[:, columns], log_slope[:, columns] = sign * distance, v[:, columns]
        return u, slope, log_slope

    def bend(self, v: FloatArray) -> FloatArray:
        """d ln |du/dv| / dv at v, [B, P]."""
        both, low, high = self._kinds
        found = np.zeros_like(v)
        found[:, low] = found[:, high] = 1.0
        found[:, both] = -np.tanh(v[:, both] / 2)
        return found

    def curvature(self, v: FloatArray) -> FloatArray:
        """-d² ln |du/dv| / dv² at v, [B, P]."""
        both, found = self._kinds[0], np.zeros_like(v)
        found[:, both] = (1 - np.tanh(v[:, both] / 2) ** 2) / 2
        return found

    def outside(self, u: FloatArray, margin: float) -> FloatArray:
        """v at u [B, P], whose distance to a bound is at least a share `margin` of the width of the box, or of 1."""
        both, low, high = self._kinds
        v = u.copy()
        share = np.clip((u[:, both] - self.lower[both]) / (self.upper[both] - self.lower[both]), margin, 1 - margin)
        v[:, both] = np.log(share) - np.log1p(-share)
        v[:, low] = np.log(np.maximum(u[:, low] - self.lower[low], margin))
        v[:, high] = np.log(np.maximum(self.upper[high] - u[:, high], margin))
        return v


class Posterior:
    """The posterior of a problem in unbounded coordinates: a `LogDensity`."""

    def __init__(self, likelihood: Likelihood, n_chains: int) -> None:
        """Prepare for so many chains: each has an engine of its own, where engines remember what they solved."""
        self.likelihood, table = likelihood, likelihood.problem.table
        self.box = Box(*table.search_bounds())
        chosen = [table.parameters[i] for i in table.estimated]
        self._priors = [(k, p.prior) for k, p in enumerate(chosen) if p.prior is not None]
        self._natural = np.array([p.prior is not None or p.scale == "logit" for p in chosen], dtype=bool)
        engine = likelihood.problem.engine
        self._engines = [engine.reset_copy() for _ in range(n_chains)] if engine.remembers else None

    def evaluate(self, v: FloatArray, chains: list[int]) -> tuple[FloatArray, FloatArray]:
        """See `LogDensity`."""
        with np.errstate(all="ignore"):
            u, slope, log_slope = self.box.inside(v)
        values, gradients = np.full(len(v), -np.inf), np.full(v.shape, np.nan)
        inside = np.isfinite(u).all(axis=1) & (np.abs(v) < FARTHEST).all(axis=1)
        if not (there := np.flatnonzero(inside)).size:
            return values, gradients
        engines: list[Engine] | None = None if self._engines is None else [self._engines[chains[k]] for k in there]
        nll, of_u = values_and_gradients(self.likelihood, u[there], engines)
        prior, of_prior = self.log_prior(u[there])
        with np.errstate(all="ignore"):
            total = prior - nll + log_slope[there].sum(axis=1)
            found = (of_prior - of_u) * slope[there] + self.box.bend(v[there])
        known = np.isfinite(total) & np.isfinite(found).all(axis=1)
        values[there] = np.where(known, total, -np.inf)
        gradients[there] = np.where(known[:, None], found, np.nan)
        return values, gradients

    def log_prior(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ln of the prior as a density of u [B, P] where it is no constant, [B], and its gradient [B, P]."""
        transforms = self.likelihood.problem.table.transforms
        values, gradients = np.zeros(len(u)), np.zeros(u.shape)
        chosen = np.flatnonzero(self._natural)
        if len(chosen):
            values += np.stack([transforms.log_derivative(one)[chosen].sum() for one in u])
            gradients[:, chosen] += np.stack([transforms.log_derivative_slope(one)[chosen] for one in u])
        if self._priors:
            x, dx = transforms.to_natural(u), transforms.derivative(u)
            for k, prior in self._priors:
                for b in range(len(u)):
                    z, root = prior.score(float(x[b, k]))
                    values[b] -= prior.value(float(x[b, k]))
                    gradients[b, k] -= z * root * dx[b, k]
                if prior.on == "log":
                    with np.errstate(all="ignore"):
                        values -= np.log(x[:, k])
                        gradients[:, k] -= dx[:, k] / x[:, k]
        return values, gradients
