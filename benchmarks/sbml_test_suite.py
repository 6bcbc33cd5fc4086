"""The semantic cases of the SBML test suite through `odefit import`: how many come out right, and what is refused.

    python benchmarks/sbml_test_suite.py CASES [--only NUMBER ...] [--every N] [--list] [--peer]

CASES is the folder `cases/semantic` of https://github.com/sbmlteam/sbml-test-suite (none of it is kept here). Of each
case the newest level is imported, simulated by odefit, and compared with the results of the suite within the case's own
tolerances, absolute + relative |result|. Printed are the counts by outcome, how many of those that are right are so to
1e-6 of the largest value of each variable, and the reasons of what is refused or wrong with the cases' tags.
The suite's own results have three to eight digits: with --peer those that differ by more than 1e-6 are compared with
libroadrunner at a relative tolerance of 1e-12, too (it comes with the extra `simulators`).
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import tempfile
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import odefit
from odefit.errors import Faults, OdefitError
from odefit.interop.drafting import draft_of_model
from odefit.interop.mathematics import Name, Tree, call
from odefit.interop.sbml_model import sbml_model
from odefit.interop.sbml_reading import read_sbml
from odefit.interop.writing import config_files

CLOSE = 1e-6
LEVELS = ("l3v2", "l3v1", "l2v5", "l2v4", "l2v3", "l2v2", "l2v1")


@dataclass(frozen=True)
class Outcome:
    """What became of a case: right, WRONG, REFUSED, FAILED or not tried, and why; `off`
    by which part of the largest value, and by which from libroadrunner (`peer`)."""

    kind: str
    reason: str = ""
    off: float = 0.0
    peer: float = math.nan


def settings(folder: Path) -> dict[str, str]:
    text = (folder / f"{folder.name}-settings.txt").read_text("utf-8")
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines() if line)}


def tags(folder: Path) -> list[str]:
    text = (folder / f"{folder.name}-model.m").read_text("utf-8", errors="replace")
    found = re.findall(r"^(?:componentTags|testTags):(.*)$", text, re.M)
    return [tag.strip() for line in found for tag in line.split(",") if tag.strip()]


def run(folder: Path, scratch: Path, peer: bool) -> Outcome:
    """One case. peer: whether to ask libroadrunner where the suite's own result is not ours to 1e-6."""
    path = next((p for level in LEVELS if (p := folder / f"{folder.name}-sbml-{level}.xml").exists()), None)
    given = settings(folder)
    kind = re.search(r"^testType:\s*(\w+)", (folder / f"{folder.name}-model.m").read_text("utf-8", "replace"), re.M)
    if path is None or not given.get("variables") or kind is None or kind[1] != "TimeCourse":
        return Outcome("not tried", "no time course of a model of level 2 or 3")
    variables = [v.strip() for v in given["variables"].split(",")]
    amounts = {v.strip() for v in given.get("amount", "").split(",")}
    try:
        sbml = read_sbml(path)
        model, faults = sbml_model(sbml), Faults()
        observables: dict[str, Tree] = {}
        for name in variables:
            species = sbml.model.getSpecies(name)
            tree: Tree = Name(name)
            if species is not None and not species.getHasOnlySubstanceUnits():
                sized = sbml.model.getCompartment(species.getCompartment()).getSpatialDimensions() != 0
                tree = call("*", tree, Name(species.getCompartment())) if sized and name in amounts else tree
            elif species is not None and name not in amounts:
                tree = call("/", tree, Name(species.getCompartment()))
            observables[f"seen_{name}"] = tree
        files = config_files(draft_of_model(model, "case", path.name, faults, observables), faults)
        faults.check()
        for name, text in files.items():
            (scratch / name).write_text(text, encoding="utf-8")
        times = np.linspace(0, float(given["duration"]), int(given["steps"]) + 1) + float(given["start"])
        shown = ",".join(repr(float(t)) for t in times)
        frame = odefit.simulate(
            scratch / "case.yaml", [f"data.simulate.times=[{shown}]", "solver.rtol=1e-9", "data.at_jumps=after"]
        ).frame
    except OdefitError as error:
        return Outcome("REFUSED", re.sub(r"^\S*: |'[^']*'|\d+", "…", str(error).splitlines()[0])[:110])
    found = {v: frame[f"seen_{v}"].to_numpy() for v in variables}
    outcome = _compared(folder, given, variables, found)
    if not peer or outcome.kind != "right" or outcome.off <= CLOSE:
        return outcome
    other = _by_roadrunner(
        path, [v if v in amounts or sbml.model.getSpecies(v) is None else f"[{v}]" for v in variables], times
    )
    return replace(outcome, peer=max(_off(found[v], other[:, k]) for k, v in enumerate(variables)))


