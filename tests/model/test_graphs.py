"""Networks described by files: every layer and function by its name, and nothing that is not on the list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network_files import argument, call, description, layer, output, perceptron, write
from odefit.errors import ConfigError
from odefit.model.graphs.description import check_format, graph_of, read_graph
from odefit.model.graphs.names import ACTIVATION_LAYERS, FUNCTIONS, LAYERS
from odefit.model.graphs.perceptron import perceptron_of

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from odefit.config.source import parse_yaml  # noqa: E402
from odefit.model.graphs.arrays import read_arrays, write_arrays  # noqa: E402
from odefit.model.graphs.module import GraphModule, result_shapes  # noqa: E402
from odefit.model.graphs.network import DescribedNetwork  # noqa: E402

pytestmark = pytest.mark.torch

LAYER_ARGUMENTS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "Linear": ({"in_features": 3, "out_features": 2}, (3,)),
    "Flatten": ({"start_dim": 0}, (2, 3)),
    "Dropout": ({"p": 0.5}, (3,)),
    "AlphaDropout": ({"p": 0.5}, (3,)),
    "LayerNorm": ({"normalized_shape": [3]}, (2, 3)),
    "Softmax": ({"dim": 0}, (3,)),
    "LogSoftmax": ({"dim": 0}, (3,)),
}
BY_STEM: dict[str, dict[str, Any]] = {
    "Dropout": {"p": 0.5},
    "Conv": {"in_channels": 2, "out_channels": 3, "kernel_size": 2},
    "ConvTranspose": {"in_channels": 2, "out_channels": 3, "kernel_size": 2},
    "MaxPool": {"kernel_size": 2},
    "AvgPool": {"kernel_size": 2},
    "LPPool": {"norm_type": 2.0, "kernel_size": 2},
    "AdaptiveMaxPool": {"output_size": 2},
    "AdaptiveAvgPool": {"output_size": 2},
    "BatchNorm": {"num_features": 2},
    "InstanceNorm": {"num_features": 2, "affine": True},
}


def example(kind: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Arguments of a layer, and the shape of an input."""
    if kind in LAYER_ARGUMENTS:
        return LAYER_ARGUMENTS[kind]
    if kind[-2:] in ("1d", "2d", "3d"):
        return BY_STEM[kind[:-2]], (1, 2, *[4] * int(kind[-2]))
    return {}, (3,)


def one_step(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    steps = [argument(), call("y", "call_module", "a", "x"), output("y")]
    return description([layer("a", kind, **arguments)], steps)


@pytest.mark.parametrize("kind", sorted({*LAYERS, *ACTIVATION_LAYERS} - {"Bilinear"}))
def test_a_layer_is_torchs_of_that_name(kind: str, tmp_path: Path) -> None:
    arguments, shape = example(kind)
    graph = read_graph(write(tmp_path / "n.yaml", one_step(kind, arguments)))
    module = GraphModule(graph).double().eval()
    reference = getattr(torch.nn, kind)(**arguments).double().eval()
    reference.load_state_dict({k.removeprefix("layers.a."): v for k, v in module.state_dict().items()})
    x = torch.linspace(-2, 2, int(np.prod(shape)), dtype=torch.float64).reshape(shape)
    (found,) = module(x)
    torch.testing.assert_close(found, reference(x))
    assert result_shapes(graph, [shape]) == [tuple(found.shape)]


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"cat", "add", "sub", "mul", "truediv", "flatten"}))
def test_a_function_is_torchs_of_that_name(name: str, tmp_path: Path) -> None:
    options = {"dim": 0} if "softmax" in name else {}
    steps = [argument(), call("y", "call_function", name, "x", inplace=False, **options), output("y")]
    (found,) = GraphModule(read_graph(write(tmp_path / "n.yaml", description([], steps))))(torch.tensor([-1.5, 0.2, 4]))
    own = {"log_sigmoid": "logsigmoid"}.get(name, name)
    reference = getattr(torch.nn.functional, own, None) or getattr(torch, own)
    torch.testing.assert_close(found, reference(torch.tensor([-1.5, 0.2, 4]), **options))


