"""Many starts on real data: configs/lynx_hare.yaml with 20 and with 1,000 starts, and two peers on the same starts.

    python benchmarks/starts.py

    odefit                the fit of the config: screening, all starts in one worker per core, the best one polished.
                          Two noise levels are estimated as well
    SciPy                 solve_ivp(method="LSODA") and least_squares, derivatives by differences, in the same bounds
    diffrax + optimistix  Tsit5 and LevenbergMarquardt, both compiled by JAX; knows no bounds

The peers minimise the sum of squared residuals of the logarithms over the six parameters, start after start in one
process, at the config's tolerances. All begin at the points that odefit's screening chose. Of 1,000 starts the peers
do the first 20 (SciPy) or 100 (diffrax), and the time is scaled. `at best`: starts that ended within 1 % of the lowest
sum of squares. The second table has the time of the whole command, from a cold start of Python to the run folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from diffrax_peer import lotka_volterra_fits
from numpy.typing import NDArray
from timing import best_times, describe_machine, duration, missing, seconds, show, times_less

from odefit.config.load import load_config
from odefit.fitting.starting_points import starting_points
from odefit.fitting.strategy import search
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent

CONFIG = Path(__file__).parents[1] / "configs" / "lynx_hare.yaml"
RTOL, ATOL = 1e-6, 1e-8
Array = NDArray[np.float64]
Fit = Callable[[Array], float]
"""From a start (six logarithms) to the sum of squares that was reached."""


@dataclass(frozen=True)
class Task:
    """The data and the starts: u = log(alpha, beta, gamma, delta, hare_0, lynx_0)."""

    times: Array
    logs: Array
    lower: Array
    upper: Array
    starts: Array


def main() -> None:
    describe_machine("diffrax", "optimistix", "jax")
    # All of odefit's turns come before JAX is imported, whose threads no fork survives.
    measured = [(n, *own(n, rounds)) for n, rounds in ((20, 3), (1000, 1))]
    whole_command()
    for n, task, rows in measured:
        show_with_peers(n, task, rows)


Rows = dict[str, tuple[float, int, int]]
"""Seconds, starts at the best optimum, starts done."""


def own(n: int, rounds: int) -> tuple[Task, Rows]:
    """odefit's times, with one worker per core and with one in all; and the starts, for the peers."""
    assembly, _ = prepare(load_config(CONFIG, [f"fit.starts={n}"]))
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    task = task_of(assembly, starting_points(objective, n, seed=0))
    alone, _ = prepare(load_config(CONFIG, [f"fit.starts={n}", "fit.workers=1"]))
    turns = {"odefit": partial(search, assembly, Silent()), "odefit, one worker": partial(search, alone, Silent())}
    times = best_times(turns, rounds)
    at_best = search(assembly, Silent()).starts.at_best
    return task, {name: (value, at_best, n) for name, value in times.items()}


def show_with_peers(n: int, task: Task, rows: Rows) -> None:
    rows["SciPy LSODA"] = peer(scipy_fit(task), task, n, 20)
    if not missing("diffrax", "optimistix"):
        rows["diffrax + optimistix"] = peer(diffrax_fit(task), task, n, 100)
    base = rows["odefit"][0]
    cells = [[k, duration(t), times_less(t / base), f"{b} of {d}"] for k, (t, b, d) in rows.items()]
    show(f"{n} starts: time of the fit", ("", "time", "times odefit's", "at best"), cells)


def peer(fit: Fit, task: Task, n: int, most: int) -> tuple[float, int, int]:
    """The first of the starts by a peer, and its time for all n."""
    done, reached = min(most, n), list[float]()
    spent = seconds(lambda: reached.extend(fit(u) for u in task.starts[:done]))
    return spent * n / done, sum(value <= 1.01 * min(reached) for value in reached), done


def task_of(assembly: Assembly, starts: Array) -> Task:
    (series,) = assembly.problem.experiments
    lower, upper = assembly.problem.table.search_bounds()
    names = ("alpha", "beta", "gamma", "delta", "hare_0", "lynx_0")
    # The profiled noise levels come after the six: their order is checked, not assumed.
    order = [assembly.problem.table.estimated_names.index(name) for name in names]
    if sorted(order) != list(range(6)):
        raise RuntimeError("the config no longer estimates these six parameters first")
    return Task(series.times, np.log(series.values), lower[order], upper[order], starts[:, order])


def scipy_fit(task: Task) -> Fit:
    from scipy.integrate import solve_ivp
    from scipy.optimize import least_squares

    start, end = float(task.times[0]), float(task.times[-1])

    def residuals(u: Array) -> Array:
        alpha, beta, gamma, delta, *y0 = np.exp(u)

        def rate(_t: float, y: Array) -> list[float]:
            return [alpha * y[0] - beta * y[0] * y[1], delta * y[0] * y[1] - gamma * y[1]]

        y = solve_ivp(rate, (start, end), y0, method="LSODA", t_eval=task.times, rtol=RTOL, atol=ATOL).y.T
        if y.shape != task.logs.shape:
            return np.full(task.logs.size, 1e3)
        return (np.log(np.maximum(y, 1e-9)) - task.logs).ravel()

    def fit(u: Array) -> float:
        inside = np.clip(u, task.lower + 1e-9, task.upper - 1e-9)
        return 2 * float(least_squares(residuals, inside, bounds=(task.lower, task.upper)).cost)

    return fit


def diffrax_fit(task: Task) -> Fit:
    fit = lotka_volterra_fits(task.times, task.logs, RTOL, ATOL)
    compiled = seconds(lambda: fit(task.starts[0]))
    print(f"\n(diffrax + optimistix: {compiled:.1f} s to compile and for the first start, not counted below)")
    return fit


def whole_command() -> None:
    rows = []
    for n, target, rounds in ((20, 2.0, 5), (1000, 10.0, 2)):
        spent = min(seconds(lambda k=n: command(k)) for _ in range(rounds))
        rows.append([f"fit.starts={n}", duration(spent), f"<= {target:g} s", "yes" if spent <= target else "no"])
    show("odefit fit configs/lynx_hare.yaml --no-plots", ("", "whole process", "target", "met"), rows)


def command(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["fit", str(CONFIG), "--no-plots", "--out", str(Path(folder) / "run"), "--set", f"fit.starts={n}"]
        subprocess.run([sys.executable, "-m", "odefit.cli", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
