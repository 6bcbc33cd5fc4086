"""Input that nobody should write, through the whole command: one line each, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit import cli
from odefit.config.load import load_config
from odefit.errors import InputError, OdefitError
from odefit.runs.fitting import prepare

DATA = "time,x\n0,1\n1,0.6\n2,0.4\n"
FINE = "model: {equations: {x: -k*x}}\nparameters: {k: 0.5}\ndata: {csv: d.csv}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{c}: &{c} [{', '.join(['*' + b] * 9)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)
)


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
        FINE.replace("-k*x", "9**9**9**9"),
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
        FINE + "solver: {method: 'os.system'}\n",
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
    assert code == 2
    assert "no space left on device" in err.lower()
    assert sorted(p.name for p in folder.iterdir()) == ["c.yaml", "d.csv", "runs"]
    assert list((folder / "runs").rglob("*")) == []


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


keys = st.sampled_from(["model", "name", "equations", "x", "parameters", "k", "value", "bounds", "data", "csv", "fit"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(["-k*x", "d.csv", "logistic", "x", "", "é"]),
)
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(keys, documents, max_size=5))
def test_any_document_is_a_problem_or_an_input_error(folder: Path, document: dict[str, object]) -> None:
    import yaml

    (folder / "c.yaml").write_text(yaml.safe_dump(document))
    try:
        prepare(load_config(folder / "c.yaml"))
    except InputError as error:
        assert all("\n" not in fault.where for fault in error.faults)
    except OdefitError as error:  # a simulation that cannot be solved
        assert error.exit_code == 3
