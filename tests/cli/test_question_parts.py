"""Profiles, bootstrap and posterior in parts are those of one machine; what does not belong together is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.cli import app
from odefit.errors import InputError, RunError
from odefit.runs.progress import Silent

T = np.linspace(0, 5, 9)
X = 2 * np.exp(-0.5 * T) + 0.05 * np.random.default_rng(3).standard_normal(9)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "bounds": [0.01, 5]}}}
    folder = tmp_path_factory.mktemp("runs") / "decay"
    odefit.fit(config, data=[odefit.Experiment("a", T, {"x": X})], out=folder)
    return folder


@pytest.fixture
def run(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(fitted, "decay")
    shutil.copytree(fitted, "whole")
    return Path("decay")


def odefit_says(*words: str) -> int:
    return app(list(words), standalone_mode=False) or 0


QUESTIONS = {
    "bootstrap": (("--seed", "4"), ("--samples", "40"), ("--samples", "0:13/40"), ("--samples", "13:40/40")),
    "sample": (
        ("--draws", "8", "--warm-up", "20"),
        ("--chains", "5"),
        ("--chains", "0:2/5"),
        ("--chains", "2:5/5"),
    ),
    "profile": (("--no-plots",), (), ("--part", "1/2"), ("--part", "2/2")),
}
FILES = {
    "bootstrap": ("bootstrap.csv", "bootstrap.json"),
    "sample": ("posterior.csv", "posterior.json", "posterior.arviz.json"),
    "profile": ("profiles.csv", "profiles.json"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_merged_answers_are_those_of_one_machine(question: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared, whole, *parts = QUESTIONS[question]
    odefit_says(question, "whole", *shared, *whole)
    shown = capsys.readouterr().out
    for number, words in enumerate(parts):
        odefit_says(question, "decay", *shared, *words, "--out", f"p{number}", "--quiet")
    assert capsys.readouterr().out == ""
    assert not (run / FILES[question][0]).exists()
    odefit_says("merge", "p1", "p0")
    for name in FILES[question]:
        assert (run / name).read_bytes() == Path("whole", name).read_bytes(), name
    merged = capsys.readouterr().out.splitlines()
    assert merged[-2:] == [line for line in shown.splitlines() if line in merged][-2:]


def test_parts_of_chains_go_on_from_the_draws_of_their_run(run: Path) -> None:
    settings = {"chains": 4, "warm_up": 20}
    whole = odefit.sample("whole", 6, **settings)
    odefit.sample("decay", 2, **settings)
    parts = [odefit.sample_part("decay", f"{k}/2", 6, **settings) for k in (1, 2)]
    merged = odefit.merge([part.path for part in parts if part is not None])
    assert merged.draws.equals(whole.draws)
    with pytest.raises(RunError, match="holds 6 draws already; say --overwrite"):
        odefit.merge([part.path for part in parts if part is not None])


class StopAtOnce(Silent):
    """Ctrl-C as soon as there is something."""

    def part(self, done: int, text: str) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "compute, ask, settings, frame",
    [
        (odefit.bootstrap_part, odefit.bootstrap, {"samples": 80}, "samples"),
        (odefit.sample_part, odefit.sample, {"draws": 15, "chains": 2, "warm_up": 10}, "draws"),
        (odefit.profile_part, odefit.profile, {}, "points"),
    ],
)
def test_an_interrupted_part_is_gone_on_with(
    compute: Callable[..., Any], ask: Callable[..., Any], settings: dict[str, Any], frame: str, run: Path
) -> None:
    assert compute(run, "1/1", **settings, out="part", progress=StopAtOnce()) is None
    with pytest.raises(RunError, match="part: is not finished"):
        odefit.merge(["part"])
    assert compute(run, "1/1", **settings, out="part", resume=True) is not None
    merged, whole = odefit.merge(["part"]), ask("whole", **settings)
    pd.testing.assert_frame_equal(getattr(merged, frame), getattr(whole, frame), check_exact=True)


def test_what_does_not_belong_together(run: Path) -> None:
    odefit.bootstrap_part(run, "0:3", 6, seed=1, out="a")
    odefit.bootstrap_part(run, "3:6", 6, seed=2, out="b")
    odefit.sample_part(run, "0:1/2", 2, warm_up=10, out="c")
    with pytest.raises(RunError) as raised:
        odefit.merge(["a", "b", "c"])
    told = {fault.where: fault.what for fault in raised.value.faults}
    assert told["b"] == "does not belong to a: bootstrap.seed is 2, not 1"
    assert told["c"] == "does not belong to a: it holds chains, not samples"
    assert "merge" not in told, "what is wrong is not missing"
    with pytest.raises(RunError, match=r"^merge: samples 3:6 of 6 are in none of these parts"):
        odefit.merge(["a"])
    with pytest.raises(RunError, match=r"^a: has the samples 0:3, as a has: each must be in one part only$"):
        odefit.merge(["a", "a", odefit.bootstrap_part(run, "3:6", 6, seed=1, out="e").path])
    with pytest.raises(RunError, match=r"^f: has the samples 2:3, as a has: each must be in one part only$"):
        odefit.merge([odefit.bootstrap_part(run, "2:6", 6, seed=1, out="f").path, "a"])
    odefit.bootstrap_part(run, "3:6", 6, seed=1, out="d")
    shutil.move("decay", "elsewhere")
    with pytest.raises(RunError, match="decay: is the run of these parts, and is not here: say where it is by --run"):
        odefit.merge(["a", "d"])
    assert len(odefit.merge(["a", "d"], run="elsewhere").samples) == 6
    with pytest.raises(RunError, match="holds 6 samples already; say --overwrite"):
        odefit.merge(["a", "d"], run="elsewhere")
    assert len(odefit.merge(["a", "d"], run="elsewhere", overwrite=True).samples) == 6
    other = odefit.fit("whole/config.yaml", ["parameters.k.bounds=[0.01, 9]"], out="other")
    with pytest.raises(RunError, match=r"is not the run that the parts are of: parameters.k.bounds"):
        odefit.merge(["a", "d"], run=other)


@pytest.mark.parametrize(
    "words, what",
    [
        (("bootstrap", "decay", "--samples", "many"), r"--samples: 'many' is no number"),
        (("bootstrap", "decay", "--samples", "0:5", "--part", "1/2"), r"--part: names a part, as --samples does"),
        (("bootstrap", "decay", "--out", "x"), r"--out: is for a part"),
        (("sample", "decay", "--part", "1/4", "--seconds", "3"), r"--seconds: is for whole answers"),
        (("sample", "decay", "--chains", "0:9/4"), r"goes beyond the 4 chains"),
        (("profile", "decay", "--part", "7/8"), r"cannot be shared by 8: 7/8 has none|is no part"),
        (("profile", "decay", "--parameters", "k", "--part", "1/2"), r"1 profiles cannot be shared by 2"),
    ],
)
def test_words_that_mean_nothing(words: tuple[str, ...], what: str, run: Path) -> None:
    with pytest.raises(InputError, match=what):
        odefit_says(*words)
    assert {path.name for path in Path().iterdir()} == {"decay", "whole"}
