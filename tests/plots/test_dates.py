"""Dates on axes of time: what a result keeps of them, which labels they give, and what is refused."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import odefit
from commands import run as command
from odefit.errors import ConfigError, Faults, RunError
from odefit.pictures import draw
from odefit.plots.dates import calendar_of, time_ticks
from odefit.runs.results import Dates
from odefit.terminal_plot import plot_lines

DAYS = ("2021-02-26 08:00", "2021-02-27 08:00", "2021-02-28 08:00", "2021-03-01 08:00", "2021-03-02 08:00")
LATER = tuple(day.replace("2021", "2022") for day in DAYS)
SIZES = (9.1, 5.4, 3.4, 1.9, 1.3)


def fitted(folder: Path, *experiments: tuple[str, ...], units: dict[str, str] | None = None, **data: Any) -> Any:
    rows = [
        f"{name},{t},{x}\n"
        for name, times in zip("ab", experiments, strict=False)
        for t, x in zip(times, SIZES, strict=True)
    ]
    (folder / "d.csv").write_text("experiment,time,x\n" + "".join(rows), encoding="utf-8")
    config = {
        "model": {"equations": {"x": "-k*x"}, "units": units or {}},
        "parameters": {"k": 0.5},
        "data": {"csv": str(folder / "d.csv"), **data},
        "fit": {"starts": 1},
        "plots": {"mine": {"curves": [{"observable": "x"}]}},
    }
    return odefit.fit(config, out=folder / "run")


def labels(figure: Figure, panel: int = 0) -> list[str]:
    figure.canvas.draw()
    return [tick.get_text() for tick in figure.axes[panel].get_xticklabels()]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return fitted(tmp_path_factory.mktemp("dated"), DAYS, units={"t": "h"})


def test_a_run_folder_keeps_the_zero_of_its_dates(dated: Any) -> None:
    kept = json.loads((dated.path / "result.json").read_text(encoding="utf-8"))["dates"]
    assert kept == {"seconds_per_unit": 3600.0, "zero": "2021-02-26T08:00:00"}
    assert odefit.load_run(dated.path).result.dates == Dates(3600.0, "2021-02-26T08:00:00")


def test_reports_and_terminals_say_what_time_0_is(dated: Any) -> None:
    page = odefit.report(dated).html
    assert "Time 0 is 2021-02-26 08:00:00." in page
    assert ">2021-02-26 08:00:00</td>" in page
    assert "; 0 is 2021-02-26 08:00:00" in list(plot_lines(dated))[-1]


@pytest.mark.parametrize("unit, data_unit", [("min", "h"), ("d", "week"), ("h", "h")])
def test_the_unit_is_that_of_the_model(tmp_path: Path, unit: str, data_unit: str) -> None:
    run = fitted(tmp_path, DAYS, units={"t": unit}, time_unit=data_unit, zero="2021-02-26")
    (one,) = run.measured
    seconds = (datetime.datetime(2021, 3, 2, 8) - datetime.datetime(2021, 2, 26)).total_seconds()
    assert one.times[-1] * run.result.dates.seconds_per_unit == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("kind", ["time_series", "residuals", "mine"])
def test_axes_of_time_say_dates(dated: Any, kind: str) -> None:
    figure = odefit.plot(odefit.load_run(dated.path), kind, dates=True)
    assert [text for text in labels(figure) if text] == ["27", "28", "Mar", "02"]
    assert figure.axes[0].xaxis.get_offset_text().get_text() == "2021-Mar"
    assert figure.axes[0].get_xlabel() == "time"
    assert odefit.plot(dated, kind).axes[0].get_xlabel() == "time (h)"


def test_a_picture_with_dates_has_a_name_of_its_own(dated: Any, tmp_path: Path) -> None:
    assert [p.name for p in draw(dated, kinds=["time_series", "mine"], out=tmp_path, dates=True)] == [
        "time_series_dates.png",
        "mine_dates.png",
    ]


@pytest.mark.parametrize(
    "span, expected",
    [
        ((0, 0.25), ["11:00", "12:00", "13:00", "14:00", "15:00", "16:00"]),
        ((0, 1.5), ["12:00", "18:00", "Mar-02", "06:00", "12:00", "18:00"]),
        ((-400, 1000), ["2021", "2022", "2023"]),
        ((0, 36525), ["2040", "2060", "2080", "2100", "2120"]),
        ((-1e9, 1e9), ["2", "2001", "4001", "6001", "8001"]),
    ],
)
def test_ticks_of_days(span: tuple[float, float], expected: list[str]) -> None:
    calendar = calendar_of(Dates(86400.0, "2021-03-01T10:30:00"), ["a"], Faults())
    figure = Figure()
    axes = figure.subplots()
    axes.set_xlim(*span)
    time_ticks(axes.xaxis, calendar, 8)
    figure.canvas.draw()
    low, high = span
    places = axes.xaxis.get_majorticklocs()
    texts = [tick.get_text() for tick in axes.get_xticklabels()]
    assert [text for t, text in zip(places, texts, strict=True) if low <= t <= high] == expected


def test_experiments_with_zeros_of_their_own_are_drawn_one_at_a_time(tmp_path: Path) -> None:
    run = fitted(tmp_path, DAYS, LATER, zero="first")
    assert run.result.dates.zero == {"a": "2021-02-26T08:00:00", "b": "2022-02-26T08:00:00"}
    with pytest.raises(ConfigError, match="dates: each experiment counts from its own first row"):
        odefit.plot(run, dates=True)
    figure = odefit.plot(run, experiments=["b"], dates=True)
    labels(figure)
    assert figure.axes[0].xaxis.get_offset_text().get_text() == "2022-Mar"
    # A picture of the config chooses its own experiments, and shows numbers.
    assert "Mar" not in labels(odefit.plot(run, "mine", experiments=["b"], dates=True))


def test_experiments_with_one_zero_share_an_axis(tmp_path: Path) -> None:
    run = fitted(tmp_path, DAYS, LATER, zero="2021-01-01")
    assert "2022" in labels(odefit.plot(run, "overlay", dates=True))


@pytest.mark.parametrize("times", [tuple("01234"), ("0:00:00", "1:00:00", "2:00:00", "3:00:00", "4:00:00")])
def test_data_without_dates_are_refused_in_a_line(tmp_path: Path, times: tuple[str, ...]) -> None:
    run = fitted(tmp_path, times)
    assert run.result.dates is None
    said = command("plot", str(run.path), "--dates", "--kind", "time_series", code=2)[1]
    assert said.splitlines()[-1].startswith("error: dates: these data have no dates; leave it out")
    assert not list((run.path / "plots").glob("*dates*"))


def test_a_logarithmic_axis_has_no_dates(dated: Any) -> None:
    with pytest.raises(ConfigError, match="dates: have no logarithmic axis"):
        odefit.plot(dated, dates=True, log_x=True)


@pytest.mark.parametrize(
    "dates",
    [{"zero": "2021-03-01", "seconds_per_unit": 0}, {"zero": "soon", "seconds_per_unit": 1}, {"zero": {"a": 1}}],
)
def test_damaged_dates_are_named(tmp_path: Path, dates: dict[str, Any]) -> None:
    path = fitted(tmp_path, DAYS).path / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"dates": dates}), encoding="utf-8")
    with pytest.raises(RunError, match="is damaged"):
        odefit.load_run(path.parent)


def test_predictions_and_comparisons_say_dates(dated: Any, tmp_path: Path) -> None:
    ahead = odefit.predict(dated, [0, 48, 96])
    assert "Mar" in labels(ahead.figure(dates=True))
    assert ahead.figure(dates=True).axes[0].get_xlabel() == "time"
    assert ahead.figure().axes[0].get_xlabel() == "time (h)"
    beside = odefit.compare(dated, dated)
    assert "Mar" in labels(beside.figure(dates=True))
    plain = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "fit": {"starts": 1}},
        data=[odefit.Experiment("a", range(5), {"x": SIZES})],
    )
    with pytest.raises(ConfigError, match="these data have no dates"):
        odefit.predict(plain, [1, 2]).figure(dates=True)
