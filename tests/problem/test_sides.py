"""Measurements at the time of a dose, an event or a step: which side of it they are compared with, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import odefit
from odefit.config.load import load_config
from odefit.data.experiments import Experiment
from odefit.errors import InputError
from odefit.problem.preparation import prepare

TROUGHS = {"time": [0, 1, 6, 12, 24, 36, 37, 42, 48]}
TROUGHS["conc"] = [0, 4.479, 2.108, 0.814, 0.955, 0.970, 5.240, 2.429, 1.012]
BOLUS: dict[str, Any] = {
    "model": {"equations": {"A": "-ke*A"}, "initial": {"A": 0}, "observables": {"conc": "A/V"}},
    "parameters": {
        "ke": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"},
        "V": {"value": 15, "bounds": [1, 100], "scale": "log"},
    },
    "data": {"doses": [{"time": 0, "state": "A", "amount": 100, "every": 12, "count": 4}]},
}
DILUTED = {
    "time": [0, 8, 16, 24, 24, 32, 40, 48, 48, 56, 64],
    "x": [0.0501, 0.2334, 1.0407, 4.7622, 0.04876, 0.22302, 1.013, 4.3157, 0.04465, 0.20632, 0.98364],
}
GROWTH: dict[str, Any] = {
    "model": {"equations": {"x": "r*x"}, "events": [{"time": [24, 48], "set": {"x": "x/100"}}]},
    "parameters": {"r": {"value": 0.15, "bounds": [0.001, 5], "scale": "log"}, "x_0": 0.04},
    "noise": "lognormal",
}


def with_keys(config: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {**config, "data": {**config.get("data", {}), **data}}


def prepared(config: dict[str, Any], data: Any) -> tuple[tuple[Experiment, ...], list[str]]:
    """The experiments as they are fitted, and the notes on jumps."""
    from odefit.data.given import given_data

    given = given_data(data)
    assembly, _ = prepare(load_config(config, given=given))
    return assembly.measured, [note for note in assembly.notes if "at_jump" in note]


def sides(config: dict[str, Any], data: Any) -> list[list[int]]:
    return [e.sides.tolist() for e in prepared(config, data)[0]]


# -- right values, computed independently with SciPy from such data


@pytest.mark.parametrize("method", ["auto", "bdf", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_samples_at_the_time_of_the_next_dose_are_troughs(method: str) -> None:
    run = odefit.fit(BOLUS, [f"solver.method={method}"], data=pd.DataFrame(TROUGHS))
    assert run.result.status == "converged"
    # Troughs by hand: A just before dose n is 100 (q + ... + q^n), q = exp(-12 ke).
    t, c = np.array(TROUGHS["time"], dtype=float), np.array(TROUGHS["conc"])

    def conc(ke: float, V: float) -> Any:
        return sum(np.where(t > dose, 100 / V * np.exp(-ke * (t - dose)), 0.0) for dose in (0, 12, 24, 36))

    from scipy.optimize import least_squares

    best = least_squares(lambda q: conc(*q) - c, [0.2, 15], xtol=1e-14, ftol=1e-14)
    values = [run.result.estimates[name].value for name in ("ke", "V")]
    assert values == pytest.approx(best.x, rel=1e-4)
    assert run.result.objective.rss == pytest.approx(2 * best.cost, rel=1e-5)
    predicted = run.predictions()["predicted"].to_numpy()
    np.testing.assert_allclose(predicted, conc(*values), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["auto", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_two_rows_at_a_dilution_are_before_and_after(method: str) -> None:
    run = odefit.fit(GROWTH, [f"solver.method={method}"], data=pd.DataFrame(DILUTED))
    # The logarithms are on a straight line, each dilution taking ln 100 off it.
    t, x = np.array(DILUTED["time"], dtype=float), np.log(DILUTED["x"])
    diluted = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    slope, intercept = np.polyfit(t, x + diluted * np.log(100), 1)
    assert run.result.estimates["r"].value == pytest.approx(slope, rel=1e-4)
    assert run.result.estimates["x_0"].value == pytest.approx(np.exp(intercept), rel=1e-4)
    assert [e.name for e in run.measured] == ["1"]
    frame = run.predictions([24, 24, 30])
    before, after, _ = frame["predicted"]
    assert before == pytest.approx(100 * after)


# -- who says it


def test_before_a_dose_after_an_event_unless_something_says_otherwise() -> None:
    frame = pd.DataFrame(TROUGHS)
    at_doses = [-1, 0, 0, -1, -1, -1, 0, 0, 0]
    assert sides(BOLUS, frame) == [at_doses]
    assert sides(with_keys(BOLUS, at_jumps="before"), frame) == [at_doses]
    assert sides(with_keys(BOLUS, at_jumps="after"), frame) == [[-s for s in at_doses]]
    assert sides(with_keys(BOLUS, at_jumps={"conc": "after"}), frame) == [[-s for s in at_doses]]
    assert sides({**BOLUS, "version": 1}, frame) == [[-s for s in at_doses]]
    for unit in (1e-14, 1e14):
        frame = pd.DataFrame({**TROUGHS, "conc": np.array(TROUGHS["conc"]) * unit})
        doses = [{**BOLUS["data"]["doses"][0], "amount": 100 * unit}]
        assert sides(with_keys(BOLUS, doses=doses), frame) == [at_doses]
    once = pd.DataFrame({"time": [0, 8, 24, 40], "x": [0.05, 0.23, 0.048, 1]})
    assert sides(GROWTH, once) == [[0, 0, 1, 0]]
    assert sides(with_keys(GROWTH, at_jumps="before"), once) == [[0, 0, -1, 0]]


def test_the_notes_name_the_count_the_side_and_the_key() -> None:
    _, (note,) = prepared(BOLUS, pd.DataFrame(TROUGHS))
    assert note == (
        "4 values of conc stand at the time of a dose (t = 0, 12, 24, 36) and are compared with what is there just "
        "before it: `data.at_jumps: after` says otherwise for all, a column `at_jump` row by row"
    )
    _, (note,) = prepared(GROWTH, pd.DataFrame(DILUTED))
    assert note.startswith("x has two values at the time of an event (t = 24, 48) and one at every other time: ")
    assert "in the order of the file" in note
    _, (note,) = prepared(with_keys(BOLUS, at_jumps="after"), pd.DataFrame(TROUGHS))
    assert note.endswith("just after it: as `data.at_jumps` says")
    one = pd.DataFrame({"time": [0, 8, 24, 40], "x": [0.05, 0.23, 0.048, 1]})
    assert "1 value of x stands at the time of an event (t = 24) and is compared" in prepared(GROWTH, one)[1][0]
    assert note.split(" (")[0] in odefit.check(with_keys(BOLUS, at_jumps="after"), data=pd.DataFrame(TROUGHS))


@pytest.mark.parametrize("long", [False, True], ids=["wide", "long"])
def test_a_column_says_it_row_by_row(tmp_path: Path, long: bool) -> None:
    frame = pd.DataFrame(TROUGHS).assign(at_jump=["after", *[None] * 2, "Before", "after", *[""] * 4])
    if long:
        frame = frame.rename(columns={"conc": "value"}).assign(observable="conc")
    frame.to_csv(tmp_path / "d.csv", index=False)
    config = with_keys(BOLUS, csv="d.csv")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assembly, _ = prepare(load_config(tmp_path / "c.yaml"))
    assert assembly.measured[0].sides.tolist() == [1, 0, 0, -1, 1, -1, 0, 0, 0]
    assert sum("as the column `at_jump` says" in note for note in assembly.notes) == 2
    assert sides(BOLUS, frame) == [[1, 0, 0, -1, 1, -1, 0, 0, 0]]
    (tmp_path / "d.csv").write_text(frame.to_csv(index=False).replace("Before", "between"))
    with pytest.raises(InputError, match=r"d.csv:5, column at_jump: 'between' is neither before nor after"):
        prepare(load_config(tmp_path / "c.yaml"))


def test_a_mark_where_nothing_jumps_is_told() -> None:
    frame = pd.DataFrame({"time": [1, 12.02, 13], "conc": [4.4, 0.8, 5.0], "at_jump": ["", "before", ""]})
    notes = prepare_notes(BOLUS, frame)
    assert (
        "1 row is marked as before or after at a time when nothing jumps (t = 12.02): the mark changes nothing there"
        in notes
    )
    assert not any("marked" in note for note in prepare_notes(BOLUS, frame.assign(time=[1, 12, 13])))


def test_a_row_beside_one_that_says_its_side_is_on_the_other() -> None:
    both = pd.DataFrame({"time": [0, 1, 12, 12], "conc": [0, 4.4, 0.8, 6.0], "at_jump": ["", "", "", "after"]})
    assert sides(BOLUS, both) == [[-1, 0, -1, 1]]
    assert sides(BOLUS, both.assign(at_jump=["", "", "before", ""])) == [[-1, 0, -1, 1]]
    thrice = pd.DataFrame({"time": [0, 12, 12, 12], "conc": [0, 0.8, 6.0, 1], "at_jump": ["", "before", "after", ""]})
    with pytest.raises(InputError, match=r"conc has two values on the same side of t = 12"):
        prepared(BOLUS, thrice)


def test_experiments_by_hand_say_it_too() -> None:
    one = Experiment("a", [0, 1, 12, 12], {"conc": [0, 4.4, 0.8, 6.0]}, side=[0, 0, -1, 1])
    assert sides(BOLUS, [one]) == [[-1, 0, -1, 1]]
    with pytest.raises(InputError, match=r"times: 12\.0 comes after 12\.0"):
        odefit.check(BOLUS, data=[Experiment("a", [0, 1, 12, 12], {"conc": [0, 4.4, 0.8, 6.0]})])
    with pytest.raises(InputError, match=r"side: must be -1 \(just before\), 1 \(just after\) or 0"):
        odefit.check(BOLUS, data=[Experiment("a", [0, 1], {"conc": [0, 4.4]}, side=[0, 3])])


# -- what is not clear


def replicated(times: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"time": np.repeat(times, 2), "x": np.exp(-np.arange(2.0 * len(times)))})


def test_replicates_everywhere_are_refused_with_the_key_that_decides() -> None:
    for times in ([0.0, 8, 24, 32], [24.0, 48]):  # in the second nothing shows what is usual
        with pytest.raises(InputError) as caught:
            prepared(GROWTH, replicated(times))
        (fault,) = caught.value.faults
        assert "x has 2 values at t = 24 in experiment 1, where it jumps" in fault.what
        assert "`data.at_jumps` says it for all (before or after), a column `at_jump` row by row" in fault.what
        assert len(sides(with_keys(GROWTH, at_jumps="after"), replicated(times))) == 2
        assert len(sides({**GROWTH, "version": 1}, replicated(times))) == 2
    (first, second) = sides(with_keys(GROWTH, at_jumps={"x": "before"}), replicated([0, 8, 24, 32]))
    assert first == second == [0, 0, -1, 0]


def test_replicates_of_their_own_name_are_replicates() -> None:
    frame = pd.DataFrame(
        {"experiment": ["A"] * 4 + ["A#2"] * 2, "time": [0, 8, 24, 32, 0, 24], "x": [1, 2, 3, 4, 1.1, 3.2]}
    )
    assert sides(GROWTH, frame) == [[0, 0, 1, 0], [0, 1]]


def test_replicates_where_nothing_jumps_stay_what_they_were() -> None:
    frame = pd.DataFrame({"time": [0, 8, 8, 24, 32], "x": [1, 2, 2.1, 0.1, 0.2]})
    measured, notes = prepared(GROWTH, frame)
    assert [e.name for e in measured] == ["1", "1#2"]
    assert len(notes) == 1
    assert any("read as 2 replicates" in note for note in prepare_notes(GROWTH, frame))
    assert not any("replicates" in note for note in prepare_notes(GROWTH, pd.DataFrame(DILUTED)))


def prepare_notes(config: dict[str, Any], data: Any) -> tuple[str, ...]:
    from odefit.data.given import given_data

    return prepare(load_config(config, given=given_data(data)))[0].notes


def test_an_unknown_observable_in_the_key_is_a_fault() -> None:
    with pytest.raises(InputError, match=r"data.at_jumps.cnoc: 'cnoc' is no observable; did you mean 'conc'"):
        prepared(with_keys(BOLUS, at_jumps={"cnoc": "after"}), pd.DataFrame(TROUGHS))


# -- what jumps


ORAL: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"conc": "blood/V", "all": "gut + blood", "gut": "gut"},
        "events": [{"time": "t_move", "set": {"blood": "blood + on*gut", "gut": "gut - on*gut"}}],
    },
    "parameters": {"ka": 1, "ke": 0.1, "V": 10, "t_move": {"value": 6, "estimate": False}},
    "data": {
        "doses": [{"time": 0, "state": "gut", "amount": 100, "every": 12, "count": 2}],
        "experiments": {"A": {"on": 1}, "B": {"on": 0}},
    },
}


def test_only_what_is_measured_and_jumps_counts() -> None:
    frame = pd.DataFrame({"experiment": ["A"] * 4 + ["B"] * 4, "time": [1, 6, 12, 14] * 2})
    values = np.linspace(1, 2, 8)
    # The dose goes into the gut: the blood does not jump by it, but both jump where an event moves one into the other,
    # which in B moves nothing; and their sum jumps by the dose alone.
    for name, expected in (("conc", [[0, 1, 0, 0], [0] * 4]), ("all", [[0, 0, -1, 0]] * 2)):
        model = {**ORAL["model"], "observables": {name: ORAL["model"]["observables"][name]}}
        parameters = {k: v for k, v in ORAL["parameters"].items() if k != "V" or name == "conc"}
        assert sides({**ORAL, "model": model, "parameters": parameters}, frame.assign(**{name: values})) == expected


@pytest.mark.parametrize("amounts", [(100, 50), (100, 100), (1, 1e-12), (1e-12, 1e-12)])
@pytest.mark.parametrize("observable", ["A", "B", "A - B"])
def test_doses_of_one_time_count_whatever_their_sizes(amounts: tuple[float, float], observable: str) -> None:
    config = {
        "model": {
            "equations": {"A": "-ke*A", "B": "-ke*B"},
            "initial": {"A": 0, "B": 0},
            "observables": {"seen": observable},
        },
        "parameters": {"ke": {"value": 0.2, "bounds": [0.01, 10]}},
        "data": {"doses": [{"time": 12, "state": k, "amount": x} for k, x in zip("AB", amounts, strict=True)]},
    }
    jumps = observable != "A - B" or amounts[0] != amounts[1]
    assert sides(config, pd.DataFrame({"time": [1, 12, 13], "seen": [1, 2, 3]})) == [[0, -1 if jumps else 0, 0]]


def test_two_observables_of_one_row_may_be_on_two_sides() -> None:
    frame = pd.DataFrame({"experiment": "A", "time": [1, 6, 12, 14]})
    frame = frame.assign(conc=[1, 2, 3, 4.0], all=[5, 6, 7, 8.0], gut=[9, 0.2, np.nan, 6])
    config = with_keys(ORAL, experiments={"A": {"on": 1}}, at_jumps={"conc": "before"})
    (one,), notes = prepared(config, frame)
    assert one.times.tolist() == [1, 6, 6, 12, 14]
    assert one.sides.tolist() == [0, -1, 1, -1, 0]
    np.testing.assert_array_equal(
        one.values, [[1, 5, 9], [2, 6, np.nan], [np.nan, np.nan, 0.2], [3, 7, np.nan], [4, 8, 6]]
    )
    assert len(notes) == 3


def test_an_infusion_an_estimated_lag_and_an_estimated_time_make_no_known_jump() -> None:
    frame = pd.DataFrame(TROUGHS)
    slow = [{"time": 0, "state": "A", "amount": 100, "every": 12, "count": 4, "duration": 1}]
    assert sides(with_keys(BOLUS, doses=slow), frame) == [[0] * 9]
    late = {"table": BOLUS["data"]["doses"], "lag": "lag"}
    config = {**BOLUS, "parameters": {**BOLUS["parameters"], "lag": {"value": 0.2, "bounds": [0, 2]}}}
    assert sides(with_keys(config, doses=late), frame) == [[0] * 9]
    config["parameters"]["lag"] = {"value": 6, "estimate": False}
    assert sides(with_keys(config, doses=late), frame) == [[0, 0, -1, 0, 0, 0, 0, -1, 0]]
    moving = {**GROWTH["model"], "events": [{"time": "te", "set": {"x": "x/100"}}]}
    config = {**GROWTH, "model": moving, "parameters": {**GROWTH["parameters"], "te": 24}}
    assert sides(config, pd.DataFrame({"time": [0, 24, 32], "x": [1, 2, 3]})) == [[0, 0, 0]]


def test_a_step_of_an_input_that_is_measured_directly(tmp_path: Path) -> None:
    (tmp_path / "light.csv").write_text("time,light\n0,1\n2,3\n4,3\n6,2\n")
    (tmp_path / "d.csv").write_text("time,signal\n0,1\n1,1.1\n2,2.8\n4,2.6\n6,1.5\n")
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}, "observables": {"signal": "light*x"}},
        "parameters": {"k": {"value": 0.1, "bounds": [0.001, 1]}},
        "data": {"csv": "d.csv", "inputs": {"light": {"csv": "light.csv", "interpolation": "previous"}}},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    for method in ("auto", "dopri5"):
        for key, side, lights in (("auto", 1, [1, 1, 3, 3, 2]), ("before", -1, [1, 1, 1, 3, 3])):
            overrides = [f"data.at_jumps={key}", f"solver.method={method}"]
            run = odefit.fit(tmp_path / "c.yaml", overrides)
            (one,) = run.measured
            assert one.sides.tolist() == [0, 0, side, 0, side]
            k = run.result.estimates["k"].value
            expected = np.array(lights) * np.exp(-k * one.times)
            np.testing.assert_allclose(run.predictions()["predicted"], expected, rtol=1e-5)
    linear = load_config(tmp_path / "c.yaml", ["data.inputs.light.interpolation=linear"])
    assert prepare(linear)[0].measured[0].side is None


def test_a_formula_of_the_time_that_is_measured() -> None:
    config = {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": 1},
            "observables": {"signal": "x*piecewise(1, t < 2, gain)"},
        },
        "parameters": {"k": 0.1, "gain": 3},
        "data": {"at_jumps": "before"},
    }
    frame = pd.DataFrame({"time": [0, 1, 2, 3], "signal": [1, 0.9, 0.82, 2.1]})
    assert sides(config, frame) == [[0, 0, -1, 0]]
    run = odefit.fit(config, data=frame)
    k, gain = (run.result.estimates[name].value for name in ("k", "gain"))
    expected = np.array([1, 1, 1, gain]) * np.exp(-k * np.arange(4))
    np.testing.assert_allclose(run.predictions()["predicted"], expected, rtol=1e-5)


# -- what follows


def test_a_run_folder_keeps_the_sides(tmp_path: Path) -> None:
    frame = pd.DataFrame(DILUTED)
    run = odefit.fit(GROWTH, data=frame, out=tmp_path / "run")
    text = (tmp_path / "run" / "data.csv").read_text()
    assert "24.0,4.7622,before\n24.0,0.04876,after\n" in text
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert predictions["at_jump"].dropna().tolist() == ["before", "after"] * 2
    again = odefit.load_run(tmp_path / "run")
    assert again.measured[0].sides.tolist() == run.measured[0].sides.tolist()
    np.testing.assert_array_equal(again.predictions()["predicted"], run.predictions()["predicted"])
    assert odefit.fit(tmp_path / "run" / "config.yaml").result.objective.nll == run.result.objective.nll


def test_what_is_simulated_is_read_back_with_its_sides(tmp_path: Path) -> None:
    times = {"start": 0, "stop": 48, "step": 6}
    truth = {"ke": 0.15, "V": 20}
    config = with_keys(BOLUS, simulate={"times": times, "parameters": truth, "noise": 0.01, "seed": 3})
    simulated = odefit.simulate(config, out=tmp_path / "d.csv")
    assert simulated.experiments[0].sides.tolist() == [-1, 0, -1, 0, -1, 0, -1, 0, 0]
    assert simulated.frame["at_jump"].tolist() == ["before", "", "before", "", "before", "", "before", "", ""]
    assert simulated.frame["conc"][0] == pytest.approx(0, abs=0.05)
    for data in (simulated.frame, pd.read_csv(tmp_path / "d.csv")):
        for key in ("auto", "after"):
            result = odefit.fit(with_keys(BOLUS, at_jumps=key), data=data).result
            assert result.estimates["ke"].value == pytest.approx(0.15, rel=0.02)
    after = odefit.simulate(with_keys(config, at_jumps="after"))
    assert after.frame["conc"][0] == pytest.approx(5, abs=0.05)
    assert odefit.fit(config).result.estimates["V"].value == pytest.approx(20, rel=0.02)


def test_a_problem_is_simulated_on_both_sides() -> None:
    problem = odefit.load(BOLUS, data=pd.DataFrame(TROUGHS))
    own = problem.simulate(problem.x0)
    assert own["at_jump"].tolist() == ["before", "", "", "before", "before", "before", "", "", ""]
    twice = problem.simulate(problem.x0, [12, 12])
    assert twice["at_jump"].tolist() == ["before", "after"]
    assert twice["A"][1] == pytest.approx(twice["A"][0] + 100)
    residuals = problem.residuals(problem.x0)
    assert len(residuals) == len(problem.data) == 9


def test_the_gradient_is_that_of_differences() -> None:
    problem = odefit.load(BOLUS, ["solver.rtol=1e-10", "solver.atol=1e-12"], data=pd.DataFrame(TROUGHS))
    x = problem.x0
    steps = 1e-5 * x
    differences = [
        (problem.nll(x + h * e) - problem.nll(x - h * e)) / (2 * h) for h, e in zip(steps, np.eye(len(x)), strict=True)
    ]
    np.testing.assert_allclose(problem.gradient(x), differences, rtol=1e-5)


def test_held_out_cells_keep_their_side() -> None:
    config = with_keys(BOLUS, hold_out={"after": 30})
    run = odefit.fit(config, data=pd.DataFrame(TROUGHS))
    assert run.result.hold_out is not None
    # Were t = 36 compared with what is there after its dose, the error would be of the size of a dose.
    assert run.result.hold_out.rmse["conc"] < 0.3


# -- a side on which everything is known beforehand

PEAK = {"time": [0, 1, 2, 4, 8, 12], "conc": [4.95, 4.28, 3.63, 2.71, 1.48, 0.79]}
COUNTER: dict[str, Any] = {
    "model": {
        "equations": {"n": "exp(r*t)"},
        "initial": {"n": 0},
        "events": [{"time": [1, 2, 3, 4], "set": {"n": 0}}],
    },
    "parameters": {"r": {"value": 0.2, "bounds": [0.001, 5]}},
    "data": {"start": 0},
}


def test_the_first_sample_of_a_bolus_is_its_peak() -> None:
    """Just before it there is nothing in the body, which the measurement contradicts: log-linear regression."""
    once = {**BOLUS, "data": {"doses": [{"time": 0, "state": "A", "amount": 100}]}, "noise": "lognormal"}
    run = odefit.fit(once, data=pd.DataFrame(PEAK))
    slope, height = np.polyfit(PEAK["time"], np.log(PEAK["conc"]), 1)
    values = [run.result.estimates[name].value for name in ("ke", "V")]
    assert values == pytest.approx([-slope, 100 / np.exp(height)], rel=1e-4)
    _, notes = prepared(BOLUS, pd.DataFrame(PEAK))
    assert "compared with what is there just after it: just before it the model says one number" in notes[0]


def test_a_small_value_at_the_time_of_a_bolus_was_taken_before_it() -> None:
    assert sides(BOLUS, pd.DataFrame({**PEAK, "conc": [0.04, *PEAK["conc"][1:]]}))[0][0] == -1


def test_peaks_and_troughs_of_one_series() -> None:
    """A peak at the first dose makes no peak of the sample at the second one, before which nothing is known."""
    table = pd.DataFrame({**TROUGHS, "conc": [5.1, *TROUGHS["conc"][1:]]})
    assert sides(BOLUS, table) == [[1, 0, 0, -1, -1, -1, 0, 0, 0]]


def test_counts_at_the_times_of_their_resets_are_whole_counts() -> None:
    """Those of the last reset, too, and the first one, which has no earlier value to be compared with."""
    run = odefit.fit(COUNTER, data=pd.DataFrame({"time": [1, 2, 3, 4, 5], "n": [1.16, 1.57, 2.12, 2.86, 3.87]}))
    # The growth of (exp(0.3 t) - 1)/0.3 from one time to the next, to two digits.
    assert run.result.estimates["r"].value == pytest.approx(0.3, abs=1e-3)


def test_a_state_that_an_event_sets_stays_on_that_side_where_it_looks_like_it() -> None:
    refilled = {"time": [0.5, 1, 1.5, 2, 2.5], "n": [0.54, 0.01, 0.63, -0.02, 0.73]}
    assert sides(COUNTER, pd.DataFrame(refilled)) == [[0, 1, 0, 1, 0]]


def test_a_key_is_stronger_than_the_values() -> None:
    assert sides(with_keys(BOLUS, at_jumps="before"), pd.DataFrame(PEAK))[0][0] == -1


def test_two_values_that_are_no_jump_apart_may_be_replicates() -> None:
    """Two readings of one trough: to take one for the peak would be wrong in silence."""
    table = {"time": [0.5, 1, 6, 12, 12, 24, 36, 37], "conc": [4.8, 4.48, 2.11, 0.81, 0.83, 0.955, 0.97, 5.24]}
    with pytest.raises(InputError, match=r"2 values at t = 12 .* they are no jump apart: which were measured before"):
        prepared(BOLUS, pd.DataFrame(table))
    said, _ = prepared(with_keys(BOLUS, at_jumps="before"), pd.DataFrame(table))
    assert len(said) == 2
