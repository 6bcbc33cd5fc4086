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
    assert (found.low, found.high) == pytest.approx(rates(x, 10, 11), rel=1e-4)


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


def test_errors_and_profiles_count_what_the_data_determine_not_parameters() -> None:
    """a*b is one unknown: all that is said of it is what is said of k."""
    frame = pd.DataFrame({"time": T, "x": 10 * np.exp(-0.4 * T) + 0.2 * np.random.default_rng(5).standard_normal(12)})
    log = {"value": 0.6, "bounds": [0.01, 10], "scale": "log"}
    found = []
    for rate, parameters in (("k", {"k": log}), ("a*b", {"a": log, "b": log, "k": "a*b"})):
        model = {"equations": {"x": f"-({rate})*x"}, "initial": {"x": 10}}
        run = odefit.fit({"model": model, "parameters": parameters}, data=frame)
        k, profile = run.result.estimates["k"], odefit.profile(run, ["k"])["k"]
        assert k.interval is not None
        curve = run.predictions([9])[["low", "high", "new_low", "new_high"]].to_numpy().ravel()
        found.append(
            [k.standard_error, *k.interval, run.result.residual_standard_error, profile.low, profile.high, *curve]
        )
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_the_reduced_chi_square_counts_what_the_data_determine() -> None:
    frame = pd.DataFrame({"time": T, "x": 10 * np.exp(-0.4 * T) + 0.2 * np.random.default_rng(5).standard_normal(12)})
    log, found = {"value": 0.6, "bounds": [0.01, 10], "scale": "log"}, []
    for rate, names in (("k", "k"), ("a*b", "ab")):
        model = {"equations": {"x": f"-({rate})*x"}, "initial": {"x": 10}}
        config = {"model": model, "parameters": dict.fromkeys(names, log), "noise": {"sigma": 0.2}}
        result = odefit.fit(config, data=frame).result
        assert result.objective.rss is not None
        found.append((result.reduced_chi_square, result.objective.rss / 0.2**2 / (len(T) - 1)))
    np.testing.assert_allclose(found, found[0][0], rtol=1e-6)


def test_a_run_whose_noise_cannot_be_told_has_no_profiles() -> None:
    config = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 2}}, "parameters": {"k": {"value": 0.5}}}
    data = [odefit.Experiment("a", [0, 1], {"x": [None, 1.0]})]
    with pytest.raises(odefit.RunError, match="no more measurements than parameters, so that no noise can be told"):
        odefit.profile(odefit.fit(config, data=data))
    run = odefit.fit({**config, "fit": {"intervals": "profile"}}, data=data)
    assert run.result.estimates["k"].interval is None
    known = odefit.profile(odefit.fit({**config, "noise": {"x": {"sigma": 0.1}}}, data=data), ["k"])["k"]
    assert known.verdict == "determined"
    # 2 exp(-k) is normal with sigma 0.1 around 1.
    assert (known.low, known.high) == pytest.approx([np.log(2 / (1 + s * 0.195996)) for s in (1, -1)], rel=1e-4)
