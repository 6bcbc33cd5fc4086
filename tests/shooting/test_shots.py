"""Multiple shooting: what windows hold, derivatives by differences, and solutions known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from from_text import assembled
from odefit.arrays import FloatArray
from odefit.collocation.cells import measured_cells
from odefit.collocation.normal_equations import Hold
from odefit.objective.jacobian import LocalColumns
from odefit.objective.problem import FitProblem
from odefit.shooting.objective import OutOfTime, ShootingEngine, ShootingObjective
from odefit.shooting.starts import latest_arrival, obstacle, shot_points, windows_of

KICKED = """
model:
  equations: {x: v, v: -w^2*x}
  initial: {x: estimate, v: 0}
  events: [{time: kick, set: {v: v + 1}}]
  observables: {place: scale*x}
parameters:
  w: {value: 1, bounds: [0.2, 6]}
  x_0: {value: 0.7, bounds: [0.1, 3]}
  scale: {value: 1.2, bounds: [0.1, 10], scale: log}
  kick: {value: 4.2, bounds: [1, 8]}
noise: {place: {sigma: 0.05}}
"""
DOSED = """
model:
  equations: {gut: -ka*gut, blood: ka*gut/V - ke*blood}
  initial: {gut: 0, blood: b0}
  observables: {c: blood}
parameters: {ka: 1.1, ke: 0.2, V: 3, b0: 0.2, F: 0.8, late: {value: 0.3, bounds: [0, 0.6]}}
data: {doses: {csv: DOSES, fraction: F, lag: late}, start: 0}
noise: {c: {sigma: 0.3}}
"""
RESTED = """
model:
  equations: {x: k*s - m*x, y: x - y}
  initial: {x: 1, y: 1}
  steady_state: {s: 1}
  observables: {y: y}
