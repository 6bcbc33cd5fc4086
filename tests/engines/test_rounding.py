"""Sensitivities whose tolerances would ask for more digits than their states have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_diffsol_engine import make, measured

import odefit
from odefit.engines.base import SolverOptions
from odefit.engines.kernel.kernel_engine import KernelEngine

pytest.importorskip("llvmlite")

TIMES = (0.001, 1.0, 130.0)
FAST, LEVEL = 990.0, 100.0


@pytest.mark.parametrize("method", ["auto", "tsit5", "rodas5p"])
def test_a_fast_approach_to_a_large_level_with_next_to_no_absolute_tolerance(method: str) -> None:
    """What is left of LEVEL - x is rounding, 1e-14, a hundred times the tolerance; x = a (1 - exp(-k t))."""
    system = make({"x": "k*(a - x)", "y": "x/100 - y"}, {"x": "0", "y": "0"}, "k a")
    options = SolverOptions(method=method, rtol=1e-8, atol=1e-16)
    engine = KernelEngine(system, options, ("k", "a"))
    times = TIMES[:2] if method == "tsit5" else TIMES  # it crawls at its limit of stability
    found = engine.solve(np.array([[FAST, LEVEL]]), [measured(times)], sensitivities=True)[0]
    assert found.failure is None
    t = np.array(times)
    np.testing.assert_allclose(found.y[:, 0], LEVEL * -np.expm1(-FAST * t), rtol=1e-6)
    np.testing.assert_allclose(found.dy[:, 0, 1], -np.expm1(-FAST * t), rtol=1e-6)
    np.testing.assert_allclose(FAST * found.dy[:, 0, 0], LEVEL * FAST * t * np.exp(-FAST * t), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["auto", "rodas5p"])
def test_a_state_that_falls_to_nothing_keeps_the_digits_of_its_sensitivities(method: str) -> None:
    """The tolerance follows the state as it is, not as large as it was; x = a exp(-k t)."""
    system = make({"x": "-k*x"}, {"x": "a"}, "k a")
    engine = KernelEngine(system, SolverOptions(method=method, rtol=1e-8, atol=1e-30), ("k", "a"))
    t = np.array([1.0, 20.0, 40.0])
    found = engine.solve(np.array([[1.0, 1e6]]), [measured(tuple(t))], sensitivities=True)[0]
    np.testing.assert_allclose(found.dy[:, 0, 0], -t * 1e6 * np.exp(-t), rtol=1e-5)


def test_a_gradient_and_a_fit_from_there() -> None:
    times = np.linspace(1, 130, 9)
    level = 80 + np.sin(times)
    config = {
        "model": {"equations": {"x": "k*(a - x)", "y": "x/50 - c*y"}, "initial": {"x": 0, "y": 0}},
        "parameters": {
            "k": {"value": FAST, "bounds": [1e-5, 1000], "scale": "log"},
            "a": {"value": LEVEL, "bounds": [1, 1000], "scale": "log"},
            "c": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"},
        },
        "noise": {"sigma": 1.0},
        "solver": {"rtol": 1e-8, "atol": 1e-16},
    }
    data = pd.DataFrame({"time": times, "x": level, "y": level / 50})
    problem = odefit.load(config, data=data)
    u, h = problem.to_search(problem.x0), 1e-5
    gradient = problem.gradient_search(u)
    slopes = [(problem.nll_search(u + h * e) - problem.nll_search(u - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)
    run = odefit.fit(config, data=data)
    assert run.result.estimates["a"].value == pytest.approx(level.mean(), rel=1e-2)
