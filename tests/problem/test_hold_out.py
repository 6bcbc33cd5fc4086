"""What a fit did not see, scored: against the closed form, and solved once."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from odefit.api import assembled
from odefit.problem.hold_out import errors

TIMES = np.arange(6.0)


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
def test_held_out_measurements_are_solved_once(noise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = 2 * np.exp(-0.4 * TIMES) + 0.03 * (-1.0) ** TIMES
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 2}},
        "parameters": {"k": {"value": 0.4, "prior": {"normal": [0.5, 0.1]}}},
        "noise": {"model": noise, "sigma": 0.1},
        "data": {"hold_out": {"after": 3}},
    }
    assembly = assembled(config, data=pd.DataFrame({"time": TIMES, "x": values}))
    calls = []
    engine = type(assembly.problem.engine)
    solve = engine.solve
    monkeypatch.setattr(engine, "solve", lambda *a: calls.append(1) or solve(*a))  # type: ignore[func-returns-value]
    found = errors(assembly.problem, assembly.held, assembly.problem.table.values)
    assert len(calls) == 1
    predicted, seen = 2 * np.exp(-0.4 * TIMES[4:]), values[4:]
    log = noise == "lognormal"
    r = (np.log(seen / predicted) if log else seen - predicted) / 0.1
    nll = np.sum(r**2 / 2) + 2 * math.log(0.1 * math.sqrt(2 * math.pi)) + (np.log(seen).sum() if log else 0.0)
    assert found.n == 2
    assert found.nll == pytest.approx(nll, rel=1e-4)
    assert found.squares["x"][0] == pytest.approx(np.sum((seen - predicted) ** 2), rel=1e-3)


def test_a_model_that_fails_there_has_no_score() -> None:
    config = {
        "model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1}},
        "parameters": {"k": 0.1},
        "data": {"hold_out": {"after": 1}},
    }
    assembly = assembled(config, data=pd.DataFrame({"time": TIMES[:4], "x": 2.0 ** TIMES[:4]}))
    theta = np.where(np.array(assembly.problem.table.names) == "k", 5.0, 1.0)
    score = errors(assembly.problem, assembly.held, theta).score
    assert score.nll is None
    assert score.rmse == {"x": None}