parameters: {k: {value: 2, bounds: [0.1, 10]}, m: {value: 0.5, bounds: [0.1, 10]}, s: {value: 3, estimate: false}}
data: {start: 0}
noise: {y: {sigma: 0.1}}
"""


def oscillation(t: FloatArray, w: float = 2.0, kick: float = 5.0) -> FloatArray:
    """Closed form: the cosine from 1, and a kick by 1."""
    return np.cos(w * t) + np.where(t > kick, np.sin(w * (t - kick)) / w, 0.0)


def kicked() -> FitProblem:
    t = np.linspace(0, 12, 40)
    return assembled(
        KICKED.replace(" + 0*u", "").replace("\n  u: 0", ""), data=table(time=t, place=oscillation(t))
    ).problem


def dosed(folder: Any) -> FitProblem:
    (folder / "doses.csv").write_text("time,state,amount,duration\n0,gut,5,0\n1,blood,1,2\n6,gut,3,0\n")
    t = [0.5, 1, 2, 2.5, 3.8, 4, 5, 6.5, 7, 8, 9]
    text = DOSED.replace("DOSES", str(folder / "doses.csv"))
    return assembled(text, data=table(time=t, c=np.linspace(1, 2, len(t)))).problem


def rested() -> FitProblem:
    t = np.linspace(0, 6, 13)
    return assembled(RESTED, data=table(time=t, y=6 - 4 * np.exp(-t))).problem


def table(**columns: Any) -> str:
    text: str = pd.DataFrame(columns).to_csv(index=False)
    return text


def objective_of(problem: FitProblem) -> ShootingObjective:
    windows = windows_of(problem, latest_arrival(problem))
    return ShootingObjective(ShootingEngine(problem), windows, measured_cells(problem, windows.grid))


def states_of(problem: FitProblem, objective: ShootingObjective) -> FloatArray:
    """Of the solution, where windows begin: before what happens then. [1, E, K, S]"""
    times = objective.grid.times
    sides = np.full(times.shape[1], -1, dtype=np.int8)
    pieces = [e.at(t, sides) for e, t in zip(problem.experiments, times, strict=True)]
    return np.stack(problem.states(problem.table.values, tuple(pieces)))[None]


@pytest.fixture(params=["kicked", "dosed", "rested"])
def problem(request: pytest.FixtureRequest, tmp_path: Any) -> FitProblem:
    return {"kicked": kicked, "dosed": lambda: dosed(tmp_path), "rested": rested}[request.param]()


def test_a_solution_has_no_defects(problem: FitProblem) -> None:
    """Events, doses with a lag, infusions and rest before the start included; its misfit is that of one solution."""
    objective = objective_of(problem)
    assert obstacle(problem) is None
    assert objective.grid.times.shape[1] > 3
    y, theta = states_of(problem, objective), problem.table.values[None]
    u = problem.table.to_search(problem.table.values)[None]
    value = objective.at(y, u, Hold(1e-2, np.ones((1, 1, y.shape[-1])))).value[0]
    rows = np.stack(problem.states(problem.table.values, problem.experiments))[:, objective.grid.rows]
    assert value == pytest.approx(objective.misfit(rows, theta)[0], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("rate", "expected"), [("0", "events switch a state"), ("-on/5", None)])
def test_a_switch_has_no_value_of_its_own_in_a_window(rate: str, expected: str | None) -> None:
    text = f"""
    model:
      equations: {{T: -k*(T - 10) + 5*on, on: {rate}}}
      initial: {{T: 19, on: 1}}
      observables: {{T: T}}
      events:
        - {{when: T > 21, set: {{on: 0}}}}
        - {{when: T < 18, set: {{on: 1}}}}
    parameters: {{k: 0.3}}
    """
    t = np.arange(12.0)
    problem = assembled(text, data=table(time=t, T=19.5 + np.sin(t))).problem
    found = obstacle(problem)
    assert found is None if expected is None else str(found).startswith(expected)


def test_the_gradient_is_that_of_the_value(problem: FitProblem) -> None:
    objective = objective_of(problem)
    y = states_of(problem, objective) + np.random.default_rng(5).uniform(
        0, 0.2, (1, 1, objective.grid.times.shape[1], 2)
    )
    u = problem.table.to_search(problem.table.values)[None]
    hold = Hold(1.0, np.ones((1, 1, 2)))
    here, h = objective.at(y, u, hold), 1e-4

    def slope(dy: FloatArray | float, du: FloatArray | float) -> float:
        up, down = (objective.at(y + sign * h * dy, u + sign * h * du, hold).value[0] for sign in (1, -1))
        return float(up - down) / (2 * h)

    for k, s in [(0, 0), (1, 1), (2, 0), (3, 1)]:
        direction = np.zeros(y.shape)
        direction[0, 0, k, s] = 1
        assert here.gradient[0, 0, k, s] == pytest.approx(slope(direction, 0.0), rel=1e-3, abs=0.05)
    positions, slopes = LocalColumns(problem).positions, problem.table.transforms.derivative(u[0])
    for column, name in enumerate(problem.table.names[i] for i in problem.table.estimated):
        own = here.slope[0][positions == column].sum() * slopes[column]
        assert own == pytest.approx(slope(0.0, np.eye(u.shape[1])[column]), rel=2e-3, abs=0.5), name


def test_no_window_begins_while_a_dose_is_on_its_way(tmp_path: Any) -> None:
    """At 0, 1 to 3, and 6, up to 0.6 later: neither between 1 and 3.6 nor between 6 and 6.6."""
    problem = dosed(tmp_path)
    assert latest_arrival(problem) == 0.6
    assert windows_of(problem, 0.6).grid.times[0].tolist() == [0, 1, 3.8, 4, 5, 7, 8]


def test_an_oscillation_is_found_from_any_frequency_although_it_is_kicked() -> None:
    """It is 2, as known in closed form; the time of the kick is only near, since it stays in its window."""
    problem = kicked()
    drawn = np.tile(problem.table.to_search(problem.table.values), (6, 1))
    column = problem.table.estimated.tolist().index(problem.table.names.index("w"))
    drawn[:, column] = np.linspace(0.5, 5, 6)
    reached = problem.table.to_natural(list(shot_points(problem, drawn))[-1])
    w, kick = (reached[:, problem.table.names.index(name)] for name in ("w", "kick"))
    np.testing.assert_allclose(w, 2, atol=0.05)
    np.testing.assert_allclose(kick, 5, atol=0.5)


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("model.observables={x: {increase: x}}", "compared"),
        ("model.events=[{when: x < 1, delay: 1, set: {x: 2}}]", "later"),
    ],
)
def test_what_is_not_shot(override: str, why: str) -> None:
    text = "model: {equations: {x: -k*x}, initial: {x: 3}}\nparameters: {k: {value: 1, bounds: [0.1, 10]}}"
    data = "time,x\n0,\n1,2\n2,1.5\n3,1\n4,0.7\n"
    assert obstacle(assembled(text, data=data).problem) is None
    assert why in str(obstacle(assembled(text, override, data=data).problem))
    assert "too little" in str(obstacle(assembled(text, data="time,x\n0,\n1,2\n").problem))


def test_shots_end_when_their_time_is_spent() -> None:
    problem = kicked()
    drawn = problem.table.to_search(problem.table.values)[None]
    assert list(shot_points(problem, drawn, seconds=-1.0)) == []
    engine = ShootingEngine(problem, seconds=-1.0)
    windows = windows_of(problem, 0.0)
    with pytest.raises(OutOfTime):
        engine.solve(
            windows, np.zeros((1, *windows.grid.times.shape, 2)), problem.binding.local(problem.table.values[None])
        )
