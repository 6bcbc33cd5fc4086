"""PEtab problems, one construct each, with objectives from closed forms; both versions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import odefit
import sbml_texts as s
from odefit.errors import InputError
from odefit.interop.importing import Imported, import_file
from petab_texts import problem, with_names_to_change

K1, K2 = 0.8, 0.6


def conversion(t: float, k1: float = K1, k2: float = K2, a: float = 1.0, b: float = 0.0) -> float:
    """A at a time, from A = a and B = b."""
    rest = (a + b) * k2 / (k1 + k2)
    return rest + (a - rest) * math.exp(-(k1 + k2) * t)


def gaussian(pairs: list[tuple[float, float]], sigma: float = 0.5) -> float:
    return sum(((d - m) / sigma) ** 2 / 2 + math.log(sigma * math.sqrt(2 * math.pi)) for d, m in pairs)


def loaded(path: Path) -> tuple[odefit.Problem, Imported]:
    imported = import_file(path)
    return odefit.load(imported.write(path.parent / "made"), ["solver.rtol=1e-10"]), imported


def nll(path: Path) -> float:
    made, _ = loaded(path)
    return made.nll(made.x0)


def faults(path: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        import_file(path)
    return [str(fault).replace(f"{path.parent}/", "") for fault in raised.value.faults]


@pytest.mark.quick
def test_a_plain_problem_of_each_version(tmp_path: Path) -> None:
    expected = gaussian([(0.7, 1.0), (0.1, conversion(10))])
    assert nll(problem(tmp_path)) == pytest.approx(expected, rel=1e-8)
    assert nll(problem(tmp_path, version=2)) == pytest.approx(expected, rel=1e-8)


def test_the_config_is_one_that_a_person_would_write(tmp_path: Path) -> None:
    imported = import_file(problem(tmp_path))
    assert imported.files["conversion.yaml"] == (
        """\
# Made by `odefit import` from conversion.yaml.
#
# of size 1, and so not written: cell
title: conversion

model:
  equations:
    A: -k1*A + k2*B
    B: k1*A - k2*B
  initial: {A: a0, B: 0}
  observables:
    obs_a: A

parameters:
  k1: {value: 0.8, bounds: [0.01, 100], scale: log}
  # constants
  a0: {value: 1, estimate: false}
  k2: {value: 0.6, estimate: false}

data:
  csv: data.csv
  start: 0

noise: {model: gaussian, sigma: 0.5}

solver: {rtol: 1.0e-8}

