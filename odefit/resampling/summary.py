"""What the samples of a bootstrap say: standard errors, bias and intervals; the content of bootstrap.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.records import dataclass
from odefit.resampling.data_sets import Kind, case_units, one_unit_each
from odefit.resampling.intervals import (
    KINDS,
    IntervalKind,
    Scatter,
    acceleration,
    influences,
    unit_influences,
)
from odefit.resampling.quantities import Quantities
from odefit.resampling.refits import Refit
from odefit.resampling.storage import SCHEMA_VERSION, Sample
from odefit.runs.results import finite_or_none
from odefit.status import Status

MOST_ENTRIES = 5_000_000
"""A larger matrix A gives no acceleration."""


@dataclass(frozen=True)
class Summary:
    """The content of `bootstrap.json`.

    Attributes
    ----------
    kind
        parametric, residuals or cases.
    level
        Of the intervals.
    samples
        requested, finished, converged, stopped, failed: only those that converged are used.
    estimates
        Per parameter: value (of the fit), standard_error (the standard deviation over samples), bias (their mean less
        the value that they were drawn with), interval and its kind, the intervals of every kind, how many samples there
        are, the standard error and the interval of the fit's own report, and the unit.
    """

    kind: Kind
    level: float
    interval_kind: IntervalKind
    counts: Mapping[str, int]
    estimates: Mapping[str, dict[str, Any]]
    requested: int = 0
    seed: int = 0
    of: Sequence[float] = ()
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> dict[str, int]:
        """How many were asked for, and how they ended."""
        return {"requested": self.requested, **self.counts}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes null."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "seed": self.seed,
            "samples": self.samples,
            "level": self.level,
            "interval_kind": self.interval_kind,
            "estimates": self.estimates,
            "notes": list(self.notes),
            "of": list(self.of),
        }


def summarised(
    run: Run,
    likelihood: Likelihood,
    quantities: Quantities,
    samples: Sequence[Sample],
    points: tuple[FloatArray, FloatArray],
    *,
    kind: Kind,
    interval_kind: IntervalKind,
    level: float,
) -> Summary:
    """The summary of some samples.

    Parameters
    ----------
    run, likelihood, quantities
        The fit.
    samples
        What is there.
    points
        u and what the samples were drawn with, [P] each.
    kind, interval_kind, level
        As in `Summary`.
    """
    u, drawn_with = points
    statuses = [s.status for s in samples]
    counts = {"finished": len(samples), **{str(s): statuses.count(s) for s in USED_AND_NOT}}
    used = [s for s in samples if s.status == Status.CONVERGED]
    k = len(quantities.names)
    values = np.array([s.values for s in used]).reshape(len(used), k)
    errors = np.array([s.errors for s in used]).reshape(len(used), k)
    scaled = quantities.scaled(values)
    here, origin = quantities.values(u), quantities.values(drawn_with)
    q, q0 = quantities.scaled(here), quantities.scaled(origin)
    own, bends = _errors_here(run, likelihood, quantities, u, kind)
    lower, upper = quantities.bounds
    estimates = {}
    for j, name in enumerate(quantities.names):
        scatter = Scatter(float(q[j]), float(q0[j]), float(own[j]), scaled[:, j], errors[:, j], float(bends[j]))
        found = {
            which: _clipped(quantities, j, ends, lower[j], upper[j]) for which, ends in scatter.intervals(level).items()
        }
        chosen = next((which for which in (interval_kind, *KINDS) if which in found), None)
        column = values[np.isfinite(values[:, j]), j]
        reported = run.result.estimates.get(name)
        estimates[name] = {
            "value": finite_or_none(here[j]),
            "standard_error": finite_or_none(np.std(column, ddof=1)) if len(column) > 1 else None,
            "bias": finite_or_none(column.mean() - origin[j]) if len(column) else None,
            "interval": None if chosen is None else found[chosen],
            "interval_kind": chosen,
            "intervals": found,
            "samples": len(column),
            "wald_standard_error": None if reported is None else reported.standard_error,
            "wald_interval": None if reported is None or reported.interval is None else list(reported.interval),
            "unit": quantities.all[j].unit,
        }
    return Summary(kind, level, interval_kind, counts, estimates)


USED_AND_NOT = (Status.CONVERGED, Status.STOPPED, Status.FAILED)
"""How a refit may end; the first of them is used."""


def _errors_here(
    run: Run, likelihood: Likelihood, quantities: Quantities, u: FloatArray, kind: Kind
) -> tuple[FloatArray, FloatArray]:
    """The standard errors by the expected information at u, and the accelerations, [K] each."""
    n = len(quantities.names)
    there = likelihood.information(u)
    if not there.is_finite:
        return np.full(n, np.nan), np.zeros(n)
    bound = bounds_met(run.assembly.problem, run.theta) != 0
    errors = quantities.errors(Refit(-1, Status.CONVERGED, there.value, u, there.A, bound))
    if there.A.shape[0] * there.A.shape[1] > MOST_ENTRIES:
        return errors, np.zeros(n)
    a, slopes = there.A.dense()[:, ~bound], quantities.slopes(u)[:, ~bound]
    if kind == "cases":
        return errors, acceleration(unit_influences(_unit_gradients(likelihood, u)[:, ~bound], a, slopes))
    return errors, acceleration(influences(a, there.z, slopes))


def _unit_gradients(likelihood: Likelihood, u: FloatArray) -> FloatArray:
    """The gradient of the part of every case in the objective at u [P], [U, P]."""
    problem = likelihood.problem
    units = case_units(problem)
    data = one_unit_each(problem, units)
    n = int(units.max()) + 1
    points = np.tile(u, (n, 1))
    found = likelihood.moments_at(u[None], True)
    moments = [m.repeated(n) for m in found.moments]
    return likelihood.evaluations_from(points, moments, {}, True, data).gradient


def _clipped(quantities: Quantities, j: int, ends: tuple[float, float], lower: float, upper: float) -> list[float]:
    """The ends of an interval on the natural scale, within the parameter's bounds."""
    row = np.zeros((2, len(quantities.names)))
    row[:, j] = ends
    low, high = quantities.natural(row)[:, j]
    return [float(np.clip(low, lower, upper)), float(np.clip(high, lower, upper))]
