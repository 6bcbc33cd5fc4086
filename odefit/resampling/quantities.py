"""What a bootstrap looks at: every estimated parameter, and what follows from them, each on its own scale.

A parameter has its search scale; a formula f of parameters has the logarithm where f > 0 and all that it depends on has
it, as in its interval by the delta method.
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.parameters import ParameterTable
from odefit.problem.assembly import Assembly
from odefit.problem.quantities import quantities_of
from odefit.records import dataclass
from odefit.resampling.refits import Refit
from odefit.uncertainty.covariance import fisher_covariance, rank_tolerance
from odefit.uncertainty.quantities import Quantity


@dataclass(frozen=True)
class Quantities:
    """The P estimated parameters of a fit and its computed ones, K in all.

    Parameters
    ----------
    table
        The parameters.
    all
        The quantities, parameters first.
    logarithmic
        For each of those behind the parameters, whether its scale is the logarithm.
    tolerance
        As in `fisher_covariance`.
    """

    table: ParameterTable
    all: tuple[Quantity, ...]
    logarithmic: tuple[bool, ...]
    tolerance: float

    @classmethod
    def of(cls, assembly: Assembly, u: FloatArray) -> Quantities:
        """Those of a problem; u: [P], the estimates, which decide on the scale of the computed ones."""
        table, chosen = assembly.problem.table, tuple(quantities_of(assembly))
        flags = tuple(q.is_log and bool(q.evaluations(u[None]).values[0] > 0) for q in chosen[len(u) :])
        return cls(table, chosen, flags, rank_tolerance(assembly.problem.engine.options.rtol))

    @property
    def names(self) -> tuple[str, ...]:
        """[K]."""
        return tuple(q.name for q in self.all)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Of the natural values, [K] each; a computed one has none."""
        transforms, more = self.table.transforms, len(self.all) - len(self.table.estimated)
        return np.append(transforms.lower, np.full(more, -np.inf)), np.append(transforms.upper, np.full(more, np.inf))

    def values(self, u: FloatArray) -> FloatArray:
        """Natural values at u [P], [K]; NaN for those that depend on what is NaN in u."""
        known = np.where(np.isnan(u), self.table.to_search(self.table.values), u)
        found = [q.evaluations(known[None]) for q in self.all]
        lost = np.array([bool((one.gradients[0][np.isnan(u)] != 0).any()) for one in found])
        return np.where(lost, np.nan, [one.values[0] for one in found])

    def slopes(self, u: FloatArray) -> FloatArray:
        """d q/du of all of them on their own scales, [K, P]."""
        rows = np.zeros((len(self.all), len(u)))
        rows[: len(u)] = np.eye(len(u))
        for k, (q, is_log) in enumerate(zip(self.all[len(u) :], self.logarithmic, strict=True), start=len(u)):
            one = q.evaluations(u[None])
            rows[k] = one.gradients[0] / (one.values[0] if is_log else 1.0)
        return rows

    def scaled(self, values: FloatArray) -> FloatArray:
        """Natural values [..., K] on their own scales; NaN where there is none."""
        p, out = len(self.table.estimated), np.array(values, dtype=np.float64)
        with np.errstate(all="ignore"):
            out[..., :p] = self.table.transforms.to_search(values[..., :p])
            own = np.flatnonzero(self.logarithmic) + p
            out[..., own] = np.log(values[..., own])
        return out

    def natural(self, scaled: FloatArray) -> FloatArray:
        """The inverse of `scaled`."""
        p, out = len(self.table.estimated), np.array(scaled, dtype=np.float64)
        with np.errstate(all="ignore"):
            out[..., :p] = self.table.transforms.to_natural(scaled[..., :p])
            own = np.flatnonzero(self.logarithmic) + p
            out[..., own] = np.exp(scaled[..., own])
        return out

    def errors(self, refit: Refit) -> FloatArray:
        """Standard errors of a refit by its expected information, on their own scales, [K]; NaN where not known."""
        errors, lost = np.full(len(self.all), np.nan), np.isnan(refit.u)
        if refit.rows is None or lost.all():
            return errors
        p = len(refit.u)
        covariance = fisher_covariance(refit.rows, self.table.estimated_names, ~refit.at_bound, self.tolerance)
        errors[:p] = np.where(lost, np.nan, covariance.standard_errors)
        slopes = self.slopes(np.where(lost, self.table.to_search(self.table.values), refit.u))
        for k in range(p, len(self.all)):
            used = np.flatnonzero(slopes[k])
            known = len(used) > 0 and np.isfinite(slopes[k]).all() and not lost[used].any()
            variance = float(covariance.variance(slopes[k][None, used], used)[0]) if known else math.nan
            errors[k] = math.sqrt(variance) if variance >= 0 else math.nan
        return errors
