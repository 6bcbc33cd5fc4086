"""The section `derived`: formulas of parameters and of whole curves, one quantity for each experiment.

    max(c), min(c)                 the largest and the smallest value of a curve
    time_of_max(c), time_of_min(c) when that is; also argmax(c), argmin(c)
    integral(c), mean(c)           the area under it, and that over the length of time
    half_time(c), doubling_time(c) how long it takes to half, or to twice, what it begins with
    time_to(c, level)              when it first reaches a level
    value(c, t)                    what it is at a time

All but the last take a range of times behind: `integral(conc, 0, 24)`; without one it is from the start of an
experiment to its last measurement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import Fault, Faults, ModelError
from odefit.model.derivatives import derivatives
from odefit.model.formulas import free_names, parse_formula
from odefit.model.functions import numpy_function
from odefit.model.substitution import replacing
from odefit.model.system import TIME, System, symbol
from odefit.objective.problem import FitProblem
from odefit.problem.parameter_table import Target
from odefit.problem.trajectories import Path, crossing, extremum, in_parts, integral, value_at
from odefit.records import dataclass
from odefit.text import clip, suggest
from odefit.uncertainty.covariance import Covariance
from odefit.uncertainty.quantities import Values

OTHER_NAMES = {"argmax": "time_of_max", "argmin": "time_of_min", "auc": "integral", "AUC": "integral"}
NUMBERS = {
    **dict.fromkeys(("max", "min", "time_of_max", "time_of_min", "integral", "mean"), 0),
    **dict.fromkeys(("half_time", "doubling_time"), 0),
    "time_to": 1,
    "value": 1,
}
"""How many numbers a function takes before a range of times."""
_CALL = re.compile(r"\b(\w+)\s*\(\s*(\w+)\s*((?:,[^(),]*)*)\)")
_STANDS_FOR = "curve__"


@dataclass(frozen=True)
class Call:
    """A function of a curve. numbers: its level or time, where it has one; span: the range of times, or None."""

    function: str
    curve: str
    numbers: tuple[float, ...]
    span: tuple[float, float] | None

    def path(self, problem: FitProblem, position: int, experiment: Experiment) -> Path:
        """The curve that it is of."""
        begin, end = self.span or (experiment.start, experiment.last)
        if self.function == "value":
            begin, end = experiment.start, self.numbers[0]
        formula = curve_formulas(problem.observation.system)[self.curve]
        return Path(problem, position, experiment, formula, begin, end)

    def evaluations(self, path: Path, u: FloatArray) -> Values:
        """At search vectors u [M, P]."""
        return in_parts(lambda part: self._at(path, part), u)

    def _at(self, path: Path, u: FloatArray) -> Values:
        kind = self.function
        if kind in ("max", "min", "time_of_max", "time_of_min"):
            value, time = extremum(path, u, 1 if kind.endswith("max") else -1)
            return time if kind.startswith("time") else value
        if kind in ("integral", "mean"):
            length = path.end - path.begin if kind == "mean" else 1.0
            area = integral(path, u)
            return Values(area.values / length, area.gradients / length, area.ok)
        if kind == "value":
            return value_at(path, u)
        if kind == "time_to":
            return crossing(path, u, self.numbers[0], is_share=False)
        found = crossing(path, u, 0.5 if kind == "half_time" else 2.0, is_share=True)
        return Values(found.values - path.begin, found.gradients, found.ok)


@dataclass(frozen=True)
class CurveDerived:
    """A quantity of whole curves in one experiment; it is used as `derived.Derived` is.

    Parameters
    ----------
    name, text, unit
        In reports; the formula as it was written.
    formula
        Of the symbols of `targets`, and `curve__0` and so on for its calls.
    calls, targets
        What these are.
    position, experiment
        The experiment.
    """

    name: str
    text: str
    unit: str | None
    formula: sp.Expr
    calls: tuple[Call, ...]
    targets: Mapping[str, Target]
    position: int
    experiment: Experiment

    def quantity(self, problem: FitProblem) -> CurveFormulaQuantity:
        """The same as a function of the search vector."""
        return CurveFormulaQuantity(self, problem)

    def evaluate(self, problem: FitProblem, theta: FloatArray) -> float:
        """The value at theta [N]."""
        return float(self.quantity(problem).evaluations(problem.table.to_search(theta)[None]).values[0])

    def why_open(self, problem: FitProblem, u: FloatArray) -> str | None:
        """Why it has no value, or none whose derivatives are known; None where it has."""
        found = self.quantity(problem).evaluations(u[None])
        if not math.isfinite(found.values[0]):
            return "the curve does not get there in these times"
        return None if found.ok[0] else "a jump that moves with the parameters decides on it, so it has no derivatives"

    def interval(
        self, problem: FitProblem, theta: FloatArray, u: FloatArray, covariance: Covariance, reach: float
    ) -> tuple[float, tuple[float, float]] | None:
        """The standard error and the 95 % interval; as `Derived.interval`."""
        del theta
        quantity = self.quantity(problem)
        found = quantity.evaluations(u[None])
        if not found.ok[0]:
            return None
        value, g = float(found.values[0]), found.gradients[0]
        used = np.flatnonzero(g)
        variance = float(covariance.variance(g[None, used], used)[0])
        if not math.isfinite(variance):
            return None
        error = math.sqrt(max(variance, 0.0))
        if quantity.is_log and value > 0:
            factor = math.exp(min(reach * error / value, 700.0))
            return error, (value / factor, value * factor)
        return error, (value - reach * error, value + reach * error)


@dataclass(frozen=True)
class CurveFormulaQuantity:
    """A formula of parameters and of whole curves, as a quantity."""

    derived: CurveDerived
    problem: FitProblem

    @property
    def name(self) -> str:
        return self.derived.name

    @property
    def unit(self) -> str | None:
        return self.derived.unit

    @property
    def is_log(self) -> bool:
        """Whether all that moves a curve is on a logarithmic scale."""
        return {p.scale for p in self.problem.table if p.estimate and p.role != "noise"} == {"log"}

    @cached_property
    def _paths(self) -> list[Path]:
        return [call.path(self.problem, self.derived.position, self.derived.experiment) for call in self.derived.calls]

    @cached_property
    def _function(self) -> Any:
        names = (*(f"{_STANDS_FOR}{k}" for k in range(len(self.derived.calls))), *self.derived.targets)
        return numpy_function([self.derived.formula, *derivatives([self.derived.formula], names)[0]], names)

    def evaluations(self, u: FloatArray) -> Values:
        table, n = self.problem.table, len(self.derived.calls)
        parts = [call.evaluations(path, u) for call, path in zip(self.derived.calls, self._paths, strict=True)]
        theta = table.to_natural(u)
        numbers = [theta[:, table.index[x]] if isinstance(x, str) else x for x in self.derived.targets.values()]
        value, *slopes = (np.broadcast_to(x, len(u)) for x in self._function(*(p.values for p in parts), *numbers))
        gradients = np.zeros(u.shape)
        position = {int(t): k for k, t in enumerate(table.estimated)}
        scale = table.transforms.derivative(u)
        for part, slope in zip(parts, slopes[:n], strict=True):
            gradients += slope[:, None] * part.gradients
        for target, slope in zip(self.derived.targets.values(), slopes[n:], strict=True):
            k = position.get(table.index[target]) if isinstance(target, str) else None
            if k is not None:
                gradients[:, k] += slope * scale[:, k]
        found = Values.of(value, gradients)
        # A value whose gradient is not known is a value all the same.
        return Values(np.asarray(value), found.gradients, found.ok)


def curve_formulas(system: System) -> dict[str, sp.Expr]:
    """What may be called a curve: observables, states and expressions, and their formulas."""
    states = {name: symbol(name) for name in system.states}
    return {**system.expressions, **states, **system.observables}


def read_derived(
    loaded: LoadedConfig,
    system: System,
    ties: Mapping[str, sp.Expr],
    bound: Mapping[str, Sequence[Target]],
    experiments: Sequence[Experiment],
    taken: Callable[[str], str | None],
) -> tuple[CurveDerived, ...]:
    """The quantities of the section, one for each experiment that is no replicate.

    Parameters
    ----------
    loaded, system
        The config, and its equations with what is estimated as symbols.
    ties
        Parameters with a formula.
    bound
        Symbol -> its target in every experiment.
    experiments
        With every measurement.
    taken
        What a name means already; None where nothing.

    Raises
    ------
    ConfigError
        With all faults of the section.
    """
    faults, found = Faults(), list[CurveDerived]()
    for name, section in loaded.config.derived.items():
        where = loaded.where("derived", name)
        before = len(faults.found)
        meaning = taken(name)
        if meaning is not None:
            faults.add(where, f"'{name}' is also the name of {meaning}; a derived quantity needs its own")
        if not system.is_mechanistic:
            faults.add(where, "a model with a network has no errors of its parameters; leave `derived` out")
            continue
        read = _read(section.formula, {*bound, *ties}, curve_formulas(system), system.compared, where, faults)
        if read is None or len(faults.found) > before:
            continue
        calls, formula = read[0], replacing({symbol(n): f for n, f in ties.items()})(read[1])
        if not calls:
            what = "names no curve: write a formula of parameters as a parameter (`parameters: {x: {formula: …}}`)"
            faults.add(where, what)
            continue
        symbols = sorted(n for n in free_names(formula) if not n.startswith(_STANDS_FOR))
        bases = [k for k, e in enumerate(experiments) if replicate_of(e.name) == e.name]
        for k in bases:
            e = experiments[k]
            _check_span(calls, e, where, faults)
            targets = {n: bound[n][k] for n in symbols}
            full = name if len(bases) == 1 else f"{name}[{e.name}]"
            found.append(CurveDerived(full, section.formula, section.unit, formula, tuple(calls), targets, k, e))
    faults.check()
    return tuple(found)


def check_names(
    loaded: LoadedConfig, names: Collection[str], curves: Collection[str], compared: Collection[str], faults: Faults
) -> None:
    """Whether all names in the section mean something, before the data are known.

    Parameters
    ----------
    loaded
        The config.
    names, curves, compared
        The parameters and constants, what may be called a curve, and what compares two times.
    faults
        Takes what is wrong.
    """
    for name, section in loaded.config.derived.items():
        _read(section.formula, names, curves, compared, loaded.where("derived", name), faults)


def _read(
    text: str, names: Collection[str], curves: Collection[str], compared: Collection[str], where: str, faults: Faults
) -> tuple[list[Call], sp.Expr] | None:
    """The functions of curves in a formula, and the formula with symbols in their place; None after a fault."""
    before = len(faults.found)
    calls, put = _calls(text, curves, compared, where, faults)
    if len(faults.found) > before:
        return None
    try:
        formula = parse_formula(put, {*names, *(f"{_STANDS_FOR}{k}" for k in range(len(calls)))}, where)
        if TIME in free_names(formula):
            faults.add(where, f"'{TIME}' has no value beside a curve; at a time, it is value(curve, time)")
            return None
        return calls, formula
    except ModelError as error:
        # The lines below the first show the formula with our symbols in the place of curves; so does what there is.
        said = [fault.what.partition("\n")[0].partition(" (there is")[0] for fault in error.faults]
        faults.found.extend(Fault(where, f"{what}, in {clip(text, 100)}") for what in said)
        return None


def _calls(
    text: str, curves: Collection[str], compared: Collection[str], where: str, faults: Faults
) -> tuple[list[Call], str]:
    """The functions of curves in a formula, and the formula with symbols in their place."""
    calls = list[Call]()

    def taken(match: re.Match[str]) -> str:
        function = OTHER_NAMES.get(match[1], match[1])
        if function not in NUMBERS:
            return match[0]
        if match[2] not in curves:
            if match[1] in ("max", "min") and match[3]:
                return match[0]  # of parameters, as everywhere
            faults.add(where, f"{match[1]}: '{clip(match[2])}' is no curve; {suggest(match[2], curves)}")
            return "0"
        if match[2] in compared:
            faults.add(where, f"{match[1]}: {match[2]} compares two times, so that it is no curve; name its formula")
            return "0"
        numbers = _numbers(match[3], NUMBERS[function], function, where, faults)
        if numbers is None:
            return "0"
        own, span = numbers[: NUMBERS[function]], numbers[NUMBERS[function] :]
        calls.append(Call(function, match[2], own, (span[0], span[1]) if span else None))
        return f"{_STANDS_FOR}{len(calls) - 1}"

    return calls, _CALL.sub(taken, text)


def _numbers(text: str, needed: int, function: str, where: str, faults: Faults) -> tuple[float, ...] | None:
    """The numbers behind the curve; None after a fault."""
    parts = [part.strip() for part in text.split(",")[1:]]
    numbers: tuple[float, ...] = ()
    for part in parts:
        try:
            numbers = (*numbers, float(part))
        except ValueError:
            faults.add(where, f"{function}: '{clip(part)}' is no number; a level and times are written as numbers")
            return None
    form = {"value": "value(curve, time)", "time_to": "time_to(curve, level[, from, to])"}
    if len(numbers) not in ((needed,) if function == "value" else (needed, needed + 2)):
        faults.add(where, f"{function}: write {form.get(function, f'{function}(curve[, from, to])')}")
        return None
    if not all(map(math.isfinite, numbers)) or (len(numbers) == needed + 2 and not numbers[-2] < numbers[-1]):
        faults.add(where, f"{function}: the range of times must be finite, and rise")
        return None
    return numbers


def _check_span(calls: Sequence[Call], experiment: Experiment, where: str, faults: Faults) -> None:
    for call in calls:
        times = call.numbers if call.function == "value" else call.span or ()
        early = [t for t in times if t < experiment.start]
        if early:
            what = f"{early[0]:g} comes before experiment {clip(experiment.name)} starts ({experiment.start:g})"
            faults.add(where, f"{call.function}: {what}")
        elif call.span is None and call.function != "value" and not experiment.last > experiment.start:
            what = f"experiment {clip(experiment.name)} has one time only; write a range, {call.function}(…, from, to)"
            faults.add(where, f"{call.function}: {what}")
