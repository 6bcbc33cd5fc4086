"""Residuals that are noise, and residuals that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

import odefit
from odefit.uncertainty.runs_test import SIGNIFICANCE, neighbours


def test_pairs_are_counted_within_experiments() -> None:
    r = np.array([1.0, 2.0, -1.0, -3.0, -1.0, 5.0, 0.0, 6.0])
    owner = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = neighbours(r, owner)
    # ++, +-, -- in the first; -+ and, with the zero passed over, ++ in the second.
    assert (found.pairs, found.agree) == (5, 3)
    assert found.chance == pytest.approx(float(binom.sf(2, 5, 0.5)))


def test_noise_is_hardly_ever_called_anything_else() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(4), 25)
    called = sum(not neighbours(rng.standard_t(3, 100), owner).is_random for _ in range(5000))
    # Discrete, so at most SIGNIFICANCE: 5 are expected of 5,000.
    assert called <= 5000 * SIGNIFICANCE * 3


def test_a_slow_wave_of_half_the_noise_is_found() -> None:
    rng = np.random.default_rng(1)
    t = np.linspace(0, 2 * np.pi, 200)
    found = sum(
        not neighbours(np.sin(t) + 0.7 * rng.normal(size=200), np.zeros(200, np.intp)).is_random for _ in range(100)
    )
    assert found > 95


@pytest.mark.parametrize(
    "equation, complains", [("-k*N", True), ("r*N*(1 - N/K)", False)], ids=["wrong model", "right model"]
)
def test_a_fit_says_that_its_model_misses_something(tmp_path: Path, equation: str, complains: bool) -> None:
    t = np.linspace(0, 10, 41)
    n = 10 / (1 + 4 * np.exp(-0.9 * t)) + 0.2 * np.random.default_rng(2).normal(size=41)
    (tmp_path / "grow.csv").write_text("time,N\n" + "".join(f"{a},{b}\n" for a, b in zip(t, n, strict=True)))
    names = "k: -0.1" if complains else "r: 0.5\n  K: {value: 8, bounds: [1, 100]}"
    (tmp_path / "grow.yaml").write_text(
        f"model:\n  equations: {{N: {equation}}}\nparameters:\n  {names}\ndata: {{csv: grow.csv}}\n"
    )
    run = odefit.fit(tmp_path / "grow.yaml", out=tmp_path / "run")
    said = [w for w in run.result.warnings if "not random" in w]
    assert len(said) == int(complains)
    if complains:
        assert said[0].startswith("the residuals of N are not random: 9")


def warned(folder: Path, name: str, text: str, rows: list[str]) -> int:
    (folder / f"{name}.csv").write_text("time,x\n" + "\n".join(rows) + "\n")
    (folder / f"{name}.yaml").write_text(text + f"data: {{csv: {name}.csv}}\n")
    run = odefit.fit(folder / f"{name}.yaml", out=folder / name)
    return sum("not random" in w for w in run.result.warnings)


DECAY = "model: {equations: {x: -k*x}, initial: {x: x_start}}\nparameters: {k: 0.1, x_start: 3}\n"


def test_the_right_model_is_not_blamed_for_its_noise(tmp_path: Path) -> None:
    t = np.linspace(0, 30, 120)
    few, mean = 0, 3 * np.exp(-0.06 * t)
    for seed in range(6):
        counts = np.random.default_rng(seed).poisson(mean)
        rows = [f"{a},{b}" for a, b in zip(t, counts, strict=True)]
        few += warned(tmp_path, f"counts{seed}", DECAY + "noise: poisson\n", rows)
    assert few == 0
    # Half of what is measured lies below the limit.
    x = 4 * np.exp(-0.3 * t) + 0.3 * np.random.default_rng(1).normal(size=len(t))
    rows = [f"{a},{b}" if b >= 0.1 else f"{a},<0.1" for a, b in zip(t, x, strict=True)]
    assert warned(tmp_path, "limits", DECAY, rows) == 0
    # Nothing is left but the solver's error.
    rows = [f"{a},{3 * np.exp(-0.2 * a)}" for a in t]
    assert warned(tmp_path, "exact", DECAY + "noise: {x: {sigma: 0.1}}\n", rows) == 0
