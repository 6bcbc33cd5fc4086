"""Every solver on one model: the reference against SciPy, errors that fall as they must, and bounds on the time."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import odefit
from from_text import assembled
from odefit.config.load import load_config
from odefit.diagnostics.evaluations import TOO_MANY
from odefit.diagnostics.solver_comparison import (
    ADAPTIVE,
    COMPILED_FAMILY,
    FIXED,
    TOO_SLOW,
    Comparison,
    SolverRow,
    compare_solvers,
    method_rows,
    solver_methods,
    solver_table,
)
from odefit.diagnostics.solver_trials import Model, Reference, Trial, climb
from odefit.engines.methods import METHODS
from odefit.errors import ConfigError, SolveError
from odefit.plots import style
from odefit.plots.work_precision import draw_work_precision, save_work_precision
from odefit.problem.preparation import prepare
from small_problems import Array, central_differences

pytest.importorskip("pydiffsol")

CONFIGS = Path(__file__).parents[2] / "configs"
LONG = 1e5
"""Seconds, of what is not to be stopped, however busy the machine is."""
PREDATORS = """
model: {name: lotka_volterra, initial: {x: 2.5, y: estimate}}
parameters:
  alpha: {value: 1.4, scale: log}
  delta: {value: 2.8, scale: log}
  beta: {value: 1, estimate: false}
  gamma: {value: 1, estimate: false}
data: {simulate: {parameters: {alpha: 1.5}, initial: {x: 2.5, y: 2}, times: {stop: 3, count: 13}, noise: 0.1, seed: 1}}
solver: {method: rk4, step: 0.1}
"""
NETWORK = """
model: {name: mlp, states: [x, y], hidden: [6], activation: tanh, initial: first}
data:
  simulate:
    model: {name: van_der_pol}
    parameters: {mu: 0.2}
    experiments: 2
    initial: {x: 0.5, y: 0.1}
    spread: 0.5
    times: {stop: 2, count: 6}
solver: {method: dopri5, rtol: 1e-4, atol: 1e-5, dtype: float32}
"""


class Ticks:
    """A clock on which each look takes a millisecond; solves in torch look at it at each evaluation."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks / 1000


def reference_of(model: Model, method: str = "tsit45") -> Reference:
    *_, last = climb(method, (1e-11, 1e-12) if method != "dopri5" else (1e-7, 1e-8), LONG, model)
    return last


def final_rows(model: Model, reference: Reference, method: str, seconds: float = LONG) -> list[SolverRow]:
    family = dict(solver_methods())[method]
    return [row for row, is_final in method_rows(reference, method, family, seconds, model) if is_final]


@pytest.fixture(scope="module")
def predators() -> tuple[Model, Reference]:
    model = Model(assembled(PREDATORS))
    return model, reference_of(model)


def by_scipy(model: Model, u: Array) -> Array:
    """States at search vector u = (log alpha, log delta, y_0) in the table's order."""
    theta = dict(zip(model.problem.table.names, model.problem.table.to_natural(u), strict=True))

    def f(_t: float, z: Array) -> list[float]:
        x, y = z
        return [theta["alpha"] * x - x * y, -theta["delta"] * y + x * y]

    times = model.problem.experiments[0].times
    found = solve_ivp(f, (0, 3), [2.5, theta["y_0"]], "DOP853", times, rtol=1e-12, atol=1e-13)
    return np.asarray(found.y.T)


def test_the_reference_is_right(predators: tuple[Model, Reference]) -> None:
    model, reference = predators
    exact = by_scipy(model, model.u)
    np.testing.assert_allclose(reference.states, exact, rtol=1e-9)
    assert reference.error(exact) < 1e-9
    assert reference.uncertainty < 1e-9
    size = np.abs(exact).max(axis=0)
    np.testing.assert_allclose(reference.size, size, rtol=1e-9)
    by_differences = central_differences(lambda u: ((by_scipy(model, u) / size) ** 2).mean(), model.u, 1e-3)
    assert reference.gradient is not None
    np.testing.assert_allclose(reference.gradient, by_differences, rtol=1e-6, atol=1e-9)
    assert reference.gradient_uncertainty is not None
    assert reference.gradient_uncertainty < 1e-9


def test_errors_are_what_they_say(predators: tuple[Model, Reference]) -> None:
    _, reference = predators
    wrong = reference.states.copy()
    wrong[3, 1] += 0.01 * reference.size[1]
    assert reference.error(wrong) == pytest.approx(0.01)
    assert reference.gradient is not None
    assert reference.gradient_error(1.5 * reference.gradient) == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["tsit45", "bdf", "dopri5", "dopri8", "scipy_solver"])
