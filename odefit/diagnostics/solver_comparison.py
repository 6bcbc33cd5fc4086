"""`odefit solvers`: every method on the configured model, its error against its cost.

The model is solved at its starting values, at the times of the data, by every method of both engines, each at several
tolerances or steps; the states and a gradient are compared with those of a method at a far smaller tolerance.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.diagnostics.evaluations import GRADIENT_COST, TOO_MANY, Evaluations, expected_cost
from odefit.diagnostics.solver_trials import (
    GOOD_REFERENCE,
    Model,
    Reference,
    Trial,
    climb,
    missing,
    reference_ladders,
)
from odefit.diagnostics.worker import Stopped, Worker
from odefit.engines.base import SolverOptions
from odefit.engines.methods import METHODS
from odefit.engines.tolerances import absolute_tolerances
from odefit.errors import ConfigError, OdefitError, SolveError
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.systems import describe_system
from odefit.records import dataclass
from odefit.runs.tables import Table

DEFAULT_EVALUATIONS = 20_000
"""What each method may take: evaluations of the right-hand side, or steps where it is compiled."""
DEFAULT_SECONDS = 600.0
"""When a comparison ends in any case."""
REFERENCE_EVALUATIONS = 10
"""The budgets of a method that one solve of a reference may take."""
REFERENCE_SHARE = 0.25
"""The share of that time for each method that may serve as reference."""
GRACE_SECONDS = 1.0
"""How long after its time is over a method is stopped that does not end by itself."""

COMPILED_FAMILY, ADAPTIVE, FIXED = "compiled", "adaptive", "fixed step"
"""The families of methods."""

TOLERANCES = {"float64": (1e-3, 1e-5, 1e-7, 1e-9), "float32": (1e-2, 1e-3, 1e-4, 1e-5)}
"""The relative tolerances of the adaptive methods, by precision."""
REFINEMENTS = (1, 4, 16, 64)
"""The steps of the fixed-step methods per interval of the data, on average."""
MIN_INTERVALS = 8
"""The fewest intervals of the data that these are counted by."""
MAX_LOG_DIFFERENCE = 0.05
"""Settings whose tolerances or steps differ less than this, as logarithms, are one."""

MAX_TIMINGS = 3
"""The most times that a solve is timed."""
TIMING_SECONDS = 0.15
"""The time after which a solve is not timed once more."""
TOO_SLOW = "left out: it would take too long"
SHORT_UNITS = {"evaluations": "evals", "steps": "steps"}
CONFIGURED = "as configured"

T = TypeVar("T")


@dataclass(frozen=True)
class SolverRow:
    """One method at one setting; None where there is no number, and then `reason` says why.

    family: `compiled`, `adaptive` or `fixed step` (the last two by torchdiffeq). rtol, atol: of the methods that choose
    their steps, atol the largest of the states'; step: of the others (None: from one time of the data to the next).
    error: the largest of any state at any time, relative to that state's largest value.
    work: evaluations of the right-hand side, or steps of a compiled method (`unit`), of all experiments together;
    torchdiffeq's count serves all experiments at once.
    seconds: the shortest of three solves without derivatives, where these are short.
    gradient_error: |g - reference| / |reference| of the mean squared state, in search space and of all weights;
    gradient_seconds: of the solve with its gradient.
    configured: it is the config's own setting.
    """

    method: str
    family: str
    rtol: float | None = None
    atol: float | None = None
    step: float | None = None
    error: float | None = None
    work: int | None = None
    unit: str = "evaluations"
    seconds: float | None = None
    gradient_error: float | None = None
    gradient_seconds: float | None = None
    configured: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """reference: a method and its tolerance; uncertainty, gradient_uncertainty: its own relative errors.

    seconds: how long the comparison took.
    """

    rows: tuple[SolverRow, ...]
    reference: str
    uncertainty: float
    gradient_uncertainty: float | None
    seconds: float

    @property
    def caption(self) -> str:
        """What the marks of the table say, a line each, and what the errors are measured against, in a sentence."""
        return "\n".join([*(f"{mark} {what}" for what, mark in self.marks.items()), self._sentence])

    @property
    def marks(self) -> dict[str, str]:
        """remark -> its mark in the table, in the order in which they occur there."""
        reasons = dict.fromkeys(row.reason for row in self.rows if row.reason)
        own = {CONFIGURED: "*"} if any(row.configured for row in self.rows) else {}
        return own | {reason: str(k) for k, reason in enumerate(reasons, 1)}

    @property
    def _sentence(self) -> str:
        text = f"Errors are relative, against {self.reference}, whose states are exact to {self.uncertainty:.0e}"
        if self.gradient_uncertainty is None:
            return f"{text}; the states depend on nothing that is estimated, so there is no gradient."
        return f"{text} and its gradient to {self.gradient_uncertainty:.0e}."


def compare_solvers(
    assembly: Assembly, budget: float = DEFAULT_SECONDS, evaluations: float = DEFAULT_EVALUATIONS
) -> Comparison:
    """Solve the assembled model by every method there is, in a process of its own.

    Each method may take so many `evaluations`, so that the settings that are compared do not depend on the machine; and
    about `budget` seconds are an end for all in any case. A method that fails, takes too long or is not installed is a
    row with its reason. Raises SolveError where no method can solve the model exactly at its starting values,
    ConfigError where there is nothing to solve.
    """
    if all(e.times[-1] <= e.start for e in assembly.problem.experiments):
        raise ConfigError(assembly.loaded.where("data"), "all measurements are at the start: there is nothing to solve")
    build: Callable[[], Model] = partial(rebuilt, assembly.loaded, assembly.measured, assembly.described.constants)
    rows: list[SolverRow] = []
    with Worker(build) as bench:
        try:
            bench.start()
        except Stopped as error:
            raise SolveError(f"the comparison could not begin: {error}") from None
        begun = time.perf_counter()
        reference = _reference(
            bench, assembly.networks is None, budget * REFERENCE_SHARE, REFERENCE_EVALUATIONS * evaluations
        )
        methods = solver_methods()
        for done, (method, family) in enumerate(methods):
            # What one method leaves over is for those after it.
            left = max(begun + budget - time.perf_counter(), 0.0)
            rows += _watched(bench, reference, method, family, left / (len(methods) - done), evaluations)
        seconds = time.perf_counter() - begun
    return Comparison(tuple(rows), reference.name, reference.uncertainty, reference.gradient_uncertainty, seconds)


def rebuilt(loaded: LoadedConfig, measured: Sequence[Experiment], constants: TableColumns) -> Model:
    """The model anew, from what can be sent to another process."""
    if not missing("torch"):  # the seconds of its import are to be no method's
        importlib.import_module("odefit.engines.torch_engine")
    return Model(assemble(loaded, describe_system(loaded, constants, measured), measured, for_fit=False))


def _reference(bench: Worker, is_mechanistic: bool, seconds: float, evaluations: float) -> Reference:
    """The most exact of the methods that may serve; the later ones only where the first are not good enough."""
    best: Reference | None = None
    why = ""
    for method, tolerances in reference_ladders(is_mechanistic):
        if best is not None and (best.uncertainty < GOOD_REFERENCE or not METHODS[method].is_compiled):
            break
        try:
            task = partial(climb, method, tolerances, seconds, evaluations=evaluations)
            for found in bench.stream(task, seconds + GRACE_SECONDS):
                if best is None or found.uncertainty < best.uncertainty:
                    best = found
        except (SolveError, Stopped) as error:
            why = f"{method}: {error}"
    if best is None:
        raise SolveError(f"no method solves the model exactly enough at its starting values ({why})")
    return best


def _watched(
    bench: Worker, reference: Reference, method: str, family: str, seconds: float, evaluations: float
) -> list[SolverRow]:
    """The rows of one method, which is stopped where it does not stop by itself."""
    rows: list[SolverRow] = []
    pending = SolverRow(method, family)
    try:
        task = partial(method_rows, reference, method, family, seconds, evaluations=evaluations)
        for row, is_final in bench.stream(task, seconds + GRACE_SECONDS):
            pending = row
            if is_final:
                rows.append(row)
    except (SolveError, Stopped) as error:
        what = str(error) if pending.error is None else f"gradient: {error}"
        rows.append(replace(pending, reason=what))
    return rows


def solver_methods() -> list[tuple[str, str]]:
    """Every method with its family, the quick ones first."""

    def rank(name: str) -> tuple[bool, bool, bool]:
        method = METHODS[name]
        return not method.is_compiled, method.is_fixed_step and method.is_multistep, method.is_fixed_step

    return [(name, _family(name)) for name in sorted(METHODS, key=rank)]


def _family(name: str) -> str:
    method = METHODS[name]
    return COMPILED_FAMILY if method.is_compiled else FIXED if method.is_fixed_step else ADAPTIVE


def method_rows(
    reference: Reference, method: str, family: str, seconds: float, model: Model, evaluations: float = math.inf
) -> Iterator[tuple[SolverRow, bool]]:
    """One method from its coarsest setting on, until its evaluations are spent, or its time is up.

    Rows as they grow, and whether they are final.

    The reference comes along, for a process that replaces another knows of none.
    """
    deadline = model.clock() + seconds
    blank = SolverRow(method, family, unit="steps" if family == COMPILED_FAMILY else "evaluations")
    if (same := METHODS[method].alias_of) is not None:
        yield replace(blank, reason=f"another name of {same}"), True
        return
    if what := missing(METHODS[method].engine):
        yield replace(blank, reason=f"needs {what}, not installed here"), True
        return
    if family == COMPILED_FAMILY and not model.is_mechanistic and METHODS[method].network_engine is None:
        yield replace(blank, reason="needs formulas, and this model has a network"), True
        return
    costs, work = list[float](), Evaluations(evaluations)
    before: SolverOptions | None = None
    for options, configured in _settings(model, method, family):
        row = replace(blank, configured=configured)
        if family == FIXED:
            row = replace(row, step=options.step)
        else:
            row = replace(
                row,
                rtol=options.rtol,
                atol=float(absolute_tolerances(options, len(model.problem.engine.system.states)).max()),
            )
        begun = model.clock()
        if not work.affords(before, options):
            yield replace(row, reason=TOO_MANY), True
            return
        if before is not None and begun + expected_cost(costs, before, options) > deadline:
            yield replace(row, reason=TOO_SLOW), True
            return
        row = yield from _measure(model, reference, options, row, deadline, work)
        # What is compiled once is no cost of the next setting.
        known = MAX_TIMINGS * (row.seconds or 0.0) + 2 * (row.gradient_seconds or 0.0)
        costs.append(known or model.clock() - begun)
        before = options


def _settings(model: Model, method: str, family: str) -> list[tuple[SolverOptions, bool]]:
    """From coarse to fine; the config's own among them, marked."""
    tolerances = TOLERANCES[model.options.dtype]
    own = replace(model.options, method=method) if method == model.configured_method else None

    def fineness(options: SolverOptions) -> float:
        if family != FIXED:
            return options.rtol
        return options.step or span / intervals

    span, intervals = float(model.grid[-1] - model.grid[0]), len(model.grid) - 1
    if family == FIXED:
        # The tolerance of these is that of an implicit step.
        steps = (span / (max(intervals, MIN_INTERVALS) * k) for k in REFINEMENTS)
        chosen = [model.options_at(method, tolerances[-1], step) for step in steps]
    else:
        chosen = [model.options_at(method, rtol) for rtol in tolerances]
    found = [
        (o, False) for o in chosen if own is None or abs(math.log(fineness(o) / fineness(own))) > MAX_LOG_DIFFERENCE
    ]
    if own is not None:
        found.append((own, True))
    return sorted(found, key=lambda setting: -fineness(setting[0]))


