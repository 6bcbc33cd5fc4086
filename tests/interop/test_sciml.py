"""PEtab problems with networks: what becomes of them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp

from network_files import argument, at, call, description, layer, output, perceptron
from odefit.errors import ConfigError
from odefit.interop.importing import Imported, import_file
from sciml_texts import BEFORE, TABLES, WEIGHTS, concentration, hybrid

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from odefit.config.load import load_config  # noqa: E402
from odefit.model.weights import weights_by_layer  # noqa: E402
from odefit.problem.assembly import Assembly  # noqa: E402
from odefit.problem.preparation import prepare  # noqa: E402

pytestmark = pytest.mark.torch
TIMES = (0.0, 10.0)


def imported(path: Path) -> tuple[Imported, Assembly]:
    made = import_file(path)
    return made, prepare(load_config(made.write(path.parent / "made")))[0]


def predicted(assembly: Assembly) -> list[Any]:
    return [g[:, 0] for g in assembly.problem.predict(assembly.problem.table.values)]


@pytest.mark.parametrize("section", ["petab_sciml", "sciml"])
def test_a_network_sets_a_parameter_before_the_start(section: str, tmp_path: Path) -> None:
    made, assembly = imported(hybrid(tmp_path, section=section))
    (found,) = predicted(assembly)
    np.testing.assert_allclose(found, concentration(at(WEIGHTS, 1, 0.8)[0], TIMES), rtol=1e-6)
    assert "k2: net(one, k1)" in next(iter(made.files.values()))
    assert any("'sciml'" in decision for decision in made.decisions) == (section == "sciml")
    assert assembly.problem.engine.system.is_mechanistic
    own = weights_by_layer(assembly.networks["net"])  # type: ignore[index]
    np.testing.assert_array_equal(own["second.weight"].detach().numpy(), WEIGHTS["second.weight"])
    assert assembly.loaded.config.fit.loss == "nll"


def test_a_network_sets_an_initial_value(tmp_path: Path) -> None:
    _, assembly = imported(hybrid(tmp_path, BEFORE.replace("k2 | net_out", "A | net_out")))
    start = at(WEIGHTS, 1, 0.8)[0]
    np.testing.assert_allclose(predicted(assembly)[0], start * concentration(0.6, TIMES), rtol=1e-6)


def test_conditions_set_inputs_by_experiment(tmp_path: Path) -> None:
    path = hybrid(
        tmp_path,
        "targetId | targetValue\nk2 | net_out",
        conditions="""
            conditionId | targetId | targetValue
            low | net_in0 | 0.5
            low | net_in1 | one
            high | net_in0 | 2
            high | net_in1 | k1""",
        experiments="experimentId | time | conditionId\na | 0 | low\nb | 0 | high",
        measurements="observableId | experimentId | time | measurement\nobs_a | a | 10 | 0.1\nobs_a | b | 10 | 0.2",
    )
    found = predicted(imported(path)[1])
    rates = [at(WEIGHTS, 0.5, 1)[0], at(WEIGHTS, 2, 0.8)[0]]
    np.testing.assert_allclose([g[-1] for g in found], [concentration(k2, 10) for k2 in rates], rtol=1e-6)


def test_a_network_stands_in_an_observable(tmp_path: Path) -> None:
    path = hybrid(
        tmp_path,
        "targetId | targetValue\nnet_in0 | A\nnet_in1 | B + k1",
        before=False,
        observables="observableId | observableFormula | noiseFormula\nobs_a | 2*net_out + A | 0.5",
    )
    a = concentration(0.6, TIMES)
    expected = [2 * at(WEIGHTS, x, 1 - x + 0.8)[0] + x for x in a]
    np.testing.assert_allclose(predicted(imported(path)[1])[0], expected, rtol=1e-6)


def test_a_network_of_states_stands_in_the_equations(tmp_path: Path) -> None:
    path = hybrid(tmp_path, "targetId | targetValue\nnet_in0 | A\nnet_in1 | one\nk2 | net_out", before=False)

    def slope(_: float, y: Any) -> list[float]:
        flow = 0.8 * y[0] - at(WEIGHTS, y[0], 1)[0] * y[1]
        return [-flow, flow]

    reference = solve_ivp(slope, (0, 10), [1, 0], t_eval=TIMES, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(predicted(imported(path)[1])[0], reference.y[0], rtol=1e-5)


def test_rows_of_weights_are_settings_and_the_most_specific_counts(tmp_path: Path) -> None:
    path = hybrid(
        tmp_path,
        parameters=TABLES["parameters"].replace("| estimate", "| estimate | priorDistribution | priorParameters")
        + " | normal | 0;1\n first | -inf | inf | 0.25 | false | |\n bias | -inf | inf | array | true | normal | 0;2",
        mapping=TABLES["mapping"] + "\nfirst | net.parameters[first]\nbias | net.parameters[second].bias",
    )
    _, assembly = imported(path)
    own = weights_by_layer(assembly.networks["net"])  # type: ignore[index]
    assert {name: q.requires_grad for name, q in own.items()} == {
        "first.weight": False, "first.bias": False, "second.weight": True, "second.bias": True,
    }  # fmt: skip
    assert {float(x) for x in own["first.weight"].detach().reshape(-1)} == {0.25}
    assert {(p.name, p.prior.b) for p in assembly.problem.weight_priors} == {
        ("second.weight", 1.0),
        ("second.bias", 2.0),
    }


@pytest.mark.parametrize("by_condition", [False, True])
def test_arrays_are_read_by_condition_and_given_by_experiment(by_condition: bool, tmp_path: Path) -> None:
    layers = [layer("first", "Linear", in_features=2, out_features=1, bias=True)]
    steps = [argument("x"), call("y", "call_module", "first", "x"), output("y")]
    weights = {"parameters/net/first/weight": np.array([[0.5, 0.25]]), "parameters/net/first/bias": np.array([0.1])}
    pictures = (
        {"low;high": np.array([1.0, 2.0]), "other": np.array([0.0, 1.0])}
        if by_condition
        else {"0": np.array([1.0, 2.0])}
    )
    path = hybrid(
        tmp_path,
        "targetId | targetValue\nk2 | net_out" + ("" if by_condition else "\npicture | array"),
        network=description(layers, steps),
        arrays={f"inputs/picture/{name}": values for name, values in pictures.items()},
        mapping="""
            petabEntityId | modelEntityId
            picture | net.inputs[0]
            net_out | net.outputs[0][0]
            net_ps | net.parameters""",
        experiments="experimentId | time | conditionId\na | 0 | low\nb | 0 | other"
        if by_condition
        else "experimentId | time | conditionId\na | 0 |\nb | 0 |",
        measurements="observableId | experimentId | time | measurement\nobs_a | a | 10 | 0.1\nobs_a | b | 10 | 0.2",
    )
    from odefit.model.graphs.arrays import write_arrays

    write_arrays(tmp_path / "arrays.hdf5", weights | {f"inputs/picture/{n}": v for n, v in pictures.items()})
    found = predicted(imported(path)[1])
    rates = [0.5 * 1 + 0.25 * 2 + 0.1, 0.25 + 0.1 if by_condition else 0.5 * 1 + 0.25 * 2 + 0.1]
    np.testing.assert_allclose([g[-1] for g in found], [concentration(k2, 10) for k2 in rates], rtol=1e-6)


@pytest.mark.parametrize(("place", "row"), [("[0][0]", 0), ("[0][1]", 1), ("[1][2]", 4)])
def test_outputs_are_counted_through_several_results(place: str, row: int, tmp_path: Path) -> None:
    layers = [
        layer("first", "Linear", in_features=2, out_features=3, bias=True),
        layer("second", "Linear", in_features=3, out_features=2, bias=True),
    ]
    steps = [
        argument("x"),
        call("a", "call_module", "first", "x"),
        call("b", "call_module", "second", "a"),
        call("output", "output", "output", ["b", "a"]),
    ]
    arrays = {"parameters/net/second/weight": np.full((2, 3), 0.3), "parameters/net/second/bias": np.array([0.1, 0.2])}
    mapping = TABLES["mapping"].replace("outputs[0][0]", f"outputs{place}")
    path = hybrid(tmp_path, network=description(layers, steps), arrays=arrays, mapping=mapping)
    first = WEIGHTS["first.weight"] @ [1, 0.8] + WEIGHTS["first.bias"]
    rate = [*(0.3 * first.sum() + np.array([0.1, 0.2])), *first][row]
    np.testing.assert_allclose(predicted(imported(path)[1])[0], concentration(rate, TIMES), rtol=1e-6)


def test_a_network_is_the_input_of_another(tmp_path: Path) -> None:
    path = hybrid(
        tmp_path,
        "targetId | targetValue\nnet_in0 | other_out\nnet_in1 | k1\nother_in0 | one\nother_in1 | k1\nk2 | net_out",
        mapping=TABLES["mapping"]
        + "\nother_in0 | other.inputs[0][0]\nother_in1 | other.inputs[0][1]\nother_out | other.outputs[0][0]",
    )
    content = yaml.safe_load(path.read_text())
    networks = content["extensions"]["petab_sciml"]["neural_networks"]
    networks["other"] = dict(networks["net"])
    path.write_text(yaml.safe_dump(content))
    _, assembly = imported(path)
    inner = assembly.networks["other"](torch.tensor([[1.0, 0.8]], dtype=torch.float64)).item()  # type: ignore[index]
    rate = at(WEIGHTS, inner, 0.8)[0]
    np.testing.assert_allclose(predicted(assembly)[0], concentration(rate, TIMES), rtol=1e-6)


def test_columns_that_version_2_dropped_are_read_and_said(tmp_path: Path) -> None:
    table = TABLES["parameters"].replace("parameterId |", "parameterId | parameterScale |")
    for name in ("k1", "one", "net_ps"):
        table = table.replace(f"{name} |", f"{name} | lin |")
    observables = "observableId | observableFormula | noiseFormula | observableTransformation\nobs_a | A | 0.5 | lin"
    made, assembly = imported(hybrid(tmp_path, parameters=table, observables=observables, entry={"format": "YAML"}))
    np.testing.assert_allclose(predicted(assembly)[0], concentration(at(WEIGHTS, 1, 0.8)[0], TIMES), rtol=1e-6)
    for column in ("parameterScale", "observableTransformation"):
        assert any(column in decision and "dropped" in decision for decision in made.decisions), made.decisions


FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("source code", {"entry": {"format": "pytorch"}}, "conversion.yaml", "never run"),
    (
        "an unknown layer",
        {"network": description([layer("first", "LSTM")], [argument()])},
        "net.yaml",
        "'LSTM' is no layer",
    ),
    (
        "an input of nobody",
        {"hybridization": "targetId | targetValue\nk2 | net_out\nnet_in0 | one"},
        "conversion.yaml",
        "'net_in1'",
    ),
    (
        "a target that is not there",
        {"hybridization": BEFORE.replace("k2 |", "k9 |")},
        "hybridization.tsv:4",
        "does not have",
    ),
    (
        "a target of the parameter table",
        {"hybridization": BEFORE.replace("k2 |", "k1 |")},
        "hybridization.tsv:4",
        "cannot have both",
    ),
    (
        "single weights",
        {"mapping": TABLES["mapping"].replace("net.parameters", "net.parameters[first].weight[0]")},
        "mapping.tsv:5",
        "by layer and array",
    ),
    (
        "weights of no layer",
        {"mapping": TABLES["mapping"].replace("net.parameters", "net.parameters[third]")},
        "parameters.tsv:4",
        "third",
    ),
    (
        "elements that are missing",
        {"mapping": TABLES["mapping"].replace("inputs[0][1]", "inputs[0][2]")},
        "conversion.yaml",
        "needs elements",
    ),
    (
        "an array of nobody",
        {"hybridization": BEFORE.replace("net_in0 | one", "net_in0 | array")},
        "hybridization.tsv:2",
        "one number",
    ),
    (
        "an output that is not there",
        {"mapping": TABLES["mapping"].replace("outputs[0][0]", "outputs[1][0]")},
        "mapping.tsv:4",
        "no such output: its results have the shapes 1",
    ),
    (
        "a network that nothing uses",
        {"hybridization": "targetId | targetValue\nnet_in0 | one\nnet_in1 | k1"},
        "conversion.yaml",
        "nothing uses an output of 'net'",
    ),
    (
        "an unknown symbol in an input",
        {"hybridization": BEFORE.replace("net_in0 | one", "net_in0 | two")},
        "hybridization.tsv:2",
        "unknown symbol 'two'",
    ),
    (
        "its own output as an input",
        {"hybridization": BEFORE.replace("net_in0 | one", "net_in0 | net_out")},
        "conversion.yaml",
        "depend on its own outputs",
    ),
    (
        "a state before the start",
        {"hybridization": BEFORE.replace("net_in0 | one", "net_in0 | 2*A")},
        "hybridization.tsv:2",
        "pre_initialization to false",
    ),
    (
        "layers that do not fit",
        {"network": perceptron(3, 3, 1)},
        "net.yaml",
        "'first' cannot be computed",
    ),
    (
        "weights of another shape",
        {"arrays": {"parameters/net/second/bias": np.zeros(2)}},
        "conversion.yaml",
        "has the shape (2,), and the network's is (1,)",
    ),
    (
        "weights of no array",
        {"arrays": {"parameters/net/third/bias": np.zeros(2)}},
        "conversion.yaml",
        "parameters/net/third/bias is no array",
    ),
    *(
        (f"a network in the form of {name}", {"entry": {"format": name}}, "conversion.yaml", what)
        for name, what in (("equinox", "never run"), ("Lux.jl", "never run"), ("onnx", "odefit reads YAML"))
    ),
]


@pytest.mark.parametrize(("changes", "where", "what"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_what_is_not_read_has_its_place(changes: dict[str, Any], where: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        import_file(hybrid(tmp_path, **changes))
    assert any(where in fault.where and what in fault.what for fault in caught.value.faults), caught.value


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_network_whose_kinks_are_not_found_gets_a_small_tolerance(is_compiled: bool, tmp_path: Path) -> None:
    network = perceptron(2, 3, 1, "relu")
    if not is_compiled:
        network["forward"][2] = call("bent", "call_function", "leaky_relu", "first", negative_slope=0.2)
        network["forward"][3]["args"] = ["bent"]
    table = "targetId | targetValue\nnet_in0 | A\nnet_in1 | one\nk2 | net_out"
    made = import_file(hybrid(tmp_path, table, before=False, network=network))
    assert f"rtol: {'1.0e-8' if is_compiled else '1.0e-13'}" in next(iter(made.files.values()))
    assert any("kinks" in decision for decision in made.decisions) is not is_compiled
