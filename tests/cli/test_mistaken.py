"""One thing named in the place of another: a config for a run, a run for a config, data for both. A line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import run

CONFIG = """\
model: {equations: {x: -k*x}}
parameters: {k: 0.5, x_0: 2}
data: {csv: data.csv}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("decay.yaml").write_text(CONFIG)
    Path("data.csv").write_text("time,x\n0,2.0\n1,1.2\n2,0.75\n3,0.45\n4,0.27\n")
    Path("book.xlsx").write_bytes(b"PK\x03\x04\xff")
    Path("runs/decay").mkdir(parents=True)
    for name in ("result.json", "config.yaml", "parameters.csv"):
        Path("runs/decay", name).write_text("{}")
    Path("begun").mkdir()
    Path("begun/run.log").touch()


READERS = ("plot", "predict", "profile", "bootstrap", "sample", "report", "symbols", "compare")


@pytest.mark.parametrize("command", READERS)
def test_a_config_in_the_place_of_a_run(command: str) -> None:
    _, said = run(command, "decay.yaml", code=2)
    assert said.splitlines() == [
        "error: decay.yaml: is a config, and no run: `odefit fit decay.yaml` makes a run of it; give the folder "
        "that this writes"
    ]


PLACES = {
    ("report", "data.csv"): "data.csv: is a file of data, and no run: `odefit init data.csv` proposes a config for it",
    ("report", "runs/decay/parameters.csv"): "is a file of a run: give its folder, runs/decay",
    ("plot", "begun"): "begun: holds an unfinished fit: go on with `odefit fit CONFIG --resume --out begun`",
    ("plot", "runs"): "runs: holds a run, and is none itself: give the folder of one, such as runs/decay",
    ("plot", "none"): "none: does not exist: give the folder that `odefit fit` wrote; `odefit runs` lists them",
    ("merge", "data.csv"): "data.csv: is a file, and no folder; give the folders that parts were computed into",
    ("fit", "runs/decay"): "runs/decay: is a run, and no config: that which it was made of is runs/decay/config.yaml",
    (
        "fit",
        "book.xlsx",
    ): "is a table of data, no config; write a config that names it, `data: {csv: book.xlsx}`, or let "
    "`odefit init book.xlsx` propose one",
    ("check", "."): ".: this is a directory: give the YAML file in it, decay.yaml",
    ("simulate", "data.csv"): "data.csv:1: is a table of data, no config",
    ("init", "decay.yaml"): "decay.yaml: is a config, and no file of measurements: `odefit check` looks at it",
}


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_something_else_is_named_and_what_to_do(place: tuple[str, str]) -> None:
    _, said = run(*place, code=2)
    (line,) = said.splitlines()
    assert PLACES[place] in line
