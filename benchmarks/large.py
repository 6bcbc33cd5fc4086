"""Long and large: 10,000 experiments, a million rows, a training whose memory must not grow.

    python benchmarks/large.py [--experiments 10000] [--rows 1000000] [--epochs 2000 20000] [--profile]

Each part runs in a process of its own, so that its memory is its own. 1,000 starts are the matter of starts.py.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import math
import multiprocessing
import os
import pstats
import resource
import sys
import tempfile
import time
import tracemalloc
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


def many_experiments(folder: str, initial: str, by: str, derivatives: bool, profile: bool) -> list[str]:
    """Read, assemble, one value, one evaluation with derivatives: the cells of one line."""
    from odefit.config.load import load_config
    from odefit.objective.likelihood import Likelihood
    from odefit.runs.assembly import assemble
    from odefit.runs.fitting import measurements
    from odefit.runs.systems import describe_system

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
    u = table.search(table.values)
    likelihood.value(u)  # compiles
    begun = time.perf_counter()
    value = likelihood.value(u)
    found.append(duration(time.perf_counter() - begun))
    assert math.isfinite(value), likelihood.failure
    begun = time.perf_counter()
    if derivatives:
        assert likelihood.evaluate(u).is_finite
        found.append(duration(time.perf_counter() - begun))
    else:
        rows = sum(len(e.times) for e in assembly.problem.experiments)
        found.append(f"not tried: A would take {rows * len(u) * 8 / 1e9:.0f} GB")
    found += [str(len(u)), f"{megabytes() - before:.0f} MB"]
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(15)
    return found


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


def long_training(folder: str, epochs: int) -> tuple[float, float, float]:
    """Seconds; megabytes that a training of so many epochs leaves allocated, its history included; and at its most."""
    import torch

    from odefit.config.load import load_config
    from odefit.data.dataset import data_loader
    from odefit.objective.training import TrainingObjective
    from odefit.optimizers.adam import AdamOptions, minimize_adam
    from odefit.runs.fitting import prepare

    path = Path(folder) / "t.yaml"
    path.write_text("model: {equations: {x: -k*x}, initial: {x: 1}}\nparameters: {k: 0.5}\ndata: {csv: t.csv}\n")
    (Path(folder) / "t.csv").write_text("time,x\n0,1\n1,0.6\n2,0.4\n")
    problem = prepare(load_config(path))[0].problem
    module = TrainingObjective(
        problem, torch.nn.ModuleDict(), "mse", torch.as_tensor(problem.table.search(problem.table.values))
    )
    batches = data_loader(problem.experiments, None, torch.Generator())
    minimize_adam(module, batches, AdamOptions(epochs=50))  # whatever is made once
    gc.collect()
    tracemalloc.start()
    begun = time.perf_counter()
    training = minimize_adam(module, batches, AdamOptions(epochs=epochs, learning_rate=1e-4))
    seconds = time.perf_counter() - begun
    gc.collect()
    now, most = tracemalloc.get_traced_memory()
    assert len(training.history) == epochs
    return seconds, now / 1e6, most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, nargs=2, default=[2_000, 20_000])
    parser.add_argument("--profile", action="store_true", help="show where the assembly spends its time")
    chosen = parser.parse_args()
    describe_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_experiments(folder / "d.csv", chosen.experiments)
        size = (folder / "d.csv").stat().st_size / 1e6
        kinds = {
            "initial values from the first rows": ("first", "", True),
            "an initial value estimated for each": ("estimate", "", False),
            "and K for each": ("estimate", ", by: experiment", False),
        }
        rows = [
            [kind, *own_process(many_experiments, name, *setting, chosen.profile)] for kind, setting in kinds.items()
        ]
        header = ("", "read", "assemble", "value", "with derivatives", "parameters", "memory")
        show(f"{chosen.experiments} experiments of {TIMES} rows ({size:.0f} MB)", header, rows)

        rows = []
        for layout in ("wide", "long"):
            write_rows(folder / "rows.csv", chosen.rows, layout == "long")
            size = (folder / "rows.csv").stat().st_size / 1e6
            seconds, memory = own_process(many_rows, str(folder / "rows.csv"))
            rows.append([layout, f"{size:.0f} MB", duration(seconds), f"{memory:.0f} MB", f"{memory / size:.1f}"])
        show(f"A CSV file of {chosen.rows} rows", ("layout", "file", "read", "memory", "times the file"), rows)

        found = [own_process(long_training, name, epochs) for epochs in chosen.epochs]
        rows = [
            [n, duration(s), f"{now:.2f} MB", f"{most:.2f} MB"]
            for n, (s, now, most) in zip(chosen.epochs, found, strict=True)
        ]
        show("A training of many epochs", ("epochs", "time", "left", "at most"), rows)
        (low, high), growth = chosen.epochs, found[1][1] - found[0][1]
        print(f"{1e6 * growth / (high - low):.0f} bytes per epoch (a line of the history)")


if __name__ == "__main__":
    main()
