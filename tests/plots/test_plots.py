"""The pictures: which are drawn, that their numbers are the run's, and that nothing in them overlaps."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

import odefit
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError, Faults, RunError
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.pictures import draw
from odefit.pictures import plot as picture
from odefit.plots import panels, style
from odefit.plots.animation import MAX_BYTES, MAX_FRAMES, animate, thinned
from odefit.plots.curves import log_threshold, points, restricted, trace
from odefit.plots.panels import plan_panels
from odefit.plots.residuals import standardised
from odefit.plots.search_frames import search_frames, training_frames
from odefit.plots.selection import Selection, select
from odefit.uncertainty.bands import prediction_bands
from odefit.uncertainty.degrees_of_freedom import residual_degrees

OSCILLATORS = """
title: Ten oscillators, $5 each
model: {equations: {x: v, v: -k*x}, initial: first}
parameters: {k: {value: 0.8}}
data:
  simulate:
    {parameters: {k: 1}, experiments: 10, initial: {x: 1, v: 0}, spread: 0.2, times: {stop: 6, count: 9}, noise: 0.05}
solver: {method: rk4, step: 0.3}
fit: {method: adam, epochs: 4, learning_rate: 0.05, plot_every: 1}
"""
GROWTH = """
title: Growth of two cultures
model: {equations: {N: r*N*(1 - N/K)}, initial: estimate}
parameters: {r: {value: 0.5, scale: log, bounds: [0.01, 10]}, K: {value: 80, scale: log, bounds: [1, 1000]},
  N_0: {value: 1, scale: log, bounds: [0.01, 100], unit: cells/mL}}
data: {csv: growth.csv, time: hour}
noise: lognormal
fit: {method: least_squares, starts: 4, workers: 1}
"""
GROWTH_CSV = """experiment,hour,N
north,0,1.1
north,2,2.9
north,4,
north,6,19
north,10,71
north,14,98
south,0,0.4
south,3,1.9
south,6,10
south,7,
south,12,92
"""
LORENZ = """
model: {name: lorenz}
data: {simulate: {parameters: {rho: 28}, times: {stop: 1, step: 0.05}, noise: 0.1, seed: 2}}
fit: {method: least_squares}
"""
DRUG = """
model:
  equations: {gut: -ka*gut, blood: ka*gut - ke*blood}
  observables: {conc: blood/V}
  initial: {gut: 320, blood: 0}
parameters: {ka: {value: 1, scale: log}, ke: {value: 0.1, scale: log}, V: {value: 25, scale: log}}
data:
  simulate: {parameters: {ka: 1.5, ke: 0.08, V: 30}, times: [0.25, 0.5, 1, 2, 4, 6, 9, 12, 24], noise: 0.3, seed: 3}
fit: {method: least_squares}
"""
ALL = ("oscillators", "growth", "lorenz", "drug")


def fitted(folder: Path, text: str, table: str = "") -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.csv").write_text(table or GROWTH_CSV)
    (folder / "config.yaml").write_text(text)
    return odefit.fit(folder / "config.yaml", out=folder / "run")


class Runs(dict[str, Run]):
    """Each fitted when it is first asked for; the oscillators by training, which needs torch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, name: str) -> Run:
        if name == "oscillators":
            pytest.importorskip("torch")
        text = {"oscillators": OSCILLATORS, "growth": GROWTH, "lorenz": LORENZ, "drug": DRUG}[name]
        return self.setdefault(name, fitted(self.folder / name, text))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("plots"))


def chosen(run: Run, **options: object) -> Selection:
    faults = Faults()
    wanted = {"states": None, "experiments": None, "time_range": None} | options
    selection = select(run, *wanted.values(), faults)
    faults.check()
    return selection


def with_measured(run: Run, experiment: Experiment) -> Run:
    return replace(run, assembly=replace(run.assembly, measured=(experiment,)))


def labels(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


# What is drawn


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "growth",
            [
                *("time_series", "overlay", "history", "residuals", "observed", "parameters", "correlations"),
                "waterfall",
            ],
        ),
        ("lorenz", ["time_series", "phase_plane", "history", "residuals", "observed", "correlations"]),
    ],
)
def test_by_default_everything_that_the_run_has_is_drawn(runs: Runs, name: str, kinds: list[str]) -> None:
    paths = draw(runs[name])
    assert paths == [runs[name].path / "plots" / f"{kind}.png" for kind in kinds]
    for path in paths:
        with Image.open(path) as image:
            assert image.width >= 5 * style.DOTS
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 20


