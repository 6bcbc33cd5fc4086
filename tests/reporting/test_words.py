"""Numbers and verdicts in words."""

from __future__ import annotations

import math

import pytest

from odefit.reporting.words import interval_text, listed, shown, verdict
from odefit.runs.results import Estimate


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (10550.2, 4, "10550"),
        (-0.00012345, 3, "−0.000123"),
        (2.905e7, 4, "2.905·10⁷"),
        (-3.2e-9, 2, "−3.2·10⁻⁹"),
        (0.0, 5, "0"),
        (None, 5, "–"),
        (math.nan, 5, "–"),
    ],
)
def test_a_number_has_its_digits_and_a_power_of_ten_only_where_it_must(
    value: float | None, digits: int, expected: str
) -> None:
    assert shown(value, digits) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [((0.5, 2.0), "0.5 … 2"), ((None, 2.0), "open … 2"), ((0.5, math.inf), "0.5 … open"), ((None, None), "–")],
)
def test_an_interval_may_be_open(ends: tuple[float | None, float | None], expected: str) -> None:
    assert interval_text(*ends) == expected


@pytest.mark.parametrize(
    ("estimate", "looks", "words"),
    [
        (Estimate(2.0, 0.1), "good", "well determined (± 5 %)"),
        (Estimate(2.0, 0.6), "good", "determined (± 30 %)"),
        (Estimate(-2.0, 1.5), "fair", "roughly determined (± 75 %)"),
        (Estimate(2.0, 5.0), "poor", "poorly determined (± 250 %)"),
        (Estimate(2.0, fixed=True), "none", "fixed, not estimated"),
        (Estimate(2.0, at_bound="lower"), "poor", "at its lower bound"),
        (Estimate(2.0, reason="the data do not depend on it"), "poor", "not determined: the data do not depend on it"),
        (Estimate(2.0), "none", "no standard error"),
    ],
)
def test_a_verdict_says_how_large_the_error_is(estimate: Estimate, looks: str, words: str) -> None:
    assert verdict(estimate) == (looks, words)


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed(list("abcdefgh")[:n]) for n in (0, 1, 2, 3, 8)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c, d, e, f and 2 more",
    ]
