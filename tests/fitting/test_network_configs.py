"""The shipped configs with networks, cut short: what they learn in seconds, and the pictures of it.

Full trainings and their targets: benchmarks/networks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import odefit
from odefit.config.load import load_config
from odefit.errors import ConfigError
from odefit.fitting.run import Run
from odefit.model.networks import Potential
from odefit.pictures import draw
from odefit.pictures import plot as figure
from odefit.plots.network import evaluate, terms
from odefit.plots.potential import heights, levels_of, points_of_rest, potential_of
from odefit.plots.region import Visited
from short_trainings import SHORT, comes_back

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module", params=SHORT)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    name = str(request.param)
    return odefit.fit(CONFIGS / f"{name}.yaml", SHORT[name], out=tmp_path_factory.mktemp(name) / name)


def value(run: Run, name: str) -> float:
    found = run.result.estimates[name].value
    assert found is not None
    return found


def error(run: Run) -> float:
    """The largest error of the fitted states against the truth."""
    times = [np.linspace(e.start, e.times[-1], 200) for e in run.measured]
    truth = run.solve_truth(times)
    assert truth is not None
    return max(float(np.abs(a - b).max()) for a, b in zip(run.solve(times).states, truth.states, strict=True))


def test_it_ends_well_and_comes_back_from_its_folder(run: Run) -> None:
    comes_back(run)


def test_a_short_version_comes_near(run: Run) -> None:
    name = run.path.name
    if name == "linear_spiral":
        true = np.array([-0.1, -1, 1, -0.1])
        found = np.array([value(run, f"a_{ij}") for ij in (11, 12, 21, 22)])
        assert np.linalg.norm(found - true) < 0.01 * np.linalg.norm(true)
    elif name == "neural_cosine":
        t = np.linspace(0, 10, 101)
        (term,) = terms(run)
        assert np.abs(evaluate(run, term.formula, {"t": t}) - np.cos(t)).max() < 0.15
    elif name == "potential":
        module = potential_of(run)
        assert module is not None
        left, saddle, right = heights(module, np.array([[-1.0, 0], [0, 0], [1, 0]]))
        np.testing.assert_allclose([saddle - left, saddle - right], 0.25, rtol=0.3)
        points = torch.as_tensor(np.random.default_rng(0).uniform(-1.5, 1.5, (50, 2)))
        slopes = torch.func.vmap(torch.func.jacrev(module))(points)
        torch.testing.assert_close(slopes, slopes.mT, rtol=0, atol=1e-13)
    elif name == "hybrid_lotka_volterra":
        assert value(run, "alpha") == pytest.approx(1.3, rel=0.03)
        assert value(run, "delta") == pytest.approx(1.8, rel=0.03)
        x = {"prey": np.array([1.0, 3.0, 6.0]), "predator": np.array([2.0, 1.0, 4.0])}
        eaten, born = (evaluate(run, term.formula, x) for term in terms(run))
        np.testing.assert_allclose(eaten, -0.9 * x["prey"] * x["predator"], rtol=0.15)
        np.testing.assert_allclose(born, 0.8 * x["prey"] * x["predator"], rtol=0.15)
    elif name == "neural_time":
        t = np.linspace(0, 10, 101)
        z = np.exp(1 - np.cos(t))
        (term,) = terms(run)
        assert np.abs(evaluate(run, term.formula, {"t": t, "z": z}) - z * np.sin(t)).max() < 0.4
    else:
        assert error(run) < 0.5


KINDS = {
    "linear_spiral": set[str](),
    "potential": {"potential"},
    "neural_cosine": {"network"},
    "neural_time": {"network"},
    "sigmoid_spiral": {"network"},
    "hybrid_lotka_volterra": {"network"},
}
TEXTS = {
    "neural_cosine": ["net(t)"],
    "neural_time": ["net(t, z)"],
    "sigmoid_spiral": ["net(x, y)[0]", "net(x, y)[1]"],
    "hybrid_lotka_volterra": ["-net(prey, predator)[0]*predator*prey", "net(prey, predator)[1]*predator*prey"],
}


def test_its_picture_is_drawn_and_no_other(run: Run, tmp_path: Path) -> None:
    name = run.path.name
    assert [term.text for term in terms(run)] == TEXTS.get(name, [])
    for kind in ("network", "potential"):
        if kind in KINDS[name]:
            (path,) = draw(run, kinds=[kind], out=tmp_path)
            first = path.read_bytes()
            (again,) = draw(odefit.load_run(run.path), kinds=[kind], out=tmp_path)
            assert again.read_bytes() == first
        else:
            with pytest.raises(ConfigError, match=kind):
                draw(run, kinds=[kind], out=tmp_path)


def test_a_panel_shows_the_term_where_the_data_have_been(run: Run) -> None:
    if run.path.name != "hybrid_lotka_volterra":
        return
    # One path for each experiment, and fewer when fewer are asked for.
    every, few = figure(run, "network"), figure(run, "network", experiments=["a", "b"])
    panels = [ax for ax in every.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left").split("\n")[0] for ax in panels] == ["in dprey/dt:", "in dpredator/dt:"]
    assert {ax.get_xlabel() for ax in panels} == {"prey"}
    assert len(panels[0].lines) == 6
    assert len(few.axes[0].lines) == 2


def test_far_from_the_data_nothing_is_shown() -> None:
    angle = np.linspace(0, 2 * np.pi, 100)
    ring = Visited((np.stack([np.cos(angle), 10 * np.sin(angle)]),))
    x, y = ring.grid()
    hidden = ring.outside(x, y)
    across, up = np.meshgrid(x, y)
    radius = np.hypot(across, up / 10)
    assert hidden[radius > 1.01].all()
    assert hidden[radius < 0.5].all()
    assert not hidden[(radius > 0.8) & (radius < 0.99)].any()
    # A straight path has no hull.
    line = Visited((np.stack([angle, 2 * angle]),))
    assert line.outside(*line.grid()).any()
    assert not line.outside(*line.grid()).all()


WELLS = """
model: {name: potential, states: [x, y], hidden: [6], DIRECTION, initial: estimate}
data:
  simulate:
    model: {equations: {x: x - x^3, y: -y}}
    experiments: 8
    initial: {x: 0, y: 0}
    spread: 1
    times: {start: 0, stop: 3, count: 10}
    seed: 1
