"""`odefit import`, and commands and functions that take a problem as it is."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

import odefit
import sbml_texts as s
from commands import start
from odefit.data import outputs
from odefit.errors import InputError
from odefit.interop.formats import is_foreign
from odefit.interop.importing import import_file
from petab_texts import CONVERSION, problem


def command(*arguments: object) -> tuple[int, str, str]:
    process = start(*map(str, arguments))
    output, errors = process.communicate()
    return process.wait(), output, errors


@pytest.mark.quick
def test_a_problem_becomes_a_folder_and_the_next_command_is_said(tmp_path: Path) -> None:
    made = tmp_path / "made"
    code, output, _ = command("import", problem(tmp_path), "--out", made)
    assert code == 0
    assert output.splitlines() == [
        "conversion: 2 states, 1 parameter estimated, 1 observable, 1 experiment, 2 measurements",
        "note: of size 1, and so not written: cell",
        f"written to {made / 'conversion.yaml'}, {made / 'data.csv'}",
        f"next: odefit check {made / 'conversion.yaml'}",
    ]
    code, _, errors = command("import", problem(tmp_path), "--out", made)
    assert code == 2
    assert errors == f"error: {made}: exists already; choose another --out, or say --overwrite\n"


def test_a_faulty_problem_is_exit_code_2_and_leaves_nothing(tmp_path: Path) -> None:
    path = problem(tmp_path, observables="observableId | observableFormula | noiseFormula\nobs_a | A + | 0.5")
    code, _, errors = command("import", path, "--out", tmp_path / "made")
    assert code == 2
    assert "observables.tsv:2, column observableFormula: 'A +'" in errors
    assert not (tmp_path / "made").exists()


def test_a_fit_takes_a_problem_and_keeps_what_was_made_of_it(tmp_path: Path) -> None:
    path = problem(tmp_path)
    run = odefit.fit(path, ["fit.starts=1"], out=tmp_path / "run")
    assert run.result.status == "converged"
    assert sorted(file.name for file in (tmp_path / "run/imported").iterdir()) == ["conversion.yaml", "data.csv"]
    again = odefit.load_run(tmp_path / "run")
    assert again.result.estimates == run.result.estimates
    assert odefit.load(path).names == ("k1",)
    assert "dA/dt" in odefit.check(path)


@pytest.mark.parametrize("act", [odefit.fit, odefit.check, odefit.load])
def test_faults_of_what_was_made_of_a_problem_name_the_problem(act: Any, tmp_path: Path) -> None:
    """A row of the measurements where there is one; the folder in which the config was made is gone by then."""
    path = problem(tmp_path)
    with pytest.raises(odefit.DataError) as caught:
        act(path, ["data.start=5"])
    (first, *_) = caught.value.faults
    assert first.where.startswith(f"{path.parent / 'measurements.tsv'}:2")
    with pytest.raises(odefit.ConfigError) as wrong:
        act(path, ["noise.obs_b=gaussian"])
    assert "odefit-" not in str(caught.value) + str(wrong.value)


def test_a_model_alone_is_simulated(tmp_path: Path) -> None:
    frame = odefit.simulate(s.write(tmp_path, CONVERSION), ["data.simulate.times=[0,1]"]).frame
    assert list(frame.columns) == ["experiment", "time", "A", "B"]


def test_what_is_foreign(tmp_path: Path) -> None:
    assert is_foreign(problem(tmp_path))
    assert is_foreign(tmp_path / "model.xml")
    own = tmp_path / "own.yaml"
    own.write_text("title: format_version\nmodel: {equations: {x: -x}}\n", encoding="utf-8")
    assert not is_foreign(own)
    assert not is_foreign(tmp_path / "missing.yaml")


def test_a_problem_held_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = problem(tmp_path)
    path.write_text(path.read_text("utf-8").replace("[model.xml]", "[../model.xml]"), encoding="utf-8")
    monkeypatch.setenv("ODEFIT_ONLY_BESIDE", "1")
    with pytest.raises(InputError, match="which lies not beside"):
        odefit.load(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES], ids=["full", "forbidden"])
def test_an_import_that_cannot_be_written_says_which_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = import_file(problem(tmp_path))

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(outputs, "atomic_write", fail)
    with pytest.raises(odefit.RunError) as caught:
        made.write(tmp_path / "made")
    assert type(caught.value) is odefit.StorageError
    path, reason = tmp_path / "made" / "conversion.yaml", os.strerror(number).lower()
    assert str(caught.value) == f"{path}: cannot be written: {reason}"


ROW = """
    parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
    k1 | log10 | 0.01 | 100 | 0.8 | 1
    """


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ("k22 | log10 | 0.01 | 100 | 0.9 | 1", "; did you mean 'k2', which keeps the value of the model?"),
        ("K_2 | log10 | 0.01 | 100 | 0.9 | 0", "; did you mean 'k2', which keeps the value of the model?"),
        ("velocity | log10 | 0.01 | 100 | 0.9 | 1", ""),
    ],
)
def test_a_row_of_parameters_that_names_nothing_is_a_warning(row: str, hint: str, tmp_path: Path) -> None:
    path = problem(tmp_path, parameters=ROW + row)
    name = row.split(" ")[0]
    what = f"parameters.tsv:3: nothing in the model or in what was measured has the name '{name}': this row is left out"
    imported = import_file(path)
    assert [warning.removeprefix(f"{tmp_path}/") for warning in imported.warnings] == [what + hint]
    assert not [decision for decision in imported.decisions if name in decision]
    assert what.partition(": ")[2] in odefit.check(path)
    code, output, _ = command("import", path, "--out", tmp_path / "made")
    assert code == 0
    assert f"warning: {imported.warnings[0]}\n" in output


def test_rows_of_parameters_that_something_names_are_no_warning(tmp_path: Path) -> None:
    """Of the model; of an observable; of a measurement; of a condition; and one of the model that changes nothing."""
    model = CONVERSION.replace(
        "<listOfParameters>", '<listOfParameters><parameter id="idle" value="1" constant="true"/>'
    )
    rows = "".join(f"\n{name} | lin | 0.1 | 10 | 1 | 1" for name in ("gain", "spread", "rate", "idle"))
    path = problem(
        tmp_path,
        model,
        parameters=ROW.rstrip() + rows,
        observables="""
            observableId | observableFormula | noiseFormula
            obs_a | gain*A | noiseParameter1_obs_a""",
        conditions="""
            conditionId | k2
            c0 | rate""",
        measurements="""
            observableId | simulationConditionId | time | measurement | noiseParameters
            obs_a | c0 | 0 | 0.7 | spread
            obs_a | c0 | 10 | 0.1 | spread""",
    )
    imported = import_file(path)
    assert imported.warnings == ()
    assert "left out, for nothing depends on it: idle" in imported.decisions


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("problems:", "problem:", "has no key 'problems'; did you mean 'problem'?"),
        ("format_version:", "formatversion:", "no PEtab problem: it has no key 'format_version'; did you mean"),
        ("parameter_file:", "parameters_file:", "has no key 'parameter_file'; did you mean 'parameters_file'?"),
    ],
)
def test_a_key_of_the_yaml_file_that_is_nearly_right_is_named(key: str, wrong: str, said: str, tmp_path: Path) -> None:
    path = problem(tmp_path)
    path.write_text(path.read_text().replace(key, wrong))
    with pytest.raises(InputError, match=re.escape(said)):
        import_file(path)
