"""`odefit init`: what a file holds, a model for it, and a config that fits at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import odefit
from commands import run
from odefit.model import catalogue
from odefit.model.formulas import parse_formula
from odefit.proposing.dimensions import exponents
from odefit.proposing.look import look_at
from odefit.proposing.proposal import propose
from odefit.proposing.shapes import suggestions
from odefit.proposing.writing import config_text

DATA = Path(__file__).parents[2] / "data"
EVENTS = """\
ID,TIME,DV,AMT,EVID,CMT,WT
1,0,.,320,1,1,79.6
1,0.5,4.4,0,0,2,79.6
1,2,8.2,0,0,2,79.6
1,9,4.9,0,0,2,79.6
2,0,.,350,1,1,65
2,0.5,5.3,0,0,2,65
2,7,7.2,0,0,2,65
2,24,1.9,0,0,2,65
"""
PLATE_READER = """\
hours;strain;OD600;OD600_sd;temp
0;wt;0,02;0,005;37
2;wt;0,13;0,01;37
4;wt;0,55;0,02;37
8;wt;1,3;0,05;37
0;mut;0,02;0,005;37
2;mut;0,06;0,01;37
4;mut;0,2;0,02;37
8;mut;0,9;0,05;37
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config_of(name: str = "mine") -> dict:
    return yaml.safe_load(Path(f"{name}.yaml").read_text())


def test_pelts_are_fitted_without_a_word_of_ours() -> None:
    """The published optimum, from a file alone."""
    Path("pelts.csv").write_bytes((DATA / "lynx_hare.csv").read_bytes())
    said, _ = run("init", "pelts.csv")
    assert "pelts.csv has a column for each quantity: 21 rows, 1 experiment, year = 1900 to 1920" in said
    assert "model: lotka_volterra (or rosenzweig_macarthur, brusselator: --model)" in said
    assert said.splitlines()[-1] == "next: odefit fit pelts.yaml"
    result = odefit.fit("pelts.yaml").result
    assert result.objective.nll == pytest.approx(122.92595, abs=1e-3)
    assert result.estimates["alpha"].value == pytest.approx(0.5400139512, rel=1e-3)


def test_a_table_of_events_gets_a_compartment_model() -> None:
    Path("mine.csv").write_text(EVENTS)
    said, _ = run("init", "mine.csv")
    assert "a table of events: 8 rows, 2 experiments (column ID), TIME = 0.5 to 24, doses up to 350" in said
    config = config_of()
    assert config["model"]["initial"] == {"gut": 0, "central": 0}
    assert config["model"]["observables"] == {"conc": "central/V"}
    assert 5 < config["parameters"]["V"]["value"] < 200  # from the doses and the concentrations


def test_columns_are_taken_for_what_they_are() -> None:
    Path("mine.csv").write_text(PLATE_READER)
    run("init", "mine.csv")
    config = config_of()
    assert config["data"] == {
        "csv": "mine.csv",
        "time": "hours",
        "experiment": "strain",
        "sigma": {"OD600": "OD600_sd"},
        "unused": ["temp"],
    }
    assert config["noise"] == {"OD600": {"sigma": "column"}}
    assert config["parameters"]["K"]["bounds"][0] < 1.3 < config["parameters"]["K"]["bounds"][1]


def test_a_long_file() -> None:
    rows = "".join(f"{t},{s},{v:g}\n" for t in range(6) for s, v in (("a", 5 * 0.6**t), ("b", 5 - 5 * 0.6**t)))
    Path("mine.csv").write_text("day,species,measurement\n" + rows)
    said, _ = run("init", "mine.csv")
    assert "a row for each measurement: 12 rows, 1 experiment, day = 0 to 5; measured: a (6), b (6)" in said
    assert config_of()["data"] == {
        "csv": "mine.csv",
        "time": "day",
        "observable": "species",
        "value": "measurement",
    }
    assert odefit.fit("mine.yaml", ["fit.starts=4"]).result.status == "converged"


def test_what_cannot_be_known_is_asked_for() -> None:
    Path("mine.csv").write_text("a,b\n3,1\n2,2\n5,1\n")
    _, wrong = run("init", "mine.csv", code=2)
    assert "cannot see which column holds the times: none is called so, and no column of numbers rises" in wrong
    assert "say `--time COLUMN`: a, b" in wrong
    assert not Path("mine.yaml").exists()
    run("init", "mine.csv", "--time", "a", "--model", "exponential_decay")
    assert config_of()["data"]["time"] == "a"
    _, wrong = run("init", "mine.csv", "--time", "c", "--overwrite", code=2)
    assert "mine.csv: has no column 'c'; its columns are a, b" in wrong


