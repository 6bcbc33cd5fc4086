"""Does the multi-start that `odefit import` writes reach the published optimum of PEtab problems, or a better one?

    python benchmarks/petab_optima.py FOLDER [--only NAME ...] [--budget 600] [--seed 0] [--until-reached]

FOLDER holds a folder for each problem, as the benchmark collection of PEtab problems does. The published values are
taken out of the configs, so that no search begins there: the first start is at the middle of the bounds. A line for
each problem:

    published     the objective (with priors) at the published parameters
    best          where the fit ended, and whether that is within NEAR of it, or below
    CPU           seconds of the whole fit, import and check of the result included
    starts        how many there were, and how many reached the lowest value
    status        of the fit

--until-reached ends a fit, as Ctrl-C would, as soon as it has reached the published value: CPU is then that until it is
reached, which is all that a machine with little time can measure.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path

import numpy as np
from petab_collection import problems_in

import odefit
from odefit.api import assembled
from odefit.errors import OdefitError
from odefit.interop.importing import import_file
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.runs.progress import Silent

NEAR = 0.1
"""Log-likelihood units: an eighteenth of what a 95 % interval spans."""
VALUE = re.compile(r"^(  \S+: \{)value: [^,]+, (bounds: .*)$")


class UntilReached(Silent):
    """Ctrl-C once the objective is low enough."""

    def __init__(self, target: float) -> None:
        self.target = target

    def now(self, what: str) -> None:
        found = re.search(r"s of CPU time, objective (\S+)$", what)
        if found and float(found[1]) <= self.target:
            raise KeyboardInterrupt


def cpu_seconds() -> float:
    return float(np.sum(os.times()[:4]))


def without_values(config: Path) -> Path:
    """The config with no published value among those that are estimated."""
    lines = config.read_text(encoding="utf-8").splitlines()
    bare = [VALUE.sub(r"\1\2", line) if "estimate: false" not in line else line for line in lines]
    path = config.with_name("fit.yaml")
    path.write_text("\n".join(bare) + "\n", encoding="utf-8")
    return path


def at_published(config: Path) -> float:
    """What a fit minimises, at the values of the config: densities of logarithms stay what they are."""
    problem = assembled(config).problem
    objective = ProfileLikelihood(Likelihood(problem), eliminate=False)
    return objective.value(problem.table.to_search(problem.table.values))


def optimum(path: Path, folder: Path, budget: float, seed: int, until_reached: bool) -> tuple[str, bool]:
    """A line of the table, and whether the published optimum was reached."""
    name = path.parent.name.split("_")[0]
    begun = cpu_seconds()
    try:
        config = import_file(path).write(folder / name)
        published = at_published(config)
        progress = UntilReached(published + NEAR / 2) if until_reached else Silent()
        settings = [f"fit.budget={budget:g}", f"fit.seed={seed}", "fit.workers=1"]
        run = odefit.fit(without_values(config), settings, progress=progress)
    except OdefitError as error:
        return f"{name} | – | REFUSED: {str(error).splitlines()[0][:150]} | | |", False
    spent, result, best = cpu_seconds() - begun, run.result, float(run.history["objective"].iloc[-1])
    reached = bool(best <= published + NEAR)
    starts = f"{result.starts.finished}, {result.starts.at_best} at best"
    told = "reached" if reached else "NOT reached"
    return f"{name} | {published:.6g} | {best:.6g}, {told} | {spent:.0f} s | {starts} | {result.status}", reached


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names (or parts of names) of problems")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of CPU time for each problem")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until-reached", action="store_true")
    given = parser.parse_args()
    print("problem | published | best | CPU | starts | status", flush=True)
    reached = []
    with tempfile.TemporaryDirectory() as temporary:
        for path in problems_in(given.folder):
            if not given.only or any(part in str(path) for part in given.only):
                line, is_reached = optimum(path, Path(temporary), given.budget, given.seed, given.until_reached)
                print(line, flush=True)
                reached.append(is_reached)
    print(f"{sum(reached)} of {len(reached)} reached")


if __name__ == "__main__":
    main()
