"""Whether the gradient of a fit is right, and whether the solver is exact enough for it.

A gradient by sensitivities or by autograd is compared with differences of the objective, by J. F. Ridders' method
(1982): central differences at ever smaller steps, extrapolated to the step 0, with an estimate of their own error. The
objective is solved more exactly for that, so that what is found are the errors of the gradient as the fit sees it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import trains_equations
from odefit.engines.base import SolverOptions
from odefit.errors import ConfigError, SolveError
from odefit.fitting.solver_accuracy import (
    HALF_UNIT,
    MAX_OBJECTIVE_CHANGE,
    ObjectiveChange,
    divided,
    objective_changes,
    problem_at,
    solver_words,
)
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.optimizers.sampling import start_points
from odefit.problem.assembly import Assembly
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch
    from odefit.training.objective_torch import TrainingObjective

MAX_RELATIVE_DIFFERENCE = 1e-3
"""The relative difference of a derivative that no search minds; the tolerance of most sensitivities is far smaller."""
TIGHTENING = 1e4
"""The factor by which the solver's tolerances are tightened for the differences."""
TIGHTENING_TORCH = 1e2
"""The same factor for torchdiffeq, which is slow."""
MORE_POINTS = 20
"""The random points that are drawn beyond those that are asked for, since the model may fail at some."""
MAX_SINGLE = 200
"""The most parameters checked one by one; of more, those of single experiments are checked along random directions."""
N_RANDOM_DIRECTIONS = 3
"""The number of such directions."""
FIRST_STEP, STEP_FACTOR = 0.03, 1.6
"""The widest step of the differences, in typical sizes of the parameters, and its ratio to the next, finer one."""
N_STEPS, N_STEPS_NETWORK = 8, 5
"""The number of steps that are extrapolated, and the same for networks, whose losses take longer."""


@dataclass(frozen=True)
class Derivative:
    """One component: by the fit's gradient, by differences, and how exact these are.

    size: what an error is relative to; the larger of both, or (least squares) 1 over the standard error of the
    component were all others known.
    """

    name: str
    gradient: float
    difference: float
    error: float
    size: float

    @property
    def off(self) -> float:
        """The relative difference between both."""
        return abs(self.gradient - self.difference) / self.size if self.size > 0 else 0.0

    @property
    def is_known(self) -> bool:
        """Whether the differences are exact enough to judge by."""
        return math.isfinite(self.difference) and self.error <= MAX_RELATIVE_DIFFERENCE * self.size

    @property
    def agrees(self) -> bool:
        return math.isfinite(self.gradient) and self.off <= MAX_RELATIVE_DIFFERENCE


@dataclass(frozen=True)
class Comparison:
    """A gradient at one point. where: `the starting values`, `random point 1`; kind: `sensitivities` or `autograd`."""

    where: str
    kind: str
    value: float
    derivatives: tuple[Derivative, ...]

    @property
    def wrong(self) -> tuple[Derivative, ...]:
        return tuple(d for d in self.derivatives if d.is_known and not d.agrees)

    @property
    def unknown(self) -> tuple[Derivative, ...]:
        return tuple(d for d in self.derivatives if not d.is_known)

    @property
    def off(self) -> float:
        """The largest relative difference of those that can be judged."""
        return max((d.off for d in self.derivatives if d.is_known), default=0.0)


@dataclass(frozen=True)
class GradientReport:
    """solver: the method and its tolerance, in words. failures: points at which the model could not be solved."""

    comparisons: tuple[Comparison, ...]
    changes: tuple[ObjectiveChange, ...]
    solver: str
    failures: int
    why: str

    @property
    def is_right(self) -> bool:
        """Nothing that could be judged is wrong, and something could."""
        return bool(self.comparisons) and not any(c.wrong for c in self.comparisons)


