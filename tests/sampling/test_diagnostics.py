"""R-hat and effective sample sizes against ArviZ 0.23.4: its numbers for the same seeded draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from odefit.sampling.diagnostics import bulk_ess, mean_ess, rank_r_hat, split, tail_ess
from odefit.sampling.posterior import parameter_summary, verdict_of


def autoregressive(seed: int, rho: float, chains: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x, e = np.zeros((chains, n)), rng.normal(size=(chains, n))
    x[:, 0] = e[:, 0]
    for t in range(1, n):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * e[:, t]
    return x


CASES = {
    "independent": (autoregressive(0, 0.0, 4, 100), (1.0016926, 419.1501, 415.53752, 416.55318)),
    "slow": (autoregressive(1, 0.9, 4, 500), (1.0507012, 70.720826, 223.2868, 71.035832)),
    "antithetic": (autoregressive(2, -0.6, 4, 200), (1.0021713, 2322.472, 801.00533, 2322.472)),
    "heavy tails": (
        np.random.default_rng(3).standard_cauchy((8, 250)),
        (0.99989437, 1935.5154, 1883.2305, 2034.8194),
    ),
    "ties": (np.round(autoregressive(4, 0.5, 3, 100)), (1.0264026, 126.71985, 191.29056, 126.82079)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_of_arviz(case: str) -> None:
    draws, theirs = CASES[case]
    found = rank_r_hat(draws), bulk_ess(draws), tail_ess(draws), mean_ess(draws)
    assert found == pytest.approx(theirs, rel=1e-6)


def test_what_cannot_be_said() -> None:
    for draws in (np.ones((4, 100)), np.zeros((4, 3)), np.full((2, 20), np.nan)):
        assert math.isnan(rank_r_hat(draws))
        assert math.isnan(bulk_ess(draws))
        assert math.isnan(tail_ess(draws))
    assert split(np.arange(10.0).reshape(2, 5)).tolist() == [[0, 1], [5, 6], [3, 4], [8, 9]]


def summary(draws: np.ndarray) -> dict[str, dict[str, object]]:
    return {"k": parameter_summary(draws, 0.95, None)}


def test_verdicts() -> None:
    good = np.random.default_rng(0).normal(size=(8, 200))
    assert verdict_of(summary(good), 1600, 0, []).kind == "converged"
    few = verdict_of(summary(good[:, :30]), 240, 0, [])
    assert few.kind in ("few_draws", "not_converged")
    apart = verdict_of(summary(good + np.arange(8)[:, None]), 1600, 0, ["k"])
    assert apart.kind == "not_converged"
    assert "k has no proper prior" in apart.sentence
    assert "the chains do not agree on k" in apart.sentence
    astray = verdict_of(summary(good), 1600, 40, [])
    assert astray.kind == "divergent"
    assert "40 of 1,600 transitions diverged" in astray.sentence
    assert verdict_of(summary(good[:, :1]), 8, 0, []).kind == "few_draws"
    assert verdict_of({}, 0, 0, []).sentence == "too few draws to say anything of them; ask for more with --draws"


def test_a_summary_is_that_of_all_draws() -> None:
    draws = np.random.default_rng(0).normal(3, 2, size=(4, 500))
    one = parameter_summary(draws, 0.9, "1/h")
    assert one["mean"] == pytest.approx(draws.mean())
    assert one["sd"] == pytest.approx(draws.std(ddof=1))
    assert one["interval"] == pytest.approx(np.quantile(draws, [0.05, 0.95]).tolist())
    assert one["mcse_mean"] == pytest.approx(one["sd"] / math.sqrt(mean_ess(draws)))
    assert one["unit"] == "1/h"
