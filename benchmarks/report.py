"""How long `odefit report` takes, and how large its file is: 50 experiments with 5 observables each.

    python benchmarks/report.py [EXPERIMENTS] [OBSERVABLES]

The whole process is measured, from start-up on: CPU time (user and system) of `odefit report RUN`, three times.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import odefit

TIMES = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]


def config(experiments: int, observables: int) -> dict[str, Any]:
    """A chain of decays, whose states start elsewhere in each experiment."""
    names = [f"x{k + 1}" for k in range(observables)]
    equations = {names[0]: f"-k1*{names[0]}"}
    equations |= {b: f"k{k + 1}*{a} - k{k + 2}*{b}" for k, (a, b) in enumerate(pairwise(names))}
    rates = {f"k{k + 1}": 1.0 / (k + 1) for k in range(observables)}
    return {
        "title": f"{experiments} experiments with {observables} observables",
        "model": {"equations": equations, "initial": "estimate"},
        "parameters": {
            **{name: {"value": value, "bounds": [0.01, 100], "scale": "log"} for name, value in rates.items()},
            **{f"{name}_0": {"value": 5, "bounds": [0.01, 1000], "scale": "log"} for name in names},
        },
        "data": {
            "simulate": {
                "parameters": rates,
                "experiments": experiments,
                "initial": dict.fromkeys(names, 5),
                "spread": 0.3,
                "times": TIMES,
                "noise": 0.2,
                "seed": 1,
            }
        },
    }


def main() -> None:
    """Fit, report, print."""
    experiments, observables = (int(text) for text in (*sys.argv[1:], "50", "5")[:2])
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        fitted = odefit.fit(config(experiments, observables), out=run)
        print(fitted.result.status, f"{fitted.result.objective.n_observations} measurements")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-P", "-m", "odefit.cli", "report", str(run)], check=True, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{cpu:.2f} s of CPU time, {(run / 'report.html').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
