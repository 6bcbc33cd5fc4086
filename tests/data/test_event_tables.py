"""Tables of events as NONMEM and nlmixr2 have them, in numbers of our own: doses, resets, steady states, constants."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.data.given import given_data
from odefit.errors import DataError, InputError
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare

K, V = 0.2, 10.0
ONE = {
    "model": {
        "equations": {"c": "-k*c"},
        "initial": {"c": 0},
        "observables": {"cp": "c/V"},
    },
    "parameters": {"k": K, "V": V},
}
"""A bolus into one compartment."""
ORAL = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - k*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"cp": "blood/V"},
    },
    "parameters": {"k": K, "V": V, "ka": 1.5},
}


def assembled(folder: Path, table: str, config: dict[str, Any] | None = None, **data: Any) -> Assembly:
    (folder / "d.csv").write_text(table)
    whole = {**(config or ONE), "data": {"csv": str(folder / "d.csv"), **data}}
    return prepare(load_config(whole))[0]


def predicted(assembly: Assembly) -> dict[str, list[float]]:
    """What the model predicts at the start, by experiment, for the first observable."""
    problem = assembly.problem
    levels = problem.observe_levels(problem.table.values, problem.solve_levels(problem.table.values))
    return {e.name: g[:, 0].tolist() for e, g in zip(problem.experiments, levels, strict=True)}


def faults(folder: Path, table: str, **data: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        assembled(folder, table, **data)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


# ---------------------------------------------------------------------------------------------- real tables


THEOPHYLLINE = """ID,TIME,DV,AMT,EVID,CMT,WT
1,0,.,320,1,1,79.6
1,0,0.5,0,0,2,79.6
1,2,8.2,0,0,2,79.6
1,9,4.9,0,0,2,79.6
2,0,.,350,1,1,65
2,0.5,4.1,0,0,2,65
2,12,4.8,0,0,2,65
"""


def test_theophylline_like(tmp_path: Path) -> None:
    """A dose, samples, a weight that the equations name: all of one file, with nothing but its name."""
    config = {**ORAL, "model": {**ORAL["model"], "observables": {"cp": "blood/(V*WT)"}}}
    assembly = assembled(tmp_path, THEOPHYLLINE, config)
    one, two = assembly.measured
    assert [e.name for e in (one, two)] == ["1", "2"]
    assert [(d.time, d.state, d.amount) for e in (one, two) for d in e.doses] == [(0, "gut", 320), (0, "gut", 350)]
    assert (one.constants, two.constants) == ({"WT": 79.6}, {"WT": 65.0})
    assert (one.times.tolist(), two.times.tolist()) == ([0, 2, 9], [0.5, 12])
    assert two.start == 0  # its dose comes first
    ka, t = 1.5, np.array([0.5, 12])
    right = 350 * ka / (V * 65 * (ka - K)) * (np.exp(-K * t) - np.exp(-ka * t))
    np.testing.assert_allclose(predicted(assembly)["2"], right, rtol=1e-4)
    (note,) = (note for note in assembly.notes if "table of events" in note)
    assert "2 subjects, 2 doses, compartments 1 = gut (data.compartments says otherwise), constants WT" in note
    assert not any("not used" in note or "NOT used" in note for note in assembly.notes)


WARFARIN = """id,time,amt,dv,dvid,evid,sex
1,0,100,.,0,1,male
1,24,.,9.2,1,0,male
1,36,.,8.5,1,0,male
1,36,.,44,2,0,male
2,0,120,.,0,1,female
2,24,.,11,1,0,female
2,48,.,40,2,0,female
"""


def test_warfarin_like(tmp_path: Path) -> None:
    """Two kinds of measurements, told apart by DVID, in lower case; a word that is constant in each subject."""
    model = {**ORAL["model"], "observables": {"cp": "blood/V", "pca": "100 - gut"}}
    config: dict[str, Any] = {
        "model": model,
        "parameters": {**ORAL["parameters"], "V": {"by": "sex", "value": 10.0}},
    }
    assembly = assembled(tmp_path, WARFARIN, config)
    one, two = assembly.measured
    np.testing.assert_array_equal(one.values, [[9.2, np.nan], [8.5, 44]])
    np.testing.assert_array_equal(two.values, [[11, np.nan], [np.nan, 40]])
    assert (one.labels, two.labels) == ({"sex": "male"}, {"sex": "female"})
    assert any("dvid 1 = cp, 2 = pca (data.columns says otherwise)" in note for note in assembly.notes)
    swapped = assembled(tmp_path, WARFARIN, config, columns={"cp": "2", "pca": "1"})
    np.testing.assert_array_equal(swapped.measured[0].values, [[np.nan, 9.2], [44, 8.5]])


PHENO = """ID,TIME,AMT,WGT,APGR,DV
1,0,25,1.4,7,.
1,2,.,1.4,7,17.3
1,12.5,3.5,1.4,7,.
1,24.5,3.5,1.4,7,.
1,112.5,.,1.4,7,31
2,0,15,1.5,9,.
2,63.5,.,1.5,9,24
"""


def test_pheno_like(tmp_path: Path) -> None:
    """No EVID: an amount makes a dose. Columns that nothing reads are named."""
    assembly = assembled(tmp_path, PHENO)
    one, two = assembly.measured
    assert [d.time for d in one.doses] == [0, 12.5, 24.5]
    assert (one.times.tolist(), two.times.tolist()) == ([2, 112.5], [63.5])
    doses = ((25, 0), (3.5, 12.5), (3.5, 24.5))
    right = [sum(a * math.exp(-K * (t - s)) for a, s in doses if s < t) / V for t in (2, 112.5)]
    np.testing.assert_allclose(predicted(assembly)["1"], right, rtol=1e-4, atol=1e-8)
    assert any("WGT, APGR are not used" in note for note in assembly.notes)


MOXONIDINE = """ID,TIME,AMT,ADDL,II,SS,EVID,DV,VIS
1,0,0.2,3,12,1,1,.,1
1,1,.,0,0,0,0,0.31,1
1,8,.,0,0,0,0,0.11,1
1,40,.,0,0,0,0,0.02,1
1,0,0.4,0,12,1,4,.,2
1,3,.,0,0,0,0,0.4,2
"""


def test_moxonidine_like(tmp_path: Path) -> None:
    """A steady state with doses going on, and a second visit whose clock begins anew."""
    config = {**ONE, "parameters": {"k": K, "V": {"by": "VIS", "value": V}}}
    assembly = assembled(tmp_path, MOXONIDINE, config)
    assert [e.name for e in assembly.measured] == ["1", "1/2"]
    assert [e.constants for e in assembly.measured] == [{"ID": 1.0, "VIS": 1.0}, {"ID": 1.0, "VIS": 2.0}]
    trough = math.exp(-K * 12) / (1 - math.exp(-K * 12))

    def right(amount: float, t: float, last: float) -> float:
        given = np.arange(0, min(t, last) + 1e-9, 12)
        return amount * (trough * math.exp(-K * t) + float(np.exp(-K * (t - given)).sum())) / V

    found = predicted(assembly)
    np.testing.assert_allclose(found["1"], [right(0.2, t, 36) for t in (1, 8, 40)], rtol=1e-4)
    np.testing.assert_allclose(found["1/2"], [right(0.4, 3, 0)], rtol=1e-4)


# ---------------------------------------------------------------------------------------------- doses


def test_infusions_by_rate_and_by_duration(tmp_path: Path) -> None:
    for column, cell in (("RATE", "20"), ("DUR", "5")):
        assembly = assembled(tmp_path, f"ID,TIME,DV,AMT,{column}\n1,0,.,100,{cell}\n1,3,1,.,.\n1,8,1,.,.\n")
        c5 = 20 / K * (1 - math.exp(-K * 5)) / V
        right = [20 / K * (1 - math.exp(-K * 3)) / V, c5 * math.exp(-K * 3)]
        np.testing.assert_allclose(predicted(assembly)["1"], right, rtol=1e-4)


def test_the_order_of_rows_says_what_comes_first_at_one_time(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT\n1,0,0,.\n1,0,.,100\n1,0,9,.\n1,4,1,.\n"
    assembly = assembled(tmp_path, table)
    np.testing.assert_allclose(predicted(assembly)["1"], [0, 10, 10 * math.exp(-K * 4)], rtol=1e-4, atol=1e-12)
    (one,) = assembly.measured
    assert one.values[:, 0].tolist() == [0, 9, 1]


def test_a_reset_starts_anew_and_ends_what_was_to_come(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,EVID,II,ADDL\n1,0,.,100,1,10,9\n1,5,3,.,0,.,.\n1,20,.,.,3,.,.\n1,25,0,.,0,.,.\n"
    table += "1,30,.,50,4,.,.\n1,35,2,.,0,.,.\n"
    assembly = assembled(tmp_path, table)
    found = predicted(assembly)
    assert list(found) == ["1", "1/2", "1/3"]
    np.testing.assert_allclose(found["1"], [100 * math.exp(-K * 5) / V], rtol=1e-4)
    np.testing.assert_allclose(found["1/2"], [0], atol=1e-12)
    np.testing.assert_allclose(found["1/3"], [50 * math.exp(-K * 5) / V], rtol=1e-4)
    assert assembly.measured[1].start == 20


def test_slow_elimination_takes_more_doses_to_its_steady_state(tmp_path: Path) -> None:
    config = {**ONE, "parameters": {"k": 0.004, "V": V}}
    assembly = assembled(tmp_path, "ID,TIME,DV,AMT,II,SS\n1,0,.,100,12,1\n1,0,120,.,.,.\n1,6,100,.,.,.\n", config)
    (one,) = assembly.measured
    assert len(one.doses) > 80
    right = [100 * math.exp(-0.004 * t) / (1 - math.exp(-0.004 * 12)) / V for t in (0, 6)]
    np.testing.assert_allclose(predicted(assembly)["1"], right, rtol=2e-4)


def test_compartments_by_number_and_by_name(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,CMT\n1,0,.,100,2\n1,4,1,.,2\n"
    assert [d.state for d in assembled(tmp_path, table, ORAL).measured[0].doses] == ["blood"]
    swapped = {"1": "blood", "2": "gut"}
    assert [d.state for d in assembled(tmp_path, table, ORAL, compartments=swapped).measured[0].doses] == ["gut"]
    named = table.replace(",100,2", ",100,blood").replace(",.,2", ",.,blood")
    assert [d.state for d in assembled(tmp_path, named, ORAL).measured[0].doses] == ["blood"]
    bare = "ID,TIME,DV,AMT\n1,0,.,100\n1,4,1,.\n"
    doses = {"doses": {"state": "blood", "lag": "0.5"}}
    assert [d.state for d in assembled(tmp_path, bare, ORAL, **doses).measured[0].doses] == ["blood"]


LIMITS = "ID,TIME,DV,AMT,CENS,{}\n1,0,.,100,0,.\n1,4,5,.,0,{}\n1,9,{},.,1,{}\n"


def test_an_interval_is_read_and_a_truncated_value_refused_with_the_key_that_leaves_it_alone(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, LIMITS.format("LIMIT", "0", "0.5", "."))
    assert "a truncated one" in told
    assert "`data.unused: [LIMIT]`" in told
    for cell, more, end in (("0", {}, 0), ("-inf", {}, None), (".", {}, None), ("0", {"unused": ["LIMIT"]}, None)):
        (one,) = assembled(tmp_path, LIMITS.format("LIMIT", ".", "0.5", cell), **more).measured
        assert one.values[:, 0].tolist() == [5, 0.5]
        assert one.censored is not None
        assert one.censored[:, 0].tolist() == [0, -1]
        assert end is None or (one.other_end is not None and one.other_end[1, 0] == end)


@pytest.mark.parametrize("cell", ["0", ".", "0.5"])
def test_a_column_of_limits_says_what_flagged_values_lie_below(tmp_path: Path, cell: str) -> None:
    (one,) = assembled(tmp_path, LIMITS.format("LLOQ", "0.5", cell, "0.5")).measured
    assert one.values[:, 0].tolist() == [5, 0.5]
    assert one.censored is not None
    assert one.censored[:, 0].tolist() == [0, -1]


def test_limits_that_contradict_their_column_are_refused(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, LIMITS.format("LLOQ", "0.5", "0.2", "0.5"))
    assert "is flagged as below 0.2, and LLOQ is 0.5; `data.limit` names the limit" in told
    (one,) = assembled(tmp_path, LIMITS.format("LLOQ", "0.5", "0.2", "0.5"), limit={"cp": 0.5}).measured
    assert one.values[:, 0].tolist() == [5, 0.5]
    (one,) = assembled(tmp_path, LIMITS.format("LLOQ", "0.5", "0.2", "0.5"), unused=["LLOQ"]).measured
    assert one.values[:, 0].tolist() == [5, 0.2]
    bare = "ID,TIME,DV,AMT,LLOQ\n1,0,.,100,.\n1,4,5,.,0.5\n1,9,0,.,0.5\n"
    (told,) = faults(tmp_path, bare)
    assert "0 is below LLOQ, 0.5, and no column flags it" in told
    (one,) = assembled(tmp_path, bare, limit={"cp": 0.5}).measured
    assert one.values[:, 0].tolist() == [5, 0.5]


def test_a_zero_that_is_flagged_names_no_limit(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,CENS\n1,0,.,100,0\n1,4,5,.,0\n1,9,0,.,1\n"
    (told,) = faults(tmp_path, table)
    assert "is flagged as below a limit, and 0 is none; `data.limit: {cp: 0.5}` names the limit" in told
    for limit in (0.5, 0.0):
        (one,) = assembled(tmp_path, table, limit={"cp": limit}).measured
        assert one.values[:, 0].tolist() == [5, limit]
        assert one.censored is not None
        assert one.censored[:, 0].tolist() == [0, -1]


def test_limits_by_cens_and_by_a_word(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,CENS\n1,0,.,100,0\n1,4,5,.,0\n1,9,0.5,.,1\n1,12,BLQ,.,0\n"
    (one,) = assembled(tmp_path, table, limit={"cp": 0.5}).measured
    assert one.censored is not None
    assert (one.values[:, 0].tolist(), one.censored[:, 0].tolist()) == ([5, 0.5, 0.5], [0, -1, -1])


def test_rows_without_a_measurement(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,EVID,MDV\n1,0,.,100,1,1\n1,2,7,0,0,0\n1,3,6,0,0,1\n1,4,5,0,2,1\n1,5,,0,0,0\n1,6,4,0,0,0\n"
    (one,) = assembled(tmp_path, table).measured
    np.testing.assert_array_equal(one.values[:, 0], [7, np.nan, 4])


def test_a_frame_and_other_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": [0, 4], "DV": [None, 3.0], "AMT": [100.0, None]})
    (one,) = prepare(load_config({**ONE, "data": {}}, given=given_data(frame)))[0].measured
    assert [d.amount for d in one.doses] == [100]
    table = "Subject,Hours,Conc,Dose\na,0,,100\na,4,3,\n"
    names = {"experiment": "Subject", "time": "hours", "value": "conc", "doses": {"columns": {"amount": "dose"}}}
    (one,) = assembled(tmp_path, table, format="nonmem", **names).measured
    assert (one.name, one.times.tolist(), [d.amount for d in one.doses]) == ("a", [4], [100])


def test_a_fit_and_its_run_folder(tmp_path: Path) -> None:
    rows = ["ID,TIME,DV,AMT,II,SS,EVID"]
    for subject, amount in ((1, 100), (2, 150)):
        rows += [f"{subject},0,.,{amount},8,1,1"]
        for n, t in enumerate((1, 3, 6, 8)):
            c = amount * math.exp(-0.3 * t) / (1 - math.exp(-0.3 * 8)) / 12
            rows.append(f"{subject},{t},{c * (1 + 0.01 * (-1) ** n):.4f},.,.,.,0")
    (tmp_path / "d.csv").write_text("\n".join(rows))
    run = odefit.fit({**ONE, "data": {"csv": str(tmp_path / "d.csv")}}, out=tmp_path / "run")
    assert run.result.status == "converged"
    assert run.result.estimates["k"].value == pytest.approx(0.3, rel=0.03)
    assert run.result.estimates["V"].value == pytest.approx(12, rel=0.05)
    again = odefit.load_run(tmp_path / "run")
    pd.testing.assert_frame_equal(again.predictions(intervals=False), run.predictions(intervals=False))


# ---------------------------------------------------------------------------------------------- refused


def test_a_steady_state_of_two_doses_in_turn(tmp_path: Path) -> None:
    """SS 1 in the morning and SS 2 in the evening: what is left of all of them, as two geometric series."""
    table = "ID,TIME,DV,AMT,II,SS\n1,0,.,100,24,1\n1,12,.,50,24,2\n1,13,3,.,.,.\n1,23,2,.,.,.\n"
    assembly = assembled(tmp_path, table)
    left = [(100 * math.exp(-K * t) + 50 * math.exp(-K * (t - 12))) / (1 - math.exp(-24 * K)) / V for t in (13, 23)]
    assert predicted(assembly)["1"] == pytest.approx(left, rel=1e-4)


@pytest.mark.parametrize(
    ("rate", "parameters", "duration"),
    [(-2, {"D1": 2.5}, 2.5), (-1, {"R1": 40}, 2.5), (-2, {"D1": 2.5, "k": 0.3}, 2.5)],
)
def test_a_rate_or_a_duration_that_is_estimated(
    tmp_path: Path, rate: int, parameters: dict[str, float], duration: float
) -> None:
    """RATE -1 and -2: R1 and D1 are parameters, also of doses that are repeated (ADDL)."""
    samples = "".join(f"1,{t},3,.,.,.,.\n" for t in (1, 4, 13, 20))
    table = f"ID,TIME,DV,AMT,RATE,II,ADDL\n1,0,.,100,{rate},12,1\n{samples}"
    config = {**ONE, "parameters": {**ONE["parameters"], **parameters}}
    assembly = assembled(tmp_path, table, config)
    (one,) = assembly.measured
    assert [(d.time, d.amount, d.jumps) for d in one.doses] == [(0, 100, False), (12, 100, False)]
    k = config["parameters"]["k"]

    def ramp(s: float) -> float:
        return (1 - math.exp(-k * s)) / k if s > 0 else 0.0

    wanted = [
        sum(100 / duration * (ramp(t - at) - ramp(t - at - duration)) for at in (0, 12)) / V for t in one.times.tolist()
    ]
    assert predicted(assembly)["1"] == pytest.approx(wanted, rel=1e-5)


def test_the_config_says_which_formula_a_duration_is(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT,RATE,WT\n1,0,.,100,-2,60\n1,1,3,.,.,60\n1,4,5,.,.,60\n"
    config = {**ONE, "parameters": {**ONE["parameters"], "d": 0.05}}
    assembly = assembled(tmp_path, table, config, doses={"duration": "d*WT"})
    assert [d.duration_formula for d in assembly.measured[0].doses] == ["d*WT"]
    assert predicted(assembly)["1"][0] == pytest.approx(100 / 3 / V * (1 - math.exp(-K)) / K, rel=1e-6)


HEAD = "ID,TIME,DV,AMT,RATE,II,ADDL,SS,EVID,CMT\n"
GOOD = "1,5,3,.,.,.,.,.,0,1\n"


@pytest.mark.parametrize(
    "row, expected",
    [
        ("1,0,.,100,.,.,.,.,101,1", "column EVID: EVID 101 is RxODE's code of a dose; write EVID 1 and CMT 1"),
        (
            "1,0,.,100,.,.,.,.,10201,1",
            "column EVID: EVID 10201 is RxODE's code of a dose; write EVID 1 and CMT 2 and a",
        ),
        ("1,0,.,100,.,.,.,.,5,1", "column EVID: EVID 5 replaces an amount (rxode2), which cannot be read"),
        ("1,0,.,100,.,.,.,.,9,1", "column EVID: EVID 9 is none of 0 (measured), 1 (dose)"),
        ("1,0,.,0,.,.,.,.,1,1", "column AMT: a dose without an amount"),
        ("1,0,.,50,.,.,.,.,0,1", "column AMT: an amount in a row that is no dose (EVID 0); write EVID 1"),
        ("1,0,.,100,-1,.,.,.,1,1", "d.csv:2: RATE -1: declare the rate R1 under `parameters`, or"),
        ("1,0,.,100,-2,.,.,.,1,1", "d.csv:2: RATE -2: declare the duration D1 under `parameters`, or"),
        ("1,0,.,100,-3,.,.,.,1,1", "column RATE: the rate is -3; it must not be negative"),
        ("1,0,.,100,.,.,3,.,1,1", "column II: more doses (ADDL) need II"),
        ("1,0,.,100,.,12,1.5,.,1,1", "column ADDL: ADDL is 1.5; write a whole number"),
        ("1,0,.,100,.,.,.,1,1,1", "column II: a steady state (SS) needs II"),
        ("1,0,.,100,.,12,.,3,1,1", "column SS: SS 3 cannot be read"),
        ("1,0,3,.,.,.,.,.,0,1\n1,1,.,100,.,12,.,2,1,1", "SS 2 adds doses that came before, also before measurements"),
        ("1,0,.,100,.,.,.,.,1,-1", "column CMT: CMT -1 turns a compartment off"),
        ("1,0,.,100,.,.,.,.,1,3", "compartment 3 is no state; there is: c (`data.compartments: {3: STATE}` names it)"),
        ("1,9,2,.,.,.,.,.,0,1", "time 5 after 9 (line 2) of ID 1; a new occasion begins with EVID 3 or 4"),
        ("1,x,.,100,.,.,.,.,1,1", "column TIME: 'x' is not a number"),
        (",0,.,100,.,.,.,.,1,1", "column ID: the cell is empty"),
    ],
)
def test_what_is_refused(tmp_path: Path, row: str, expected: str) -> None:
    told = faults(tmp_path, f"{HEAD}{row}\n{GOOD}")
    assert len(told) == 1, told
    assert told[0].startswith("d.csv:")
    assert expected in told[0]


def test_a_constant_that_changes(tmp_path: Path) -> None:
    config = {**ONE, "model": {**ONE["model"], "equations": {"c": "-k*c*WT"}}}
    with pytest.raises(DataError, match=r"d.csv:4, column WT: changes within 1: 70 in line 2, 71 here;.*`data.inputs`"):
        assembled(tmp_path, "ID,TIME,DV,AMT,WT\n1,0,.,100,70\n1,2,7,.,70\n1,3,6,.,71\n", config)


def test_which_measurement_is_which(tmp_path: Path) -> None:
    config = {**ORAL, "model": {**ORAL["model"], "observables": {"cp": "blood/V", "g": "gut"}}}
    table = "ID,TIME,DV,AMT,DVID\n1,0,.,100,.\n1,2,7,.,plasma\n1,3,6,.,urine\n"
    with pytest.raises(
        DataError, match=r"its column DVID says plasma, urine; say which is which, `data.columns: {cp: pl"
    ):
        assembled(tmp_path, table, config)
    (one,) = assembled(tmp_path, table, config, columns={"cp": "plasma", "g": "urine"}).measured
    np.testing.assert_array_equal(one.values, [[7, np.nan], [np.nan, 6]])


def test_a_table_that_may_be_either(tmp_path: Path) -> None:
    table = "ID,TIME,DV,AMT\n1,0,5,.\n1,2,7,.\n"
    doses = {"doses": [{"time": 0, "amount": 5, "state": "c"}]}
    with pytest.raises(DataError, match=r"columns of a table of events.*write `data.format: table`"):
        assembled(tmp_path, table, **doses)
    (one,) = assembled(tmp_path, table, format="table", value="DV", experiment="ID", unused=["AMT"], **doses).measured
    assert [d.amount for d in one.doses] == [5]


def test_a_table_that_is_said_to_be_one_of_events_and_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d.csv:1: is no table of events: it lacks ID, DV, AMT"):
        assembled(tmp_path, "time,cp\n0,1\n", format="nonmem")
