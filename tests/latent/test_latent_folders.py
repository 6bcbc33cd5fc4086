"""Run folders of latent ODEs that something happened to."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

import odefit
from odefit.errors import RunError
from odefit.latent.latent_run import LatentRun
from odefit.pictures import draw


def damaged(run: LatentRun, folder: Path, name: str) -> Path:
    return Path(shutil.copytree(run.path, folder / name))


def test_weights_that_are_no_numbers_are_refused(run: LatentRun, tmp_path: Path) -> None:
    for number, (name, value) in enumerate({"decoder.layers.0.bias": math.nan, "scale": 0.0, "unit": -1.0}.items()):
        path = damaged(run, tmp_path, f"r{number}")
        weights = torch.load(path / "weights.pt", weights_only=True)
        weights[name].fill_(value)
        torch.save(weights, path / "weights.pt")
        with pytest.raises(RunError, match="a weight or a unit is no such number"):
            odefit.load_run(path)


def test_a_folder_that_does_not_fit_together_is_refused(run: LatentRun, tmp_path: Path) -> None:
    path = damaged(run, tmp_path, "a")
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("dimension: 3", "dimension: 4"))
    with pytest.raises(RunError, match="cannot be read as this model's weights"):
        odefit.load_run(path)
    (path / "config.yaml").write_text(text + "parameters: {a: 1}\n")
    with pytest.raises(RunError, match="damaged or was changed by hand"):
        odefit.load_run(path)
    (path / "config.yaml").write_text(text)
    (path / "weights.pt").unlink()
    with pytest.raises(RunError, match=r"weights.pt"):
        odefit.load_run(path)
    path = damaged(run, tmp_path, "b")
    result = json.loads((path / "result.json").read_text())
    result["validation"] = {"observed": {"n_observations": "many"}}
    (path / "result.json").write_text(json.dumps(result))
    with pytest.raises(RunError, match="is damaged"):
        odefit.load_run(path)


def test_fewer_series_than_the_config_says_have_no_truth(run: LatentRun, tmp_path: Path) -> None:
    path = damaged(run, tmp_path, "r")
    lines = (path / "data.csv").read_text().splitlines()
    (path / "data.csv").write_text("\n".join(line for line in lines if not line.endswith(",8")) + "\n")
    shorter = odefit.load_run(path)
    assert isinstance(shorter, LatentRun)
    assert shorter.truth is None
    assert len(draw(shorter, kinds=["time_series"])) == 1
