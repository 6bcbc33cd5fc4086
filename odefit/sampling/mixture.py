"""A mixture of Student's t distributions around known modes: where chains begin, and what they may jump to.

A jump proposes an independent point of the mixture q, and takes it with probability min(1, p(v') q(v)/(p(v) q(v'))). It
carries chains from mode to mode in proportion to what these weigh, and where the posterior is near a normal one it is a
draw that remembers nothing. The tails of q are heavier than those of a normal distribution, so that none is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

DEGREES = 8.0
"""Of freedom."""


@dataclass(frozen=True)
class Mixture:
    """K components in P dimensions.

    Parameters
    ----------
    weights
        [K], their sum is 1.
    means
        [K, P].
    roots
        [K, P, P], lower triangular; root root' is the scale matrix of a component.
    """

    weights: FloatArray
    means: FloatArray
    roots: FloatArray

    @cached_property
    def _inverses(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.roots), dtype=np.float64)

    @cached_property
    def _constants(self) -> FloatArray:
        """[K], ln of what stands before the power in each density."""
        p, k = self.means.shape[1], DEGREES
        common = math.lgamma((k + p) / 2) - math.lgamma(k / 2) - p / 2 * math.log(k * math.pi)
        lengths = np.log(np.abs(np.diagonal(self.roots, axis1=1, axis2=2))).sum(axis=1)
        return np.asarray(np.log(self.weights) + common - lengths)

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """A point [P]."""
        p = self.means.shape[1]
        k = int(np.searchsorted(np.cumsum(self.weights), rng.random())) if len(self.weights) > 1 else 0
        z = rng.standard_normal(p) / math.sqrt(rng.chisquare(DEGREES) / DEGREES)
        found = self.means[min(k, len(self.weights) - 1)] + self.roots[min(k, len(self.weights) - 1)] @ z
        return np.asarray(found, dtype=np.float64)

    def distances(self, v: FloatArray) -> FloatArray:
        """Squared distances of v [..., P] from each component in its own scale, [..., K]."""
        z = np.einsum("kij,...kj->...ki", self._inverses, v[..., None, :] - self.means)
        return np.asarray(np.sum(z * z, axis=-1))

    def log_density(self, v: FloatArray) -> float:
        """ln q at v [P]."""
        p = self.means.shape[1]
        terms = self._constants - 0.5 * (DEGREES + p) * np.log1p(self.distances(v) / DEGREES)
        high = float(terms.max())
        return high + math.log(float(np.exp(terms - high).sum()))

    def nearest(self, v: FloatArray) -> FloatArray:
        """The component that v [M, P] most likely comes from, [M]."""
        p = self.means.shape[1]
        terms = self._constants - 0.5 * (DEGREES + p) * np.log1p(self.distances(v) / DEGREES)
        return np.asarray(np.argmax(terms, axis=-1))

    def adapted(self, v: FloatArray) -> Mixture:
        """The components with the weights, means and scales of draws v [M, P] that are nearest to each.

        A scale stays the more as it is the fewer draws there are; a component keeps a share of at least a tenth of an
        equal one, so that no mode is lost because no chain has been there yet.
        """
        own, k, p = self.nearest(v), len(self.weights), self.means.shape[1]
        weights, means, roots = np.empty(k), np.array(self.means, float), np.array(self.roots, float)
        for c in range(k):
            drawn = v[own == c]
            weights[c] = max(len(drawn) / len(v), 0.1 / k)
            if len(drawn) > 2:
                share = len(drawn) / (len(drawn) + 5.0 + p)
                z = (drawn - drawn.mean(axis=0)) @ self._inverses[c].T
                scatter = share * (z.T @ z) / (len(drawn) - 1) + (1 - share) * np.eye(p)
                means[c] = share * drawn.mean(axis=0) + (1 - share) * self.means[c]
                roots[c] = self.roots[c] @ np.linalg.cholesky(scatter)
        return Mixture(weights / weights.sum(), means, roots)

    @classmethod
    def normal(cls, means: Sequence[FloatArray], roots: Sequence[FloatArray], heights: Sequence[float]) -> Mixture:
        """Of normal approximations at modes: heights are ln p there."""
        logs = np.array([h + np.log(np.abs(np.diag(r))).sum() for h, r in zip(heights, roots, strict=True)])
        weights = np.maximum(np.exp(logs - logs.max()), 0.05)
        return cls(weights / weights.sum(), np.stack(means), np.stack(roots))