def _by_roadrunner(path: Path, selections: list[str], times: np.ndarray) -> np.ndarray:
    import roadrunner

    solver = roadrunner.RoadRunner(path.read_text("utf-8"))
    solver.integrator.relative_tolerance, solver.integrator.absolute_tolerance = 1e-12, 1e-14
    solver.integrator.maximum_time_step = float(times[1] - times[0]) / 20  # so that no event is stepped over
    solver.timeCourseSelections = selections
    return np.array(solver.simulate(times=list(times)))


def _off(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest value."""
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    return float(np.abs(found[: len(expected)] - expected)[finite].max()) / largest if largest > 0 else 0.0


def _compared(folder: Path, given: dict[str, str], variables: list[str], found: dict[str, np.ndarray]) -> Outcome:
    with (folder / f"{folder.name}-results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [{k.strip(): v for k, v in row.items() if k} for row in csv.DictReader(file)]
    absolute, relative, worst = float(given["absolute"]), float(given["relative"]), 0.0
    for name in variables:
        expected = np.array([float(row[name]) for row in rows])
        allowed = absolute + relative * np.abs(expected)
        off = ~(np.abs(found[name][: len(expected)] - expected) <= allowed) & ~np.isnan(expected)
        if off.any():
            k = int(np.argmax(off))
            return Outcome("WRONG", f"{name}[{k}] = {found[name][k]:.6g}, not {expected[k]:.6g}")
        worst = max(worst, _off(found[name], expected))
    return Outcome("right", off=worst)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="numbers of cases")
    parser.add_argument("--every", type=int, default=1, help="only each N-th case")
    parser.add_argument("--list", action="store_true", help="a line for each case that is not right")
    parser.add_argument("--peer", action="store_true", help="libroadrunner for what differs from the suite by 1e-6")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    counts, reasons, coarse = Counter[str](), defaultdict[str, list[str]](list), list[tuple[float, float, str]]()
    folders = sorted(p for p in given.cases.iterdir() if p.is_dir() and p.name.isdigit())
    wanted = {int(number) for number in given.only}
    folders = [f for f in folders if int(f.name) in wanted] if wanted else folders[:: given.every]
    with tempfile.TemporaryDirectory() as temporary:
        for folder in folders:
            try:
                outcome = run(folder, Path(temporary), given.peer)
            except Exception as error:  # a fault of ours, which must not hide the other cases
                outcome = Outcome("FAILED", f"{type(error).__name__}: {error}"[:110])
            counts[outcome.kind] += 1
            if outcome.off > CLOSE:
                coarse.append((outcome.off, outcome.peer, folder.name))
            if outcome.kind != "right":
                reason = "" if outcome.kind == "WRONG" else outcome.reason
                reasons[f"{outcome.kind}: {reason}"].append(folder.name)
                if given.list:
                    print(folder.name, outcome.kind, outcome.reason, "|", ", ".join(tags(folder)), flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()), f"of {sum(counts.values())}")
    print(
        f"{counts['right'] - len(coarse)} of those that are right agree to {CLOSE:g} of the largest value; the others:"
    )
    print(", ".join(f"{name} {off:.1e} ({peer:.0e})" for off, peer, name in sorted(coarse, reverse=True)))
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"{len(names):5}  {reason}  ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})")
    if not math.isfinite(sum(counts.values())):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
