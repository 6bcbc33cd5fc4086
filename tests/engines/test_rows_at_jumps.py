"""Rows just before and just after what happens at their time: every engine, derivatives, batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from interrupted_systems import Array, engine_of, experiment, interrupted
from odefit.data.dataset import collate
from odefit.data.experiments import Dose, Experiment
from small_problems import central_differences

METHODS = ("tsit45", "bdf", "dopri5", "rk4")
PK = interrupted({"C": "-k*C"}, {"C": "c0"}, "k c0 F", events=[("4", {"C": "C/10 + k"})], dosing=("0", "F"))
P = np.array([0.7, 0.5, 0.8])
DOSES = (Dose(0.0, "C", 2.0), Dose(2.0, "C", 3.0), Dose(6.0, "C", 1.0))


def with_sides(times: list[float], side: list[int], doses: tuple[Dose, ...] = DOSES) -> Experiment:
    return replace(experiment(times, doses=doses), side=np.array(side, dtype=np.int8))


ROWS = with_sides([0, 0, 1, 2, 2, 4, 4, 6, 6], [-1, 1, 0, -1, 1, -1, 0, -1, 1])


def by_hand(p: Array) -> Array:
    """C of `ROWS`."""
    k, c0, F = p
    after_0 = c0 + F * 2
    before_2 = after_0 * np.exp(-2 * k)
    before_4 = (before_2 + F * 3) * np.exp(-2 * k)
    before_6 = (before_4 / 10 + k) * np.exp(-2 * k)
    until_4 = [c0, after_0, after_0 * np.exp(-k), before_2, before_2 + F * 3, before_4]
    return np.array([*until_4, before_4 / 10 + k, before_6, before_6 + F])


@pytest.mark.parametrize("method", METHODS)
def test_the_state_on_either_side_and_its_derivatives(method: str) -> None:
    engine = engine_of(PK, method, rtol=1e-9, **({"step": 0.01} if method == "rk4" else {}))
    found = engine.solve(P[None], [ROWS], sensitivities=True)[0]
    assert found.failure is None
    tolerance = 1e-6 if method == "bdf" else 1e-7
    np.testing.assert_allclose(found.y[:, 0], by_hand(P), atol=tolerance)
    np.testing.assert_allclose(found.dy[:, 0], central_differences(by_hand, P, 1e-5), atol=10 * tolerance)


@pytest.mark.parametrize("method", ["tsit45", "dopri5"])
def test_autograd_sees_the_same(method: str) -> None:
    engine = engine_of(PK, method)
    local = torch.tensor(P[None], requires_grad=True)
    y = engine.solve_batch(local, collate([(0, ROWS)]))[0, :, 0]
    np.testing.assert_allclose(y.detach(), by_hand(P), atol=1e-7)
    weights = np.cos(np.arange(len(y)))
    (gradient,) = torch.autograd.grad((y * torch.from_numpy(weights)).sum(), local)
    np.testing.assert_allclose(gradient[0], weights @ central_differences(by_hand, P, 1e-5), atol=1e-7)


@pytest.mark.parametrize("method", ["tsit45", "dopri5"])
def test_experiments_with_other_doses_in_one_batch(method: str) -> None:
    other = with_sides([0, 1, 6], [-1, 0, -1], doses=())
    engine = engine_of(PK, method)
    both = engine.solve(np.array([P, P]), [other, ROWS])
    k, c0, _ = P
    last = (c0 * np.exp(-4 * k) / 10 + k) * np.exp(-2 * k)
    np.testing.assert_allclose(both[0].y[:, 0], [c0, c0 * np.exp(-k), last], atol=1e-7)
    np.testing.assert_allclose(both[1].y[:, 0], by_hand(P), atol=1e-7)
    y = engine.solve_batch(torch.tensor(np.array([P, P])), collate([(0, other), (1, ROWS)]))
    np.testing.assert_allclose(y[0, :3, 0], both[0].y[:, 0], atol=1e-7)
    np.testing.assert_allclose(y[1, :, 0], both[1].y[:, 0], atol=1e-7)


@pytest.mark.parametrize("method", ["tsit45", "dopri5", "bdf"])
def test_only_rows_before_at_the_start_and_at_the_end(method: str) -> None:
    doses = (Dose(0.0, "C", 2.0), Dose(0.0, "C", 1.0), Dose(2.0, "C", 3.0), Dose(2.0, "C", 5.0))
    found = engine_of(PK, method).solve(P[None], [with_sides([0, 2], [-1, -1], doses)])[0]
    k, c0, F = P
    np.testing.assert_allclose(found.y[:, 0], [c0, (c0 + 3 * F) * np.exp(-2 * k)], atol=1e-6)
    alone = engine_of(PK, method).solve(P[None], [with_sides([0], [-1], doses)])[0]
    np.testing.assert_allclose(alone.y[:, 0], [c0])


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_happens_both_sides_are_one(method: str) -> None:
    options = {"step": 0.01} if method == "rk4" else {}
    rows = with_sides([0, 0, 1, 1, 3, 3], [-1, 1, -1, 1, -1, 1], doses=())
    quiet = interrupted({"C": "-k*C"}, {"C": "c0"}, "k c0")
    expected = np.repeat(0.5 * np.exp(-0.7 * np.array([0.0, 1.0, 3.0])), 2)
    for system, p in ((PK, P), (quiet, P[:2])):
        found = engine_of(system, method, **options).solve(p[None], [rows], sensitivities=True)[0]
        assert found.failure is None
        np.testing.assert_allclose(found.y[:, 0], expected, atol=1e-6)


def test_times_that_differ_by_rounding_are_one() -> None:
    # 0.1 added three times is not 0.3: the row still stands before the dose.
    dose = (Dose(0.1 + 0.1 + 0.1, "C", 3.0),)
    rows = with_sides([0, 0.3, 0.3, 1], [0, -1, 1, 0], dose)
    found = engine_of(PK, "tsit45").solve(P[None], [rows])[0].y[:, 0]
    assert found[1] == pytest.approx(0.5 * np.exp(-0.21))
    assert found[2] == pytest.approx(found[1] + 0.8 * 3)