def test_nothing_is_overwritten_unless_asked() -> None:
    Path("mine.csv").write_text(PLATE_READER)
    Path("mine.yaml").write_text("mine")
    _, wrong = run("init", "mine.csv", code=2)
    assert "mine.yaml: exists already; choose another --out, or say --overwrite" in wrong
    assert Path("mine.yaml").read_text() == "mine"


def test_a_model_that_is_none_and_one_with_a_network() -> None:
    Path("mine.csv").write_text(PLATE_READER)
    _, wrong = run("init", "mine.csv", "--model", "logistik", code=2)
    assert "unknown model 'logistik'" in wrong
    _, wrong = run("init", "mine.csv", "--model", "mlp", code=2)
    assert "mlp: is a network, which `odefit init` does not set up" in wrong


def test_a_model_in_sbml() -> None:
    pytest.importorskip("libsbml")
    Path("decay.xml").write_text(
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="decay">'
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments><listOfSpecies>'
        '<species id="A" compartment="c" initialConcentration="10" hasOnlySubstanceUnits="false" '
        'boundaryCondition="false" constant="false"/></listOfSpecies><listOfParameters><parameter id="k" value="0.3" '
        'constant="true"/></listOfParameters><listOfReactions><reaction id="r" reversible="false" fast="false">'
        '<listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>'
        '<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>A</ci></apply>'
        "</math></kineticLaw></reaction></listOfReactions></model></sbml>"
    )
    Path("mine.csv").write_text("time,A,B\n1,6.1,1\n2,3.7,1\n3,2.2,2\n4,1.4,2\n")
    run("init", "mine.csv", "--sbml", "decay.xml")
    config = config_of()
    assert config["model"] == {"equations": {"A": "-k*A"}, "initial": {"A": 10}, "observables": {"A": "A"}}
    assert config["parameters"]["k"] == {"value": 0.3, "bounds": [0.003, 30], "scale": "log"}
    assert config["data"] == {"csv": "mine.csv", "unused": ["B"]}
    assert odefit.fit("mine.yaml").result.estimates["k"].value == pytest.approx(0.5, abs=0.02)
    Path("decay.xml").write_text(Path("decay.xml").read_text().replace('size="1"', 'size="2"'))
    run("init", "mine.csv", "--sbml", "decay.xml", "--overwrite")
    parameters = config_of()["parameters"]
    assert parameters["c"] == {"value": 2, "estimate": False}  # a volume is known
    assert "bounds" in parameters["k"]
    Path("mine.csv").write_text("time,C\n1,6.1\n2,3.7\n")
    _, wrong = run("init", "mine.csv", "--sbml", "decay.xml", "--overwrite", code=2)
    assert "mine.csv: measures C, and the model has A" in wrong


@pytest.mark.parametrize("name", [n for n in catalogue.names() if not catalogue.entry(n).family])
def test_every_built_in_system_can_be_proposed(name: str) -> None:
    """In other units of time and size, what is proposed can be solved where the search begins.

    Rössler's equations are in units of their own, and run away from a start as large as these data.
    """
    entry = catalogue.entry(name)
    times = np.linspace(entry.time_span[0], entry.time_span[1], 8) * 24
    names = list(entry.measured or entry.equations)
    cells = np.column_stack([times, *(2000 + 100 * np.sin(times + k) for k in range(len(names)))])
    rows = "".join(",".join(f"{cell:g}" for cell in row) + "\n" for row in cells)
    Path("mine.csv").write_text(f"time,{','.join(names)}\n{rows}")
    look = look_at(Path("mine.csv"))
    assert suggestions(look)
    Path("mine.yaml").write_text(config_text(look, propose(look, name), Path("mine.yaml"), ()))
    problem = odefit.load("mine.yaml")
    scaled = {unknown.name for unknown in propose(look, name).unknowns}
    assert set(entry.parameters) <= scaled
    assert np.isfinite(problem.nll(problem.x0)) == (name != "rossler")


