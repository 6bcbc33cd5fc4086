"""Animations of what keeps no frames: networks, latent ODEs, parameter sets; and their axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import odefit
from odefit.errors import ConfigError, RunError
from odefit.pictures import animate
from odefit.plots.animation import Film, stage
from odefit.plots.dates import Calendar, calendar_of
from odefit.plots.frame import Frame
from odefit.plots.selection import Quantity
from odefit.plots.set_frames import set_frames
from odefit.plots.trained_again import rows_of_frames
from odefit.runs import folder as files
from odefit.runs.results import Dates

NETWORK = """\
model: {equations: {x: -k*x + net(x)}, networks: {net: {hidden: [3]}}}
parameters: {k: {value: 0.3}}
data: {csv: d.csv, time: date}
fit: {method: adam, epochs: 4}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"2021-03-{k + 1:02d},{10 * np.exp(-0.5 * k) + 0.1 * np.cos(9 * k):.4g}\n" for k in range(6))
    Path("d.csv").write_text(f"date,x\n{rows}")


@pytest.mark.torch
def test_a_network_without_frames_is_trained_once_more() -> None:
    """In memory and read back, the frames are those that the same training keeps; dates stand on the axis."""
    Path("n.yaml").write_text(NETWORK)
    run = odefit.fit("n.yaml", out="run")
    kept = odefit.fit("n.yaml", ["fit.plot_every=1"])
    for one in (run, odefit.load_run("run")):
        path = animate(one, Path(f"{len(str(one.path))}.gif"), dates=True)
        with Image.open(path) as image:
            assert image.n_frames == 4
    from odefit.fitting.strategy import plan

    rows = rows_of_frames(run, plan)
    assert rows is not None
    assert rows.cells == kept.rows(files.FRAMES).cells


def decay() -> odefit.Run:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "data": {"csv": "d.csv", "time": "date"}}
    run = odefit.fit(config, out="run")
    assert isinstance(run, odefit.Run)
    return run


def test_refits_one_after_the_other() -> None:
    run = decay()
    with pytest.raises(RunError, match=r"has no posterior\.csv"):
        animate(run, bands="posterior")
    with pytest.raises(ConfigError, match="'wald' has no curves to be animated; posterior and bootstrap have"):
        animate(run, bands="wald")
    odefit.bootstrap(run, 24)
    frames = set_frames(run, "bootstrap")
    assert frames[0].title == "refit 1"
    t, g = frames[3].curves["1"]
    k = np.log(g[0, 0] / g[1, 0]) / (t[1] - t[0])
    assert np.ptp([frame.curves["1"][1][-1, 0] for frame in frames]) > 0
    assert g[0, 0] == pytest.approx(g[-1, 0] * np.exp(k * t[-1]), rel=1e-3)  # a curve of the model
    with Image.open(animate(run, bands="bootstrap")) as image:
        assert image.n_frames == len(frames)


def test_axes_of_films_say_dates() -> None:
    run = decay()
    film = Film(
        run, [Quantity("x", None, 0, None)], lambda *_: (np.arange(3.0), np.arange(3.0)), "moving", calendar(run)
    )
    figure, _, _ = stage(film, [Frame(1, 0.0, {"1": (np.arange(6.0), np.ones((6, 1)))})])
    figure.canvas.draw()
    assert "Mar" in [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert figure.axes[0].get_xlabel() == "date"
    with pytest.raises(ConfigError, match="these data have no dates"):
        animate(odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
                           data=[odefit.Experiment("a", range(4), {"x": [9, 5, 3, 2]})]), dates=True)  # fmt: skip


def calendar(run: odefit.Run) -> Calendar | None:
    from odefit.errors import Faults

    assert run.result.dates == Dates(86400.0, "2021-03-01T00:00:00")
    return calendar_of(run.result.dates, ["1"], Faults())
