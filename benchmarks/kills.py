"""Kill fits at random moments, resume them, and compare the outcome bit for bit with that of a fit left alone.

    python benchmarks/kills.py --kills 200

Every try is a process of its own that is killed with SIGKILL, alone or with its workers, until at last one is allowed
to finish. Processes are forked from this one, which has imported all that a first fit needed and computed nothing, so
that a try takes no longer than the fit and the moments are spread over its work. Checkpoints are written as often as
there is something new (RARITY), not once in a while.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LEAST_SQUARES = """\
model: {name: logistic, initial: first}
data:
  simulate: {initial: {x: 0.5}, spread: 0.1, experiments: 4, times: {stop: 10, count: 15}, noise: 0.05, seed: 2}
fit: {starts: 8, seed: 1, workers: 2, folds: 3}
"""
ADAM = """\
model: {name: lotka_volterra, initial: estimate}
data:
  simulate: {initial: {x: 1, y: 1}, spread: 0.1, experiments: 5, times: {stop: 3, count: 8}, noise: 0.05, seed: 2}
fit: {method: adam, epochs: 10, batch_size: 2, loss: nll, schedule: cosine, plot_every: 5, seed: 3}
"""
NETWORK = """\
model: {name: mlp, states: [x, y], hidden: [6], initial: first}
data:
  simulate:
    model: {name: van_der_pol}
    initial: {x: 1, y: 0}
    spread: 0.3
    experiments: 4
    times: {stop: 4, count: 20}
    noise: 0.02
    seed: 2
solver: {method: rk4}
"""
WINDOWS = (
    NETWORK
    + """\
fit:
  method: adam
  epochs: 30
  batch_size: 2
  schedule: plateau
  patience: 25
  match: 20
  windows: {points: [6, 10], epochs: [30], random: true, continuity: 0.1}
  seed: 3
"""
)
LATENT = """\
model:
  name: latent_ode
  measured: [x, y]
  hidden: [8]
  latent: {dimension: 3, encoder: 8, decoder: [6], observed: 6, starts: 2, times_per_step: 7, validation: 0.2,
           own_scale: true, constants: 1, refine: 1}
