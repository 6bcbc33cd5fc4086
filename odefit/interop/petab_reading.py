"""The YAML file of a PEtab problem, and the tables and the model that it names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from odefit.config.named_files import WHY, held_to_its_folder, lies_within
from odefit.config.source import Source, read_yaml
from odefit.errors import ConfigError, Faults
from odefit.interop import petab_v1, petab_v2
from odefit.interop.formats import MARK
from odefit.interop.petab_problem import PetabProblem
from odefit.interop.petab_tables import Reading
from odefit.interop.sbml_model import sbml_model
from odefit.interop.sbml_reading import read_sbml
from odefit.text import clip, show, suggest

GENERIC = frozenset({"problem", "petab", "petab_problem", "model"})
"""File names that say nothing of the problem."""


def read_problem(path: Path, only_beside: bool | None = None) -> PetabProblem:
    """A problem with all its tables.

    Parameters
    ----------
    path
        Its YAML file.
    only_beside
        Refuse files elsewhere than beside it or below; default: what the environment says.

    Raises
    ------
    ConfigError
        All faults of the YAML file and of the tables.
    """
    source = read_yaml(path)
    version = _version(source)
    faults = Faults()
    files = _Files(source, path.parent, faults, held_to_its_folder() if only_beside is None else only_beside)
    reading = Reading(faults)
    read = _version_1 if version == 1 else petab_v2.read_version_2
    problem = read(problem_name(path), path, files, reading)
    problem = replace(problem, pictures=_pictures(files, reading))
    _check_rows(problem, reading)
    if faults.found and problem.sbml != path:
        with faults.catching():  # those of the model in the same breath
            sbml_model(read_sbml(problem.sbml))
    faults.check()
    return problem


def problem_name(path: Path) -> str:
    """What a problem is called: after its file, or after its folder where all are called alike."""
    return path.resolve().parent.name or path.stem if path.stem in GENERIC else path.stem


def _version(source: Source) -> int:
    given = source.data.get(MARK)
    if given is None:
        what = f"is no PEtab problem: it has no key '{MARK}'; {suggest(MARK, _keys(source.data))}"
        raise ConfigError(source.where(()), what)
    major = str(given).split(".")[0]
    if major not in ("1", "2"):
        raise ConfigError(
            source.where((MARK,)), f"PEtab {clip(str(given))} is not known; odefit reads versions 1 and 2"
        )
    return int(major)


def _keys(holder: Mapping[str, Any]) -> list[str]:
    return [str(key) for key in holder]


class _Files:
    """The files that a problem names, beside its YAML file."""

    def __init__(self, source: Source, folder: Path, faults: Faults, only_beside: bool) -> None:
        self.source, self.folder, self.faults, self.only_beside = source, folder, faults, only_beside

    def named(self, holder: Mapping[str, Any], keys: tuple[str | int, ...], key: str) -> list[Path]:
        value = holder.get(key)
        names = [] if value is None else value if isinstance(value, list) else [value]
        found = []
        for name in names:
            if self.only_beside and isinstance(name, str) and not lies_within(self.folder / name, self.folder):
                self.fault((*keys, key), f"names '{clip(name)}', {WHY}")
            elif isinstance(name, str) and name:
                found.append(self.folder / name)
            else:
                self.fault((*keys, key), f"must be the name of a file (got {clip(str(name))})")
        return found

    def needed(self, holder: Mapping[str, Any], keys: tuple[str | int, ...], key: str) -> list[Path]:
        found = self.named(holder, keys, key)
        if not found and key not in holder:
            self.fault(keys, f"has no key '{key}'; {suggest(key, _keys(holder))}")
        elif not found:
            self.fault((*keys, key), f"names no file: '{key}' is needed")
        return found

    def fault(self, keys: Sequence[str | int], what: str) -> None:
        self.faults.add(self.source.where(keys), what)


def _version_1(name: str, path: Path, files: _Files, reading: Reading) -> PetabProblem:
    data = files.source.data
    problems = data.get("problems")
    if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
        if problems is None and "problems" not in data:
            raise ConfigError(files.source.where(()), f"has no key 'problems'; {suggest('problems', _keys(data))}")
        many = isinstance(problems, list) and len(problems) > 1
        what = "holds several problems: write a file for each" if many else "must be a list of one problem"
        raise ConfigError(files.source.where(("problems",)), what)
    holder, keys = problems[0], ("problems", 0)
    parameters = petab_v1.read_parameters(reading, files.needed(data, (), "parameter_file"))
    observables = petab_v1.read_observables(reading, files.needed(holder, keys, "observable_files"))
    conditions = petab_v1.read_conditions(reading, files.needed(holder, keys, "condition_files"))
    tables = files.needed(holder, keys, "measurement_files")
    measurements, experiments = petab_v1.read_measurements(reading, tables, conditions)
    models = files.needed(holder, keys, "sbml_files")
    if len(models) > 1:
        files.fault((*keys, "sbml_files"), "names several models; odefit fits one")
    return PetabProblem(
        name,
        path,
        1,
        models[0] if models else path,
        parameters,
        observables,
        experiments,
        measurements,
    )


def _pictures(files: _Files, reading: Reading) -> tuple[Mapping[str, str], ...]:
    """The rows of the visualisation tables of version 1."""
    problems = files.source.data.get("problems")
    if not isinstance(problems, list):
        return ()
    paths = files.named(problems[0], ("problems", 0), "visualization_files")
    return tuple(dict(row.cells) for path in paths if path.exists() for row in reading.rows(path, ["plotId"]))


def _check_rows(problem: PetabProblem, reading: Reading) -> None:
    """Every measurement is a number of an observable that there is, with as many parameters as its formulas have."""
    faults, unknown = reading.faults, dict[str, list[str]]()
    if not problem.measurements and not faults.found:
        faults.add(show(problem.path), "has no measurements: its table has no rows")
    for row in problem.measurements:
        if math.isinf(row.value):
            faults.add(f"{row.where}, column measurement", f"{row.value} cannot have been measured")
        observable = problem.observables.get(row.observable)
        if observable is None:
            unknown.setdefault(row.observable, []).append(f"{row.where}, column observableId")
            continue
        for column, names, given in (
            ("observableParameters", observable.placeholders, row.parameters),
            ("noiseParameters", observable.noise_placeholders, row.noise_parameters),
        ):
            if len(given) < len(names):
                what = f"the formulas of '{row.observable}' have {len(names)} of them, and here are {len(given)}"
                faults.add(f"{row.where}, column {column}", what)
    reading.unknown(unknown, "observable", problem.observables)
