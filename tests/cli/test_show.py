"""`--show`, the live line, and what comes next."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import odefit
from commands import run
from odefit.live_bar import LiveBar
from odefit.terminal_plot import plot_lines

DECAY = """\
model: {equations: {x: -k*x}}
parameters: {k: {value: 0.5, bounds: [0.01, 10]}}
data: {csv: decay.csv}
fit: {starts: 2}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("decay.yaml").write_text(DECAY)
    rows = "".join(f"{t},{10 * np.exp(-0.4 * t) + 0.05 * np.sin(7 * t):.4f}\n" for t in range(11))
    Path("decay.csv").write_text(f"time,x\n{rows}")


@pytest.mark.quick
def test_points_stand_where_they_were_measured() -> None:
    """A straight line of 11 measurements: each in its own column and line, and the curve below all of them."""
    line = odefit.fit(
        {"model": {"equations": {"x": "a"}}, "parameters": {"a": 1.0}, "fit": {"starts": 1}},
        data=[odefit.Experiment("a", np.arange(11.0), {"x": np.arange(11.0) + 0.001 * np.cos(np.arange(11.0))})],
    )
    lines = list(plot_lines(line, width=53, braille=False))
    assert max(map(len, lines)) <= 53
    rows = [row for row, text in enumerate(lines) if "|" in text or " +" in text]
    places = sorted((text.index("o"), row) for row, text in enumerate(lines[:-1]) if "o" in text)
    columns, found = zip(*places, strict=True)
    assert np.ptp(np.diff(columns)) <= 1
    assert list(found) == sorted(found, reverse=True)
    assert len(rows) == 15  # 14 lines, and the axis
    assert sum(text.count(".") for text in lines[:-1]) > 20


def test_a_terminal_without_braille_and_a_narrow_one(tmp_path: Path) -> None:
    """Two observables stand beside each other in 80 columns, below each other in 50; limits are arrows."""
    fitted = odefit.fit(
        {
            "model": {"equations": {"x": "-k*x", "y": "k*x"}, "initial": {"x": 10, "y": 0}},
            "parameters": {"k": 0.5},
            "fit": {"starts": 1},
        },
        data=[
            odefit.Experiment(
                "a",
                [0.5, 1, 2, 4],
                {"x": [8.0, 6.1, 3.5, 1.0], "y": [2.1, 3.8, 6.3, 8.2]},
                censored={"x": [0, 0, 0, -1]},
            )
        ],
    )
    wide, narrow = list(plot_lines(fitted, 80)), list(plot_lines(fitted, 50))
    assert len(narrow) > 1.7 * len(wide)
    assert max(map(len, wide)) <= 80
    assert max(map(len, narrow[:-1])) <= 50
    assert sum(text.count("v") for text in wide[:-1]) == 1
    assert wide[-1] == "o measured, dots fitted, over time; v, ^ the truth is below, above"
    assert any("\u2800" < sign < "\u2900" for text in wide for sign in text)
    assert all(sign.isascii() for text in plot_lines(fitted, 80, braille=False) for sign in text)


def test_the_time_has_the_unit_of_its_header() -> None:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5}}, "data": {"time": "Hours [h]"}}
    fitted = odefit.fit(config, data=pd.DataFrame({"Hours [h]": [0.0, 1, 2, 4], "x": [8.0, 6.1, 3.5, 1.0]}))
    assert list(plot_lines(fitted, 80))[-1].endswith("fitted, over Hours")
    assert odefit.predict(fitted, times=[1, 2]).time == "Hours"


def test_fit_and_plot_show_it(tmp_path: Path) -> None:
    said, _ = run("fit", "decay.yaml", "--show", "--no-plots")
    assert "o measured, dots fitted, over time" in said
    assert "\x1b" not in said
    shown, _ = run("plot", "runs/decay", "--show")
    assert shown.strip() in said
    assert not Path("runs/decay/plots").exists()


def test_the_locale_of_ascii_has_no_braille() -> None:
    run("fit", "decay.yaml", "--no-plots")
    for locale, dots in (("C", "."), ("en_US.UTF-8", "dots")):
        its = f"import os; os.environ.update(LC_ALL='', LC_CTYPE='', PYTHONIOENCODING='', LANG='{locale}')"
        shown, _ = run("plot", "runs/decay", "--show", before=its)
        assert f"o measured, {dots} fitted" in shown
        assert shown.isascii() == (dots == ".")


def test_values_over_decades_have_a_logarithmic_axis() -> None:
    """An exponential is a straight line there: every time is a step of the same size down."""
    times = np.arange(13.0)
    fitted = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1.0}, "fit": {"starts": 1}},
        data=[odefit.Experiment("a", times, {"x": 1e4 * np.exp(-times) * (1 + 0.01 * np.cos(7 * times))})],
    )
    lines = list(plot_lines(fitted, 60, braille=False))
    labels = [text.split("+")[0].strip() for text in lines if " + " in text[:12] or "+o" in text[:12]]
    assert labels == ["10000", "1000", "100", "10", "1", "0.1"]
    rows = [row for row, text in enumerate(lines[:-1]) for sign in text if sign == "o"]
    assert set(np.diff(rows)) <= {1, 2}


def test_many_panels_are_counted() -> None:
    times = np.arange(4.0)
    data = [odefit.Experiment(str(k), times, {"x": 10 * np.exp(-0.4 * times) + 0.01 * k}) for k in range(9)]
    fitted = odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=data)
    lines = list(plot_lines(fitted))
    assert lines[-1].endswith("; 3 more panels in the pictures")
    assert sum("x, " in text for text in lines) == 3  # two in a line
    wide = list(plot_lines(fitted, 200))
    assert sum("x, " in text for text in wide) == 2  # three in a line
    assert 180 < max(map(len, wide)) <= 200


def test_the_live_line_has_stage_value_rate_and_time() -> None:
    file = io.StringIO()
    bar = LiveBar(Console(file=file, force_terminal=True, width=80, color_system=None), "starts", 20)
    for done in range(1, 11):
        bar.show(done, "best [12.5], reached by 3")
    bar.pause()
    bar.go_on()
    bar.end()
    said = file.getvalue()
    assert "starts" in said
    assert "10/20" in said
    assert "best [12.5], reached by 3" in said
    assert "/s" in said


def test_what_comes_next_is_apt() -> None:
    few = ("--set", "fit={max_iterations: 1, match: false}", "--set", "parameters.k.value=9")
    stopped, _ = run("fit", "decay.yaml", *few, "--no-plots")
    assert stopped.splitlines()[-1] == f"next: {shlex.join(('odefit', 'fit', 'decay.yaml', *few))} --from runs/decay"
    again, _ = run("fit", "decay.yaml", "--from", "runs/decay", "--no-plots")
    assert again.splitlines()[-1] == "next: odefit plot runs/decay-2"
    sampled, _ = run("bootstrap", "runs/decay-2", "--samples", "20")
    assert sampled.splitlines()[-1] == "next: odefit report runs/decay-2"