def test_errors_fall_with_the_tolerance(method: str, predators: tuple[Model, Reference]) -> None:
    model, reference = predators
    rows = final_rows(model, reference, method)
    assert [row.rtol for row in rows] == [1e-3, 1e-5, 1e-7, 1e-9]
    errors = [row.error for row in rows if row.error is not None]
    slopes = [row.gradient_error for row in rows if row.gradient_error is not None]
    assert len(errors) == len(slopes) == 4
    for found in (errors, slopes):
        assert found[0] < 0.3
        assert found[-1] < 1e-3 * found[0]
    assert all(row.seconds and row.gradient_seconds and row.work and not row.reason for row in rows)
    work = [row.work or 0 for row in rows]
    assert work == sorted(work)
    assert {row.unit for row in rows} == {"steps" if METHODS[method].is_compiled else "evaluations"}


def test_a_fixed_step_method_shows_its_order_and_its_evaluations(predators: tuple[Model, Reference]) -> None:
    model, reference = predators
    rows = final_rows(model, reference, "rk4")
    # 12 intervals of 0.25; the config's own step of 0.1 makes three of each.
    assert [row.step for row in rows] == pytest.approx([0.25, 0.1, 0.0625, 0.015625, 0.00390625])
    assert [row.configured for row in rows] == [False, True, False, False, False]
    assert [row.work for row in rows] == [4 * n for n in (12, 36, 48, 192, 768)]
    errors = [row.error or math.nan for row in rows]
    for number in ([row.error for row in rows], [row.gradient_error for row in rows]):
        coarse, fine = (number[k] or math.nan for k in (2, 3))
        assert math.log2(coarse / fine) / 2 == pytest.approx(4, abs=0.4)
    assert errors == sorted(errors, reverse=True)


def test_auto_is_marked_as_what_it_comes_to() -> None:
    model = Model(assembled(PREDATORS, "solver.method=auto", "solver.step=null", "solver.rtol=1e-6"))
    assert model.configured_method == "tsit5"
    rows = final_rows(model, reference_of(model), "tsit5")
    assert [(row.rtol, row.configured) for row in rows if row.configured] == [(1e-6, True)]
    assert len(rows) == 5
    stiff = Model(prepare(load_config(CONFIGS / "reference" / "robertson.yaml"))[0])
    assert stiff.configured_method == "rodas5p"


def test_what_would_take_too_long_is_left_out_or_cut_short(predators: tuple[Model, Reference]) -> None:
    _, reference = predators
    model = Model(assembled(PREDATORS), Ticks())
    everything = final_rows(model, reference, "dopri5")
    for row in everything:  # a solve is timed between two looks
        assert row.seconds == pytest.approx(((row.work or 0) + 1) / 1000)
    # The first solve takes half of the time; a gradient is reckoned at five solves.
    first, second = final_rows(model, reference, "dopri5", 2 * (everything[0].seconds or 0.0))
    assert (first.error, first.reason) == (everything[0].error, f"gradient {TOO_SLOW}")
    assert (second.error, second.reason) == (None, TOO_SLOW)
    hurried = final_rows(model, reference, "dopri5", 0.0105)
    assert hurried[0].reason == "too slow: 9 evaluations and not at the end yet"


def test_a_budget_in_evaluations_knows_no_clock(predators: tuple[Model, Reference]) -> None:
    model, reference = predators

    def rows_for(evaluations: float, method: str = "dopri5") -> list[SolverRow]:
        family = dict(solver_methods())[method]
        found = method_rows(reference, method, family, LONG, model, evaluations=evaluations)
        return [row for row, is_final in found if is_final]

    everything = rows_for(math.inf)
    works = [row.work or 0 for row in everything]
    # A gradient counts as five solves.
    enough = rows_for(6 * works[0] + 6 * works[1] + works[2])
    assert [row.work for row in enough[:3]] == works[:3]
    assert [row.reason for row in enough] == ["", "", f"gradient {TOO_MANY}", TOO_MANY]
    assert rows_for(works[0] - 1)[0].reason == f"{works[0] - 1} evaluations and not at the end yet"
    compiled = rows_for(math.inf, "tsit45")
    steps = [row.work or 0 for row in compiled]
    # The second setting is expected to take three times the steps of the first.
    assert [row.reason for row in rows_for(9 * steps[0], "tsit45")][:2] == ["", f"gradient {TOO_MANY}"]


