"""What the repository ships: every config runs, every command of the README is one that exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import odefit

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
# Long trainings are cut short here; their full runs are recorded in the README and in benchmarks/.
SHORT = {
    "lotka_volterra": ["fit.epochs=2", "data.simulate.experiments=3"],
    "lorenz": ["fit.epochs=1", "data.simulate.experiments=2"],
    "neural_van_der_pol": ["fit.epochs=2"],
    "van_der_pol": ["fit.epochs=2"],
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs(path: Path, tmp_path: Path) -> None:
    run = odefit.fit(path, SHORT.get(path.stem, []), out=tmp_path / "run")
    assert run.result.status in ("converged", "stopped")
    again = odefit.load_run(tmp_path / "run")
    np.testing.assert_array_equal(again.theta, run.theta)


def test_lynx_hare_reaches_its_optimum(tmp_path: Path) -> None:
    """The maximum likelihood of the Stan case study's model, re-solved independently: see data/SOURCES.md."""
    result = odefit.fit(ROOT / "configs" / "lynx_hare.yaml", out=tmp_path / "run").result
    expected = {
        "alpha": 0.5400139512, "beta": 0.02715611512, "gamma": 0.7965987617, "delta": 0.02370203712,
        "hare_0": 34.59915551, "lynx_0": 5.84373664, "sigma_hare": 0.2183796464, "sigma_lynx": 0.2200842782,
    }  # fmt: skip
    for name, value in expected.items():
        assert result.estimates[name].value == pytest.approx(value, rel=1e-4), name
    assert result.objective.nll == pytest.approx(122.92595059, abs=1e-3)
    assert result.objective.rss == pytest.approx(2.0187, abs=1e-3)


def test_readme_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"^\s*(?:\$ )?odefit (\w+)", readme, flags=re.M))
    help_text = subprocess.run(
        [sys.executable, "-m", "odefit.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert commands
    for command in commands:
        assert re.search(rf"^\s+{command}\s", help_text, flags=re.M), command


def test_readme_names_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"\b(?:configs|data|benchmarks|docs)/[\w./-]+\.\w+", readme):
        assert (ROOT / name).exists(), name


def test_readme_example_of_every_section_can_be_fitted(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(model:.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert len(blocks) == 2
    (tmp_path / "c.yaml").write_text(blocks[1])
    run = odefit.fit(tmp_path / "c.yaml", ["fit.epochs=2"], out=tmp_path / "run")
    assert run.result.status in ("converged", "stopped")
