"""Profiles against closed forms: linear models with normal noise, and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

import odefit
from odefit import Experiment, RunError

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