def test_an_explicit_method_on_a_stiff_system_is_a_row_with_its_reason() -> None:
    model = Model(prepare(load_config(CONFIGS / "reference" / "robertson.yaml"))[0], Ticks())
    *_, reference = climb("bdf", (1e-9, 1e-10), LONG, model)
    assert reference.uncertainty < 1e-6
    limits = {"dopri5": (0.4, "too slow"), "rk4": (LONG, "no longer finite"), "tsit45": (LONG, "too fast")}
    for method, (seconds, words) in limits.items():
        rows = final_rows(model, reference, method, seconds)
        assert all(row.error is None for row in rows)
        assert words in rows[0].reason
        assert "solver.method" not in rows[0].reason
    good = final_rows(model, reference, "bdf")
    assert all(row.error is not None and row.error < 1e-2 for row in good[:3])


def test_networks_are_compared_in_their_dtype_and_left_as_they_were() -> None:
    assembly = assembled(NETWORK)
    assert assembly.networks is not None
    before = {name: w.clone() for name, w in assembly.networks.state_dict().items()}
    model = Model(assembly)
    reference = reference_of(model, "dopri5")
    assert reference.gradient is not None
    assert len(reference.gradient) == sum(w.numel() for w in assembly.networks.parameters()) + len(model.u)
    rows = final_rows(model, reference, "dopri5")
    assert [row.rtol for row in rows] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert [row.configured for row in rows] == [False, False, True, False]
    errors = [row.error or math.nan for row in rows]
    assert errors[-1] < 1e-4
    assert errors[-1] > 1e-9  # it is float32
    assert [row.reason for row in final_rows(model, reference, "bdf")] == [
        "needs formulas, and this model has a network"
    ]
    after = assembly.networks.state_dict()
    for name, weights in before.items():
        assert after[name].dtype == torch.float32
        torch.testing.assert_close(after[name], weights, rtol=0, atol=0)


def test_the_gradient_of_the_network_is_right() -> None:
    model = Model(assembled(NETWORK, "solver.dtype=float64"))
    trial = Trial(model, model.options_at("rk4", 1e-9, 0.1))
    size = np.array([1.0, 2.0])
    gradient = trial.gradient(size)
    assert trial.networks is not None
    weights = torch.nn.utils.parameters_to_vector(trial.networks.parameters()).detach().numpy().copy()

    def loss(values: Array) -> float:
        torch.nn.utils.vector_to_parameters(torch.from_numpy(values.copy()), trial.networks.parameters())
        return float(((trial.states() / size) ** 2).mean())

    by_differences = central_differences(loss, weights, 1e-3)
    np.testing.assert_allclose(gradient[len(model.u) :], by_differences, rtol=1e-7, atol=1e-9)


# All of them, in a process of their own


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    solver = ("solver.method=auto", "solver.step=null", "solver.rtol=1e-6")
    return compare_solvers(assembled(PREDATORS, *solver, "data.simulate.times={stop: 0.3, count: 4}"), LONG)


def test_every_method_has_its_rows(comparison: Comparison) -> None:
    assert list(dict.fromkeys(row.method for row in comparison.rows)) == [name for name, _ in solver_methods()]
    assert {row.method for row in comparison.rows} == set(METHODS)
    for row in comparison.rows:
        assert row.error is not None or row.reason
        assert row.family == (
            COMPILED_FAMILY if METHODS[row.method].is_compiled else FIXED if row.step is not None else row.family
        )
        assert (row.rtol is None) == (row.atol is None)
    same = [row for row in comparison.rows if row.method == "fixed_adams"]
    assert [row.reason for row in same] == ["another name of implicit_adams"]
    fast = [row for row in comparison.rows if row.method == "tsit5"]
    assert [row.rtol for row in fast] == [1e-3, 1e-5, 1e-6, 1e-7, 1e-9]
    assert [row.configured for row in fast] == [False, False, True, False, False]
    assert fast[-1].error is not None
    assert fast[-1].error < 1e-7
    assert comparison.uncertainty < 1e-8
    assert "tsit5 at rtol 1e-12" in comparison.caption


def test_the_table_is_text(comparison: Comparison) -> None:
    table = solver_table(comparison)
    assert len(table.rows) == len(comparison.rows)
    assert all(len(row) == len(table.header) and all(isinstance(cell, str) for cell in row) for row in table.rows)
    assert [row[0] for row in table.rows if row[0]] == [name for name, _ in solver_methods()]
    assert "* as configured" in comparison.caption
    own = next(row for row in table.rows if "*" in row[-1])
    assert own[1] == "rtol 1e-06"
    assert own[3].endswith(" steps")


