"""Parameters at a bound, formulas of what is not determined, and small samples: what the result says of its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odefit
from odefit.fitting.run import Run

T = np.linspace(0, 10, 21)
SHARE = 200 / 290


def exchange(upper: float) -> Run:
    """x and y exchange at 200 and 90, far faster than is seen, and x decays: k1/k2 is all that shows of the two."""
    total = 10 * np.exp(-0.5 * (1 - SHARE) * T)
    rng = np.random.default_rng(1)
    data = {
        name: share * total * np.exp(0.05 * rng.standard_normal(21)) for name, share in (("x", 1 - SHARE), ("y", SHARE))
    }

    def log(value: float, *bounds: float) -> dict[str, Any]:
        return {"value": value, "bounds": list(bounds), "scale": "log"}

    config = {
        "model": {
            "equations": {"x": "-k1*x + k2*y - ke*x", "y": "k1*x - k2*y"},
            "initial": {"x": "T*k2/(k1 + k2)", "y": "T*k1/(k1 + k2)"},
        },
        "parameters": {
            "k1": log(5, 0.1, upper),
            "k2": log(5, 0.1, 1e5),
            "ke": log(1, 0.01, 10),
            "T": log(8, 1, 100),
            "K": "k1/k2",
            "twice": "2*k1",
            "both": "k1 + ke",
        },
        "noise": "lognormal",
    }
    run = odefit.fit(config, data=[odefit.Experiment("a", T, data)])
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="module")
def held() -> Run:
    return exchange(20)


def test_errors_with_a_parameter_held(held: Run) -> None:
    result = held.result
    assert result.estimates["k1"].at_bound == "upper"
    assert result.held == ("k1",)
    assert "standard errors with k1 held at its bound" in result.notes
    k2, ratio = result.estimates["k2"], result.estimates["K"]
    assert k2.value is not None
    assert k2.standard_error is not None
    assert ratio.value is not None
    # With k1 known k1/k2 is known as well as k2.
    assert ratio.standard_error == pytest.approx(ratio.value * k2.standard_error / k2.value, rel=1e-6)
    both, ke = result.estimates["both"], result.estimates["ke"]
    assert both.standard_error == pytest.approx(ke.standard_error, rel=1e-6)
    assert result.estimates["twice"].standard_error is None
    assert result.estimates["twice"].reason == "a parameter that it follows from is not determined"


def test_a_ratio_is_determined_where_its_parts_are_not() -> None:
    result = exchange(1e5).result
    assert result.held == ()
    for name in ("k1", "k2"):
        e = result.estimates[name]
        assert e.standard_error is None or e.standard_error > (e.value or 0)
    ratio = result.estimates["K"]
    assert ratio.interval is not None
    assert ratio.standard_error is not None
    assert ratio.standard_error < 0.1 * (ratio.value or 0)
    assert ratio.interval[0] < 200 / 90 < ratio.interval[1]


def test_a_formula_of_what_shows_only_together() -> None:
    """Of x' = -a b x the data know a*b, and nothing of a/b."""
    data = [odefit.Experiment("a", T, {"x": np.exp(-0.3 * T) + 0.01 * np.cos(7 * T)})]
    parameters = {n: {"value": 0.5, "bounds": [0.01, 10], "scale": "log"} for n in "ab"}
    config = {
        "model": {"equations": {"x": "-a*b*x"}, "initial": {"x": 1}},
        "parameters": parameters | {"rate": "a*b", "ratio": "a/b"},
    }
    estimates = odefit.fit(config, data=data).result.estimates
    assert estimates["rate"].value == pytest.approx(0.3, rel=0.02)
    assert estimates["rate"].standard_error == pytest.approx(0.3 * 0.01, rel=0.5)
    assert estimates["ratio"].standard_error is None
    assert estimates["ratio"].reason == "a parameter that it follows from is not determined"


def test_a_small_sample_is_called_one() -> None:
    def notes(n: int, noise: Any) -> tuple[str, ...]:
        t = np.linspace(0, 3, n)
        data = [odefit.Experiment("a", t, {"x": 9 * np.exp(-0.5 * t) + 0.1 * np.cos(9 * t)})]
        return odefit.fit(
            {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}, "noise": noise}, data=data
        ).result.notes

    assert notes(40, "gaussian") == ()
    (note,) = notes(8, "gaussian")
    assert note == "a small sample (3 parameters, 8 measurements): intervals by Student's t with 6 degrees of freedom"
    (note,) = notes(8, {"sigma": 0.1})
    assert note.endswith("intervals by the normal distribution, which may be too narrow")
