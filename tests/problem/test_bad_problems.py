"""What can be wrong with conditions, doses, inputs, groups, priors, noise: a line each, with its place, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from odefit.api import fit
from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.preparation import prepare

GOOD = """\
model:
  equations: {x: -k*x + u, y: k*x - r*y}
  initial: {x: 2, y: 0}
parameters:
  k: {value: 0.7, bounds: [0.01, 10], scale: log}
  r: {value: 0.3, bounds: [0.01, 10], scale: log}
data:
  csv: data.csv
  experiments: table.csv
  doses: doses.csv
  inputs: {u: {csv: u.csv}}
"""
FILES = {
    "data.csv": "experiment,time,x,y\na,0,2,0\na,2,1,<0.9\nb,0,2,0\nb,3,0.5,1\n",
    "table.csv": "experiment,kind,T\na,wt,1\nb,ko,2\n",
    "doses.csv": "experiment,time,state,amount\na,1,x,1\n",
    "u.csv": "time,u\n0,0\n3,1\n",
}

FAULTS: list[tuple[str, list[str], dict[str, str], str, str]] = [
    ("a dose into an unknown state", [], {"doses.csv": "time,state,amount\n1,z,1\n"}, "doses.csv:2", "'z' is no state"),
    (
        "a dose before the start",
        ["data.start=first"],
        {"doses.csv": "time,state,amount\n-1,x,1\n"},
        "doses.csv:2",
        "before",
    ),
    ("a dose for nobody", [], {"doses.csv": "experiment,time,state,amount\nc,1,x,1\n"}, "doses.csv:2", "'c'"),
    ("an input that ends too early", [], {"u.csv": "time,u\n0,0\n2,1\n"}, "data.inputs.u", "ends"),
    ("an input that begins too late", [], {"u.csv": "time,u\n1,0\n3,1\n"}, "data.inputs.u", "begins"),
    ("an input of another name", [], {"u.csv": "time,v\n0,0\n3,1\n"}, "u.csv:1", "no column 'u'"),
    ("an input that nobody names", ["data.inputs.v={csv: u.csv, column: u}"], {}, "data.inputs.v", "no formula"),
    ("an input named like a state", ["data.inputs.x={csv: u.csv, column: u}"], {}, "data.inputs.x", "its own"),
    ("two rows for one experiment", [], {"table.csv": "experiment,T\na,1\nb,2\na,3\n"}, "table.csv:4", "a"),
    ("a row for nobody", [], {"table.csv": "experiment,T\na,1\nb,2\nc,3\n"}, "table.csv:4", "'c'"),
    ("an experiment without a row", [], {"table.csv": "experiment,T\na,1\n"}, "data.experiments", "b"),
    ("a constant named like a state", [], {"table.csv": "experiment,x\na,1\nb,2\n"}, "data.experiments", "x_0"),
    (
        "an initial value said twice",
        [],
        {"table.csv": "experiment,x_0\na,1\nb,2\n"},
        "model.initial.x",
        "one of the two",
    ),
    ("a group that names no experiment", ["parameters.k.by={p: [a], q: [c]}"], {}, "parameters.k.by", "'c'"),
    ("an experiment in no group", ["parameters.k.by={p: [a]}"], {}, "parameters.k.by", "b is in no group"),
    ("an experiment in two groups", ["parameters.k.by={p: [a, b], q: [b]}"], {}, "parameters.k.by", "p and q"),
    ("a column that is not there", ["parameters.k.by=knd"], {}, "parameters.k.by", "did you mean 'kind'"),
    (
        "a value that the prior excludes",
        ["parameters.k.prior={uniform: [2, 3]}"],
        {},
        "parameters.k",
        "impossible under its prior",
    ),
    (
        "a prior outside of the bounds",
        ["parameters.k={bounds: [0.01, 1], value: 0.5, prior: {uniform: [2, 3]}}"],
        {},
        "parameters.k",
        "zero everywhere",
    ),
    ("a prior of a logarithm twice", ["parameters.k.prior={lognormal: [1, 1], on: log}"], {}, "parameters.k", "`on`"),
    ("a circle of ties", ["parameters.a=2*b", "parameters.b=a + k"], {}, "parameters.a", "a -> b -> a"),
    ("a tie to a state", ["parameters.a=2*x"], {}, "parameters.a", "cannot depend on 'x'"),
    ("a tie with bounds", ["parameters.a={formula: 2*k, bounds: [0, 1]}"], {}, "parameters.a", "bounds"),
    ("an event into an unknown state", ["model.events=[{time: 1, set: {z: 1}}]"], {}, "model.events.0", "no state"),
    ("an event at a state", ["model.events=[{time: x, set: {x: 1}}]"], {}, "model.events.0.time", "'x'"),
    (
        "rest without a way to it",
        ["model.steady_state=true", "model.initial={x: 2, y: estimate}"],
        {},
        "model.steady_state",
        "`y: 1`",
    ),
    ("rest of what nobody names", ["model.steady_state={q: 1}"], {}, "model.steady_state.q", "no equation"),
    ("a lag that depends on a state", ["data.doses={csv: doses.csv, lag: x}"], {}, "data.doses.lag", "'x'"),
    ("holding out nobody", ["data.hold_out={experiments: [c]}"], {}, "data.hold_out", "'c'"),
    ("holding out everything", ["data.hold_out={after: -1}"], {}, "data.hold_out", "everything"),
    ("holding out nothing", ["data.hold_out={after: 9}"], {}, "data.hold_out", "nothing"),
    (
        "holding out what only it can tell",
        ["data.hold_out={experiments: [b]}", "parameters.k.by=experiment"],
        {},
        "data.hold_out",
        "k[b]",
    ),
    ("log-normal noise of a zero", ["noise=lognormal"], {}, "noise.y", "positive"),
    ("Poisson noise of a fraction", ["noise=poisson"], {}, "noise", "counts"),
    ("a dispersion without its model", ["noise={x: {dispersion: 1}}"], {}, "noise.x", "negative_binomial"),
    ("a sigma of a count", ["noise={x: {model: poisson, sigma: 1}}"], {}, "noise.x", "sigma"),
    ("units of nobody", ["model.units={z: m}"], {}, "model.units.z", "'z'"),
    ("a limit in the time column", [], {"data.csv": "experiment,time,x,y\na,<1,2,0\n"}, "data.csv:2", "time"),
    ("steps for a solver that chooses them", ["solver.step=0.1"], {}, "solver.step", "chooses its steps itself"),
    ("epochs for least squares", ["fit={method: least_squares, epochs: 3}"], {}, "fit.epochs", "`method: adam`"),
    ("windows for equations", ["fit.windows=[5]"], {}, "fit.windows", "network"),
    ("a network without its call", ["model.networks={net: {}}"], {}, "model.networks.net", "no formula calls it"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(GOOD)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def faults_of(folder: Path, overrides: list[str]) -> list[str]:
    with pytest.raises(InputError) as caught:
        fit(folder / "c.yaml", overrides, out=folder / "run")
    assert caught.value.exit_code == 2
    assert not (folder / "run").exists()
    return [str(fault) for fault in caught.value.faults]


def overridden(line: str) -> str:
    """The key of an override, where the fault lies in one."""
    return line.split(": ")[0].removeprefix("--set ").replace("  ", ".")


def test_the_good_one_is_good(folder: Path) -> None:
    problem = prepare(load_config(folder / "c.yaml"))[0].problem
    assert [len(e.doses) for e in problem.experiments] == [1, 0]


@pytest.mark.parametrize(("overrides", "files", "where", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_one_line_says_where_and_what(
    folder: Path, overrides: list[str], files: dict[str, str], where: str, words: str
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    found = faults_of(folder, overrides)
    assert all("\n" not in line for line in found)
    places = map(overridden, found)
    at = (
        where in line or where.startswith(key) or key.startswith(where) for line, key in zip(found, places, strict=True)
    )
    assert any(here and words in line for line, here in zip(found, at, strict=True)), found


def test_all_at_once(folder: Path) -> None:
    """Faults of three tables come together."""
    (folder / "doses.csv").write_text("time,state,amount\n1,z,1\n")
    (folder / "u.csv").write_text("time,u\n0,0\n1,1\n")
    (folder / "table.csv").write_text("experiment,T\na,1\nb,2\nc,3\n")
    found = faults_of(folder, [])
    for words in ("doses.csv:2", "data.inputs.u", "table.csv:4"):
        assert any(words in line for line in found), (words, found)