fit: {starts: 20, budget: 600, seed: 0}
"""
    )
    assert imported.files["data.csv"] == "experiment,time,observable,value\nc0,0,obs_a,0.7\nc0,10,obs_a,0.1\n"
    assert imported.summary == "2 states, 1 parameter estimated, 1 observable, 1 experiment, 2 measurements"


def test_conditions_are_columns_of_the_table_of_experiments(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        conditions="""
            conditionId | k2 | B
            c0 | 0.6 |
            c1 | 0.3 | 2""",
        measurements="""
            observableId | simulationConditionId | time | measurement
            obs_a | c0 | 2 | 0.7
            obs_a | c1 | 2 | 0.1""",
    )
    made, imported = loaded(path)
    assert imported.files["experiments.csv"] == "experiment,k2,B_0\nc0,0.6,0\nc1,0.3,2\n"
    expected = gaussian([(0.7, conversion(2)), (0.1, conversion(2, k2=0.3, b=2))])
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_the_logarithmic_scale_has_no_prior_beside_parameters_that_have_one(tmp_path: Path) -> None:
    """A tool that goes by way of version 2 gives the parameter without a prior a uniform one on the linear scale."""
    path = problem(
        tmp_path,
        parameters="""
            parameterId|parameterScale|lowerBound|upperBound|nominalValue|estimate|objectivePriorType|objectivePriorParameters
            k1 | log10 | 0.01 | 100 | 0.8 | 1 | |
            k2 | log10 | 0.01 | 100 | 0.6 | 1 | parameterScaleNormal | -0.5;0.25""",
    )
    made, imported = loaded(path)
    assert "k1: {value: 0.8, bounds: [0.01, 100], scale: log}\n" in imported.files["conversion.yaml"]
    # A density of log10(k2), which as one of k2 itself has the factor 1/(k2 ln 10).
    z = (math.log10(0.6) + 0.5) / 0.25
    density = -(z**2) / 2 - math.log(0.25 * math.sqrt(2 * math.pi)) - math.log(0.6 * math.log(10))
    assert made.log_prior(made.x0) == pytest.approx(density, abs=1e-9)


def rested(k1: float, k2: float = K2) -> tuple[float, float]:
    return k2 / (k1 + k2), k1 / (k1 + k2)


PREEQUILIBRATED = {
    "conditions": """
        conditionId | k1 | B
        before | 0.3 |
        c0 | 0.8 | 1""",
    "measurements": """
        observableId | preequilibrationConditionId | simulationConditionId | time | measurement
        obs_a | before | c0 | 1 | 0.7""",
    "parameters": """
        parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
        k2 | lin | 0 | 10 | 0.6 | 1""",
}


def test_preequilibration_and_what_is_set_after_it(tmp_path: Path) -> None:
    a, _ = rested(0.3)
    expected = gaussian([(0.7, conversion(1, a=a, b=1.0))])
    assert nll(problem(tmp_path, **PREEQUILIBRATED)) == pytest.approx(expected, rel=1e-7)


def test_version_1_takes_back_what_preequilibration_set_and_version_2_does_not(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    a, b = rested(0.3)
    one = problem(tmp_path / "one", **{**PREEQUILIBRATED, "conditions": "conditionId | k1\nbefore | 0.3\nc0 |"})
    assert nll(one) == pytest.approx(gaussian([(0.7, conversion(1, a=a, b=b))]), rel=1e-7)
    two = problem(
        tmp_path / "two",
        version=2,
        conditions="conditionId | targetId | targetValue\nbefore | k1 | 0.3",
        experiments="experimentId | time | conditionId\ne0 | -inf | before\ne0 | 0 |",
        measurements="observableId | experimentId | time | measurement\nobs_a | e0 | 1 | 0.7",
        parameters="""
            parameterId | lowerBound | upperBound | nominalValue | estimate
            k2 | 0 | 10 | 0.6 | true""",
    )
    assert nll(two) == pytest.approx(gaussian([(0.7, conversion(1, k1=0.3, a=a, b=b))]), rel=1e-7)


def test_periods_of_version_2(tmp_path: Path) -> None:
    """A constant that changes on the way is a state that stands still; values are those just before."""
    path = problem(
        tmp_path,
        version=2,
        conditions="""
            conditionId | targetId | targetValue
            late | A | A + 5
            late | k2 | 2*k2""",
        experiments="""
            experimentId | time | conditionId
            e0 | 0 |
            e0 | 3 | late""",
    )
    a = conversion(3)
    b = 1 - a
    expected = gaussian([(0.7, 1.0), (0.1, conversion(7, k2=1.2, a=a + 5, b=b))])
    assert nll(path) == pytest.approx(expected, rel=1e-7)


def test_periods_that_differ_by_experiment(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        version=2,
        conditions="""
            conditionId | targetId | targetValue
            late | B | 3
            later | B | 1""",
        experiments="""
            experimentId | time | conditionId
            e0 | 0 |
            e0 | 3 | late
            e1 | -1 |
            e1 | 2 | later
            e2 | 0 |""",
        measurements="""
            observableId | experimentId | time | measurement
            obs_a | e0 | 5 | 0.7
            obs_a | e1 | 2 | 0.7
            obs_a | e1 | 4 | 0.7
            obs_a | e2 | 4 | 0.7""",
    )
    at_3 = conversion(3)
    expected = [conversion(2, a=at_3, b=3), at_3, conversion(2, a=at_3, b=1), conversion(4)]
    assert nll(path) == pytest.approx(gaussian([(0.7, value) for value in expected]), rel=1e-7)


def test_values_of_measurements_stand_in_formulas_where_all_have_the_same(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            scale | lin | 0 | 10 | 2 | 1
            sd | log | 0.01 | 10 | 0.3 | 1""",
        observables="""
            observableId | observableFormula | noiseFormula
            obs_a | observableParameter1_obs_a*A + observableParameter2_obs_a | noiseParameter1_obs_a""",
        measurements="""
            observableId | simulationConditionId | time | measurement | observableParameters | noiseParameters
            obs_a | c0 | 0 | 0.7 | scale;0.5 | sd
            obs_a | c0 | 10 | 0.1 | scale;0.5 | sd""",
    )
    made, imported = loaded(path)
    assert "obs_a: scale*A + 0.5\n" in imported.files["conversion.yaml"]
    assert "sigma: sd" in imported.files["conversion.yaml"]
    expected = gaussian([(0.7, 2.5), (0.1, 2 * conversion(10) + 0.5)], 0.3)
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_noise_levels_that_are_numbers_are_the_column_sigma(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        observables="""
            observableId | observableFormula | noiseFormula | observableTransformation
            obs_a | A | noiseParameter1_obs_a | log""",
        measurements="""
            observableId | simulationConditionId | time | measurement | noiseParameters
            obs_a | c0 | 0 | 0.7 | 0.5
            obs_a | c0 | 10 | 0.1 | 0.2""",
    )
    made, imported = loaded(path)
    assert imported.files["data.csv"].splitlines()[0] == "experiment,time,observable,value,sigma"
    logs = [(math.log(0.7), 0.0, 0.5), (math.log(0.1), math.log(conversion(10)), 0.2)]
    expected = sum(gaussian([(d, m)], sd) + d for d, m, sd in logs)
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_noise_of_decimal_logarithms(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        observables="""
            observableId | observableFormula | noiseFormula | observableTransformation | noiseDistribution
            obs_a | A | noiseParameter1_obs_a | log10 | normal
            obs_b | 2*A | 0.2 | log10 | laplace""",
        measurements="""
            observableId | simulationConditionId | time | measurement | noiseParameters
            obs_a | c0 | 0 | 0.7 | 0.5
            obs_a | c0 | 10 | 0.1 | 0.2
            obs_b | c0 | 10 | 0.1 |""",
    )
    at_10 = conversion(10)
    logs = [(0.7, 1.0, 0.5), (0.1, at_10, 0.2)]
    expected = sum(gaussian([(math.log10(d), math.log10(m))], sd) + math.log(d * math.log(10)) for d, m, sd in logs)
    expected += abs(math.log10(0.1 / (2 * at_10))) / 0.2 + math.log(2 * 0.2) + math.log(0.1 * math.log(10))
    assert nll(path) == pytest.approx(expected, rel=1e-8)


