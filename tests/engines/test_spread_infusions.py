"""Infusions whose duration or rate is estimated: their end moves with the parameters, and so do the derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from interrupted_systems import engine_of, experiment, interrupted, solved
from odefit.data.dataset import collate
from odefit.data.experiments import Dose
from odefit.engines.failure import FailureReason
from small_problems import central_differences

Array = NDArray[np.float64]
BOTH = ("tsit45", "dopri5")
TIMES = np.array([0.2, 0.9, 1.4, 2.0, 2.6, 3.1, 4.5, 6.0])
ONE = interrupted(
    {"C": "-k*C"},
    {"C": 0},
    "k lag F D R",
    dosing=("lag", "F"),
    spreads=[("duration", "D"), ("rate", "R")],
)
P = (0.7, 0.13, 0.8, 1.7, 1.9)
BY_DURATION = Dose(0.5, "C", 3.0, duration_formula="D")
BY_RATE = Dose(1.0, "C", 2.5, rate_formula="R")


def ramp(s: Array, k: float) -> tuple[Array, Array, Array]:
    """What a rate of 1 leaves after s: (1 - exp(-k s))/k, with its derivatives to s and k."""
    s = np.clip(s, 0, None)
    fall = np.exp(-k * s)
    g = (1 - fall) / k
    return g, np.where(s > 0, fall, 0.0), (s * fall - g) / k


def by_hand(dose: Dose, k: float, lag: float, F: float, D: float, R: float) -> tuple[Array, Array]:
    """C and its derivatives to k, lag, F, D, R."""
    by_rate, A = bool(dose.rate_formula), dose.amount
    rate, length = (R, F * A / R) if by_rate else (F * A / D, D)
    s = TIMES - dose.time - lag
    (g, fall, gk), (h, end, hk) = ramp(s, k), ramp(s - length, k)
    to_rate, to_length = g - h, rate * end
    if by_rate:
        dF, dD, dR = to_length * A / R, 0 * s, to_rate - to_length * F * A / R**2
    else:
        dF, dD, dR = to_rate * A / D, -to_rate * F * A / D**2 + to_length, 0 * s
    return rate * (g - h), np.stack([rate * (gk - hk), rate * (end - fall), dF, dD, dR], axis=-1)


@pytest.mark.parametrize("method", ["tsit5", *BOTH, "bdf"])
@pytest.mark.parametrize("doses", [[BY_DURATION], [BY_RATE], [BY_DURATION, BY_RATE]], ids=["duration", "rate", "both"])
def test_levels_and_derivatives_are_those_of_the_closed_form(method: str, doses: list[Dose]) -> None:
    found = solved(ONE, P, experiment(TIMES, doses=doses), method)
    C, dC = (sum(parts) for parts in zip(*(by_hand(dose, *P) for dose in doses), strict=True))
    tolerance = 1e-5 if method == "bdf" else 2e-7
    np.testing.assert_allclose(found.y[:, 0], C, atol=tolerance)
    np.testing.assert_allclose(found.dy[:, 0], dC, atol=tolerance)


MANY = interrupted(
    {"A": "-ka*A", "C": "ka*A - ke*C*C"},
    {"A": 0, "C": "ke"},
    "ka ke lag F D",
    events=[("2*D", {"C": "C/2 + ka"})],
    dosing=("lag", "F"),
    spreads=[("duration", "D + ke"), ("rate", "F/D")],
    triggers=[{"when": "C > 1.2", "changes": {"A": "A/2"}}],
)
DOSES = (
    Dose(0, "A", 3.0, duration_formula="D + ke"),
    Dose(0.4, "A", 1.0, 1.5),
    Dose(1, "A", 1.2, rate_formula="F/D"),
    Dose(1.2, "C", 0.7, duration_formula="D + ke"),
    Dose(3, "C", -0.2, rate_formula="F/D"),
)


@pytest.mark.parametrize("method", BOTH)
def test_derivatives_agree_with_differences_and_with_autograd(method: str) -> None:
    """Beside other infusions, events, conditions, lag and fraction, as one formula of several parameters."""
    p, one = np.array([1.1, 0.4, 0.23, 0.8, 1.13]), experiment(TIMES, doses=DOSES)
    engine, other = engine_of(MANY, method, rtol=1e-9), engine_of(MANY, "tsit45", rtol=1e-11)
    found = engine.solve(p[None], [one], sensitivities=True)[0]
    assert found.failure is None
    differences = central_differences(lambda q: other.solve(q[None], [one])[0].y, p, 1e-4)
    np.testing.assert_allclose(found.dy, differences, rtol=5e-6, atol=5e-6)
    local = torch.tensor(p[None], requires_grad=True)
    y = engine.solve_batch(local, collate([(0, one)]))
    weights = np.cos(np.arange(y.numel())).reshape(found.y.shape)
    (gradient,) = torch.autograd.grad((y[0] * torch.from_numpy(weights)).sum(), local)
    np.testing.assert_allclose(gradient[0], np.einsum("ts,tsk", weights, found.dy), rtol=5e-6, atol=5e-6)


def test_an_infusion_that_moves_is_one_of_that_length() -> None:
    """The same numbers as with a duration in numbers, at the end of all that happens, too."""
    _, _, F, D, R = P
    moving = experiment([*TIMES, np.inf], doses=[BY_DURATION, BY_RATE])
    still = replace(moving, doses=(Dose(0.5, "C", 3.0, D), Dose(1.0, "C", 2.5, F * 2.5 / R)))
    system = replace(ONE, comes_to_rest=True)
    y, z = (solved(system, P, one, "tsit5").y for one in (moving, still))
    # With F of each, the second takes F*A/R, and enters at F*A over that.
    np.testing.assert_allclose(y[:, 0], z[:, 0], atol=1e-9)


@pytest.mark.parametrize("D", [0.0, -1.0])
def test_a_duration_must_be_positive(D: float) -> None:
    found = engine_of(ONE, "tsit5").solve(
        np.array([(*P[:3], D, P[4])]), [experiment(TIMES, doses=[BY_DURATION])], sensitivities=True
    )[0]
    assert found.failure is not None
    assert found.failure.reason is FailureReason.INFUSION_WITHOUT_LENGTH
    assert "the duration or rate 'D' of an infusion is not a positive number" in str(found.failure)
