"""How often `odefit discover` finds the equations that made the data, beside the best of pysindy on the same data.

Five series of 200 times over about five periods or time constants, with noise of 1, 5 and 10 % of the standard
deviation of each state, at even and at random times. A run counts where exactly the right terms are found; of those
the 95 % intervals of the coefficients are compared with the truth.

    python benchmarks/discovery.py --seeds 20 --out discovery.jsonl
    python benchmarks/discovery.py --seeds 20 --out discovery.jsonl --pysindy ../pysindy-venv/bin/python
    python benchmarks/discovery.py --out discovery.jsonl --report

Every run is a line of the file, and a later call goes on from there. With `--pysindy` it is pysindy's (2.1.0, in an
environment of its own) that are run, on the same data: `--methods` of smoothed differences, the weak form and
ensembles, each with every threshold of a grid, in the units of the data and scaled. The best of all of these counts in
each row: the truth decides, which no user could ask. `--few 20` takes sets of 21 noisy points of a population instead,
20 of them, with odefit alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from discovery_systems import SYSTEMS, System, simulated
from scipy.integrate import solve_ivp

import odefit

PEER = Path(__file__).with_name("pysindy_peer.py")
OWN, METHODS = "odefit", ("smoothed", "weak", "ensemble")
NOISES = (0.01, 0.05, 0.1)
Row = dict[str, Any]
Key = tuple[str, float, bool]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--noises", nargs="*", type=float, default=NOISES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=2, help="candidates that are refitted")
    parser.add_argument("--pysindy", help="the Python of an environment with pysindy")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS, help="of pysindy")
    parser.add_argument("--few", type=int, help="sets of few data")
    parser.add_argument("--report", action="store_true", help="print what the file has")
    parser.add_argument("--out", type=Path, default=Path("discovery.jsonl"))
    asked = parser.parse_args()
    if asked.few:
        few(asked.few)
        return
    if not asked.report and asked.pysindy:
        with peer(asked.pysindy) as ask:
            extend(asked, asked.methods, ask)
    elif not asked.report:
        extend(asked, (OWN,), lambda system, data, _: once(system, data, asked.models))
    report(read(asked.out))


def read(path: Path) -> list[Row]:
    """The runs of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def extend(asked: Any, methods: tuple[str, ...], run: Callable[[System, list[odefit.Experiment], str], Row]) -> None:
    """Append the runs that the file lacks, seed by seed, so that all rows have as many whenever it ends."""
    done = {(*key(r), r["seed"], r["by"]) for r in read(asked.out)}
    for seed, name, noise, irregular in itertools.product(
        range(asked.seeds), asked.systems, asked.noises, (False, True)
    ):
        missing = [by for by in methods if (name, noise, irregular, seed, by) not in done]
        if not missing or noise not in SYSTEMS[name].noises:
            continue
        data = simulated(SYSTEMS[name], noise, irregular, seed)
        for by in missing:
            row = {"system": name, "noise": noise, "irregular": irregular, "seed": seed, "by": by}
            row |= run(SYSTEMS[name], data, by)
            with asked.out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def key(row: Row) -> Key:
    """Which row of the table it belongs to."""
    return row["system"], row["noise"], row["irregular"]


def few(sets: int) -> None:
    """How far above the lowest criterion the true equations of a population are, of 21 times with 25 % of noise."""
    times, above, first = np.arange(21.0), [], 0
    config = {"model": {"name": "sparse", "states": ["x", "y"], "library": {"degree": 2}}, "noise": "lognormal"}
    for seed in range(sets):
        y = solve_ivp(
            lambda _, y: [0.54 * y[0] - 0.02716 * y[0] * y[1], 0.0237 * y[0] * y[1] - 0.7966 * y[1]],
            (0, 20), [34, 6], t_eval=times, rtol=1e-8,
        ).y  # fmt: skip
        y = y * np.exp(0.25 * np.random.default_rng(seed).standard_normal(y.shape))
        data = [odefit.Experiment("a", times, {"x": y[0], "y": y[1]})]
        found = odefit.discover(config, data=data, samples=0)
        pairs = zip(found.candidates, found.deltas, strict=True)
        above.append(min((delta for one, delta in pairs if one.system == "lotka_volterra"), default=math.inf))
        first += found.candidates[0].system == "lotka_volterra"
        print(f"set {seed}: {above[-1]:.1f} above the lowest", flush=True)
    print(f"first in {first} of {sets}")
    for limit in (0, 2, 10):
        print(f"within {limit} of the lowest in {sum(a <= limit for a in above)} of {sets}")


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


