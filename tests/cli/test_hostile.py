"""Input that nobody should write, through the whole command: one line each, exit code 2, nothing left behind.

None of it harms other software: limits are passed by one step, and devices are such as anything may read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from limited import outcome
from odefit import cli
from odefit.api import fit, load_run
from odefit.data.csv_reader import MAX_ABOVE, MAX_HEADER, MAX_LINE
from odefit.data.source_files import MAX_BYTES
from odefit.errors import RunError

DATA = "time,x\n0,1\n1,0.6\n2,0.4\n"
FINE = "model: {equations: {x: -k*x}}\nparameters: {k: 0.5}\ndata: {csv: d.csv}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{c}: &{c} [{', '.join(['*' + b] * 9)}]\n" for b, c in zip("abcde", "bcdef", strict=True)
)
"""Half a million values with its aliases written out, which is more than a config may have."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text(DATA)
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["odefit", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- list",
        "model: [",
        "model:\n\tname: x",
        "model: {name: logistic}\nmodel: {name: sir}",
        BOMB,
        "model: !!python/object/apply:os.system [echo hi]",
        "a: " + "[" * 10_000,
        "\x00",
        FINE.replace("-k*x", "__import__('os').system('echo hi')"),
        FINE.replace("-k*x", "9**9**3"),
        FINE.replace("-k*x", "(" * 10_000 + "x" + ")" * 10_000),
        FINE.replace("-k*x", "x.__class__"),
        FINE.replace("-k*x", "(lambda: x)()"),
        FINE.replace("-k*x", "1/0"),
        FINE.replace("-k*x", "log(0)*x"),
        FINE.replace("-k*x", "x" * 20_000),
        FINE.replace("0.5", "{value: .nan}"),
        FINE.replace("0.5", "{value: 1e999}"),
        FINE.replace("0.5", "{value: 0.5, bounds: [1, 0]}"),
        FINE.replace("0.5", "{value: 0.5, bounds: [1, 2]}"),
        FINE.replace("d.csv", "../nowhere/else.csv"),
        FINE.replace("d.csv", "."),
        FINE + "noise: {x: {sigma: -1}}\n",
        FINE + "fit: {starts: 1e3}\n",
        FINE + "solver: {method: rk4, step: 0}\n",
        pytest.param(FINE + "solver: {method: 'os.system'}\n", marks=pytest.mark.torch),
    ],
)
def test_one_line_exit_2_nothing_written(
    text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.yaml").write_text(text)
    code, err = command(monkeypatch, capsys, "fit", "c.yaml")
    assert code == 2, err
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert len(err) < 4000
    assert sorted(p.name for p in folder.iterdir()) == ["c.yaml", "d.csv"]


@pytest.mark.parametrize("data", [b"\xff\xfet\x00i\x00", "time,x\n0,é\n".encode("latin-1"), b"", b"\x89PNG\r\n"])
def test_foreign_data_files(
    data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.yaml").write_text(FINE)
    (folder / "d.csv").write_bytes(data)
    code, err = command(monkeypatch, capsys, "fit", "c.yaml")
    assert code == 2
    assert "d.csv" in err


@pytest.mark.parametrize("target", ["d.csv", "d.csv/run"])
def test_a_run_folder_that_cannot_be(
    target: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.yaml").write_text(FINE)
    code, err = command(monkeypatch, capsys, "fit", "c.yaml", "--out", target)
    assert code == 2
    assert target in err
    assert (folder / "d.csv").read_text() == DATA


def test_a_disk_that_refuses_to_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.yaml").write_text(FINE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    code, err = command(monkeypatch, capsys, "fit", "c.yaml", "--no-plots")
    assert code == 4
    assert "no space left on device" in err.lower()
    assert sorted(p.name for p in folder.iterdir()) == ["c.yaml", "d.csv"]


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"status": 1}'])
def test_a_damaged_run_folder(
    damage: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r").mkdir()
    (folder / "r" / "result.json").write_text(damage)
    code, err = command(monkeypatch, capsys, "plot", "r")
    assert code == 2
    assert "damaged" in err


def test_no_run_folder_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, capsys, "plot", "nowhere")[0] == 2
    assert "is no run folder" in command(monkeypatch, capsys, "plot", ".")[1]
    (folder / "note.txt").write_text("")
    assert "note.txt: is a file, and no run folder" in command(monkeypatch, capsys, "plot", "note.txt")[1]
    for name in ("b", "a"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "result.json").write_text("{}")
    said = command(monkeypatch, capsys, "plot", "runs")[1].replace("\\", "/")
    assert "runs: holds several runs, and is none itself: give the folder of one, such as runs/a" in said


CORPUS = Path(__file__).parents[1] / "hostile"
PLAIN = FINE.replace("}}", "}, initial: {x: 1}}")
CONFIGS = sorted((CORPUS / "configs").glob("*.yaml"))
TABLES = sorted((CORPUS / "data").glob("*.csv"))
RUNS = sorted(path for path in (CORPUS / "runs").iterdir() if path.is_dir())
NEED_TORCH = re.compile("activation|device|formula_large|latent_(huge|steps)|method|network_heavy|steps|weights_none")
limited_only = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs fork and /proc")


def expected(first_line: str) -> tuple[int, str]:
    """`# 2: no such thing`: the exit code, and a part of what is said."""
    code, _, phrase = first_line.lstrip("# ").rstrip("\n").partition(": ")
    return int(code.rstrip(":")), phrase


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    (folder / "d.csv").write_text("time,x\n" + "".join(f"{t},{0.6**t + 0.01 * (-1) ** t}\n" for t in range(9)))
    (folder / "c.yaml").write_text(PLAIN)
    return fit(folder / "c.yaml", out=folder / "run").path


def case(path: Path, folder: Path, good_run: Path) -> list[str]:
    """The arguments of odefit in a folder that is made for this file of the corpus."""
    (folder / "d.csv").write_text(DATA)
    (folder / "e.csv").write_text("time,x\n1.7e308,1\n1.71e308,2\n")
    (folder / "u.csv").write_text("time,u\n0,1\n1,2\n")
    (folder / "secret.csv").write_text("time,x,experiment,dose,amount,u\n0,1,1,1,1,1\n")
    (folder / "c.yaml").write_text(path.read_text() if path in CONFIGS else PLAIN)
    if path in TABLES:
        shutil.copy(path, folder / "d.csv")
    elif path in RUNS:
        shutil.copytree(good_run, folder / "run")
        for file in path.iterdir():
            shutil.copy(file, folder / "run" / file.name)
        return ["plot", "run", "--out", "pictures"]
    return ["check", "c.yaml"]


def one(path: Path) -> object:
    marks = pytest.mark.torch if NEED_TORCH.match(path.stem) else ()
    return pytest.param(path, id=f"{path.parent.name}/{path.stem}", marks=marks)


@limited_only
@pytest.mark.parametrize("path", [one(path) for path in (*CONFIGS, *TABLES, *RUNS)])
def test_the_corpus(path: Path, tmp_path: Path, good_run: Path) -> None:
    """Every file of the corpus through the command line, with little time and memory."""
    source = path / "EXPECT" if path in RUNS else path
    with source.open(encoding="utf-8", errors="replace") as file:
        code, phrase = expected(file.readline())
    folder = tmp_path / "case"
    folder.mkdir()
    found = outcome(folder, case(path, folder, good_run))
    assert found.code == code, found.text
    assert phrase in found.text
    assert "Traceback" not in found.text
    assert "\x1b" not in found.text
    if code == 2:
        # One line for each fault; a formula is shown below its fault, with a caret.
        lines = [line for line in found.text.splitlines() if not line.startswith("    ")]
        assert all(line.startswith("error: ") for line in lines), found.text
        assert len(found.text) < 20_000
    assert not (folder / "escaped").exists()
    assert not (folder / "pictures").exists() or path in RUNS


def long_row(path: Path) -> None:
    path.write_bytes(b"time,x\n0,1" + b" " * MAX_LINE + b"\n")


def wide_rows(path: Path) -> None:
    path.write_bytes(b"time,x\n" + (b"0,1" + b"," * 1000 + b"\n") * 16)


def long_cell(path: Path) -> None:
    path.write_bytes(b"time,x\n" + b"1" * 200_000)


def long_header(path: Path) -> None:
    path.write_text("time,x," + "c" * MAX_HEADER + "\n")


def many_comments(path: Path) -> None:
    path.write_bytes(b"#\n" * (MAX_ABOVE + 1) + b"time,x\n0,1\n1,2\n")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


def listening(path: Path) -> None:
    """A socket: no regular file, and unlike a pipe nothing that waits for a writer."""
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)  # in short: the system limits the length


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


AWKWARD: dict[str, tuple[Callable[[Path], None], str]] = {
    "row": (long_row, "longer than 10 MB"),
    "rows": (wide_rows, "this row has 1002 cells"),
    "cell": (long_cell, "cannot be split into cells"),
    "header": (long_header, "longer than 1 MB"),
    "comments": (many_comments, "no header yet"),
    "sparse": (sparse, "the limit is 2 GiB"),
    "socket": (listening, "not a regular file"),
    "folder": (lambda path: path.mkdir(), "is a directory"),
    "device": (link_to("/dev/null"), "not a regular file"),
    "proc": (link_to("/proc/version"), "is empty"),
    "loop": (link_to("d.csv"), "cannot be read"),
    "broken": (link_to("nowhere.csv"), "does not exist"),
}


@limited_only
def test_files_that_are_too_much(tmp_path: Path) -> None:
    """As data, as a table of doses, as the config itself: each is refused before it is read."""
    for name, (make, phrase) in AWKWARD.items():
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "d.csv")
        (folder / "e.csv").write_text(DATA)
        (folder / "c.yaml").write_text(PLAIN)
        (folder / "doses.yaml").write_text(PLAIN.replace("d.csv", "e.csv, doses: {csv: d.csv, state: x}"))
        for file, told in (("c.yaml", phrase), ("doses.yaml", ""), ("d.csv", "")):
            found = outcome(folder, ["check", file])
            where = f"{name}, {file}: {found.text}"
            assert found.code == 2, where
            assert told in found.text, where
            assert found.text.startswith("error: "), where


