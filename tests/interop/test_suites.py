"""PEtab's test suite and the benchmark collection, where they lie beside the repository (they are not part of it).

    ../shared/petab/suite         https://github.com/PEtab-dev/petab_test_suite
    ../shared/petab/collection    https://github.com/Benchmarking-Initiative/Benchmark-Models-PEtab

`benchmarks/petab_collection.py` measures the whole collection.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import odefit
from odefit.interop.formula_text import formula_text
from odefit.interop.importing import import_file
from odefit.interop.mathematics import Number
from odefit.interop.petab_math import parse_petab

ROOT = Path(__file__).parents[2]
SHARED = next((p for p in (ROOT.parent / "shared/petab", ROOT.parents[1] / "shared/petab") if p.is_dir()), None)
NOT_HERE = "PEtab's suite and collection are not beside the repository (../shared/petab)"
pytestmark = pytest.mark.skipif(SHARED is None, reason=NOT_HERE)
NOMINAL = {
    "Bertozzi_PNAS2020": 158.8643,
    "Boehm_JProteomeRes2014": 138.2220,
    "Bruno_JExpBot2016": -46.6882,
    "Crauste_CellSystems2017": 190.9640,
    "Rahman_MBS2016": 21.1535,
    "Sneyd_PNAS2002": -319.7918,
}
"""-ln likelihood at the nominal parameters, as the collection and other tools have it: those that take no time."""


def cases(version: str) -> list[Any]:
    folders = sorted((SHARED / "suite" / version / "sbml").iterdir()) if SHARED is not None else []
    return [pytest.param(folder, id=f"{version}-{folder.name}") for folder in folders if folder.is_dir()]


def problems() -> list[Any]:
    folders = sorted((SHARED / "collection").iterdir()) if SHARED is not None else []
    return [pytest.param(folder, id=folder.name) for folder in folders if folder.is_dir()]


def loaded(path: Path, folder: Path) -> odefit.Problem:
    return odefit.load(import_file(path).write(folder))


@pytest.mark.parametrize("folder", [*cases("v1.0.0"), *cases("v2.0.0")])
def test_a_case_of_the_suite(folder: Path, tmp_path: Path) -> None:
    problem = loaded(folder / f"_{folder.name}.yaml", tmp_path)
    solution = yaml.safe_load((folder / f"_{folder.name}_solution.yaml").read_text("utf-8"))
    assert -problem.nll(problem.x0) == pytest.approx(solution["llh"], abs=1e-6 * max(1, abs(solution["llh"])))
    if solution.get("log_prior"):
        assert problem.log_prior(problem.x0) == pytest.approx(sum(solution["log_prior"].values()), abs=1e-12)


def test_the_mathematics_of_the_suite() -> None:
    assert SHARED is not None
    text = (SHARED / "suite/v2.0.0/math/math_tests.yaml").read_text("utf-8")
    for case in yaml.safe_load(text)["cases"]:
        tree, expected = parse_petab(case["expression"]), case["expected"]
        if isinstance(tree, Number):
            wanted = float(expected)
            assert tree.value == pytest.approx(wanted, abs=1e-12) or tree.value == wanted, case
        else:
            assert formula_text(tree) == expected.replace(" ", ""), case


@pytest.mark.parametrize("folder", problems())
def test_a_problem_of_the_collection_is_imported_whole(folder: Path) -> None:
    (path,) = (p for p in folder.glob("*.yaml") if "format_version" in p.read_text("utf-8"))
    imported = import_file(path)
    listed = yaml.safe_load(path.read_text("utf-8"))["problems"][0]["measurement_files"]
    rows = [row for name in listed for row in (folder / name).read_text("utf-8").splitlines()[1:] if row.strip()]
    made = list(csv.reader(imported.files["data.csv"].splitlines()))
    assert len(made) - 1 == len(rows)
    assert all(math.isfinite(float(row[3])) for row in made[1:])


@pytest.mark.parametrize("name", NOMINAL)
def test_the_objective_of_a_problem_of_the_collection(name: str, tmp_path: Path) -> None:
    assert SHARED is not None
    (path,) = (p for p in (SHARED / "collection" / name).glob("*.yaml") if "format_version" in p.read_text("utf-8"))
    problem = loaded(path, tmp_path)
    assert problem.nll(problem.x0) == pytest.approx(NOMINAL[name], abs=1e-3)
