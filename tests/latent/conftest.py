"""A folder with two configs, and a run that all may look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import odefit
from latent_runs import PATIENTS, SPIRALS, write_patients

if TYPE_CHECKING:
    from odefit.latent.latent_run import LatentRun


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(SPIRALS)
    (tmp_path / "p.yaml").write_text(PATIENTS)
    write_patients(tmp_path / "patients.csv")
    return tmp_path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> LatentRun:
    folder = tmp_path_factory.mktemp("run")
    (folder / "c.yaml").write_text(SPIRALS)
    return odefit.fit(folder / "c.yaml", out=folder / "run")