def _measure(
    model: Model, reference: Reference, options: SolverOptions, row: SolverRow, deadline: float, budget: Evaluations
) -> Generator[tuple[SolverRow, bool], None, SolverRow]:
    """The row before, in the middle and at the end: with its numbers, or with the reason why there are none."""
    yield row, False
    try:
        trial = Trial(model, options)
        states, first = _timed(model.clock, lambda: trial.states(deadline, budget.left))
        row = replace(row, error=reference.error(states), work=trial.work(), seconds=first)
        budget.spend(row.work)
        # A compiled method's first solve compiles, and looks at how it gets on.
        turns = [] if row.family == COMPILED_FAMILY else [first]
        while len(turns) < MAX_TIMINGS and sum(turns) < TIMING_SECONDS and model.clock() + first < deadline:
            turns.append(_timed(model.clock, lambda: trial.states(deadline))[1])
        row = replace(row, seconds=min(turns, default=first))
    except Exception as error:  # whatever it is, it is this method's matter
        row = replace(row, reason=_sentence(error))
    if not row.reason and reference.gradient is not None:
        if model.clock() + GRADIENT_COST * first > deadline:
            row = replace(row, reason=f"gradient {TOO_SLOW}")
        elif not budget.spend_gradient():
            row = replace(row, reason=f"gradient {TOO_MANY}")
        elif trial.keeps_too_much:
            row = replace(row, reason="gradient left out: it would need too much memory")
        else:
            yield row, False
            row = _with_gradient(trial, reference, row, deadline)
    yield row, True
    return row


