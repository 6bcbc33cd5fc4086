"""What conditions do with networks: outputs that they set, inputs that they set on the way, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from network_files import argument, at, call, description, layer, output
from odefit.errors import ConfigError
from odefit.interop.importing import import_file
from sciml_texts import BEFORE, TABLES, WEIGHTS, concentration, hybrid

pytest.importorskip("torch")
pytest.importorskip("h5py")

from odefit.config.load import load_config
from odefit.problem.preparation import prepare

pytestmark = pytest.mark.torch
EXPERIMENTS = "experimentId | time | conditionId\na | 0 | low\nb | 0 | high"
ON_THE_WAY = "experimentId | time | conditionId\na | 0 | low\na | 5 | high\nb | 0 | high"
MEASUREMENTS = "observableId | experimentId | time | measurement\nobs_a | a | 10 | 0.1\nobs_a | b | 10 | 0.2"
INPUTS = "targetId | targetValue\nnet_in0 | one\nnet_in1 | k1"
OF_STATES = "targetId | targetValue\nnet_in0 | A\nnet_in1 | k1"
PARAMETERS = TABLES["parameters"].replace("1.0", "2.0")
RATE = float(at(WEIGHTS, 2, 0.8)[0])
"""What the network returns of `one` and k1, with these parameters."""


def conditions(*rows: str) -> str:
    return "\n".join(["conditionId | targetId | targetValue", *rows])


def ends(folder: Path, hybridization: str = INPUTS, **given: Any) -> list[float]:
    """The last value of each experiment."""
    tables = {"experiments": EXPERIMENTS, "measurements": MEASUREMENTS, "parameters": PARAMETERS, **given}
    made = import_file(hybrid(folder, hybridization, **tables))
    problem = prepare(load_config(made.write(folder / "made")))[0].problem
    return [float(g[-1, 0]) for g in problem.predict(problem.table.values)]


def test_an_output_is_the_value_of_a_condition(tmp_path: Path) -> None:
    found = ends(tmp_path, conditions=conditions("low | k2 | net_out", "high | k2 | 2*net_out + 0.1"))
    np.testing.assert_allclose(found, [concentration(k2, 10) for k2 in (RATE, 2 * RATE + 0.1)], rtol=1e-6)


def test_an_output_is_the_initial_value_of_a_condition(tmp_path: Path) -> None:
    found = ends(tmp_path, conditions=conditions("low | A | net_out", "high | A | 2"))
    np.testing.assert_allclose(found, [start * concentration(0.6, 10) for start in (RATE, 2)], rtol=1e-6)


def test_an_output_of_constants_is_set_on_the_way(tmp_path: Path) -> None:
    found = ends(tmp_path, conditions=conditions("low | k2 | 0.5", "high | k2 | net_out"), experiments=ON_THE_WAY)
    middle, share = concentration(0.5, 5), RATE / (0.8 + RATE)
    expected = share + (middle - share) * np.exp(-(0.8 + RATE) * 5)
    np.testing.assert_allclose(found, [expected, concentration(RATE, 10)], rtol=1e-6)


def test_an_input_that_a_condition_sets_on_the_way_changes_then(tmp_path: Path) -> None:
    table = "targetId | targetValue\nk2 | net_out\nnet_in1 | A"
    rows = conditions("low | net_in0 | 2", "high | net_in0 | 2.5")
    found = ends(tmp_path, table, before=False, conditions=rows, experiments=ON_THE_WAY)

    def end(y: list[float], first: float, start: float, stop: float) -> list[float]:
        def slope(_: float, z: Any) -> list[float]:
            flow = 0.8 * z[0] - at(WEIGHTS, first, z[0])[0] * z[1]
            return [-flow, flow]

        return solve_ivp(slope, (start, stop), y, rtol=1e-10, atol=1e-12).y[:, -1].tolist()  # type: ignore[no-any-return]

    expected = [end(end([1, 0], 2, 0, 5), 2.5, 5, 10)[0], end([1, 0], 2.5, 0, 10)[0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_input_of_a_network_before_the_start_is_that_of_the_first_condition(tmp_path: Path) -> None:
    rows = conditions("low | net_in0 | 2", "high | net_in0 | 2.5")
    found = ends(
        tmp_path, "targetId | targetValue\nk2 | net_out\nnet_in1 | k1", conditions=rows, experiments=ON_THE_WAY
    )
    rates = [at(WEIGHTS, first, 0.8)[0] for first in (2, 2.5)]
    np.testing.assert_allclose(found, [concentration(k2, 10) for k2 in rates], rtol=1e-6)


FAULTS: list[tuple[str, str, dict[str, Any], str, str]] = [
    (
        "an output of states",
        OF_STATES,
        {"before": False, "conditions": conditions("low | k2 | net_out", "high | k2 | 1")},
        "experiments.tsv:2",
        "output of a network of states",
    ),
    (
        "an array",
        "targetId | targetValue\nk2 | net_out\nnet_in1 | k1",
        {"conditions": conditions("low | net_in0 | array", "high | net_in0 | 1")},
        "experiments.tsv:2",
        "datasets of inputs/net_in0",
    ),
    (
        "what the hybridization table sets",
        BEFORE,
        {"conditions": conditions("low | net_in0 | 1", "high | net_in0 | 2")},
        "experiments.tsv:3",
        "cannot have both",
    ),
    (
        "an input for one experiment only",
        "targetId | targetValue\nk2 | net_out\nnet_in1 | k1",
        {"conditions": conditions("low | net_in0 | 1", "high | A | 2")},
        "experiments.tsv:3",
        "no condition says what 'net_in0' is",
    ),
]


@pytest.mark.parametrize(
    ("hybridization", "given", "where", "what"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_what_conditions_cannot_set_has_its_place(
    hybridization: str, given: dict[str, Any], where: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        ends(tmp_path, hybridization, **given)
    assert any(where in fault.where and what in fault.what for fault in caught.value.faults), caught.value
    assert all(fault.where for fault in caught.value.faults)


def test_arrays_that_change_on_the_way_are_refused(tmp_path: Path) -> None:
    layers = [layer("first", "Linear", in_features=2, out_features=1, bias=True)]
    steps = [argument("x"), call("y", "call_module", "first", "x"), output("y")]
    arrays = {f"inputs/picture/{name}": np.array([1.0, 2.0]) for name in ("low", "high")}
    weights = {"parameters/net/first/weight": np.array([[0.5, 0.25]]), "parameters/net/first/bias": np.array([0.1])}
    given: dict[str, Any] = {
        "network": description(layers, steps),
        "before": False,
        "mapping": "petabEntityId | modelEntityId\npicture | net.inputs[0]\nnet_out | net.outputs[0][0]\n"
        "net_ps | net.parameters",
        "conditions": conditions("low | A | 1", "high | A | 2"),
        "experiments": ON_THE_WAY,
    }
    path = hybrid(tmp_path, "targetId | targetValue\nk2 | net_out", measurements=MEASUREMENTS, **given)
    from odefit.model.graphs.arrays import write_arrays

    write_arrays(tmp_path / "arrays.hdf5", weights | arrays)
    with pytest.raises(ConfigError, match="comes on the way") as caught:
        import_file(path)
    assert [fault.where.rsplit("/", 1)[1] for fault in caught.value.faults] == ["experiments.tsv:3"]
