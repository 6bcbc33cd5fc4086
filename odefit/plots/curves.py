"""The curves of a picture: the fitted model solved again on a fine grid, its bands, and the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np
from numpy.typing import NDArray

from odefit import algebra as sp
from odefit.arrays import FloatArray, Mask
from odefit.data.experiments import Experiment
from odefit.errors import SolveError
from odefit.fitting.run import Run, check_solvable
from odefit.model.formulas import free_names
from odefit.objective.problem import FitProblem
from odefit.plots.adaptive_grid import times_at_bends
from odefit.plots.band_kinds import BandKind, curve_bands
from odefit.plots.selection import Group, Quantity
from odefit.problem.intervals import increases, interval_ends, over_intervals
from odefit.problem.solver_steps import own_steps, solver_steps
from odefit.problem.wider import observing
from odefit.records import dataclass
from odefit.uncertainty.bands import Band

FINE, FINEST = 400, 2000
"""Times of a curve over the data, and at most, where a longer span is shown."""
MIN_LOG_DECADES = 3.0
"""Times that spread over more decades are shown, and solved, on a logarithmic axis."""


@dataclass(frozen=True)
class Truth:
    """The true model's curve: values by the name of a state or an observable, [T] each."""

    times: FloatArray
    states: dict[str, FloatArray]
    observables: dict[str, FloatArray]


@dataclass(frozen=True)
class Trace:
    """The curve of one group.

    Parameters
    ----------
    group
        Whose curve it is.
    times, states, observables
        [T], [T, S] and [T, O].
    start, end
        Of the experiment itself.
    band
        Of the observables, and behind them of what is beside.
    truth
        The curve of the true model, where it is known.
    beside
        What else was computed, [T] each, by `Quantity.key`: states that have a band, and expressions.
    final
        The same at infinite time, [1], where something was measured there.
    band_kind
        How the band was made.
    """

    group: Group
    times: FloatArray
    states: FloatArray
    observables: FloatArray
    start: float
    end: float
    band: Band | None = None
    truth: Truth | None = None
    beside: Mapping[str, FloatArray] = field(default_factory=dict)
    final: Trace | None = None
    band_kind: BandKind = "wald"

    def values(self, quantity: Quantity) -> FloatArray:
        """The curve of a quantity, [T]."""
        if quantity.observable is not None:
            return self.observables[:, quantity.observable]
        return self.beside[quantity.key] if quantity.state is None else self.states[:, quantity.state]

    def band_of(self, quantity: Quantity) -> Band | None:
        """[T] each; None where there is none. That of a state or an expression has no noise."""
        k = quantity.observable
        if k is None and quantity.key in self.beside:
            k = self.observables.shape[1] + list(self.beside).index(quantity.key)
        if self.band is None or k is None:
            return None
        band = self.band
        return Band(band.low[:, k], band.high[:, k], band.noise_low[:, k], band.noise_high[:, k])

    def true_values(self, quantity: Quantity, names: tuple[str, ...]) -> FloatArray | None:
        """names: the observables of the run. The true model may know another set."""
        if self.truth is None:
            return None
        if quantity.observable is not None:
            name = names[quantity.observable]
            return self.truth.observables.get(name, self.truth.states.get(quantity.name))
        return self.truth.states.get(quantity.name)


@dataclass(frozen=True)
class Points:
    """Measurements of one quantity in a group.

    Parameters
    ----------
    t, d
        [M], times and values.
    error
        [M], their own errors, where the data give them.
    side
        [M], -1 or 1 where d is only a limit, from above or from below.
    held
        [M], True where the fit did not see it.
    far
        [M], the other ends of intervals in which the truth lies; NaN where there is none.
    """

    t: FloatArray
    d: FloatArray
    error: FloatArray | None
    side: NDArray[np.int8]
    held: Mask
    far: FloatArray

    @property
    def between(self) -> Mask:
        """[M], whether the truth lies between two values."""
        return ~np.isnan(self.far)

    def only(self, keep: Mask) -> Points:
        """Some of the points."""
        error = None if self.error is None else self.error[keep]
        return Points(self.t[keep], self.d[keep], error, self.side[keep], self.held[keep], self.far[keep])


