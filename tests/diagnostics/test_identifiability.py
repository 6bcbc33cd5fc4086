"""`odefit check --identifiability`: what planned times can determine, on models whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odefit
from commands import run as command
from odefit.api import assembled
from odefit.diagnostics.identifiability import Identifiability, identifiability

LOG = {"bounds": [0.01, 100], "scale": "log"}


def planned(model: dict[str, Any], parameters: dict[str, Any], times: Any, **more: Any) -> Identifiability:
    config = {
        "model": model,
        "parameters": {n: v if isinstance(v, dict) else {"value": v, **LOG} for n, v in parameters.items()},
        "data": {"simulate": {"times": times, "noise": 0.1}},
        "noise": {name: {"sigma": 0.1} for name in model.get("observables", model["equations"])},
        **more,
    }  # fmt: skip
    return identifiability(assembled(config))


@pytest.mark.quick
def test_the_expected_error_is_that_of_the_closed_form() -> None:
    """x = exp(-k t), sigma 0.1: the information on ln k is the sum of (k t exp(-k t) / sigma)²."""
    times = [0.0, 1, 2, 4]
    found = planned({"equations": {"x": "-k*x"}, "initial": {"x": 1}}, {"k": 0.5}, times)
    t = np.array(times)
    error = 1 / np.sqrt((((0.5 * t * np.exp(-0.5 * t)) / 0.1) ** 2).sum())
    assert found.findings[0].error == pytest.approx(error, rel=1e-6)
    assert found.ranks == (1,) * 5
    assert found.lines[1] == f"  k  determined; its standard error would be {100 * error:.2g} % at the start"
    assert found.lines[-1] == "  these times can determine 1 parameter"


def test_a_product_is_all_that_is_seen() -> None:
    model = {"equations": {"x": "-k*x"}, "initial": {"x": "x_start"}, "observables": {"y": "c*x"}}
    found = planned(model, {"k": 0.5, "c": 2, "x_start": 3}, [0.0, 1, 2, 4])
    assert [f.determined for f in found.findings] == [5, 0, 0]
    assert [one.text for one in found.combinations] == ["c*x_start"]
    assert set(found.ranks) == {2}
    assert "  c        not determined: the data determine it only in combination with x_start" in found.lines
    assert found.lines[-1].startswith("  these times determine 2 combinations of 3 parameters: fix some of c, x_start")


def test_too_few_times_are_told() -> None:
    """Two rates of a sum of exponentials need four times; the planned two give rank 2 of 4."""
    model = {
        "equations": {"x": "-k1*x", "z": "-k2*z"},
        "initial": {"x": "a", "z": "b"},
        "observables": {"y": "x + z"},
    }
    few = planned(model, {"k1": 0.3, "k2": 2, "a": 1, "b": 3}, [0.0, 1])
    many = planned(model, {"k1": 0.3, "k2": 2, "a": 1, "b": 3}, [0.0, 0.3, 1, 3, 6])
    assert set(few.ranks) == {2}
    assert all(f.determined == 0 for f in few.findings)
    assert set(many.ranks) == {4}
    assert many.lines[-1] == "  these times can determine all 4 parameters"


def test_what_has_no_effect_at_the_start_may_have_one_elsewhere() -> None:
    """The second state starts empty where k12 is 0 at the start: k2 is seen at other points only."""
    model = {
        "equations": {"x": "-k1*x", "z": "k12*x - k2*z"},
        "initial": {"x": 1, "z": 0},
        "observables": {"z": "z", "x": "x"},
    }
    parameters = {"k1": 0.3, "k12": {"value": 0.0, "bounds": [-1, 1]}, "k2": 1.0}
    found = planned(model, parameters, [0.0, 1, 2, 4])
    k2 = next(f for f in found.findings if f.name == "k2")
    assert k2.determined == 4
    assert any(
        line.startswith("  k2   determined at 4 of 5 points only (the data do not depend on it)")
        for line in found.lines
    )


@pytest.mark.parametrize("noise", ["lognormal", "poisson", "negative_binomial", "laplace"])
def test_other_noise(noise: str) -> None:
    model = {"equations": {"x": "-k*x"}, "initial": {"x": "x_start"}}
    simulate = {
        "times": [0.5, 1, 2, 4, 6],
        "noise": {"x": {"model": "poisson"}} if noise in ("poisson", "negative_binomial") else 0.1,
    }
    found = planned(model, {"k": 0.3, "x_start": 50}, [], data={"simulate": simulate}, noise={"x": noise})
    assert all(f.determined == 5 for f in found.findings if not f.name.startswith(("sigma", "dispersion")))


def test_a_network_is_refused() -> None:
    pytest.importorskip("torch")
    config = {
        "model": {"equations": {"x": "net(x)"}, "networks": {"net": {"hidden": [2]}}},
        "data": {"simulate": {"times": [0, 1, 2], "model": {"equations": {"x": "-x"}}, "initial": {"x": 1}}},
    }
    with pytest.raises(odefit.ConfigError, match="has a network, whose weights are determined in no such sense"):
        identifiability(assembled(config))


def test_the_command_says_it_in_words(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(
        "model: {equations: {x: -k*x}, initial: {x: 1}}\nparameters: {k: {value: 0.5, bounds: [0.01, 5], scale: log}}\n"
        "data: {simulate: {times: [0, 1, 2], noise: 0.1}}\nnoise: {x: {sigma: 0.1}}\n"
    )
    shown, _ = command("check", "p.yaml", "--identifiability")
    assert "Identifiability, from 3 planned measurements, at the start and 4 points around it" in shown
    assert "  k  determined; its standard error would be" in shown


@pytest.mark.parametrize(
    ("more", "sigma", "words"),
    [
        ({"noise": "gaussian"}, 0.1, "  assumed noise: sigma_x 0.1, from `data.simulate.noise`"),
        ({"noise": {"x": {"sigma": "s"}}}, 0.3, "  assumed noise: s 0.3, from `parameters`"),
    ],
)
def test_the_noise_that_is_assumed_is_the_configs_and_is_said(more: dict[str, Any], sigma: float, words: str) -> None:
    times = np.array([0.0, 1, 2, 4])
    parameters = {"k": 0.5} | ({"s": 0.3} if sigma == 0.3 else {})
    found = planned({"equations": {"x": "-k*x"}, "initial": {"x": 1}}, parameters, times.tolist(), **more)
    error = sigma / np.sqrt(((0.5 * times * np.exp(-0.5 * times)) ** 2).sum())
    assert found.findings[0].error == pytest.approx(error, rel=1e-6)
    assert words in found.lines


def test_a_scatter_that_is_taken_for_noise_is_said() -> None:
    data = [odefit.Experiment("a", [0, 1, 2, 3], {"x": [1.0, 0.6, 0.4, 0.2]})]
    config = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}}, "parameters": {"k": 0.5}}
    (words,) = [line for line in identifiability(assembled(config, data=data)).lines if "assumed" in line]
    assert words.endswith(", by the scatter of the data, unless `parameters` give a value")
