"""`odefit profile` as a command: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odefit
from commands import run as command
from odefit import Experiment

TIMES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
DATA = [Experiment("a", TIMES, {"x": 10 * np.exp(-0.3 * TIMES) * (1 + 0.05 * np.sin(7 * TIMES))})]
LOG = {"value": 0.5, "scale": "log"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "run"
    config = {"model": {"equations": {"x": "-a*b*x"}}, "parameters": {"a": LOG, "b": LOG}, "noise": "lognormal"}
    odefit.fit(config, data=DATA, out=path)
    return path


def test_it_prints_a_table_with_verdicts_and_writes_files_and_pictures(folder: Path) -> None:
    output, _ = command("profile", str(folder), "--parameters", "a,x_0", "--parameters", "x(10)")
    rows = {line.split()[0]: line for line in output.splitlines() if line}
    assert "not determined at all: only a*b is (0.3" in rows["a"]
    assert rows["x_0"].rstrip().endswith("determined")
    assert "…" in rows["x(10)"]
    assert "b" not in rows
    for name in ("profiles.csv", "profiles.json", "plots/profiles.png", "plots/profile_paths.png"):
        assert (folder / name).stat().st_size > 100
    assert list(odefit.load_run(folder).frame("profiles").columns[:5]) == ["quantity", "branch", "value", "nll", "rise"]


def test_another_level_has_another_interval_and_its_own_heading(folder: Path) -> None:
    output, _ = command("profile", str(folder), "--parameters", "x_0", "--level", "0.8", "--no-plots", "--overwrite")
    assert "80 % interval" in output
    narrow = odefit.load_run(folder).profile(["x_0"], level=0.8)["x_0"].interval
    wide = odefit.load_run(folder).profile(["x_0"])["x_0"].interval
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--parameters", "c"], "c: is no estimated parameter and no derived quantity"),
        (["--parameters", "x"], "x: is a curve; say at which time, as `x(8)`"),
        (["--level", "1.5"], "level: must lie between 0 and 1 (got 1.5)"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(folder: Path, arguments: list[str], said: str) -> None:
    _, errors = command("profile", str(folder), *arguments, code=2)
    assert said in errors
    assert len(errors.strip().splitlines()) == 1


def test_names_in_brackets_may_have_commas() -> None:
    from odefit.commands.options import split_names

    assert split_names("k, CL,conc[a, b](6) ,x(2)") == ["k", "CL", "conc[a, b](6)", "x(2)"]
