"""Equations are fitted, checked, simulated and drawn where PyTorch is not installed; what needs it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import run

CONFIGS = Path(__file__).parents[2] / "configs"
WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "torchdiffeq"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
assert not {"torch", "torchdiffeq"} & sys.modules.keys()
"""
REMEDY = "PyTorch, which is not installed: pip install torch torchdiffeq"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_equations_are_fitted_and_drawn() -> None:
    said, _ = run("fit", str(CONFIGS / "lynx_hare.yaml"), "--set", "fit.starts=2", before=WITHOUT_TORCH)
    assert "-log likelihood 122.926" in said
    assert Path("runs/lynx_hare/plots/time_series.png").stat().st_size > 1000
    said, _ = run("plot", "runs/lynx_hare", "--time-range", "1900", "1940", before=WITHOUT_TORCH)
    assert "time_series_1900_1940.png" in said


@pytest.mark.parametrize("config", ["theophylline.yaml", "flu_1978.yaml", "puromycin.yaml"])
def test_doses_counts_and_groups_are_fitted(config: str) -> None:
    said, _ = run("fit", str(CONFIGS / config), "--no-plots", before=WITHOUT_TORCH)
    assert said.startswith(("converged", "note:", "start"))
    assert "converged: " in said


def test_equations_are_checked_and_simulated() -> None:
    said, _ = run("check", str(CONFIGS / "lynx_hare.yaml"), "--gradients", before=WITHOUT_TORCH)
    assert "Gradients" in said
    run("simulate", str(CONFIGS / "lotka_volterra.yaml"), before=WITHOUT_TORCH)
    assert Path("lotka_volterra.csv").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ("fit", "hybrid_lotka_volterra.yaml"),
        ("fit", "latent_spirals.yaml"),
        ("fit", "lotka_volterra.yaml"),
        ("fit", "lynx_hare.yaml", "--set", "solver.method=rk4"),
        ("check", "neural_van_der_pol.yaml"),
    ],
    ids=" ".join,
)
def test_what_needs_it_says_so_in_one_line_and_leaves_nothing(command: tuple[str, ...]) -> None:
    name, config, *options = command
    _, wrong = run(name, str(CONFIGS / config), *options, code=2, before=WITHOUT_TORCH)
    assert wrong.startswith("error: ")
    assert wrong.count("\n") == 1
    assert wrong.endswith(f"{REMEDY}\n")
    assert not list(Path("runs").glob("*"))
