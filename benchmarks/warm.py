"""Fits in a process that has done the same one: without imports and compilation, beside an earlier build, by CPU time.

    python benchmarks/warm.py BUILD [--turns 3] [--fits 5] [--configs theophylline flu_1978 puromycin lynx_hare]

BUILD is a checkout of the earlier build. A process of each build fits a config twice, then `--fits` times more, of
which the least counts, user and system time, and that of the children (of the workers of starts) with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from timing import describe_machine, duration, environment_of, show, times_less

ROOT = Path(__file__).parents[1]
TASK = """
import resource, shutil, sys, tempfile
import odefit
def used():
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, kinds))
found = []
for k in range(2 + int(sys.argv[2])):
    folder = tempfile.mkdtemp()
    begun = used()
    odefit.fit(sys.argv[1], out=folder + "/run")
    found.append(used() - begun)
    shutil.rmtree(folder)
print(min(found[2:]))
"""


def least(build: Path, config: str, fits: int) -> float:
    """CPU seconds of the fit that was disturbed least."""
    environment = environment_of(build) | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", TASK, str(ROOT / "configs" / f"{config}.yaml"), str(fits)]
    done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--configs", nargs="+", default=["theophylline", "flu_1978", "puromycin", "lynx_hare"])
    chosen = parser.parse_args()
    describe_machine()
    rows = []
    for config in chosen.configs:
        turns = [[least(b, config, chosen.fits) for b in (chosen.build.resolve(), ROOT)] for _ in range(chosen.turns)]
        old, new = map(min, zip(*turns, strict=True))
        rows.append([config, duration(old), duration(new), times_less(old / new)])
    show("Fits in a process that has done the same", ("CPU", "earlier build", "this one", "less"), rows)


if __name__ == "__main__":
    main()
