"""A process that can be stopped: what it yields, and that no task can hang or end the program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from odefit.diagnostics.worker import Stopped, Worker
from odefit.errors import SolveError

SUBJECT = 3


def build() -> int:
    return SUBJECT


def broken() -> int:
    raise RuntimeError("no subject")


LONG = 600.0
"""Seconds, of what is not to be stopped."""


def count(to: int, subject: int) -> Iterator[int]:
    for k in range(to):
        yield subject * k


def hang(subject: int) -> Iterator[int]:
    yield subject
    time.sleep(3600)
    yield subject


def die(subject: int) -> Iterator[int]:
    yield subject
    os._exit(3)


def fail(subject: int) -> Iterator[int]:
    yield subject
    raise ValueError("cannot be done")


def collect(items: Iterator[int], found: list[int]) -> None:
    for item in items:
        found.append(item)


def test_items_come_in_their_order_and_again() -> None:
    with Worker(build) as bench:
        assert list(bench.stream(partial(count, 3), LONG)) == [0, 3, 6]
        assert list(bench.stream(partial(count, 0), LONG)) == []
        assert list(bench.stream(partial(count, 2), LONG)) == [0, 3]


@pytest.mark.parametrize("task", [hang, die], ids=["hangs", "dies"])
def test_what_came_before_the_end_is_kept_and_the_next_task_runs(task: Callable[[int], Iterator[int]]) -> None:
    with Worker(build) as bench:
        bench.start()
        found: list[int] = []
        with pytest.raises(Stopped, match="too long" if task is hang else "died"):
            collect(bench.stream(task, 5.0 if task is hang else LONG), found)
        assert found == [SUBJECT]
        assert list(bench.stream(partial(count, 2), LONG)) == [0, 3]


def test_what_a_task_raises_is_a_solve_error_and_ends_nothing() -> None:
    with Worker(build) as bench:
        with pytest.raises(SolveError, match="cannot be done"):
            list(bench.stream(fail, LONG))
        assert list(bench.stream(partial(count, 2), LONG)) == [0, 3]


def test_a_subject_that_cannot_be_built() -> None:
    with Worker(broken) as bench, pytest.raises(Stopped, match="died"):
        bench.start()
