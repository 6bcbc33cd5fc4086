"""What a fit did not see, scored: against the closed form, and solved once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from odefit.config.load import load_config
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.problem.hold_out import errors
from odefit.problem.preparation import prepare

TIMES = np.arange(6.0)


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
def test_held_out_measurements_are_solved_once(noise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = 2 * np.exp(-0.4 * TIMES) + 0.03 * (-1.0) ** TIMES
    (tmp_path / "d.csv").write_text("time,x\n" + "".join(f"{t},{v}\n" for t, v in zip(TIMES, values, strict=True)))
    (tmp_path / "c.yaml").write_text(
        "model: {equations: {x: -k*x}, initial: {x: 2}}\n"
        "parameters: {k: {value: 0.4, prior: {normal: [0.5, 0.1]}}}\n"
        f"noise: {{model: {noise}, sigma: 0.1}}\n"
        "data: {csv: d.csv, hold_out: {after: 3}}\n"
    )
    assembly, _ = prepare(load_config(tmp_path / "c.yaml"))
    calls = []
    solve = DiffsolEngine.solve
    monkeypatch.setattr(DiffsolEngine, "solve", lambda *a: calls.append(1) or solve(*a))  # type: ignore[func-returns-value]
    found = errors(assembly.problem, assembly.held, assembly.problem.table.values)
    assert len(calls) == 1
    predicted, seen = 2 * np.exp(-0.4 * TIMES[4:]), values[4:]
    log = noise == "lognormal"
    r = (np.log(seen / predicted) if log else seen - predicted) / 0.1
    nll = np.sum(r**2 / 2) + 2 * math.log(0.1 * math.sqrt(2 * math.pi)) + (np.log(seen).sum() if log else 0.0)
    assert found.n == 2
    assert found.nll == pytest.approx(nll, rel=1e-4)
    assert found.squares["x"][0] == pytest.approx(np.sum((seen - predicted) ** 2), rel=1e-3)


def test_a_model_that_fails_there_has_no_score(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x\n0,1\n1,2\n2,4\n3,8\n")
    (tmp_path / "c.yaml").write_text(
        "model: {equations: {x: k*x^2}, initial: {x: 1}}\nparameters: {k: 0.1}\n"
        "data: {csv: d.csv, hold_out: {after: 1}}\n"
    )
    assembly, _ = prepare(load_config(tmp_path / "c.yaml"))
    theta = np.where(np.array(assembly.problem.table.names) == "k", 5.0, 1.0)
    score = errors(assembly.problem, assembly.held, theta).score
    assert score.nll is None
    assert score.rmse == {"x": None}