def test_several_arguments_are_put_together_and_several_results_come_back(tmp_path: Path) -> None:
    layers = [layer("b", "Bilinear", in1_features=2, in2_features=1, out_features=2, bias=False)]
    steps = [
        argument("x"),
        argument("z"),
        call("both", "call_function", "cat", ["x", "z"], dim=0),
        call("product", "call_module", "b", "x", "z"),
        call("scaled", "call_function", "mul", "both", 2.0),
        call("output", "output", "output", ["scaled", "product"]),
    ]
    graph = read_graph(write(tmp_path / "n.yaml", description(layers, steps)))
    network = DescribedNetwork(graph, (2, 1), {}).double()
    points = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]], dtype=torch.float64)
    found = network(points)
    b = network.body.layers["b"].weight
    product = torch.einsum("ni,kij,nj->nk", points[:, :2], b, points[:, 2:])
    torch.testing.assert_close(found, torch.cat([2 * points, product], dim=1))
    torch.testing.assert_close(network(points[0]), found[0])


def test_points_do_not_see_each_other_in_layers_that_take_batches(tmp_path: Path) -> None:
    layers = [
        layer("c", "Conv1d", in_channels=1, out_channels=2, kernel_size=2),
        layer("f", "Flatten", start_dim=0, end_dim=-1),
    ]
    steps = [argument(), call("c", "call_module", "c", "x"), call("f", "call_module", "f", "c"), output("f")]
    graph = read_graph(write(tmp_path / "n.yaml", description(layers, steps)))
    tables = {"image": np.arange(12.0).reshape(2, 1, 6)}
    network = DescribedNetwork(graph, ("image",), tables).double()
    found = network(torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64))
    (first,) = network.body(torch.as_tensor(tables["image"][0]))
    torch.testing.assert_close(found[0], first.reshape(-1))
    torch.testing.assert_close(found[2], found[0])
    assert not torch.allclose(found[1], found[0])


def test_a_perceptron_is_known_as_one(tmp_path: Path) -> None:
    found = perceptron_of(read_graph(write(tmp_path / "n.yaml", perceptron(2, 5, 1))))
    assert found is not None
    assert (found.layers, found.widths, found.activation, found.output) == (
        ("first", "second"),
        (2, 5, 1),
        "tanh",
        "linear",
    )
    steeper = perceptron(2, 5, 1, "relu")
    steeper["forward"][2] = call("bent", "call_function", "leaky_relu", "first", negative_slope=0.2)
    assert perceptron_of(read_graph(write(tmp_path / "n.yaml", steeper))) is None


def changed(**changes: Any) -> dict[str, Any]:
    whole = perceptron(2, 3, 1)
    for key, value in changes.items():
        whole[key] = value
    return whole


FAULTS = [
    ("a layer that is not on the list", changed(layers=[layer("first", "LSTM")]), "'LSTM' is no layer"),
    (
        "a function that is not on the list",
        changed(forward=[argument(), call("y", "call_function", "eval", "x")]),
        "'eval' is no function",
    ),
    (
        "a method that is not on the list",
        changed(forward=[argument(), call("y", "call_method", "numpy", "x")]),
        "'numpy' is no method",
    ),
    (
        "an unknown argument",
        changed(layers=[layer("first", "Linear", device="cpu")]),
        "'device' is no argument of Linear",
    ),
    (
        "a step that comes later",
        changed(forward=[argument(), call("y", "call_method", "tanh", "z"), output("y")]),
        "'z' is no step above",
    ),
    ("no output", changed(forward=[argument(), call("y", "call_method", "tanh", "x")]), "op: output"),
    ("an operation of fx that is not read", changed(forward=[call("w", "get_attr", "w")]), "'get_attr' is none of"),
    ("a layer twice", changed(layers=[layer("first", "Flatten"), layer("first", "Flatten")]), "stands twice"),
]


