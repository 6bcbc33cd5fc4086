"""Fits whose searches go on together, beside an earlier build: whole processes, by their CPU time (user and system).

    python benchmarks/batches.py BUILD [--turns 3] [--starts 20 1000] [--experiments 10000] [--old-starts 200]

BUILD is a checkout of the earlier build, such as `git worktree add ../old 6d87900` makes. Both are run by this Python,
one after the other in turns, and the least of each is compared: what else the machine does adds to CPU times too. Of
thousands of starts the earlier build does `--old-starts`, and its time beyond that of 20 is scaled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from large import LOGISTIC, write_experiments
from timing import describe_machine, duration, environment_of, show, times_less

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
COMMAND = ["-P", "-m", "odefit.cli", "fit"]


@dataclass(frozen=True)
class Measured:
    """CPU seconds of a process and of all that it waited for; what the fit says of itself."""

    cpu: float
    at_best: int
    objective: float


def process(build: Path, config: Path, overrides: list[str]) -> Measured:
    """One `odefit fit` without pictures, by a build."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, *COMMAND, str(config), "--no-plots", "--out", str(out)]
        for override in overrides:
            command += ["--set", override]
        environment = environment_of(build) | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        assert child.stderr is not None
        text = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if not (out / "result.json").exists():
            raise RuntimeError(text.decode())
        result = json.loads((out / "result.json").read_text())
    return Measured(used.ru_utime + used.ru_stime, result["starts"]["at_best"], result["objective"]["nll"])


def in_turns(builds: list[Path], config: Path, overrides: list[str], turns: int) -> list[Measured]:
    """The least of each build."""
    found = [[process(build, config, overrides) for build in builds] for _ in range(turns)]
    return [min(column, key=lambda one: one.cpu) for column in zip(*found, strict=True)]


def line(name: str, old: float, new: Measured) -> list[str]:
    return [name, duration(old), duration(new.cpu), times_less(old / new.cpu), str(new.at_best), f"{new.objective:.6f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--starts", type=int, nargs="*", default=[20, 1000])
    parser.add_argument("--old-starts", type=int, default=200)
    parser.add_argument("--experiments", type=int, default=10_000, help="0 leaves them out")
    chosen = parser.parse_args()
    builds = [chosen.build.resolve(), ROOT]
    describe_machine()
    lynx = CONFIGS / "lynx_hare.yaml"
    rows, twenty = [], in_turns(builds, lynx, ["fit.starts=20"], chosen.turns)
    for n in chosen.starts:
        fewer = min(n, chosen.old_starts)
        old = twenty[0] if fewer == 20 else process(builds[0], lynx, [f"fit.starts={fewer}"])
        scaled = old.cpu if fewer == n else twenty[0].cpu + (old.cpu - twenty[0].cpu) * (n - 20) / (fewer - 20)
        new = twenty[1] if n == 20 else in_turns(builds[1:], lynx, [f"fit.starts={n}"], chosen.turns)[0]
        rows.append(line(f"lynx-hare, {n} starts", scaled, new))
    for name in ("theophylline", "flu_1978", "puromycin"):
        old, new = in_turns(builds, CONFIGS / f"{name}.yaml", [], chosen.turns)
        rows.append(line(name, old.cpu, new))
    if chosen.experiments:
        with tempfile.TemporaryDirectory() as folder:
            write_experiments(Path(folder) / "d.csv", chosen.experiments)
            config = Path(folder) / "c.yaml"
            config.write_text(LOGISTIC.format(initial="first", by=""))
            old, new = in_turns(builds, config, [], 1)
            rows.append(line(f"{chosen.experiments:,} experiments of 100 rows", old.cpu, new))
    header = ("CPU of the whole process", "earlier build", "this one", "less", "at best", "objective")
    show("Fits without pictures", header, rows)


if __name__ == "__main__":
    main()