fit: {method: least_squares, match: 200, windows: {points: [10], epochs: [2], finish: false}}
"""


@pytest.mark.parametrize("direction", ["descent", "ascent"])
def test_points_of_rest_are_minima_or_maxima(direction: str, tmp_path: Path) -> None:
    """The same flow is a descent of one potential, and an ascent of its negative."""
    (tmp_path / "c.yaml").write_text(WELLS.replace("DIRECTION", f"direction: {direction}"))
    run = odefit.fit(tmp_path / "c.yaml", out=tmp_path / "run")
    module = potential_of(run)
    assert isinstance(module, Potential)
    grid = np.meshgrid(np.linspace(-2, 2, 30), np.linspace(-1, 1, 30))
    rest = points_of_rest(module, Visited((np.stack([g.ravel() for g in grid]),)))
    rest = rest[np.argsort(rest[:, 0])]
    np.testing.assert_allclose(rest, [[-1, 0], [1, 0]], atol=0.15)
    slopes = module(torch.as_tensor(rest)).detach().numpy()
    np.testing.assert_allclose(slopes, 0, atol=1e-3)
    wells, saddle = heights(module, rest), heights(module, np.zeros(2))
    assert (wells < saddle).all() if direction == "descent" else (wells > saddle).all()
    made = figure(run, "potential")
    said = [text.get_text() for legend in made.legends for text in legend.get_texts()]
    assert ("minimum" if direction == "descent" else "maximum") in said
    levels = levels_of(2.0, direction == "descent")
    assert (np.diff(levels) > 0).all()
    assert {float(levels[0]), float(levels[-1])} == ({0.0, 2.0} if direction == "descent" else {0.0, -2.0})


def test_every_config_names_a_true_model() -> None:
    for name in SHORT:
        loaded = load_config(CONFIGS / f"{name}.yaml")
        assert loaded.config.data.simulate is not None
        assert (loaded.config.data.simulate.model is not None) == (name != "linear_spiral")
