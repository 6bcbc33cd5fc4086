"""`data.only`: a choice of experiments, with tables that are about all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from odefit.api import fit, load_run
from odefit.config.load import load_config
from odefit.data.starts import Anchor
from odefit.data.tables import read_table
from odefit.errors import InputError
from odefit.problem.conditions import under_conditions
from odefit.problem.systems import describe_system

CONFIG = """\
model: {equations: {x: -k*x}, initial: {x: 1}}
parameters: {k: 0.5, tlag: 0.1}
data:
  csv: d.csv
  only: [B]
  doses: {csv: doses.csv, state: x, lag: tlag}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "d.csv").write_text("experiment,time,x\nA,0,1\nA,1,.6\nA,2,.4\nB,0,1\nB,1,.5\nB,2,.3\n")
    (tmp_path / "doses.csv").write_text("experiment,time,amount\nA,0.5,1\n")
    return tmp_path


def test_a_run_without_a_dose_is_read_back_with_the_parameters_of_doses(folder: Path) -> None:
    run = fit(folder / "c.yaml", out=folder / "run")
    again = load_run(run.path)
    assert again.theta == pytest.approx(run.theta, nan_ok=True)
    assert "tlag" in again.assembly.problem.table.names
    assert again.measured[0].doses == ()


def test_a_table_without_rows_is_still_a_fault_of_a_user(folder: Path) -> None:
    (folder / "doses.csv").write_text("experiment,time,amount\n")
    with pytest.raises(InputError, match="has a header but no data"):
        fit(folder / "c.yaml", out=folder / "run")


def test_a_row_for_an_experiment_that_the_data_do_not_have_is_told(folder: Path) -> None:
    (folder / "doses.csv").write_text("experiment,time,amount\nA,0.5,1\nBb,0.5,1\n")
    loaded = load_config(folder / "c.yaml")
    left_out: set[str] = set()
    experiments = read_table(folder / "d.csv", observables=["x"], only=["B"], left_out=left_out)
    assert left_out == {"A"}
    with pytest.raises(
        InputError, match=r"doses\.csv:3: 'Bb' is no experiment of the data; did you mean 'B'\?"
    ) as told:
        under_conditions(loaded, experiments, ["x"], None, Anchor.OWN, [], left_out)
    assert len(told.value.faults) == 1
    (folder / "doses.csv").write_text("experiment,time,amount\nA,0.5,1\nB,0.5,2\n")
    (found,) = under_conditions(loaded, experiments, ["x"], None, Anchor.OWN, [], left_out)
    assert [dose.amount for dose in found.doses] == [2.0]


@pytest.mark.parametrize("listed", [True, False])
def test_the_place_of_a_dose_in_the_config_is_its_own_line(listed: bool, folder: Path) -> None:
    rows = "    - {time: 0.5, state: x, amount: 1}\n    - {time: 0.5, state: z, amount: 1}\n"
    text = CONFIG.partition("  only")[0] + "  doses:\n" + (rows if listed else "    table:\n" + rows)
    (folder / "c.yaml").write_text(text.replace(", tlag: 0.1", ""))
    with pytest.raises(InputError, match=rf"c\.yaml:{7 if listed else 8} .*'z' is no state"):
        fit(folder / "c.yaml", out=folder / "run")


def test_the_table_of_experiments_is_not_read_again_where_its_constants_are_known(folder: Path) -> None:
    text = CONFIG.replace("-k*x", "-k*dose*x").replace("  only: [B]", "  experiments: e.csv")
    (folder / "c.yaml").write_text(text)
    (folder / "e.csv").write_text("experiment,dose\nA,1\nB,2\n")
    loaded = load_config(folder / "c.yaml")
    described = describe_system(loaded)
    assert described.constants == {"dose": ()}
    (folder / "e.csv").unlink()
    again = describe_system(loaded, described.constants)
    assert again.system == described.system
    with pytest.raises(InputError, match=r"e\.csv does not exist"):
        describe_system(loaded)


def test_a_prior_on_a_parameter_that_is_not_estimated_is_told(folder: Path) -> None:
    text = CONFIG.replace("k: 0.5", "k: {value: 0.5, estimate: false, prior: {lognormal: [0.5, 1]}}")
    (folder / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=r"c\.yaml:2 .*parameters\.k: prior: means nothing to a parameter that is not"):
        fit(folder / "c.yaml", out=folder / "run")