def check_gradients(assembly: Assembly, points: int = 3, seed: int = 0) -> GradientReport:
    """Compare the fit's gradient with differences, at the starting values and at random points within the bounds.

    points: how many in all. A random point where the model cannot be solved is replaced by another. Equations are
    checked by sensitivities, and (`method: adam`) by autograd as well; networks by autograd, along two random
    directions. Raises ConfigError where nothing is estimated, SolveError where the model fails everywhere.
    """
    table = assembly.problem.table
    if not len(table.estimated) and assembly.networks is None:
        raise ConfigError(assembly.loaded.where("parameters"), "nothing is estimated, so there is no gradient")
    exact = problem_at(assembly, _tighter(assembly))
    comparisons: list[Comparison] = []
    chosen: list[tuple[str, FloatArray]] = []
    likelihood, failures, why = Likelihood(assembly.problem), 0, ""
    for number, u in enumerate(_candidates(assembly.problem, points, seed)):
        if len(chosen) == points:
            break
        if not math.isfinite(likelihood.value(u)):
            failures, why = failures + 1, likelihood.failure or ""
            continue
        chosen.append(("the starting values" if number == 0 else f"random point {len(chosen)}", u))
    if not chosen:
        raise SolveError(f"the gradient cannot be checked, for the model fails at every point that was tried: {why}")
    for where, u in chosen:
        comparisons += _compare(assembly, exact, where, u, seed)
    changes = [change for where, u in chosen for change in objective_changes(assembly, where, u)]
    return GradientReport(
        tuple(comparisons), tuple(changes), solver_words(assembly.problem.engine.options), failures, why
    )


def _candidates(problem: FitProblem, points: int, seed: int) -> FloatArray:
    """The start of the search, and random points within the bounds, nearer to the start than a search would begin."""
    table = problem.table
    first = table.to_search(table.values)
    lower, upper = table.search_bounds()
    if not len(first):
        return first[None, :]
    far = start_points(lower, upper, first, points + MORE_POINTS, seed, size=table.sizes)
    # A tenth of the way: the corners of a wide box say little about where a fit will be.
    near = first + 0.1 * (far - first)
    near[0] = _inside(first, lower, upper, table.sizes)
    return near


def _inside(u: FloatArray, lower: FloatArray, upper: FloatArray, sizes: FloatArray) -> FloatArray:
    """A start on its bound, where a logarithm or a root may be at its end, moved in by a little."""
    with np.errstate(invalid="ignore"):
        room = np.minimum(1e-3 * np.maximum(np.abs(u), sizes), 0.1 * (upper - lower))
    return np.clip(u, lower + room, upper - room)


def _tighter(assembly: Assembly) -> SolverOptions:
    """For differences: tolerances whose noise is below all that is looked for. A fixed step is part of the model."""
    options = assembly.problem.engine.options
    if options.step is not None or options.dtype != "float64":
        return options
    return divided(options, TIGHTENING if assembly.problem.engine.is_compiled else TIGHTENING_TORCH)


def _compare(assembly: Assembly, exact: FitProblem, where: str, u: FloatArray, seed: int) -> Iterator[Comparison]:
    steps = FIRST_STEP * assembly.problem.table.sizes
    names = assembly.problem.table.estimated_names
    if assembly.networks is None:
        finer = Likelihood(exact)
        evaluation = Likelihood(assembly.problem).evaluate(u)
        known = evaluation.is_finite
        gradient = evaluation.gradient if known else np.full(len(u), np.nan)
        ways = _ways(assembly.problem, names, np.random.default_rng(seed))
        slopes, lengths, scaled = np.zeros(len(ways)), np.zeros(len(ways)), []
        for k, way in enumerate(ways.values()):
            # One component is compared as it is, and a direction as it is gone.
            step = float(steps[np.argmax(way)]) if np.count_nonzero(way) == 1 else 1.0
            slopes[k] = gradient @ (way * steps) / step
            lengths[k] = np.linalg.norm(evaluation.A.times(way * steps)) / step if known else 0.0
            difference, error = ridders(_along(finer.value, u, way * steps), 1.0)
            scaled.append((difference / step, error / step))
        yield Comparison(where, "sensitivities", evaluation.value, _derivatives(list(ways), slopes, scaled, lengths))
    if assembly.networks is not None or trains_equations(assembly.loaded.config.fit.method):
        yield _by_autograd(assembly, exact, where, u, seed)