def points(run: Run, group: Group, quantity: Quantity, limits: tuple[float, float] | None = None) -> Points:
    """Collect the measurements of a quantity, within the limits where there are any."""
    if quantity.observable is None:
        return Points(np.empty(0), np.empty(0), None, np.empty(0, dtype=np.int8), np.empty(0, dtype=bool), np.empty(0))
    k = quantity.observable
    chosen = [run.measured[row] for row in group.members]
    noise = run.assembly.problem.observation.noise[run.observables[k]]
    t = np.concatenate([e.times for e in chosen])
    d = np.concatenate([e.values[:, k] for e in chosen])
    known = ~np.isnan(d)
    if limits is not None:
        known &= (t >= limits[0]) & (t <= limits[1])
    error = None
    if noise.sigma is None and not noise.is_log and all(e.sigma is not None for e in chosen):
        error = np.concatenate([e.sigma[:, k] for e in chosen if e.sigma is not None])
    elif noise.covariates and not noise.is_log and run.noise_levels is not None:
        level, cuts = run.noise_levels[k].s, np.cumsum([len(e.times) for e in run.measured])[:-1]
        parts = np.split(
            np.broadcast_to(np.nan if level is None else level, sum(len(e.times) for e in run.measured)), cuts
        )
        error = np.concatenate([parts[row] for row in group.members])
    exact = [np.zeros(len(e.times), dtype=np.int8) if e.censored is None else e.censored[:, k] for e in chosen]
    held = np.concatenate([run.assembly.held_out[row][:, k] for row in group.members])
    far = [np.full(len(e.times), np.nan) if e.other_end is None else e.other_end[:, k] for e in chosen]
    return Points(t, d, error, np.concatenate(exact), held, np.concatenate(far)).only(known)


def trace(
    run: Run,
    groups: Sequence[Group],
    limits: tuple[float, float] | None,
    beside: Mapping[str, sp.Expr] | None = None,
    log_times: bool = False,
    bands: BandKind | None = None,
) -> list[Trace]:
    """Solve the fitted model for every group.

    Parameters
    ----------
    run
        The fitted run.
    groups
        Whose curves are wanted.
    limits
        The span that is shown; None: that of the data.
    beside
        What is wanted beside the states and the observables, see `Trace.beside`; default nothing.
    log_times
        Whether the times are spread for a logarithmic axis, whatever the data say.
    bands
        The kind of bands; default the best that the run has.

    Returns
    -------
    list of Trace

    Raises
    ------
    SolveError
        The model cannot be solved over the span.
    RunError
        The run is damaged, or has not what the bands are made from.
    """
    check_solvable(run)
    rows = [group.members[0] for group in groups]
    problem = observing(restricted(run.assembly.problem, rows), beside or {})
    ends = [max(run.measured[m].last for m in group.members) for group in groups]
    starts = [run.measured[row].start for row in rows]
    spans = [_span(run.measured[row], end, limits) for row, end in zip(rows, ends, strict=True)]
    fine = [
        _fine_times(run, group, *span, end, log_times) for group, span, end in zip(groups, spans, ends, strict=True)
    ]
    steps = solver_steps(run.assembly.problem, max(high for _, high in spans))
    wanted = fine
    if steps is not None:
        wanted = [own_steps(run.measured[row], steps, high) for row, (_, high) in zip(rows, spans, strict=True)]
    experiments = tuple(_from_before(run, group, t) for group, t in zip(groups, wanted, strict=True))
    states, observed = problem.curves(run.theta, experiments)
    if is_compiled(run):
        solved = [(e.times, y) for e, y in zip(experiments, states, strict=True)]
        finite = [(t[np.isfinite(t)], y[np.isfinite(t)]) for t, y in solved]
        wanted = fine = [np.union1d(t, times_at_bends(t, y, FINEST)) for t, y in finite]
        experiments = tuple(_from_before(run, group, t) for group, t in zip(groups, wanted, strict=True))
        states, observed = problem.curves(run.theta, experiments)
    wanted = [e.times for e in experiments]
    truths = _truths(run, groups, fine)
    made, n = curve_bands(run, problem, experiments, bands), len(run.observables)
    others = [dict(zip(beside or {}, g.T[n:], strict=True)) for g in observed]
    observed = [g[:, :n] for g in observed]
    parts = zip(groups, wanted, states, observed, starts, ends, made.bands, truths, others, strict=True)
    traces = [replace(_with_final(Trace(*part)), band_kind=made.kind) for part in parts]
    return [_cut(trace, low) for trace, (low, _) in zip(traces, spans, strict=True)]


