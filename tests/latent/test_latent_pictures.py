"""The pictures of a latent ODE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import odefit
from odefit.errors import ConfigError, Faults, SolveError
from odefit.latent.latent_run import LatentRun
from odefit.pictures import animate, draw, plot
from odefit.plots.latent_pictures import LatentPictures
from odefit.plots.selection import Choice


def pictures(run: LatentRun, **options: Any) -> LatentPictures:
    faults = Faults()
    made = LatentPictures(run, Choice(**options), faults)
    faults.check()
    return made


def test_every_picture_is_drawn_and_the_same_again(run: LatentRun, tmp_path: Path) -> None:
    paths = draw(run, out=tmp_path)
    assert [p.stem for p in paths] == ["time_series", "phase_plane", "history", "interpolation"]
    first = [p.read_bytes() for p in paths]
    assert all(data[:4] == b"\x89PNG" for data in first)
    assert [p.read_bytes() for p in draw(odefit.load_run(run.path), out=tmp_path)] == first
    [svg] = draw(run, kinds=["time_series"], experiments=["2", "5"], time_range=(0, 30), out=tmp_path / "x.svg")
    assert b"<svg" in svg.read_bytes()


def test_the_report_has_the_series_and_their_scores_and_lists_no_weights(run: LatentRun) -> None:
    page = run.report().html
    for words in (
        "series 1",
        "not trained on",
        "read by the encoder",
        "evidence lower bound",
        "Series that were set aside",
    ):
        assert words in page
    assert page.count('class="plot"') >= 12
    assert '<section id="estimates"' not in page


def test_choices_of_axes_are_for_equations(run: LatentRun) -> None:
    with pytest.raises(ConfigError, match="log_y: is for pictures of equations"):
        plot(run, "time_series", log_y=True)


def test_series_not_trained_on_are_shown_first_with_the_line_where_reading_stops(run: LatentRun) -> None:
    made = pictures(run)
    assert made.rows[:2] == list(run.task.aside)
    assert sorted(made.rows) == list(range(8))
    fig = plot(run)
    assert len(fig.axes) == 6
    assert "not trained on" in fig.axes[0].get_title(loc="left")
    assert "not trained on" not in fig.axes[2].get_title(loc="left")
    one = made.shown[0]
    lines = [line for line in fig.axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in lines] == [one.read]
    assert one.read == run.measured[one.row].times[9]
    truth = one.truth
    assert truth is not None
    np.testing.assert_allclose(truth, run.measured[one.row].values, atol=0.6)


def test_a_time_range_is_solved_and_shaded(run: LatentRun) -> None:
    made = pictures(run, time_range=(3.0, 25.0), experiments=["4"])
    [one] = made.shown
    assert (one.times[0], one.times[-1]) == (3.0, 25.0)
    exact = run.solve_some([3], [one.times])
    np.testing.assert_array_equal(one.values, exact.observables[0])
    ax = plot(run, time_range=(3.0, 25.0), experiments=["4"]).axes[0]
    assert ax.get_xlim() == (3.0, 25.0)
    assert len(ax.patches) == 1


def test_observables_of_other_sizes_have_panels_of_their_own(folder: Path) -> None:
    fitted = odefit.fit("p.yaml", out="r")
    assert isinstance(fitted, LatentRun)
    fig = plot(fitted)
    assert len(fig.axes) == 6
    assert [fig.axes[k].get_ylabel() for k in (0, 3)] == ["glucose (mmol/l)", "insulin"]
    assert fig.axes[3].get_xlabel() == "hours"
    with pytest.raises(ConfigError, match="phase_plane: needs two observables; this shows one"):
        plot(fitted, "phase_plane", states=["insulin"])
    between = plot(fitted, "interpolation", states=["insulin"])
    assert len(between.axes) == 7
    assert between.axes[0].get_xlabel() == "hours"
    history = plot(fitted, "history")
    assert len(history.axes) == 1


def test_interpolation_is_between_the_chosen_series(run: LatentRun) -> None:
    elapsed = np.linspace(0, 12, 9)
    between = run.between(4, 1, elapsed, 5)
    ends = run.solve_some([4, 1], [elapsed, elapsed]).observables
    np.testing.assert_allclose(between[[0, -1]], np.stack(ends), atol=1e-5)
    title = plot(run, "interpolation", experiments=["5", "2"]).get_suptitle()
    assert "from experiment 5 to experiment 2" in title


def test_what_cannot_be_drawn_is_told_in_a_line(run: LatentRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        draw(run, kinds=["residuals"], experiments=["9"], states=["z"], time_range=(5, 1))
    lines = [str(fault) for fault in caught.value.faults]
    assert len(lines) == 4
    assert any("'residuals' is no kind of picture of this run; there is: time_series" in line for line in lines)
    with pytest.raises(ConfigError, match="interpolation: needs two series; this shows one"):
        draw(run, kinds=["interpolation"], experiments=["1"])
    with pytest.raises(SolveError, match="needs more than 1000000 steps"):
        draw(run, kinds=["time_series"], time_range=(0, 1e9), out=tmp_path)


def test_its_training_is_run_once_more_for_an_animation(run: LatentRun, tmp_path: Path) -> None:
    with Image.open(animate(run, tmp_path)) as image:
        assert image.n_frames == run.task.training.adam.epochs
    with pytest.raises(ConfigError) as caught:
        animate(run, bands="posterior", dates=True)
    assert [fault.where for fault in caught.value.faults] == ["bands", "dates"]
