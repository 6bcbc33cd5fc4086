"""Networks in equations, before the start and in observables: values by hand, gradients by differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from network_files import argument, at, call, description, layer, output, perceptron, weights_of_perceptron, write
from odefit.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from assembled_hybrids import objective, value  # noqa: E402
from odefit.config.load import load_config  # noqa: E402
from odefit.model.graphs.arrays import write_arrays  # noqa: E402
from odefit.model.weights import weights_by_layer  # noqa: E402
from odefit.objective.likelihood import Likelihood  # noqa: E402
from odefit.problem.assembly import Assembly  # noqa: E402
from odefit.problem.preparation import prepare  # noqa: E402

pytestmark = pytest.mark.torch

WEIGHTS = weights_of_perceptron(2, 3, 1)
DATA = "experiment,time,x\na,0.5,1.9\na,1,1.7\nb,0.5,1.2\nb,1,0.9\n"
BASE: dict[str, Any] = {
    "model": {
        "equations": {"x": "-k*x"},
        "initial": {"x": 2},
        "networks": {"net": {"file": "net.yaml", "weights": "net.h5"}},
    },
    "parameters": {"k": {"value": 0.5, "bounds": [0, 5]}},
    "data": {"csv": "data.csv", "start": 0, "experiments": {"a": {"c": 1}, "b": {"c": 2}}},
    "noise": {"sigma": 0.1},
    "solver": {"rtol": 1e-10, "atol": 1e-12},
    "fit": {"loss": "nll"},
}


def laid_over(base: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    both = {**base, **part}
    return {
        k: laid_over(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in both.items()
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "net.yaml", perceptron(2, 3, 1))
    write_arrays(tmp_path / "net.h5", {f"parameters/net/{k.replace('.', '/')}": v for k, v in WEIGHTS.items()})
    (tmp_path / "data.csv").write_text(DATA)
    return tmp_path


def assembled(part: dict[str, Any]) -> Assembly:
    return prepare(load_config(laid_over(BASE, part)))[0]


def of_predictions(assembly: Assembly, predicted: list[np.ndarray[Any, Any]]) -> float:
    found = 0.0
    for e, g in zip(assembly.problem.experiments, predicted, strict=True):
        found += float(np.sum(0.5 * ((e.values[:, 0] - g) / 0.1) ** 2 + np.log(0.1) + 0.5 * np.log(2 * np.pi)))
    return found


TIMES = np.array([0.5, 1.0])
PLACES: list[tuple[str, dict[str, Any], Any]] = [
    (
        "a parameter",
        {"model": {"equations": {"x": "-r*x"}}, "parameters": {"r": "k + net(k, c)"}},
        lambda c: 2 * np.exp(-(0.5 + at(WEIGHTS, 0.5, c)[0]) * TIMES),
    ),
    (
        "an initial value",
        {"model": {"initial": {"x": "2 + net(1, c)"}}},
        lambda c: (2 + at(WEIGHTS, 1, c)[0]) * np.exp(-0.5 * TIMES),
    ),
    (
        "an observable",
        {"model": {"observables": {"x": "x*net(x, c)"}}},
        lambda c: np.array([x * at(WEIGHTS, x, c)[0] for x in 2 * np.exp(-0.5 * TIMES)]),
    ),
    (
        "the equations, of constants",
        {"model": {"equations": {"x": "-k*x*net(c, 1)"}}},
        lambda c: 2 * np.exp(-0.5 * at(WEIGHTS, c, 1)[0] * TIMES),
    ),
    (
        "an expression",
        {"model": {"expressions": {"much": "net(x, k)"}, "observables": {"x": "x + much"}}},
        lambda c: np.array([x + at(WEIGHTS, x, 0.5)[0] for x in 2 * np.exp(-0.5 * TIMES)]),
    ),
]


@pytest.mark.parametrize(("part", "predicted"), [p[1:] for p in PLACES], ids=[p[0] for p in PLACES])
def test_a_network_is_computed_where_it_stands(part: dict[str, Any], predicted: Any, folder: Path) -> None:
    assembly = assembled(part)
    own = [predicted(c) for c in (1, 2)]
    assert value(assembly) == pytest.approx(of_predictions(assembly, own), rel=1e-7)
    # The engine needs no network then, and its solution is that of machine code.
    assert assembly.problem.engine.system.is_mechanistic
    theta = assembly.problem.table.values
    for found, expected in zip(assembly.problem.predict(theta), own, strict=True):
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-7)
    # What reports say of the fit is computed from many points at once.
    likelihood = Likelihood(assembly.problem)
    reported = likelihood.value(assembly.problem.table.to_search(theta))
    assert reported == pytest.approx(of_predictions(assembly, own), rel=1e-7)


@pytest.mark.parametrize("part", [p[1] for p in PLACES], ids=[p[0] for p in PLACES])
def test_gradients_are_those_of_differences(part: dict[str, Any], folder: Path) -> None:
    assembly = assembled(part)
    module, batch = objective(assembly)
    module(batch).backward()
    for tensor in (module.u, *weights_by_layer(assembly.networks["net"]).values()):  # type: ignore[index]
        flat, step = tensor.detach().view(-1), 1e-5
        for k in range(min(len(flat), 3)):
            here = float(flat[k])
            around = []
            for sign in (1, -1):
                flat[k] = here + sign * step
                around.append(float(module(batch).detach()))
            flat[k] = here
            difference = (around[0] - around[1]) / (2 * step)
            assert tensor.grad is not None
            assert float(tensor.grad.view(-1)[k]) == pytest.approx(difference, rel=1e-6, abs=1e-8)


def test_a_described_network_that_is_no_perceptron_is_computed_by_torch(folder: Path) -> None:
    layers = [layer("a", "Bilinear", in1_features=1, in2_features=1, out_features=1, bias=True)]
    steps = [argument("x"), argument("z"), call("a", "call_module", "a", "x", "z"), output("a")]
    write(folder / "product.yaml", description(layers, steps))
    write_arrays(
        folder / "net.h5", {"parameters/net/a/weight": np.array([[[-0.3]]]), "parameters/net/a/bias": np.zeros(1)}
    )
    networks = {"net": {"file": "product.yaml", "weights": "net.h5", "inputs": [1, 1]}}
    part = {"model": {"equations": {"x": "k*net(x, c)"}, "networks": networks}, "solver": {"rtol": 1e-7, "atol": 1e-9}}
    assembly = assembled(part)
    assert value(assembly) == pytest.approx(
        of_predictions(assembly, [2 * np.exp(-0.15 * c * TIMES) for c in (1, 2)]), rel=1e-5
    )


def test_arrays_are_chosen_by_experiment(folder: Path) -> None:
    write(folder / "net.yaml", perceptron(2, 3, 1))
    arrays = {"inputs/picture/a": np.array([1.0, 3.0]), "inputs/picture/b": np.array([2.0, -1.0])}
    write_arrays(folder / "pictures.h5", arrays)
    networks = {"net": {"file": "net.yaml", "weights": "net.h5", "inputs": ["picture"]}}
    part = {
        "model": {"equations": {"x": "-r*x"}, "networks": networks},
        "parameters": {"r": "k*net(picture)"},
        "data": {"arrays": {"picture": "pictures.h5"}},
    }
    rates = [0.5 * at(WEIGHTS, *arrays[f"inputs/picture/{e}"])[0] for e in "ab"]
    assembly = assembled(part)
    assert value(assembly) == pytest.approx(of_predictions(assembly, [2 * np.exp(-r * TIMES) for r in rates]), rel=1e-7)


OBSERVED: dict[str, Any] = {"model": {"observables": {"x": "x*net(x, c)"}}}


def test_frozen_arrays_stay_and_values_take_the_place_of_those_in_the_file(folder: Path) -> None:
    settings = {"first": {"estimate": False}, "second.bias": {"value": 0.25}}
    assembly = assembled(laid_over(OBSERVED, {"model": {"networks": {"net": {"layers": settings}}}}))
    own = weights_by_layer(assembly.networks["net"])  # type: ignore[index]
    assert {name: q.requires_grad for name, q in own.items()} == {
        "first.weight": False, "first.bias": False, "second.weight": True, "second.bias": True,
    }  # fmt: skip
    assert own["second.bias"].tolist() == [0.25]
    np.testing.assert_array_equal(own["first.weight"].detach().numpy(), WEIGHTS["first.weight"])


def test_the_most_specific_prior_counts_for_each_weight(folder: Path) -> None:
    priors = {"prior": {"normal": [0, 1]}, "layers": {"first.weight": {"prior": {"normal": [0, 2]}}}}
    plain, with_priors = assembled(OBSERVED), assembled(laid_over(OBSERVED, {"model": {"networks": {"net": priors}}}))
    expected = 0.0
    for name, values in WEIGHTS.items():
        sd = 2 if name == "first.weight" else 1
        expected += float(np.sum(0.5 * (values / sd) ** 2 + np.log(sd) + 0.5 * np.log(2 * np.pi)))
    assert value(with_priors) - value(plain) == pytest.approx(expected, rel=1e-9)


def test_a_fit_with_networks_outside_of_the_equations_runs_and_loads_again(folder: Path) -> None:
    part = {
        "parameters": {"r": "k + net(k, c)"},
        "model": {"equations": {"x": "-r*x"}},
        "fit": {"epochs": 3, "loss": "nll"},
    }
    frozen = {"model": {"networks": {"net": {"layers": {"first": {"estimate": False}}}}}}
    run = odefit.fit(laid_over(BASE, laid_over(part, frozen)), out="run")
    for name in ("net.yaml", "net.h5", "data.csv"):
        (folder / name).unlink()
    again = odefit.load_run("run")
    np.testing.assert_allclose(
        again.predictions(intervals=False)["predicted"], run.predictions(intervals=False)["predicted"]
    )
    np.testing.assert_allclose(again.predict().frame["predicted"], run.predictions(intervals=False)["predicted"])
    alike = again.predict([0.5, 1], experiments={"new": {"like": "b"}, "other": {"like": "b", "c": 1}}).frame
    np.testing.assert_allclose(alike["predicted"], run.predictions(intervals=False)["predicted"].iloc[[2, 3, 0, 1]])
    assert sorted(p.name for p in (folder / "run").glob("network-*")) == ["network-net.h5", "network-net.yaml"]
    kept = {k: v for k, v in run.weights.items() if "layers.0" in k}
    np.testing.assert_array_equal(kept["net.layers.0.weight"], WEIGHTS["first.weight"])
    assert not np.array_equal(run.weights["net.layers.2.weight"], WEIGHTS["second.weight"])
    estimates = run.result.estimates
    for e, c in (("a", 1), ("b", 2)):
        h = np.tanh(WEIGHTS["first.weight"] @ [estimates["k"].value, c] + WEIGHTS["first.bias"])
        rate = run.weights["net.layers.2.weight"].numpy() @ h + run.weights["net.layers.2.bias"].numpy()
        assert estimates[f"r[{e}]"].value == pytest.approx(estimates["k"].value + rate[0])


def with_net(**keys: Any) -> dict[str, Any]:
    return laid_over(OBSERVED, {"model": {"networks": {"net": keys}}})


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a network that nothing calls", {}, "model.networks.net", "no formula calls it"),
    ("weights of another shape", with_net(file="wide.yaml"), "model.networks.net.weights", "has the shape"),
    ("no such file of weights", with_net(weights="no.h5"), "model.networks.net.weights", "there is no file"),
    ("no such description", with_net(file="no.yaml"), "no.yaml", "there is no such file"),
    ("a layer that is not there", with_net(layers={"third": {"value": 0}}), "layers.third", "is no layer"),
    (
        "another number of outputs",
        {"model": {"observables": {"x": "net(x, c)[1]"}, "networks": {"net": {"outputs": 2}}}},
        "model.networks.net.outputs",
        "returns 1",
    ),
    ("another number of inputs", {"model": {"observables": {"x": "net(x)"}}}, "net.yaml", "cannot be computed"),
    (
        "an array that is not there",
        with_net(inputs=[1, "picture"]),
        "model.networks.net.inputs",
        "no entry of data.arrays",
    ),
    ("a penalty outside of the equations", with_net(penalty=1), "model.networks.net.penalty", "equations"),
    (
        "an event that calls a network of states",
        {"model": {"events": [{"time": 0.7, "set": {"x": "net(x, 1)"}}]}},
        "model",
        "equations",
    ),
]


@pytest.mark.parametrize(("part", "where", "what"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_what_is_wrong_has_its_place(part: dict[str, Any], where: str, what: str, folder: Path) -> None:
    write(folder / "wide.yaml", perceptron(2, 4, 1))
    with pytest.raises(InputError, match=what) as caught:
        assembled(part)
    assert any(where in fault.where for fault in caught.value.faults)