def _cut(trace: Trace, low: float) -> Trace:
    """Without what lies before the shown span, but for one point, so that the line reaches its edge."""
    first = int(np.searchsorted(trace.times, low, side="right")) - 1 if low > trace.times[0] else 0
    return _part(trace, slice(first, None))


def _with_final(trace: Trace) -> Trace:
    """With what is at infinite time apart."""
    if not math.isinf(trace.times[-1]):
        return trace
    return replace(_part(trace, slice(0, -1)), final=_part(trace, slice(-1, None)))


def _part(trace: Trace, rows: slice) -> Trace:
    band = trace.band
    if band is not None:
        band = Band(band.low[rows], band.high[rows], band.noise_low[rows], band.noise_high[rows])
    return replace(
        trace,
        times=trace.times[rows],
        states=trace.states[rows],
        observables=trace.observables[rows],
        band=band,
        beside={key: values[rows] for key, values in trace.beside.items()},
    )


def held_inputs(run: Run, traces: Sequence[Trace]) -> list[str]:
    """Name the inputs that end before a curve does, in a sentence each. Steps do not: each lasts until the next."""
    notes = []
    for name in run.assembly.problem.engine.system.inputs:
        ends = set()
        for one in traces:
            known = run.measured[one.group.members[0]].inputs[name]
            if known.knots[-1] < one.times[-1] and known.coefficients[:, 1:].any():
                ends.add(float(known.knots[-1]))
        if ends:
            when = f"{ends.pop():g}" if len(ends) == 1 else "its end"
            notes.append(f"after {when} the input {name} is held at its last value")
    return notes


def restricted(problem: FitProblem, rows: Sequence[int]) -> FitProblem:
    """The problem of some of its experiments only."""
    chosen = list(rows)
    binding = replace(problem.binding, index=problem.binding.index[chosen], constant=problem.binding.constant[chosen])
    return replace(problem, experiments=tuple(problem.experiments[row] for row in chosen), binding=binding)


def is_compiled(run: Run) -> bool:
    """True where a second solution at more times costs next to nothing."""
    return run.assembly.problem.engine.is_compiled


def _span(experiment: Experiment, end: float, limits: tuple[float, float] | None) -> tuple[float, float]:
    if limits is None:
        return experiment.start, end
    low = max(experiment.start, limits[0])
    return low, max(low, limits[1])


