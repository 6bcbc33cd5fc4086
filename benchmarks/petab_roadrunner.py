"""Problems of PEtab in odefit beside libroadrunner: the same values, and the CPU that they take.

    python benchmarks/petab_roadrunner.py FOLDER [--only NAME ...] [--gradients]

FOLDER holds problems, as for petab_collection.py. libroadrunner comes by `pip install libroadrunner`; its compiled
model is simulated by CVODE at the relative tolerance of odefit's config, and only the simulations and what is set
before them count. odefit's value is the whole objective. Problems with preequilibration (libroadrunner's search for a
steady state can end at a saddle), later periods or infinite times are skipped.

    rr                  nll of libroadrunner's trajectories through the noise model of the problem
    difference          of odefit's nll from it
    CPU                 of one value, libroadrunner / odefit, and the ratio odefit / libroadrunner
    gradient            of odefit, in values, and in values per parameter
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from petab_collection import cost, problems_in

import odefit
from odefit.errors import OdefitError
from odefit.interop.importing import import_file
from odefit.interop.mathematics import Number, Tree, at_time, names_in, replaced
from odefit.interop.petab_problem import PetabExperiment, PetabProblem
from odefit.interop.petab_reading import read_problem

ABSOLUTE = 1e-12
SECONDS = 0.5


class NotComparable(Exception):
    """Why a problem is skipped."""


class RoadRunner:
    """The experiments of a problem in libroadrunner, at the nominal parameters."""

    def __init__(self, petab: PetabProblem, rtol: float) -> None:
        import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
        self.petab = petab
        self.runner = roadrunner.RoadRunner(str(petab.sbml))
        integrator = self.runner.getIntegrator()
        integrator.setValue("relative_tolerance", rtol)
        integrator.setValue("absolute_tolerance", ABSOLUTE)
        integrator.setValue("maximum_num_steps", 1_000_000)
        self.nominal: dict[str, Tree] = {
            n: Number(p.nominal) for n, p in petab.parameters.items() if p.nominal is not None
        }
        model = self.runner.model
        self.species = {*model.getFloatingSpeciesIds(), *model.getBoundarySpeciesIds()}
        self.known = {
            *self.species,
            *model.getGlobalParameterIds(),
            *model.getCompartmentIds(),
            *model.getReactionIds(),
        }
        self.experiments = [e for e in petab.experiments.values() if e.before is None]
        if not self.experiments:
            raise NotComparable("preequilibration")
        if any(len(e.periods) > 1 for e in self.experiments):
            raise NotComparable("later periods")
        self.seconds = 0.0

    def _names(self) -> list[str]:
        trees = [t for o in self.petab.observables.values() for t in (o.formula, o.noise)]
        return sorted({name for tree in trees for name in names_in(tree)} & self.known)

    def _simulated(self, experiment: PetabExperiment, times: list[float]) -> dict[float, dict[str, Tree]]:
        """What observables name, at each time."""
        names, runner = self._names(), self.runner
        changes = {n: replaced(t, self.nominal) for period in experiment.periods for n, t in period.changes.items()}
        values = {n: v.value for n, v in (self.nominal | changes).items() if isinstance(v, Number) and n in self.known}
        at = sorted({0.0, *times})
        began = time.process_time()
        runner.resetToOrigin()
        for name, value in values.items():
            if name not in self.species:
                runner.setValue(name, value)
        runner.reset()
        for name, value in values.items():
            if name in self.species and not math.isnan(value):
                runner.setValue(f"[{name}]", value)
        selections = ["time", *(f"[{n}]" if n in self.species else n for n in names)]
        runner.timeCourseSelections = selections
        rows = (
            np.array(runner.simulate(times=at))
            if len(at) > 1
            else [[0.0, *(runner.getValue(s) for s in selections[1:])]]
        )
        self.seconds += time.process_time() - began
        return {
            t: dict(zip(names, map(Number, map(float, row[1:])), strict=True)) for t, row in zip(at, rows, strict=True)
        }

    def nll(self) -> float:
        total = 0.0
        self.seconds = 0.0
        for experiment in self.experiments:
            rows = [row for row in self.petab.measurements if row.experiment == experiment.name]
            if any(math.isinf(row.time) for row in rows):
                raise NotComparable("infinite times")
            found = self._simulated(experiment, [row.time for row in rows])
            changes = {n: replaced(t, self.nominal) for period in experiment.periods for n, t in period.changes.items()}
            for row in rows:
                observable = self.petab.observables[row.observable]
                put: dict[str, Tree] = self.nominal | changes | found[row.time]
                own = dict(zip(observable.placeholders, row.parameters, strict=False))
                own |= dict(zip(observable.noise_placeholders, row.noise_parameters, strict=False))
                value = self._number(replaced(observable.formula, own), put, row.time)
                put |= {observable.name: Number(value)}
                sigma = self._number(replaced(observable.noise, own), put, row.time)
                total += cost(observable, row.value, value, sigma)
        return total

    def _number(self, tree: Tree, put: Mapping[str, Tree], at: float) -> float:
        for _ in range(10):
            tree = at_time(replaced(tree, put), Number(at))
            if isinstance(tree, Number):
                return tree.value
        missing = sorted(set(names_in(tree)))
        raise NotComparable(f"no number for {', '.join(missing) or tree}")


def compared(path: Path, folder: Path, gradients: bool) -> str:
    """One line of the table."""
    name = path.parent.name
    petab = read_problem(path)
    config = import_file(path).write(folder / name)
    problem = odefit.load(config)
    peer = RoadRunner(petab, 1e-8)
    if len(peer.experiments) < len(petab.experiments):
        raise NotComparable("preequilibration in some experiments")
    reference = peer.nll()
    nll = problem.nll(problem.x0)
    u, inside = problem.to_search(problem.x0), problem.bounds_search.mean(axis=1)
    inside = np.where(np.isfinite(inside), inside, u)
    theirs = _mean(lambda _: (peer.nll(), peer.seconds)[1])
    ours = _mean(lambda k: _timed(problem.nll_search, u + 1e-9 * k * (inside - u)))
    times = f"{1e3 * theirs:.3g} / {1e3 * ours:.3g} ms | {ours / theirs:.2f}"
    line = f"{name} | {reference:.6f} | {abs(nll - reference):.1e} | {times}"
    if not gradients:
        return line
    problem.gradient_search(u)
    ratio = _mean(lambda k: _timed(problem.gradient_search, u + 1e-9 * k * (inside - u))) / ours
    return f"{line} | {ratio:.1f} | {ratio / len(u):.2f}"


def _timed(function: Callable[[Any], Any], u: Any) -> float:
    began = time.process_time()
    function(u)
    return time.process_time() - began


def _mean(seconds: Callable[[int], float]) -> float:
    """Of as many calls as fit into SECONDS, three at least; each with its number."""
    found: list[float] = []
    while len(found) < 3 or (sum(found) < SECONDS and len(found) < 100):
        found.append(seconds(len(found) + 1))
    return float(np.mean(found))


def lines(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    for path in problems_in(given.folder):
        if given.only and not any(part in str(path) for part in given.only):
            continue
        try:
            yield compared(path, folder, given.gradients)
        except NotComparable as why:
            yield f"{path.parent.name} | skipped: {why}"
        except OdefitError as error:
            yield f"{path.parent.name} | REFUSED: {str(error).splitlines()[0][:200]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--gradients", action="store_true")
    given = parser.parse_args()
    print("problem | rr | difference | CPU rr / odefit | ratio | gradient / value | per parameter")
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(given, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