def test_a_fit_draws_few_at_its_end(runs: Runs, tmp_path: Path) -> None:
    drawn = draw(runs["growth"], out=tmp_path, after_fit=True)
    assert [path.stem for path in drawn] == ["time_series", "history", "residuals", "waterfall"]


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_the_same_run_gives_the_same_bytes(runs: Runs, tmp_path: Path, format: style.Format) -> None:
    kinds = ["time_series", "phase_plane"] if format == "png" else ["phase_plane"]
    first = draw(runs["drug"], kinds=kinds, format=format, out=tmp_path / "a")
    second = draw(odefit.load_run(runs["drug"].path), kinds=kinds, format=format, out=tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert {p.suffix for p in first} == {f".{format}"}


@pytest.mark.parametrize(
    ("name", "span"),
    [("oscillators", (0.3, 20.0)), ("growth", None), ("lorenz", None), ("drug", (0.3, 30.0))],
)
def test_nothing_overlaps_or_leaves_the_picture(runs: Runs, name: str, span: tuple[float, float] | None) -> None:
    for kind in ("time_series", "phase_plane", "residuals"):
        if kind == "phase_plane" and name == "growth":
            continue
        figure = picture(runs[name], kind, time_range=span)
        with style.styled():
            figure.canvas.draw()
        whole = figure.bbox
        boxes = [ax.get_tightbbox() for ax in figure.axes]
        legend = figure.legends[0].get_window_extent()
        assert legend.x0 >= 0
        assert legend.x1 <= whole.x1
        assert legend.y0 >= 0
        for box in boxes:
            assert box is not None
            assert box.x0 >= -1
            assert box.x1 <= whole.x1 + 1
            assert box.y1 <= whole.y1 + 1
            assert not legend.overlaps(box)
        for i, box in enumerate(boxes):
            assert box is not None
            assert not any(box.overlaps(other) for other in boxes[i + 1 :] if other is not None)


def test_axes_carry_names_units_and_the_time_column(runs: Runs) -> None:
    figure = picture(runs["growth"], "time_series")
    assert figure.axes[0].get_ylabel() == "N (cells/mL)"
    assert figure.axes[0].get_xlabel() == "hour"
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["north", "south"]
    assert picture(runs["drug"], "time_series").axes[0].get_ylabel() == "conc"
    # Two decades of log-normal data in the second panel make both logarithmic.
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}


def test_many_experiments_are_cut_and_the_title_says_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(picture(runs["oscillators"], "time_series").axes) == 10
    monkeypatch.setattr(panels, "MAX_PANELS", 9)
    figure = picture(runs["oscillators"], "time_series")
    assert len(figure.axes) == 9
    assert "the first 9 experiments of 10" in figure.get_suptitle()
    assert len(picture(runs["oscillators"], "time_series", experiments=["10", "3"]).axes) == 2


def test_unlike_observables_get_panels_of_their_own(runs: Runs) -> None:
    run = runs["lorenz"]
    plan = plan_panels(run, chosen(run), trace(run, chosen(run).groups, None))
    assert plan.shape == (3, 1)
    assert not plan.together
    run = runs["oscillators"]
    plan = plan_panels(run, chosen(run), trace(run, chosen(run).groups, None))
    assert plan.shape == (3, 4)
    assert plan.together


def test_a_dollar_is_a_dollar_and_a_strange_letter_no_warning(runs: Runs, tmp_path: Path) -> None:
    run = runs["lorenz"]
    assert picture(runs["oscillators"], "history").get_suptitle() == r"Ten oscillators, \$5 each"
    loaded = run.assembly.loaded
    odd = replace(loaded, config=loaded.config.model_copy(update={"title": r"$\frac{1$ 兎 " + "long " * 40}))
    strange = replace(run, assembly=replace(run.assembly, loaded=odd))
    for format in ("png", "svg"):
        assert draw(strange, kinds=["history"], format=format, out=tmp_path)[0].stat().st_size > 1000


