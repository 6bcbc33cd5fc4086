"""Whether data oscillate: turns of curves that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from from_text import assembled
from odefit.collocation.turning import most_turns, n_turns

T = np.linspace(0, 10, 101)


@pytest.mark.parametrize(
    ("curve", "turns"),
    [
        (np.sin(2 * np.pi * T / 4), 5),
        (np.exp(-0.2 * T) * np.cos(np.pi * T), 8),
        (np.exp(-T), 0),
        (T * np.exp(-T), 1),
        (np.ones(101), 0),
        (np.full(101, np.nan), 0),
        (T + 0.5 * np.sin(20 * T), 0),
    ],
)
def test_turns_by_more_than_a_fifth_of_the_range_count(curve: np.ndarray, turns: int) -> None:
    assert n_turns(curve) == turns


CONFIG = """
model: {equations: {x: v, v: -w^2*x}, initial: {x: 1, v: 0}, observables: {x: x}}
parameters: {w: {value: 1, bounds: [0.1, 10]}}
noise: {x: {sigma: 0.1}}
"""


@pytest.mark.parametrize(("period", "turns"), [(3.0, 6), (30.0, 0)])
def test_data_turn_as_their_smooth_curves_do(period: float, turns: int) -> None:
    x = np.cos(2 * np.pi * T / period) + 0.1 * np.random.default_rng(0).standard_normal(101)
    problem = assembled(CONFIG, data=pd.DataFrame({"time": T, "x": x}).to_csv(index=False)).problem
    assert most_turns(problem) == turns