@pytest.mark.parametrize(("content", "what"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_faults_of_a_description_have_their_line(content: dict[str, Any], what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "n.yaml", content)
    with pytest.raises(ConfigError, match=what) as caught:
        read_graph(path)
    assert all(fault.where.startswith(f"{path}:") for fault in caught.value.faults)


def test_large_networks_are_refused_before_they_take_memory() -> None:
    text = """
layers: [{layer_id: a, layer_type: Linear, args: {in_features: 100000, out_features: 100000}}]
forward:
  - {name: x, op: placeholder, target: x}
  - {name: y, op: call_module, target: a, args: [x]}
  - {name: output, op: output, target: output, args: [y]}
"""
    with pytest.raises(ConfigError, match="more than 10,000,000 weights"):
        GraphModule(graph_of(parse_yaml(text, "n.yaml")))
    wide = text.replace("Linear, args: {in_features: 100000, out_features: 100000}", "ConvTranspose1d, args: "
                        "{in_channels: 1, out_channels: 1, kernel_size: 1, stride: 50000000}")  # fmt: skip
    with pytest.raises(ConfigError, match="numbers; at most"):
        result_shapes(graph_of(parse_yaml(wide, "n.yaml")), [(1, 1, 3)])


def test_shapes_that_do_not_fit_are_said_at_the_step(tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "n.yaml", perceptron(2, 3, 1)))
    with pytest.raises(ConfigError, match="'first' cannot be computed") as caught:
        result_shapes(graph, [(3,)])
    assert "n.yaml:" in caught.value.faults[0].where


@pytest.mark.parametrize(
    ("word", "says"), [("pytorch", "never run"), ("Equinox", "never run"), ("lux.jl", "never run")]
)
def test_code_is_refused_by_its_name(word: str, says: str) -> None:
    check_format("YAML", "p.yaml")
    with pytest.raises(ConfigError, match=says):
        check_format(word, "p.yaml")


def test_arrays_come_back_by_their_places(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_arrays(path, {"inputs/x/a;b": np.ones(2), "inputs/x/c": np.zeros(2), "parameters/net/l/weight": np.eye(2)})
    found = read_arrays(path, "here")
    assert {key: value.tolist() for key, value in found.inputs("x").items()} == {"a": [1, 1], "b": [1, 1], "c": [0, 0]}
    assert found.weights("net")["l.weight"].tolist() == [[1, 0], [0, 1]]


def test_one_number_more_than_is_read_is_refused_and_one_less_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odefit.model.graphs.arrays.MAX_NUMBERS", 6)
    monkeypatch.setattr("odefit.model.graphs.arrays.MAX_ARRAYS", 2)
    path = tmp_path / "a.h5"
    write_arrays(path, {"inputs/x/0": np.zeros(3), "inputs/y/0": np.zeros(3)})
    assert len(read_arrays(path, "here").arrays) == 2
    write_arrays(path, {"inputs/x/0": np.zeros(3), "inputs/y/0": np.zeros(4)})
    with pytest.raises(ConfigError, match="more than 6 numbers"):
        read_arrays(path, "here")
    write_arrays(path, {f"inputs/{name}/0": np.zeros(1) for name in "xyz"})
    with pytest.raises(ConfigError, match="too many entries"):
        read_arrays(path, "here")


def test_what_is_no_file_of_arrays_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["parameters/net/l/weight"] = h5py.ExternalLink("other.h5", "/w")
    with h5py.File(tmp_path / "nan.h5", "w") as file:
        file["inputs/x/0"] = np.array([1.0, np.nan])
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("inputs/x/0", shape=(30_000_000,), dtype="f8")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["metadata/pytorch_format"] = False
    cases = {
        "missing": "there is no file", "text": "cannot be read as HDF5", "link": "is a link", "nan": "not finite",
        "large": "more than 20,000,000", "other": "another framework",
    }  # fmt: skip
    for name, what in cases.items():
        with pytest.raises(ConfigError, match=what) as caught:
            read_arrays(tmp_path / f"{name}.h5", "c.yaml:3")
        assert caught.value.faults[0].where == "c.yaml:3"
