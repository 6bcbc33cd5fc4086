"""Standard errors of the constants beside a network, and what is said where there can be none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import odefit
from hybrid_problems import base_of, hybrid
from odefit.config.load import load_config
from odefit.fitting.network_errors import errors_beside_networks
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.problem.preparation import prepare
from odefit.training.linearised import Linearisation
from odefit.training.penalised_rows import penalised_rows
from odefit.training.smoothing import smooth
from odefit.training.windows import WindowObjective, start_states, whole_series
from odefit.uncertainty.estimation import Uncertainty

pytestmark = pytest.mark.torch


def config(loss: str = "-net(S)", **fit: Any) -> dict[str, Any]:
    """A substrate that is lost at an unknown rate, to a product that decays."""
    truth = {"S": "-S/(0.7 + S) - k*S" if "k" in loss else "-S/(0.7 + S)", "P": "S/(0.7 + S) - k*P"}
    states = ("S",) if "k" in loss else ("S", "P")
    model = {"S": loss, "P": "net(S) - k*P"}
    return {
        "model": {
            "equations": {name: model[name] for name in states},
            "networks": {"net": {"hidden": [6], "output": "positive", "penalty": 1e-6}},
        },
        "parameters": {"k": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"}},
        "data": {
            "simulate": {
                "model": {"equations": {name: truth[name] for name in states}},
                "parameters": {"k": 0.3},
                "times": {"stop": 12, "count": 25},
                "noise": 0.02,
                "seed": 1,
            },
            "experiments": {
                "a": {f"{name}_0": 0.5 if name == "S" else 0 for name in states},
                "b": {f"{name}_0": 4 if name == "S" else 0 for name in states},
            },
        },
        "fit": {"method": "least_squares", "match": 60, "windows": [8], "epochs": 8, "weight_decay": 1e-6} | fit,
    }


@pytest.fixture(scope="module")
def enzyme() -> Run:
    run = odefit.fit(config())
    assert isinstance(run, Run)
    return run


def test_a_constant_beside_a_network_has_an_error(enzyme: Run) -> None:
    k = enzyme.result.estimates["k"]
    assert k.standard_error is not None
    assert k.interval is not None
    assert k.interval[0] < 0.3 < k.interval[1]
    assert 0.0005 < k.standard_error < 0.02
    assert enzyme.result.information == "penalised"
    assert any("all weights of the network" in note for note in enzyme.result.notes)
    assert not any("no standard errors" in warning for warning in enzyme.result.warnings)


def test_a_noise_level_has_the_error_of_a_standard_deviation(enzyme: Run) -> None:
    sigma = enzyme.result.estimates["sigma_P"]
    assert sigma.value is not None
    assert sigma.standard_error is not None
    assert sigma.value / math.sqrt(2 * 50) < sigma.standard_error < sigma.value / math.sqrt(2 * 38)


def test_without_its_network_the_error_is_smaller(enzyme: Run) -> None:
    known = config()
    del known["model"]["networks"]
    known["model"]["equations"] = {"S": "-S/(0.7 + S)", "P": "S/(0.7 + S) - k*P"}
    known["fit"] = {"method": "least_squares"}
    run = odefit.fit(known)
    assert isinstance(run, Run)
    pair = [one.result.estimates["k"].standard_error for one in (enzyme, run)]
    assert pair[0] is not None
    assert pair[1] is not None
    assert pair[1] < pair[0]


def test_what_the_network_can_stand_in_for_is_said_not_to_be_determined() -> None:
    run = odefit.fit(config("-net(S) - k*S"))
    k = run.result.estimates["k"]
    assert k.standard_error is None
    assert "only in combination with the network net" in (k.reason or "")
    assert any(warning.startswith("k is not determined") for warning in run.result.warnings)


def test_a_run_keeps_the_errors_in_its_folder(enzyme: Run, tmp_path: Any) -> None:
    enzyme.save(tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert again.result.estimates == enzyme.result.estimates
    assert isinstance(again, Run)
    assert again.known_errors is None  # its curves depend on the weights, too


def asked(part: dict[str, Any], *changes: str) -> tuple[Uncertainty | None, list[str]]:
    """The errors at the start of a fit, and what is said where there are none."""
    described = config()
    described["data"] |= part
    assembly = prepare(load_config(described, changes))[0]
    table = assembly.problem.table
    u = table.to_search(table.values)
    found, told, _ = errors_beside_networks(assembly, Likelihood(assembly.problem), u, np.zeros(len(u), dtype=np.int8))
    return found, told


def test_a_constant_beside_a_network_and_doses_has_an_error() -> None:
    found, told = asked({"doses": [{"time": 3, "state": "S", "amount": 2}]})
    assert told == []
    assert found is not None
    assert 0 < found.covariance.standard_errors[0] < 1


def test_where_there_are_none_a_line_says_why() -> None:
    prior = 'model.networks.net.prior={"normal": [0, 1]}'
    found, (said,) = asked({}, prior, "fit.method=lbfgs", "fit.loss=nll", "fit.windows=null")
    assert found is None
    assert said == "no standard errors beside this network: its weights have priors"
    _, (said,) = asked({}, "model.networks.net.hidden=[40, 40]")
    assert said.startswith("no standard errors beside this network: 1,7")
    assert said.endswith("are too many")


@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_the_rows_give_the_matrix_of_the_training(loss: Any) -> None:
    """Half the Gauss-Newton matrix of the loss, from another sum over the same derivatives."""
    assembled, networks = hybrid(0.7, 0.3)
    u = assembled.table.to_search(assembled.table.values)
    decay = 0.01
    found = penalised_rows(Likelihood(assembled), networks, u, loss, decay)
    b = np.concatenate([*found.measured, found.others])
    base = base_of(assembled, networks, "mse")
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    objective = WindowObjective(base, whole_series(assembled.experiments), states, "model")
    with torch.no_grad():
        matrix = Linearisation(objective).at(objective.everything()).matrix.numpy().copy()
    ridge = np.zeros(len(matrix))
    ridge[len(u) :] = assembled.n_measured * decay / 2
    if loss == "mse":
        np.testing.assert_allclose(b.T @ b, matrix + np.diag(ridge), rtol=1e-6, atol=1e-6)
        return
    # With one known sigma for all, the data's part is divided by its square; what is added to the loss counts twice.
    j = np.concatenate(found.measured) * 0.2
    other = found.others / math.sqrt(2)
    np.testing.assert_allclose(j.T @ j + other.T @ other, matrix + np.diag(ridge), rtol=1e-6, atol=1e-6)
