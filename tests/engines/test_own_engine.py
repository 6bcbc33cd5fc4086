"""An engine that odefit does not know: two table entries, and everything else works with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from interrupted_systems import experiment, interrupted
from listeners import StopAt
from odefit.data.experiments import Dose
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.failure import FailureReason
from odefit.engines.methods import METHODS, Method
from odefit.engines.registry import ENGINES, EngineEntry
from odefit.errors import ConfigError
from odefit.runs import checkpoint
from odefit.runs.progress import Silent
from scipy_engine import ScipyEngine
from small_problems import make_system, series

TIMES = np.linspace(0.5, 6, 12)
PREDATORS = make_system({"x": "a*x - b*x*y", "y": "b*x*y - c*y"}, {"x": "x0", "y": "exp(c)"}, ("a", "b", "c", "x0"))
P = np.array([1.1, 0.6, 0.9, 1.5])


@pytest.fixture(autouse=True)
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody with an engine of their own writes; taken back after each test."""
    make = EngineEntry(lambda system, options, sensitive, networks: ScipyEngine(system, options, sensitive))
    monkeypatch.setitem(ENGINES, "scipy", make)
    monkeypatch.setitem(METHODS, "scipy_rk45", Method("scipy", 5))
    monkeypatch.setitem(METHODS, "scipy_lsoda", Method("scipy", None, is_implicit=True))


def config(folder: Path, method: str, fit: Mapping[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    x = 2 * np.exp(-0.7 * TIMES) + 0.4 / 0.7 * (1 - np.exp(-0.7 * TIMES))
    rows = [f"{t},{value}" for t, value in zip(TIMES, x + 0.03 * rng.standard_normal(12), strict=True)]
    (folder / "d.csv").write_text("time,x\n" + "\n".join(rows) + "\n")
    return {
        "model": {"equations": {"x": "s - k*x"}, "initial": {"x": 2}},
        "parameters": {"k": {"value": 0.3, "scale": "log"}, "s": {"value": 0.8, "scale": "log"}},
        "data": {"csv": str(folder / "d.csv")},
        "noise": {"x": {"sigma": 0.03}},
        "solver": {"method": method, "rtol": 1e-8, "atol": 1e-10},
        "fit": dict(fit),
    }


@pytest.mark.parametrize("method", ["scipy_rk45", "scipy_lsoda"])
@pytest.mark.parametrize("other", ["tsit45", "bdf", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_it_is_as_exact_as_the_built_in_engines(method: str, other: str) -> None:
    members = np.array([0, 1, 0])
    experiments = [series("A", TIMES, n=2), series("B", 1.0 + TIMES[:5], n=2, start=1.0)]
    p = np.array([P, 1.2 * P, 0.8 * P])
    ours, theirs = (
        make_engine(PREDATORS, SolverOptions(name, 1e-9, 1e-11), ("c", "a", "x0")).solve(p, experiments, True, members)
        for name in (method, other)
    )
    assert ours.failures == theirs.failures == (None,) * 3
    assert ours.offsets.tolist() == theirs.offsets.tolist() == [0, 12, 17, 29]
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-5, atol=1e-6)
    assert ours.dy is not None
    assert theirs.dy is not None
    np.testing.assert_allclose(ours.dy, theirs.dy, rtol=1e-4, atol=1e-5)


def test_its_failure_is_a_reason_and_not_a_number() -> None:
    engine = make_engine(make_system({"x": "k*x^2"}, {"x": 1}, ("k",)), SolverOptions("scipy_rk45"), ("k",))
    good, bad = engine.solve(np.array([[0.1], [1.0]]), [series("A", [0.5, 3.0])], members=np.array([0, 0]))
    assert good.failure is None
    assert bad.failure is not None
    assert bad.failure.reason is FailureReason.GAVE_UP
    assert "solver.method: bdf" in str(bad.failure)
    assert np.isnan(bad.y).all()


@pytest.mark.parametrize("method", ["scipy_rk45", "scipy_lsoda"])
def test_it_fits_through_the_ordinary_path(method: str, tmp_path: Path) -> None:
    found = odefit.fit(config(tmp_path, method, {"starts": 2, "workers": 1}), out=tmp_path / "own")
    known = odefit.fit(config(tmp_path, "auto", {"starts": 2, "workers": 1}), out=tmp_path / "known")
    assert found.result.status == known.result.status == "converged"
    for name, estimate in known.result.estimates.items():
        assert found.result.estimates[name].value == pytest.approx(estimate.value, rel=1e-5)
        assert found.result.estimates[name].standard_error == pytest.approx(estimate.standard_error, rel=1e-3)


def test_doses_come_with_it_and_their_engines_are_saved_too() -> None:
    system = interrupted({"x": "-k*x"}, {"x": "a"}, "k a", dosing=("a/2", "1"))
    one = experiment(TIMES, doses=(Dose(2.2, "x", 1.5), Dose(3.0, "x", 1.0, 0.8)))
    p = np.array([0.7, 1.3])
    ours, theirs = (make_engine(system, SolverOptions(m, 1e-9, 1e-11), ("k", "a")) for m in ("scipy_rk45", "tsit45"))
    found, known = (engine.solve(p[None], [one], True)[0] for engine in (ours, theirs))
    np.testing.assert_allclose(found.y, known.y, rtol=1e-6)
    np.testing.assert_allclose(found.dy, known.dy, rtol=1e-5, atol=1e-7)
    assert ours.method_in_use == "scipy_rk45"
    assert not ours.is_compiled
    assert ours.jumps(p, one).tolist() == pytest.approx([2.85])
    twin = ours.reset_copy()
    twin.restore(ours.state())
    again, same = (engine.solve(1.1 * p[None], [one], True)[0] for engine in (ours, twin))
    np.testing.assert_array_equal(again.dy, same.dy)


def trained(folder: Path, out: str, progress: Silent | None = None, resume: bool = False) -> odefit.Run:
    fit = {"method": "adam", "epochs": 12, "learning_rate": 0.05, "seed": 3}
    return odefit.fit(config(folder, "scipy_rk45", fit), out=folder / out, progress=progress or Silent(), resume=resume)


@pytest.mark.torch
@pytest.mark.parametrize("epoch", [4, 7])
def test_a_training_with_it_is_resumed_bit_for_bit(epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    whole = trained(tmp_path, "whole")
    assert trained(tmp_path, "parts", StopAt(epoch=epoch)).result.status == "interrupted"
    parts = trained(tmp_path, "parts", resume=True)
    np.testing.assert_array_equal(parts.theta, whole.theta)
    # It would not be so, had the engine forgotten its step.
    with monkeypatch.context() as forgetful:
        forgetful.setattr(ScipyEngine, "restore", lambda self, state: None)
        assert trained(tmp_path, "forgotten", StopAt(epoch=epoch)).result.status == "interrupted"
        assert (trained(tmp_path, "forgotten", resume=True).theta != whole.theta).any()


def test_an_engine_that_cannot_save_its_state_is_none() -> None:
    class Careless(Engine):
        is_compiled = False
        method_in_use = "careless"

    with pytest.raises(TypeError, match="abstract"):
        Careless()


def test_a_method_that_nobody_registered_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown method 'scipy_rk4'; did you mean 'scipy_rk45'"):
        make_engine(PREDATORS, SolverOptions("scipy_rk4"))
