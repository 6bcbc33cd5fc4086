"""The files of arrays of a problem: weights by network, and arguments of networks by experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory

from odefit.arrays import FloatArray
from odefit.errors import Faults
from odefit.interop.petab_hybrid import Hybrid
from odefit.interop.petab_problem import PetabExperiment, PetabProblem
from odefit.model.graphs.arrays import ArrayFile, write_arrays
from odefit.records import dataclass
from odefit.text import clip, suggest


@dataclass(frozen=True)
class ProblemArrays:
    """What the files hold.

    Attributes
    ----------
    files
        As they are.
    names, content
        Array -> the file of the config that has it by experiment; the files themselves.
    """

    files: tuple[ArrayFile, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, bytes] = field(default_factory=dict)

    def weights(self, network: str) -> dict[str, FloatArray]:
        """All weights of a network."""
        return {name: array for file in self.files for name, array in file.weights(network).items()}


def arrays_of(hybrid: Hybrid, problem: PetabProblem, arguments: Sequence[str], faults: Faults) -> ProblemArrays:
    """The arrays of a problem; arguments of networks are told apart by experiment, as configs have it."""
    files, where = hybrid.arrays, hybrid.where
    names, content = {}, {}
    for name in arguments:
        found = {condition: array for file in files for condition, array in file.inputs(name).items()}
        if not found:
            known = dict.fromkeys(
                place.split("/")[1] for file in files for place in file.arrays if place.startswith("inputs/")
            )
            faults.add(where, f"no array file has inputs/{clip(name)}; {suggest(name, known)}")
            continue
        chosen = {"0": found["0"]} if "0" in found else _by_experiment(name, found, problem, where, faults)
        during = any(not n.before and name in n.inputs.values() for n in hybrid.networks.values())
        if during and "0" not in found:
            _check_later(name, found, problem, faults)
        names[name] = f"{name}.h5"
        content[f"{name}.h5"] = as_bytes({f"inputs/{name}/{key}": array for key, array in chosen.items()})
    return ProblemArrays(files, names, content)


def _by_experiment(
    name: str, found: Mapping[str, FloatArray], problem: PetabProblem, where: str, faults: Faults
) -> dict[str, FloatArray]:
    measured = dict.fromkeys(row.experiment for row in problem.measurements)
    chosen = {}
    for experiment in measured:
        first = problem.experiments.get(experiment, PetabExperiment(experiment, ()))
        conditions = first.periods[0].condition.split(";") if first.periods else []
        own = [condition for condition in conditions if condition in found]
        if len(own) == 1:
            chosen[experiment] = found[own[0]]
            continue
        what = f"inputs/{clip(name)} has no array for the first condition of experiment '{clip(experiment)}'"
        faults.add(where, what if not own else what.replace("no array", "several arrays"))
    return chosen


def _check_later(name: str, found: Mapping[str, FloatArray], problem: PetabProblem, faults: Faults) -> None:
    """Arrays of networks of the simulation stay what they are at the start."""
    measured = {row.experiment for row in problem.measurements}
    for experiment in problem.experiments.values():
        for period in experiment.from_start[1:] if experiment.name in measured else ():
            own = [condition for condition in period.condition.split(";") if condition in found]
            if own:
                what = f"inputs/{clip(name)} has an array for '{clip(own[0])}', which comes on the way"
                faults.add(period.where, f"{what}; arrays are those of the first condition of an experiment")


def as_bytes(arrays: Mapping[str, FloatArray]) -> bytes:
    """A file of arrays as it lies on the disk."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.h5"
        write_arrays(path, arrays)
        return path.read_bytes()
