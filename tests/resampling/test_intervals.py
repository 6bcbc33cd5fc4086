"""Bootstrap intervals against what they are by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from odefit.resampling.intervals import Scatter, acceleration, influences, unit_influences

RANKS = np.arange(1, 1000) / 1000
NORMAL = stats.norm.ppf(RANKS)


def scatter(
    values: np.ndarray, errors: np.ndarray | float = 1.0, *, bend: float = 0.0, estimate: float = 3.0
) -> Scatter:
    return Scatter(estimate, 3.0, 2.0, values, np.broadcast_to(errors, values.shape), bend)


@pytest.mark.quick
def test_where_all_is_normal_all_agree() -> None:
    found = scatter(3 + 2 * NORMAL, 2.0).intervals(0.95)
    for low, high in found.values():
        assert (low, high) == pytest.approx((3 - 2 * 1.96, 3 + 2 * 1.96), abs=0.02)


def test_studentized_ones_are_students() -> None:
    t = stats.t.ppf(RANKS, 7)
    low, high = scatter(3 + t, np.ones(999)).intervals(0.9)["studentized"]
    q = stats.t.ppf(0.95, 7)
    assert (low, high) == pytest.approx((3 - 2 * q, 3 + 2 * q), rel=1e-3)


def test_a_skewed_scatter_is_turned_around_by_basic_ones_only() -> None:
    d = stats.expon.ppf(RANKS) - np.log(2)  # of median 0
    found = scatter(3 + d).intervals(0.9)
    low, high = -np.log(0.95) - np.log(2), -np.log(0.05) - np.log(2)
    assert found["percentile"] == pytest.approx((3 + low, 3 + high), rel=2e-3)
    assert found["basic"] == pytest.approx((3 - high, 3 - low), rel=2e-3)
    assert found["bca"] == pytest.approx(found["percentile"], rel=5e-3)


def test_bca_against_scipy() -> None:
    x = np.random.default_rng(1).exponential(size=25)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(2))
    samples = theirs.bootstrap_distribution
    # Jackknife: the influence of a value on a mean is its distance from it.
    bend = float(acceleration((x - x.mean())[:, None])[0])
    own = Scatter(x.mean(), x.mean(), 1.0, samples, np.full(len(samples), np.nan), bend).intervals(0.95)
    assert own["bca"] == pytest.approx(tuple(theirs.confidence_interval), rel=2e-3)
    assert "studentized" not in own


def test_a_biased_estimator_is_corrected() -> None:
    # The samples lie half a standard deviation below what they were drawn with.
    found = scatter(3 - 1 + 2 * NORMAL, 2.0).intervals(0.95)
    assert np.mean(found["bca"]) == pytest.approx(4, abs=0.05)
    assert np.mean(found["basic"]) == pytest.approx(4, abs=0.02)
    assert np.mean(found["studentized"]) == pytest.approx(4, abs=0.02)
    assert np.mean(found["percentile"]) == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("missing, there", [(30, True), (80, False)])
def test_few_samples_may_lack_an_error(missing: int, there: bool) -> None:
    errors = np.where(np.arange(999) < missing, np.nan, 2.0)
    assert ("studentized" in scatter(3 + 2 * NORMAL, errors).intervals(0.95)) == there


def test_a_handful_of_samples_has_no_interval() -> None:
    assert not scatter(3 + NORMAL[:10]).intervals(0.95)


def test_influences_are_those_of_leaving_out() -> None:
    rng = np.random.default_rng(0)
    a, z = rng.normal(size=(40, 2)), rng.normal(size=40)
    z -= a @ np.linalg.lstsq(a, z, rcond=None)[0]
    moves = influences(a, z, np.eye(2))
    # Of a linear model u = -(A'A)^-1 A'z, to first order in the weight of a row.
    for k in (0, 7):
        w = np.ones(40)
        w[k] += 1e-6
        moved = -np.linalg.solve((a * w[:, None]).T @ a, (a * w[:, None]).T @ z)
        assert moves[k] == pytest.approx(moved / 1e-6, rel=1e-4, abs=1e-6)
    gradients = np.stack([a[:20].T @ z[:20], a[20:].T @ z[20:]])
    assert unit_influences(gradients, a, np.eye(2)) == pytest.approx(np.stack([moves[:20].sum(0), moves[20:].sum(0)]))
