"""The sampler on densities whose moments are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.sampling.chains import Draws, Request, Tuned, advance, begin, warmed_up
from odefit.sampling.diagnostics import mean_ess, rank_r_hat
from odefit.sampling.mixture import Mixture
from odefit.sampling.nuts import State, transition

Answer = tuple[np.ndarray, np.ndarray]


class Normal:
    """Of given scales and correlation."""

    covariance = np.array([[1.0, 6.0, 0.0], [6.0, 100.0, 0.0], [0.0, 0.0, 0.01]])

    def evaluate(self, v: np.ndarray, chains: list[int]) -> Answer:
        slope = -np.linalg.solve(self.covariance, v.T).T
        return 0.5 * (slope * v).sum(axis=1), slope


class Banana:
    """y is normal around x²/4, and x is normal."""

    def evaluate(self, v: np.ndarray, chains: list[int]) -> Answer:
        x, y = v.T
        gap = y - x * x / 4
        return -0.5 * (x * x + gap * gap / 0.36), np.stack([-x + gap * x / 2 / 0.36, -gap / 0.36], axis=1)


class TwoModes:
    """A fifth of it around (-5, 0), of scale 1; the rest around (5, 2), of scale 1/2."""

    means, scales, weights = np.array([[-5.0, 0.0], [5.0, 2.0]]), np.array([1.0, 0.5]), np.array([0.2, 0.8])

    def evaluate(self, v: np.ndarray, chains: list[int]) -> Answer:
        gaps = (v[:, None] - self.means) / self.scales[:, None]
        logs = np.log(self.weights / self.scales**2) - 0.5 * (gaps**2).sum(axis=2)
        total = np.logaddexp(logs[:, 0], logs[:, 1])
        share = np.exp(logs - total[:, None])
        return total, -(share[..., None] * gaps / self.scales[:, None]).sum(axis=1)


class HalfLine:
    """Exponential on x > 0: nothing beyond."""

    def evaluate(self, v: np.ndarray, chains: list[int]) -> Answer:
        inside = v[:, 0] > 0
        return np.where(inside, -v[:, 0], -np.inf), np.where(inside[:, None], -np.ones_like(v), np.nan)


def drawn(density: object, mixture: Mixture, n: int = 80, chains: int = 6, seed: int = 0) -> tuple[Draws, Tuned]:
    warming = warmed_up(density, mixture, begin(density, mixture, chains, seed), seed)
    while True:
        try:
            next(warming)
        except StopIteration as ended:
            tuned, states = ended.value
            return advance(density, Request(tuned, states, n, (seed, 2, 0))), tuned


def around(mean: list[float], scale: list[float]) -> Mixture:
    return Mixture(np.ones(1), np.array([mean]), np.diag(scale)[None])


def check(values: np.ndarray, mean: float, sd: float) -> None:
    """Within four Monte Carlo errors."""
    ess = mean_ess(values)
    assert rank_r_hat(values) < 1.05
    assert values.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(ess))
    square = (values - mean) ** 2
    assert square.mean() == pytest.approx(sd**2, abs=4 * square.std() / np.sqrt(mean_ess(square)))


def test_a_normal_one() -> None:
    draws, _ = drawn(Normal(), around([0.5, 0, 0], [1, 1, 1]))
    for k, sd in enumerate((1.0, 10.0, 0.1)):
        check(draws.v[:, :, k], 0.0, sd)
    check(draws.v[:, :, 0] * draws.v[:, :, 1], 6.0, float(np.sqrt(100 + 36)))
    assert not draws.diverged.any()
    assert draws.acceptance.mean() == pytest.approx(0.85, abs=0.1)


def test_a_banana() -> None:
    draws, _ = drawn(Banana(), around([0, 0], [1, 0.6]), n=150)
    check(draws.v[:, :, 0], 0.0, 1.0)
    check(draws.v[:, :, 1], 0.25, float(np.sqrt(0.36 + 2 / 16)))


def test_two_modes_get_their_shares() -> None:
    roots = [np.eye(2), np.eye(2) * 0.5]
    mixture = Mixture.normal(list(TwoModes.means), roots, [np.log(0.2), np.log(0.8 / 0.25)])
    draws, tuned = drawn(TwoModes(), mixture)
    check((draws.v[:, :, 0] > 0).astype(float), 0.8, 0.4)
    check(draws.v[:, :, 0], 3.0, float(np.sqrt(0.2 * 1 + 0.8 * 0.25 + 0.16 * 100)))
    assert tuned.jumps
    # Chains that begin in equal numbers at both find the shares all the same.
    even = Mixture(np.array([0.5, 0.5]), TwoModes.means, np.stack(roots))
    again, _ = drawn(TwoModes(), even, seed=3)
    check((again.v[:, :, 0] > 0).astype(float), 0.8, 0.4)


def test_where_there_is_nothing_a_trajectory_ends() -> None:
    draws, _ = drawn(HalfLine(), around([1.0], [1.0]), n=100)
    assert (draws.v > 0).all()
    check(draws.v[:, :, 0], 1.0, 1.0)


def test_draws_go_on_to_the_last_bit() -> None:
    density, mixture = Banana(), around([0, 0], [1, 0.6])
    tuned = Tuned(np.zeros(2), np.diag([1.0, 0.6]), 0.4, mixture)
    points = begin(density, mixture, 5, 1)
    logp, slopes = density.evaluate(points, [])
    states = [State(p / [1, 0.6], float(a), b * [1, 0.6]) for p, a, b in zip(points, logp, slopes, strict=True)]
    whole = advance(density, Request(tuned, states, 12, (1, 2, 0)))
    first = advance(density, Request(tuned, states, 5, (1, 2, 0)))
    rest = advance(density, Request(tuned, first.states, 7, (1, 2, 5)))
    assert np.array_equal(np.concatenate([first.v, rest.v], axis=1), whole.v)
    alone = advance(density, Request(tuned, states[:1], 12, (1, 2, 0)))
    assert np.array_equal(alone.v[0], whole.v[0])


def test_nowhere_to_begin() -> None:
    with pytest.raises(ValueError, match="no point near"):
        begin(HalfLine(), around([-1e9], [1.0]), 2, 0)


def test_a_mixture_is_a_density() -> None:
    mixture = Mixture(np.array([0.3, 0.7]), np.array([[-1.0], [2.0]]), np.array([[[0.5]], [[1.5]]]))
    x = np.linspace(-200, 200, 80_001)
    density = np.exp([mixture.log_density(np.array([one])) for one in x[::4]])
    assert density.sum() * (x[4] - x[0]) == pytest.approx(1, abs=1e-4)
    rng = np.random.default_rng(0)
    values = np.array([mixture.draw(rng)[0] for _ in range(4000)])
    edges = np.array([-1.5, -0.5, 1.0, 3.0])
    for edge in edges:
        share = density[x[::4] < edge].sum() * (x[4] - x[0])
        assert (values < edge).mean() == pytest.approx(share, abs=0.03)


def test_a_step_to_where_the_energy_is_beyond_all_numbers_diverges() -> None:
    way = transition(State(np.zeros(2), 0.0, np.zeros(2)), 1.0, np.random.default_rng(0))
    next(way)
    with pytest.raises(StopIteration) as ended:
        way.send((-1.0, np.full(2, 1e200)))
    moved = ended.value.value
    assert moved.diverged
    assert moved.acceptance == 0
    assert (moved.state.w == 0).all()
