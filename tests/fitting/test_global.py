"""`fit.method: global`: what it finds, that it resumes to the same numbers, and what an interruption leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from from_text import assembled
from odefit.config.source import parse_yaml
from odefit.errors import ConfigError
from odefit.fitting import global_search
from odefit.fitting.global_search import Interrupted, global_starts
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.differential_evolution import evolved
from odefit.runs.checkpoint import Forgetful
from odefit.runs.progress import Silent

OSCILLATOR = """
model:
  equations: {x: v, v: -w^2*x}
  initial: {x: 1, v: 0}
  observables: {x: x}
parameters: {w: {value: 1, bounds: [0.5, 20]}}
noise: {x: {sigma: 0.1}}
fit: {method: global, seed: 1, evaluations: 400}
"""
TIMES = np.linspace(0, 6, 25)
DATA = pd.DataFrame({"time": TIMES, "x": np.cos(7.3 * TIMES) + 0.1 * np.random.default_rng(0).standard_normal(25)})


class Kept(Forgetful):
    """A memory of what was offered last, that says stop after some offers."""

    def __init__(self, state: Any = None, stop_after: int | None = None) -> None:
        super().__init__()
        self.state, self.left = state, stop_after

    def offer(self, part: str, state: Any, *, passing: bool = False) -> None:
        self.state = state()
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def restored(self, part: str) -> Any:
        return self.state


def starts(memory: Kept, n: int = 3) -> Any:
    problem = assembled(OSCILLATOR, data=DATA.to_csv(index=False)).problem
    objective = ProfileLikelihood(Likelihood(problem))
    first = problem.table.to_search(problem.table.values)[None]
    return global_starts(objective, first, n, 1, 3000, Silent(), memory)


def test_a_valley_among_many_is_found() -> None:
    """Sixty periods fit in the box of the frequency, and a search sees the next one only."""
    config = parse_yaml(OSCILLATOR, "config").data
    local = odefit.fit({**config, "fit": {"method": "least_squares", "match": False}}, data=DATA)
    run = odefit.fit(config, data=DATA)
    assert run.result.method == "global"
    assert run.result.estimates["w"].value == pytest.approx(7.3, abs=0.05)
    assert run.result.objective.nll < local.result.objective.nll - 50


def test_it_resumes_to_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(global_search, "GENERATIONS", 5)
    whole = starts(Kept())
    half = Kept(stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        starts(half)
    np.testing.assert_array_equal(starts(Kept(half.state)), whole)
    np.testing.assert_array_equal(starts(Kept()), whole)


def test_an_interruption_leaves_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return evolved(*arguments)

    monkeypatch.setattr(global_search, "GENERATIONS", 5)
    monkeypatch.setattr(global_search, "evolved", interrupted)
    run = odefit.fit(parse_yaml(OSCILLATOR, "config").data, data=DATA)
    assert run.result.status == "interrupted"
    assert run.result.estimates["w"].value is not None
    calls = 0
    with pytest.raises(Interrupted) as caught:
        starts(Kept())
    assert np.isfinite(caught.value.population.values[0])
    assert (np.diff(caught.value.population.values) >= 0).all()


def test_a_population_keeps_to_its_box_and_its_seed() -> None:
    def values(u: Any) -> Any:
        return np.where(u[:, 0] < 0.2, np.inf, np.sum((u - 0.7) ** 2, axis=1))

    begin = np.random.default_rng(0).random((12, 2))
    one, again = (evolved(values, begin, np.zeros(2), np.array([0.6, 1.0]), 40, (1, 2)) for _ in range(2))
    np.testing.assert_array_equal(one.u, again.u)
    assert (one.u >= 0).all()
    assert (one.u <= [0.6, 1.0]).all()
    np.testing.assert_allclose(one.u[0], [0.6, 0.7], atol=0.2)


@pytest.mark.parametrize(
    ("fit", "fault"),
    [({"method": "least_squares", "evaluations": 10}, "evaluations: only for `method: global`")],
)
def test_its_key_belongs_to_it(fit: dict[str, Any], fault: str) -> None:
    config = {**parse_yaml(OSCILLATOR, "config").data, "fit": fit}
    with pytest.raises(ConfigError, match=fault):
        odefit.fit(config, data=DATA)


@pytest.mark.torch
def test_it_is_not_for_networks() -> None:
    config = {"model": {"name": "mlp", "states": ["x"]}, "fit": {"method": "global"}}
    with pytest.raises(ConfigError, match=r"fit.method: global is for equations"):
        odefit.fit(config, data=DATA)
