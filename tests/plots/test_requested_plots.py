"""Pictures that the config asks for in `plots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import odefit
from odefit.errors import ConfigError

DATA = """\
experiment,time,observable,value
low,0,A,1.1
low,2,A,0.5
low,0,B,2.2
high,0,A,4.1
high,2,A,2.0
high,0,B,8.1
"""
PLOTS: dict[str, Any] = {
    "decay": {
        "title": "How it decays",
        "x_label": "days",
        "y_scale": "log",
        "x_offset": 3,
        "curves": [
            {"observable": "A", "experiments": ["low"], "label": "little"},
            {"observable": "A", "experiments": ["high"]},
        ],
    },
    "dose": {"x": "start_value", "curves": [{"observable": "A"}]},
}


def config(folder: Path, plots: dict[str, Any]) -> Path:
    (folder / "data.csv").write_text(DATA, encoding="utf-8")
    path = folder / "decay.yaml"
    data = {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": "start_value"},
            "observables": {"A": "x", "B": "2*x"},
        },
        "parameters": {"k": {"value": 0.4, "bounds": [0.01, 10]}},
        "data": {"csv": "data.csv", "experiments": {"low": {"start_value": 1}, "high": {"start_value": 4}}},
        "noise": {"sigma": 0.1},
        "plots": plots,
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return odefit.fit(config(tmp_path_factory.mktemp("plots"), PLOTS))


def test_a_curve_for_each_entry_with_its_measurements(run: Any) -> None:
    figure = odefit.plot(run, "decay")
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("days", "A", "log")
    lines = [line for line in ax.lines if line.get_linestyle() == "-"]
    dots = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert [line.get_xdata()[0] for line in lines] == [3.0, 3.0]  # times from 0 on, moved by the offset
    k = run.result.estimates["k"].value
    np.testing.assert_allclose(lines[1].get_ydata()[-1], 4 * np.exp(-2 * k), rtol=1e-5)
    assert [list(line.get_ydata()) for line in dots] == [[1.1, 0.5], [4.1, 2.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["little", "high", "measured"]


def test_a_constant_of_the_experiments_as_axis(run: Any) -> None:
    (ax,) = odefit.plot(run, "dose").axes
    k = run.result.estimates["k"].value
    joined = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [list(line.get_xdata()) for line in joined] == [[1, 4], [1, 4]]  # at each of the two measured times
    np.testing.assert_allclose(joined[0].get_ydata(), [1, 4], rtol=1e-6)
    np.testing.assert_allclose(joined[1].get_ydata(), [np.exp(-2 * k), 4 * np.exp(-2 * k)], rtol=1e-3)


def test_a_run_folder_has_the_pictures_under_their_names(tmp_path: Path) -> None:
    run = odefit.fit(config(tmp_path, PLOTS), out=tmp_path / "run")
    from odefit.pictures import draw

    assert {path.name for path in draw(run, kinds=["decay", "dose"])} == {"decay.png", "dose.png"}
    again = odefit.load_run(tmp_path / "run")
    assert odefit.plot(again, "decay").axes[0].get_xlabel() == "days"


def test_other_pictures_are_no_reason_not_to_resume(tmp_path: Path) -> None:
    odefit.fit(config(tmp_path, PLOTS), out=tmp_path / "run")
    run = odefit.fit(config(tmp_path, {}), out=tmp_path / "run", resume=True)
    assert run.result.status == "converged"


def test_names_that_do_not_exist_are_told_with_their_lines(tmp_path: Path) -> None:
    plots = {"one": {"x": "dose", "curves": [{"observable": "a"}, {"observable": "A", "experiments": ["lo"]}]}}
    with pytest.raises(ConfigError) as raised:
        odefit.load(config(tmp_path, plots))
    found = [str(fault) for fault in raised.value.faults]
    assert any("plots.one.curves.0.observable: 'a' is no observable; did you mean 'A'?" in fault for fault in found)
    assert any("plots.one.curves.1.experiments: 'lo' is no experiment; did you mean 'low'?" in fault for fault in found)
    assert any(
        "plots.one.x: 'dose' is neither `time` nor a number of every experiment here" in fault for fault in found
    )
