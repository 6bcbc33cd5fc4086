"""Which of several candidate experiments would reduce the errors most: optimal design on the Fisher information.

With R the root-information rows of the fit (R'R is the inverse of its covariance), and A those of a candidate, planned
at the estimates, the covariance after it would be C = (R'R + A'A)^-1. For quantities q with gradients G (rows) their
covariance is V = G C G', and

    d    (det V)^(1/2q)        the mean error of independent quantities, their correlations counted
    a    sqrt(trace V / q)     the root mean square of their errors, each relative to its value
    c    sqrt(V)               the error of one quantity

Less is better. All are local: they hold as far as the estimates do. After V. V. Fedorov (1972), Theory of Optimal
Experiments, and A. C. Atkinson, A. N. Donev and R. D. Tobias (2007), Optimum Experimental Designs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.designs.candidates import Candidate, read_candidates
from odefit.designs.sets import Members, best_sets
from odefit.errors import Fault, InputError, RunError, SolveError
from odefit.fitting.askable import check_certified
from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run, check_solvable
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import ParameterTable
from odefit.objective.problem import FitProblem
from odefit.prediction.conditions import conditioned
from odefit.prediction.wanted import LIKE, Wanted
from odefit.problem.planned import planned_measurements
from odefit.problem.quantities import named_quantities
from odefit.problem.solver_steps import with_steps
from odefit.records import dataclass
from odefit.runs.tables import Table, frame_of
from odefit.text import abridged, clip, counted, suggest
from odefit.uncertainty.covariance import fisher_covariance
from odefit.uncertainty.estimation import Uncertainty, estimate_uncertainty
from odefit.uncertainty.quantities import ParameterQuantity, Quantity, of_one

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from odefit.designs.candidates import Candidates
    from odefit.prediction.wanted import DoseTable

Criterion = Literal["d", "a", "c"]
KINDS: tuple[Criterion, ...] = ("d", "a", "c")
MOST_SETS = 10_000
"""Rows of the table."""
TOLERANCE = 1e-7
"""Singular values of the information below this share of the largest are none."""


@dataclass(frozen=True)
class Design:
    """Candidates by what they would tell, the best first.

    Attributes
    ----------
    table
        A row for each: how many measurements it has, the criterion after it, by how many per cent that is less than
        now, and the standard error of each quantity after it, natural scale.
    criterion
        `d`, `a` or `c`.
    now
        The criterion today, and the standard errors.
    quantities
        What is to be known better.
    judgement
        One sentence.
    """

    table: Table
    criterion: Criterion
    now: tuple[float, ...]
    quantities: tuple[str, ...]
    judgement: str
    notes: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas frame, by candidate."""
        return frame_of(self.table.text.replace("candidate,", "name,", 1)).set_index("name")

    def figure(self) -> Figure:
        """How much each candidate would reduce the criterion."""
        found: Figure = import_module("odefit.plots.design_picture").draw_design(self)
        return found

    def __repr__(self) -> str:
        return f"<Design: {self.judgement}>"

    def _repr_html_(self) -> str:
        return f"{self.frame.to_html()}<p>{self.judgement}</p>"