def test_what_differs_between_measurements_is_a_column_of_numbers_and_formulas(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            scale_1 | lin | 0 | 10 | 2 | 1
            sd | log | 0.01 | 10 | 0.3 | 1""",
        observables="""
            observableId | observableFormula | noiseFormula
            obs_a | observableParameter1_obs_a*A | noiseParameter1_obs_a""",
        measurements="""
            observableId | simulationConditionId | time | measurement | observableParameters | noiseParameters
            obs_a | c0 | 0 | 0.7 | scale_1 | sd
            obs_a | c0 | 10 | 0.1 | 3 | 2*sd""",
    )
    made, imported = loaded(path)
    header, *rows = imported.files["data.csv"].splitlines()
    assert header == "experiment,time,observable,value,observableParameter1,noiseParameter1"
    assert rows == ["c0,0,obs_a,0.7,scale_1,sd", "c0,10,obs_a,0.1,3,2*sd"]
    expected = gaussian([(0.7, 2.0)], 0.3) + gaussian([(0.1, 3 * conversion(10))], 0.6)
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_conditions_with_formulas_in_their_cells(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            k_low | log10 | 0.01 | 100 | 0.8 | 1
            k_high | log10 | 0.01 | 100 | 1.6 | 1""",
        conditions="""
            conditionId | k1 | A
            c0 | k_low | 1
            c1 | k_high | 2*k_high""",
        measurements="""
            observableId | simulationConditionId | time | measurement
            obs_a | c0 | 2 | 0.7
            obs_a | c1 | 2 | 0.1""",
    )
    made, imported = loaded(path)
    assert imported.files["experiments.csv"] == "experiment,k1,A_0\nc0,k_low,1\nc1,k_high,2*k_high\n"
    expected = gaussian([(0.7, conversion(2)), (0.1, conversion(2, k1=1.6, a=3.2))])
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_experiments_with_and_without_preequilibration(tmp_path: Path) -> None:
    """Which is legal in one table."""
    path = problem(
        tmp_path,
        **{
            **PREEQUILIBRATED,
            "measurements": """
                observableId | preequilibrationConditionId | simulationConditionId | time | measurement
                obs_a | before | c0 | 1 | 0.7
                obs_a | | c0 | 1 | 0.7
                obs_a | | before | 1 | 0.7""",
        },
    )
    a, _ = rested(0.3)
    expected = [conversion(1, a=a, b=1.0), conversion(1, a=1.0, b=1.0), conversion(1, k1=0.3)]
    assert nll(path) == pytest.approx(gaussian([(0.7, value) for value in expected]), rel=1e-7)


