"""The 95 % intervals cover the truth about as often as they say: the study of benchmarks/coverage.py, shortened."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import script


@pytest.mark.parametrize("title", ["growth, gaussian", "growth, laplace", "decay, proportional"])
def test_intervals_cover_the_truth(title: str, tmp_path: Path) -> None:
    with script("benchmarks/coverage.py") as study:
        config = tmp_path / "c.yaml"
        config.write_text(study.STUDIES[title])
        n = 40
        found = study.covered(config, range(n))
    assert len(found.failed) <= 1
    # Of 40 independent data sets, a 95 % interval covers in 33 or more with probability 0.999; an interval
    # of half the width would with probability 0.03.
    for name, count in found.counts.items():
        assert count.inside >= 33, name
    # Intervals that are too wide never miss.
    assert sum(count.inside for count in found.counts.values()) < sum(count.n for count in found.counts.values())