def _fine_times(run: Run, group: Group, low: float, high: float, end: float, log_times: bool) -> FloatArray:
    """At least 400 times from low to high, every measured one among them."""
    if high <= low:
        return np.array([low])
    start = run.measured[group.members[0]].start
    share = (high - low) / (end - start) if end > start else 1.0
    n = int(min(FINEST, FINE * max(1.0, share)))
    measured = np.concatenate([run.measured[m].times for m in group.members])
    measured = measured[(measured >= low) & (measured <= high)]
    first = log_threshold(run, [group], log_times)
    if first is None:
        grid = np.linspace(low, high, n)
    else:
        grid = np.concatenate([[low], np.geomspace(max(low, 0.1 * first), high, n)])
    # Before and after each jump, so that it is drawn upright.
    jumps = _jumps(run, group.members[0])
    jumps = jumps[: FINEST // 4]
    before = np.nextafter(jumps, -np.inf) - 1e-9 * (high - low)
    # The ends of a geometric grid are rounded: none may fall outside.
    ends = _interval_ends(run, group, high)[:FINEST]
    after = ends + 1e-9 * (high - low)
    grid = np.concatenate([grid, before, jumps, ends, after, measured if len(measured) <= FINEST else measured[:0]])
    grid = np.clip(grid, low, high)
    return np.unique(grid)


def _from_before(run: Run, group: Group, times: FloatArray) -> Experiment:
    """`_at`; twice at the start where something jumps there, so that this is drawn, too; and at infinite time, where
    something was measured there."""
    if any(run.measured[member].ends_at_rest for member in group.members):
        times = np.append(times, np.inf)
    row = group.members[0]
    start = run.measured[row].start
    if times[0] != start or start not in _jumps(run, row):
        return _at(run, group, times)
    side = np.zeros(len(times) + 1, dtype=np.int8)
    side[:2] = -1, 1
    return _at(run, group, np.concatenate([times[:1], times]), side)


def _jumps(run: Run, row: int) -> FloatArray:
    """The times at which the states of an experiment jump, or an input does that is measured by itself."""
    problem, experiment = run.assembly.problem, run.measured[row]
    states = problem.engine.jumps(problem.binding.local(run.theta)[row, : problem.n_system], experiment)
    named = set().union(*map(free_names, problem.observation.system.observables.values()))
    steps = [experiment.inputs[name].steps for name in problem.engine.system.inputs if name in named]
    return np.unique(np.concatenate([states, *steps]))


def log_threshold(run: Run, groups: Sequence[Group], asked: bool = False) -> float | None:
    """The first positive time, where the times spread over decades from there on; None for an ordinary axis.

    asked: by the user, so that any positive times have a logarithmic axis.
    """
    times = np.concatenate([run.measured[m].times for g in groups for m in g.members])
    positive = np.unique(times[(times > 0) & np.isfinite(times)])
    if asked and len(positive):
        return float(positive[0])
    if times.min() < 0 or len(positive) < 4:
        return None
    decades = math.log10(positive[-1] / positive[0])
    # Equally spaced times have their middle in the middle, even if there are thousands.
    return float(positive[0]) if decades >= MIN_LOG_DECADES and np.median(positive) < 0.1 * positive[-1] else None


def _at(run: Run, group: Group, times: FloatArray, side: NDArray[np.int8] | None = None) -> Experiment:
    """The experiment of a group at other times; what is counted there goes over the intervals of the data."""
    data = [run.measured[member] for member in group.members]
    return over_intervals(run.assembly.problem.observation.system, data[0].at(times, side), data)


def _interval_ends(run: Run, group: Group, high: float) -> FloatArray:
    """Where the intervals of observables that are an increase end."""
    data = [run.measured[member] for member in group.members]
    columns = increases(run.assembly.problem.observation.system).values()
    return np.concatenate([np.empty(0), *(interval_ends(data, k, high) for k in columns)])


def _truths(run: Run, groups: Sequence[Group], times: Sequence[FloatArray]) -> list[Truth | None]:
    model = run.true_model
    if model is None:
        return [None] * len(groups)
    chosen = [_at(run, group, t) for group, t in zip(groups, times, strict=True)]
    rows = [group.members[0] for group in groups]
    try:
        states, observables = replace(model, local=model.local[rows]).solve(chosen, run.observables)
    except SolveError as error:
        raise SolveError(f"the true model: {error}") from error
    system = model.system
    return [
        Truth(t, dict(zip(system.states, y.T, strict=True)), dict(zip(system.observables, g.T, strict=True)))
        for t, y, g in zip(times, states, observables, strict=True)
    ]