def test_a_measurement_at_infinite_time(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        measurements="""
            observableId | simulationConditionId | time | measurement
            obs_a | c0 | 1 | 0.7
            obs_a | c0 | inf | 0.1""",
    )
    assert nll(path) == pytest.approx(gaussian([(0.7, conversion(1)), (0.1, rested(K1)[0])]), rel=1e-7)


def test_priors_of_version_2_end_at_the_bounds(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        version=2,
        parameters="""
            parameterId | lowerBound | upperBound | nominalValue | estimate | priorDistribution | priorParameters
            k1 | 0.01 | 100 | 0.8 | true | |
            a0 | 0 | 2 | 1 | true | normal | 1;1""",
    )
    made, _ = loaded(path)
    inside = math.erf(1 / math.sqrt(2))  # of a normal within one standard deviation
    density = -math.log(math.sqrt(2 * math.pi)) - math.log(inside) - math.log(100 - 0.01)
    assert made.log_prior(made.x0) == pytest.approx(density, abs=1e-12)


def test_an_observable_in_its_own_noise(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        observables="observableId | observableFormula | noiseFormula\nobs_a | 2*A | 0.1 + 0.2*obs_a",
    )
    expected = sum(gaussian([(d, m)], 0.1 + 0.2 * m) for d, m in ((0.7, 2.0), (0.1, 2 * conversion(10))))
    assert nll(path) == pytest.approx(expected, rel=1e-8)


def test_names_that_odefit_cannot_have_are_changed_and_told(tmp_path: Path) -> None:
    path = with_names_to_change(tmp_path)
    made, imported = loaded(path)
    assert made.names == ("_k", "and_")
    assert "# and in conversion.yaml" in imported.files["conversion.yaml"]
    assert '  original_names:\n    t_: "t"\n    and_: "and"\n' in imported.files["conversion.yaml"]
    expected = gaussian([(0.7, 2.0), (0.1, 2 * math.exp(-8))])
    assert made.nll(made.x0) == pytest.approx(expected, rel=1e-8)


