"""Every built-in system comes with an example: a config with its source, and measurements that it fits."""

from __future__ import annotations

from pathlib import Path

import pytest

import odefit
from odefit.demos import IN_THEIR_PLACE
from odefit.model.catalogue import entry, names
from odefit.proposing.examples import example

MADE = [name for name in names() if not entry(name).family or name in ("linear", "sparse")]
FITTED = ("newton_cooling", "logistic", "monod", "sir", "arrhenius", "one_compartment_oral", "emax", "linear")


def test_only_networks_have_a_shipped_config_instead() -> None:
    assert {*names()} - {*MADE} == {*IN_THEIR_PLACE, "potential"}


@pytest.mark.parametrize("name", MADE)
def test_an_example_passes_the_check_and_names_its_source(name: str, tmp_path: Path) -> None:
    made = example(name, f"{name}.csv")
    assert f"# Source: {entry(name).reference}\n" in made.config
    assert example(name, f"{name}.csv") == made  # the same bytes again
    (tmp_path / f"{name}.csv").write_text(made.table, encoding="utf-8")
    config = tmp_path / f"{name}.yaml"
    config.write_text(made.config, encoding="utf-8")
    report = odefit.check(config)
    assert "note: " not in report
    assert "warning: " not in report


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_finds_what_the_measurements_were_made_with(name: str, tmp_path: Path) -> None:
    made = example(name, f"{name}.csv")
    (tmp_path / f"{name}.csv").write_text(made.table, encoding="utf-8")
    (tmp_path / f"{name}.yaml").write_text(made.config, encoding="utf-8")
    result = odefit.fit(tmp_path / f"{name}.yaml").result
    assert result.status == "converged"
    for parameter, truth in made.truth.items():
        low, high = result.estimates[parameter].interval or (0.0, 0.0)
        wider = 0.5 * (high - low)  # 95 % of the intervals hold the truth, and twice as wide ones nearly all
        assert low - wider <= truth <= high + wider, parameter