data: {spirals: {series: 10, times: 14, seed: 2}}
solver: {step: 2}
fit: {method: adam, epochs: 5, batch_size: 4, seed: 3}
"""
SHORT = "windows: {points: [6], epochs: [4], random: true}, patience: 40, seed: 3"
FOLDS = NETWORK + f"fit: {{method: adam, epochs: 2, folds: 2, match: 5, {SHORT}}}\n"
LBFGS = NETWORK + "fit: {method: lbfgs, epochs: 6, folds: 2, match: 20, windows: {points: [6], epochs: [12]}}\n"
PROBLEMS = {
    "least_squares": LEAST_SQUARES,
    "adam": ADAM,
    "windows": WINDOWS,
    "auto": NETWORK,
    "latent": LATENT,
    "folds": FOLDS,
    "lbfgs": LBFGS,
}
NEEDED = {
    "least_squares": ("odefit.fitting.multistart", "odefit.engines.diffsol.diffsol_engine", "pydiffsol", "pebble.pool"),
    "latent": ("odefit.latent.latent_fit", "odefit.latent.task", "torchdiffeq", "scipy.linalg"),
}
ENGINES = ("odefit.engines.torch_engine", "odefit.engines.diffsol.diffsol_engine", "pydiffsol")
TORCH = ("odefit.fitting.network_training", *ENGINES, "torch._dynamo")  # torch's optimizers want the last
GONE = ("lock", "checkpoint.jsonl", "checkpoint-previous.jsonl")


def start(config: Path, out: Path, resume: bool, modules: Path | None = None) -> int:
    """A process with this fit; its id, which is that of its group as well. modules: where to write what it imported."""
    pid = os.fork()
    if pid:
        with contextlib.suppress(
            PermissionError, ProcessLookupError
        ):  # whoever comes first: the child may be killed at once
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        import odefit
        from odefit.runs import checkpoint

        checkpoint.RARITY, checkpoint.FIRST = 1, 0.0
        odefit.fit(config, out=out, resume=resume)
        if modules is not None:
            modules.write_text("\n".join(sys.modules))
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def outcome(run: Path) -> dict[str, Any]:
    """All that a run folder says, without how long it took and what was logged."""
    found: dict[str, Any] = {"names": sorted(p.name for p in run.iterdir())}
    result = json.loads((run / "result.json").read_text())
    found["result"] = {key: value for key, value in result.items() if key != "seconds"}
    for path in sorted(run.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        kept = [k for k, name in enumerate(rows[0]) if name != "seconds"]
        found[path.name] = [[row[k] for k in kept] for row in rows]
    weights = run / "weights.pt"
    found["weights"] = weights.read_bytes() if weights.exists() else None
    return found


def finish(pid: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise SystemExit(f"a fit that nobody killed ended with {code}")


def import_all(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # some modules put others there that have no file
            importlib.import_module(name)


def attempt(config: Path, out: Path, seconds: float, rng: random.Random) -> tuple[int, int]:
    """One fit, killed at moments that are spread over its time, and finished: kills, and those after a checkpoint."""
    from odefit.runs.folder import is_begun

    kills = resumed = 0
    while True:
        pid = start(config, out, resume=is_begun(out))
        time.sleep(rng.uniform(0, seconds))
        if kills >= 4 or os.waitpid(pid, os.WNOHANG)[0]:
            if kills >= 4:
                finish(pid)
            if (out / "result.json").exists():
                return kills, resumed
            raise SystemExit("a fit that nobody killed has no result")
        rng.choice((os.kill, os.killpg))(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        resumed += (out / "checkpoint.jsonl").exists()
        if (out / "result.json").exists():  # killed between its last line and its end
            return kills, resumed


def survive(problem: str, kills: int, least: int, seed: int, folder: Path) -> tuple[int, int]:
    """At least so many kills of fits of one problem: how many, and how many of them left a checkpoint behind.

    It goes on until `least` have left one, which takes more kills where the machine is busy; but not for ever.

    Ends the process with a sentence where the outcome is another than that of a fit left alone.
    """
    import_all(NEEDED.get(problem, TORCH))
    rng = random.Random(seed)
    config = folder / f"{problem}.yaml"
    config.write_text(PROBLEMS[problem])
    finish(start(config, folder / "first", resume=False, modules=folder / "modules"))
    import_all((folder / "modules").read_text().split())
    begun = time.monotonic()
    finish(start(config, folder / "alone", resume=False))
    seconds = time.monotonic() - begun
    expected = outcome(folder / "alone")
    done = kept = 0
    while done < kills or (kept < least and done < 20 * kills):
        out = folder / "killed"
        tried, resumed = attempt(config, out, seconds, rng)
        found = outcome(out)
        found["names"] = [name for name in found["names"] if name not in GONE]
        for key in expected.keys() | found.keys():
            if expected.get(key) != found.get(key):
                raise SystemExit(f"{problem}, seed {seed}: {key} differs after kills {done + 1} to {done + tried}")
        shutil.rmtree(out)
        done, kept = done + tried, kept + resumed
    return done, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="at least so many in all")
    parser.add_argument("--kept", type=int, default=0, help="of each problem, at least so many after a checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problem", nargs="*", choices=sorted(PROBLEMS), help="default: all of them")
    arguments = parser.parse_args()
    problems = arguments.problem or list(PROBLEMS)
    for problem in problems:
        with tempfile.TemporaryDirectory() as folder:
            done, kept = survive(
                problem, -(-arguments.kills // len(problems)), arguments.kept, arguments.seed, Path(folder)
            )
        print(f"{problem}: {done} kills survived, {kept} of them with a checkpoint to go on from", flush=True)


if __name__ == "__main__":
    main()
