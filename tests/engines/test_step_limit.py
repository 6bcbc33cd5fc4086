"""`SolverOptions.max_steps`: a member that takes more is given up, and others are what they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interrupted_systems import interrupted as system_of
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine

pytest.importorskip("llvmlite")

TIMES = np.linspace(0, 20, 5)


def test_a_member_of_too_many_steps_is_given_up_alone() -> None:
    system = system_of({"x": "w*y", "y": "-w*x"}, {"x": 1, "y": 0}, "w")
    options = SolverOptions(method="tsit5", rtol=1e-8, atol=1e-8)
    engine, limited = (make_engine(system, each, ("w",)) for each in (options, replace(options, max_steps=500)))
    experiments = [Experiment("a", TIMES, np.zeros((5, 1)))] * 2
    p = np.array([[1.0], [20.0]])
    whole = engine.reset_copy().solve(p, experiments, True)
    found = limited.solve(p, experiments, True)
    assert whole.failures == (None, None)
    assert found.failures[0] is None
    assert "more than 500 steps" in str(found.failures[1])
    first = slice(found.offsets[0], found.offsets[1])
    assert np.array_equal(found.y[first], whole.y[first])
    assert found.dy is not None
    assert whole.dy is not None
    assert np.array_equal(found.dy[first], whole.dy[first])
    assert np.isnan(found.y[found.offsets[1] :]).all()
    assert engine.solve(p, experiments).failures == (None, None)