def designed(
    run: Run,
    candidates: Candidates,
    quantities: Sequence[str] | None = None,
    criterion: Criterion | None = None,
    doses: DoseTable | None = None,
    inputs: Path | str | None = None,
    times: FloatArray | None = None,
    choose: int = 1,
) -> Design:
    """Rank candidates; see `odefit.design`."""
    if criterion is not None and criterion not in KINDS:
        raise InputError("criterion", f"'{clip(str(criterion))}' is none; {suggest(str(criterion), KINDS)}")
    _check(run)
    wanted = _targets(run, quantities)
    kind: Criterion = criterion or ("c" if len(wanted) == 1 else "d")
    if kind == "c" and len(wanted) > 1:
        raise InputError("criterion", f"`c` is for one quantity (got {len(wanted)}); use `a` for several")
    read = read_candidates(candidates, run.observables, times)
    if not 1 <= choose <= len(read):
        raise InputError("choose", f"must be from 1 to {len(read)}, the number of candidates (got {choose})")
    table = {one.name: dict(one.conditions) for one in read}
    asked = conditioned(run, Wanted(table, doses, inputs))
    view = _View.of(run, wanted)
    now = view.after(np.zeros((0, view.rows.shape[1])), kind)
    told = [_information(run, asked.problem, k, one, asked.experiments[k]) for k, one in enumerate(read)]

    @functools.cache
    def result(members: Members) -> _Result:
        chosen = [read[k] for k in members]
        name, n = " + ".join(one.name for one in chosen), sum(one.n for one in chosen)
        return _Result(name, n, *view.after(np.concatenate([told[k] for k in members]), kind))

    sets, are_all = best_sets(len(read), choose, lambda members: result(members).rank)
    order, names = [result(members) for members in sets[:MOST_SETS]], [q.name for q in wanted]
    rows = [[one.name, one.n, one.value, _gain(now[0], one.value), *one.errors] for one in order]
    header = ("candidate", "measurements", kind, "reduction_percent", *(f"error_{name}" for name in names))
    judgement = _judgement(order, now[0], names)
    notes = (*asked.notes, *_set_notes(len(read), choose, len(sets), are_all))
    return Design(Table(header, rows), kind, (now[0], *now[1]), tuple(names), judgement, notes)


def _set_notes(count: int, choose: int, seen: int, are_all: bool) -> list[str]:
    """Which sets were looked at, and which of these are in the table."""
    cut = f"; the table has the best {MOST_SETS:,}" if seen > MOST_SETS else ""
    if choose == 1:
        return [f"{count:,} candidates{cut}"] if cut else []
    if are_all:
        return [f"all {seen:,} sets of {choose} of {count} candidates were looked at{cut}"]
    what = f"{seen:,} of {math.comb(count, choose):,} sets of {choose} were looked at{cut}"
    return [f"{what}: chosen greedily, and improved by exchange until no swap of one candidate is better"]


def _check(run: Run) -> None:
    if run.assembly.networks is not None:
        raise RunError(run.place, "has a network, whose weights have no information to design for")
    check_certified(run, "plan from")
    check_solvable(run)


def _targets(run: Run, names: Sequence[str] | None) -> list[Quantity]:
    """What is to be known better; without names the parameters of the model that lie on no bound."""
    table, problem = run.assembly.problem.table, run.assembly.problem
    if names is not None:
        return named_quantities(run.assembly, names, "for")
    bound = bounds_met(problem, run.theta)
    chosen = [n for n, b in zip(table.estimated_names, bound, strict=True) if table[n].role != "noise" and b == 0]
    if not chosen:
        raise InputError("for", "there is no estimated parameter that is no noise level; name a prediction")
    return [ParameterQuantity(table, name) for name in chosen]


@dataclass(frozen=True)
class _Result:
    """A candidate or a set of them: its name, its measurements, the criterion after it, and the errors."""

    name: str
    n: int
    value: float
    errors: tuple[float, ...]

    @property
    def rank(self) -> tuple[float, ...]:
        """Less is better: first what determines most of the quantities."""
        return float(np.isnan(self.errors).sum()), math.inf if math.isnan(self.value) else self.value


