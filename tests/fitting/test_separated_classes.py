"""Values between two numbers that a curve meets for certain: a noise level that nothing tells."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import odefit

HALVES = ["8..16", "4..8", "2..4", "1..2", "0.5..1", "0.25..0.5"]
K = {"value": 1, "bounds": [0.01, 10], "scale": "log"}


def test_what_separated_classes_do_not_tell_has_no_error() -> None:
    """Beside an observable that tells of k, the noise level and the start of the other one could be anything."""
    config: dict[str, Any] = {
        "model": {"equations": {"x": "-k*x", "y": "-k*y"}, "observables": {"x": "x", "y": "y"}},
        "parameters": {"k": K},
        "fit": {"starts": 3},
    }
    frame = pd.DataFrame({"time": range(6), "x": HALVES, "y": ["8..16", "4..8", "4..8", "1..2", "0.5..1", "0.25..0.5"]})
    run = odefit.fit(config, data=frame)
    for name in ("x_0", "sigma_x"):
        found = run.result.estimates[name]
        assert found.standard_error is None
        assert found.interval is None
        assert f"{name} is not determined: " in "; ".join(run.result.warnings)
    assert run.result.estimates["k"].standard_error == pytest.approx(0.0075, abs=0.002)


def test_an_initial_value_near_nothing_keeps_its_error() -> None:
    """Its error is a thousand times its size, and right."""
    config = {
        "model": {"equations": {"x": "a - k*x"}, "initial": {"x": "estimate"}},
        "parameters": {"a": {"value": 1, "estimate": False}, "k": 0.5, "x_0": {"value": 0.0}},
        "noise": {"x": {"sigma": 0.1}},
    }
    times = [0.0, 1, 2, 3]
    frame = pd.DataFrame({"time": times, "x": [0, 0.787, 1.264, 1.554]})
    found = odefit.fit(config, data=frame).result.estimates["x_0"]
    assert abs(found.value) < 0.01
    assert found.standard_error == pytest.approx(0.09, abs=0.02)


def test_above_nothing_is_a_limit_where_logarithms_are_fitted() -> None:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": K}, "noise": "lognormal"}
    frame = pd.DataFrame({"time": range(4), "x": ["5", "2", ">0..1", "0.4"]})
    with pytest.raises(odefit.InputError, match=r"between 0 and 1 are values below 1: write <1; experiment 1 at t = 2"):
        odefit.load(config, data=frame)
    odefit.load(config, data=frame.replace(">0..1", "<1"))
