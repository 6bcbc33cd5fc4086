"""The commands as a user meets them: what they print, what they write, how they end."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import odefit
from commands import in_new_python, run
from odefit.api import fit_into_folder
from odefit.errors import RunError

DECAY = """\
model:
  equations: {x: -k*x}
  initial: estimate
parameters: {k: {value: 0.5, scale: log}}
data:
  simulate: {parameters: {k: 0.7}, initial: {x: 3}, times: {stop: 5, count: 12}, noise: 0.05, seed: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "decay.yaml").write_text(DECAY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_importing_odefit_and_its_errors_is_light() -> None:
    script = (
        "import sys, odefit; dir(odefit); odefit.InputError, odefit.SolveError; "
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'sympy', 'numpy', 'pydantic', 'yaml'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert in_new_python("-c", script) == (0, "", "")


def test_help_is_light() -> None:
    script = (
        "import sys, odefit.cli; "
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'sympy', 'numpy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert in_new_python("-c", script) == (0, "", "")
    code, said, _ = in_new_python("-m", "odefit.cli", "--help")
    assert code == 0
    assert "fit" in said
    assert odefit.__version__ in run("--version")[0]


def test_fit_writes_a_run_folder_that_loads_again(folder: Path) -> None:
    code, said, wrong = in_new_python("-m", "odefit.cli", "fit", "decay.yaml", "--no-plots")
    assert code == 0, said + wrong
    assert "converged" in said
    path = folder / "runs" / "decay"
    names = {p.name for p in path.iterdir()}
    assert names >= {"config.yaml", "data.csv", "result.json", "parameters.csv", "predictions.csv", "history.csv"}
    loaded = odefit.load_run(path)
    estimate = loaded.result.estimates["k"]
    assert estimate.interval is not None
    assert estimate.interval[0] < 0.7 < estimate.interval[1]
    assert loaded.result.truth == {"k": 0.7, "x_0": 3.0}
    assert list(loaded.parameters.index) == ["k", "x_0", "sigma_x"]
    assert len(loaded.predictions()) == 12


def test_result_json_keeps_its_contract(folder: Path) -> None:
    run("fit", "decay.yaml", "--no-plots", "--out", "r")
    result = json.loads((folder / "r" / "result.json").read_text())
    assert set(result) >= {
        "schema_version",
        "status",
        "message",
        "estimates",
        "objective",
        "truth",
        "starts",
        "seconds",
        "seed",
        "versions",
    }
    assert set(result["estimates"]["k"]) >= {
        "value",
        "standard_error",
        "interval",
        "scale",
        "unit",
        "fixed",
        "at_bound",
    }
    assert set(result["objective"]) == {"nll", "rss", "n_observations", "n_estimated", "aic", "aicc", "bic"}
    assert set(result["starts"]) == {"requested", "finished", "failed", "at_best"}
    assert result["objective"]["n_observations"] == 12
    assert result["objective"]["n_estimated"] == 3


def test_a_mechanistic_fit_imports_no_torch_and_no_pandas(folder: Path) -> None:
    script = (
        "import sys, odefit; odefit.fit('decay.yaml'); "
        "heavy = {'torch', 'pandas', 'matplotlib'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    assert in_new_python("-c", script) == (0, "", "")


@pytest.mark.parametrize("out", [None, "a new folder"])
def test_a_fit_ends_with_its_pictures_and_a_command_that_runs(folder: Path, out: str | None) -> None:
    said, _ = run("fit", "decay.yaml", *(() if out is None else ("--out", out)))
    written, pictures, following = said.splitlines()[-3:]
    path = Path(out or "runs/decay")
    assert written.startswith(f"written to {path} in ")
    first, *others = pictures.removeprefix("pictures: ").split(", ")
    assert Path(first) == path / "plots" / "time_series.png"
    assert {Path(first).name, *others} == {picture.name for picture in (path / "plots").iterdir()}
    command = shlex.split(following.removeprefix("next: "))
    assert command == ["odefit", "plot", str(path), "--time-range", "0", "7.5"]
    assert "time_series_0_7.5.png" in run(*command[1:])[0]


def test_without_pictures_the_next_command_draws_them(folder: Path) -> None:
    said, _ = run("fit", "decay.yaml", "--no-plots")
    assert said.splitlines()[-1] == "next: odefit plot runs/decay"


def test_default_folders_are_numbered_and_explicit_ones_refused(folder: Path) -> None:
    assert fit_into_folder("decay.yaml").path == Path("runs/decay")
    assert fit_into_folder("decay.yaml").path == Path("runs/decay-2")
    before = (folder / "runs" / "decay" / "result.json").read_bytes()
    assert "--overwrite" in run("fit", "decay.yaml", "--no-plots", "--out", "runs/decay", code=2)[1]
    assert (folder / "runs" / "decay" / "result.json").read_bytes() == before
    run("fit", "decay.yaml", "--no-plots", "--out", "runs/decay", "--overwrite")


def test_overwrite_spares_a_folder_that_is_no_run(folder: Path) -> None:
    (folder / "precious").mkdir()
    (folder / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="no run folder"):
        odefit.fit("decay.yaml", out="precious", overwrite=True)
    assert (folder / "precious" / "thesis.txt").exists()


def test_a_faulty_config_leaves_nothing_behind(folder: Path) -> None:
    _, wrong = run("fit", "decay.yaml", "--set", "fit.starts=0", "--set", "parameters.k.value=x", code=2)
    assert len(wrong.splitlines()) == 2
    assert not (folder / "runs").exists()


def test_simulate_gives_the_same_bytes_for_the_same_seed(folder: Path) -> None:
    run("simulate", "decay.yaml", "--out", "a.csv")
    run("simulate", "decay.yaml", "--out", "b.csv")
    run("simulate", "decay.yaml", "--out", "c.csv", "--set", "data.simulate.seed=4")
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes() != (folder / "c.csv").read_bytes()
    assert (folder / "a.truth.yaml").read_text() == "k: 0.7\nx_0: 3.0\n"
    assert run("simulate", "decay.yaml", "--out", "a.csv", code=2)[1].startswith("error: a.csv: exists already")


def test_simulated_data_can_be_fitted_from_their_file(folder: Path) -> None:
    odefit.simulate("decay.yaml", out="d.csv")
    inline = odefit.fit("decay.yaml").result.estimates["k"].value
    (folder / "file.yaml").write_text(DECAY.split("data:")[0] + "data: {csv: d.csv}\n")
    assert odefit.fit("file.yaml").result.estimates["k"].value == inline


def test_check_says_what_is_bound_to_what(folder: Path) -> None:
    out = run("check", "decay.yaml")[0]
    for words in ("dx/dt = -k*x", "x(0) = estimated", "12 values", "estimated from 0.5, log scale"):
        assert words in out
    assert not (folder / "runs").exists()


def test_check_warns_of_a_parameter_without_effect(folder: Path) -> None:
    overrides = ("--set", "parameters.m=1", "--set", "model.equations.z=m*z", "--set", "model.observables={x: x}")
    extra = ("--set", "data.simulate.initial.z=1", "--set", "data.simulate.parameters.m=1", "--set", "parameters.z_0=1")
    assert "m has no effect on what is measured" in run("check", "decay.yaml", *overrides, *extra)[0]


def test_models_and_schema(folder: Path) -> None:
    assert "lorenz" in run("models")[0]
    assert "sigma*(y - x)" in run("models", "lorenz")[0]
    assert "did you mean" in run("models", "lorentz", code=2)[1]
    assert json.loads(run("schema")[0])["title"] == "Config"


def test_debug_shows_where(folder: Path) -> None:
    code, _, wrong = in_new_python("-m", "odefit.cli", "fit", "nowhere.yaml", "--debug")
    assert code == 2
    assert "Traceback" in wrong


def test_a_fit_that_cannot_be_solved_ends_with_3(folder: Path) -> None:
    fit = ("fit", "decay.yaml", "--no-plots", "--set", "model.equations.x=k*x^2+1e3")
    assert "d.csv" in run(*fit, "--set", "data.simulate=null", "--set", "data.csv=d.csv", code=2)[1]
    (folder / "d.csv").write_text("time,x\n0,1\n1,2\n2,3\n")
    assert "failed" in run(*fit, "--set", "data={csv: d.csv}", code=3)[0]


@pytest.mark.torch
@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="no signals")
def test_ctrl_c_keeps_what_was_reached(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "odefit.cli",
        "fit",
        "decay.yaml",
        "--no-plots",
        "--set",
        "fit={method: adam, epochs: 100000}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("epoch"))  # a slow machine says more before
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert "interrupted after" in out
    following = "next: odefit fit decay.yaml --set 'fit={method: adam, epochs: 100000}' --resume"
    assert out.splitlines()[-1] == following
    assert odefit.load_run("runs/decay").result.status == "interrupted"
