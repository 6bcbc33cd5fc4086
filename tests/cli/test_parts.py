"""Parts of a fit side by side on one machine, as the tasks of an array job are: killed, asked to end, and merged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import commands
import odefit
from commands import Command
from odefit.commands.ending import seconds_of
from odefit.runs import checkpoint

CONFIG = """\
model: {name: logistic, initial: estimate}
data: {csv: d.csv}
fit: {starts: 12, seed: 1, workers: 1, max_iterations: 20}
"""
EAGER = """
import time
from odefit.fitting.tally import Tally
from odefit.runs import checkpoint
checkpoint.RARITY, checkpoint.FIRST = 0, 0.0
Tally.add = lambda self, result, add=Tally.add: (time.sleep(2), add(self, result))
"""
"""A checkpoint after each start, and some time from one to the next."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and processes as Linux has them")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    t = np.linspace(0, 10, 15)
    x = 1 / (1 + np.exp(2 - t / 2)) + np.random.default_rng(0).normal(0, 0.03, len(t))
    (tmp_path / "d.csv").write_text("time,x\n" + "\n".join(f"{a},{b}" for a, b in zip(t, x, strict=True)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def task(number: int, before: str = "") -> Command:
    """One task of an array job of two."""
    words = ("--part", f"{number}/2", "--out", f"parts/{number}", "--resume", "--quiet")
    return commands.start("fit", "c.yaml", *words, before=before)


def finished(number: int) -> int:
    log = Path(f"parts/{number}/run.log")
    return log.read_text().count("INFO    start ") if log.exists() else 0


def wait_for_a_start(number: int, process: Command) -> None:
    while finished(number) < 1:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_an_array_job_that_is_killed_and_submitted_again(folder: Path) -> None:
    tasks = [task(number, EAGER) for number in (1, 2)]
    for number, process in enumerate(tasks, start=1):
        wait_for_a_start(number, process)
    tasks[0].kill()
    tasks[1].send_signal(signal.SIGUSR1)
    said = [process.communicate() for process in tasks]
    assert [process.returncode for process in tasks] == [-signal.SIGKILL, 138]
    assert said == [("", ""), ("", "")]
    kept = checkpoint.read(Path("parts/2/checkpoint.jsonl"))["parts"]["starts"]
    assert [each["number"] for each in kept] == list(range(6, 6 + len(kept)))

    _, errors = commands.run("merge", "parts/1", "parts/2", code=2)
    assert [line.split(": ")[1] for line in errors.splitlines()] == ["parts/1", "parts/2"]
    again = [task(number) for number in (1, 2)]
    assert [process.wait() for process in again] == [0, 0]
    output, _ = commands.run("merge", "parts/1", "parts/2", "--no-plots", "--out", "merged")
    assert "of 12 starts reached the best optimum" in output
    whole, merged = odefit.fit("c.yaml"), odefit.load_run("merged")
    assert merged.result.estimates == whole.result.estimates
    starts = [run.frame("starts").drop(columns="seconds") for run in (merged, whole)]
    pd.testing.assert_frame_equal(*starts, check_exact=True)


@pytest.mark.parametrize("words", [("--part", "1/3"), ()])
def test_a_limit_of_time_ends_in_good_order(words: tuple[str, ...], folder: Path) -> None:
    process = commands.start(
        *("fit", "c.yaml", "--out", "r", "--time-limit", "1", "--quiet", "--no-plots", *words),
        *("--set", "fit.starts=30", "--set", "fit.workers=2"),
        before=EAGER,
    )
    out, err = process.communicate()
    assert process.returncode == 124, out + err
    assert out == ""
    # On a busy machine the time may be over before there is anything to be kept.
    assert (folder / "r" / "checkpoint.jsonl").exists() or not (folder / "r").exists()
    assert_nothing_is_left(process.pid)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR2, 140)])
def test_a_signal_to_all_processes_leaves_none_behind(number: int, code: int, folder: Path) -> None:
    process = commands.start(
        *("fit", "c.yaml", "--out", "parts/1", "--starts", "0:12", "--set", "fit.workers=2"), before=EAGER
    )
    wait_for_a_start(1, process)
    os.killpg(process.pid, number)
    out, err = process.communicate()
    assert process.returncode == code, out + err
    assert "--resume goes on" in out
    assert_nothing_is_left(process.pid)


def assert_nothing_is_left(group: int) -> None:
    """No process of the command's group, but for those that only their parent can take away."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    left = [line.split()[1] for line in listed.splitlines() if line.split()[0] == str(group)]
    assert all(state.startswith("Z") for state in left), left


def test_quiet_leaves_errors_and_documents(folder: Path) -> None:
    document, errors = commands.run(
        *("fit", "c.yaml", "--part", "1/1", "--set", "fit.starts=2", "--out", "p", "-q", "--json")
    )
    found = json.loads(document)
    assert found.pop("seconds") > 0
    assert (found, errors) == ({"part": "p", "of": "starts", "first": 0, "end": 2, "all": 2}, "")
    output, errors = commands.run("merge", "p", "--no-plots", "--quiet", "--json", "--out", "m")
    assert '"run": "m"' in output
    assert errors == ""
    output, errors = commands.run("merge", "p", "--quiet", "--out", "m", code=2)
    assert (output, errors) == ("", "error: m: exists already; choose another --out, or say --overwrite\n")


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("90", 90),
        ("0.5", 0.5),
        ("90m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("1-12:00:00", 129600),
    ],
)
def test_times_as_batch_systems_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1x", "1:2:3:4", "nan", "inf", "1e99", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        seconds_of(text)


def test_faults_of_the_words(folder: Path) -> None:
    for words, what in (
        (("--part", "1/2", "--starts", "0:3"), "--part: names a part, as --starts does"),
        (("--part", "3/2"), "starts: '3/2' is no part"),
        (("--time-limit", "soon"), "'soon' is no time"),
    ):
        _, errors = commands.run("fit", "c.yaml", *words, code=2)
        assert what in errors.replace("\n", " ")
    assert not Path("runs").exists()
