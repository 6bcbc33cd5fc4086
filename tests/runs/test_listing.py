"""`odefit runs`: what there is below a folder, without touching it."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import odefit
from commands import run
from odefit.commands.runs import COLUMNS, age_text, fitting
from odefit.runs import folder as files

DATA = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
OTHER = [odefit.Experiment("a", [0, 1, 2, 3], {"x": [2.0, 1.2, 0.75, 0.45]})]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fits of the same data at different depths, and one of others, which is the newest."""
    home = tmp_path_factory.mktemp("listing")
    exponential = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    linear = {"model": {"equations": {"x": "-k"}}, "parameters": {"k": 0.5}}
    odefit.fit(exponential, data=DATA, out=home / "exponential")
    odefit.fit(linear, data=DATA, out=home / "deeper" / "linear")
    odefit.fit(exponential, data=OTHER, out=home / "short")
    for hours, name in ((3, "exponential"), (2, "deeper/linear"), (1, "short")):
        then = datetime.datetime.now().timestamp() - 3600 * hours
        os.utime(home / name / files.RESULT, (then, then))
    return home


@pytest.fixture
def home(fitted: Path, tmp_path: Path) -> Path:
    """A copy of these, to be changed."""
    return shutil.copytree(fitted, tmp_path / "runs")


def test_the_newest_comes_first_and_runs_of_the_same_data_share_a_letter(fitted: Path) -> None:
    frame = odefit.list_runs(fitted)
    assert [str(Path(path).relative_to(fitted)) for path in frame.run] == ["short", "deeper/linear", "exponential"]
    letters = dict(zip(frame.run, frame.data, strict=True))
    assert (
        letters[str(fitted / "exponential")] == letters[str(fitted / "deeper/linear")] != letters[str(fitted / "short")]
    )
    assert frame.observations.tolist() == [4, 5, 5]
    for row in frame.itertuples():
        result = odefit.load_run(row.run).result
        assert (row.nll, row.aic, row.bic) == (result.objective.nll, result.objective.aic, result.objective.bic)
        assert (row.status, row.method, row.seconds) == (result.status, result.method, result.seconds)


def test_criteria_sort_within_the_same_data(fitted: Path) -> None:
    frame = odefit.list_runs(fitted, by="bic")
    for _, group in frame.groupby("data"):
        assert group.bic.is_monotonic_increasing
    assert frame.data.is_monotonic_increasing
    assert [Path(path).name for path in odefit.list_runs(fitted, by="name").run] == ["linear", "exponential", "short"]


def test_a_run_folder_is_listed_alone(fitted: Path) -> None:
    assert odefit.list_runs(fitted / "short").run.tolist() == [str(fitted / "short")]


def test_what_stands_beside_a_fit_is_named(home: Path) -> None:
    odefit.profile(home / "short", ["k"])
    later = dict(odefit.list_runs(home)[["run", "later"]].to_numpy().tolist())
    assert later == {
        str(home / "short"): ["profiles"],
        str(home / "deeper/linear"): [],
        str(home / "exponential"): [],
    }


