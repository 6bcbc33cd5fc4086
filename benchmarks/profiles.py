"""Profiles beside those that SciPy makes of odefit's own objective: their ends, and the CPU time.

    python benchmarks/profiles.py [--only NAME ...] [CONFIG ...]

SciPy's profile of a parameter is the plain one: from the optimum outwards in steps of half a standard error, each
time `scipy.optimize.minimize` (L-BFGS-B, exact gradients, warm starts) over all other parameters in search space, and
`brentq` for the end. Both begin at odefit's optimum, with the same solver at `rtol=1e-8`, and look for the same
threshold. Noise levels are left out: odefit's have another likelihood (docs/profiles.md). Default: configs/reference,
and lynx and hare. The largest difference of an end is relative to the half-length of the interval.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # waiting threads would count as CPU time, mostly SciPy's

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

import odefit
from odefit.profiles.records import Profile
from odefit.status import Status
from odefit.uncertainty.degrees_of_freedom import noise_levels

CONFIGS = Path(__file__).parents[1] / "configs"
TIGHT = ("solver.rtol=1e-8",)
FAR = 40
"""Steps outwards after which a profile is called open."""

Array = NDArray[np.float64]


@dataclass
class Plain:
    """A profile of component k of u by SciPy's optimizer."""

    problem: odefit.Problem
    k: int
    best: Array
    n: int = 0

    def __post_init__(self) -> None:
        self.others = np.delete(np.arange(len(self.best)), self.k)
        # In units of what each parameter may change alone, or L-BFGS-B ends far from the optimum.
        curvature = np.diag(self.problem.fisher_search(self.best))
        self.unit = 1 / np.sqrt(np.where(curvature > 0, curvature, 1.0))[self.others]
        bounds = self.problem.bounds_search[self.others] / self.unit[:, None]
        self.bounds = [(low, high) for low, high in bounds]
        self.least = self.value(self.best)
        self.at = self.best.copy()

    def value(self, u: Array) -> float:
        return self.problem.nll_search(u)

    def height(self, position: float) -> float:
        """How far the best of all others lies above the optimum, with one parameter at a position."""
        self.n += 1
        u = self.at.copy()
        u[self.k] = position

        def objective(rest: Array) -> tuple[float, Array]:
            u[self.others] = rest * self.unit
            value = self.value(u)
            if not math.isfinite(value):
                return 1e10, np.zeros(len(rest))
            return value, self.problem.gradient_search(u)[self.others] * self.unit

        start = self.at[self.others] / self.unit
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=self.bounds,
            options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 2000, "maxcor": 30},
        )
        u[self.others] = found.x * self.unit
        self.at = u.copy()
        return self.value(u) - self.least

    def end(self, way: int, step: float, rise: float) -> float | None:
        """Where the profile is at the threshold; None where it stays below, or a bound comes first."""
        self.at = self.best.copy()
        before = self.best[self.k]
        low, high = self.problem.bounds_search[self.k]
        for number in range(1, FAR):
            here = float(np.clip(self.best[self.k] + way * step * number, low, high))
            if self.height(here) > rise:
                inside = self.at.copy()
                self.at = inside
                try:
                    return float(brentq(lambda c: self.height(c) - rise, before, here, xtol=1e-7 * step, rtol=1e-12))
                except ValueError:  # two minimisations at one place have ended in different valleys
                    return math.nan
            if here in (low, high):
                return None
            before = here
        return None


def compared(config: Path) -> str:
    """A row of the table."""
    run = odefit.fit(config, TIGHT)
    if run.result.status != Status.CONVERGED:
        return f"| {config.stem} | {run.result.status} | | | | |"
    problem, table = odefit.load(config, TIGHT), run.assembly.problem.table
    is_level = noise_levels(run.assembly.problem)
    names = [n for n, level in zip(table.estimated_names, is_level, strict=True) if not level]
    begun = time.process_time()
    profiles = run.profile(names)
    ours = time.process_time() - begun
    best = table.to_search(run.theta)
    worst, n_ends, n_points, n_lost, theirs = 0.0, 0, 0, 0, 0.0
    for profile in profiles:
        k = table.estimated_names.index(profile.name)
        width = half_length(profile, table, k)
        begun = time.process_time()
        plain = Plain(problem, k, best)
        ends = [plain.end(way, width / 4, profile.threshold) for way in (-1, 1)]
        theirs += time.process_time() - begun
        n_points += plain.n
        for end, own in zip(ends, (profile.low, profile.high), strict=True):
            if end is not None and math.isnan(end):
                n_lost += 1
                continue
            if end is None or own is None:
                worst = worst if end is None and own is None else math.inf
                continue
            u = best.copy()
            u[k] = end
            expected = table.to_natural(u)[table.estimated[k]]
            both = search_value(table, k, own) - search_value(table, k, float(expected))
            worst, n_ends = max(worst, abs(both) / width), n_ends + 1
    lost = f", {n_lost} lost by SciPy" if n_lost else ""
    points = sum(len(profile.value) for profile in profiles)
    return (
        f"| {config.stem} | {len(profiles)} | {n_ends}{lost} | {worst:.0e} | {ours:.2f} s, {points} | "
        f"{theirs:.1f} s, {n_points} | {theirs / ours:.0f} |"
    )


def search_value(table: odefit.objective.parameters.ParameterTable, k: int, value: float) -> float:
    theta = table.values.copy()
    theta[table.estimated[k]] = value
    return float(table.to_search(theta)[k])


def half_length(profile: Profile, table: odefit.objective.parameters.ParameterTable, k: int) -> float:
    """Of the interval in search space, or of that by the curvature where it is open."""
    ends = [search_value(table, k, x) for x in (profile.low, profile.high) if x is not None]
    if len(ends) == 2:
        return (ends[1] - ends[0]) / 2
    return profile.wald_half or table.sizes[k]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="configs whose names have one of these words")
    given = parser.parse_args()
    configs = given.configs or [*sorted((CONFIGS / "reference").glob("*.yaml")), CONFIGS / "lynx_hare.yaml"]
    print("| problem | profiles | ends | largest difference | odefit, points | SciPy, minimisations | times less |")
    print("|---|---|---|---|---|---|---|")
    for config in configs:
        if not given.only or any(word in config.stem for word in given.only):
            print(compared(config), flush=True)


if __name__ == "__main__":
    main()
