"""A config from a stranger: held to the files beside it, and no message shows what is in a file that is no table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import odefit
from odefit.errors import ConfigError, InputError

PLAIN = """\
model: {equations: {x: -k*x + u}}
parameters: {k: 1}
data: {csv: d.csv, inputs: {u: u.csv}, doses: {csv: doses.csv, state: x}, experiments: e.csv}
noise: {x: {sigma: 0.1}}
"""
TABLES = {
    "d.csv": "experiment,time,x\na,0,1\na,1,0.6\na,2,0.3\n",
    "u.csv": "time,u\n0,0\n2,1\n",
    "doses.csv": "time,amount\n1,1\n",
    "e.csv": "experiment,kind\na,slow\n",
}
KEYS = {"d.csv": "data.csv", "u.csv": "data.inputs.u.csv", "doses.csv": "data.doses.csv", "e.csv": "data.experiments"}
SECRET = "alice:x:1000:1000:the password is swordfish,really:/home/alice:/bin/sh\n" * 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "configs"
    path.mkdir()
    (path / "c.yaml").write_text(PLAIN)
    for name, text in TABLES.items():
        (path / name).write_text(text)
    return path


def test_files_beside_it_and_below_are_fine(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "d.csv").rename(folder / "below" / "d.csv")
    (folder / "d.csv").symlink_to("below/d.csv")
    problem = odefit.load(folder / "c.yaml", only_beside=True)
    assert problem.names == ("k",) or "k" in problem.names


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("way", ["path", "absolute", "link"])
def test_files_elsewhere_are_refused(way: str, name: str, folder: Path) -> None:
    target = folder.parent / name
    target.write_text(TABLES[name])
    named = {"path": f"../{name}", "absolute": str(target), "link": name}[way]
    (folder / name).unlink()
    if way == "link":
        (folder / name).symlink_to(target)
    (folder / "c.yaml").write_text(PLAIN.replace(f" {name}", f" {named}"))
    odefit.check(folder / "c.yaml")
    for work in (odefit.check, odefit.load, odefit.fit):
        with pytest.raises(ConfigError) as caught:
            work(folder / "c.yaml", only_beside=True)
        (fault,) = caught.value.faults
        assert KEYS[name].removesuffix(".csv") in fault.where
        assert f"names '{named}', which lies not beside the config or below it" in fault.what


def test_all_at_once_and_by_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "c.yaml").write_text(PLAIN.replace(": d.csv", ": ../d.csv").replace(": e.csv", ": /e.csv"))
    monkeypatch.setenv("ODEFIT_ONLY_BESIDE", "1")
    for work in (odefit.check, odefit.simulate):
        with pytest.raises(ConfigError) as caught:
            work(folder / "c.yaml")
        assert len(caught.value.faults) == 2
    monkeypatch.setenv("ODEFIT_ONLY_BESIDE", "0")
    with pytest.raises(InputError, match="does not exist"):
        odefit.check(folder / "c.yaml")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "secret",
    [SECRET, "password: swordfish\n", "a,b\nthe,swordfish\nof,7\nmy,own\nand,all\n"],
    ids=["users", "one", "two"],
)
def test_no_message_shows_what_is_no_table(name: str, secret: str, folder: Path) -> None:
    (folder / name).write_text(secret)
    with pytest.raises(InputError) as caught:
        odefit.check(folder / "c.yaml")
    assert "is no table of numbers" in str(caught.value)
    for word in ("swordfish", "alice", "password", "the,"):
        assert word not in str(caught.value)


def test_a_pattern_finds_nothing_elsewhere(folder: Path) -> None:
    (folder.parent / "d1.csv").write_text("time,x\n0,1\n1,0.6\n")
    (folder / "below").mkdir()
    (folder / "below" / "d1.csv").symlink_to(folder.parent / "d1.csv")
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}}
    for name in ("../d*.csv", str(folder.parent / "d*.csv"), "below/d*.csv", ["d.csv", "../d1.csv"]):
        (folder / "p.yaml").write_text(json.dumps({**config, "data": {"csv": name}}))
        with pytest.raises(ConfigError) as caught:
            odefit.check(folder / "p.yaml", only_beside=True)
        assert "data.csv" in str(caught.value)
        assert "lies not beside" in str(caught.value)
    (folder / "p.yaml").write_text(json.dumps({**config, "data": {"csv": ["d*.csv", "below/../d.csv"], "only": ["a"]}}))
    with pytest.raises(InputError):  # one of them is no table of x, which is beside
        odefit.check(folder / "p.yaml", only_beside=True)
