"""Pictures on request: observed against predicted, parameters by experiment, correlations, all experiments together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import odefit
from odefit.plots import style
from odefit.plots.forest import own_estimates
from odefit.plots.phase_plane import dull
from odefit.plots.plate import places

DRUG: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        "observables": {"conc": "blood/V"},
        "initial": {"gut": 0, "blood": 0},
        "units": {"t": "h", "conc": "mg/l"},
    },
    "parameters": {
        "ka": {"value": 1.2, "scale": "log", "bounds": [0.01, 100]},
        "ke": {"value": 0.1, "scale": "log", "bounds": [0.001, 10], "by": "experiment", "unit": "1/h"},
        "V": {"value": 20, "scale": "log", "bounds": [1, 1000]},
    },
}
TIMES = np.array([0.0, 0.5, 1, 2, 4, 8, 12, 24])


def patient(name: str, ke: float, duration: float = 0.0) -> odefit.Experiment:
    conc = 300 / 25 * 1.1 / (1.1 - ke) * (np.exp(-ke * TIMES) - np.exp(-1.1 * TIMES))
    values = np.round(conc * (1 + 0.04 * np.sin(17 * TIMES + 40 * ke)), 3)
    doses = [odefit.Dose(0, "gut", 300), odefit.Dose(30, "gut", 100, duration)]
    return odefit.Experiment(name, TIMES, {"conc": values}, doses=doses)


@pytest.fixture(scope="module")
def drug() -> odefit.Run:
    data = [patient("anna", 0.08), patient("bert", 0.12), patient("carl", 0.2)]
    run = odefit.fit(DRUG, data=data)
    assert isinstance(run, odefit.Run)
    return run


def words(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_observed_against_predicted_shows_every_measurement_once_and_experiments_by_colour(drug: odefit.Run) -> None:
    figure = odefit.plot(drug, "observed")
    (ax,) = figure.axes
    shown = np.asarray(ax.collections[0].get_offsets())
    frame = drug.predictions(intervals=False)
    np.testing.assert_allclose(shown, frame[["predicted", "measured"]].to_numpy(), rtol=1e-6)
    assert len({tuple(colour) for colour in ax.collections[0].get_facecolor()}) == 3
    assert ax.get_xlim() == ax.get_ylim()
    assert words(figure) == {"anna", "bert", "carl", "measured", "observed = predicted"}
    part = odefit.plot(drug, "observed", experiments=["bert"])
    assert len(part.axes[0].collections[0].get_offsets()) == len(TIMES)


def test_the_forest_has_the_values_of_each_experiment_with_their_intervals(drug: odefit.Run) -> None:
    members = own_estimates(drug.result)["ke"]
    assert list(members) == ["anna", "bert", "carl"]
    (ax,) = odefit.plot(drug, "parameters").axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["anna", "bert", "carl"]
    assert ax.get_title(loc="left") == "ke (1/h)"
    dots = next(line for line in ax.lines if line.get_marker() == "o")
    assert dots.get_xdata().tolist() == [e.value for e in members.values()]
    ends = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [pytest.approx(e.interval) for e in members.values()]


def test_correlations_are_those_of_the_result(drug: odefit.Run) -> None:
    known = drug.result.correlation
    assert known is not None
    ax = odefit.plot(drug, "correlations").axes[0]
    names = [label.get_text() for label in (*ax.get_xticklabels(), ax.get_yticklabels()[-1])]
    assert names == list(known)
    values = np.asarray(ax.collections[0].get_array()).reshape(len(names) - 1, -1)
    assert values[1, 0] == known[names[2]][names[0]]


def test_the_overlay_has_all_experiments_in_one_panel(drug: odefit.Run) -> None:
    figure = odefit.plot(drug, "overlay")
    (ax,) = figure.axes
    assert len(ax.lines) == 6
    assert words(figure) == {"anna", "bert", "carl", "measured"}
    assert len(odefit.plot(drug, "overlay", experiments=["anna", "carl"]).axes[0].lines) == 4


def test_pictures_that_a_run_has_nothing_for_say_so() -> None:
    one = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 2}}, "parameters": {"k": 0.5}, "noise": {"sigma": 0.1}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    )
    for kind, why in (
        ("parameters", "no parameter has a value of its own in several experiments"),
        ("correlations", "needs the standard errors of two estimates or more"),
        ("overlay", "needs several experiments"),
    ):
        with pytest.raises(odefit.ConfigError, match=f"{kind}: {why}"):
            odefit.plot(one, kind)


def test_doses_are_marked_when_they_come_and_for_as_long_as_they_last() -> None:
    run = odefit.fit(DRUG, data=[patient("anna", 0.08), patient("bert", 0.12, duration=6)])
    within = odefit.plot(run, "time_series")
    assert "dose" in words(within)
    marks = [line for line in within.axes[0].lines if line.get_color() == style.PURPLE]
    assert [mark.get_xdata().tolist() for mark in marks] == [[0.0]]  # the second dose comes after the data
    longer = odefit.plot(run, "time_series", time_range=(0, 48))
    marks = [line for line in longer.axes[1].lines if line.get_color() == style.PURPLE]
    assert [list(mark.get_xdata()) for mark in marks] == [[0.0, 30.0], [30.0, 36.0]]


def test_axes_are_logarithmic_by_choice(drug: odefit.Run) -> None:
    figure = odefit.plot(drug, "time_series", log_y=True)
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}
    assert "without 3 measurements at or below 0" in figure.get_suptitle()
    assert {ax.get_yscale() for ax in odefit.plot(drug, "time_series").axes} == {"linear"}
    spread = odefit.plot(drug, "time_series", log_x=True).axes[0]
    assert spread.get_xscale() == "symlog"
    curve = max(spread.lines, key=lambda line: len(line.get_xdata())).get_xdata()
    assert (np.diff(np.log(curve[curve >= 0.5])) < 0.1).all()
    assert odefit.plot(drug, "residuals", log_x=True).axes[0].get_xscale() == "symlog"
    assert odefit.plot(drug, "observed", log_y=True).axes[0].get_xscale() == "log"
    plane = odefit.plot(drug, "phase_plane", log_x=True, log_y=True).axes[0]
    assert (plane.get_xscale(), plane.get_yscale()) == ("log", "log")


def test_a_choice_of_axes_is_in_the_names_of_files(drug: odefit.Run, tmp_path: Any) -> None:
    from odefit.pictures import draw

    drawn = draw(drug, kinds=["time_series", "history"], out=tmp_path, log_y=True, all_panels=True)
    assert [path.name for path in drawn] == ["time_series_log_y_all_panels.png", "history.png"]


@pytest.mark.parametrize(
    ("names", "shape", "at"),
    [
        (["A1", "A2", "B1", "B12"], (2, 12), [(0, 0), (0, 1), (1, 0), (1, 11)]),
        (["plate_c03", "plate_c04", "plate_d03", "plate_d05"], (2, 3), [(0, 0), (0, 1), (1, 0), (1, 2)]),
        (["A1", "A2", "A1 again", "B1"], (2, 3), [(0, 0), (0, 1), (0, 2), (1, 0)]),
        (["A1", "A01", "B1", "B2"], (2, 3), [(0, 0), (0, 1), (0, 2), (1, 0)]),
        ([str(k) for k in range(100)], (8, 12), [divmod(k, 12) for k in range(100)]),
    ],
)
def test_wells_stand_where_they_are_on_the_plate(
    names: list[str], shape: tuple[int, int], at: list[tuple[int, int]]
) -> None:
    found, places_of = places(names)
    assert places_of == at
    assert found == ((9, 12) if len(names) == 100 else shape)


def test_all_panels_are_drawn_in_the_order_of_the_plate() -> None:
    config = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 2}}, "parameters": {"k": 0.5}}
    wells = [f"{row}{column}" for column in range(1, 8) for row in "AB"]  # column by column, as some readers write
    data = [odefit.Experiment(name, [0, 1, 2], {"x": [2, 1.2 + 0.01 * k, 0.7]}) for k, name in enumerate(wells)]
    run = odefit.fit(config, data=data)
    assert len(odefit.plot(run, "time_series").axes) == 12
    figure = odefit.plot(run, "time_series", all_panels=True)
    assert len(figure.axes) == 14
    figure.canvas.draw()
    place = {ax.texts[0].get_text(): ax.get_position() for ax in figure.axes}
    assert place["A1"].x0 == pytest.approx(place["B1"].x0, abs=1e-3)
    assert place["A1"].y0 > place["B1"].y0
    assert place["A1"].x0 < place["A2"].x0 < place["A7"].x0


def test_experiments_have_colours_of_their_own() -> None:
    for n in (1, 3, 6, 7, 50):
        inks = style.experiment_inks(n)
        assert len(set(inks)) == n
    assert len(style.experiment_handles([str(k) for k in range(50)], style.experiment_inks(50))) == 3


def test_a_phase_plane_is_dull_where_nothing_was_measured_along_both_axes_and_there_is_no_field(
    drug: odefit.Run,
) -> None:
    from odefit.errors import Faults
    from odefit.plots.equation_pictures import EquationPictures
    from odefit.plots.selection import Choice

    assert "no two states were measured together" in dull(EquationPictures(drug, Choice(), Faults()))
    assert dull(EquationPictures(drug, Choice(experiments=["anna"]), Faults())) == ""  # one field for one patient
    assert odefit.plot(drug, "phase_plane").axes[0].get_xlabel() == "gut"


def test_values_that_agree_are_shown_with_their_intervals() -> None:
    """The time of the largest value is the same after any dose; its estimates differ by rounding."""
    t = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    wave = np.array([0.01, -0.02, 0.02, -0.01, 0.01])
    data = [
        odefit.Experiment(name, t, {"x": d * t * np.exp(-0.5 * t) + wave}, constants={"d": d})
        for name, d in zip("abc", (1.0, 2.0, 3.0), strict=True)
    ]
    config = {
        "model": {
            "equations": {"g": "-k*g", "x": "k*g - k*x"},
            "initial": {"g": "2*d", "x": 0},
            "observables": {"x": "x"},
        },
        "parameters": {"k": {"value": 0.4, "scale": "log"}},
        "derived": {"peak": "time_of_max(x)"},
    }
    run = odefit.fit(config, data=data)
    (ax,) = odefit.plot(run, "parameters").axes
    interval = run.result.estimates["peak[a]"].interval
    assert interval is not None
    low, high = interval
    assert ax.get_xlim()[0] < low < high < ax.get_xlim()[1]
