"""Quantities that the data determine although their parameters are not, or lie at bounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import odefit

T = np.linspace(0, 8, 12)


def rates(x: np.ndarray, start: float, degrees: int) -> tuple[float, float]:
    """Where the sum of squares of start*exp(-k t) has risen by the share t²/degrees."""

    def squares(k: float) -> float:
        return float(((start * np.exp(-k * T) - x) ** 2).sum())

    best = optimize.minimize_scalar(squares, bounds=(0.2, 0.6), method="bounded", options={"xatol": 1e-10})
    most = (1 + stats.t.ppf(0.975, degrees) ** 2 / degrees) * best.fun
    low, high = (optimize.brentq(lambda k: squares(k) - most, best.x, end) for end in (0.2, 0.6))
    return low, high


def test_a_product_is_determined_where_its_factors_are_not() -> None:
    x = 10 * np.exp(-0.4 * T) + 0.2 * np.random.default_rng(5).standard_normal(12)
    config = {
        "model": {"equations": {"x": "-a*b*x"}, "initial": {"x": 10}},
        "parameters": {
            "a": {"value": 1, "bounds": [0.01, 10], "scale": "log"},
            "b": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"},
            "ab": "a*b",
        },
    }
    (found,) = odefit.profile(odefit.fit(config, data=pd.DataFrame({"time": T, "x": x})), ["ab"])
    assert found.verdict == "determined"
    assert (found.low, found.high) == pytest.approx(rates(x, 10, 10), rel=1e-4)


def test_a_prediction_at_a_bound_has_both_ends() -> None:
    """Michaelis and Menten's equation for a decay of first order: Km is as large as it may be, and the ridge is flat.

    The upper end of x(12) lies where Km is at its bound, nearly that of a plain exponential.
    """
    x = np.exp(-0.4 * T) + 0.02 * np.random.default_rng(1).standard_normal(12)
    config = {
        "model": {"equations": {"x": "-Vm*x/(Km + x)"}, "initial": {"x": 1}},
        "parameters": {name: {"value": 5, "bounds": [0.01, 1000], "scale": "log"} for name in ("Vm", "Km")},
    }
    (found,) = odefit.profile(odefit.fit(config, data=pd.DataFrame({"time": T, "x": x})), ["x(12)"])
    assert found.verdict == "determined"
    assert found.high == pytest.approx(np.exp(-12 * rates(x, 1, 11)[0]), rel=0.01)
