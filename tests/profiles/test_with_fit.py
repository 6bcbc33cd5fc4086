"""`fit.intervals: profile`: the intervals of a fit are those of its profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from odefit import ConfigError, Experiment
from odefit.pictures import draw
from odefit.runs.progress import Silent

TIMES = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
VALUES = np.array([0.02, 0.15, 0.19, 0.38, 0.40, 0.49, 0.69, 0.76, 0.79, 0.95, 0.96])
DATA = [Experiment("a", TIMES, {"x": VALUES})]
EARLY: dict[str, Any] = {
    "model": {"equations": {"x": "r - k*x"}, "initial": {"x": 0}},
    "parameters": {"r": {"value": 1, "scale": "log"}, "k": {"value": 0.5, "scale": "log"}},
    "noise": {"sigma": 0.05},
    "fit": {"intervals": "profile"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> odefit.Run:
    return odefit.fit(EARLY, data=DATA, out=tmp_path_factory.mktemp("with_fit") / "run")


def test_the_intervals_are_those_of_the_profiles(run: odefit.Run) -> None:
    plain = odefit.fit(EARLY, ["fit.intervals=wald"], data=DATA)
    profiles = plain.profile()
    estimates = run.result.estimates
    assert estimates["r"].interval == pytest.approx(profiles["r"].interval, rel=1e-6)
    assert estimates["r"].interval != pytest.approx(plain.result.estimates["r"].interval, rel=1e-3)
    assert estimates["r"].standard_error == plain.result.estimates["r"].standard_error
    assert any("profile likelihoods" in note for note in run.result.notes)


def test_an_open_interval_is_none_for_a_reason(run: odefit.Run) -> None:
    k = run.result.estimates["k"]
    assert k.interval is None
    assert k.reason is not None
    assert k.reason.startswith("practically not determined: open below; a measurement of x at t = 2 would tell")
    assert any(warning.startswith("k is practically not determined") for warning in run.result.warnings)


def test_the_folder_has_the_profiles_and_their_pictures(run: odefit.Run, tmp_path: Path) -> None:
    assert run.path is not None
    again = odefit.load_run(run.path)
    assert again.result.estimates == run.result.estimates
    before = (run.path / "profiles.csv").read_bytes()
    assert list(again.profile().profiles) == ["r", "k"]
    assert (run.path / "profiles.csv").read_bytes() == before
    written = draw(again, kinds=["profiles", "profile_paths"], out=tmp_path)
    assert [path.name for path in written] == ["profiles.png", "profile_paths.png"]


def test_pictures_show_threshold_interval_and_parabola(run: odefit.Run) -> None:
    figure = odefit.plot(run, "profiles")
    first = figure.axes[0]
    assert first.get_xlabel() == "r"
    threshold, parabola, curve, points = (np.asarray(line.get_ydata(), dtype=float) for line in first.lines)
    np.testing.assert_allclose(threshold, 1.9207, atol=1e-4)
    assert parabola.max() > 1.5
    assert curve.min() == pytest.approx(0, abs=1e-6)
    assert points.max() > 1.92
    assert odefit.plot(run, "profile_paths").axes[1].get_xlabel() == "k"
    with pytest.raises(ValueError, match="there are profiles and profile_paths"):
        run.profile().plot("waterfall")


def test_ctrl_c_among_the_profiles_keeps_the_fit() -> None:
    class Ctrl(Silent):
        def part(self, done: int, text: str) -> None:
            raise KeyboardInterrupt

    run = odefit.fit(EARLY, data=DATA, progress=Ctrl())
    assert run.result.status == "interrupted"
    assert run.result.message.startswith("the profiles were interrupted; the fit itself converged: ")
    assert run.result.estimates["r"].interval is not None


def test_a_network_has_no_profiles() -> None:
    config = {"model": {"equations": {"x": "f(x)"}, "networks": {"f": {"hidden": [2]}}}}
    with pytest.raises(ConfigError, match="a model with a network has no profiles"):
        odefit.check(config | {"fit": {"intervals": "profile"}}, data=DATA)
