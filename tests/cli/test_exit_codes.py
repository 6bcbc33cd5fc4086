"""The exit codes of the page on clusters: each of its rows by what brings it about."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import commands

CONFIG = """\
model: {name: logistic, initial: estimate}
data: {csv: d.csv}
fit: {starts: 3, seed: 1, workers: 1}
"""
FIT = ("fit", "c.yaml", "--no-plots", "--quiet", "--json", "--out", "r")


def at_the_first_start(then: str) -> str:
    """An expression that is evaluated when it is finished, and is kept."""
    return (
        "from odefit.fitting.tally import Tally; from odefit.runs import checkpoint\n"
        "from odefit.optimizers.cluster_pool import ClusterLost\n"
        "checkpoint.RARITY, checkpoint.FIRST, done = 0, 0.0, []\n"
        "Tally.add = lambda self, result, add=Tally.add, done=done, lost=ClusterLost: (\n"
        f"    add(self, result), done.append(result), {then} if len(done) == 1 else None\n"
        ")\n"
    )


LOST = "(nothing for nothing in ()).throw(lost)"


def where_nothing_can_be_raised(name: str) -> str:
    """A signal that comes while an object is deleted."""
    last = f"type('Last', (), {{'__del__': lambda self: os.kill(os.getpid(), signal.{name})}})"
    return f"{last}() is None or time.sleep(60)"


BLOWN_UP = "model={equations: {x: r*x^2 + 1e3*r}, initial: {x: 1}}"
ROWS: dict[str, tuple[int, tuple[str, ...], str]] = {
    "converged": (0, FIT, ""),
    "not converged": (0, (*FIT, "--set", "fit.max_iterations=1"), ""),
    "a defect": (1, FIT, "from odefit import api; api.fit_into_folder = None"),
    "a config": (2, (*FIT, "--set", "fit.starts=0"), ""),
    "an option": (2, (*FIT, "--strats", "0:2"), ""),
    "a folder that is there": (2, ("fit", "c.yaml", "--out", "."), ""),
    "no such part": (2, ("merge", "nowhere"), ""),
    "the numerics": (3, (*FIT, "--set", BLOWN_UP, "--set", "parameters={r: {value: 2, bounds: [1, 10]}}"), ""),
    "--time-limit": (124, (*FIT, "--time-limit", "1h"), at_the_first_start("os.kill(os.getpid(), signal.SIGALRM)")),
    "Ctrl-C": (130, FIT, at_the_first_start("os.kill(os.getpid(), signal.SIGINT)")),
    "a cluster that is lost": (130, FIT, at_the_first_start(LOST)),
    "SIGUSR1": (138, FIT, at_the_first_start("os.kill(os.getpid(), signal.SIGUSR1)")),
    "SIGUSR2": (140, FIT, at_the_first_start("os.kill(os.getpid(), signal.SIGUSR2)")),
    "SIGTERM": (143, FIT, at_the_first_start("os.kill(os.getpid(), signal.SIGTERM)")),
    "SIGTERM in a destructor": (143, FIT, at_the_first_start(where_nothing_can_be_raised("SIGTERM"))),
    "Ctrl-C in a destructor": (130, FIT, at_the_first_start(where_nothing_can_be_raised("SIGINT"))),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits as Linux has them")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "d.csv").write_text("time,x\n0,0.1\n1,0.22\n2,0.4\n3,0.62\n4,0.8\n6,0.95\n8,0.99\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("what", ROWS)
def test_each_end_has_its_code(what: str) -> None:
    code, words, before = ROWS[what]
    output, errors = commands.run(*words, code=code, before=before)
    if code in (0, 3):
        status = {"converged": "converged", "not converged": "stopped", "the numerics": "failed"}[what]
        assert json.loads(output)["status"] == status
    elif code > 4:
        assert errors == ""
        assert json.loads(Path("r/result.json").read_text())["status"] == "interrupted"
        assert json.loads(commands.run(*FIT, "--resume")[0])["status"] == "converged"  # as a script goes on
    else:
        assert errors.startswith(("error: ", "Usage: "))
        assert not Path("r").exists()


def test_what_cannot_be_written() -> None:
    refusing = "import os\ndef replace(*_): raise OSError(28, 'No space left on device')\nos.replace = replace"
    assert "no space left" in commands.run(*FIT, code=4, before=refusing)[1]


def test_parts_that_are_missing() -> None:
    commands.run("fit", "c.yaml", "--starts", "0:2", "--out", "p", "--quiet")
    _, errors = commands.run("merge", "p", code=2)
    assert "starts 2:3 of 3 are in none of these parts" in errors


def test_the_page_names_these_codes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
    table = page.partition("| exit code |")[2].partition("\n\n")[0]
    codes = [int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for code in row.split(",")]
    assert codes == sorted({code for code, _, _ in ROWS.values()} | {4})
