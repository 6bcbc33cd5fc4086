"""The 95 % intervals cover the truth about as often as they say: the study of benchmarks/coverage.py, shortened."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.mark.parametrize("title", ["logistic growth", "Lotka-Volterra", "epidemic, negative-binomial counts"])
def test_intervals_cover_the_truth(title: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("coverage_study", PATH)
    assert spec is not None
    assert spec.loader is not None
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    config = tmp_path / "c.yaml"
    config.write_text(study.SYSTEMS[title])
    n = 40
    inside, failed = study.coverage(config, n)
    assert failed <= 1
    # Of 40 independent data sets, a 95 % interval covers in 33 or more with probability 0.999; an interval
    # of half the width would with probability 0.03.
    for name, count in inside.items():
        if not name.startswith(("sigma_", "dispersion_")):
            assert count >= 33, name
    # Intervals that are too wide never miss.
    assert sum(inside.values()) < (n - failed) * len(inside)
