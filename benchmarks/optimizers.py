"""Which optimizer reaches the optimum most often, and with how few evaluations? No ODE is solved here.

    python benchmarks/optimizers.py

Peers: SciPy's trust-region reflective method (`least_squares(method="trf")`; an estimated sigma becomes one more
residual per datum, sqrt(2 (log sigma + C))), the package `fides` with the same Fisher information (where it is
installed), our Levenberg-Marquardt (and what it would be without a `size` of each parameter) and our L-BFGS-B.

A run counts as solved when it comes within 1e-4 relative of the global minimum (sums of squares), or within 1e-3 of
the best log-likelihood that any of them found. `evaluations` and `gradients` are what that took, summed over
the runs that all optimizers solved, so that none is paid for giving up early or for its tolerances; `in all`
is the sum over all runs until the optimizer itself stopped (fides computes derivatives with every value).
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import closed_form_problems as closed
from more_garbow_hillstrom import PROBLEMS
from odefit.linalg.score import Evaluation
from odefit.optimizers.base import Objective, typical_size
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.optimizers.least_squares import minimize_least_squares

Array = NDArray[np.float64]
STEPS = 1000


@dataclass
class Recorder:
    """An objective that remembers each new best value with what it has cost so far."""

    objective: Objective
    evaluations: int = 0
    gradients: int = 0
    best: float = np.inf
    trace: list[tuple[float, int, int]] = field(default_factory=list)

    def value(self, u: Array) -> float:
        self.evaluations += 1
        return self._note(self.objective.value(u))

    def evaluate(self, u: Array) -> Evaluation:
        self.gradients += 1
        here = self.objective.evaluate(u)
        self._note(here.value)
        return here

    def _note(self, value: float) -> float:
        if value < self.best:
            self.best = value
            self.trace.append((value, self.evaluations, self.gradients))
        return value

    def cost(self, target: float) -> tuple[int, int] | None:
        """Evaluations and gradients until the target was reached."""
        return next(((e, g) for value, e, g in self.trace if value <= target), None)


@dataclass(frozen=True)
class Run:
    """One problem from one start. target: None where it is the best value found (plus 1e-3)."""

    objective: Objective
    start: Array
    lower: Array
    upper: Array
    size: Array
    target: float | None
    key: str


Optimize = Callable[[Run, Recorder], None]


def own(run: Run, recorder: Recorder) -> None:
    minimize_least_squares(recorder, run.start, run.lower, run.upper, size=run.size, max_iterations=STEPS)


def own_scaled_by_columns(run: Run, recorder: Recorder) -> None:
    """With steps measured by the columns of A at the start, as scale-free codes do without a `size`."""
    norms = run.objective.evaluate(run.start).lengths
    size = 1 / np.where(norms > 0, norms, 1.0)
    # The first step is as long as with `size`, only its shape is another.
    size *= np.linalg.norm(run.size) / np.linalg.norm(size)
    minimize_least_squares(recorder, run.start, run.lower, run.upper, size=size, max_iterations=STEPS)


def own_lbfgs(run: Run, recorder: Recorder) -> None:
    minimize_lbfgs(recorder, run.start, run.lower, run.upper, size=run.size, max_iterations=STEPS)


def scipy_trf(run: Run, recorder: Recorder) -> None:
    from scipy.optimize import least_squares

    residuals, jacobian = as_residuals(run.objective)

    def f(u: Array) -> Array:
        recorder.value(u)
        return residuals(u)

    def J(u: Array) -> Array:
        recorder.evaluate(u)
        return jacobian(u)

    bounds = (run.lower, run.upper)
    least_squares(f, run.start, J, bounds, "trf", x_scale=run.size, max_nfev=STEPS)


def as_residuals(objective: Objective) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """The objective as a plain sum of squares, for least squares that know nothing else."""
    if not isinstance(objective, closed.EstimatedSigma):
        return lambda u: objective.evaluate(u).z, lambda u: objective.evaluate(u).A.dense()
    k, group, offset = objective.n_groups, objective.model.group, 50.0

    def residuals(u: Array) -> Array:
        z = objective.evaluate(u).z
        return np.concatenate([z[: len(group)], np.sqrt(2 * (u[-k:][group] + offset))])

    def jacobian(u: Array) -> Array:
        A = objective.evaluate(u).A.dense().copy()
        r = objective.evaluate(u).z[: len(group)]
        which = np.eye(k)[group]
        A[: len(group), -k:] = -r[:, None] * which
        A[len(group) :, -k:] = which / np.sqrt(2 * (u[-k:][group] + offset))[:, None]
        return A

    return residuals, jacobian


def fides_fim(run: Run, recorder: Recorder) -> None:
    import fides

    def f(x: Array) -> tuple[float, Array, Array]:
        here = recorder.evaluate(x * run.size)
        A = here.A.dense() * run.size
        return here.value, A.T @ here.z, A.T @ A

    scale = run.size
    optimizer = fides.Optimizer(
        f,
        ub=run.upper / scale,
        lb=run.lower / scale,
        verbose=logging.CRITICAL,
        options={fides.Options.MAXITER: STEPS},
    )
    optimizer.minimize(run.start / scale)


def installed() -> dict[str, Optimize]:
    found = {
        "odefit least_squares": own,
        "  scaled by columns": own_scaled_by_columns,
        "odefit lbfgs": own_lbfgs,
        "scipy trf": scipy_trf,
    }
    try:
        import fides  # noqa: F401
    except ImportError:
        print("fides is not installed: left out")
    else:
        found["fides, Fisher"] = fides_fim
    return found


def more_garbow_hillstrom(factors: tuple[int, ...]) -> Iterator[Run]:
    for problem in PROBLEMS:
        for factor in factors:
            start = problem.start * factor
            objective = closed.SquaredResiduals.of(problem)
            if (factor == 1 or problem.start.any()) and np.isfinite(objective.value(start)):
                free = np.full(len(start), np.inf)
                target = problem.minima[0] * (1 + 1e-4) / 2 + 1e-10
                yield Run(objective, start, -free, free, typical_size(start), target, problem.name)


def likelihoods(
    models: tuple[closed.Model, ...], kind: str, logarithmic: bool, sigma_factor: float = 1.0
) -> Iterator[Run]:
    for model in models:
        for x in model.starts:
            size = np.ones(len(x)) if logarithmic else typical_size(x)
            reach = np.log(100) if logarithmic else np.inf
            centre = model.solution if logarithmic and model.solution is not None else x
            lower, upper = centre - reach, centre + reach
            objective: Objective = closed.ProfiledSigma(model)
            if kind == "estimated":
                objective = closed.EstimatedSigma(model)
                log_sigma = np.full(objective.n_groups, np.log(sigma_factor * np.std(model.data)))
                x, size = np.concatenate([x, log_sigma]), np.append(size, np.ones(objective.n_groups))
                lower = np.append(lower, np.full(objective.n_groups, -30.0))
                upper = np.append(upper, np.full(objective.n_groups, 20.0))
            target = None
            if kind == "fixed":
                objective = closed.SquaredResiduals(model.residuals)
                best = minimize_least_squares(objective, model.solution, lower, upper, size=size).value
                target = best * (1 + 1e-4)
            yield Run(objective, x, lower, upper, size, target, model.name)


def compare(optimizers: dict[str, Optimize], title: str, runs: list[Run]) -> None:
    recorders: dict[str, list[Recorder]] = {}
    for name, optimize in optimizers.items():
        if name == "scipy trf" and isinstance(runs[0].objective, closed.ProfiledSigma):
            continue  # n log RSS is no sum of squares
        recorders[name] = [attempt(optimize, run) for run in runs]
    targets = [run.target if run.target is not None else best_of(run.key, runs, recorders) + 1e-3 for run in runs]
    costs = {name: [r.cost(t) for r, t in zip(rs, targets, strict=True)] for name, rs in recorders.items()}
    common = [all(cost[i] is not None for cost in costs.values()) for i in range(len(runs))]
    print(f"\n{title}: {len(runs)} runs, {sum(common)} solved by all")
    print(f"{'':22} {'solved':>7} {'evaluations':>12} {'gradients':>10} {'in all':>14}")
    for name, cost in costs.items():
        solved = sum(c is not None for c in cost)
        spent = np.array([c for c, shared in zip(cost, common, strict=True) if shared and c is not None])
        evaluations, gradients = spent.reshape(-1, 2).sum(axis=0)
        total = f"{sum(r.evaluations for r in recorders[name])}/{sum(r.gradients for r in recorders[name])}"
        print(f"{name:22} {solved / len(runs):7.1%} {evaluations:12d} {gradients:10d} {total:>14}")


def attempt(optimize: Optimize, run: Run) -> Recorder:
    recorder = Recorder(run.objective)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            optimize(run, recorder)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError, RuntimeError):
        pass  # what was reached before still counts
    return recorder


def best_of(key: str, runs: list[Run], recorders: dict[str, list[Recorder]]) -> float:
    return min(r.best for rs in recorders.values() for r, run in zip(rs, runs, strict=True) if run.key == key)


def main() -> None:
    peers = installed()
    nist, simulated = closed.nist_models(), closed.simulated_models()
    compare(peers, "Moré-Garbow-Hillstrom, published starts", list(more_garbow_hillstrom((1,))))
    compare(peers, "Moré-Garbow-Hillstrom, 10 and 100 times the starts", list(more_garbow_hillstrom((10, 100))))
    for kind in ("fixed", "estimated", "profiled"):
        compare(peers, f"NIST closed forms, sigma {kind}", list(likelihoods(nist, kind, logarithmic=False)))
    for kind in ("fixed", "estimated", "profiled"):
        compare(peers, f"simulated, bad starts, sigma {kind}", list(likelihoods(simulated, kind, logarithmic=True)))
    compare(
        peers,
        "simulated, bad starts, sigma estimated from 100 times too small",
        list(likelihoods(simulated, "estimated", logarithmic=True, sigma_factor=0.01)),
    )


if __name__ == "__main__":
    main()
