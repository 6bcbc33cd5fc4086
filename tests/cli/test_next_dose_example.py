"""The example of a plan runs, and says what it should."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "next_dose.py"


def test_the_example_of_the_next_dose_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"]()
    said = capsys.readouterr().out
    assert "run 1 is by far the best of these" in said
    assert "would reduce the error of AUC, Cmax most" in said
