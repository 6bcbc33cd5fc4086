"""Bands of pictures: those that are asked for, else the best that the run has; the same as those of predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import odefit
from commands import run as command
from odefit.errors import Faults
from odefit.plots.band_kinds import BandKind
from odefit.plots.curves import Trace, trace
from odefit.plots.selection import select

CONFIG = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {"k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"}, "x_0": {"value": 2, "scale": "log"}},
    "noise": "lognormal",
}
X = [2.0, 1.0, 0.9, 0.35, 0.31, 0.12]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> odefit.Run:
    folder = tmp_path_factory.mktemp("bands") / "run"
    made = odefit.fit(CONFIG, data=[odefit.Experiment("a", range(6), {"x": X})], out=folder)
    assert isinstance(made, odefit.Run)
    return made


def traced(run: odefit.Run, bands: BandKind | None = None) -> Trace:
    return trace(run, select(run, None, None, None, Faults()).groups, None, bands=bands)[0]


def limits(found: Trace) -> np.ndarray:
    assert found.band is not None
    return np.array([part[:, 0] for part in (found.band.low, found.band.high, found.band.noise_low,
                                             found.band.noise_high)])  # fmt: skip


def predicted(run: odefit.Run, times: np.ndarray, bands: BandKind) -> np.ndarray:
    return odefit.predict(run, times, bands=bands).frame[["low", "high", "new_low", "new_high"]].to_numpy().T


def test_profile_bands_go_through_the_profiles_and_follow_the_curve_between(run: odefit.Run) -> None:
    found = traced(run, "profile")
    assert found.band_kind == "profile"
    grid = np.searchsorted(found.times, np.linspace(0, 5, 13))
    np.testing.assert_allclose(limits(found)[:, grid], predicted(run, found.times[grid], "profile"), rtol=1e-6)
    between = [30, 170, 333]
    np.testing.assert_allclose(limits(found)[:, between], predicted(run, found.times[between], "profile"), rtol=0.01)


def test_the_best_bands_that_there_are_are_drawn_and_named(run: odefit.Run, tmp_path: Path) -> None:
    assert run.path is not None
    folder = tmp_path / "run"
    shutil.copytree(run.path, folder)
    assert traced(run).band_kind == "wald"
    odefit.bootstrap(folder, 200)
    own = odefit.load_run(folder)
    assert isinstance(own, odefit.Run)
    found = traced(own)
    assert found.band_kind == "bootstrap"
    some = [0, 100, 350]
    np.testing.assert_allclose(limits(found)[:, some], predicted(own, found.times[some], "bootstrap"), rtol=1e-6)
    odefit.sample(folder, 20, chains=12)
    assert "95 % posterior band" in legend(folder)
    assert "95 % bootstrap band" in legend(folder, "bootstrap")
    assert "95 % confidence band" in legend(folder, "wald")
    (folder / "posterior.csv").write_text("no table")
    assert "95 % bootstrap band" in legend(folder)  # what cannot be read stands in nobody's way


def legend(folder: Path, bands: BandKind | None = None) -> list[str]:
    (made,) = odefit.plot(folder, bands=bands).legends
    return [text.get_text() for text in made.get_texts()]


def test_a_file_says_which_bands_were_asked_for(run: odefit.Run) -> None:
    said, _ = command("plot", str(run.path), "--kind", "time_series", "--bands", "wald")
    assert said.strip().endswith("time_series_wald.png")
    assert "has no posterior.csv" in command("plot", str(run.path), "--bands", "posterior", code=2)[1]
    with pytest.raises(odefit.ConfigError, match="bands: 'profiles' is none; did you mean 'profile'"):
        odefit.plot(run, bands="profiles")  # type: ignore[arg-type]
