"""From a config to a problem: what is bound to what, and every contradiction between model and data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare

pytestmark = pytest.mark.quick

CSV = "time,x,experiment\n0,1.0,a\n1,0.6,a\n2,0.4,a\n0,2.0,b\n1,1.1,b\n3,,b\n"
CONFIG = """\
model:
  equations: {x: -k*x}
parameters: {k: 0.5}
data: {csv: d.csv}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text(CSV)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def assembled(config: Path, *overrides: str) -> Assembly:
    return prepare(load_config(config, overrides))[0]


def fault(config: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        assembled(config, *overrides)
    return str(caught.value)


def test_every_experiment_has_an_initial_value_of_its_own(config: Path) -> None:
    problem = assembled(config).problem
    assert problem.table.names == ("k", "x_0[a]", "x_0[b]", "sigma_x")
    assert problem.table["x_0[a]"].value == 1.0
    local = problem.binding.local(np.array([0.7, 5.0, 6.0, 0.1]))
    columns = [problem.binding.symbols.index(name) for name in ("k", "x_0", "sigma_x")]
    np.testing.assert_array_equal(local[:, columns], [[0.7, 5.0, 0.1], [0.7, 6.0, 0.1]])


def test_one_experiment_needs_no_brackets(config: Path) -> None:
    assert "x_0" in assembled(config, "data.only=[a]").problem.table.names


def test_first_row_becomes_the_start_and_is_no_measurement_any_more(config: Path) -> None:
    assembly = assembled(config, "model.initial=first")
    problem = assembly.problem
    assert problem.table.names == ("k", "sigma_x")
    assert problem.n_measured == 3
    assert sum(e.n_measured for e in assembly.measured) == 5
    local = problem.binding.local(problem.table.values)
    np.testing.assert_array_equal(local[:, problem.binding.symbols.index("x_0")], [1.0, 2.0])


def test_replicates_share_their_initial_value(config: Path) -> None:
    (config.parent / "d.csv").write_text("time,observable,value\n0,x,1\n1,x,0.6\n1,x,0.62\n2,x,0.4\n")
    problem = assembled(config).problem
    assert len(problem.experiments) == 2
    assert problem.table.names == ("k", "x_0", "sigma_x")


def test_fixed_parameters_are_inlined_but_stay_in_the_table(config: Path) -> None:
    problem = assembled(config, "parameters.k={value: 0.5, estimate: false}").problem
    assert problem.engine.system.parameters == ("x_0",)
    assert problem.table["k"].estimate is False


def test_sigma_of_a_formula_means_the_prediction(config: Path) -> None:
    problem = assembled(config, "noise.x={sigma: s*x}", "parameters.s={value: 0.1, scale: log}").problem
    assert problem.table.names == ("k", "s", "x_0[a]", "x_0[b]")
    assert str(problem.observation.noise["x"].sigma) == "s*x"


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["model.equations={x: -kk*x}"], "unknown symbol 'kk'"),
        (["parameters.unused=1"], "appears in no formula"),
        (["parameters.x=1"], "is a state"),
        (["parameters.t=1"], "'t' is the time"),
        (["parameters.k={scale: log}"], "needs a value"),
        (["model.initial={z: 1}"], "'z' is no state"),
        (["model.initial={x: t}"], "not known before the start"),
        (["model.initial={x: 1}", "parameters.x_0=3"], "already says"),
        (["model.initial=first", "parameters.x_0=3"], "takes it from the first row"),
        (["model.initial=first", "model.observables={g: 2*x}", "data.columns={g: x}"], "use `estimate`"),
        (["model.initial=first", "data.start=-1"], "no measurement of x at its start"),
        (["noise.y=gaussian"], "'y' is no observable"),
        (["noise.x={sigma: 0}"], "must be positive"),
        (["noise.x={sigma: column}"], "bring no sigma"),
        pytest.param(["solver.method=rk5"], "unknown method 'rk5'", marks=pytest.mark.torch),
        (["model.observables={y: x}"], "y"),
        (["data.start=1"], "1"),
        (["parameters.k={value: 0, estimate: false}", "model.equations={x: -x/k}"], "not a finite"),
        (["parameters.x_0={bounds: [5, .inf]}"], "does not fit its bounds"),
        (["data.csv=nowhere.csv"], "nowhere.csv"),
    ],
)
def test_contradictions(config: Path, overrides: list[str], words: str) -> None:
    text = fault(config, *overrides)
    assert words in text
    assert "Traceback" not in text


def test_lognormal_noise_needs_positive_data(config: Path) -> None:
    (config.parent / "d.csv").write_text("time,x\n0,1\n1,0\n2,0.4\n")
    assert "needs positive measurements" in fault(config, "noise=lognormal")


def test_faults_of_model_and_parameters_come_together(config: Path) -> None:
    text = fault(config, "model.equations={x: -kk*x}", "model.initial={z: 1}")
    assert "unknown symbol 'kk'" in text
    assert "'z' is no state" in text


def test_a_family_needs_its_states(config: Path) -> None:
    config.write_text("model: {name: linear}\ndata: {csv: d.csv}\n")
    assert "needs `states`" in fault(config)


def test_linear_family_fits_its_matrix(config: Path) -> None:
    config.write_text("model: {name: linear, states: [x]}\ndata: {csv: d.csv}\n")
    assert assembled(config).problem.table.names[0] == "a_11"


@pytest.mark.torch
def test_without_the_compiled_engine_auto_means_torch_and_says_so(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odefit.engines.diffsol import diffsol_engine
    from odefit.engines.kernel import machine

    monkeypatch.setattr(machine, "available", lambda: (False, "llvmlite cannot be imported"))
    monkeypatch.setattr(diffsol_engine, "available", lambda: (False, "this build has no sensitivities"))
    engine = assembled(config).problem.engine
    assert type(engine).__name__ == "TorchEngine"
    assert any("this build has no sensitivities" in note for note in engine.notes)
    assert "bdf is not available here: this build has no sensitivities" in fault(config, "solver.method=bdf")
