"""PEtab problems through `odefit import`: does each import, and is its objective the published one?

    python benchmarks/petab_collection.py FOLDER [--only NAME ...] [--gradients] [--fit SECONDS] [--keep FOLDER]

FOLDER holds a folder for each problem, as the benchmark collection of PEtab problems does
(https://github.com/Benchmarking-Initiative/Benchmark-Models-PEtab), or the cases of PEtab's test suite
(https://github.com/PEtab-dev/petab_test_suite). A line is printed for each problem:

    states, estimated, data    its size
    import, first, value       CPU seconds: of the import, of the first objective (with compiling), of another one
    nll                        at the nominal parameters, without priors
    reference                  of a suite's solution; else from the collection's simulated data through the noise model
                               of the problem, or published by others (KNOWN); the nearest one where there are several
    difference                 between the two; `sim`: the largest relative difference of a simulated value
    gradient                   --gradients: the largest difference to central differences in some random directions,
                               relative to the gradient's length, at a random point beside the nominal one
    best, at best, CPU         --fit: where a multi-start from the middle of the bounds and random points ends

What is no problem of odefit's is told: the simulated data of some problems are of another point (Zheng's are the
measurements, Sneyd's and Chen's of other parameters).
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import odefit
from odefit.errors import OdefitError
from odefit.interop.formats import is_foreign
from odefit.interop.importing import import_file
from odefit.interop.mathematics import Number, Tree, replaced
from odefit.interop.petab_problem import PetabObservable, PetabProblem
from odefit.interop.petab_reading import read_problem

KNOWN: Mapping[str, float] = {
    "Boehm_JProteomeRes2014": 138.22199693517703,
    "Borghans_BiophysChem1997": -83.3237191357272,
    "Brannmark_JBC2010": 141.889113770537,
    "Chen_MSB2009": 115700.1193,
    "Crauste_CellSystems2017": 190.96521897435176,
    "Elowitz_Nature2000": -63.20279991419332,
    "Fujita_SciSignal2010": -53.08377736998929,
    "Isensee_JCB2018": 3949.375966548649,
    "Lucarelli_CellSystems2018": 1681.6059879426584,
    "SalazarCavazos_MBoC2020": 367.1876,
    "Schwen_PONE2014": 943.9992988598723,
    "Sneyd_PNAS2002": -319.79177818768756,
    "Weber_BMC2015": 296.2017922646865,
    "Zheng_PNAS2012": -278.33353271001477,
}
"""Objectives at the nominal parameters that AMICI's benchmark tests hold, as far as their digits are known here."""
TOLERANCE = 1e-3
SIMULATED = 1e-3
STEPS, DIRECTIONS, AWAY, TRIALS = (1e-5, 1e-4, 1e-3), 3, 0.02, 50


@dataclass
class Line:
    """What is known of one problem."""

    name: str
    size: str = ""
    seconds: list[float] = field(default_factory=list)
    nll: float = math.nan
    reference: float = math.nan
    simulated: float = math.nan
    other: str = ""
    gradient: float = math.nan
    fit: str = ""
    fault: str = ""

    @property
    def difference(self) -> float:
        return abs(self.nll - self.reference)

    @property
    def verdict(self) -> str:
        if self.fault:
            return self.fault
        ok = self.difference <= TOLERANCE * max(1.0, 1e-3 * abs(self.reference)) or self.simulated <= SIMULATED
        return f"{'ok' if ok else 'no reference' if math.isnan(self.difference) else 'DIFFERS'}{self.other}"

    def __str__(self) -> str:
        seconds = " / ".join(f"{s:.3g}" for s in self.seconds)
        numbers = [f"{v:.6g}" if not math.isnan(v) else "–" for v in (self.nll, self.reference)]
        small = [f"{v:.1e}" if not math.isnan(v) else "–" for v in (self.difference, self.simulated, self.gradient)]
        return " | ".join([self.name, self.size, seconds, *numbers, *small, self.fit or "–", self.verdict])


HEADER = (
    "problem | states / estimated / data | import / first / value, s | nll | reference | difference | sim | gradient | "
    "fit: best, CPU | verdict"
)


def problems_in(folder: Path) -> Iterator[Path]:
    """The YAML file of each problem, of this folder or those below it."""
    for path in sorted([*folder.glob("*.y*ml"), *folder.glob("*/*.y*ml")]):
        if is_foreign(path):
            yield path


