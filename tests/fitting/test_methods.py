"""A fitting method more is one file and one line: it fits equations and networks, and every check knows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.config.fit_methods import METHODS, FitMethod, Need, imported, method_names, own_keys
from odefit.config.json_schema import json_schema
from odefit.config.schema import FitSection
from odefit.errors import ConfigError
from odefit.status import Status

CONFIGS = Path(__file__).parents[2] / "configs"
DECAY = {
    "data": {
        "simulate": {
            "model": {"equations": {"x": "-0.5*x + 0.2"}},
            "initial": {"x": 3},
            "times": {"start": 0, "stop": 6, "count": 20},
            "noise": {"x": 0.01},
            "seed": 1,
        }
    },
    "noise": {"x": {"sigma": 0.01}},
}


@pytest.fixture
def toy() -> Iterator[FitMethod]:
    METHODS["toy"] = FitMethod("toy", Need.VALUES, "toy_minimizers:minimize_nelder_mead", iterations=4000)
    yield METHODS["toy"]
    del METHODS["toy"]


def decay(method: str, **model: Any) -> dict[str, Any]:
    return {**DECAY, "model": {"initial": {"x": 3}, **model}, "fit": {"method": method}}


@pytest.mark.parametrize("starts", [1, 2], ids=["in this process", "in workers"])
def test_a_method_more_finds_the_optimum_of_equations(toy: FitMethod, tmp_path: Path, starts: int) -> None:
    overrides = ["fit.method=toy", f"fit.starts={starts}", f"fit.workers={starts}"]
    run = odefit.fit(CONFIGS / "lynx_hare.yaml", overrides, out=tmp_path / "run")
    assert run.result.status is Status.CONVERGED
    assert run.result.method == "toy"
    assert run.result.objective.nll == pytest.approx(122.926, abs=1e-3)


@pytest.mark.torch
def test_a_method_more_trains_a_network(toy: FitMethod, tmp_path: Path) -> None:
    # Without a hidden layer the network is a straight line, and the truth is within its reach.
    network = {"equations": {"x": "net(x)"}, "networks": {"net": {"hidden": []}}, "normalise": False}
    config = decay("toy", **network)
    config["fit"]["epochs"] = 300
    run = odefit.fit(config, out=tmp_path / "run")
    assert run.result.status is Status.CONVERGED
    assert run.result.method == "toy"
    times = [np.linspace(0, 6, 50)]
    truth = run.solve_truth(times)  # type: ignore[union-attr]
    assert truth is not None
    assert np.abs(run.solve(times).states[0] - truth.states[0]).max() < 0.02


def test_a_method_is_known_by_its_entry_alone(toy: FitMethod) -> None:
    listed = json_schema()["$defs"]["FitSection"]["properties"]["method"]["enum"]
    assert listed == ["auto", "adam", "least_squares", "lbfgs", "global", "toy"] == list(method_names())
    assert FitSection(method="toy", starts=5).method == "toy"


def test_a_method_without_an_entry_is_refused_with_what_there_is(tmp_path: Path) -> None:
    known = r"'auto', 'adam', 'least_squares', 'lbfgs' or 'global'"
    with pytest.raises(ConfigError, match=rf"must be one of {known} \(got 'toy'\)"):
        odefit.fit(decay("toy", equations={"x": "-k*x"}), out=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"\(got 3\)"):
        odefit.fit({**decay("lbfgs", equations={"x": "-k*x"}), "fit": {"method": 3}}, out=tmp_path / "run")


def test_keys_go_with_the_methods_that_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    train = "odefit.fitting.rounds:by_adam"
    monkeypatch.setitem(METHODS, "toy", FitMethod("toy", Need.GRADIENT, train=train, keys=("patience",)))
    assert own_keys()["patience"] == "`method: adam` or `method: toy`"
    assert FitSection(method="toy", patience=3).patience == 3
    with pytest.raises(ValueError, match="learning_rate: only for `method: adam`, so say that \\(got `toy`\\)"):
        FitSection(method="toy", learning_rate=0.1)
    with pytest.raises(ValueError, match="starts: not for `method: toy`, which trains from one start"):
        FitSection(method="toy", starts=3)
    with pytest.raises(ValueError, match="patience: only for `method: adam` or `method: toy`, so say that"):
        FitSection(method="lbfgs", patience=3)


@pytest.mark.torch
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_entry_names_what_there_is(method: FitMethod) -> None:
    assert METHODS[method.name] is method
    for place in (method.minimize, method.train):
        assert place is None or callable(imported(place))
    assert set(method.keys) <= FitSection.model_fields.keys()
    assert method.searches or method.train is not None


def test_an_entry_needs_something_that_minimises() -> None:
    with pytest.raises(ValueError, match="the fitting method toy has nothing that minimises"):
        FitMethod("toy", Need.VALUES)
