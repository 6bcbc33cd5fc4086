"""Constants of experiments in the file of measurements itself: weight, sex, group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.errors import OdefitError
from odefit.problem.preparation import prepare

TIMES = np.array([0.0, 1.0, 2.0, 4.0])
WEIGHT = {"mary": 60.0, "paul": 80.0}
SEX = {"mary": "f", "paul": "m"}


def curve(who: str, k: float = 3.0) -> Any:
    """x' = -(k/weight)*x*10 from x(0) = weight/10: the closed form."""
    return WEIGHT[who] / 10 * np.exp(-10 * k / WEIGHT[who] * TIMES)


def wide(**columns: Any) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"time": TIMES, "x": curve(who) + 0.01, "experiment": who, "weight": WEIGHT[who], "sex": SEX[who]})
        for who in WEIGHT
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def long() -> pd.DataFrame:
    return wide().rename(columns={"x": "value"}).assign(observable="x")


def config(csv: Path | str | list[str] | None = None, **data: Any) -> dict[str, Any]:
    return {
        "model": {"equations": {"x": "-10*k/weight*x"}, "initial": {"x": "weight/10"}},
        "parameters": {"k": {"value": 3.0, "bounds": [0.1, 10]}},
        "noise": {"sigma": 0.1},
        "data": data if csv is None else {"csv": csv if isinstance(csv, list) else str(csv), **data},
    }


def expected(k: float) -> float:
    """The likelihood by the closed form."""
    r = np.concatenate([curve(who, k) - curve(who) - 0.01 for who in WEIGHT]) / 0.1
    return float(np.sum(r**2) / 2 + r.size * np.log(0.1 * np.sqrt(2 * np.pi)))


def saved(tmp_path: Path, frame: pd.DataFrame, name: str = "d.csv") -> Path:
    path = tmp_path / name
    frame.to_csv(path, index=False)
    return path


def fault(text: dict[str, Any], **given: Any) -> str:
    with pytest.raises(OdefitError) as caught:
        odefit.load(text, **given)
    return str(caught.value)


def check(problem: Any, k: float = 2.5) -> None:
    assert problem.nll(np.array([k])) == pytest.approx(expected(k), rel=1e-5)


# ------------------------------------------------------------------------------------------------- what is read


@pytest.mark.quick
@pytest.mark.parametrize("frame", [wide(), long(), wide().sample(frac=1.0, random_state=3)])
def test_a_column_that_a_formula_names_is_a_constant(tmp_path: Path, frame: pd.DataFrame) -> None:
    check(odefit.load(config(saved(tmp_path, frame))))
    check(odefit.load(config(), data=frame))


def test_the_notes_say_it_and_do_not_call_it_unused(tmp_path: Path) -> None:
    notes = " ".join(prepare(load_config(config(saved(tmp_path, wide()))))[0].notes)
    assert "d.csv: weight is read as a constant of each experiment" in notes
    assert "sex is not used" in notes


def test_one_row_of_an_experiment_is_enough(tmp_path: Path) -> None:
    weight = [60.0, None, None, 60, None, 80, None, None]
    check(odefit.load(config(saved(tmp_path, wide(weight=weight)))))


def test_several_files_are_an_experiment_each(tmp_path: Path) -> None:
    for who, rows in wide().groupby("experiment"):
        saved(tmp_path, rows.drop(columns="experiment"), f"{who}.csv")
    check(odefit.load(config([str(tmp_path / "mary.csv"), str(tmp_path / "paul.csv")])))


def test_blank_lines_part_the_experiments(tmp_path: Path) -> None:
    blocks = [rows.drop(columns="experiment").to_csv(index=False) for _, rows in wide().groupby("experiment")]
    text = blocks[0] + "\n" + blocks[1].split("\n", 1)[1]
    (tmp_path / "d.csv").write_text(text)
    check(odefit.load(config(tmp_path / "d.csv")))


def test_a_single_series_and_dates(tmp_path: Path) -> None:
    frame = wide()[:4].drop(columns="experiment")
    days = ["2021-03-01", "2021-03-02", "2021-03-03", "2021-03-05"]
    for one in (frame, frame.assign(time=days)):
        problem = odefit.load(config(saved(tmp_path, one)))
        r = (curve("mary", 2.5) - curve("mary") - 0.01) / 0.1
        nll = float(np.sum(r**2) / 2 + 4 * np.log(0.1 * np.sqrt(2 * np.pi)))
        assert problem.nll(np.array([2.5])) == pytest.approx(nll, rel=1e-5)


def test_semicolons_and_replicates_side_by_side(tmp_path: Path) -> None:
    frame = wide().rename(columns={"x": "x1"}).assign(x2=lambda d: d["x1"])
    frame.to_csv(tmp_path / "d.csv", index=False, sep=";", decimal=",")
    problem = odefit.load(config(tmp_path / "d.csv", columns={"x": ["x1", "x2"]}))
    assert problem.nll(np.array([2.5])) == pytest.approx(2 * expected(2.5), rel=1e-5)