def measure(path: Path, folder: Path, gradients: bool, fit: float) -> Line:
    """One line of the table."""
    name = path.stem if not path.stem.startswith("_") else path.parent.name
    name = path.parent.name if name == "problem" else name
    line = Line(name)
    try:
        began = time.process_time()
        imported = import_file(path)
        line.seconds.append(time.process_time() - began)
        parts = imported.summary.replace(",", "").split()
        line.size = f"{parts[0]} / {parts[2]} / {parts[-2]}"
        config = imported.write(folder / name)
        began = time.process_time()
        problem = odefit.load(config)
        line.nll = problem.nll(problem.x0)
        line.seconds.append(time.process_time() - began)
        began = time.process_time()
        problem.nll(problem.x0)
        line.seconds.append(time.process_time() - began)
        _compare(line, path, problem)
        if gradients and len(problem.x0):
            line.gradient = gradient_error(problem)
        if fit:
            line.fit = best_of(config, fit)
    except OdefitError as error:
        line.fault = f"REFUSED: {str(error).splitlines()[0][:200]}"
    return line


# -- references


def _compare(line: Line, path: Path, problem: odefit.Problem) -> None:
    solution = path.with_name(f"{path.stem}_solution.yaml")
    petab = read_problem(path)
    if solution.exists():
        _compare_solution(line, yaml.safe_load(solution.read_text(encoding="utf-8")), problem, path, petab)
        return
    tables = sorted(path.parent.glob("*imulat*.tsv"))
    found = [KNOWN[line.name]] if line.name in KNOWN else []
    if tables:
        rows = _rows(tables[0])
        if rows and {"observableId", "time", "simulation"} <= rows[0].keys():
            line.simulated = simulated_difference(problem, petab, rows)
            found.append(objective_of(petab, rows))
    found = [value for value in found if not math.isnan(value)]
    if found:
        line.reference = min(found, key=lambda value: abs(value - line.nll))


def _compare_solution(
    line: Line, solution: Mapping[str, Any], problem: odefit.Problem, path: Path, petab: PetabProblem
) -> None:
    line.reference = -float(solution["llh"])
    rows = [row for name in solution["simulation_files"] for row in _rows(path.parent / name)]
    line.simulated = simulated_difference(problem, petab, rows)
    priors = solution.get("log_prior")
    if priors:
        difference = abs(problem.log_prior(problem.x0) - sum(priors.values()))
        line.other = (
            f" (log prior: {difference:.1e})" if difference < 1e-9 else f" BUT log prior differs by {difference:g}"
        )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _key(observable: str, condition: str, at: float) -> tuple[str, str, float]:
    return observable, condition, at


def _of_row(row: Mapping[str, str], petab: PetabProblem) -> tuple[str, str, float]:
    """Observable, experiment and time of a row of a table, some of which leave out `observable_`."""
    if row["observableId"] not in petab.observables:
        row = {**row, "observableId": f"observable_{row['observableId']}"}
    if "experimentId" in row:
        return _key(row["observableId"], row["experimentId"], float(row["time"]))
    before = row.get("preequilibrationConditionId", row.get("preequilibrationCondition"))
    pair = (before or "", row.get("simulationConditionId", row.get("simulationCondition")) or "")
    for e in petab.experiments.values():
        rest = "" if e.before is None else e.before.condition
        if (rest, e.from_start[0].condition) == pair:
            return _key(row["observableId"], e.name, float(row["time"]))
    return _key(row["observableId"], "?", float(row["time"]))


def simulated_difference(problem: odefit.Problem, petab: PetabProblem, rows: Sequence[Mapping[str, str]]) -> float:
    """The largest relative difference between simulated values; NaN where they cannot be matched."""
    frame = problem.simulate(problem.x0)
    if "experiment" not in frame:
        frame["experiment"] = next(iter(petab.experiments))
    ours: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for record in frame.to_dict("records"):
        for observable in petab.observables:
            if observable in record:
                key = _key(observable, str(record["experiment"]), float(record["time"]))
                ours[key].append(float(record[observable]))
    worst = 0.0
    for row in rows:
        value = float(row["simulation"])
        found = ours.get(_of_row(row, petab), [])
        if not found:
            return math.nan
        worst = max(worst, min(abs(f - value) for f in found) / max(abs(value), 1e-3))
    return worst


