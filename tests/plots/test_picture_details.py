"""What a reader of a picture relies on: fields, bends, bands of what was not measured, and what a caption owes him."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

import odefit
from odefit.diagnostics.solver_comparison import COMPILED_FAMILY, FIXED, Comparison, SolverRow, solver_table
from odefit.errors import ConfigError, Faults, RunError, SolveError
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.pictures import draw
from odefit.pictures import plot as figure
from odefit.plots import animation, style
from odefit.plots.adaptive_grid import MAX_CHORD_ERROR, MAX_PARTS, times_at_bends
from odefit.plots.animation import Frame
from odefit.plots.curves import trace
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.filenames import file_stem
from odefit.plots.kinds import OF_EQUATIONS, OF_LATENT_ODES, PictureKind
from odefit.plots.selection import Choice, Selection, select
from odefit.plots.work_precision import draw_work_precision
from odefit.problem.wider import state_quantities
from odefit.terminal import plain_table
from odefit.uncertainty.degrees_of_freedom import residual_degrees
from odefit.uncertainty.intervals import quantile

PUSHED = """
model: {equations: {x: v, v: -k*x - 0.3*v + u}, observables: {x: x}, initial: {x: 1, v: 0}}
parameters: {k: {value: 1.5, bounds: [0.1, 10]}}
data: {csv: d.csv, inputs: {u: {csv: u.csv}}}
"""
PUSHED_CSV = "time,x\n0,1\n1,0.4\n2,-0.2\n3,0.1\n4,0.5\n"
ENZYME = """
model: {equations: {S: -V*S/(2 + S), P: V*S/(2 + S)}, initial: {S: 5, P: 0}}
parameters: {V: {value: 1, scale: log}}
data: {csv: d.csv}
"""
ENZYME_CSV = "time,S,P\n0,5.1,-0.1\n2,3.7,1.2\n4,2.6,2.5\n8,0.9,4\n20,-0.02,5\n"
DRUG = """
model:
  equations: {gut: -ka*gut, blood: ka*gut - 0.1*blood}
  observables: {conc: blood/25}
  initial: {gut: 320, blood: 0}
  units: {t: h, conc: 10^3 mg/l, gut: mg}
parameters: {ka: {value: 1, scale: log}}
data: {csv: d.csv, start: 0}
"""
DRUG_CSV = "time,conc\n0.5,5\n1,7.6\n2,9.4\n4,8.9\n8,6.2\n24,1.2\n"
CULTURES = """
model: {equations: {N: r*N}, initial: {N: 1}}
parameters: {r: {value: 0.3}}
data: {csv: d.csv}
"""
CULTURES_CSV = "experiment,time,N\na,0,1\na,2,2.1\na,3,2.8\nb,0,1\nb,2,2\nb,3,4.9\nc,0,1\nc,1,1.5\n"


def fitted(folder: Path, text: str, table: str, **more: str) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"d": table, **more}.items():
        (folder / f"{name}.csv").write_text(content)
    (folder / "c.yaml").write_text(text)
    return odefit.fit(folder / "c.yaml", out=folder / "run")


def chosen(run: Run, states: list[str] | None = None, span: tuple[float, float] | None = None) -> Selection:
    faults = Faults()
    selection = select(run, states, None, span, faults)
    faults.check()
    return selection


def picture(run: Run, kind: str, states: list[str] | None = None, span: tuple[float, float] | None = None) -> Figure:
    made = figure(run, kind, states=states, time_range=span)
    with style.styled():
        made.canvas.draw()
    return made


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def stream_lines(figure: Figure) -> np.ndarray:
    """The points of the field's lines, [N, 2]."""
    found = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return np.concatenate([np.asarray(s) for c in found for s in c.get_segments()] or [np.empty((0, 2))])


