"""Run folders that odefit 0.1.0 wrote are loaded, solved and drawn by the odefit of today.

`written_by/0.1.0` holds four, as that version left them but for run.log: `logistic` (equations), `dosed` (experiments
with constants, groups, doses, an input, an event, measurements held out), `half` (a network inside of equations) and
`spirals` (a latent ODE).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.config.versions import newest_version
from odefit.errors import RunError
from odefit.pictures import draw
from odefit.runs.results import SCHEMA_VERSION

WRITTEN = Path(__file__).parent / "written_by"
MECHANISTIC = ["logistic", "dosed"]
LEARNT = [pytest.param(name, marks=pytest.mark.torch) for name in ("half", "spirals")]


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN / "0.1.0" / request.param, tmp_path / request.param))


def as_stored(path: Path) -> pd.DataFrame:
    return pd.read_csv(path / "predictions.csv")


@pytest.mark.parametrize("stored", [*MECHANISTIC, *LEARNT], indirect=True)
def test_it_predicts_what_it_predicted_then(stored: Path) -> None:
    run = odefit.load_run(stored)
    assert run.result.versions["odefit"] == "0.1.0"
    solved = run.solve([experiment.times for experiment in run.measured])
    now = {
        (experiment.name, time, observable): value
        for experiment, g in zip(solved.experiments, solved.observables, strict=True)
        for time, row in zip(experiment.times.tolist(), g.tolist(), strict=True)
        for observable, value in zip(run.observables, row, strict=True)
    }
    before = as_stored(stored)
    keys = zip(before["experiment"].astype(str), before["time"], before["observable"], strict=True)
    scale = before["predicted"].abs().max()
    np.testing.assert_allclose([now[key] for key in keys], before["predicted"], rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("stored", [*MECHANISTIC, *LEARNT], indirect=True)
def test_it_is_drawn(stored: Path) -> None:
    pictures = draw(odefit.load_run(stored))
    assert {picture.stem for picture in pictures} >= {"time_series", "history"}
    assert all(picture.stat().st_size > 1000 for picture in pictures)


@pytest.mark.parametrize("stored", MECHANISTIC, indirect=True)
def test_its_config_is_fitted_again_to_the_same_optimum(stored: Path, tmp_path: Path) -> None:
    before = odefit.load_run(stored).result
    again = odefit.fit(stored / "config.yaml", out=tmp_path / "again").result
    assert before.objective.nll is not None
    assert again.objective.nll == pytest.approx(before.objective.nll, rel=1e-6)
    for name, estimate in before.estimates.items():
        assert again.estimates[name].value == pytest.approx(estimate.value, rel=1e-3, abs=1e-6)


def test_today_writes_what_stood_there_with_a_version_of_the_config(tmp_path: Path) -> None:
    before = WRITTEN / "0.1.0" / "logistic"
    run = odefit.fit(before / "config.yaml", out=tmp_path / "today")
    old, new = (json.loads((path / "result.json").read_text()) for path in (before, run.path))
    assert old["schema_version"] <= new["schema_version"] == SCHEMA_VERSION
    assert old.keys() <= new.keys()
    assert f"\nversion: {newest_version()}\n" in (run.path / "config.yaml").read_text()


@pytest.mark.parametrize("stored", ["dosed"], indirect=True)
def test_the_result_of_a_newer_odefit_is_refused_with_the_remedy(stored: Path) -> None:
    path = stored / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(RunError, match=f"newer odefit .schema {SCHEMA_VERSION + 1}.; update this one"):
        odefit.load_run(stored)
