"""How often `odefit discover` finds the equations that made the data, beside the best of pysindy on the same data.

Five series of 200 times over about five periods or time constants, with noise of 1, 5 and 10 % of the standard
deviation of each state, at even and at random times. A run counts where exactly the right terms are found; of those
the 95 % intervals of the coefficients are compared with the truth.

    python benchmarks/discovery.py --seeds 5 --pysindy ../pysindy-venv/bin/python --out discovery.jsonl

pysindy (2.1.0) is in an environment of its own; it is given every threshold of a grid, in the units of the data and
scaled, and the best combination of each row counts: the truth decides, which no user could ask. `--few 20` takes sets
of 21 noisy points of a population instead, 20 of them, with odefit alone.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from discovery_systems import SYSTEMS, System, simulated
from scipy.integrate import solve_ivp

import odefit

PEER = Path(__file__).with_name("pysindy_peer.py")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--noises", nargs="*", type=float)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=2, help="candidates that are refitted")
    parser.add_argument("--pysindy", help="the Python of an environment with pysindy")
    parser.add_argument("--few", type=int, help="sets of few data")
    parser.add_argument("--out", type=Path, default=Path("discovery.jsonl"))
    asked = parser.parse_args()
    if asked.few:
        few(asked.few)
        return
    rows = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    done = {(r["system"], r["noise"], r["irregular"], r["seed"]) for r in rows}
    for name in asked.systems:
        system = SYSTEMS[name]
        for noise in asked.noises or system.noises:
            for irregular in (False, True):
                seeds = [k for k in range(asked.seeds) if (name, noise, irregular, k) not in done]
                if noise not in system.noises or not seeds:
                    continue
                sets = [simulated(system, noise, irregular, seed) for seed in seeds]
                peers = peer(system, sets, asked.pysindy) if asked.pysindy else [{}] * len(sets)
                for seed, experiments, own in zip(seeds, sets, peers, strict=True):
                    row = {"system": name, "noise": noise, "irregular": irregular, "seed": seed, "pysindy": own}
                    row |= once(system, experiments, asked.models)
                    rows.append(row)
                    with asked.out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    report(rows)


def few(sets: int) -> None:
    """How far above the best the true equations of a population are, of 21 times with 25 % of noise."""
    times, above = np.arange(21.0), []
    config = {"model": {"name": "sparse", "states": ["x", "y"], "library": {"degree": 2}}, "noise": "lognormal"}
    for seed in range(sets):
        y = solve_ivp(
            lambda _, y: [0.54 * y[0] - 0.02716 * y[0] * y[1], 0.0237 * y[0] * y[1] - 0.7966 * y[1]],
            (0, 20), [34, 6], t_eval=times, rtol=1e-8,
        ).y  # fmt: skip
        y = y * np.exp(0.25 * np.random.default_rng(seed).standard_normal(y.shape))
        data = [odefit.Experiment("a", times, {"x": y[0], "y": y[1]})]
        found = odefit.discover(config, data=data, samples=0)
        pairs = zip(found.candidates, found.criteria, strict=True)
        true = [criterion for one, criterion in pairs if one.system == "lotka_volterra"]
        above.append(min(true, default=math.inf) - found.criteria[0])
        print(f"set {seed}: {above[-1]:.1f} above the best", flush=True)
    for limit in (0, 2, 10):
        print(f"within {limit} of the best in {sum(a <= limit for a in above)} of {sets}")


def once(system: System, experiments: list[odefit.Experiment], models: int) -> dict[str, Any]:
    """What odefit finds in one data set."""
    begun = time.process_time()
    row: dict[str, Any] = {"right": False, "missing": [], "wrong": [], "covered": 0, "asked": 0}
    config = {"model": {"name": "sparse", "states": list(system.states), "library": dict(system.library)}}
    try:
        found = discovered(config, experiments, models, system.inputs)
        truth = {f"{s}: {term}" for s, own in system.truth.items() for term in own}
        best = terms_of(found)
        row |= {"right": best == truth, "missing": sorted(truth - best), "wrong": sorted(best - truth)}
        if best == truth:
            row |= coverage(system, found)
        row["status"] = str(found.best.result.status)
        row["weight"] = found.weights[0]
    except odefit.OdefitError as error:
        row["error"] = str(error)
    row["cpu"] = time.process_time() - begun
    return row


def discovered(config: Any, experiments: Any, models: int, inputs: Any) -> Any:
    """What odefit finds. Inputs are a file, as users have them."""
    if not inputs:
        return odefit.discover(config, data=experiments, models=models, samples=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inputs.csv"
        lines = [f"experiment,time,{','.join(inputs)}"]
        for e in experiments:
            curves = list(e.inputs.values())
            lines += [
                f"{e.name},{t!r},{','.join(repr(float(c.coefficients[k, 0])) for c in curves)}"
                for k, t in enumerate(curves[0].knots.tolist())
            ]
        path.write_text("\n".join(lines) + "\n")
        bare = [
            odefit.Experiment(e.name, e.times, dict(zip(e.observables, e.values.T, strict=True))) for e in experiments
        ]
        data = {"inputs": {name: {"csv": str(path)} for name in inputs}}
        return odefit.discover(config | {"data": data}, data=bare, models=models, samples=0)


def terms_of(found: Any) -> set[str]:
    """The terms of the best candidate, which need not be that of the search."""
    library = found.prepared.library
    return {library.terms[j].name for j in found.candidates[0].draft.columns}


def coverage(system: System, found: Any) -> dict[str, int]:
    """How many coefficients and constants lie in their 95 % intervals."""
    best = found.candidates[0]
    covered = asked = 0
    for state, text in best.draft.equations.items():
        for term, true in system.truth[state].items():
            name = next(
                p for p in best.draft.parameters if f"{p}*{term}" in text or (term == "1" and p in text.split())
            )
            low, high = best.run.result.estimates[name].interval
            covered, asked = covered + (low <= true <= high), asked + 1
    for name, true in system.constants.items():
        low, high = best.run.result.estimates[name].interval
        covered, asked = covered + (low <= true <= high), asked + 1
    return {"covered": covered, "asked": asked}


def peer(system: System, sets: list[list[odefit.Experiment]], python: str) -> list[dict[str, bool]]:
    """For each data set, by method and threshold, whether pysindy finds exactly the right terms."""
    about = {
        "states": list(system.states),
        "inputs": list(system.inputs),
        "library": dict(system.library),
        "truth": {s: list(own) for s, own in system.truth.items()},
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for n, experiments in enumerate(sets):
            arrays: dict[str, Any] = {}
            for k, e in enumerate(experiments):
                arrays[f"t{k}"] = e.times
                arrays[f"x{k}"] = np.column_stack([e.values, *(u(e.times) for u in e.inputs.values())])
            paths.append(str(Path(folder) / f"{n}.npz"))
            np.savez(paths[-1], **arrays)
        command = [python, str(PEER), json.dumps(about), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: list[dict[str, bool]] = json.loads(done.stdout)
    return result


def report(rows: list[dict[str, Any]]) -> None:
    """Shares by system, noise and times; intervals over all."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["system"], row["noise"], row["irregular"]].append(row)
    print("system               noise  times      runs  odefit  pysindy (best of)              CPU s")
    for (name, noise, irregular), own in groups.items():
        share = np.mean([r["right"] for r in own])
        best = ("", float("nan"))
        if own[0]["pysindy"]:
            keys = own[0]["pysindy"]
            best = max(((k, float(np.mean([r["pysindy"][k] for r in own]))) for k in keys), key=lambda kv: kv[1])
        times = "uneven" if irregular else "even"
        cpu = np.mean([r["cpu"] for r in own])
        print(
            f"{name:<20} {noise:>5.0%}  {times:<9} {len(own):>5}  {share:>6.0%}  {best[1]:>6.0%} "
            f"{best[0]:<22} {cpu:>6.1f}"
        )
    for noise in sorted({r["noise"] for r in rows}):
        own = [r for r in rows if r["noise"] == noise]
        print(f"noise {noise:.0%}: {np.mean([r['right'] for r in own]):.1%} of {len(own)} runs")
    asked, covered = sum(r["asked"] for r in rows), sum(r["covered"] for r in rows)
    print(f"95 % intervals: {covered} of {asked} cover the truth ({covered / max(asked, 1):.1%})")


if __name__ == "__main__":
    main()