def _ways(problem: FitProblem, names: Sequence[str], rng: np.random.Generator) -> dict[str, FloatArray]:
    """The directions [P] in which derivatives are compared: every component, unless they are too many; then those that
    experiments share, and random directions of all others."""
    n = len(names)
    arrow = Likelihood(problem).columns.arrow if n > MAX_SINGLE else None
    if arrow is None:
        return dict(zip(names, np.eye(n), strict=True))
    shared = np.sort(arrow[0].shared)
    ways = {names[k]: (np.arange(n) == k).astype(np.float64) for k in shared.tolist()}
    others = np.ones(n, dtype=bool)
    others[shared] = False
    for k in range(N_RANDOM_DIRECTIONS):
        what = f"{n - len(shared)} parameters of single experiments, in random direction {k + 1}"
        ways[what] = np.where(others, rng.standard_normal(n), 0.0)
    return ways


def _along(function: Callable[[FloatArray], float], u: FloatArray, way: FloatArray) -> Callable[[float], float]:
    return lambda h: function(u + h * way)


def _derivatives(
    names: Sequence[str], gradient: FloatArray, differences: Sequence[tuple[float, float]], lengths: FloatArray
) -> tuple[Derivative, ...]:
    found = []
    for name, g, (d, error), length in zip(names, gradient.tolist(), differences, lengths.tolist(), strict=True):
        known = [abs(x) for x in (g, d) if math.isfinite(x)]
        found.append(Derivative(name, g, d, error, max([length, *known])))
    return tuple(found)


def _by_autograd(assembly: Assembly, exact: FitProblem, where: str, u: FloatArray, seed: int) -> Comparison:
    """The gradient that a training takes: parameter by parameter, or of a network along two random directions."""
    training = _Training(assembly, exact, u)
    rng = np.random.default_rng(seed)
    names = assembly.problem.table.estimated_names
    single = {} if assembly.networks is not None else _ways(assembly.problem, names, rng)
    ways = {name: (way, np.zeros(training.n_weights)) for name, way in single.items()}
    levels = N_STEPS
    if assembly.networks is not None:
        # Each difference costs as much as an epoch, and one direction sees an error in any component.
        levels = N_STEPS_NETWORK
        ways = {"the weights, in a random direction": (np.zeros(len(u)), rng.standard_normal(training.n_weights))}
        if len(u):
            ways["the parameters, in a random direction"] = (rng.standard_normal(len(u)), np.zeros(training.n_weights))
    sizes = assembly.problem.table.sizes
    scaled = {name: (sizes * du, dw) for name, (du, dw) in ways.items()}
    value, gradient = training.gradient()
    slopes = np.array([gradient @ np.concatenate(way) for way in scaled.values()])
    moved = [functools.partial(training.moved, np.concatenate(way)) for way in scaled.values()]
    differences = [ridders(along, FIRST_STEP, levels) for along in moved]
    # A loss is a mean over cells: what is small beside the largest of its derivatives does not steer the training.
    largest = 1e-2 * max((abs(d) for d, _ in differences if math.isfinite(d)), default=0.0)
    return Comparison(
        where, "autograd", value, _derivatives(list(ways), slopes, differences, np.full(len(ways), largest))
    )


class _Training:
    """The objective as a training has it, the same solved more exactly, and all data.

    The weights are those of the assembly's networks, which both share, and which are put back after every step.
    """

    def __init__(self, assembly: Assembly, exact: FitProblem, u: FloatArray) -> None:
        import torch
        from torch import nn

        from odefit.data.dataset import data_loader
        from odefit.training.objective_torch import TrainingObjective

        config = assembly.loaded.config
        dtype = getattr(torch, config.solver.dtype)
        start = torch.as_tensor(u, dtype=dtype, device=config.solver.device)
        networks = assembly.networks if assembly.networks is not None else nn.ModuleDict()
        loss = config.fit.loss or "mse"
        self.coarse, self.fine = (TrainingObjective(p, networks, loss, start) for p in (assembly.problem, exact))
        loader = data_loader(assembly.problem.solved.experiments, None, torch.Generator(), dtype, config.solver.device)
        self.batch: Batch = next(iter(loader))

    @property
    def n_weights(self) -> int:
        return sum(q.numel() for q in _trained(self.fine)[1:])

    def gradient(self) -> tuple[float, FloatArray]:
        """The loss and its gradient to u and to all weights; NaN where there is none."""
        parameters = _trained(self.coarse)
        try:
            loss = self.coarse(self.batch)
            loss.backward()
        except SolveError:
            return math.inf, np.full(sum(q.numel() for q in parameters), np.nan)
        flat = [(q.new_zeros(q.shape) if q.grad is None else q.grad).reshape(-1) for q in parameters]
        self.coarse.zero_grad(set_to_none=True)
        found = np.concatenate([part.detach().double().cpu().numpy() for part in flat])
        return float(loss.detach()), found

    def moved(self, way: FloatArray, h: float) -> float:
        """The loss, solved more exactly, h times `way` [P + weights] from here; inf where the model fails."""
        import torch

        parameters = _trained(self.fine)
        before = [q.detach().clone() for q in parameters]
        parts = np.split(way, np.cumsum([q.numel() for q in parameters])[:-1])
        with torch.no_grad():
            for q, part in zip(parameters, parts, strict=True):
                q.add_(torch.as_tensor(h * part).reshape(q.shape).to(q))
            try:
                return float(self.fine(self.batch))
            except SolveError:
                return math.inf
            finally:
                for q, old in zip(parameters, before, strict=True):
                    q.copy_(old)