def objective_of(petab: PetabProblem, rows: Sequence[Mapping[str, str]]) -> float:
    """nll of the measurements around a table of simulated values; NaN where the noise needs more than parameters."""
    simulated: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        places = (row.get("observableParameters") or "", row.get("noiseParameters") or "")
        simulated[(*_of_row(row, petab), *places)].append(float(row["simulation"]))
    nominal: dict[str, Tree] = {n: Number(p.nominal) for n, p in petab.parameters.items() if p.nominal is not None}
    measured = [row for path in _measurement_tables(petab) for row in _rows(path)]
    total = 0.0
    for row, given in zip(petab.measurements, measured, strict=True):
        places = (given.get("observableParameters") or "", given.get("noiseParameters") or "")
        key = _key(row.observable, row.experiment, row.time)
        # Some tables of simulations have other parameters of measurements, or none.
        found = simulated.get((*key, *places)) or next((v for k, v in simulated.items() if k[:3] == key), None)
        if not found:
            return math.nan
        observable = petab.observables[row.observable]
        value = found.pop(0) if len(found) > 1 else found[0]
        put = {**nominal, observable.name: Number(value)}
        own = {
            p: replaced(t, nominal) for p, t in zip(observable.noise_placeholders, row.noise_parameters, strict=False)
        }
        own |= {p: replaced(t, nominal) for p, t in zip(observable.placeholders, row.parameters, strict=False)}
        sigma = replaced(replaced(observable.noise, own), put)
        if not isinstance(sigma, Number):
            return math.nan
        total += cost(observable, row.value, value, sigma.value)
    return total


def _measurement_tables(petab: PetabProblem) -> list[Path]:
    data = yaml.safe_load(petab.path.read_text(encoding="utf-8"))
    holder = data["problems"][0] if "problems" in data else data
    return [petab.path.parent / name for name in holder["measurement_files"]]


def cost(observable: PetabObservable, measured: float, simulated: float, sigma: float) -> float:
    """-ln of the density of one measurement, as PEtab defines it."""
    if observable.transformation == "lin":
        residual, jacobian = (measured - simulated) / sigma, 0.0
    else:
        if simulated <= 0:
            return math.nan
        unit = math.log(10.0) if observable.transformation == "log10" else 1.0
        residual = math.log(measured / simulated) / unit / sigma
        jacobian = math.log(measured * unit)
    if observable.distribution == "laplace":
        return abs(residual) + math.log(2 * sigma) + jacobian
    return residual**2 / 2 + math.log(sigma * math.sqrt(2 * math.pi)) + jacobian


# -- gradients and fits


def gradient_error(problem: odefit.Problem) -> float:
    """The largest difference to central differences, relative to the gradient's length.

    At a random point inside of the bounds beside the nominal one, where the gradient often vanishes, and away from
    where solutions blow up.
    """
    low, high = problem.bounds_search.T
    room, nominal, random = (
        np.minimum(0.01, 0.1 * (high - low)),
        problem.to_search(problem.x0),
        np.random.default_rng(0),
    )
    for _ in range(TRIALS):
        u = np.clip(nominal + AWAY * random.standard_normal(len(nominal)), low + room, high - room)
        directions = [d / np.linalg.norm(d) for d in random.standard_normal((DIRECTIONS, len(u)))]
        around = [u + sign * max(STEPS) * d for d in directions for sign in (-1, 1)]
        if all(math.isfinite(problem.nll_search(each)) for each in around):
            break
    gradient, worst = problem.gradient_search(u), 0.0
    if not np.isfinite(gradient).all():
        return math.inf
    for d in directions:
        slopes = [(problem.nll_search(u + h * d) - problem.nll_search(u - h * d)) / (2 * h) for h in STEPS]
        off = [abs(slope - gradient @ d) if math.isfinite(slope) else math.inf for slope in slopes]
        worst = max(worst, min(off) / max(float(np.linalg.norm(gradient)), 1e-3))
    return worst


def best_of(config: Path, seconds: float) -> str:
    """A multi-start that does not begin at the published point."""
    data = yaml.safe_load(config.read_text(encoding="utf-8"))
    for parameter in data["parameters"].values():
        if isinstance(parameter, dict) and parameter.get("estimate", True) and "bounds" in parameter:
            parameter.pop("value", None)
    config = config.with_name("fit.yaml")
    config.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    began = time.process_time()
    starts = data["fit"]["starts"]
    run = odefit.fit(config, [f"fit.cpu_limit={seconds / starts}", "fit.workers=1"])
    result = run.result
    return f"{result.objective.nll:.6g}, {time.process_time() - began:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names (or parts of names) of problems")
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--fit", type=float, default=0.0, metavar="SECONDS", help="of CPU for each problem")
    parser.add_argument("--keep", type=Path, help="where the imported configs are left")
    given = parser.parse_args()
    lines = []
    print(HEADER)
    with tempfile.TemporaryDirectory() as temporary:
        for path in problems_in(given.folder):
            if given.only and not any(part in str(path) for part in given.only):
                continue
            lines.append(measure(path, given.keep or Path(temporary), given.gradients, given.fit))
            print(lines[-1], flush=True)
    imported = sum(not line.fault for line in lines)
    print(f"{imported} of {len(lines)} loaded, {sum(line.verdict.startswith('ok') for line in lines)} ok")


if __name__ == "__main__":
    main()
