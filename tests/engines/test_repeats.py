"""Replicates on segmented ways are solved once, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interrupted_systems import engine_of, interrupted
from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.segments.repeats import distinct

T = np.array([0.5, 1.0, 2.5])
SYSTEM = interrupted(
    {"x": "u - k*x"},
    {"x": "x0"},
    "k x0 low",
    inputs=["u"],
    dosing=("0", "1"),
    triggers=[{"when": "x < low", "changes": {"x": "2*x"}}],
)


def one(
    name: str, seed: int = 0, times: np.ndarray = T, doses: tuple[Dose, ...] = (), level: float = 0.1
) -> Experiment:
    values = np.random.default_rng(seed).random((len(times), 1))
    held = Input(np.array([0.0]), np.array([[level, 0, 0, 0]]))
    return Experiment(name, times, values, 0.0, doses=doses, inputs={"u": held})


EXPERIMENTS = [
    one("a"),
    one("a#2", seed=1),
    one("other times", times=T + 0.1),
    one("other parameters"),
    one("a dose", doses=(Dose(1.5, "x", 2.0),)),
    one("the dose again", seed=2, doses=(Dose(1.5, "x", 2.0),)),
    one("another input", level=0.2),
    replace(one("just before"), side=np.array([0, 0, -1], dtype=np.int8)),
    one("a#3", seed=3),
]
P = np.array([[0.8, 2.0, 0.6] if e.name != "other parameters" else [0.9, 2.0, 0.6] for e in EXPERIMENTS])


def test_what_is_the_same() -> None:
    first, of = distinct(P, EXPERIMENTS)
    assert first.tolist() == [0, 2, 3, 4, 6, 7]
    assert of.tolist() == [0, 0, 1, 2, 3, 3, 4, 5, 0]


@pytest.mark.parametrize("method", ["auto", "bdf"])
def test_each_has_its_own_solution(method: str) -> None:
    engine = engine_of(SYSTEM, method)
    together = engine.solve(P, EXPERIMENTS, sensitivities=True)
    assert len(together) == len(EXPERIMENTS)
    for m, experiment in enumerate(EXPERIMENTS):
        alone = engine.solve(P[m : m + 1], [experiment], sensitivities=True)[0]
        np.testing.assert_allclose(together[m].y, alone.y, rtol=1e-9)
        np.testing.assert_allclose(together[m].dy, alone.dy, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(together[0].y, together[8].y)
