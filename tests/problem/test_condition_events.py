"""Events by conditions in a config: what is refused, and the side of a measurement at their time."""

from __future__ import annotations

import numpy as np
import pytest

from from_text import assembled
from odefit.errors import ConfigError
from odefit.problem.interface import Problem

CONFIG = """
model:
  equations: {x: rate}
  initial: {x: 0}
  events: [{when: x >= top, set: {x: 1}}]
parameters:
  rate: {value: 1, scale: log}
  top: {value: 3, estimate: false}
data: {start: 0}
noise: {x: {sigma: 0.1}}
"""
DATA = "time,x\n1,1\n3,1\n4,2\n"


@pytest.mark.parametrize(
    ("event", "place", "what"),
    [
        ("{when: x >= top, time: 3, set: {x: 1}}", "model.events", "give exactly one of time, when"),
        ("{set: {x: 1}}", "model.events", "give exactly one of time, when"),
        ("{time: 3, delay: 2, set: {x: 1}}", "model.events", "`delay` is for an event that comes by a condition"),
        ("{when: x - top, set: {x: 1}}", "model.events", "must be a condition, such as x < 1"),
        ("{when: x == top, set: {x: 1}}", "model.events", "hold at single moments; write <, <=, > or >="),
        ("{when: x > nothing, set: {x: 1}}", "model.events", "unknown symbol 'nothing'"),
        ("{when: x > top, set: {y: 1}}", "model.events", "'y' is no state"),
        ("{when: x > top, delay: soon, set: {x: 1}}", "model.events", "unknown symbol 'soon'"),
    ],
)
def test_what_is_refused(event: str, place: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assembled(CONFIG, f"model.events=[{event}]", data=DATA)
    (fault,) = caught.value.faults
    assert place in fault.where
    assert what in fault.what


@pytest.mark.parametrize(
    ("overrides", "data", "expected"),
    [
        ([], DATA, [1, 1, 2]),
        (["data.at_jumps=before"], DATA, [1, 3, 2]),
        (["data.at_jumps={x: before}"], DATA, [1, 3, 2]),
        (["data.at_jumps=after"], DATA, [1, 1, 2]),
        ([], "time,x,at_jump\n1,1,\n3,1,before\n3,1,after\n4,2,\n", [1, 3, 1, 2]),
    ],
)
def test_the_side_of_a_measurement_at_the_time_of_an_event(
    overrides: list[str], data: str, expected: list[float]
) -> None:
    problem = Problem(assembled(CONFIG, *overrides, data=data))
    np.testing.assert_allclose(problem.simulate([1.0])["x"], expected, rtol=1e-6)
