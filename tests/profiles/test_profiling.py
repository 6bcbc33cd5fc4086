"""Profiles against closed forms: linear models with normal noise, and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import odefit
from odefit import Experiment, RunError
from odefit.runs.progress import Silent

TIMES = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 8.0])
VALUES = np.array([1.9, 2.8, 4.4, 4.9, 8.2, 12.4])
LINE: dict[str, Any] = {
    "model": {"equations": {"x": "b"}, "initial": {"x": "a"}},
    "parameters": {"a": {"value": 2.0}, "b": {"value": 1.0}, "end": "a + 8*b"},
    "solver": {"rtol": 1e-10, "atol": 1e-12},
}


def _line(noise: Any = "gaussian", **more: Any) -> odefit.Run:
    return odefit.fit(LINE | {"noise": noise} | more, data=[Experiment("a", TIMES, {"x": VALUES})])


def _least_squares() -> tuple[np.ndarray, np.ndarray, float]:
    """The estimates, the unscaled covariance, and the standard deviation of n - 2."""
    design = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    covariance = np.linalg.inv(design.T @ design)
    estimate = covariance @ design.T @ VALUES
    return estimate, covariance, float(np.sqrt(np.sum((VALUES - design @ estimate) ** 2) / (len(TIMES) - 2)))


@pytest.mark.quick
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_with_an_estimated_noise_level_a_line_has_the_intervals_of_students_t(level: float) -> None:
    profiles = odefit.profile(_line(), ["a", "b", "end", "x(10)"], level=level)
    estimate, covariance, s = _least_squares()
    t = stats.t.ppf(0.5 + level / 2, len(TIMES) - 2)
    for name, direction in {"a": (1, 0), "b": (0, 1), "end": (1, 8), "x(10)": (1, 10)}.items():
        g = np.array(direction, dtype=float)
        half = t * s * np.sqrt(g @ covariance @ g)
        middle = g @ estimate
        np.testing.assert_allclose(profiles[name].interval, (middle - half, middle + half), rtol=2e-6)
        assert profiles[name].verdict == "determined"


def test_with_a_known_noise_level_it_has_those_of_the_normal_distribution() -> None:
    profiles = odefit.profile(_line({"sigma": 0.3}))
    estimate, covariance, _ = _least_squares()
    half = stats.norm.ppf(0.975) * 0.3 * np.sqrt(np.diag(covariance))
    for k, name in enumerate(("a", "b")):
        np.testing.assert_allclose(profiles[name].interval, (estimate[k] - half[k], estimate[k] + half[k]), rtol=2e-6)


def test_the_profile_of_a_count_is_that_of_poisson() -> None:
    config = {
        "model": {"equations": {"x": "r"}, "initial": {"x": 0}},
        "parameters": {"r": {"value": 3.0, "bounds": [0.01, 100], "scale": "log"}},
        "noise": "poisson",
        "solver": {"rtol": 1e-10, "atol": 1e-12},
    }
    run = odefit.fit(config, data=[Experiment("a", [1.0, 2.0], {"x": [4.0, 5.0]}, start=0.0)])
    found = odefit.profile(run)["r"]

    def rise(r: float) -> float:  # nll = 3 r - 9 ln r + …, least at r = 3
        return 3 * r - 9 * np.log(r) - (9 - 9 * np.log(3)) - stats.chi2.ppf(0.95, 1) / 2

    expected = [optimize.brentq(rise, *ends) for ends in ((0.5, 3.0), (3.0, 10.0))]
    np.testing.assert_allclose(found.interval, expected, rtol=2e-6)
    height = found.nll - found.nll.min()
    np.testing.assert_allclose(height, 3 * found.value - 9 * np.log(found.value) - 9 + 9 * np.log(3), atol=1e-6)


def test_a_run_without_a_certificate_is_refused_with_what_to_do_first() -> None:
    run = odefit.fit(
        LINE | {"fit": {"max_iterations": 1, "starts": 1}},
        ["parameters.a.value=1e5"],
        data=[Experiment("a", TIMES, {"x": VALUES})],
    )
    if run.result.status == "converged":
        pytest.fail("the fit was meant to be stopped")
    with pytest.raises(RunError, match="Fit again first, with more starts"):
        run.profile()


def test_files_are_read_back_and_gone_on_with(tmp_path: Path) -> None:
    run = odefit.fit(LINE, data=[Experiment("a", TIMES, {"x": VALUES})], out=tmp_path / "run")
    first = run.profile(["a"])
    assert (tmp_path / "run" / "profiles.json").exists()
    both = odefit.load_run(tmp_path / "run").profile()
    assert list(both.profiles) == ["a", "b", "sigma_x", "end"]
    assert both["a"] == first["a"]
    np.testing.assert_array_equal(both["a"].u, first["a"].u)
    assert list(both.points.columns[:4]) == ["quantity", "branch", "value", "nll"]


WEIGHT_LOSS = {
    "days": [
        *(0, 4, 7, 7, 11, 18, 24, 30, 32, 43, 46, 60, 64, 70, 71, 71, 73, 74, 84, 88, 95, 102, 106, 109, 115, 122, 133),
        *(137, 140, 143, 147, 148, 149, 150, 153, 156, 161, 164, 165, 165, 170, 176, 179, 198, 214, 218, 221, 225),
        *(233, 238, 241, 246),
    ],
    "weight": [
        *(184.35, 182.51, 180.45, 179.91, 177.91, 175.81, 173.11, 170.06, 169.31, 165.10, 163.11, 158.30, 155.80),
        *(154.31, 153.86, 154.20, 152.20, 152.80, 150.30, 147.80, 146.10, 145.60, 142.50, 142.30, 139.40, 137.90),
        *(133.70, 133.70, 133.30, 131.20, 133.00, 132.20, 130.80, 131.30, 129.00, 127.90, 126.90, 127.70, 129.50),
        *(128.40, 125.40, 124.90, 124.90, 118.20, 118.20, 115.30, 115.70, 116.00, 115.50, 112.60, 114.00, 112.60),
    ],
}
"""A patient's days and kilograms: W. N. Venables and B. D. Ripley, "Modern Applied Statistics with S", example 8.1."""