@contextmanager
def peer(python: str) -> Iterator[Callable[[System, list[odefit.Experiment], str], Row]]:
    """A function of system, data and method: with which thresholds and units pysindy finds exactly the right terms."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([python, str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        asking, answering, path = process.stdin, process.stdout, Path(folder) / "data.npz"

        def ask(system: System, experiments: list[odefit.Experiment], method: str) -> Row:
            arrays: dict[str, Any] = {}
            for k, e in enumerate(experiments):
                arrays[f"t{k}"] = e.times
                arrays[f"x{k}"] = np.column_stack([e.values, *(u(e.times) for u in e.inputs.values())])
            np.savez(path, **arrays)
            about = {
                "path": str(path),
                "method": method,
                "states": list(system.states),
                "inputs": list(system.inputs),
                "library": dict(system.library),
                "truth": {s: list(own) for s, own in system.truth.items()},
            }
            asking.write(json.dumps(about) + "\n")
            asking.flush()
            answer: Row = json.loads(answering.readline() or "null") or {}
            if not answer:
                raise SystemExit("pysindy's process ended")
            return answer

        yield ask
        asking.close()


def report(rows: list[Row]) -> None:
    """The table, rows that are behind, shares by noise, intervals over all, what was missed."""
    own: dict[Key, dict[int, Row]] = defaultdict(dict)
    others: dict[Key, Any] = defaultdict(lambda: defaultdict(dict))
    for r in rows:
        if r["by"] == OWN:
            own[key(r)][r["seed"]] = r
        else:
            others[key(r)][r["by"]][r["seed"]] = set(r["found"])
    _table(own, others)
    every = [r for seeds in own.values() for r in seeds.values()]
    if not every:
        print(f"no runs of {OWN} yet")
        return
    for noise in sorted({r["noise"] for r in every}):
        right = [r["right"] for r in every if r["noise"] == noise]
        print(f"noise {noise:.0%}: {sum(right)} of {len(right)} runs, {np.mean(right):.1%}")
    asked, covered = sum(r["asked"] for r in every), sum(r["covered"] for r in every)
    print(f"95 % intervals: {covered} of {asked} cover the truth ({covered / max(asked, 1):.1%})")
    for name in SYSTEMS:
        some = [r for r in every if r["system"] == name and r["asked"]]
        if some:
            print(f"  {name}: {sum(r['covered'] for r in some) / sum(r['asked'] for r in some):.1%}")
    print(f"{np.mean([r['cpu'] for r in every]):.2f} s of CPU a run of odefit")
    missed = Counter((r["system"], *(f"-{t}" for t in r["missing"]), *(f"+{t}" for t in r["wrong"]), r.get("error", ""))
                     for r in every if not r["right"])  # fmt: skip
    for what, n in missed.most_common():
        print(f"  missed {n}: {' '.join(what)}")


def _table(own: dict[Key, dict[int, Row]], others: dict[Key, Any]) -> None:
    """Runs with the right terms by system, times and noise, of odefit and each method of pysindy at its best."""
    print(f"| system | times | noise | {' | '.join((OWN, *METHODS))} |")
    for where in sorted(own, key=lambda k: (list(SYSTEMS).index(k[0]), k[2], k[1])):
        seeds, cells = own[where], []
        cells.append(f"{sum(r['right'] for r in seeds.values())} of {len(seeds)}")
        for method in METHODS:
            both = {seed: found for seed, found in others[where][method].items() if seed in seeds}
            if not both:
                cells.append("–")
                continue
            setting, n = max(Counter(itertools.chain(*both.values())).items(), key=lambda kv: kv[1], default=("", 0))
            behind = n > sum(seeds[seed]["right"] for seed in both)
            cells.append(f"{n} of {len(both)} {f'({setting})' if n else ''}{' AHEAD' if behind else ''}".strip())
        print(f"| {where[0]} | {'uneven' if where[2] else 'even'} | {where[1]:.0%} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