def test_units_are_those_of_the_model(tmp_path: Path) -> None:
    frame = wide().assign(weight=lambda d: 1000 * d["weight"])
    for name, said in (("weight [g]", {}), ("weight", {"weight": "g"})):
        text = config(saved(tmp_path, frame.rename(columns={"weight": name})), units=said)
        text["model"]["units"] = {"weight": "kg"}
        check(odefit.load(text))


def test_the_column_that_names_the_experiments_may_be_one(tmp_path: Path) -> None:
    frame = wide().drop(columns="experiment")
    check(odefit.load(config(saved(tmp_path, frame), experiment="weight")))


def test_a_column_of_words_groups_parameters(tmp_path: Path) -> None:
    text = config(saved(tmp_path, wide()))
    text["parameters"]["k"]["by"] = "sex"
    problem = odefit.load(text)
    assert problem.names == ("k[f]", "k[m]")
    check_both = problem.nll(np.array([2.5, 2.5]))
    assert check_both == pytest.approx(expected(2.5), rel=1e-5)


def test_cells_of_the_table_of_experiments_may_name_one(tmp_path: Path) -> None:
    rows = {who: {"rate": "10*k/weight"} for who in WEIGHT}
    text = config(saved(tmp_path, wide()), experiments=rows)
    text["model"] = {"equations": {"x": "-rate*x"}, "initial": {"x": "weight/10"}}
    check(odefit.load(text))


def test_a_noise_formula_may_name_it_as_well(tmp_path: Path) -> None:
    text = config(saved(tmp_path, wide()))
    text["noise"]["sigma"] = "0.1*weight/weight"
    check(odefit.load(text))


def test_a_chosen_experiment_alone_counts(tmp_path: Path) -> None:
    frame = wide(weight=[60.0] * 4 + [80, 81, 82, 83])
    problem = odefit.load(config(saved(tmp_path, frame), only=["mary"]))
    assert np.isfinite(problem.nll(np.array([2.5])))


def test_a_run_folder_and_predictions_keep_them(tmp_path: Path) -> None:
    run = odefit.fit(config(saved(tmp_path, wide())), out=tmp_path / "run")
    assert run.result.status == "converged"
    again = odefit.load_run(tmp_path / "run")
    pd.testing.assert_frame_equal(again.predictions(intervals=False), run.predictions(intervals=False))
    new = odefit.predict(run, times=[1.0], experiments={"new": {"weight": 70}})
    k = run.result.estimates["k"].value
    assert k is not None
    assert float(new.frame["predicted"].iloc[0]) == pytest.approx(7 * np.exp(-k / 7), rel=1e-5)


# ------------------------------------------------------------------------------------------------- what is refused


def test_a_column_that_changes(tmp_path: Path) -> None:
    text = fault(config(saved(tmp_path, wide(weight=[60.0, 60, 61, 61, 80, 80, 80, 80]))))
    assert "d.csv:4, column weight: changes within experiment mary: 60 in line 2, 61 here" in text
    assert "`data.inputs: {weight: …}`" in text
    frame = fault(config(), data=wide(weight=[60.0, 60, 61, 61, 80, 80, 80, 80]))
    assert "data: row 2, column weight: changes within experiment mary" in frame


def test_a_contradiction_with_the_table_of_experiments(tmp_path: Path) -> None:
    path = saved(tmp_path, wide())
    rows: dict[str, Any] = {"mary": {"weight": 60}, "paul": {"weight": 81}}
    text = fault(config(path, experiments=rows))
    assert "d.csv:6, column weight: 80 for experiment paul, and data.experiments says 81" in text
    assert "`data.unused: [weight]`" in text
    rows["paul"]["weight"] = 80
    check(odefit.load(config(path, experiments=rows)))


def test_an_empty_experiment_and_an_experiment_without_a_row(tmp_path: Path) -> None:
    path = saved(tmp_path, wide(weight=[60.0] * 4 + [None] * 4))
    assert "d.csv:6, column weight: the cell of experiment paul is empty; write its number" in fault(config(path))
    table = tmp_path / "e.csv"
    table.write_text("experiment,factor\nmary,1\n")
    text = config(saved(tmp_path, wide()), experiments=str(table))
    text["model"]["equations"]["x"] = "-10*k/weight*x*factor"
    assert "e.csv, column factor: the cell of experiment paul is empty" in fault(text)


def test_words_in_formulas_are_refused_with_what_to_do(tmp_path: Path) -> None:
    text = config(saved(tmp_path, wide()))
    text["model"]["equations"]["x"] = "-10*k/weight*x*sex"
    what = fault(text)
    assert "d.csv:2, column sex: 'f' is no number and, as a formula, has a fault: unknown symbol 'f'" in what
    assert "words are labels for `by: sex`" in what


def test_a_column_that_cannot_be_a_constant_is_said_where_it_is_unknown(tmp_path: Path) -> None:
    path = saved(tmp_path, wide())
    assert "'weight' is a column of the measurements" in fault(config(path, unused=["weight"]))
    text = config(saved(tmp_path, wide().rename(columns={"x": "conc"})), columns={"x": "conc"})
    text["model"]["equations"]["x"] = "-k*conc"
    assert "unknown symbol 'conc'; 'conc' is a column of the measurements" in fault(text)