@pytest.fixture(scope="module")
def enzyme(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(tmp_path_factory.mktemp("enzyme"), ENZYME, ENZYME_CSV)


@pytest.fixture(scope="module")
def drug(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(tmp_path_factory.mktemp("drug"), DRUG, DRUG_CSV)


# What is drawn, and where to


def test_a_picture_that_cannot_be_drawn_takes_no_other(
    drug: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    solved = []

    def fails(*_: object) -> None:
        solved.append(1)
        raise SolveError("it blew up")

    monkeypatch.setattr("odefit.plots.equation_pictures.trace", fails)
    assert [path.stem for path in draw(drug, out=tmp_path)] == ["history", "residuals", "observed", "correlations"]
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warned == ["warning: no time_series: it blew up", "warning: no phase_plane: it blew up"]
    assert len(solved) == 1
    with pytest.raises(SolveError, match="it blew up"):
        draw(drug, out=tmp_path / "a", kinds=["time_series", "history"])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["history.png"]
    with pytest.raises(SolveError, match="it blew up"):
        draw(drug, out=tmp_path / "b", kinds=["phase_plane"])


def test_a_damaged_table_is_an_error_when_all_else_is_drawn(drug: Run, tmp_path: Path) -> None:
    shutil.copytree(drug.path, tmp_path / "run")
    (tmp_path / "run" / "history.csv").write_text("iteration,objective\n1\n")
    with pytest.raises(RunError, match=r"history\.csv: is damaged"):
        draw(odefit.load_run(tmp_path / "run"), out=tmp_path / "a")
    assert {path.stem for path in (tmp_path / "a").iterdir()} == {
        *("time_series", "phase_plane", "residuals", "observed", "correlations")
    }


def test_the_warning_is_one_line_on_the_screen(drug: Run, tmp_path: Path) -> None:
    code = (
        "import odefit.plots.history as h; from odefit.errors import SolveError; from odefit.cli import main\n"
        "def fails(*_): raise SolveError('it blew up')\n"
        "h.draw = fails; main()"
    )
    arguments = ["plot", str(drug.path), "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "warning: no history: it blew up\n"
    assert len(done.stdout.splitlines()) == 5


def test_pictures_of_a_choice_leave_those_of_the_whole(drug: Run, tmp_path: Path) -> None:
    whole = {path: path.read_bytes() for path in draw(drug, out=tmp_path)}
    more = draw(drug, out=tmp_path, time_range=(0, 60), states=["conc", "gut"])
    assert [path.stem for path in more] == [
        "time_series_0_60_conc_gut",
        "phase_plane_0_60_conc_gut",
        "history",
        "residuals_conc_gut",
        "observed_conc_gut",
        "correlations",
    ]
    assert all(path.read_bytes() == content for path, content in whole.items())


@pytest.mark.parametrize(
    ("kind", "span", "states", "experiments", "stem"),
    [
        ("time_series", None, None, None, "time_series"),
        ("time_series", (-0.5, 1e9), None, None, "time_series_-0.5_1e+09"),
        ("residuals", (0, 60), ["x"], None, "residuals_x"),
        ("waterfall", (0, 60), ["x"], ["a"], "waterfall"),
        ("network", (0, 60), ["x"], ["a b", "../$é"], "network_a-b_..-é"),
        ("time_series", None, list("abcdefghijklmnopqrstuvwxyz"), None, "time_series_26_states"),
    ],
)
def test_the_name_of_a_file_tells_what_was_chosen(
    kind: str, span: tuple[float, float] | None, states: list[str] | None, experiments: list[str] | None, stem: str
) -> None:
    by = (OF_EQUATIONS | OF_LATENT_ODES)[kind].by
    assert file_stem(kind, by, Choice(span, states, experiments)) == stem


def test_stages_of_a_training_are_named_in_the_legend(tmp_path: Path, drug: Run) -> None:
    """Beside the curve, names of short stages stood on each other."""
    rows = [f"{k},{1 / k},0.1,1,{stage},{k}" for k, stage in enumerate(["slopes"] * 90 + ["windows of 10", "whole"], 1)]
    (tmp_path / "history.csv").write_text("epoch,loss,learning_rate,gradient_norm,stage,ka\n" + "\n".join(rows) + "\n")
    figure = picture(replace(drug, path=tmp_path), "history")
    assert labels(figure) == ["slopes", "windows of 10", "whole"]
    assert not figure.axes[0].texts
    for ax, marks in zip(figure.axes, (2, 0), strict=True):
        curves = [line for line in ax.lines if len(line.get_xdata()) and line.get_linestyle() != ":"]
        assert len({line.get_color() for line in curves}) == 3
        assert [line.get_marker() for line in curves] == ["", "o", "o"]
        assert len(ax.lines) == 3 + marks


# To add a picture is one line and one file


def test_a_kind_of_picture_is_one_line_of_a_table(drug: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy picture: drawn by default, named with its choice, and left out where it has nothing to show."""

    def only_figure(pictures: EquationPictures) -> Figure:
        return style.figure(2, 2, pictures.run.result.method)

    toy = ModuleType("odefit.plots.toy")
    toy.__dict__.update(draw=only_figure, lacking=lambda pictures: "" if pictures.choice.states else "no states")
    monkeypatch.setitem(sys.modules, "odefit.plots.toy", toy)
    monkeypatch.setattr(EquationPictures, "kinds", {**OF_EQUATIONS, "toy": PictureKind("toy", ("states",))})
    assert draw(drug, states=["conc"], out=tmp_path)[-1] == tmp_path / "toy_conc.png"
    assert figure(drug, "toy", states=["gut"]).get_suptitle() == "least_squares"
    assert "toy" not in {path.stem for path in draw(drug, out=tmp_path)}
    with pytest.raises(ConfigError, match="toy: no states"):
        figure(drug, "toy")


@pytest.mark.torch
def test_every_kind_of_picture_has_a_file_with_both_functions() -> None:
    for kind in (*OF_EQUATIONS.values(), *OF_LATENT_ODES.values()):
        module = import_module(f"odefit.plots.{kind.module}")
        assert callable(module.draw)
        assert callable(module.lacking)


# The field of the phase plane


@pytest.mark.parametrize(("points", "has_field"), [("0,0\n1,1\n4,-1\n", False), ("0,0.4\n4,0.4\n", True)])
def test_a_field_is_drawn_where_there_is_one_for_all_times(tmp_path: Path, points: str, has_field: bool) -> None:
    run = fitted(tmp_path, PUSHED, PUSHED_CSV, u=f"time,u\n{points}")
    if not has_field:
        drawn = ["time_series", "history", "residuals", "observed", "correlations"]
        assert [path.stem for path in draw(run)] == drawn  # the phase plane would say little
    assert (len(stream_lines(picture(run, "phase_plane"))) > 0) == has_field


def test_an_infusion_is_no_part_of_a_field(tmp_path: Path) -> None:
    text = ENZYME.replace("{csv: d.csv}", "{csv: d.csv, doses: {csv: doses.csv}}")
    bolus, infusion = "time,state,amount,duration\n1,S,2,0\n", "time,state,amount,duration\n1,S,2,3\n"
    for k, (doses, has_field) in enumerate([(bolus, True), (infusion, False)]):
        run = fitted(tmp_path / str(k), text, ENZYME_CSV, doses=doses)
        assert (len(stream_lines(picture(run, "phase_plane"))) > 0) == has_field


def test_what_is_never_negative_has_no_field_below_0(enzyme: Run) -> None:
    figure = picture(enzyme, "phase_plane")
    low, high = stream_lines(figure).min(axis=0), stream_lines(figure).max(axis=0)
    assert figure.axes[0].get_xlim()[0] < 0
    assert low.min() > -1e-9
    assert high.min() > 4.9


def test_arrow_heads_of_a_field_are_spread_over_it(enzyme: Run) -> None:
    """Parallel lines had them in their middles, which made a line of its own."""
    ax = picture(enzyme, "phase_plane").axes[0]
    (heads,) = [found for found in ax.collections if isinstance(found, Quiver)]
    tips = np.asarray(heads.get_offsets())
    assert len(tips) > 20
    for corner in (tips > 2.5).all(axis=1), (tips < 2.5).all(axis=1), (tips[:, 0] < 2.5) & (tips[:, 1] > 2.5):
        assert corner.sum() >= 4


# Curves


def test_a_polygon_gets_corners_until_it_is_none() -> None:
    times = np.linspace(0, 20, 60)
    states = np.stack([np.sin(times), 100 * np.cos(2 * times), np.ones(60)], axis=1)
    finer = np.union1d(times, times_at_bends(times, states, 10_000))
    middle = (finer[1:] + finer[:-1]) / 2
    for curve in (np.sin, lambda t: np.cos(2 * t)):
        missed = np.abs(curve(middle) - (curve(finer[1:]) + curve(finer[:-1])) / 2)
        assert missed.max() < 1.5 * 2 * MAX_CHORD_ERROR
    assert len(finer) < MAX_PARTS * 60
    assert len(times_at_bends(times, states, 100)) <= 100


def test_a_straight_line_and_a_jump_have_no_bends() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0 - 1e-10, 3.0, 4.0, 5.0])
    states = np.where(times < 3, times, 100 - times)[:, None]
    assert not len(times_at_bends(times, states, 100))
    assert not len(times_at_bends(times, np.full((7, 1), np.nan), 100))
    assert not len(times_at_bends(times, np.ones((7, 2)), 100))


def test_a_sharp_peak_is_drawn_round(tmp_path: Path) -> None:
    run = fitted(tmp_path, DRUG.replace("value: 1,", "value: 30,"), "time,conc\n0.02,5\n0.1,12\n1,11.6\n200,0.0001\n")
    (one,) = trace(run, chosen(run).groups, None)
    # 200 / 400 between two times would be one corner for the whole rise.
    assert np.diff(one.times)[one.times[:-1] < 0.5].max() < 0.06
    assert (np.diff(one.times) > 0).all()


# Bands


def test_a_state_that_is_not_measured_has_a_band(drug: Run) -> None:
    """gut = 320 e^(-ka t): d gut/du = -ka t gut for u = ln ka."""
    beside = state_quantities(drug.assembly.problem.observation.system, [0])
    (one,) = trace(drug, chosen(drug).groups, None, beside)
    band = one.band_of(chosen(drug, ["gut"]).series[0])
    assert band is not None
    error, value = drug.result.estimates["ka"].standard_error, drug.theta[0]
    assert error is not None
    degrees = residual_degrees(Likelihood(drug.assembly.problem), np.ones(len(drug.theta), dtype=bool))
    gut = 320 * np.exp(-value * one.times)
    width = quantile(0.95, degrees) * error * one.times * gut
    np.testing.assert_allclose(band.low, gut - width, atol=0.01)
    np.testing.assert_allclose(band.high, gut + width, atol=0.01)
    assert np.isnan(band.noise_low).all()
    # That of the observable is the same with and without it.
    (alone,) = trace(drug, chosen(drug).groups, None)
    conc = chosen(drug).series[0]
    assert alone.band_of(chosen(drug, ["gut"]).series[0]) is None
    np.testing.assert_allclose(one.band_of(conc).low, alone.band_of(conc).low, rtol=1e-6)  # type: ignore[union-attr]
    figure = picture(drug, "time_series", ["gut"])
    assert labels(figure) == ["fitted", "95 % confidence band"]


@pytest.mark.parametrize("bound", ["", ", bounds: [0.01, 1]"])
def test_a_band_needs_no_more_than_the_combination_that_it_depends_on(tmp_path: Path, bound: str) -> None:
    """Two ways to one curve: the rate c, or the product a b of which the data tell no more."""
    text = "model: {equations: {N: -RATE*N, z: OTHER}, observables: {N: N}, initial: {N: 5, z: 0}}\n"
    text += "data: {csv: d.csv}\nnoise: {N: {sigma: 0.2}}\n"
    table = "time,N\n0,5.1\n1,3.4\n2,2.6\n4,1.1\n"
    one = fitted(tmp_path / "one", text.replace("RATE", "c").replace("OTHER", "0") + "parameters: {c: 0.3}\n", table)
    values = f"parameters:\n  a: {{value: 0.6, scale: log{bound}}}\n  b: {{value: 0.5, scale: log}}\n"
    both = text.replace("RATE", "a*b").replace("OTHER", "a*N") + values
    two = fitted(tmp_path / "two", both, table)
    assert two.result.estimates["a"].standard_error is None
    bands = []
    for run in (one, two):
        beside = state_quantities(run.assembly.problem.observation.system, [1])
        (traced,) = trace(run, chosen(run).groups, (0.0, 9.0), beside)
        band = traced.band_of(chosen(run).series[0])
        assert band is not None
        bands.append([np.interp(np.linspace(0, 9, 50), traced.times, x) for x in (band.low, band.noise_high)])
        # dz/dt = a N moves along what is not determined.
        of_z = traced.band_of(chosen(run, ["z"]).series[0])
        assert of_z is not None
        assert np.isnan(of_z.low[1:]).all() == (run is two)
    np.testing.assert_allclose(bands[0], bands[1], rtol=1e-3, atol=2e-3)


def test_many_experiments_of_their_own_have_bands_too(tmp_path: Path) -> None:
    """The run folder's covariance is that of the shared parameters only."""
    text = """
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.8}}
data: {simulate: {parameters: {k: 1}, experiments: 320, initial: {x: 1}, times: {stop: 3, count: 4}, noise: 0.05}}
"""
    run = fitted(tmp_path, text, "")
    (one, *_) = trace(run, chosen(run).groups[:3], None)
    assert one.band is not None
    interval = run.result.estimates["x_0[1]"].interval
    np.testing.assert_allclose([one.band.low[0, 0], one.band.high[0, 0]], interval, rtol=1e-6)


# What a caption owes


def test_a_picture_says_that_an_input_has_ended(tmp_path: Path) -> None:
    run = fitted(tmp_path, PUSHED, PUSHED_CSV, u="time,u\n0,0\n1,1\n4,-1\n")
    assert "input" not in picture(run, "time_series").get_suptitle()
    for kind in ("time_series", "phase_plane"):
        told = picture(run, kind, span=(0.0, 9.0)).get_suptitle()
        assert "after 4 the input u is held at its last value" in told
    steps = PUSHED.replace("csv: u.csv", "csv: u.csv, interpolation: previous")
    run = fitted(tmp_path / "steps", steps, PUSHED_CSV, u="time,u\n0,0\n1,1\n3,-1\n")
    assert "input" not in picture(run, "time_series", span=(0.0, 9.0)).get_suptitle()


def test_quantile_residuals_are_called_so_where_they_differ(tmp_path: Path, drug: Run) -> None:
    text = CULTURES + "noise: {N: {model: student_t, df: 3}}\n"
    run = fitted(tmp_path, text, CULTURES_CSV)
    figures = [picture(one, "residuals") for one in (run, drug)]
    assert "quantile residual" in labels(figures[0])
    assert figures[0].axes[1].get_ylabel() == "quantile residual"
    assert "quantile residual" not in labels(figures[1])
    assert figures[1].axes[1].get_ylabel() == ""


def test_an_animation_says_what_it_leaves_out_and_shares_its_axes(tmp_path: Path) -> None:
    run = fitted(tmp_path, CULTURES, CULTURES_CSV)
    t = np.linspace(0, 3, 5)
    curves = {name: (t, np.exp(0.3 * t)[:, None]) for name in "abc"}
    with style.styled():
        figure, lines, note = animation.stage(animation.film_of(run), [Frame(1, 0.5, curves)])
    assert note == "; the first 2 experiments of 3"
    assert len(lines) == 2
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [ax.get_ylabel() for ax in figure.axes] == ["N", ""]
    two = {name: (t, k * np.exp(0.3 * t)[:, None]) for name, k in (("a", 1.0), ("b", 1.0))}
    far = replace(
        run,
        assembly=replace(
            run.assembly,
            measured=tuple(
                replace(e, values=e.values * factor) for e, factor in zip(run.measured, (1.0, 100.0, 1.0), strict=True)
            ),
        ),
    )
    with style.styled():
        figure, _, note = animation.stage(animation.film_of(far), [Frame(1, 0.5, two)])
    assert note == ""
    assert figure.axes[0].get_ylim()[1] < 10 < figure.axes[1].get_ylim()[1]
    assert [ax.get_ylabel() for ax in figure.axes] == ["N", "N"]


def test_faint_points_are_faint_in_the_legend(tmp_path: Path, drug: Run) -> None:
    t = np.linspace(0, 3, 100)
    rows = "".join(f"{x},{y}\n" for x, y in zip(t, np.exp(0.3 * t) + 0.1 * np.sin(50 * t), strict=True))
    run = fitted(tmp_path, CULTURES, "time,N\n" + rows)
    alphas = []
    for one in (run, drug):
        (legend,) = picture(one, "time_series").legends
        alphas.append(legend.legend_handles[0].get_alpha())
    assert alphas[0] is not None
    assert alphas[0] < 0.6
    assert alphas[1] == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conc (10^6 cells/ml)", "conc (10⁶ cells/ml)"),
        ("k (1/s^2)", "k (1/s²)"),
        ("m s^-1 kg^(-12)", "m s⁻¹ kg⁻¹²"),
        ("x^0.75 y^n z^2a 2^3^4 a^^2", "x^0.75 y^n z^2a 2^3⁴ a^²"),
        (r"$10^6$ \frac{^3", r"\$10⁶\$ \frac{³"),
    ],
)
def test_whole_powers_are_raised_and_all_else_is_left(text: str, shown: str) -> None:
    assert style.plain(text) == shown
    with style.styled():
        assert len(style.render(style.figure(3, 2, text), "svg")) > 1000


def test_units_stand_at_the_axes_of_the_plane(drug: Run) -> None:
    figure = picture(drug, "phase_plane", ["gut", "conc"])
    assert figure.axes[0].get_xlabel() == "gut (mg)"
    assert figure.axes[0].get_ylabel() == "conc (10³ mg/l)"


# The comparison of solvers

ROWS = (
    SolverRow("tsit45", COMPILED_FAMILY, 1e-3, 1e-5, None, 1e-4, 1248, "steps", 1.1e-4, 1e-5, 0.0996, configured=True),
    SolverRow("implicit_adams", FIXED, step=0.00390625, error=3e11, work=2046, seconds=0.21, gradient_seconds=123.0),
    SolverRow("implicit_adams", FIXED, step=0.001, reason="left out: it would take too long"),
    SolverRow("euler", FIXED, step=0.001, reason="left out: it would take too long"),
    SolverRow("euler", FIXED, step=1e-4, configured=True, reason="gradient left out: it would take too long"),
)


def test_the_table_of_solvers_fits_into_80_columns() -> None:
    from rich.console import Console

    comparison = Comparison(ROWS, "bdf at rtol 1e-12", 1e-9, 1e-8, 1.0)
    table = solver_table(comparison)
    screen = Console(width=80, highlight=False, no_color=True)
    with screen.capture() as shown:
        screen.print(plain_table(table.header, table.rows))
    lines = shown.get().splitlines()
    assert len(lines) == len(ROWS) + 2
    assert "…" not in shown.get()
    assert [line.rstrip()[-3:].strip() for line in lines[2:]] == ["*", "3 s", "1", "1", "* 2"]
    assert comparison.caption.splitlines()[:3] == [
        "* as configured",
        "1 left out: it would take too long",
        "2 gradient left out: it would take too long",
    ]


def test_an_error_off_the_scale_has_an_arrow_and_a_word() -> None:
    with style.styled():
        figure = draw_work_precision(Comparison(ROWS, "bdf at rtol 1e-12", 1e-9, 1e-8, 1.0), "All")
        calm = draw_work_precision(Comparison(ROWS[:1], "bdf at rtol 1e-12", 1e-9, 1e-8, 1.0), "All")
    states, gradient = figure.axes
    assert [(text.get_text(), text.xy) for text in states.texts] == [("↑", (0.21, 10.0))]
    assert not gradient.texts
    assert "off the scale: an error above 10" in figure.get_suptitle()
    assert calm.get_suptitle() == "All"


def test_hundreds_of_parameters_of_which_none_is_shared_have_bands(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{e},{t},{4 * np.exp(-(0.3 + e / 1000) * t) + 0.1 * rng.normal()}" for e in range(310) for t in (0.5, 1, 2, 3)
    ]
    (tmp_path / "d.csv").write_text("experiment,time,x\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text(
        "model: {equations: {x: -k*x}, initial: {x: 4}}\nparameters: {k: {value: 0.4, by: experiment}}\n"
        "data: {csv: d.csv}\nnoise: {x: {sigma: 0.1}}\n"
    )
    run = odefit.fit(tmp_path / "c.yaml", out=tmp_path / "run")
    assert (tmp_path / "run" / "covariance.csv").read_text().strip() == "parameter"
    [path] = draw(odefit.load_run(tmp_path / "run"), kinds=["time_series"], experiments=["0"])
    assert path.exists()
    assert run.result.status == "converged"


def test_the_band_of_a_fit_with_a_prior_is_that_of_its_interval(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x\n1,3.1\n2,2.2\n3,1.7\n4,1.2\n5,0.9\n")
    (tmp_path / "c.yaml").write_text(
        "model: {equations: {x: -k*x}, initial: {x: 4}}\ndata: {csv: d.csv, start: first}\n"
        "parameters: {k: {value: 0.3, prior: {normal: [0.3, 1]}}}\n"
    )
    run = odefit.fit(tmp_path / "c.yaml", out=tmp_path / "run")
    low, high = run.result.estimates["k"].interval or (0, 0)
    assert isinstance(run, odefit.Run)
    [one] = trace(run, chosen(run, None, None).groups, (2.0, 3.0))
    assert one.band is not None
    at = int(np.argmin(np.abs(one.times - 2.0)))
    width = float(one.band.high[at, 0] - one.band.low[at, 0])
    # To first order; the series starts at its first time, 1.
    k = run.result.estimates["k"].value
    assert width == pytest.approx(4 * np.exp(-k) * (high - low), rel=1e-3)


@pytest.mark.parametrize(
    ("column", "unit", "shown"),
    [
        ("day", "d", "day"),
        ("minutes", "min", "minutes"),
        ("ms", "ms", "ms"),
        ("day", "h", "day (h)"),
        ("t", "h", "t (h)"),
    ],
)
def test_a_time_that_is_called_as_its_unit_says_it_once(tmp_path: Path, column: str, unit: str, shown: str) -> None:
    (tmp_path / "data.csv").write_text(f"{column},x\n0,2.0\n1,1.2\n2,0.75\n3,0.45\n4,0.27\n")
    config = {
        "model": {"equations": {"x": "-k*x"}, "units": {"t": unit}},
        "parameters": {"k": 0.5, "x_0": 2},
        "data": {"csv": str(tmp_path / "data.csv"), "time": column},
    }
    assert odefit.fit(config).time_name == shown
