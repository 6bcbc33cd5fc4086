"""Numbers in headers: those of replicates and of experiments, and those that mean something (a dose, a pH)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from odefit.arrays import FloatArray
from odefit.proposing.beside import side_by_side


def columns(head: str, alike: bool = True) -> tuple[list[str], Mapping[str, FloatArray]]:
    names, t = [name.strip() for name in head.split(",")], np.arange(10.0)
    rng = np.random.default_rng(1)
    noise = 1 + 0.02 * rng.standard_normal((len(names), len(t)))
    return names, {n: 10 * np.exp(-0.3 * (1 if alike else 1 + k) * t) * noise[k] for k, n in enumerate(names)}


@pytest.mark.parametrize(
    ("head", "observable"),
    [
        ("x1, x2, x3", "x"),
        ("P1 (uM), P2 (uM), P3 (uM)", "P"),
        ("P1 [uM], P2 [uM]", "P"),
        ("P2 (uM), P3 (uM), P4 (uM)", "P"),
        ("S1 (uM), S2 (uM), S3 (uM)", "S"),
        ("A1_uM, A2_uM, A3_uM", "A"),
        ("x1 mg/L, x2 mg/L", "x"),
        ("glucose 1 (mM), glucose 2 (mM)", "glucose"),
        ("rep1 (OD), rep2 (OD)", "value"),
    ],
)
def test_numbers_that_count_names_are_those_of_replicates(head: str, observable: str) -> None:
    names, numbers = columns(head)
    found = side_by_side(numbers)
    assert found is not None
    assert (found.columns, found.constants) == ({observable: names}, ())
    if observable != "value":  # what differs is no replicate, and no dose either
        assert side_by_side(columns(head, alike=False)[1]) is None


@pytest.mark.parametrize(
    ("head", "wanted", "constants"),
    [
        ("0 uM, 50 uM, 500 uM", {"value": "{dose} uM"}, ("dose",)),
        ("0 uM, 1 uM, 2 uM", {"value": "{dose} uM"}, ("dose",)),
        ("P 1 uM, P 2 uM, P 3 uM", {"value": "P {dose} uM"}, ("dose",)),
        ("P 10 (uM), P 20 (uM)", {"value": "P {dose} (uM)"}, ("dose",)),
        ("dose 1 (uM), dose 2 (uM)", {"value": "dose {dose} (uM)"}, ("dose",)),
        ("S=1 (uM), S=2 (uM)", {"value": "S={dose} (uM)"}, ("dose",)),
        ("pH5, pH6, pH7", {"value": "pH{pH}"}, ("pH",)),
        ("tank 1 (mM), tank 2 (mM)", {"value": "tank * (mM)"}, ()),
    ],
)
def test_numbers_that_mean_something_are_conditions(
    head: str, wanted: Mapping[str, str], constants: Sequence[str]
) -> None:
    for alike in (True, False):
        found = side_by_side(columns(head, alike)[1])
        assert found is not None
        assert (found.columns, found.constants) == (wanted, constants)


def test_what_was_measured_once_is_called_without_its_unit() -> None:
    found = side_by_side(columns("x1, x2, y [mg/L]")[1])
    assert found is not None
    assert found.columns == {"x": ["x1", "x2"], "y": ["y [mg/L]"]}