def test_the_users_own_style_neither_enters_nor_is_changed(runs: Runs, tmp_path: Path) -> None:
    plain = draw(runs["drug"], kinds=["residuals"], out=tmp_path / "a.png")[0].read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "red", "lines.linewidth": 9}):
        assert draw(runs["drug"], kinds=["residuals"], out=tmp_path / "b.png")[0].read_bytes() == plain
        assert matplotlib.rcParams["axes.facecolor"] == "red"


# A figure instead of a file


def test_a_figure_is_what_the_file_shows_and_writes_nothing(runs: dict[str, Run], tmp_path: Path) -> None:
    before = set(runs["growth"].path.rglob("*"))
    made = picture(runs["growth"], "time_series", experiments=["north"])
    assert set(runs["growth"].path.rglob("*")) == before
    assert made.axes[0].get_xlabel() == "hour"
    data, size = made._repr_png_()  # type: ignore[attr-defined]
    [path] = draw(runs["growth"], kinds=["time_series"], experiments=["north"], out=tmp_path)
    assert data == path.read_bytes()
    with Image.open(path) as image:
        assert image.width == pytest.approx(2 * size["width"], abs=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "time_serie"}, "did you mean 'time_series'?"),
        ({"kind": "phase_plane"}, "needs two states"),
        ({"kind": "time_series", "states": ["n"]}, "did you mean 'N'?"),
        ({"kind": "time_series", "time_range": (3, 3)}, "two finite numbers"),
    ],
)
def test_a_figure_that_cannot_be_made_says_why(runs: dict[str, Run], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        picture(runs["growth"], **options)


# Where the files go


def test_one_picture_may_go_to_a_file_whose_ending_is_its_format(runs: Runs, tmp_path: Path) -> None:
    target = tmp_path / "new" / "figure_1.pdf"
    assert draw(runs["drug"], kinds=["history"], out=target) == [target]
    assert target.read_bytes().startswith(b"%PDF")
    with pytest.raises(ConfigError, match="one file, and there are 2 pictures"):
        draw(runs["drug"], kinds=["history", "residuals"], out=target)


def test_a_place_that_refuses_is_a_run_error(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        draw(runs["drug"], kinds=["history"], out=tmp_path / "file" / "plots")
    assert (tmp_path / "file").read_text() == ""


def test_wrong_names_are_all_told_at_once_with_a_suggestion(runs: Runs) -> None:
    with pytest.raises(ConfigError) as caught:
        draw(
            runs["growth"],
            kinds=["time_serie"],
            states=["n"],
            experiments=["nort", "north"],
            time_range=(3, 3),
            format="jpg",
        )
    told = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in told] == ["states", "experiments", "time_range", "kinds", "format"]
    assert "did you mean 'N'?" in told[0]
    assert "did you mean 'north'?" in told[1]
    assert "did you mean 'time_series'?" in told[3]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kinds": ["phase_plane"]}, "needs two states"),
        ({"kinds": ["waterfall"], "name": "drug"}, "single start"),
        ({"kinds": ["residuals"], "states": ["gut"], "name": "drug"}, "none of these states is measured"),
        ({"time_range": (math.nan, 3.0)}, "two finite numbers"),
        ({"time_range": (-5.0, 0.0)}, "the model starts at 0"),
        ({"states": []}, "names nothing"),
        ({"kinds": []}, "names nothing"),
    ],
)
def test_what_cannot_be_drawn_says_why(runs: Runs, options: dict[str, object], sentence: str) -> None:
    name = options.pop("name", "growth")
    with pytest.raises(ConfigError, match=sentence):
        draw(runs[str(name)], **options)


# The numbers in the pictures


