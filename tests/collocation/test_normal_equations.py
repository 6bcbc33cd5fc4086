"""The objective of generalised profiling: its derivatives by differences, and its zero at a solution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from from_text import assembled
from odefit.arrays import FloatArray
from odefit.collocation.cells import measured_cells
from odefit.collocation.grid import make_grid
from odefit.collocation.normal_equations import Hold, ProfilingObjective
from odefit.objective.jacobian import LocalColumns
from odefit.objective.problem import FitProblem

TWO = """
model:
  equations: {x: -k*x/(1 + y^2) + 0.3*sin(t), y: k*x - m*y}
  initial: {x: estimate, y: y0*2}
  observables: {signal: offset + scale*y, log_x: x}
parameters:
  k: {value: 0.6, by: experiment, scale: log}
  m: 0.4
  y0: 0.3
  offset: 0.1
  scale: {value: 2, scale: log, bounds: [0.01, 100]}
  x_0: {value: 2, bounds: [0.01, 50], scale: log}
data:
  start: 0
noise: {signal: {sigma: 0.2}, log_x: lognormal}
"""
TABLE = "experiment,time,signal,log_x\n" + "\n".join(
    f"{e},{t},{'' if e == 'b' and t == 2 else 1 + 0.1 * t},{2 - 0.2 * t}" for e in "ab" for t in (0.5, 1, 2, 3, 4.5, 6)
)
DOSED = """
model: {equations: {gut: -ka*gut, blood: ka*gut/V - ke*blood}, initial: {gut: 0, blood: b0}, observables: {c: blood}}
parameters: {ka: 1.1, ke: 0.2, V: 3, b0: 0.2, F: 0.8}
data: {doses: {csv: DOSES, fraction: F}, start: 0}
noise: {c: {sigma: 0.3}}
"""


def two() -> FitProblem:
    return assembled(TWO, data=TABLE).problem


def dosed(tmp_path: object) -> FitProblem:
    path = f"{tmp_path}/doses.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("time,state,amount,duration\n0,gut,5,0\n1,blood,1,2\n4,gut,3,0\n")
    table = "time,c\n0.5,1\n1,1.2\n2,1.5\n3,1.4\n4,1\n5,1.3\n7,1\n"
    return assembled(DOSED.replace("DOSES", path), data=table).problem


def objective_of(problem: FitProblem) -> ProfilingObjective:
    states = problem.engine.system.states
    dosing = problem.engine.system.dosing
    grid = make_grid(problem.experiments, states, 0.0 if dosing is None else float(dosing.lag))
    return ProfilingObjective(problem, grid, measured_cells(problem, grid))


@pytest.mark.parametrize("which", ["two", "dosed"])
def test_the_gradient_is_that_of_the_value(which: str, tmp_path: object) -> None:
    problem = two() if which == "two" else dosed(tmp_path)
    objective = objective_of(problem)
    rng = np.random.default_rng(5)
    shape = (1, *objective.grid.times.shape, len(problem.engine.system.states))
    y = rng.uniform(0.5, 2.0, shape)
    u = problem.table.to_search(problem.table.values)[None]
    hold = Hold(0.3, np.ones((1, shape[1], shape[3])))
    here, alone = objective.at(y, u, hold), objective.at(y, u, hold, along=True)
    for name in ("value", "corner", "slope"):
        np.testing.assert_allclose(getattr(alone, name), getattr(here, name), rtol=1e-12)

    def value(y: FloatArray, u: FloatArray) -> float:
        return float(objective.at(y, u, hold).value[0])

    h = 1e-6
    for e, k, s in [(0, 0, 0), (0, 7, 1), (shape[1] - 1, 13, 0), (0, 21, 1)]:
        up, down = y.copy(), y.copy()
        up[0, e, k, s] += h
        down[0, e, k, s] -= h
        difference = (value(up, u) - value(down, u)) / (2 * h)
        assert here.gradient[0, e, k, s] == pytest.approx(difference, rel=1e-4, abs=1e-2)
    positions, slopes = LocalColumns(problem).positions, problem.table.transforms.derivative(u[0])
    for column in range(u.shape[1]):
        up, down = u.copy(), u.copy()
        up[0, column] += h
        down[0, column] -= h
        difference = (value(y, up) - value(y, down)) / (2 * h)
        own = here.slope[0][positions == column].sum() * slopes[column]
        assert own == pytest.approx(difference, rel=1e-4, abs=1e-2)


def test_a_solution_has_no_defects_but_those_of_the_grid(tmp_path: object) -> None:
    """Doses at once, infusions and inputs included: SciPy's solution, piece by piece, is what the equations hold."""
    problem = dosed(tmp_path)
    objective = objective_of(problem)
    ka, ke, volume, b0, fraction = 1.1, 0.2, 3.0, 0.2, 0.8
    times, y = objective.grid.times[0], np.zeros((len(objective.grid.times[0]), 2))
    now = np.array([0.0, b0])
    y[0] = now
    for k in range(len(times) - 1):
        if times[k] == times[k + 1]:
            now = now + np.array([{0.0: 5.0, 4.0: 3.0}.get(times[k], 0.0), 0.0]) * fraction
        else:
            rate = fraction * 0.5 if 1 <= times[k] < 3 else 0.0
            solved = solve_ivp(
                lambda _, z, rate=rate: [-ka * z[0], ka * z[0] / volume - ke * z[1] + rate],
                (times[k], times[k + 1]),
                now,
                rtol=1e-10,
                atol=1e-12,
            )
            now = solved.y[:, -1]
        y[k + 1] = now
    theta = problem.table.values[None]
    u = problem.table.to_search(problem.table.values)[None]
    value = objective.at(y[None, None], u, Hold(1e-2, np.ones((1, 1, 2)))).value[0]
    rows = objective.grid
    misfit = objective.misfit(y[None, None][:, rows.experiment, rows.node], theta)[0]
    assert value == pytest.approx(misfit, abs=1e-4)
    # All doses half a unit of time later.
    late = make_grid(problem.experiments, problem.engine.system.states, 0.5)
    for name in ("doses", "feeds"):
        assert getattr(late, name).sum() == pytest.approx(getattr(objective.grid, name).sum(), rel=0.5)
    assert late.times[0][np.flatnonzero(late.doses[0].sum(axis=1))].tolist() == [0.5, 4.5]


def test_the_defects_are_of_fifth_order_in_the_step() -> None:
    """The local error of a method of order 4: half the step, a thirty-second."""
    problem = two()
    objective = objective_of(problem)
    finer = ProfilingObjective(problem, objective.grid.refined(), objective.measured)
    sizes = []
    for each in (objective, finer):
        times = each.grid.times
        y = np.zeros((1, *times.shape, 2))
        for e in range(2):
            solved = solve_ivp(
                lambda t, z: [-0.6 * z[0] / (1 + z[1] ** 2) + 0.3 * np.sin(t), 0.6 * z[0] - 0.4 * z[1]],
                (0, 6),
                [2.0, 0.6],
                t_eval=times[e],
                rtol=1e-12,
                atol=1e-13,
            )
            y[0, e] = solved.y.T
        u = problem.table.to_search(problem.table.values)[None]
        hold = Hold(1e-7, np.ones((1, 2, 2)))
        loose = each.at(y, u, Hold(1e7, np.ones((1, 2, 2)))).value[0]
        sizes.append(each.at(y, u, hold).value[0] - loose)
    # The value is a sum of squares, of twice as many terms, each with a step of half the length below it.
    assert np.log2(sizes[0] / sizes[1]) == pytest.approx(10 - 1 - 1, abs=0.6)
