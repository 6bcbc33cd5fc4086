"""What profiles say: combinations that move together, open ends, several intervals, what would tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odefit
from odefit import Experiment

TIMES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
NOISE = np.random.default_rng(0).standard_normal(12)
DECAY = Experiment("a", TIMES, {"x": 10 * np.exp(-0.3 * TIMES + 0.05 * NOISE[:7])})


def _log(value: float, *bounds: float) -> dict[str, Any]:
    return {"value": value, "scale": "log"} | ({"bounds": list(bounds)} if bounds else {})


def _profiles(
    equations: dict[str, str], parameters: dict[str, Any], data: Experiment = DECAY, **more: Any
) -> odefit.profiles.records.Profiles:
    names = more.pop("names", None)
    model = {"equations": equations} | more.pop("model", {})
    run = odefit.fit({"model": model, "parameters": parameters, "noise": "lognormal"} | more, data=[data])
    return odefit.profile(run, names)


@pytest.mark.quick
@pytest.mark.parametrize(
    "rate, parameters, kept",
    [
        ("a*b", {"a": _log(1), "b": _log(0.5)}, "a*b"),
        ("a/b", {"a": _log(1), "b": _log(2)}, "a/b"),
        ("(a + b)", {"a": {"value": 0.1}, "b": {"value": 0.2}}, "a + b"),
        ("a*b*c", {"a": _log(1), "b": _log(0.5), "c": _log(1)}, "a*b*c"),
    ],
)
def test_what_moves_together_is_said_as_a_formula(rate: str, parameters: dict[str, Any], kept: str) -> None:
    found = _profiles({"x": f"-{rate}*x"}, parameters)
    for name in parameters:
        assert found[name].verdict == "not determined at all"
        assert found[name].moves_with == kept
        assert f"only {kept} is" in found[name].sentence
        assert (found[name].low, found[name].high) == (None, None)
    assert found["x_0"].verdict == "determined"


def test_bounds_of_a_partner_end_an_interval_and_determine_nothing() -> None:
    found = _profiles({"x": "-a*b*x"}, {"a": _log(1, 0.01, 10), "b": _log(0.5, 0.01, 10)})["a"]
    assert found.verdict == "not determined at all"
    assert "where it ends, another parameter meets its bound" in found.sentence
    assert found.high_end == "bound"


def test_an_open_end_is_one_side_and_says_what_moves_with_it() -> None:
    times = np.linspace(0, 10, 12)
    data = Experiment("a", times, {"S": 2 * np.exp(-0.3 * times) + 0.03 * NOISE})
    found = _profiles({"S": "-Vmax*S/(Km + S)"}, {"Vmax": _log(3), "Km": _log(10)}, data, noise="gaussian")["Km"]
    assert found.verdict == "practically not determined"
    assert found.low is not None
    assert 1 < found.low < 1000
    assert found.high is None
    assert found.moves_with == "Vmax/Km"
    assert "open above" in found.sentence


def test_a_measurement_that_would_tell_is_named() -> None:
    # A plateau is not reached yet: a later measurement tells how high it is.
    times = np.linspace(0, 1, 12)
    data = Experiment("a", times, {"x": 3 * (1 - np.exp(-0.4 * times)) + 0.1 * NOISE})
    model = {"initial": {"x": 0.0}}
    found = _profiles({"x": "r - k*x"}, {"r": _log(1), "k": _log(0.5)}, data, noise={"sigma": 0.1}, model=model)["k"]
    assert found.verdict == "practically not determined"
    assert "a measurement of x at t = 2 would tell" in found.sentence


def test_separate_optima_leave_separate_intervals() -> None:
    times = np.arange(6.0)
    data = Experiment("a", times, {"x": np.cos(times) + 0.3 * NOISE[:6]})
    found = _profiles(
        {"x": "v", "v": "-w^2*x"},
        {"w": _log(1.0, 0.05, 12)},
        data,
        model={"initial": {"x": 1, "v": 0}, "observables": {"x": "x"}},
        noise={"sigma": 0.3},
        fit={"starts": 30},
        names=["w"],
    )["w"]
    # What cos(w t) is at whole t it is for 2 pi - w and 2 pi + w, too.
    assert len(found.parts) >= 2
    (low, high), *others = found.parts
    assert low is not None
    assert high is not None
    assert low < 1 < high
    for other in others:
        assert other[0] is not None
        assert other[1] is not None
        turn = 2 * np.pi * round(other[0] / (2 * np.pi))
        turned = [turn - high, turn - low] if other[0] < turn else [turn + low, turn + high]
        np.testing.assert_allclose(other, turned, rtol=1e-4)
    assert "separate intervals" in found.sentence


def test_an_interval_that_is_open_among_others_says_so() -> None:
    found = _profiles(
        {"x": "0*a"},
        {"a": _log(0.3, 0.01, 10)},
        Experiment("a", [0.0, 1.0], {"x": [0.0, 0.0]}),
        model={"initial": {"x": 1}, "observables": {"x": "x*(a - 0.2)*exp(-a)"}},
        noise={"sigma": 0.05},
        fit={"starts": 30},
        names=["a"],
    )["a"]
    assert found.parts[-1][1] is None
    assert f"{found.parts[0][1]:.4g}, above {found.parts[-1][0]:.4g}" in found.sentence


def test_a_parameter_at_its_bound_is_held_there_too() -> None:
    # Partners out of their box make a search pivot, which must leave what is held where it is.
    found = _profiles(
        {"x": "-(a + b)*x"},
        {"a": {"value": 0.2, "bounds": [0, 0.25]}, "b": {"value": 0.1, "bounds": [0, 0.25]}},
    )["a"]
    np.testing.assert_allclose([found.value.min(), found.value.max()], [0.0, 0.25], atol=0.03)
    assert found.high_end == "bound"
    a, b = (found.u[:, k] for k in (0, 1))
    inside = found.rise < 0.01
    np.testing.assert_allclose((a + b)[inside], 0.2942, atol=2e-3)


def test_a_derived_quantity_ends_at_the_bounds_of_what_it_follows_from() -> None:
    parameters = {"k": _log(0.25, 0.2, 0.2945), "half_life": "log(2)/k"}
    found = _profiles({"x": "-k*x"}, parameters, names=["half_life"])["half_life"]
    assert found.low_end == "bound"
    assert found.high_end == "crossed"
    assert "open below (as far as the bounds of the parameters)" in found.sentence
    assert found.value.min() == pytest.approx(np.log(2) / 0.2945, rel=1e-3)
