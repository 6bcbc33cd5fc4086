"""What is known of sets of experiments."""

from __future__ import annotations

import pickle

import numpy as np

from odefit.data.experiments import Experiment
from odefit.engines.experiment_sets import ExperimentSets


def experiments(n: int) -> list[Experiment]:
    return [Experiment(str(k), np.arange(3.0), np.zeros((3, 1))) for k in range(n)]


def test_each_of_the_latest_sets_is_made_once() -> None:
    sets, made, (a, b, c) = ExperimentSets[int](2), list[int](), experiments(3)

    def find(*chosen: Experiment) -> int:
        return sets.find(chosen, lambda: made.append(len(made)) or made[-1])

    assert [find(a), find(a, b), find(a), find(a, b)] == [0, 1, 0, 1]
    assert [find(b, a), find(a, b), find(a)] == [2, 1, 3]
    assert find(c) == 4
    assert find(a) == 3


def test_a_copy_for_another_process_knows_nothing() -> None:
    sets, some = ExperimentSets[str](4), experiments(2)
    sets.find(some, lambda: "here")
    copy = pickle.loads(pickle.dumps(sets))  # noqa: S301
    assert copy.find(some, lambda: "there") == "there"
