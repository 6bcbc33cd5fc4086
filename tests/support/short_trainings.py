"""Shipped configs with networks, cut short: their full trainings are recorded in configs/README.md and benchmarks/."""

from __future__ import annotations

from typing import Any

import numpy as np

import odefit

SHORT = {
    "linear_spiral": [],
    "neural_cosine": ["fit.windows={points: [10], epochs: [3]}", "fit.epochs=1"],
    "neural_time": ["fit.match=200", "fit.windows={points: [11], epochs: [40]}", "fit.epochs=2"],
    "sigmoid_spiral": ["fit.match=60", "fit.windows={points: [10], epochs: [2], finish: false}"],
    "potential": [
        "data.simulate.experiments=8",
        "data.simulate.times={start: 0, stop: 4, count: 16}",
        "fit.match=40",
        "fit.windows={points: [8], epochs: [1]}",
        "fit.epochs=1",
    ],
    "hybrid_lotka_volterra": ["fit.match=100", "fit.windows={points: [10], epochs: [2], finish: false}"],
}
"""What tests/fitting/test_network_configs.py fits. What is cut here, tests/cli/test_shipped.py does not."""


def comes_back(run: Any) -> None:
    """It ended well, and what its folder holds is the same run."""
    assert run.result.status in ("converged", "stopped")
    assert run.path is not None
    again = odefit.load_run(run.path)
    if isinstance(run, odefit.Run):
        np.testing.assert_array_equal(again.theta, run.theta)
    times = [*(e.times for e in run.measured[:1]), *(e.times[:1] for e in run.measured[1:])]
    curves = [one.solve(times) for one in (run, again)]
    np.testing.assert_array_equal(curves[0].observables[0], curves[1].observables[0])
