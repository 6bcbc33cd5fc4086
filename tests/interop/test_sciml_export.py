"""Fitted hybrids as PEtab-SciML: what is read back is the same problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network_files import perceptron, weights_of_perceptron, write
from odefit.errors import ConfigError

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from assembled_hybrids import gradients, value  # noqa: E402
from odefit.config.load import load_config  # noqa: E402
from odefit.interop.importing import import_file  # noqa: E402
from odefit.interop.petab_export.exporting import Exported, export_problem  # noqa: E402
from odefit.interop.petab_export.perceptrons import has_units  # noqa: E402
from odefit.model.graphs.arrays import write_arrays  # noqa: E402
from odefit.model.networks import MLP  # noqa: E402
from odefit.problem.assembly import Assembly  # noqa: E402
from odefit.problem.preparation import prepare  # noqa: E402

pytestmark = pytest.mark.torch

BASE: dict[str, Any] = {
    "model": {
        "equations": {"x": "k*x*(1 - x) - net(x, c)*x"},
        "initial": {"x": 0.3},
        "networks": {"net": {"hidden": [3]}},
    },
    "parameters": {"k": {"value": 0.5, "bounds": [0.1, 5]}},
    "data": {"csv": "data.csv", "start": 0, "experiments": {"a": {"c": 1}, "b": {"c": 2}}},
    "noise": {"sigma": 0.1},
    "solver": {"rtol": 1e-9, "atol": 1e-11},
    "fit": {"loss": "nll"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("experiment,time,x\na,0.5,0.35\na,1,0.4\nb,0.5,0.3\nb,1,0.2\n")
    return tmp_path


def assembled(**model: Any) -> Assembly:
    return prepare(load_config(BASE | {"model": BASE["model"] | model}))[0]


def check_gradients(assembly: Assembly, again: Assembly) -> None:
    """Those of the parameters, and those of the weights of networks that have no units."""
    before, after = gradients(assembly), gradients(again)
    np.testing.assert_allclose(after.pop("u"), before.pop("u"), rtol=1e-6, atol=1e-9)
    for name, own in before.items():
        module = assembly.networks[name]  # type: ignore[index]
        if not isinstance(module, MLP) or not has_units(module):
            np.testing.assert_allclose(after[name], own, rtol=1e-6, atol=1e-9)


def exported(assembly: Assembly) -> tuple[Exported, Assembly]:
    made = export_problem(assembly)
    problem = made.write(Path("petab"))
    again = import_file(problem).write(Path("again"))
    return made, prepare(load_config(again, ["solver.rtol=1e-9", "solver.atol=1e-11"]))[0]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("in the equations", {}),
    ("of constants", {"equations": {"x": "k*x*(1 - x) - net(k, c/2)*x"}}),
    ("in an observable", {"equations": {"x": "k*x*(1 - x)"}, "observables": {"x": "x + net(x, c)"}}),
    (
        "in equations and observables, with several outputs",
        {
            "equations": {"x": "k*x*(1 - x) - net(x, c)[1]*x"},
            "observables": {"x": "x*net(x, c)[0]"},
            "networks": {"net": {"hidden": [3], "outputs": 2}},
        },
    ),
    ("positive", {"networks": {"net": {"hidden": [4, 3], "output": "positive", "activation": "silu"}}}),
    (
        "with a frozen layer and priors",
        {"networks": {"net": {"hidden": [3], "prior": {"normal": [0, 1]}, "layers": {"layer1": {"estimate": False}}}}},
    ),
]


WITHOUT_UNITS: list[tuple[str, dict[str, Any]]] = [
    ("as it is", {}),
    (
        "two networks, one frozen",
        {
            "equations": {"x": "k*x*(1 - x) - net(x, c)*x + 0.1*other(x)"},
            "networks": {"net": {"hidden": [3]}, "other": {"hidden": [2, 2], "activation": "relu", "estimate": False}},
        },
    ),
    ("rest before the start", {"equations": {"x": "k - net(x, c)^2*x - x"}, "steady_state": {"c": 0}}),
    ("one frozen array", {"networks": {"net": {"hidden": [3], "layers": {"layer2.bias": {"estimate": False}}}}}),
    ("a number for a layer", {"networks": {"net": {"hidden": [3], "layers": {"layer1.bias": {"value": 0.25}}}}}),
    (
        "a prior of one layer",
        {"networks": {"net": {"hidden": [3], "layers": {"layer1": {"prior": {"laplace": [0, 1]}}}}}},
    ),
    ("in a parameter", {"equations": {"x": "k*x - r*x^2"}, "expressions": {"r": "1 + net(k, c)^2"}}),
    ("an event on the way", {"events": [{"time": 0.7, "set": {"x": "x/2"}}]}),
    *(
        (f"with {name}", {"networks": {"net": {"hidden": [3], "activation": name}}})
        for name in ("leaky_relu", "relu", "sigmoid", "elu", "gelu", "softplus")
    ),
]


@pytest.mark.parametrize("model", [case[1] for case in WITHOUT_UNITS], ids=[case[0] for case in WITHOUT_UNITS])
def test_objective_and_gradients_come_back(model: dict[str, Any]) -> None:
    assembly = assembled(**model)
    _, again = exported(assembly)
    assert value(again) == pytest.approx(value(assembly), rel=1e-9)
    check_gradients(assembly, again)


@pytest.mark.parametrize("model", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_read_back_has_the_same_objective(model: dict[str, Any]) -> None:
    assembly = assembled(**model)
    (module,) = (m for m in assembly.networks.values() if isinstance(m, MLP))  # type: ignore[union-attr]
    outputs = len(module.output_scale)
    if not assembly.problem.weight_priors:  # which would be of other weights
        module.set_units(torch.tensor([0.4, 1.5]), torch.tensor([0.2, 0.5]), torch.tensor([0.3, 0.7][:outputs]))
    _, again = exported(assembly)
    assert value(again) == pytest.approx(value(assembly), rel=1e-9)
    check_gradients(assembly, again)
    trained = [sum(q.numel() for q in a.networks.parameters() if q.requires_grad) for a in (assembly, again)]  # type: ignore[union-attr]
    assert trained[0] == trained[1]
    for one, other in zip(
        assembly.problem.predict(np.array([0.7])), again.problem.predict(np.array([0.7])), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_network_from_a_file_keeps_its_description(folder: Path) -> None:
    write(folder / "net.yaml", perceptron(2, 3, 1))
    weights = weights_of_perceptron(2, 3, 1)
    write_arrays(folder / "net.h5", {f"parameters/net/{k.replace('.', '/')}": v for k, v in weights.items()})
    assembly = assembled(networks={"net": {"file": "net.yaml", "weights": "net.h5"}})
    made, again = exported(assembly)
    assert made.files["net.yaml"] == (folder / "net.yaml").read_text()
    with h5py.File("petab/arrays.hdf5") as file:
        np.testing.assert_array_equal(file["parameters/net/first/weight"][()], weights["first.weight"])
    assert value(again) == pytest.approx(value(assembly), rel=1e-7)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("different arguments", {"equations": {"x": "k*net(x, 1) - net(x, 2)"}}, "different arguments"),
    ("an initial value", {"equations": {"x": "-k*x"}, "initial": {"x": "net(k, c)"}}, "initial value"),
    ("a penalty", {"networks": {"net": {"penalty": 1}}}, "no penalties"),
]


@pytest.mark.parametrize(("model", "what"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_petab_cannot_hold_is_named(model: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        export_problem(assembled(**model))
