"""PEtab-SciML's test suite, case by case: networks, problems, initialisations.

    python benchmarks/petab_sciml_suite.py FOLDER [--cases 001 002] [--differences]

FOLDER is a copy of the repository `petab_sciml_testsuite`. Networks are computed as the suite has them, in training
mode: with dropout the mean of as many passes as the case's `dropout` says, within the tolerance that the case's own
script has (1e-2, and 2e-2 for AlphaDropout; the reference is itself a mean of 50,000 passes). Problems are imported as
`odefit import` does it; llh and simulations are compared to the suite's tolerances, gradients of the parameters and of
the weights too. With --differences every gradient is also compared with central differences of odefit's own objective,
relative to its largest component. They begin at two widths, and the extrapolation that is more certain of itself
counts: a wide one may reach over the kink of a relu, next to which no central difference is right.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from odefit.config.load import load_config
from odefit.data.dataset import data_loader
from odefit.diagnostics.gradient_check import ridders
from odefit.errors import OdefitError
from odefit.interop.importing import import_file
from odefit.model.graphs.arrays import read_arrays
from odefit.model.graphs.description import read_graph
from odefit.model.graphs.module import GraphModule
from odefit.model.weights import weights_by_layer
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.training.objective_torch import TrainingObjective

TOLERANCE = 1e-3
STEPS = (1e-3, 1e-5)
EXACT = ("solver.rtol=1e-12", "solver.atol=1e-14")
"""Of the comparison with differences, which would else see the errors of the solver."""


def network_case(folder: Path) -> str:
    """The largest error of the outputs, and whether it is small enough."""
    torch.manual_seed(0)
    solution = yaml.safe_load((folder / "solutions.yaml").read_text())
    graph = read_graph(folder / solution["net_file"])
    module = GraphModule(graph).double()
    worst = 0.0
    for k, output in enumerate(solution["net_output"]):
        keys = (
            ["net_input"] if "net_input" in solution else sorted(x for x in solution if x.startswith("net_input_arg"))
        )
        files = [read_arrays(folder / solution[key][k], key) for key in keys]
        arguments = [torch.as_tensor(next(iter(file.inputs("input0").values()))) for file in files]
        if "net_ps" in solution:
            own = {name.replace("/", "."): q for name, q in module.layers.named_parameters()}
            given = read_arrays(folder / solution["net_ps"][k], "net_ps").weights(graph.name)
            assert own.keys() == given.keys()
            with torch.no_grad():
                for name, q in own.items():
                    q.copy_(torch.as_tensor(given[name]))
        with torch.no_grad():
            passes = solution.get("dropout", 1)
            found = sum(module(*arguments)[0] for _ in range(passes)) / passes
        expected = torch.as_tensor(next(iter(read_arrays(folder / output, "output").arrays.values())))
        assert found.shape == expected.shape
        worst = max(worst, float((found - expected).abs().max()))
    return verdict(worst <= network_tolerance(folder), output=worst)


def network_tolerance(folder: Path) -> float:
    """What the script of a case, which is not run, says of its error."""
    found = re.search(r"\batol=([0-9.e-]+)", (folder / "create_testdata" / "net.py").read_text())
    return float(found[1]) if found else TOLERANCE


def assembled(problem: Path, folder: Path, overrides: Sequence[str] = ()) -> Assembly:
    return prepare(load_config(import_file(problem).write(folder), overrides))[0]


class Objective:
    """The log likelihood, with the log priors, and its gradients."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly, problem = assembly, assembly.problem
        assert assembly.networks is not None
        u = torch.as_tensor(problem.table.to_search(problem.table.values))
        self.module = TrainingObjective(problem, assembly.networks, "nll", u)
        self.batch: Any = next(
            iter(data_loader(problem.solved.experiments, None, torch.Generator(), torch.float64, "cpu"))
        )
        self.weights = {
            f"{net}.{name}": q
            for net, one in assembly.networks.items()
            for name, q in weights_by_layer(one).items()
            if q.requires_grad
        }

    def value(self) -> float:
        with torch.no_grad():
            return -float(self.module(self.batch)) * self.assembly.problem.n_measured

    def gradients(self) -> tuple[dict[str, float], dict[str, np.ndarray[Any, Any]]]:
        """By parameter on the natural scale, and by array."""
        self.module.zero_grad()
        self.module(self.batch).backward()
        n, table = self.assembly.problem.n_measured, self.assembly.problem.table
        u = self.module.u.detach().numpy()
        natural = -n * self.module.u.grad.numpy() / table.transforms.derivative(u)
        weights = {
            name: np.zeros(q.shape) if q.grad is None else -n * q.grad.numpy() for name, q in self.weights.items()
        }
        return dict(zip(table.estimated_names, natural.tolist(), strict=True)), weights

    def differences(self, found: tuple[dict[str, float], dict[str, np.ndarray[Any, Any]]]) -> float:
        """How far central differences are from the gradients, relative to the largest of them."""
        table = self.assembly.problem.table
        slopes = table.transforms.derivative(self.module.u.detach().numpy())
        pairs = [(self.module.u, np.array(list(found[0].values())) * slopes)]
        pairs += [(self.weights[name], gradient) for name, gradient in found[1].items()]
        largest = max(float(np.abs(gradient).max(initial=0.0)) for _, gradient in pairs)
        worst = 0.0
        for tensor, gradient in pairs:
            flat = tensor.detach().view(-1)
            for k in range(len(flat)):
                worst = max(worst, abs(self._difference(flat, k) - float(gradient.reshape(-1)[k])))
        return worst / largest if largest else worst

    def _difference(self, flat: torch.Tensor, k: int) -> float:
        here, size = float(flat[k]), max(1.0, abs(float(flat[k])))

        def moved(h: float) -> float:
            flat[k] = here + h * size
            return self.value()

        slope, _ = min((ridders(moved, step) for step in STEPS), key=lambda found: found[1])
        flat[k] = here
        return slope / size