def _with_gradient(trial: Trial, reference: Reference, row: SolverRow, deadline: float) -> SolverRow:
    clock = trial.model.clock
    try:
        gradient, cost = _timed(clock, lambda: trial.gradient(reference.size, deadline))
        if cost < TIMING_SECONDS and clock() + cost < deadline:
            cost = min(cost, _timed(clock, lambda: trial.gradient(reference.size, deadline))[1])
    except Exception as error:  # as above
        return replace(row, reason=f"gradient: {_sentence(error)}")
    return replace(row, gradient_error=reference.gradient_error(gradient), gradient_seconds=cost)


def _timed(clock: Callable[[], float], task: Callable[[], T]) -> tuple[T, float]:
    begun = clock()
    result = task()
    return result, clock() - begun


def _sentence(error: Exception) -> str:
    """What happened, without advice for a fit; of what odefit did not raise itself, the type as well."""
    if isinstance(error, SolveError):
        return error.what
    what = next(iter(str(error).strip().splitlines()), "")
    return what if isinstance(error, OdefitError) else f"{type(error).__name__}: {what}"


def solver_table(comparison: Comparison) -> Table:
    """The rows as cells of text, for 80 columns; a method's name stands where it begins, a mark of the caption at the
    end."""
    header = ("method", "setting", "error", "work", "time", "grad.\nerror", "grad.\ntime", "")
    rows: list[list[str]] = []
    last = ""
    for row in comparison.rows:
        remarks = (CONFIGURED if row.configured else "", row.reason)
        rows.append(
            [
                "" if row.method == last else row.method,
                _setting(row),
                _error(row.error),
                "" if row.work is None else f"{row.work} {SHORT_UNITS[row.unit]}",
                _duration(row.seconds),
                _error(row.gradient_error),
                _duration(row.gradient_seconds),
                " ".join(comparison.marks[remark] for remark in remarks if remark),
            ]
        )
        last = row.method
    return Table(header, rows)


def _setting(row: SolverRow) -> str:
    if row.rtol is not None:
        return f"rtol {row.rtol:.3g}"
    if row.step is not None:
        return f"step {row.step:.2g}"
    return "data's times" if row.family == FIXED and row.configured else ""


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _duration(value: float | None) -> str:
    if value is None:
        return ""
    number, unit = (value, "s") if value >= 1 else (value * 1e3, "ms")
    return f"{number:.0f} {unit}" if number >= 99.5 else f"{number:.2g} {unit}"
