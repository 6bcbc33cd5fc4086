"""Fits of the configs of `configs/reference/`, and how their numbers are compared with published ones."""

from __future__ import annotations

import math
from pathlib import Path

import odefit
from odefit.runs.results import Result

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "reference"
REFERENCE = ROOT / "data" / "reference"


def fit(name: str, folder: Path, *overrides: str) -> Result:
    return odefit.fit(CONFIGS / f"{name}.yaml", overrides, out=folder / "run", overwrite=True).result


def value(result: Result, name: str) -> float:
    found = result.estimates[name].value
    assert found is not None
    return found


def error(result: Result, name: str) -> float:
    found = result.estimates[name].standard_error
    assert found is not None, name
    return found


def residual_error(result: Result, p: int) -> float:
    """s = sqrt(RSS/(n - p))"""
    assert result.objective.rss is not None
    return math.sqrt(result.objective.rss / (result.objective.n_observations - p))


def assert_printed(found: float, published: str, what: str = "") -> None:
    """`found`, rounded to as many decimals as `published` has, is `published`."""
    decimals = len(published.partition(".")[2])
    assert f"{found:.{decimals}f}" == published, (what, found, published)


def digits(found: float, certified: float) -> float:
    """How many digits agree (NIST's log relative error)."""
    return math.inf if found == certified else -math.log10(abs(found / certified - 1))