def test_a_nominal_value_outside_of_its_bounds_widens_them(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            k1 | lin | 1 | 100 | 0.8 | 1""",
    )
    made, imported = loaded(path)
    assert made.bounds.tolist() == [[0.8, 100.0]]
    assert any("lies outside its bounds 1 to 100" in decision for decision in imported.decisions)


def test_gradients_of_what_was_imported(tmp_path: Path) -> None:
    made, _ = loaded(problem(tmp_path, **PREEQUILIBRATED))
    x = made.x0
    slope = (made.nll(x + 1e-5) - made.nll(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(made.gradient(x), slope, rtol=1e-5)


def test_a_column_that_sets_nothing_any_more_is_left_out(tmp_path: Path) -> None:
    """a0 is what A starts from, but each condition says that itself."""
    path = problem(
        tmp_path,
        version=2,
        parameters="""
            parameterId | lowerBound | upperBound | nominalValue | estimate
            k1 | 0.01 | 100 | 0.8 | true
            first | 0.01 | 100 | 1 | true""",
        conditions="""
            conditionId | targetId | targetValue
            c0 | a0 | first
            c0 | A | first
            c1 | a0 | 0
            c1 | A | 2""",
        experiments="experimentId | time | conditionId\ne0 | 0 | c0\ne1 | 0 | c1",
        measurements="""
            observableId | experimentId | time | measurement
            obs_a | e0 | 10 | 0.1
            obs_a | e1 | 10 | 0.3""",
    )
    imported = import_file(path)
    assert imported.files["experiments.csv"] == "experiment,A_0\ne0,first\ne1,2\n"
    expected = gaussian([(0.1, conversion(10)), (0.3, conversion(10, a=2.0))])
    assert nll(path) == pytest.approx(expected, rel=1e-8)


# -- what is wrong with a problem, all at once


def test_faults_of_the_tables_come_with_their_rows_and_columns(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        parameters="""
            parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            k1 | log11 | 0.01 | 100 | 0.8 | 1
            k1 | lin | 0.01 | 100 | 0.8 | 1
            k3 | lin | 7 | 5 | x | perhaps
            k4 | lin | 0 | 1 | | 0""",
        observables="observableId | observableFormula | noiseFormula\nobs_a | A + | 0.5",
        measurements="""
            observableId | simulationConditionId | time | measurement
            obs_b | c0 | 0 | 0.7
            obs_a | c1 | 10 | 0.1
            obs_a | c0 | soon | n.a.""",
    )
    assert faults(path) == [
        "parameters.tsv:2, column parameterScale: 'log11' is none of lin, log, log10",
        "parameters.tsv:3, column parameterId: 'k1' stands twice",
        "parameters.tsv:4, column estimate: 'perhaps' is neither true nor false (nor 1 nor 0)",
        "parameters.tsv:4, column nominalValue: 'x' is not a number",
        "parameters.tsv:4, column upperBound: 'k3': the lower bound must be below the upper one",
        "parameters.tsv:5, column nominalValue: 'k4' is not estimated and has no value",
        "observables.tsv:2, column observableFormula: 'A +': a number, a name or a bracket is missing at its end",
        "measurements.tsv:3, column simulationConditionId: 'c1' is no condition; there is: c0",
        "measurements.tsv:4, column time: 'soon' is not a number",
        "measurements.tsv:4, column measurement: 'n.a.' is not a number",
        "measurements.tsv:2, column observableId: 'obs_b' is no observable; did you mean 'obs_a'?",
    ]


def test_names_that_nothing_defines(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        observables="observableId | observableFormula | noiseFormula\nobs_a | A + offset | sd",
        conditions="conditionId | k9 | k1\nc0 | k1*k8 | 1",
    )
    known = "there is: k1, cell, a0, k2, A, B, forward, backward"
    assert faults(path) == [
        "conditions.tsv:2, column k9: sets 'k9', which the model does not have; there is: cell, a0, k2, A, B",
        "conditions.tsv:2, column k1: sets 'k1', which has a row in the parameter table: it cannot have both",
        f"observables.tsv:2, column observableFormula: unknown symbol 'offset'; {known}, obs_a",
        f"observables.tsv:2, column noiseFormula: unknown symbol 'sd'; {known}, obs_a",
        f"conditions.tsv:2, column k9: unknown symbol 'k8'; {known}",
    ]


def test_tables_and_files_that_are_missing(tmp_path: Path) -> None:
    """Nothing is said of the ids that they would have held."""
    path = problem(tmp_path, observables="observableId | formula\nobs_a | A")
    (tmp_path / "conditions.tsv").unlink()
    (tmp_path / "model.xml").unlink()
    assert faults(path) == [
        "observables.tsv:1: has no column 'observableFormula'; did you mean 'observableId'?",
        "observables.tsv:1: has no column 'noiseFormula'; did you mean 'formula'?",
        "conditions.tsv: there is no such file: check the path",
        "model.xml: there is no such file: check the path",
    ]


def test_an_id_that_many_rows_name_is_told_once_and_the_model_in_the_same_breath(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        model=s.sbml(parameters=[s.parameter("x", 1.0, False)], rules=[s.rule("y", "1", "rate")]),
        measurements="""
            observableId | simulationConditionId | time | measurement
            obs_b | c0 | 0 | 0.7
            obs_a | c1 | soon | inf
            obs_b | c1 | 2 | 0.7
            obs_b | c1 | 2 | inf
            obs_a | c0 | 2 | -inf""",
    )
    found = faults(path)
    assert found[:4] == [
        "measurements.tsv:3, column time: 'soon' is not a number",
        "measurements.tsv:3, column simulationConditionId: 'c1' is no condition; there is: c0 (2 more rows name it)",
        "measurements.tsv:6, column measurement: -inf cannot have been measured",
        "measurements.tsv:2, column observableId: 'obs_b' is no observable; did you mean 'obs_a'?",
    ]
    assert found[4].startswith("model.xml:")


@pytest.mark.parametrize("version", [1, 2])
def test_a_table_without_rows_and_one_with_too_many_cells(version: int, tmp_path: Path) -> None:
    path = problem(tmp_path, version=version)
    table = tmp_path / "measurements.tsv"
    header, *rows = table.read_text("utf-8").splitlines()
    table.write_text(header + "\n", encoding="utf-8")
    assert faults(path) == ["conversion.yaml: has no measurements: its table has no rows"]
    table.write_text("\n".join([header, rows[0] + "\t\t", rows[1] + "\t7\t8", ""]), encoding="utf-8")
    assert faults(path) == ["measurements.tsv:3: has 6 cells, and there are 4 columns"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format_version: 3\n", "conversion.yaml:1: PEtab 3 is not known; odefit reads versions 1 and 2"),
        (
            "format_version: 1\nparameter_file: parameters.tsv\n",
            "conversion.yaml:1: has no key 'problems'; there is: format_version, parameter_file",
        ),
        (
            "format_version: 2.0.0\nextensions: {timecourse: {required: true}}\n",
            "conversion.yaml:2: needs PEtab's extension 'timecourse', which is not read",
        ),
    ],
)
def test_problems_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    path = problem(tmp_path)
    path.write_text(text, encoding="utf-8")
    assert message in faults(path)


def test_changes_that_contradict_each_other(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        version=2,
        conditions="""
            conditionId | targetId | targetValue
            c0 | k2 | 1
            c0 | k2 | 2
            c1 | k2 | 3""",
        experiments="""
            experimentId | time | conditionId
            e0 | 0 | c0
            e0 | 0 | c1
            e0 | 0 | c2""",
    )
    assert faults(path) == [
        "conditions.tsv:3, column targetId: condition 'c0' sets 'k2' twice",
        "experiments.tsv:3, column conditionId: sets 'k2', which 'c0' sets at the same time",
        "experiments.tsv:4, column conditionId: 'c2' is no condition; there is: c0, c1",
    ]


def test_measurements_that_a_logarithm_cannot_hold(tmp_path: Path) -> None:
    path = problem(
        tmp_path,
        observables="""
            observableId | observableFormula | noiseFormula | observableTransformation
            obs_a | A | 0.5 | log""",
        measurements="observableId | simulationConditionId | time | measurement\nobs_a | c0 | 0 | -0.7",
    )
    assert faults(path) == [
        "measurements.tsv:2, column measurement: -0.7 has no logarithm, and 'obs_a' is compared on a logarithmic scale"
    ]


def test_a_problem_from_a_stranger_names_no_files_elsewhere(tmp_path: Path) -> None:
    path = problem(tmp_path)
    path.write_text(path.read_text("utf-8").replace("[model.xml]", "[../model.xml]"), encoding="utf-8")
    with pytest.raises(InputError, match=r"conversion.yaml:4: names '../model.xml', which lies not beside"):
        import_file(path, only_beside=True)
