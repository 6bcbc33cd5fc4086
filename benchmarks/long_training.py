"""A training of 100,000 epochs: its memory and its checkpoint must not grow with them.

    python benchmarks/long_training.py [--epochs 100000]

One fit of one rate constant to three points, by Adam, with everything that a fit keeps: history, checkpoints, log. The
memory is that of the process (resident), read at the end of an epoch.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from timing import describe_machine, show

import odefit
from odefit.runs.progress import Silent

CONFIG = """\
model: {{equations: {{x: -k*x}}, initial: {{x: 1}}}}
parameters: {{k: 0.5}}
data: {{csv: d.csv}}
fit: {{method: adam, epochs: {epochs}, learning_rate: 1.0e-5}}
"""


class Watching(Silent):
    """Notes the memory and the size of the checkpoint after some of the epochs."""

    def __init__(self, folder: Path, epochs: list[int]) -> None:
        self.folder, self.epochs = folder, set(epochs)
        self.rows: list[list[str]] = []

    def epoch(self, number: int, *_: Any) -> None:
        if number in self.epochs:
            status = Path("/proc/self/status").read_text().splitlines()
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            path = self.folder / "checkpoint.jsonl"
            size = f"{path.stat().st_size / 1e6:.2f} MB" if path.exists() else "none yet"
            self.rows.append([f"{number:,}", f"{resident * 1024 / 1e6:.1f} MB", size])
            print(*self.rows[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100_000)
    most = parser.parse_args().epochs
    describe_machine("torch")
    seen = sorted({k for n in range(3, 9) for k in (10**n, 2 * 10**n, 5 * 10**n) if k < most} | {most})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.yaml").write_text(CONFIG.format(epochs=most))
        (folder / "d.csv").write_text("time,x\n0,1\n1,0.6\n2,0.4\n")
        watching = Watching(folder / "run", seen)
        run = odefit.fit(folder / "c.yaml", out=folder / "run", progress=watching)
        history = len(run.frame("history"))
    print(run.result.message)
    show(f"{most:,} epochs; history.csv has {history:,} of them", ("epochs", "memory", "checkpoint"), watching.rows)


if __name__ == "__main__":
    main()