def test_parameters_grow_with_the_units() -> None:
    entry = catalogue.entry("one_compartment_oral")
    known = {*entry.equations, *entry.parameters}
    slopes = {state: parse_formula(text, known) for state, text in entry.equations.items()}
    powers = exponents(slopes, {"conc": parse_formula("central/V", known)}, entry.parameters)
    table = {unit: dict(zip(entry.parameters, power.tolist(), strict=True)) for unit, power in powers.items()}
    assert table[("t",)] == {"ka": -1, "CL": -1, "V": 0}
    assert table[("conc",)] == {"ka": 0, "CL": -1, "V": -1}
    assert table[("gut", "central")] == {"ka": 0, "CL": 1, "V": 1}


def test_units_that_the_equations_fix_are_no_units() -> None:
    entry = catalogue.entry("lorenz")
    known = {*entry.equations, *entry.parameters}
    slopes = {state: parse_formula(text, known) for state, text in entry.equations.items()}
    assert exponents(slopes, {}, entry.parameters) == {}


def test_files_as_instruments_write_them() -> None:
    """As `fit` reads them: Latin-1, lines above the header, units below it; remarks on some rows; constant errors."""
    rows = ["0,0;10,4;0,2;0,1;", "0,5;8,7;0,2;1,2;trüb", "1,0;7,5;0,2;2,4;", "3,0;4,1;0,2;5,8;", "8,0;0,9;0,2;9,1;"]
    table = ["Gerät 7;;;;", "Zeit [h];A (mg/l);SD A;B (mg/l);Bemerkung", *rows]
    Path("mine.csv").write_bytes("\n".join(table).encode("cp1252"))
    said, _ = run("init", "mine.csv")
    assert "5 rows, 1 experiment, Zeit [h] = 0 to 8; measured: A (mg/l) (5), B (mg/l) (5)" in said
    assert config_of()["data"]["sigma"] == {"A_mg_l": "SD A"}
    assert config_of()["data"]["unused"] == ["Bemerkung"]


def test_dates_are_times() -> None:
    Path("mine.csv").write_text("date,cases\n2021-03-01,5\n2021-03-02,8\n2021-03-03,13\n2021-03-05,28\n")
    said, _ = run("init", "mine.csv")
    assert "date = 0 to 4; measured: cases (4)" in said
    assert config_of()["data"]["time"] == "date"


def test_what_no_measurement_tells_is_given() -> None:
    """A concentration alone does not tell the dose; a temperature is set by whoever makes the experiment."""
    times = np.array([0.25, 0.5, 1, 2, 4, 6, 8, 12, 24])
    conc = 20 * (np.exp(-0.1 * times) - np.exp(-1.2 * times))
    rows = "".join(f"{t},{c:.4g}\n" for t, c in zip(times, conc, strict=True))
    Path("mine.csv").write_text("time,conc\n" + rows)
    run("init", "mine.csv", "--set", "data.time=time")
    assert config_of()["model"]["initial"] == {"gut": 320, "central": 0}
    result = odefit.fit("mine.yaml", ["fit.starts=4"]).result
    assert result.status == "converged"
    assert result.estimates["ka"].value == pytest.approx(1.2, rel=0.01)
    run("init", "mine.csv", "--model", "arrhenius", "--overwrite")
    parameters = config_of()["parameters"]
    assert parameters["T_ref"] == {"value": 298.15, "estimate": False}
    assert parameters["Ea"]["bounds"][0] > 0


def test_a_row_of_units_is_no_row_of_data_whatever_the_time_is_called() -> None:
    """Some cells are numbers without their comma, and the time is called so in German."""
    rows = "".join(
        f"{t};{str(x).replace('.', ',')}\r\n" for t, x in zip(range(6), (9.5, 7, 5.5, 4, 3.1, 2.2), strict=True)
    )
    Path("mine.csv").write_bytes(f"Zeit;cA\r\nmin;mol/L\r\n{rows}".encode())
    said, _ = run("init", "mine.csv")
    assert "mine.csv has a column for each quantity: 6 rows, 1 experiment, Zeit = 0 to 5; measured: cA (6)." in said
    assert "empty cell" not in said
    assert "missing" not in config_of()["data"]


def test_of_several_files_is_said_how_a_config_reads_them_all() -> None:
    for name in ("run1", "run2"):
        Path(f"{name}.csv").write_text("time,x\n0,9\n1,7\n2,5\n")
    _, wrong = run("init", "run1.csv", "run2.csv", code=2)
    assert wrong == (
        "error: run1.csv: is looked at alone, and 1 file more named; propose a config from one of them, then write all "
        'into it: `data: {csv: "FOLDER/*.csv"}`, an experiment each\n'
    )
    assert not Path("run1.yaml").exists()
