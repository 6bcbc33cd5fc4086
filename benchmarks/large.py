"""Large: 10,000 experiments, and a million rows.

    python benchmarks/large.py [--experiments 10000] [--rows 1000000] [--own 300] [--profile]

Each part runs in a process of its own, so that its memory is its own. 1,000 starts are the matter of starts.py, and
long trainings that of long_training.py.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import multiprocessing
import os
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from timing import describe_machine, duration, show

LOGISTIC = """
model:
  equations: {{x: r*x*(1 - x/K)}}
  initial: {{x: {initial}}}
parameters:
  r: {{value: 0.8, scale: log}}
  K: {{value: 9, scale: log{by}}}
data: {{csv: d.csv}}
noise: {{x: {{sigma: 0.1}}}}
"""
TIMES = 100


def megabytes() -> float:
    """The most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what the parent had when it made this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def own_process(task: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a task in a fresh process; `megabytes` there is what the task needed."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(task, arguments)


def write_experiments(path: Path, experiments: int, times: int = TIMES) -> None:
    """Logistic growth from different starts, with noise."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 10, times)
    with path.open("w") as file:
        file.write("experiment,time,x\n")
        for e, start in enumerate(rng.uniform(0.5, 2.0, experiments).tolist()):
            x = 10 / (1 + (10 / start - 1) * np.exp(-0.7 * t)) + 0.1 * rng.standard_normal(times)
            file.writelines(f"e{e},{a:.3f},{b:.5f}\n" for a, b in zip(t.tolist(), x.tolist(), strict=True))


def many_experiments(folder: str, initial: str, by: str, profile: bool) -> list[str]:
    """Read, assemble, one value, one evaluation with derivatives: the cells of one line."""
    from odefit.config.load import load_config
    from odefit.objective.likelihood import Likelihood
    from odefit.problem.assembly import assemble
    from odefit.problem.preparation import measurements
    from odefit.problem.systems import describe_system

    path = Path(folder) / "c.yaml"
    path.write_text(LOGISTIC.format(initial=initial, by=by))
    before = megabytes()
    loaded = load_config(path)
    described = describe_system(loaded)
    found = []
    begun = time.perf_counter()
    measured, _ = measurements(loaded, described)
    found.append(duration(time.perf_counter() - begun))
    profiler = cProfile.Profile()
    begun = time.perf_counter()
    if profile:
        profiler.enable()
    assembly = assemble(loaded, described, measured)
    profiler.disable()
    found.append(duration(time.perf_counter() - begun))
    table = assembly.problem.table
    likelihood = Likelihood(assembly.problem)
    u = table.to_search(table.values)
    likelihood.value(u)  # compiles
    begun = time.perf_counter()
    value = likelihood.value(u)
    found.append(duration(time.perf_counter() - begun))
    assert math.isfinite(value), likelihood.failure
    begun = time.perf_counter()
    assert likelihood.evaluate(u).is_finite
    found.append(duration(time.perf_counter() - begun))
    found += [str(len(u)), f"{megabytes() - before:.0f} MB"]
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(15)
    return found


def whole_fit(folder: str, initial: str, by: str) -> list[str]:
    """A fit with its report and its files, but no pictures."""
    from odefit.api import fit

    path = Path(folder) / "c.yaml"
    path.write_text(LOGISTIC.format(initial=initial, by=by))
    begun, used = time.perf_counter(), time.process_time()
    run = fit(path, out=Path(folder) / "run", overwrite=True)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    r = run.result.estimates["r"]
    assert r.value is not None
    assert abs(r.value - 0.7) < 0.01
    iterations = len((run.path / "history.csv").read_text().splitlines()) - 2
    return [
        f"{run.result.objective.n_estimated:,}",
        run.result.status,
        str(iterations),
        duration(run.result.seconds),
        duration(seconds),
        duration(used),
        f"{megabytes():.0f} MB",
    ]


def both_forms(folder: str) -> list[list[str]]:
    """What an optimizer does with A beside evaluating it: its model, the full step and one within a radius."""
    from odefit.config.load import load_config
    from odefit.linalg.score import Evaluations
    from odefit.objective.likelihood import Likelihood
    from odefit.optimizers.local_model import LocalModels
    from odefit.problem.preparation import prepare
    from odefit.uncertainty.covariance import fisher_covariance

    path = Path(folder) / "c.yaml"
    path.write_text(LOGISTIC.format(initial="estimate", by=", by: experiment"))
    problem = prepare(load_config(path))[0].problem
    table = problem.table
    u, (low, high) = table.to_search(table.values), table.search_bounds()
    found, steps, errors = [], [], []
    for blocks in (False, True):
        here = Likelihood(problem, blocks).evaluate(u)
        begun = time.perf_counter()
        model = LocalModels.at(u[None], Evaluations.of([here]), np.ones(len(u)), low, high)
        full = model.damped(np.zeros(1))
        steps.append(np.concatenate([full[0], model.step(0.3 * np.linalg.norm(full, axis=1), full)[0][0]]))
        seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        errors.append(fisher_covariance(here.A, table.estimated_names).standard_errors)
        found.append([seconds, time.perf_counter() - begun])
    differences = [np.abs(y - x).max() / np.abs(x).max() for x, y in (steps, errors)]
    rows = [[duration(t) for t in times] for times in found]
    ratios = [f"{x / y:.0f} times less, equal to {d:.0e}" for x, y, d in zip(*found, differences, strict=True)]
    return [["matrix", *rows[0]], ["arrow", *rows[1]], ["", *ratios]]


def many_rows(path: str) -> tuple[float, float]:
    """Seconds and megabytes of reading."""
    from odefit.data.tables import read_table

    before = megabytes()
    begun = time.perf_counter()
    experiments = read_table(path, observables=["x", "y"])
    seconds = time.perf_counter() - begun
    assert sum(len(e.times) for e in experiments) > 0
    return seconds, megabytes() - before


def write_rows(path: Path, rows: int, long: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((rows, 2)).tolist()
    with path.open("w") as file:
        if long:
            file.write("experiment,time,observable,value\n")
            names = ("x", "y")
            file.writelines(
                f"e{k // 1000},{k // 2 % 500 * 0.01:.2f},{names[k % 2]},{a:.6f}\n" for k, (a, _) in enumerate(values)
            )
        else:
            file.write("experiment,time,x,y\n")
            file.writelines(f"e{k // 1000},{k % 1000 * 0.01:.2f},{a:.6f},{b:.6f}\n" for k, (a, b) in enumerate(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--own", type=int, default=300, help="experiments of which the matrix is decomposed, too")
    parser.add_argument("--profile", action="store_true", help="show where the assembly spends its time")
    chosen = parser.parse_args()
    describe_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_experiments(folder / "d.csv", chosen.experiments)
        size = (folder / "d.csv").stat().st_size / 1e6
        kinds = {
            "initial values from the first rows": ("first", ""),
            "an initial value estimated for each": ("estimate", ""),
            "and K for each": ("estimate", ", by: experiment"),
        }
        rows = [
            [kind, *own_process(many_experiments, name, *setting, chosen.profile)] for kind, setting in kinds.items()
        ]
        header = ("", "read", "assemble", "value", "with derivatives", "parameters", "memory")
        show(f"{chosen.experiments} experiments of {TIMES} rows ({size:.0f} MB)", header, rows)

        rows = [[kind, *own_process(whole_fit, name, *setting)] for kind, setting in kinds.items()]
        header = ("", "parameters", "", "iterations", "fit", "with report and files", "of this CPU", "memory")
        show("The whole fit", header, rows)

        write_experiments(folder / "d.csv", chosen.own)
        rows = own_process(both_forms, name)
        show(f"{chosen.own} experiments of {TIMES} rows, 2 values each", ("A", "model, 2 steps", "covariance"), rows)

        rows = []
        for layout in ("wide", "long"):
            write_rows(folder / "rows.csv", chosen.rows, layout == "long")
            size = (folder / "rows.csv").stat().st_size / 1e6
            seconds, memory = own_process(many_rows, str(folder / "rows.csv"))
            rows.append([layout, f"{size:.0f} MB", duration(seconds), f"{memory:.0f} MB", f"{memory / size:.1f}"])
        show(f"A CSV file of {chosen.rows} rows", ("layout", "file", "read", "memory", "times the file"), rows)


if __name__ == "__main__":
    main()
