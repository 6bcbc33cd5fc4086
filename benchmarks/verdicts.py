"""Whether `converged` means it: every start that says so is continued by another optimizer, which must gain nothing.

python benchmarks/verdicts.py [CONFIG ...] [--starts 20] [--seconds 100] [--build FOLDER] [--also FOLDER]

The default configs are the shipped and the reference ones of equations, and epidemics with counts made here. Each is
fitted from `--starts` random starts by the command line, by this build or by the one in --build (a `git worktree` of an
earlier commit). Each start whose status is `converged` is then continued from where it ended by SciPy's L-BFGS-B on the
same likelihood, this build's, for at most 200 evaluations, as many starts as `--seconds` of CPU time allow. A gain of
more than 0.01 makes the verdict a false one. A config whose fit takes more than `--seconds` is left out, and said.
--also: a folder of more problems, `*/problem.yaml`.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import Bounds, minimize

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.errors import OdefitError
from odefit.fitting.local_search import typical_sizes
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.preparation import prepare

ROOT = Path(__file__).parents[1]
GAIN = 0.01
"""Log-likelihood units that another optimizer may still gain."""
EVALUATIONS = 200


@dataclass
class Count:
    """How many starts of one config converged, and how many of these were improved, by how much at most."""

    converged: int = 0
    false: int = 0
    most: float = 0.0


def epidemics(folder: Path) -> Iterator[Path]:
    """Configs of SIR, SIRS and SEIR epidemics with counts, over- and not over-dispersed, at several sizes."""
    models = {
        "sir": {"S": "-b*S*I/N", "I": "b*S*I/N - g*I"},
        "seir": {"S": "-b*S*I/N", "E": "b*S*I/N - s*E", "I": "s*E - g*I"},
        "sirs": {"S": "s*(N - S - I) - b*S*I/N", "I": "b*S*I/N - g*I"},
    }
    for name, equations in models.items():
        for noise in ("poisson", "negative_binomial"):
            for seed, size in enumerate((500, 20_000, 2_000, 200_000)):
                initial = dict.fromkeys(equations, 0) | {"S": size - 5, "I": 5}
                rate = {"value": 0.5, "bounds": [0.01, 20], "scale": "log"}
                made: dict[str, object] = {"model": "poisson"} if noise == "poisson" else {"model": noise}
                if noise != "poisson":
                    made["dispersion"] = 0.1
                config = {
                    "model": {"equations": equations, "initial": initial, "observables": {"cases": "I"}},
                    "parameters": {"b": rate, "g": rate, "N": {"value": size, "estimate": False}},
                    "data": {
                        "simulate": {
                            "parameters": {"b": 0.9, "g": 0.3},
                            "times": {"start": 0, "stop": 40, "step": 2},
                            "noise": {"cases": made},
                            "seed": seed,
                        }
                    },
                    "noise": {"cases": noise},
                }
                if name != "sir":
                    config["parameters"]["s"] = rate
                    config["data"]["simulate"]["parameters"]["s"] = 0.5 if name == "seir" else 0.05
                path = folder / f"{name}_{noise}_{size}.yaml"
                path.write_text(yaml.safe_dump(config, sort_keys=False))
                yield path


def shipped() -> Iterator[Path]:
    """Configs of equations that come with odefit."""
    for folder in (ROOT / "configs", ROOT / "configs" / "reference"):
        for path in sorted(folder.glob("*.yaml")):
            text = path.read_text()
            if "networks:" not in text and not any(f"name: {n}" in text for n in ("mlp", "latent_ode", "potential")):
                yield path


def fitted(config: Path, build: Path, starts: int, seconds: float, out: Path) -> list[dict[str, str]] | None:
    """The rows of starts.csv; None where the fit took too long or could not be made."""
    command = [sys.executable, "-m", "odefit.cli", "fit", str(config), "--no-plots", "--out", str(out)]
    command += ["--set", f"fit.starts={starts}", "--set", "fit.method=least_squares", "--set", "fit.workers=1"]
    # -P: the current folder must not stand before the build that was asked for.
    command.insert(1, "-P")
    environment = os.environ | {"PYTHONPATH": str(build), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode or not (out / "starts.csv").is_file():
        return None
    with (out / "starts.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def count(config: Path, rows: list[dict[str, str]], seconds: float) -> Count:
    """Continues the starts of one config that say that they converged, as many as the time allows."""
    begun = time.process_time()
    assembly, _ = prepare(load_config(config))
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    table, free = assembly.problem.table, objective.free
    low, high = (bounds[free] for bounds in table.search_bounds())
    size = typical_sizes(objective)
    found = Count()
    for row in rows:
        if row["status"] != "converged" or time.process_time() - begun > seconds:
            continue
        theta = table.values.copy()
        for k in free:
            theta[table.estimated[k]] = float(row[table.names[table.estimated[k]]])
        u = np.clip(table.to_search(theta)[free], low, high)
        # A solver's steps are others where derivatives are wanted: like is compared with like.
        gain = objective.evaluate(u).value - lowest(objective, u, low, high, size)
        found.converged += 1
        found.false += gain > GAIN
        found.most = max(found.most, gain)
    return found


def lowest(objective: ProfileLikelihood, u: FloatArray, low: FloatArray, high: FloatArray, size: FloatArray) -> float:
    """The lowest value that L-BFGS-B sees from u [P], with derivatives."""
    seen = [objective.evaluate(u).value]

    def value_and_gradient(x: FloatArray) -> tuple[float, FloatArray]:
        here = objective.evaluate(np.clip(x * size, low, high))
        if not here.is_finite:
            return 1e10 * (1 + abs(seen[0])), np.zeros_like(x)
        seen.append(here.value)
        return here.value, here.gradient * size

    options = {"maxfun": EVALUATIONS, "maxiter": EVALUATIONS, "ftol": 0.0, "gtol": 1e-12}
    minimize(
        value_and_gradient,
        u / size,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(low / size, high / size),
        options=options,
    )
    return min(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--build", type=Path, default=ROOT)
    parser.add_argument("--also", type=Path)
    chosen = parser.parse_args()
    total, left_out = Count(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = chosen.configs or [*shipped(), *epidemics(folder)]
        configs += sorted(chosen.also.glob("*/problem.yaml")) if chosen.also else []
        for number, config in enumerate(configs):
            label = config.parent.name if config.stem == "problem" else config.stem
            rows = fitted(config, chosen.build, chosen.starts, chosen.seconds, folder / f"run{number}")
            if rows is None:
                left_out.append(label)
                continue
            try:
                found = count(config, rows, chosen.seconds)
            except OdefitError as error:
                left_out.append(f"{label} ({error})")
                continue
            print(f"{label:40} {found.converged:4} converged, {found.false:3} false, gain {found.most:.2g}", flush=True)
            total.converged += found.converged
            total.false += found.false
            total.most = max(total.most, found.most)
    print(f"in all {total.converged} converged, {total.false} false, gain {total.most:.3g} at most")
    print(f"left out: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    main()
