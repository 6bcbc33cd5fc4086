"""Values drawn anew of which only a limit, a class or an interval is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from from_text import assembled
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.resampling.data_sets import Kind, resampling
from odefit.resampling.hidden import known

DECAY = """
model: {{equations: {{x: -k*x}}, initial: {{x: x0}}}}
parameters: {{k: {{value: 0.3, bounds: [0.01, 10], scale: log}}, x0: {{value: 12, bounds: [1, 100]}}}}
data: {{csv: data.csv}}
noise: {{x: {noise}}}
"""


def of(cells: str, noise: str = "gaussian") -> FitProblem:
    rows = "".join(f"{t},{cell}\n" for t, cell in enumerate(cells.split()))
    return assembled(DECAY.format(noise=noise), data=f"time,x\n{rows}").problem


def words(cells: str, *drawn: float) -> list[list[str]]:
    """What each cell is where these values are drawn for it; the measured cells first."""
    (data,) = of(cells).data
    d = np.repeat(np.array(drawn)[:, None], data.n, axis=1)
    found = known(data, d)

    def word(side: float, limit: float, far: float, value: float) -> str:
        if not side:
            return f"{value:g}"
        if np.isnan(far):
            return f"<{limit:g}" if side < 0 else f">{limit:g}"
        return f"{min(limit, far):g}..{max(limit, far):g}"

    every = zip(found.side, found.limit, found.far, d, strict=True)
    return [[word(*cell) for cell in zip(*one, strict=True)] for one in every]


@pytest.mark.parametrize(
    "cells, drawn, becomes",
    [
        ("8 5 <2 <2", 1.0, ["<2"] * 4),
        ("8 5 <2 <1", 1.5, ["1.5", "1.5", "<2", "1.5"]),  # a measured cell's limit is not known
        ("8 5 >6 <2", 7.0, [">6"] * 4),
        ("8 5 <2 <2", 3.0, ["3"] * 4),
        ("8 5 0..2 0..2", 1.0, ["0..2"] * 4),
        ("8 5 0..2 0..2", -1.0, ["0..2"] * 4),  # a limit of what is at least 0
        ("8 5 0..2 0..2", 3.0, ["3"] * 4),
        ("8 0..2 2..5", 3.0, ["2..5"] * 3),
        ("8 0..2 2..5", 6.0, ["6"] * 3),
        ("8 0..2 2..5", -1.0, ["-2..0"] * 3),
        ("0..2 2..5 5..6", 5.5, ["5..6"] * 3),
        ("0..2 2..5 5..6", 8.5, ["8..9"] * 3),
        ("<2 2..5 >5", 9.0, [">5"] * 3),
        ("<2 2..5 >5", 1.0, ["<2"] * 3),
        ("<2 >2 >2", 1.0, ["<2"] * 3),
        ("3.1..3.3 2.4..2.5 7..8", 4.23, ["4.1..4.3", "4.2..4.3", "4..5"]),
        ("9 3.1..3.3 2.4..2.5 <1", 0.55, ["<1", "0.5..0.7", "0.5..0.6", "<1"]),
    ],
)
def test_what_a_value_is_known_as(cells: str, drawn: float, becomes: list[str]) -> None:
    assert words(cells, drawn) == [becomes]


@pytest.mark.parametrize("kind", ["parametric", "residuals"])
@pytest.mark.parametrize("noise", ["gaussian", "lognormal", "laplace", "poisson"])
@pytest.mark.parametrize(
    "cells", ["10..14 8..10 6..8 4..6 2..4 2..4", "12 9 6 1..5 1..5 5..8", "11..13 8..9 5..7 3..6", "12 9 3..5 <3 <3"]
)
def test_each_sample_is_what_a_problem_with_its_intervals_is(cells: str, noise: str, kind: Kind) -> None:
    problem = of(cells, noise)
    u = problem.table.to_search(problem.table.values)
    likelihood = Likelihood(problem)
    (data,), _ = resampling(likelihood, u, u, kind, seed=1).drawn(np.arange(4))
    points = np.stack([u, u + 0.02, u - 0.02, u])
    moments = likelihood.moments_at(points, True).moments
    together = likelihood.evaluations_from(points, moments, {}, data=[data])
    assert data.censored is not None
    assert data.censored.far is not None
    assert data.censored.weight is not None
    is_log = problem.observation.noise["x"].is_log
    natural = np.exp if is_log else np.asarray
    (one,) = problem.experiments
    for b in range(4):
        values, side, far = np.full((3, len(one.values), 1), np.nan)
        side[:] = 0
        shown = (
            data.measured.weight[b] > 0 if data.measured.weight is not None else np.ones(len(one.values), dtype=bool)
        )
        values[data.rows[shown], 0] = natural(data.values[b][shown])
        hidden = data.censored.weight[b] > 0
        rows = data.censored.rows[hidden]
        values[rows, 0] = natural(data.censored.values[b][hidden])
        side[rows, 0], far[rows, 0] = data.censored.side[hidden], natural(data.censored.far[b][hidden])
        assert (hidden.sum() + shown.sum()) == len(one.values)
        experiment = replace(one, values=values, censored=side.astype(np.int8), other_end=far)
        alone = Likelihood(replace(problem, experiments=(experiment,))).evaluate(points[b])
        assert together.value[b] == pytest.approx(alone.value, rel=1e-9)
        assert together[b].gradient == pytest.approx(alone.gradient, rel=1e-7, abs=1e-7)


def test_classes_scatter_as_the_noise_says() -> None:
    problem = of("11..12 9..10 7..8 5..6 3..4 2..3")
    table = problem.table
    u = table.to_search(table.values)
    (data,), _ = resampling(Likelihood(problem), u, u, "parametric", 0).drawn(np.arange(3000))
    k, x0, sigma = table.to_natural(u)
    assert data.censored is not None
    assert data.censored.far is not None
    middle = (data.censored.values + data.censored.far) / 2
    truth = x0 * np.exp(-k * problem.times)
    assert middle.mean(axis=0) == pytest.approx(truth, abs=4 * sigma / np.sqrt(3000) + 0.01)
    # An interval of width 1 adds the variance of what is anywhere in it (Sheppard's correction).
    assert middle.std(axis=0) == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.05)
