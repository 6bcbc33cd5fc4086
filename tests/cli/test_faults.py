"""What can befall a fit from outside: each fault is made to happen, and costs no more than it must."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import commands
import odefit
from commands import Command
from odefit.data import atomic_files as files
from odefit.errors import RunError, StorageError
from odefit.optimizers.start_pool import search_all
from odefit.runs import checkpoint
from odefit.runs.progress import Silent

QUICK = """\
model: {name: logistic, initial: estimate}
data: {csv: d.csv}
fit: {starts: 12, seed: 1, workers: 2}
"""
SLOW = """\
model: {name: lotka_volterra, initial: estimate}
data:
  simulate: {initial: {x: 10, y: 5}, times: {stop: 30, count: 60}, noise: 0.5, seed: 2}
solver: {method: bdf, rtol: 1.0e-9, atol: 1.0e-11}
fit: {starts: 200, max_iterations: 10, seed: 1, workers: 2, match: false}
"""
"""A start is soon finished, and all of them long after any signal."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and mounts as Linux has them")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "slow.yaml").write_text(SLOW)
    t = np.linspace(0, 10, 15)
    x = 1 / (1 + np.exp(2 - t / 2)) + np.random.default_rng(0).normal(0, 0.03, len(t))
    rows = [f"{a},{b}" for a, b in zip(t, x, strict=True)]
    (tmp_path / "d.csv").write_text("time,x\n" + "\n".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every start."""
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)


def run(*arguments: str, code: int = 0, before: str = "") -> tuple[str, str]:
    return commands.run("fit", *arguments, "--no-plots", code=code, before=before)


@contextlib.contextmanager
def running(*arguments: str, out: str = "r") -> Iterator[Command]:
    """The command in the background, as soon as three starts are finished."""
    process = commands.start("fit", *arguments, "--no-plots", "--out", out)
    try:
        wait_for(lambda: n_starts(Path(out)) >= 3)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def log_of(path: Path) -> str:
    return (path / "run.log").read_text() if (path / "run.log").exists() else ""


def n_starts(path: Path) -> int:
    return log_of(path).count("INFO    start ")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """A zombie, whose parent may never look at it, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def litter(path: Path) -> list[str]:
    return [p.name for p in path.iterdir() if p.name.endswith(".tmp")]


def test_sigterm_keeps_what_was_reached(folder: Path) -> None:
    with running("slow.yaml") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 143, out + err
    loaded = odefit.load_run("r")
    assert loaded.result.status == "interrupted"
    assert len(loaded.frame("starts")) >= 3
    kept = checkpoint.read(Path("r/checkpoint.jsonl"))["parts"]["starts"]
    assert {s["number"] + 1 for s in kept} == set(loaded.frame("starts")["start"])
    assert not (folder / "r" / "lock").exists()


def test_more_sigterms_at_the_end_print_no_traceback(folder: Path) -> None:
    slow_disk = (
        "import time; from odefit.runs import checkpoint; "
        "checkpoint.store = lambda *a, wait=time.sleep, genuine=checkpoint.store: (wait(0.3), genuine(*a))"
    )
    process = commands.start("fit", "slow.yaml", "--no-plots", "--out", "r", before=slow_disk)
    wait_for(lambda: n_starts(Path("r")) >= 3)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    out, err = process.communicate()
    assert process.returncode in (143, -signal.SIGTERM), out + err
    assert "Traceback" not in out + err
    assert "Error" not in out + err
    assert len(checkpoint.read(Path("r/checkpoint.jsonl"))["parts"]["starts"]) >= 3


def test_the_table_comes_before_the_disk_refuses(folder: Path) -> None:
    refusing = (
        "import os\n"
        "def replace(a, b, genuine=os.replace):\n"
        "    if str(b).endswith('parameters.csv'): raise OSError(28, 'No space left on device')\n"
        "    genuine(a, b)\n"
        "os.replace = replace"
    )
    out, err = run("quick.yaml", "--out", "r", code=4, before=refusing)
    assert "parameter  estimate" in out
    assert "converged: " in out
    assert err.splitlines() == ["error: r/parameters.csv: cannot be written: no space left on device"]
    assert "note: what was reached is kept in r: --resume goes on from there" in out
    shown = run("quick.yaml", "--out", "r", "--resume")[0]
    assert run("quick.yaml", "--out", "r", "--resume")[0].partition("\nconverged")[2].split() == (
        shown.partition("\nconverged")[2].split()
    )


def test_sigterm_to_the_whole_group_loses_no_finished_start(folder: Path) -> None:
    with running("slow.yaml") as process:
        os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 143, out + err
    kept = checkpoint.read(Path("r/checkpoint.jsonl"))["parts"]["starts"]
    # Those whose worker was hit are tried again when it is resumed.
    assert len(kept) >= 3
    assert all(s["failure"] is None or "died" not in s["failure"] for s in kept)


def test_a_killed_fit_leaves_no_worker_and_no_lock(folder: Path) -> None:
    with running("slow.yaml") as process:
        workers = children(process.pid)
        assert len(workers) == 2
        wait_for((folder / "r" / "checkpoint.jsonl").exists)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        wait_for(lambda: not any(map(is_alive, workers)))
    assert (folder / "r" / "lock").exists()  # it names a process that is no more
    with pytest.raises(RunError, match="odefit fit CONFIG --resume"):
        odefit.load_run("r")
    _, err = run("slow.yaml", "--resume", "--out", "r", "--set", "fit.seed=2", code=2)
    assert "the config changed since: fit.seed (was 1, is 2)" in err.replace("\n", " ")


def test_a_start_whose_worker_the_kernel_kills_is_tried_once_more(folder: Path) -> None:
    # Few, and long ones: work is left when the worker dies, and hardly ever does it just take the next task.
    with running("slow.yaml", "--set", "fit.starts=8", "--set", "fit.max_iterations=60") as process:
        # Then it would hold the lock of the pool, and the others wait for a minute.
        time.sleep(0.05)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    starts = odefit.load_run("r").frame("starts")
    lost = starts[starts["message"].str.contains("killed")]
    assert len(starts) == 8
    assert not len(lost)
    assert log_of(Path("r")).count("memory runs out") == 1
    assert "is tried once more" in log_of(Path("r"))


def _dying() -> Any:
    os._exit(7)


def _failing() -> Any:
    raise ArithmeticError("no such model here")


def test_workers_that_cannot_begin_fail_the_starts_and_say_why() -> None:
    points = np.zeros((3, 1))
    results = list(search_all(_dying, points, workers=2))
    assert {r.failure for r in results} == {"no worker process lives long enough"}
    assert all(r.lost for r in results)
    results = list(search_all(_failing, points, workers=2))
    assert {r.failure for r in results} == {"ArithmeticError: no such model here"}


def test_a_second_fit_into_the_same_folder_is_refused(folder: Path) -> None:
    with running("slow.yaml") as process:
        _, err = run("slow.yaml", "--out", "r", code=2)
        assert f"another fit (process {process.pid} on " in err
        assert len(err.strip().splitlines()) == 1
        for option in ("overwrite", "resume"):
            with pytest.raises(RunError, match=f"another fit .process {process.pid} on "):
                odefit.fit("slow.yaml", out="r", **{option: True})
        assert process.poll() is None
        assert n_starts(Path("r")) >= 3


def test_a_second_fit_of_the_same_process_is_refused(folder: Path) -> None:
    class Nested(Silent):
        def start(self, *_: Any) -> None:
            with pytest.raises(RunError, match="another fit of this process"):
                odefit.fit("quick.yaml", out="r", overwrite=True)

    assert odefit.fit("quick.yaml", out="r", progress=Nested()).result.status == "converged"
    assert not (folder / "r" / "lock").exists()


def test_data_that_vanish_meanwhile_do_no_harm(folder: Path) -> None:
    class Vanish(Silent):
        def begin(self, *_: Any) -> None:
            (folder / "d.csv").unlink()

    odefit.fit("quick.yaml", out="whole")
    (folder / "copy.csv").write_bytes((folder / "d.csv").read_bytes())
    odefit.fit("quick.yaml", out="r", progress=Vanish())
    for name in ("parameters.csv", "data.csv", "predictions.csv"):
        assert (folder / "r" / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_an_error_of_a_callback_arrives_once_and_loses_nothing(folder: Path, eager: None) -> None:
    class Faulty(Silent):
        def start(self, finished: int, *_: Any) -> None:
            if finished == 3:
                raise ZeroDivisionError("in the callback")

    before = logging.getLogger("odefit").handlers[:], logging.getLogger("odefit").level
    with pytest.raises(ZeroDivisionError, match="in the callback"):
        odefit.fit("quick.yaml", out="r", progress=Faulty())
    assert (logging.getLogger("odefit").handlers, logging.getLogger("odefit").level) == before
    assert log_of(Path("r")).count("ZeroDivisionError: in the callback") == 1
    assert len(checkpoint.read(Path("r/checkpoint.jsonl"))["parts"]["starts"]) == 3
    odefit.fit("quick.yaml", out="r", resume=True)
    odefit.fit("quick.yaml", out="whole")
    assert (folder / "r" / "parameters.csv").read_bytes() == (folder / "whole" / "parameters.csv").read_bytes()


@pytest.mark.parametrize("what", ["open", "fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_does_not_end_the_fit(
    what: str, folder: Path, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, or becomes read-only, for as long as the fit runs."""
    notes: list[str] = []
    genuine = getattr(os, what)
    searching = True

    def fail(*arguments: Any, **options: Any) -> Any:
        if searching and len(notes) < 5:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return genuine(*arguments, **options)

    class Told(Silent):
        def note(self, sentence: str) -> None:
            notes.append(sentence)

        def begin(self, *_: Any) -> None:
            monkeypatch.setattr(files.os, what, fail)

        def end(self) -> None:
            nonlocal searching
            searching = False

    result = odefit.fit("quick.yaml", ["fit.workers=1"], out="r", progress=Told()).result
    assert result.starts.finished == 12
    assert [n for n in notes if "no checkpoint" in n] == [
        "no checkpoint can be written (read-only file system); the fit goes on, and tries again"
    ]
    assert not litter(folder / "r")


def test_a_file_size_limit_leaves_the_last_good_checkpoint(folder: Path) -> None:
    """What the kernel refuses to write is refused in the middle of a file."""
    eager_and_limited = (
        "from odefit.runs import checkpoint; checkpoint.RARITY, checkpoint.FIRST = 0, 0.0; "
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))"
    )
    as_drawn = ("fit.starts=50", "fit.match=false")  # no stage before the starts, whose checkpoints are as large
    overrides = [word for change in as_drawn for word in ("--set", change)]
    _, err = run("quick.yaml", "--out", "r", *overrides, code=4, before=eager_and_limited)
    assert "file too large" in err  # starts.csv is too large as well
    assert not litter(folder / "r")
    assert not (folder / "r" / "result.json").exists()
    kept = checkpoint.read(folder / "r" / "checkpoint.jsonl")["parts"]["starts"]
    assert 0 < len(kept) < 50  # how many fit in depends on the digits of their times
    same_as_whole(folder, *as_drawn)


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A disk of 40 kB, where the test may mount one."""
    path = folder / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the superuser may mount a disk")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_loses_no_finished_start(disk: Path, folder: Path, eager: None) -> None:
    notes: list[str] = []

    class Told(Silent):
        def note(self, sentence: str) -> None:
            notes.append(sentence)

    with pytest.raises(StorageError, match="no space left") as caught:
        odefit.fit("quick.yaml", ["fit.starts=40", "fit.match=false"], out=disk / "r", progress=Told())
    assert caught.value.run.result.starts.finished == 40
    assert any("no checkpoint can be written (no space left on device)" in note for note in notes)
    assert not litter(disk / "r")
    kept = checkpoint.read(disk / "r" / "checkpoint.jsonl")["parts"]["starts"]
    assert len(kept) > 3
    subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
    shutil.copytree(disk / "r", folder / "r")
    same_as_whole(folder, "fit.starts=40", "fit.match=false")


def test_a_read_only_disk(disk: Path, folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(RunError, match="cannot make the run folder: read-only file system; use --out"):
        odefit.fit("quick.yaml", out=disk / "r")


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "runs").write_text("a file where the folder should be")
    _, err = run("quick.yaml", code=2)
    assert err.startswith("error: runs: cannot make the run folder: ")
    assert len(err.splitlines()) == 1
    assert "cannot make the run folder" in run("quick.yaml", "--out", "/proc/odefit", code=2)[1]


def same_as_whole(folder: Path, *overrides: str) -> None:
    """What is left in `r`, resumed, against a fit that nothing befell."""
    odefit.fit("quick.yaml", overrides, out="r", resume=True)
    odefit.fit("quick.yaml", overrides, out="whole")
    for name in ("parameters.csv", "history.csv", "predictions.csv", "covariance.csv"):
        assert (folder / "r" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    starts = [odefit.load_run(name).frame("starts").drop(columns="seconds") for name in ("r", "whole")]
    assert starts[0].equals(starts[1])


def test_verbose_shows_what_the_log_holds(folder: Path) -> None:
    shown, _ = run("quick.yaml", "--verbose", "--out", "r", "--set", "fit.starts=2")
    log = log_of(Path("r"))
    for words in ("versions: odefit ", "quick.yaml, fit.starts=2", "start 2: ", "checkpoints written", "converged: "):
        assert words in log
        assert words in shown.replace("\n", "")
    assert "start 2: converged" not in run("quick.yaml", "--out", "q", "--set", "fit.starts=2")[0]
