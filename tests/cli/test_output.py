"""What a command prints where nobody reads on, in files, and where there is much of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.errors import ConfigError
from odefit.terminal import console, estimates_table

CONFIG = """
model: {equations: {x: -k*x}}
parameters: {k: {bounds: [0.01, 10], scale: log}}
data: {csv: d.csv}
"""
DATA = "time,x\n0,10\n1,7.1\n2,5.2\n3,3.4\n"


def test_a_fit_whose_reader_leaves_is_written_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "d.csv").write_text(DATA)
    command = [sys.executable, "-c", "from odefit.cli import main; main()", "fit", "c.yaml", "--set", "fit.starts=3"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert said == ""
    assert (tmp_path / "runs" / "c" / "result.json").exists()


def test_no_line_is_broken_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("word " * 100, markup=False)
    assert len(capsys.readouterr().out.splitlines()) == 1


def many(n: int, replicates: int = 1) -> odefit.Run:
    t = np.arange(5.0)
    rows = [(f"e{k}", time, (5 + k) * np.exp(-0.3 * time)) for k in range(n) for time in t for _ in range(replicates)]
    noise = np.random.default_rng(0).normal(0, 0.05, len(rows))
    frame = pd.DataFrame(rows, columns=["experiment", "time", "x"]).assign(x=lambda f: f.x + noise)
    run = odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=frame)
    assert isinstance(run, odefit.Run)
    return run


@pytest.mark.parametrize(("n", "shown"), [(20, 22), (21, 3)])
def test_values_of_many_experiments_are_left_to_the_table(n: int, shown: int) -> None:
    table = estimates_table(many(n).result)
    assert len(table.rows) == shown
    if n > 20:
        assert table.column(0)[-1] == "and 21 more in parameters.csv"


def test_the_residual_standard_error() -> None:
    result = many(2).result
    assert result.objective.rss is not None
    assert result.residual_standard_error == pytest.approx(np.sqrt(result.objective.rss / (10 - 3)), rel=1e-12)


def test_a_prediction_is_told_once(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0, 1, 1, 2], "x": [10, 7.1, 7.3, 5.2], "y": [0, 2.9, None, 4.7]})
    config = {"model": {"equations": {"x": "-k*x", "y": "k*x"}}, "parameters": {"k": 0.3}}
    run = odefit.fit(config, data=frame, out=tmp_path / "run")
    assert isinstance(run, odefit.Run)
    for table in (run.predictions(), pd.read_csv(tmp_path / "run" / "predictions.csv")):
        rows = [tuple(row) for row in table[["experiment", "time", "observable"]].astype(str).to_numpy().tolist()]
        assert rows.count(("1#2", "1.0", "x")) == 1
        assert ("1#2", "1.0", "y") not in rows
        assert len(rows) == 7


def test_a_parameter_that_goes_to_zero_on_a_log_scale() -> None:
    frame = pd.DataFrame({"time": np.arange(8.0), "x": 5 + 0.1 * np.arange(8.0)})  # which grows
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}}
    warnings = odefit.fit(config, data=frame).result.warnings
    assert any(w.startswith("k goes to 0, which no logarithm reaches: give it a lower bound above 0") for w in warnings)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("parameters.k.bounds=[0.01]", "number 2 of the list is missing; write two, as in `[low, high]`"),
        (
            "parameters.k.prior={student_t: [3, 1]}",
            "number 3 of the list is missing; write three, as in `[degrees of freedom, centre, scale]`",
        ),
        (
            "parameters.k.prior={gamma: [2]}",
            "number 2 of the list is missing; write two, as in `[shape, scale]`",
        ),
        ("fit.start=3", "unknown key; did you mean 'starts'? (`start` belongs under `data:`)"),
    ],
)
def test_near_misses(tmp_path: Path, override: str, words: str) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    with pytest.raises(ConfigError) as caught:
        odefit.check(tmp_path / "c.yaml", [override])
    assert caught.value.faults[0].what == words


def test_data_in_place_of_a_config(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(DATA)
    with pytest.raises(ConfigError, match="is a table of data, no config; write a config that names it"):
        odefit.check(tmp_path / "d.csv")


def test_layers_without_torch() -> None:
    program = "import sys; sys.modules['torch'] = None; import odefit.nn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "odefit.nn needs PyTorch, which is not installed: pip install torch torchdiffeq" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize("command", ["from odefit.cli import run; run()", "from odefit.cli import main; main()"])
def test_output_that_finds_no_room_is_named(command: str) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", command, "models"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300
        )
    assert done.returncode == 4
    assert done.stderr == "error: the output cannot be written: no space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize(("streams", "code"), [(">&-", 0), ("2>&-", 0), ("2>&- none", 2), ("2>/dev/full none", 2)])
def test_streams_that_take_nothing_leave_the_exit_code_as_it_is(streams: str, code: int) -> None:
    command = f"'{sys.executable}' -P -m odefit.cli models {streams}"
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert done.stdout or code or streams == ">&-"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_fit_whose_output_finds_no_room_is_written_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "d.csv").write_text(DATA, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "odefit.cli", "fit", "c.yaml", "--no-plots"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, check=False
        )
    assert done.returncode == 0
    assert done.stderr == ("warning: what is printed cannot be written (no space left on device); the rest goes on\n")
    assert (tmp_path / "runs" / "c" / "result.json").exists()
