"""Derivatives of predictions and penalised outputs to parameters and weights, where the model is no machine code."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_problems import base_of, hybrid
from odefit.config.load import load_config
from odefit.objective.likelihood import Likelihood
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.training.linearised import Linearisation
from odefit.training.recorded_rows import recorded_rows
from odefit.training.smoothing import smooth
from odefit.training.windows import WindowObjective, start_states, whole_series
from small_problems import Array, central_differences

pytestmark = pytest.mark.torch

SUBSTRATE = {
    "model": {
        "equations": {"S": "-net(S)", "P": "net(S) - k*P"},
        "initial": {"S": "S0", "P": 0.1},
        "networks": {"net": {"hidden": [2], "output": "positive", "penalty": 0.1}},
    },
    "parameters": {
        "k": {"value": 0.4, "bounds": [0.01, 10], "scale": "log"},
        "S0": {"value": 2, "bounds": [0.1, 10]},
    },
    "solver": {"rtol": 1e-10, "atol": 1e-12},
}
DATA = """\
experiment,time,S,P
a,0.5,1.5,0.3
a,1.3,1.1,0.5
a,2.9,0.6,
a,4.1,0.4,0.4
b,0.4,1.6,0.3
b,2.2,0.9,0.5
b,3.4,0.5,0.4
"""
KINDS: Mapping[str, Any] = {
    "doses": {"data": {"doses": [{"time": 0.7, "state": "S", "amount": 2, "duration": "D"}]},
              "parameters": {"D": {"value": 1.1, "bounds": [0.1, 3]}}},
    "events at a time": {"model": {"events": [{"time": [1, 2.5], "set": {"S": "S + k*P"}}]}},
    "events by a condition": {"model": {"events": [{"when": "S < 1.2", "set": {"S": "S + 1"}}]}},
    "inputs": {"data": {"inputs": {"light": {"csv": "light.csv"}}}, "model": {"equations": {"S": "-net(S) + a*light"}},
               "parameters": {"a": {"value": 0.3, "bounds": [0.01, 10], "scale": "log"}}},
    "rest before the start": {"model": {"equations": {"S": "a - net(S)*S"}, "steady_state": {"a": 0.5}},
                              "parameters": {"a": {"value": 0.9, "bounds": [0.1, 3]}}},
    "a network in what is observed": {"model": {"equations": {"S": "-S", "P": "S - k*P"},
                                                "networks": {"net": {"penalty": 0}},
                                                "observables": {"S": "S", "P": "k*net(P)"}}},
    "counts of an interval": {"model": {"observables": {"S": {"increase": "S"}, "P": {"fold_change": "P"}}}},
    "a potential": {"model": {"name": "potential", "states": ["S", "P"], "hidden": [2], "initial": {"S": "S0"},
                              "equations": None, "networks": None}, "parameters": {"k": None}},
}  # fmt: skip


def laid_over(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    both = {**copy.deepcopy(dict(base)), **part}
    found = {k: laid_over(base[k], v) if isinstance(v, dict) and k in base else v for k, v in both.items()}
    return {k: v for k, v in found.items() if v is not None}


def prepared(folder: Path, part: Mapping[str, Any]) -> Assembly:
    """A fit of two series, that is at its start."""
    (folder / "data.csv").write_text(DATA)
    (folder / "light.csv").write_text("time,light\n0,0\n1,1\n3,0.2\n5,0.6\n")
    config = laid_over(SUBSTRATE | {"data": {"csv": str(folder / "data.csv"), "start": 0}}, part)
    for one in config["data"].get("inputs", {}).values():
        one["csv"] = str(folder / one["csv"])
    return prepare(load_config(config))[0]


def predictions(assembly: Assembly, q: Array) -> Array:
    """Of every measured cell, and all penalised outputs over all times, at other parameters and weights."""
    networks, problem = assembly.networks, assembly.problem
    assert networks is not None
    n = len(problem.table.estimated)
    kept = torch.nn.utils.parameters_to_vector(networks.parameters()).detach()
    torch.nn.utils.vector_to_parameters(torch.as_tensor(q[n:]), networks.parameters())
    try:
        moments = Likelihood(problem).moments(q[:n], derivatives=False)
        assert moments is not None
        return np.concatenate([one.m[data.rows] for one, data in zip(moments, problem.data, strict=True)])
    finally:
        torch.nn.utils.vector_to_parameters(kept, networks.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_differences(kind: str, tmp_path: Path) -> None:
    assembly = prepared(tmp_path, KINDS[kind])
    problem, networks = assembly.problem, assembly.networks
    assert networks is not None
    u = problem.table.to_search(problem.table.values)
    measured, _ = recorded_rows(problem, networks, torch.as_tensor(u), "mse")
    lengths = [len(e.times) for e in problem.experiments]
    rows = np.concatenate([own[:n] for own, n in zip(measured.numpy(), lengths, strict=True)])
    found = np.concatenate([rows[data.rows, k] for k, data in enumerate(problem.data)])
    q = np.concatenate([u, torch.nn.utils.parameters_to_vector(networks.parameters()).detach().numpy()])
    towards = np.random.default_rng(1).normal(size=(len(q), 3))
    expected = central_differences(lambda step: predictions(assembly, q + towards @ step), np.zeros(3), 1e-3)
    np.testing.assert_allclose(found @ towards, expected, atol=2e-6)
    assert (np.abs(found).max(axis=0) > 1e-3).mean() > 0.7  # noise levels move nothing


def test_they_are_those_of_the_machine_code_where_there_is_one() -> None:
    problem, networks = hybrid(0.7, 0.3)
    states = start_states(problem, smooth(problem), problem.table.values)
    objective = WindowObjective(base_of(problem, networks), whole_series(problem.experiments), states, "model")
    assert objective.compiled is not None
    both = Linearisation(objective).rows(objective.everything())
    found = recorded_rows(problem, networks, objective.u.detach(), "mse")
    for one, expected in zip(found, both, strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-3, atol=1e-4)


def test_weights_that_are_kept_have_no_columns(tmp_path: Path) -> None:
    assembly = prepared(tmp_path, {"model": {"networks": {"net": {"layers": {"layer1": {"estimate": False}}}}}})
    assert assembly.networks is not None
    u = torch.as_tensor(assembly.problem.table.to_search(assembly.problem.table.values))
    measured, _ = recorded_rows(assembly.problem, assembly.networks, u, "mse")
    assert measured.shape[-1] == len(u) + 3  # the second layer: two weights and a bias