def test_derived_quantities_have_the_intervals_that_r_prints() -> None:
    # R, example(confint-MASS): when the weight is 110, 100 and 90 kg, with confint's ends. R's spline through the
    # points of a profile is good to about five digits; a model with the day as a parameter has the same profile.
    printed = {
        110: (261.5132, 256.2303, 267.5009),
        100: (349.4979, 334.7293, 368.0151),
        90: (507.0941, 457.2637, 594.8745),
    }
    config = {
        "model": {"equations": {"W": "-log(2)/th*(W - b0)"}, "initial": {"W": "b0 + b1"}},
        "parameters": {"b0": {"value": 90}, "b1": {"value": 95}, "th": {"value": 120}}
        | {f"day_{kg}": f"th*log(b1/({kg} - b0))/log(2)" for kg in printed},
        "solver": {"rtol": 1e-9, "atol": 1e-9},
    }
    days, weight = (np.array(values, dtype=float) for values in WEIGHT_LOSS.values())
    run = odefit.fit(config, data=pd.DataFrame({"time": days, "W": weight}))
    found = odefit.profile(run, [f"day_{kg}" for kg in printed])
    for kg, (day, low, high) in printed.items():
        one = found[f"day_{kg}"]
        assert (one.estimate, one.low, one.high) == pytest.approx((day, low, high), rel=1e-4)

    def rest(th: float, day: float) -> float:  # linear in the rest, once W(day) = 100 takes b1
        decay = np.exp2(-days / th)
        column = 1 - decay * np.exp2(day / th)
        target = weight - 100 * decay * np.exp2(day / th)
        return float(np.sum((target - column * (column @ target) / (column @ column)) ** 2))

    def least(day: float) -> float:
        return float(optimize.minimize_scalar(rest, bounds=(100, 250), args=(day,), method="bounded").fun)

    n, t = len(days), stats.t.ppf(0.975, len(days) - 3)
    limit = least(found["day_100"].estimate) * (1 + t * t / (n - 3))
    ends = [optimize.brentq(lambda day: least(day) - limit, *span) for span in ((300.0, 349.0), (350.0, 420.0))]
    assert found["day_100"].interval == pytest.approx(ends, rel=1e-6)


def test_a_profile_that_was_ended_goes_on_where_it_was(tmp_path: Path) -> None:
    run = odefit.fit(LINE, data=[Experiment("a", TIMES, {"x": VALUES})], out=tmp_path / "run")
    whole = odefit.profile(run, overwrite=True)
    (tmp_path / "run" / "profiles.json").unlink()
    assert {p.verdict for p in run.profile(["a", "b"], seconds=0)} <= {"unfinished"}
    rounds = 0

    class Ctrl(Silent):
        def part(self, done: int, text: str) -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 2:
                raise KeyboardInterrupt

    for calls in range(1, 20):
        rounds = 0
        try:
            found = run.profile(["a", "b"], progress=Ctrl())
            break
        except KeyboardInterrupt:
            kept = odefit.load_run(tmp_path / "run").frame("profiles")
            assert len(kept) > 2 * calls  # two rounds more
    else:
        pytest.fail("it never ends")
    assert calls > 2
    for name in ("a", "b"):
        assert found[name].interval == pytest.approx(whole[name].interval, rel=1e-6)