def test_the_picture_shows_every_point(comparison: Comparison, tmp_path: Path) -> None:
    with style.styled():
        figure = draw_work_precision(comparison, "Lynx and $hare")
        figure.canvas.draw()
    states, gradient = figure.axes
    for ax, numbers in ((states, lambda r: r.error), (gradient, lambda r: r.gradient_error)):
        wanted = sorted(min(numbers(row), 10.0) for row in comparison.rows if numbers(row))
        drawn = [
            y for line in ax.lines if line.get_marker() != "o" or line.get_markersize() < 9 for y in line.get_ydata()
        ]
        np.testing.assert_allclose(sorted(drawn), wanted)
        assert [line.get_ydata()[0] for line in ax.lines if line.get_markersize() > 9] == [
            numbers(row) for row in comparison.rows if row.configured and numbers(row)
        ]
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    for name, _ in solver_methods():
        assert sum(label.split(":")[0] == name for label in labels) == (name != "fixed_adams")
    # Readable: the legend stands beside the panels, within the picture, and covers none of them.
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 > gradient.get_window_extent().x1
    assert box.x1 <= whole.x1
    assert whole.y0 <= box.y0
    assert box.y1 <= whole.y1
    one = save_work_precision(comparison, "Lynx", tmp_path / "new" / "a.png").read_bytes()
    assert one == save_work_precision(comparison, "Lynx", tmp_path / "b.png").read_bytes()
    assert one.startswith(b"\x89PNG")


def test_a_picture_of_failures_only(tmp_path: Path) -> None:
    rows = (
        SolverRow("tsit45", COMPILED_FAMILY, 1e-3, 1e-5, reason="fails"),
        SolverRow("dopri5", ADAPTIVE, 1e-3, 1e-5, reason="too slow"),
    )
    failures = Comparison(rows, "bdf at rtol 1e-12", 1e-9, None, 1.0)
    with style.styled():
        figure = draw_work_precision(failures, "Nothing works")
    assert len(figure.axes) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"tsit45: no result", "dopri5: no result"} <= set(labels)
    assert "no gradient" in failures.caption
    assert save_work_precision(failures, "Nothing works", tmp_path / "f.svg", "svg").stat().st_size > 1000


HIDDEN = """
import importlib.machinery
_find = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in ("torch", "torchdiffeq") else _find(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
"""
"""What keeps Python from finding torch, in a process and in those that it starts."""


def test_without_torch_the_compiled_methods_are_compared(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    (tmp_path / "c.yaml").write_text(PREDATORS.replace("solver: {method: rk4, step: 0.1}", ""))
    where = os.pathsep.join([str(tmp_path), str(Path(odefit.__file__).parents[1])])
    command = [sys.executable, "-P", "-m", "odefit.cli", "solvers", "c.yaml", "--evaluations", "500"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": where}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c_solvers.png").exists()
    assert "needs torch and torchdiffeq, not installed here" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert any(line[:1] == ["tsit45"] and "steps" in line for line in lines)
    assert any(line[:1] == ["dopri5"] and len(line) == 2 for line in lines)


# What cannot be compared


def test_a_model_that_cannot_be_solved() -> None:
    text = """
model: {equations: {x: k*x^2}, initial: {x: 1}}
parameters: {k: 1}
"""
    with pytest.raises(SolveError, match="no method solves the model exactly enough at its starting values"):
        compare_solvers(assembled(text, data="time,x\n0,1\n3,2\n"), budget=2.0)


def test_nothing_to_solve() -> None:
    text = "model: {equations: {x: -k*x}, initial: {x: 1}}\nparameters: {k: 1}\n"
    with pytest.raises(ConfigError, match="nothing to solve"):
        compare_solvers(assembled(text, data="time,x\n0,1\n"))


def test_nothing_to_differentiate() -> None:
    text = """
model: {equations: {x: -k*x}, observables: {g: c*x}, initial: {x: 1}}
parameters: {k: {value: 1, estimate: false}, c: 2}
"""
    model = Model(assembled(text, data="time,g\n0,2\n1,1\n2,0.3\n"))
    reference = reference_of(model)
    np.testing.assert_allclose(reference.states[:, 0], np.exp([0.0, -1.0, -2.0]), rtol=1e-10)
    assert reference.gradient is None
    rows = final_rows(model, reference, "dopri5")
    assert all(row.error is not None and row.gradient_error is None and not row.reason for row in rows)


def test_a_climb_ends_when_its_time_is_over(predators: tuple[Model, Reference]) -> None:
    model, _ = predators
    with pytest.raises(SolveError, match="too slow"):
        list(climb("dopri5", (1e-6, 1e-8, 1e-10, 1e-12), 0.0, model))


def test_tasks_can_be_sent_to_another_process(predators: tuple[Model, Reference]) -> None:
    import pickle

    _, reference = predators
    task = pickle.loads(pickle.dumps(partial(method_rows, reference, "tsit45", COMPILED_FAMILY, 1.0)))  # noqa: S301
    np.testing.assert_array_equal(task.args[0].states, reference.states)
