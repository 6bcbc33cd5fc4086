"""Times as a command line has them."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.errors import InputError
from odefit.prediction.times import parse_times


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0:70:0.1", np.arange(701) / 10),
        ("0:1:0.3", [0, 0.3, 0.6, 0.9]),
        ("5", [5]),
        ("3, 1,2", [1, 2, 3]),
        ("0:2:1,2,10:30:10", [0, 1, 2, 10, 20, 30]),
        ("-1:1:1,inf", [-1, 0, 1, np.inf]),
        ("0:50", np.arange(101) / 2),
    ],
)
def test_times(text: str, times: list[float]) -> None:
    np.testing.assert_allclose(parse_times(text), times, rtol=1e-12)


@pytest.mark.parametrize(
    "text", ["", "a", "1:2:3:4", "0:1:0", "0:1:-1", "2:1:1", "nan", "0:inf:1", "0:1e9:1e-3", "1;2"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--times: "):
        parse_times(text)


def test_a_time_that_is_written_twice_is_before_and_after() -> None:
    assert parse_times("12,0,12").tolist() == [0, 12, 12]
    assert parse_times("0:2:1,2:4:1,1").tolist() == [0, 1, 2, 3, 4]