@dataclass(frozen=True)
class _View:
    """The fit's information [M, P], which parameters are free [P], and the gradients [q, P] and values [q] of what is
    to be known better. scale: of all errors but those of noise levels."""

    names: tuple[str, ...]
    rows: FloatArray
    free: Any
    gradients: FloatArray
    values: FloatArray
    scale: float

    @classmethod
    def of(cls, run: Run, quantities: Sequence[Quantity]) -> _View:
        problem = run.assembly.problem
        u, bound = problem.table.to_search(run.theta), bounds_met(problem, run.theta)
        known: Uncertainty | None = estimate_uncertainty(Likelihood(problem, blocks=False), u, bound)
        if known is None:
            raise RunError(run.place, "cannot be differentiated at its estimates, so nothing is known of its errors")
        found = [quantity.evaluations(u[None]) for quantity in quantities]
        faults = [
            Fault("for", f"{q.name}: has no errors") for q, f in zip(quantities, found, strict=True) if not f.ok[0]
        ]
        held = "rests on parameters at their bounds alone, and has no error there: widen the bounds, or leave it out"
        faults += [
            Fault("for", f"{q.name}: {held}")
            for q, f in zip(quantities, found, strict=True)
            if f.ok[0] and f.gradients[0].any() and not f.gradients[0][bound == 0].any()
        ]
        if faults:
            raise InputError(faults=faults)
        gradients = np.concatenate([one.gradients for one in found])
        values = np.concatenate([one.values for one in found])
        return cls(problem.table.estimated_names, known.rows.dense(), bound == 0, gradients, values, known.scale)

    def after(self, more: FloatArray, kind: Criterion) -> tuple[float, tuple[float, ...]]:
        """The criterion and the standard errors with more rows of information; NaN where nothing is determined."""
        whole = DenseMatrix(np.concatenate([self.rows, more]))
        covariance = fisher_covariance(whole, self.names, self.free, TOLERANCE).known(~np.asarray(self.free))
        columns = np.arange(len(self.names))
        with np.errstate(all="ignore"):
            errors = self.scale * np.sqrt(covariance.variance(self.gradients, columns))
            relative = errors / np.where(self.values == 0, 1.0, np.abs(self.values))
            if kind != "d":
                value = float(errors[0]) if kind == "c" else float(np.sqrt(np.mean(relative**2)))
            else:
                value = self._determinant(covariance.part(columns), errors)
        return value, tuple(map(float, errors))

    def _determinant(self, matrix: FloatArray, errors: FloatArray) -> float:
        """(det V)^(1/2q) of relative errors; NaN where the quantities are not independent, or not determined."""
        if not np.isfinite(errors).all():
            return math.nan
        size = np.where(self.values == 0, 1.0, np.abs(self.values))
        g = self.gradients / size[:, None]
        used = np.flatnonzero((g != 0).any(axis=0))
        sign, logarithm = np.linalg.slogdet(g[:, used] @ matrix[np.ix_(used, used)] @ g[:, used].T)
        return self.scale * math.exp(logarithm / (2 * len(g))) if sign > 0 else math.nan


def _information(run: Run, problem: FitProblem, k: int, one: Candidate, made: Experiment) -> FloatArray:
    """The root-information rows [M, P] of a candidate at the estimates, without priors."""
    early = [t for t in one.times if t < made.start]
    where = f"candidates.{clip(one.name)}"
    if early:
        raise InputError(where, f"times: {early[0]:g} comes before the start ({made.start:g}); give it another `start`")
    planned = made.at(one.times)
    columns = [problem.observation.names.index(name) for name in one.observables]
    for name in one.observables:
        noise = problem.observation.noise[name]
        if noise.sigma is None and noise.family.has_scale:
            raise InputError(
                where, f"the noise of {name} comes with the data, so that of a new measurement is not known"
            )
    values = np.full(planned.values.shape, np.nan)
    values[:, columns] = 1.0
    (solved,), _ = with_steps(problem, [replace(planned, values=values)])
    bare = ParameterTable(tuple(replace(p, prior=None) for p in problem.table))
    own = replace(of_one(problem, k, solved), experiments=(solved,), table=bare)
    try:
        likelihood = Likelihood(planned_measurements(own, run.theta), blocks=False)
        found = likelihood.information(bare.to_search(run.theta))
    except SolveError as error:
        raise InputError(where, str(error)) from None
    if not found.is_finite:
        raise InputError(where, f"no information: {likelihood.failure}")
    return math.sqrt(one.replicates) * np.asarray(found.A.dense())


def _gain(now: float, after: float) -> float:
    """By how many per cent the criterion becomes less; NaN where it is not known now."""
    return 100 * (1 - after / now) if now > 0 else math.nan


def _judgement(order: Sequence[_Result], now: float, names: Sequence[str]) -> str:
    best = order[0]
    of = abridged(names, 4)
    if math.isnan(best.value):
        return f"no candidate determines {of}: a `{LIKE}` of other experiments, other times or observables may"
    measured = f"{best.name} ({counted(best.n, 'measurement')})"
    if math.isnan(now):
        return f"{measured} would determine {of}, which the data do not"
    second = (
        ""
        if len(order) < 2 or math.isnan(order[1].value)
        else (f"; next comes {order[1].name}, by {_gain(now, order[1].value):.0f} %")
    )
    return f"{measured} would reduce the error of {of} most, by {_gain(now, best.value):.0f} %{second}"
