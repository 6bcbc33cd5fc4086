"""Many starts in worker processes: lost workers cost one start, and nothing depends on how many there are."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import odefit
from commands import in_new_python
from odefit.arrays import FloatArray
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation
from odefit.optimizers import start_pool
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.optimizers.start_pool import best_of, count_at_best, search_all, search_here

LOGISTIC: dict[str, Any] = {
    "model": {"name": "logistic", "initial": "estimate"},
    "data": {"simulate": {"initial": {"x": 0.5}, "times": {"stop": 10, "count": 15}, "noise": 0.05, "seed": 2}},
    "fit": {"starts": 6, "seed": 1},
}


class Parabola:
    """f = |u - 3|² / 2."""

    def value(self, u: FloatArray) -> float:
        return float((u - 3) @ (u - 3)) / 2

    def evaluate(self, u: FloatArray) -> Evaluation:
        return Evaluation(self.value(u), u - 3, DenseMatrix(np.eye(len(u))))


def search(points: FloatArray) -> list[SearchOutcome]:
    """Dies at -1, hangs at -2, raises at -3."""
    if -1 in points:
        os._exit(9)
    if -2 in points:
        time.sleep(3600)
    if -3 in points:
        raise ArithmeticError("on purpose")
    return [minimize_least_squares(Parabola(), u) for u in points]


def build() -> Callable[[FloatArray], list[SearchOutcome]]:
    return search


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_a_dead_and_a_failing_worker_cost_one_start_each(chunk: int) -> None:
    points = np.array([[1.0], [-1.0], [-3.0], [5.0]])
    results = sorted(search_all(build, points, workers=2, chunk=chunk), key=lambda r: r.number)
    assert [r.failure is None for r in results] == [True, False, False, True]
    assert "died" in (results[1].failure or "")
    assert "on purpose" in (results[2].failure or "")
    best = best_of(results)
    assert best is not None
    assert best.outcome is not None
    np.testing.assert_allclose(best.outcome.u, [3.0], atol=1e-9)
    assert count_at_best(results, 1e-6) == 2


def test_a_hung_worker_costs_one_start() -> None:
    """Every start hangs, so that none has to be quick: the later ones have their turn when the first are given up."""
    results = sorted(search_all(build, np.full((3, 1), -2.0), workers=2, time_limit=0.5), key=lambda r: r.number)
    assert [r.failure for r in results] == ["gave up after 0.5 s (fit.time_limit)"] * 3


def test_a_hung_start_costs_its_chunk_nothing() -> None:
    points = np.array([[1.0], [-2.0], [5.0]])
    results = sorted(search_all(build, points, workers=2, time_limit=2.0, chunk=3), key=lambda r: r.number)
    assert [r.failure for r in results] == [None, "gave up after 2 s (fit.time_limit)", None]


@pytest.mark.parametrize("chunk", [1, 3])
def test_in_this_process_a_start_that_raises_fails_alone(chunk: int) -> None:
    results = list(search_here(search, np.array([[1.0], [-3.0], [5.0]]), chunk=chunk))
    assert [r.number for r in results] == [0, 1, 2]
    assert [r.failure for r in results] == [None, "ArithmeticError: on purpose", None]
    with pytest.raises(ArithmeticError, match="on purpose"):
        list(search_here(search, np.array([[-3.0]])))


def test_nothing_left_is_no_best() -> None:
    results = list(search_all(functools.partial(build), np.array([[-3.0]]), workers=1))
    assert best_of(results) is None
    assert count_at_best(results, 1.0) == 0


def test_results_depend_neither_on_the_number_of_workers_nor_on_how_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forked workers have the model in their memory; spawned ones make it anew from the config and the data."""
    (tmp_path / "c.yaml").write_text(json.dumps(LOGISTIC))
    methods = set(multiprocessing.get_all_start_methods()) - {"forkserver"}
    runs = []
    for method in sorted(methods):
        context = multiprocessing.get_context(method)
        monkeypatch.setattr(start_pool, "worker_context", lambda context=context: context)
        for workers in (1, 2) if method == "fork" else (2,):
            out = tmp_path / f"{method} {workers}"
            runs.append(odefit.fit(tmp_path / "c.yaml", [f"fit.workers={workers}"], out=out))
    tables = [run.frame("starts").drop(columns="seconds") for run in runs]
    for run, table in zip(runs, tables, strict=True):
        np.testing.assert_array_equal(run.theta, runs[0].theta)
        assert table.equals(tables[0])
        assert len(table) == 6


def test_workers_are_not_forked_where_torch_may_have_threads() -> None:
    code = "from odefit.optimizers.start_pool import worker_context; print(worker_context().get_start_method())"
    forked = "fork" if sys.platform == "linux" else "spawn"
    assert in_new_python("-c", code) == (0, f"{forked}\n", "")
    pretended = "import sys; sys.modules['torch'] = sys; " + code
    assert in_new_python("-c", pretended) == (0, "spawn\n", "")


def test_the_summary_counts_the_starts() -> None:
    result = odefit.fit(LOGISTIC).result
    assert result.starts.requested == result.starts.finished == 6
    assert result.message.startswith(f"{result.starts.at_best} of 6 starts reached the best optimum")


def test_a_failed_start_says_why() -> None:
    data = pandas.DataFrame({"time": [0, 1, 2, 3], "x": [9.0, 9.0, 9.0, 9.0]})
    result = odefit.fit({"model": {"equations": {"x": "a*x^2"}}, "parameters": {"a": 9}}, data=data).result
    assert result.status == "failed"
    assert "the model fails at the start: experiment 1: " in result.message


@pytest.mark.parametrize("given, expected", [(0.05, True), ("estimate", False)])
def test_reduced_chi_square_needs_a_known_noise_level(given: float | str, expected: bool) -> None:
    value = odefit.fit(LOGISTIC | {"noise": {"sigma": given}}, ["fit.starts=1"]).result.reduced_chi_square
    assert (value is not None) is expected
    if value is not None:
        assert 0.2 < value < 2.5  # chi-square with 12 degrees of freedom, over 12
