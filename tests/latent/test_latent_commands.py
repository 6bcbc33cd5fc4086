"""The other commands on a latent ODE, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm

import odefit
from latent_runs import SPIRALS, command, rows_of
from listeners import StopAt
from odefit.api import check, simulate
from odefit.config.load import load_config
from odefit.errors import ConfigError, DataError, InputError
from odefit.latent.task import prepare_latent, refuse


def test_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = command(monkeypatch, capsys, "fit", "c.yaml", "--set", "fit.epochs=2", "--out", "r")
    assert code == 0
    for part in ("epoch 1/2", "score", "stopped: all 2 epochs used", "series set aside, continued: 40 measurements"):
        assert part in told
    assert len(list((folder / "r" / "plots").glob("*.png"))) == 4
    assert "all 2 epochs used" in (folder / "r" / "run.log").read_text()
    code, told = command(monkeypatch, capsys, "plot", "r", "--kind", "interpolation", "--format", "pdf")
    assert (code, told.strip()) == (0, "r/plots/interpolation.pdf")
    for arguments in (("solvers", "c.yaml"), ("check", "c.yaml", "--gradients")):
        code, told = command(monkeypatch, capsys, *arguments)
        assert code == 2
        assert "a latent ODE has no equations to be solved or differentiated here" in told.splitlines()[-1]
    code, told = command(monkeypatch, capsys, "models")
    assert "latent_ode" in told
    assert "measured: [x, y]" in command(monkeypatch, capsys, "models", "latent_ode")[1]


def test_check_tells_sizes(folder: Path) -> None:
    report = check("c.yaml")
    task = prepare_latent(load_config("c.yaml"))
    for part in (
        "encoder: 5 recurrent units (GRU) read each series until 6 after its start, backwards",
        "latent states: 3",
        "vector field: layers 3 - 6 - 3, silu: 45 weights",
        "decoder: layers 3 - 4 - 2: 26 weights",
        "x: 160 values",
        "8 series of 20 times",
        "10 of the times of a series are read",
        "2 series not trained on",
        "adam, 12 epochs of 2 steps, of up to 3 series each",
        "7 of the 20 times in a step",
        "solver: rk4, step 1, float32",
    ):
        assert part in report, part
    assert len(task.aside) == 2
    assert "5 series of 4 to 14 times" in check("p.yaml")


def test_spirals_are_simulated_with_their_matrices(folder: Path) -> None:
    made = simulate("c.yaml", out=folder / "s.csv")
    assert made.observables == ("x", "y")
    assert (folder / "s.truth.yaml").is_file()
    for e in made.experiments:
        matrix = np.array([[made.truth[f"a_{i}{j}[{e.name}]"] for j in (1, 2)] for i in (1, 2)])
        start = np.array([made.truth[f"{name}_0[{e.name}]"] for name in "xy"])
        exact = np.stack([expm(matrix * t) @ start for t in e.times])
        assert np.std(e.values - exact) == pytest.approx(0.1, rel=0.5)
    # What is written is what is fitted.
    (folder / "d.yaml").write_text(SPIRALS.replace("{spirals: {series: 8, times: 20, end: 12, noise: 0.1, seed: 2}}",
                                                   "{csv: s.csv}"))  # fmt: skip
    one, other = (odefit.fit(name, ["fit.epochs=1"], out=name[0]) for name in ("c.yaml", "d.yaml"))
    assert one.result.objective == other.result.objective


# What is refused


def test_all_that_makes_no_sense_is_told_at_once(folder: Path) -> None:
    odd = {
        "parameters": "{a: 1}",
        "noise": "{model: gaussian}",
        "model.states": "[z]",
        "model.observables": "{x: x}",
        "model.initial": "first",
        "model.steady_state": "true",
        "model.events": "[{time: 1, set: {x: 0}}]",
        "model.direction": "ascent",
        "model.time_input": "true",
        "model.normalise": "false",
        "model.activation": "tahn",
        "model.units.z": "m",
        "data.experiments": "{a: {k: 1}}",
        "data.doses": "doses.csv",
        "data.inputs": "{u: u.csv}",
        "data.hold_out": "{after: 3}",
        "data.start": "1",
        "solver.adjoint": "true",
        "solver.sensitivity_rtol": "0.1",
        "solver.sensitivity_atol": "0.1",
        "solver.device": "cuda",
        "solver.method": "bdf",
        "fit.time_limit": "3",
        "fit.folds": "3",
        "fit.match": "10",
        "fit.windows": "[10]",
        "fit.loss": "nll",
        "fit.weight_decay": "0.1",
        "fit.patience": "3",
        "fit.schedule": "plateau",
    }
    with pytest.raises(ConfigError) as caught:
        refuse(load_config("c.yaml", [f"{key}={value}" for key, value in odd.items()]))
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line and len(line) < 200 for line in lines)
    for key in odd:
        assert sum(line.startswith(f"--set {key}:") for line in lines) == 1, key
    assert len(lines) == len(odd)


@pytest.mark.parametrize(
    "config, change, phrase",
    [
        ("c", "model.latent.dimesion=3", "did you mean 'dimension'?"),
        ("c", "model.latent.constants=3", "constants: must be less than dimension"),
        ("c", "model={name: latent_ode, measured: [x, y], hidden: [], latent: {constants: 1}}", "set refine: 6"),
        ("c", "model.latent.encoder=100000", "weights; at most 10,000,000"),
        ("c", "model.hidden=[100000, 100000]", "weights; at most 10,000,000"),
        ("c", "model.latent.validation=0.99", "leaves none to train on"),
        ("c", "model.measured=[x]", "must be two names for `data.spirals`"),
        ("c", "model.measured=[x, y, x]", "names 'x' twice"),
        ("c", "model.name=lotka_volterra", "`measured` belongs to `name: latent_ode`"),
        ("c", "data.spirals.series=1000000", "makes 20,000,000 rows; at most 10,000,000"),
        ("c", "data.csv=a.csv", "and only one (got csv and spirals)"),
        ("c", "data.time=t", "`time` is about a CSV file and has no meaning with `spirals`"),
        ("c", "solver.method=dopri", "did you mean 'dopri8'?"),
        ("c", "solver={method: dopri5, step: 1}", "dopri5 chooses its steps itself"),
        ("c", "solver.step=1e-7", "1000000 are too many; make it larger"),
        ("c", "fit.method=lbfgs", "only for `method: adam`"),
        ("c", "fit={method: least_squares}", "a latent ODE is trained by adam"),
        ("c", "fit={starts: 3}", "it is trained from one start"),
        ("c", "fit.schedule={kind: cosine, final: 1}", "must not be above the first learning rate, 0.01"),
        ("p", "model.measured=[glucos, insulin]", "glucos"),
        ("p", "data.columns={insulin: insuln}", "insuln"),
        ("p", "data.csv=nowhere.csv", "nowhere.csv"),
    ],
)
def test_mistakes(config: str, change: str, phrase: str, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        prepare_latent(load_config(f"{config}.yaml", [change]))
    assert any(phrase in str(fault) for fault in caught.value.faults), caught.value.faults
    assert all("\n" not in str(fault) for fault in caught.value.faults)


def test_names_of_what_is_measured_are_needed(folder: Path) -> None:
    (folder / "n.yaml").write_text("model: {name: latent_ode}\ndata: {spirals: {}}\n")
    with pytest.raises(ConfigError, match="`latent_ode` needs `measured`: the names of the measured columns"):
        load_config("n.yaml")


def test_limits_are_refused(folder: Path) -> None:
    text = (folder / "patients.csv").read_text()
    (folder / "patients.csv").write_text(text.replace(",5.5", ",<5.5"))
    with pytest.raises(DataError, match=r"experiment ada: has limits such as `<0\.5`"):
        prepare_latent(load_config("p.yaml"))


def test_an_experiment_with_nothing_to_read_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="experiment ada: has no measurement until 5 after its start"):
        prepare_latent(load_config("p.yaml", ["data.start=90", "model.latent.observed=5"]))


def test_errors_in_the_data_are_not_used_and_that_is_said(folder: Path) -> None:
    rows = rows_of(folder / "patients.csv")
    lines = ["name,hours,glucose,ins,glucose_sigma"]
    lines += [",".join([*row.values(), "0.1" if row["glucose"] else ""]) for row in rows]
    (folder / "patients.csv").write_text("\n".join(lines) + "\n")
    told = StopAt()
    odefit.fit("p.yaml", ["fit.epochs=1"], out="r", progress=told)
    assert any("a latent ODE does not use" in note for note in told.notes)


def test_spirals_are_for_latent_odes(folder: Path) -> None:
    (folder / "l.yaml").write_text("model: {name: linear, states: [x, y]}\ndata: {spirals: {}}\n")
    with pytest.raises(ConfigError, match="makes series for `name: latent_ode`; use csv or simulate"):
        odefit.fit("l.yaml")
    (folder / "m.yaml").write_text(
        "model: {name: linear, states: [x]}\n"
        "data: {simulate: {times: [0, 1], model: {name: latent_ode, measured: [x]}}}\n"
    )
    with pytest.raises(ConfigError, match="a latent ODE makes no data"):
        odefit.fit("m.yaml")