@pytest.mark.parametrize("name", ["d.csv", "plots", "plots/time_series.png", "history.csv", "weights.pt", "new.txt"])
def test_a_run_folder_with_a_way_out(name: str, good_run: Path, tmp_path: Path) -> None:
    """`odefit plot` writes into a run's `plots`: a link there would lead it to any file of the user."""
    run = tmp_path / "run"
    shutil.copytree(good_run, run)
    (run / "plots").mkdir(exist_ok=True)
    if name == "plots":
        (run / "plots").rmdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside)
    with pytest.raises(RunError, match="leads out of the run folder"):
        load_run(run)
    assert list(outside.iterdir()) == []


def test_links_within_a_run_folder_and_to_it_are_fine(good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(good_run, run)
    (run / "data.csv").rename(run / "measured.csv")
    (run / "data.csv").symlink_to("measured.csv")
    (tmp_path / "link").symlink_to(run)
    assert load_run(tmp_path / "link").theta == pytest.approx(load_run(good_run).theta)


def test_what_is_no_file_in_a_run_folder_is_not_opened(good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(good_run, run)
    (run / "history.csv").unlink()
    listening(run / "history.csv")
    with pytest.raises(RunError, match="not a regular file"):
        load_run(run)


@pytest.mark.parametrize(
    "keys, value",
    [
        (("estimates", "k", "value"), "0.5"),
        (("estimates", "k", "value"), True),
        (("estimates", "k", "value"), float("nan")),
        (("estimates", "k", "value"), 10**400),
        (("estimates", "sigma_x", "value"), -1.0),
        (("estimates", "sigma_x", "value"), 0),
        (("estimates", "k", "interval"), [1]),
        (("estimates", "k", "interval"), [1, 2, 3]),
        (("estimates", "k", "interval"), ["a", "b"]),
        (("estimates", "k", "standard_error"), {}),
        (("estimates", "k", "unit"), 1),
        (("estimates", "k", "fixed"), None),
        (("estimates", "k", "scale"), None),
        (("estimates", "k", "code"), "x"),
        (("estimates", "k"), None),
        (("estimates", "k"), []),
        (("estimates",), {}),
        (("estimates",), "k"),
        (("objective", "nll"), "low"),
        (("objective", "n_observations"), -1),
        (("objective",), None),
        (("starts", "at_best"), 1.5),
        (("starts", "at_best"), 10**30),
        (("starts",), []),
        (("status",), "excellent"),
        (("message",), None),
        (("method",), 1),
        (("warnings",), [1]),
        (("warnings",), 1),
        (("truth",), {"k": "x"}),
        (("truth",), [1]),
        (("correlation",), {"k": 1}),
        (("correlation",), {"k": {"k": "x"}}),
        (("hold_out",), {"nll": 1}),
        (("hold_out",), {"n_observations": 1, "nll": "x", "nll_per_observation": None, "rmse": {}}),
        (("seconds",), None),
        (("seed",), "x"),
        (("schema_version",), 10**6),
        (("schema_version",), "1"),
        (("new_key",), 1),
    ],
)
def test_a_result_that_no_fit_wrote(keys: tuple[str, ...], value: object, good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(good_run, run)
    result = json.loads((run / "result.json").read_text())
    inner = result
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(RunError) as told:
        load_run(run)
    assert "\n" not in str(told.value)


@pytest.mark.torch
def test_weights_that_unpack_to_more_than_they_are(tmp_path: Path) -> None:
    import io
    import zipfile

    import torch

    from odefit.fitting.run import load_weights

    module = torch.nn.Linear(2, 2)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    packed = tmp_path / "weights.pt"
    with zipfile.ZipFile(buffer) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as squeezed:
        for name in plain.namelist():
            squeezed.writestr(name, plain.read(name))
    with pytest.raises(RunError, match="compressed"):
        load_weights(module, packed)
    packed.write_bytes(buffer.getvalue())
    load_weights(module, packed)


@pytest.mark.torch
def test_weights_with_code_are_not_run(tmp_path: Path) -> None:
    import torch

    from odefit.fitting.run import load_weights

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "escaped"),)

    torch.save({"weight": Evil()}, tmp_path / "weights.pt")
    with pytest.raises(RunError, match="cannot be read as this model's weights"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "weights.pt")
    assert not (tmp_path / "escaped").exists()