HOLDING = """
import fcntl, os, socket, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\\n")
    file.flush()
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Another process holds the lock of a folder, as a fit does."""
    command = [sys.executable, "-I", "-S", "-c", HOLDING, str(folder / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.kill()


def test_unfinished_running_and_damaged_runs(home: Path) -> None:
    for name in ("killed", "begun", "elsewhere"):
        (home / name).mkdir()
        (home / name / files.LOG).write_text("begun")
    (home / "elsewhere" / "lock").write_text("process 1 on another.machine\n")
    # A process that is there, but has not locked it: the number of one that was killed came again.
    (home / "killed" / "lock").write_text(f"process {os.getppid()} on {socket.gethostname()}\n")
    (home / "short" / files.RESULT).write_text("{")
    with writing(home / "begun"):
        frame = odefit.list_runs(home).set_index("run")
    found = {Path(path).name: status for path, status in frame.status.items()}
    assert found == {
        "killed": "unfinished",
        "begun": "running",
        "elsewhere": "running",
        "short": "damaged",
        "linear": "converged",
        "exponential": "converged",
    }
    assert "is damaged" in frame.fault[str(home / "short")]
    assert frame.nll[[str(home / "killed"), str(home / "short")]].isna().all()


def test_a_fit_that_is_to_replace_a_run_is_named_and_says_when_it_last_wrote(home: Path) -> None:
    (home / "short" / "next-result").mkdir()
    (home / "short" / "next-result" / files.CHECKPOINT).write_text("")
    before = odefit.list_runs(home / "short").iloc[0]
    assert (before.status, before.later) == ("converged", ["next-result"])
    with writing(home / "short"):
        now = odefit.list_runs(home / "short").iloc[0]
    assert (now.status, now.nll) == ("running", before.nll)
    age = [datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(one.written) for one in (before, now)]
    assert age[0] > datetime.timedelta(minutes=59)
    assert age[1] < datetime.timedelta(minutes=1)


def test_a_part_of_a_run_is_named_so(home: Path) -> None:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "bounds": [0.1, 2]}}}
    odefit.fit_part(config | {"fit": {"starts": 4, "match": False}}, "0:2", data=DATA, out=home / "some")
    frame = odefit.list_runs(home).set_index("run")
    assert frame.status[str(home / "some")] == "part"


def test_links_and_hidden_folders_are_left_alone(home: Path) -> None:
    (home / "link").symlink_to(home / "short")
    shutil.copytree(home / "short", home / ".hidden")
    assert len(odefit.list_runs(home)) == 3


def test_a_run_of_an_older_odefit_has_no_letter(home: Path) -> None:
    (home / "short" / files.IDENTITY).unlink()
    frame = odefit.list_runs(home).set_index("run")
    assert isinstance(frame.data[str(home / "short")], float)  # NaN: missing
    assert frame.data[str(home / "exponential")] == "A"
    assert frame.status[str(home / "short")] == "converged"


def test_the_command_prints_a_table_or_a_document(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    said, _ = run("runs")
    assert [line.split()[0] for line in said.splitlines()[:4]] == [
        "run",
        "runs/short",
        "runs/deeper/linear",
        "runs/exponential",
    ]
    assert "same letter" in said
    document = json.loads(run("runs", "runs", "--json", "--by", "bic")[0])
    assert [one["run"] for one in document] == odefit.list_runs("runs", by="bic").run.tolist()
    (home / "short" / files.RESULT).write_text("{")
    said, _ = run("runs")
    assert "damaged: runs/short/result.json: " in said


def test_a_narrow_screen_has_the_columns_that_matter_most() -> None:
    row = dict.fromkeys(COLUMNS, "1234") | {"run": "runs/" + 50 * "x", "status": "converged"}
    assert fitting([row], 200) == (list(COLUMNS), [])
    shown, left_out = fitting([row], 60)
    assert shown == ["run", "status", "data", "nll", "age"]
    assert set(left_out) == set(COLUMNS) - set(shown)
    assert fitting([row], 10)[0] == ["run", "status", "age"]


def test_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "runs: does not exist" in run("runs", code=2)[1]
    (tmp_path / "file").write_text("")
    assert "file: is no folder" in run("runs", "file", code=2)[1]
    (tmp_path / "runs").mkdir()
    assert "no runs" in run("runs")[0]
    assert "--by: unknown order 'ai': did you mean 'aic'?" in run("runs", "--by", "ai", code=2)[1]


def test_ages_are_short() -> None:
    ages = [0.4, 99, 101, 5999, 6001, 71 * 3600, 73 * 3600, 86400 * 400]
    assert [age_text(datetime.timedelta(seconds=age)) for age in ages] == [
        *("0 s", "99 s", "2 min", "100 min", "2 h", "71 h", "3 d", "400 d"),
    ]
