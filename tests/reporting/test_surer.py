"""Profiles, bootstrap and posterior in the report, where the run folder has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_report import Page

import odefit
from odefit.errors import RunError
from odefit.runs.tables import csv_text
from small_reports import CUPS, DECAY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("surer") / "run"
    run = odefit.fit(DECAY, data=CUPS, out=path)
    assert isinstance(run, odefit.Run)
    odefit.profile(run, ["k", "half_life"])
    odefit.bootstrap(run, samples=40)
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(odefit.report(folder).html)


def section(page: Page, name: str, following: str) -> str:
    return page.html.partition(f'<section id="{name}"')[2].partition(f'<section id="{following}"')[0]


def test_profiles_are_shown_with_their_intervals_and_verdicts(folder: Path, page: Page) -> None:
    shown = section(page, "profiles", "bootstrap")
    known = json.loads((folder / "profiles.json").read_text())["quantities"]
    assert list(known) == ["k", "half_life"]
    for name, p in known.items():
        assert f"<code>{name}</code>" in shown
        assert f"{p['low']:.5g} … {p['high']:.5g}" in shown
        assert p["sentence"] in shown
    assert shown.count('class="plot"') == 2
    assert "Raue" in page.text


def test_the_bootstrap_is_shown_with_a_histogram_for_each_parameter(folder: Path, page: Page) -> None:
    shown = section(page, "bootstrap", "search")
    known = json.loads((folder / "bootstrap.json").read_text())["estimates"]
    assert shown.count('class="plot"') == len(known)
    low, high = known["k"]["interval"]
    assert f"{low:.5g} … {high:.5g}" in shown
    assert "Efron" in page.text


def test_a_posterior_is_shown_where_there_are_draws(folder: Path) -> None:
    rng = np.random.default_rng(0)
    draws = [[c, n, -1.0, float(0.45 + 0.02 * rng.standard_normal())] for c in (1, 2) for n in range(1, 101)]
    posterior, summary = folder / "posterior.csv", folder / "posterior.json"
    posterior.write_text(csv_text(("chain", "draw", "log_posterior", "k"), draws))
    k = {"mean": 0.4501, "sd": 0.02, "median": 0.4503, "interval": [0.41, 0.49], "r_hat": 1.002, "ess_bulk": 187.0}
    verdict = {"kind": "few_draws", "sentence": "the chains agree, but 187 effective draws are few"}
    k |= {"unit": "1/h", "mcse_mean": 0.0015, "ess_tail": 180.0}
    settings = {"chains": 2, "seed": 0, "warm_up": 200, "acceptance": 0.8, "of": [0.45], "draws": 100, "level": 0.95}
    transitions = {"diverged": 0, "jumps_taken": None, "steps_per_draw": 3.0, "state": {}}
    said = {"priors": {"k": "flat"}, "parameters": {"k": k}, "verdict": verdict}
    summary.write_text(json.dumps({"schema_version": 1, **settings, **transitions, **said}))
    page = Page(odefit.report(folder).html)
    shown = section(page, "posterior", "search")
    assert "200 draws of 2 chains" in shown
    assert "The chains agree, but 187 effective draws are few." in shown
    assert "0.4501" in shown
    assert shown.count('class="plot"') == 1
    assert "Hoffman" in page.text
    posterior.unlink()
    summary.unlink()


def test_damaged_profiles_are_an_error_and_no_empty_section(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "profiles.json").write_text("{}")
    with pytest.raises(RunError, match="is damaged"):
        odefit.report(tmp_path / "run")