@pytest.mark.parametrize("name", ALL)
def test_the_curve_passes_through_the_predictions(runs: Runs, name: str) -> None:
    """Also with a fixed-step solver, whose answer would be another one between other steps."""
    run = runs[name]
    with (run.path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    for one in trace(run, chosen(run).groups, None):
        mine = [r for r in rows if r["experiment"] == one.group.name]
        for quantity in chosen(run).series:
            t, g = (
                np.array([float(r[key]) for r in mine if r["observable"] == quantity.name])
                for key in ("time", "predicted")
            )
            place = np.abs(one.times[:, None] - t).argmin(axis=0)
            np.testing.assert_allclose(one.times[place], t, atol=1e-12)
            np.testing.assert_allclose(one.values(quantity)[place], g, rtol=2e-5, atol=1e-6)


def test_the_true_curve_is_that_of_the_true_parameters(runs: Runs) -> None:
    """x'' = -x: x(t) = x0 cos t + v0 sin t."""
    run = runs["oscillators"]
    selection = chosen(run, experiments=["7", "2"])
    truth = run.result.truth or {}
    for one in trace(run, selection.groups, (0, 9)):
        x0, v0 = (truth[f"{state}_0[{one.group.name}]"] for state in "xv")
        assert one.truth is not None
        assert one.truth.times[-1] == 9
        t = one.truth.times
        for quantity, exact in zip(
            selection.plane, (x0 * np.cos(t) + v0 * np.sin(t), v0 * np.cos(t) - x0 * np.sin(t)), strict=True
        ):
            np.testing.assert_allclose(one.true_values(quantity, run.observables), exact, atol=1e-6)


def test_a_time_range_goes_beyond_the_data_or_into_them(runs: Runs) -> None:
    run = runs["growth"]
    beyond = trace(run, chosen(run).groups, (-3, 40))[1]
    assert beyond.times[0] == beyond.start == 0
    assert beyond.times[-1] == 40
    assert beyond.end == 12
    assert "beyond the data" in labels(picture(run, "time_series", time_range=(-3.0, 40.0)))
    within = trace(run, chosen(run).groups, (5, 11))[0]
    assert within.times[0] == 5
    assert within.times[-1] == 11
    assert "beyond the data" not in labels(picture(run, "time_series", time_range=(5.0, 11.0)))
    # The rk4 steps of 0.29... are kept: the last one before the span is there, so that the line reaches the edge.
    run = runs["oscillators"]
    stepped = trace(run, chosen(run).groups[:1], (2, 5))[0]
    assert stepped.times[0] <= 2 < stepped.times[1]
    assert stepped.band is not None
    assert len(stepped.times) == len(stepped.states) == len(stepped.band.low)


def test_points_are_the_measured_cells(runs: Runs) -> None:
    run = runs["growth"]
    selection = chosen(run)
    at = points(run, selection.groups[0], selection.series[0])
    assert at.t.tolist() == [0, 2, 6, 10, 14]
    assert at.d.tolist() == [1.1, 2.9, 19, 71, 98]
    assert points(run, selection.groups[0], selection.series[0], (1, 6)).t.tolist() == [2, 6]
    run = runs["drug"]
    gut = chosen(run, states=["gut"]).series[0]
    assert not len(points(run, chosen(run).groups[0], gut).t)
    assert "measured" not in labels(picture(run, "phase_plane"))


def test_replicates_share_a_panel_and_bring_their_errors(tmp_path: Path) -> None:
    text = "model: {equations: {x: -k*x}}\nparameters: {k: 0.3}\ndata: {csv: growth.csv}\nnoise: {sigma: column}\n"
    table = (
        "experiment,time,observable,value,sigma\nA,0,x,5,0.3\nA,0,x,4.8,0.4\nA,1,x,3,0.2\nB,0,x,9,0.3\nB,2,x,4,0.2\n"
    )
    run = fitted(tmp_path, text, table)
    selection = chosen(run)
    assert [(g.name, g.members) for g in selection.groups] == [("A", (0, 1)), ("B", (2,))]
    at = points(run, selection.groups[0], selection.series[0])
    assert at.error is not None
    assert sorted(at.error.tolist()) == [0.2, 0.3, 0.4]
    assert chosen(run, experiments=["A#2"]).rows == (1,)
    # A noise level that is known for measured cells only gives no band for new ones.
    assert labels(picture(run, "time_series")) == {"measured", "fitted", "95 % confidence band"}
    assert len(draw(run, after_fit=True)) == 3


def test_standardised_residuals_are_on_the_noise_models_scale(runs: Runs) -> None:
    run = runs["growth"]
    selection = chosen(run, experiments=["south"])
    (residuals,) = standardised(run, selection.rows, selection.residuals)
    predicted = run.solve([e.times for e in run.measured]).observables[1][:, 0]
    sigma = run.result.estimates["sigma_N"].value
    assert sigma is not None
    expected = np.log(run.measured[1].values[:, 0] / predicted) / sigma
    np.testing.assert_allclose(residuals.r, expected[~np.isnan(expected)], rtol=1e-6)
    assert residuals.t.tolist() == [0, 3, 6, 12]
    # A first row that is the initial value is no residual.
    run = runs["oscillators"]
    (x, _) = standardised(run, chosen(run).rows, chosen(run).residuals)
    assert len(x.r) == 10 * 8
    assert x.t.min() > 0


def test_the_history_is_shown_above_its_best_and_with_the_truth(runs: Runs) -> None:
    figure = picture(runs["growth"], "history")
    assert figure.axes[0].get_ylabel() == "objective above its best"
    assert figure.axes[0].get_yscale() == "log"
    figure = picture(runs["oscillators"], "history")
    assert figure.axes[0].get_ylabel() == "loss"
    # The noise levels stand still under a squared error, and are left out.
    assert [ax.get_title(loc="left") for ax in figure.axes[1:]] == ["k"]
    assert 1.0 in [line.get_ydata()[0] for line in figure.axes[1].lines]


def test_a_waterfall_counts_the_starts(runs: Runs, tmp_path: Path) -> None:
    run = replace(runs["growth"], path=tmp_path)
    head = "start,status,objective,message,seconds,evaluations,gradients,objective\n"
    rows = [
        "3,failed,,blew up,1,,,7",
        "1,converged,-5.5,ok,1,3,2,7",
        "2,converged,-5.5,ok,1,3,2,7",
        "4,converged,94.5,ok,1,3,2,7",
    ]
    (tmp_path / "starts.csv").write_text(head + "\n".join(rows) + "\n")
    run = replace(run, result=replace(run.result, starts=replace(run.result.starts, requested=4, at_best=2)))
    figure = picture(run, "waterfall")
    assert "2 of 4 starts reached the best optimum; 1 failed" in figure.get_suptitle()
    heights = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert heights == [[1, 1, 101], [101], [1, 1]]


@pytest.mark.parametrize("times", [np.geomspace(1e-2, 1e4, 12), np.r_[0, np.geomspace(1e-2, 1e4, 12)]])
def test_times_over_decades_get_a_logarithmic_axis(runs: Runs, times: np.ndarray) -> None:
    run = runs["drug"]
    blank = replace(run.measured[0], times=times, values=np.ones((len(times), 1)), start=float(times[0]))
    assert log_threshold(with_measured(run, blank), chosen(run).groups) == pytest.approx(1e-2)
    assert log_threshold(run, chosen(run).groups) is None
    even = replace(blank, times=np.linspace(0, 1e4, 20_000))
    assert log_threshold(with_measured(run, even), chosen(run).groups) is None


# Bands


def decay(folder: Path, noise: str) -> Run:
    text = f"""
model: {{equations: {{x: -k*x}}, observables: {{x: x, two: 2 + 0*k}}, initial: {{x: 5}}}}
parameters: {{k: {{value: 0.4, scale: log}}}}
data: {{csv: growth.csv}}
noise: {{x: {{model: {noise}, sigma: 0.2}}, two: {{sigma: 0.5}}}}
"""
    return fitted(folder, text, "time,x,two\n0,5.1,2\n1,3.4,2.2\n2,2.6,1.7\n4,1.1,2\n")


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
def test_bands_have_the_closed_form_of_the_delta_method(tmp_path: Path, noise: str) -> None:
    """x = 5 e^(-k t): dx/du = -k t x and dln x/du = -k t for u = ln k."""
    run = decay(tmp_path, noise)
    t = np.linspace(0, 9, 7)
    k, c, q = run.theta[0], 0.09, stats.t.ppf(0.95, 4)
    x = 5 * np.exp(-k * t)
    problem = run.assembly.problem
    (band,) = prediction_bands(problem, run.theta, np.array([[c]]), [run.measured[0].at(t)], 0.9, degrees=4)
    for low, high, extra in ((band.low, band.high, 0.0), (band.noise_low, band.noise_high, 0.2**2)):
        if noise == "gaussian":
            width = q * np.sqrt(c * (k * t * x) ** 2 + extra)
            expected = (x - width, x + width)
        else:
            width = q * np.sqrt(c * (k * t) ** 2 + extra)
            expected = (x * np.exp(-width), x * np.exp(width))
            assert (low[:, 0] > 0).all()
        np.testing.assert_allclose(low[:, 0], expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(high[:, 0], expected[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(band.high[:, 1], 2)
    np.testing.assert_allclose(band.noise_high[:, 1], 2 + 0.5 * q)


def test_what_the_data_do_not_determine_has_no_band(tmp_path: Path) -> None:
    run = decay(tmp_path, "gaussian")
    (band,) = prediction_bands(run.assembly.problem, run.theta, np.array([[np.nan]]), run.measured)
    # At the start the derivative is exactly 0, and what 0 times NaN gives depends on the BLAS library.
    assert np.isnan(band.low[1:, 0]).all()
    assert np.isnan(band.noise_high[1:, 0]).all()
    np.testing.assert_allclose(band.low[:, 1], 2)


def test_an_open_combination_is_named_in_the_picture(tmp_path: Path) -> None:
    text = (
        "model: {equations: {x: -a*b*x, z: a*x}, observables: {x: x}, initial: {x: 5, z: 0}}\n"
        "parameters: {a: 0.2, b: 1.5}\ndata: {csv: growth.csv}\n"
    )
    run = fitted(tmp_path, text, "time,x\n0,5.1\n1,3.4\n2,2.6\n4,1.1\n")
    figure = picture(run, "time_series", states=["z"])
    assert "no band where the data do not determine a, b" in figure.get_suptitle()
    assert labels(figure) == {"fitted"}
    # Of the combination they do.
    figure = picture(run, "time_series")
    assert "no band" not in figure.get_suptitle()
    assert labels(figure) == {"measured", "fitted", "95 % confidence band", "95 % prediction band"}


def test_an_estimate_at_its_bound_is_taken_as_known(tmp_path: Path) -> None:
    text = """
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.3, bounds: [0, 0.35]}, x_0: 5}
data: {csv: growth.csv}
"""
    run = fitted(tmp_path, text, "time,x\n0,5.1\n1,3.4\n2,2.6\n4,1.1\n5,0.8\n")
    assert run.result.estimates["k"].at_bound == "upper"
    (one,) = trace(run, chosen(run).groups, None)
    error, value = run.result.estimates["x_0"].standard_error, run.result.estimates["x_0"].value
    assert one.band is not None
    assert error is not None
    assert value is not None
    # Only x_0 is uncertain: the band is proportional to the curve. Five data and one free parameter.
    share = stats.t.ppf(0.975, 4) * error / value
    np.testing.assert_allclose(one.band.high, one.observables * (1 + share), rtol=1e-4)


def test_a_band_at_the_start_is_the_interval_of_the_initial_value(runs: Runs) -> None:
    """Two ways to the same numbers: through the report, and through the sensitivities."""
    run = runs["growth"]
    for one in trace(run, chosen(run).groups, None):
        interval = run.result.estimates[f"N_0[{one.group.name}]"].interval
        assert one.band is not None
        np.testing.assert_allclose([one.band.low[0, 0], one.band.high[0, 0]], interval, rtol=1e-6)


def test_degrees_of_freedom_are_data_minus_free_parameters(runs: Runs, tmp_path: Path) -> None:
    likelihood = Likelihood(runs["growth"].assembly.problem)
    free = np.ones(5, dtype=bool)
    assert residual_degrees(likelihood, free) == 9 - 4
    free[0] = False
    assert residual_degrees(likelihood, free) == 9 - 3
    known = Likelihood(decay(tmp_path, "gaussian").assembly.problem)
    assert residual_degrees(known, np.ones(1, dtype=bool)) == math.inf


def test_a_part_of_the_problem_predicts_the_same(runs: Runs) -> None:
    run = runs["oscillators"]
    problem = run.assembly.problem
    part = restricted(problem, [4, 1])
    whole = problem.predict(run.theta)
    for a, b in zip(part.predict(run.theta), (whole[4], whole[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


# The animation, and damaged folders


def test_an_animation_has_a_frame_per_kept_epoch(runs: Runs, tmp_path: Path) -> None:
    path = animate(runs["oscillators"], tmp_path / "fit.gif")
    assert path == tmp_path / "fit.gif"
    assert path.stat().st_size < MAX_BYTES
    with Image.open(path) as image:
        assert image.n_frames == 4
        first = image.convert("RGB")
        assert first.getpixel((0, 0)) == (255, 255, 255)
        image.seek(3)
        assert image.convert("RGB").tobytes() != first.tobytes()
    assert animate(runs["oscillators"], tmp_path) == tmp_path / "animation.gif"
    assert (tmp_path / "animation.gif").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("method", ["least_squares", "lbfgs", "global", "adam"])
def test_a_fit_that_kept_no_frames_is_searched_once_more(method: str, tmp_path: Path) -> None:
    """The first frame is the start, the last one the optimum, and the objective falls on the way."""
    times = np.linspace(0, 4, 9)
    values = 10 * np.exp(-0.5 * times) + 0.1 * np.cos(9 * times)
    section = {"method": method, "epochs": 5} if method == "adam" else {"method": method, "starts": 2}
    fitted = odefit.fit(
        {
            "model": {"equations": {"x": "-k*x"}, "initial": {"x": 10}},
            "parameters": {"k": {"value": 2.0, "bounds": [0.01, 5]}},
            "fit": section,
        },
        data=[odefit.Experiment("a", times, {"x": values})],
    )
    frames = search_frames(fitted) or training_frames(fitted)
    losses = [frame.loss for frame in frames]
    assert len(frames) > 2
    assert (np.diff(losses) < 1e-6).all()
    t, g = frames[-1].curves["a"]
    np.testing.assert_allclose(g[:, 0], 10 * np.exp(-fitted.theta[0] * t), atol=0.02 if method != "adam" else 1)
    if method == "least_squares":
        assert losses[-1] == pytest.approx(fitted.result.objective.nll, abs=1e-3)
        t, g = frames[0].curves["a"]
        np.testing.assert_allclose(g[:, 0], 10 * np.exp(-2.0 * t), rtol=1e-4, atol=1e-4)
        with Image.open(animate(fitted, tmp_path)) as image:
            assert image.n_frames == len(frames)


def test_thinning_keeps_both_ends() -> None:
    kept = thinned(list(range(1000)), MAX_FRAMES)
    assert len(kept) == MAX_FRAMES
    assert kept[0] == 0
    assert kept[-1] == 999
    assert thinned([1, 2], MAX_FRAMES) == [1, 2]


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        ("history.csv", "iteration,objective\n1,2\n2,x\n", "history"),
        ("history.csv", "iteration,objective\n1,2\n2\n", "history"),
        ("starts.csv", "start\n1\n2\n", "waterfall"),
        ("starts.csv", "", "waterfall"),
        ("covariance.csv", "parameter,r\nr,1\n", "time_series"),
    ],
)
def test_a_damaged_table_is_a_run_error(runs: Runs, tmp_path: Path, file: str, text: str, kind: str) -> None:
    for name in ("history.csv", "starts.csv", "covariance.csv"):
        (tmp_path / name).write_bytes((runs["growth"].path / name).read_bytes())
    (tmp_path / file).write_text(text)
    with pytest.raises(RunError, match=r"damaged.*fit again"):
        draw(replace(runs["growth"], path=tmp_path), kinds=[kind], out=tmp_path / "plots")


def test_tables_are_read_as_they_were_written(runs: Runs) -> None:
    run = runs["growth"]
    assert run.known_errors is not None
    covariance = run.known_errors.covariance.part(np.arange(5))
    np.testing.assert_array_equal(covariance, covariance.T)
    rows = run.rows("history.csv")
    assert rows is not None
    assert rows.header == ["iteration", "objective"]
    assert rows.numbers(0)[0] == 0
    assert run.rows("frames.csv") is None


def test_estimates_that_are_missing_are_said(runs: Runs) -> None:
    run = replace(runs["drug"], theta=np.full_like(runs["drug"].theta, np.nan))
    with pytest.raises(RunError, match="no estimates"):
        draw(run, kinds=["time_series"])


def test_pictures_of_formulas_need_neither_pyplot_nor_pandas_nor_torch(runs: Runs, tmp_path: Path) -> None:
    code = (
        "import sys; from odefit.api import load_run; from odefit.pictures import draw\n"
        f"assert len(draw(load_run({str(runs['growth'].path)!r}), out={str(tmp_path)!r})) == 8\n"
        "print([m for m in ('matplotlib.pyplot', 'pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() == "[]", done.stderr
