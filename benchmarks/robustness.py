"""How many starts reach the best known optimum, and the CPU time until one does: starts as drawn and moved, and peers.

    python benchmarks/robustness.py [--petab FOLDER] [--only NAME ...] [--starts 20] [--limit 20] [--seeds 0 1 2]
        [--methods drawn staged SciPy COPASI]

    drawn    odefit with `fit.match: false`: screening by the objective, then a search from each start
    staged   odefit as it is: where data do not oscillate and drawn starts agree, these; else starts that match the
             slopes of the data, or are shot, or the best of short searches from five times as many places
    SciPy    least_squares, derivatives by differences, of odefit's predictions, from the drawn starts
    COPASI   its Levenberg-Marquardt through basico (`pip install copasi-basico`), from the drawn starts; where there is
             one experiment, in which nothing happens on the way

All in the same box. A peer weights observables by their spread, so that its optimum is not quite that of the
likelihood: what it found counts if it lies within 2 log-likelihood units of the best known one; of odefit, within 0.01.
CPU: user and system time of this process and its children, of all starts with all that comes before them; `until one`
is that by the number of hits, which is what to expect. Best known: the lowest of all that was found.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from robustness_cases import Array, Case, cases
from timing import describe_machine, missing, show

import odefit
from odefit.api import assembled
from odefit.fitting.starting_points import starting_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.assembly import Assembly

NEAR, NEAR_OF_PEERS = 0.01, 2.0
METHODS = ("drawn", "staged", "SciPy", "COPASI")


@dataclass(frozen=True)
class Found:
    """Where the starts of one method ended, [n], and what that cost in CPU seconds."""

    values: Array
    cpu: float
    near: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--petab", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0], help="of the drawn starts; what is found is added")
    parser.add_argument("--limit", type=float, help="CPU seconds of one start; default none")
    parser.add_argument("--methods", nargs="*", default=["drawn", "staged"], choices=METHODS)
    options = parser.parse_args()
    describe_machine()
    rows = []
    for case in cases(options.petab):
        if options.only and not any(word.lower() in case.name.lower() for word in options.only):
            continue
        methods: dict[str, Callable[[int], Found]] = {
            "drawn": lambda seed, case=case: by_odefit(case, options.starts, seed, options.limit, match=False),  # type: ignore[misc]
            "staged": lambda seed, case=case: by_odefit(case, options.starts, seed, options.limit, match=None),  # type: ignore[misc]
            "SciPy": lambda seed, case=case: by_scipy(case, options.starts, seed),  # type: ignore[misc]
            "COPASI": lambda seed, case=case: by_copasi(case, options.starts, seed),  # type: ignore[misc]
        }
        methods = {name: methods[name] for name in options.methods}
        found = {name: added([method(seed) for seed in options.seeds]) for name, method in methods.items()}
        best = min(float(np.nanmin(f.values, initial=np.inf)) for f in found.values())
        rows += [row(case.name, name, each, best) for name, each in found.items() if len(each.values)]
        show(case.name, ("problem", "starts", "at best", "best", "CPU s", "until one"), rows[-len(found) :])
    show("All", ("problem", "starts", "at best", "best", "CPU s", "until one"), rows)


def added(found: list[Found]) -> Found:
    """The starts of all seeds."""
    return Found(np.concatenate([f.values for f in found]), sum(f.cpu for f in found), found[0].near)


def row(case: str, name: str, found: Found, best: float) -> tuple[str, ...]:
    hits = int((found.values[np.isfinite(found.values)] <= best + found.near).sum())
    until = f"{found.cpu / hits:.3g}" if hits else "–"
    return case, name, f"{hits} of {len(found.values)}", f"{np.nanmin(found.values):.4f}", f"{found.cpu:.3g}", until


def cpu_seconds() -> float:
    return sum(os.times()[:4])


def by_odefit(case: Case, n: int, seed: int, limit: float | None, match: bool | None) -> Found:
    begun = cpu_seconds()
    fit = {"method": "least_squares", "starts": n, "seed": seed, "workers": 1}
    fit |= {} if limit is None else {"cpu_limit": limit}
    fit |= {} if match is None else {"match": match}
    overrides = [f"fit.{key}={value}" for key, value in fit.items()]
    run = odefit.fit(case.config, overrides, data=case.data)
    starts = run.frame("starts")
    values = starts["objective"].to_numpy(dtype=np.float64, copy=True)
    for k, message in enumerate(starts["message"]):  # it counts where a start ends that is ended early
        leads = re.search(r"only falls to where start (\d+) ended", str(message))
        values[k] = values[int(leads[1]) - 1] if leads else values[k]
    values = np.append(np.delete(values, np.nanargmin(values)), run.result.objective.nll)
    return Found(np.where(np.isnan(values), np.inf, values), cpu_seconds() - begun, NEAR)


def by_scipy(case: Case, n: int, seed: int) -> Found:
    """From the drawn starts, with residuals (m - d) / spread of each observable on the scale of its noise."""
    from scipy.optimize import least_squares

    begun = cpu_seconds()
    assembly = assembly_of(case)
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    table, data = assembly.problem.table, assembly.problem.data
    configured = table.to_search(table.values)
    spreads = [float(np.std(d.values)) or 1.0 for d in data]

    def residuals(u: Array) -> Array:
        whole = configured.copy()
        whole[objective.free] = u
        moments = objective.full.moments(whole, derivatives=False)
        if moments is None:
            return np.full(sum(len(d.rows) for d in data), 1e3)
        parts = [(m.m[d.rows] - d.values) / s for m, d, s in zip(moments, data, spreads, strict=True)]
        return np.nan_to_num(np.concatenate(parts), nan=1e3, posinf=1e3, neginf=-1e3)

    lower, upper = (bounds[objective.free] for bounds in table.search_bounds())
    values = []
    for u in starting_points(objective, n, seed):
        inside = np.clip(u, lower + 1e-9, upper - 1e-9)
        reached = least_squares(residuals, inside, bounds=(lower, upper), x_scale=1.0, max_nfev=200)
        values.append(objective.value(reached.x))
    return Found(np.array(values), cpu_seconds() - begun, NEAR_OF_PEERS)


def assembly_of(case: Case) -> Assembly:
    return assembled(case.config, data=case.data)


def by_copasi(case: Case, n: int, seed: int) -> Found:
    """From the drawn starts; none where the problem is not simple enough, or basico is not there."""
    if missing("basico"):
        return Found(np.empty(0), 0.0, NEAR_OF_PEERS)
    from robustness_copasi import copasi_values

    begun = cpu_seconds()
    objective = ProfileLikelihood(Likelihood(assembly_of(case).problem))
    return Found(np.array(copasi_values(objective, n, seed)), cpu_seconds() - begun, NEAR_OF_PEERS)


if __name__ == "__main__":
    main()