def problem_case(folder: Path, differences: bool) -> str:
    solution = yaml.safe_load((folder / "solutions.yaml").read_text())
    with tempfile.TemporaryDirectory() as made:
        assembly = assembled(folder / "petab" / "problem.yaml", Path(made))
    objective = Objective(assembly)
    found = objective.gradients()
    objectives = [key for key in ("llh", "log_posterior") if key in solution]
    errors = {key: abs(objective.value() - float(solution[key])) for key in objectives}
    errors["simulations"] = simulation_error(folder, assembly)
    for kind, file in solution["grad_files"].items():
        if kind == "mech":
            rows = read_rows(folder / file)
            own = {row["parameterId"]: float(row["value"]) for row in rows}
            errors["parameters"] = max(abs(found[0][name] - value) for name, value in own.items())
            assert set(own) == set(found[0])
            continue
        given = read_arrays(folder / file, file).weights(kind)
        trained = {name.removeprefix(f"{kind}."): g for name, g in found[1].items() if name.startswith(f"{kind}.")}
        assert {name for name, array in given.items() if array.size} == set(trained)
        error = max((float(np.abs(trained[name] - given[name]).max()) for name in trained), default=0.0)
        errors["weights"] = max(errors.get("weights", 0.0), error)
    limits = {key.removeprefix("tol_"): value for key, value in solution.items() if key.startswith("tol_")}
    good = all(error <= limits.get(name, limits["grad"]) for name, error in errors.items())
    if differences:
        with tempfile.TemporaryDirectory() as made:
            exact = Objective(assembled(folder / "petab" / "problem.yaml", Path(made), EXACT))
        errors["differences"] = exact.differences(exact.gradients())
        good = good and errors["differences"] <= 1e-6
    return verdict(good, **errors)


def simulation_error(folder: Path, assembly: Assembly) -> float:
    solution = yaml.safe_load((folder / "solutions.yaml").read_text())
    predicted = assembly.problem.predict(assembly.problem.table.values)
    names = assembly.problem.observation.names
    values = {
        (e.name, name, float(t)): float(g[i, o])
        for e, g in zip(assembly.problem.experiments, predicted, strict=True)
        for o, name in enumerate(names)
        for i, t in enumerate(e.times)
    }
    rows = [row for file in solution["simulation_files"] for row in read_rows(folder / file)]
    places = [(row.get("experimentId") or "data", row["observableId"], float(row["time"])) for row in rows]
    return max(abs(values[place] - float(row["simulation"])) for place, row in zip(places, rows, strict=True))


def initialisation_case(folder: Path) -> str:
    solution = yaml.safe_load((folder / "solutions.yaml").read_text())
    with tempfile.TemporaryDirectory() as made:
        assembly = assembled(folder / "petab" / "problem.yaml", Path(made))
    assert assembly.networks is not None
    worst = 0.0
    for net, file in solution["parameter_files"].items():
        own = weights_by_layer(assembly.networks[net])
        for name, values in read_arrays(folder / file, file).weights(net).items():
            worst = max(worst, float(np.abs(own[name].detach().numpy() - values).max()))
    return verdict(worst <= solution["tol"], weights=worst)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def verdict(good: bool, **errors: float) -> str:
    said = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
    return f"{'ok' if good else 'WRONG'} ({said})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", nargs="*", default=None)
    parser.add_argument("--kinds", nargs="*", default=["networks", "problems", "initialisations"])
    parser.add_argument("--differences", action="store_true")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)  # of torch, about shapes without a batch
    kinds: dict[str, tuple[str, Callable[[Path], str]]] = {
        "networks": ("ml_model_import", network_case),
        "problems": ("sciml_problem_import", lambda folder: problem_case(folder, given.differences)),
        "initialisations": ("initialization", initialisation_case),
    }
    for kind in given.kinds:
        name, run = kinds[kind]
        good = total = 0
        for folder in cases(given.folder / "test_cases" / name, given.cases):
            try:
                said = run(folder)
            except (OdefitError, AssertionError, KeyError, ValueError) as error:
                said = f"FAILED ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
            good, total = good + said.startswith("ok"), total + 1
            print(f"{kind} {folder.name}: {said}", flush=True)
        print(f"{kind}: {good} of {total}", flush=True)


def cases(folder: Path, chosen: list[str] | None) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (chosen is None or path.name in chosen):
            yield path


if __name__ == "__main__":
    main()
