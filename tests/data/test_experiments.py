"""An experiment, and parts of it."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.data.experiments import Experiment


def series(**more: object) -> Experiment:
    times = np.array([1.0, 2.0, 4.0, 8.0])
    return Experiment("A", times, np.column_stack([times, -times]), 0.5, **more)  # type: ignore[arg-type]


def test_rows_take_with_them_all_that_belongs_to_them() -> None:
    sigma, censored = np.arange(8.0).reshape(4, 2), np.arange(8, dtype=np.int8).reshape(4, 2)
    whole = series(sigma=sigma, censored=censored, constants={"dose": 3.0}, labels={"group": "b"})
    part = whole.rows(np.array([1, 3]))
    assert part.times.tolist() == [2.0, 8.0]
    assert part.values.tolist() == [[2.0, -2.0], [8.0, -8.0]]
    assert part.sigma is not None
    assert part.sigma.tolist() == [[2.0, 3.0], [6.0, 7.0]]
    assert part.censored is not None
    assert part.censored.tolist() == [[2, 3], [6, 7]]
    assert (part.name, part.start, part.constants, part.labels) == ("A", 0.5, {"dose": 3.0}, {"group": "b"})


@pytest.mark.parametrize("start", [None, 2.0])
def test_rows_may_start_elsewhere(start: float | None) -> None:
    part = series().rows(slice(1, 3), start)
    assert part.times.tolist() == [2.0, 4.0]
    assert part.start == (0.5 if start is None else start)
    assert part.sigma is None
    assert part.censored is None