def _trained(module: TrainingObjective) -> list[Tensor]:
    """u, and the weights that are estimated."""
    return [module.u, *(q for name, q in module.named_parameters() if name != "u" and q.requires_grad)]


def ridders(function: Callable[[float], float], step: float, levels: int = N_STEPS) -> tuple[float, float]:
    """f'(0) and an estimate of its error, from central differences at step, step/1.6, ... (J. F. Ridders 1982).

    Steps at which the function is not finite are left out; both are NaN where none is left.
    """
    rows: list[list[float]] = []
    best, error = math.nan, math.inf
    h = step
    for _ in range(levels):
        slope = (function(h) - function(-h)) / (2 * h)
        h /= STEP_FACTOR
        if not math.isfinite(slope):
            rows = []
            continue
        row = [slope]
        for j, before in enumerate(rows[-1] if rows else ()):
            factor = STEP_FACTOR ** (2 * (j + 1))
            row.append((factor * row[j] - before) / (factor - 1))
            change = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - before))
            if change <= error:
                best, error = row[j + 1], change
        worse = bool(rows) and abs(row[-1] - rows[-1][-1]) >= 2 * error
        rows.append(row)
        if worse and len(rows) > 3:
            break  # rounding, or the solver's own noise, has taken over
    return best, error


def report_lines(report: GradientReport) -> list[str]:
    """The report as text, for the screen."""
    lines = ["Gradient, compared with differences"]
    for c in report.comparisons:
        lines.append(f"  at {c.where}, by {c.kind}: {_verdict(c)}")
        for d in c.wrong:
            lines.append(f"    {d.name}: {d.gradient:.6g} by {c.kind}, {d.difference:.6g} by differences")
        for d in c.unknown:
            lines.append(
                f"    {d.name}: {d.gradient:.6g}; the differences are too rough to judge it (off by {d.error:.2g})"
            )
    if report.failures:
        lines.append(f"  {report.failures} more points left out, where the model fails: {report.why}")
    lines += ["", f"Solver ({report.solver}): how much the objective moves; half a unit is one standard error"]
    for where in dict.fromkeys(each.where for each in report.changes):
        own = [each for each in report.changes if each.where == where]
        said = ", ".join(f"{_number(each.change)} at 1/{each.factor}" for each in own)
        worst = max((each.change for each in own), key=lambda x: math.inf if math.isnan(x) else x)
        lines.append(f"  at {where}: {said} of the tolerances or steps{_remark(worst)}")
    return lines


def _verdict(c: Comparison) -> str:
    judged = len(c.derivatives) - len(c.unknown)
    if c.wrong:
        return f"differs in {len(c.wrong)} of {len(c.derivatives)}"
    if not judged:
        return "cannot be judged"
    digits = math.ceil(math.log10(max(c.off, 1e-12)) + 1e-9)
    some = "" if not c.unknown else f", as far as it can be judged ({judged} of {len(c.derivatives)})"
    return f"agrees to 1e{digits:+03d}{some}"


def _number(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "unknown (the model fails)"


def _remark(change: float) -> str:
    if not change <= HALF_UNIT:
        return ": too much, the tolerances must be smaller"
    return ": more than an optimum should depend on" if change > MAX_OBJECTIVE_CHANGE else ""
