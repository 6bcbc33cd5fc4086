"""Columns as CSV text: the same characters as Python and its csv module write."""

import csv
import io

import numpy as np
import pytest

from odefit.data.csv_columns import Marked, Words, columns_text
from odefit.data.shortest_numbers import shortest_numbers


def texts(values):
    return [bytes(row[row != 0]).decode() for row in shortest_numbers(np.asarray(values, dtype=np.float64))]


def python_texts(values):
    return ["" if value != value else repr(value) for value in np.asarray(values, dtype=np.float64).tolist()]


def numbers(kind):
    random, n = np.random.default_rng(3), 4000
    exponents = np.arange(-330, 309)
    return {
        "of one size": random.lognormal(0, 2, n),
        "of all sizes": random.choice([-1, 1], n) * 10 ** random.uniform(-33, 33, n),
        "of any bits": random.integers(0, 2**63 - 1, n).view(np.float64),
        "whole": random.integers(-(10**6), 10**6, n),
        "whole and large": random.integers(0, 2**62, n),
        "of three decimals": np.round(random.normal(0, 100, n), 3),
        "of few digits": [float(f"{m}e{e}") for m, e in zip(range(1, 640), exponents.tolist(), strict=False)],
        "of sixteen digits": [float(f"{m}e-15") for m in random.integers(10**15, 10**16, n).tolist()],
        "sums of tenths": np.cumsum(np.full(n, 0.1)),
        "powers of two": 2.0 ** np.arange(-1074, 1024),
        "beside powers of two": np.nextafter(2.0 ** np.arange(-100, 100), 0),
        "powers of ten": [float(f"-1e{e}") for e in exponents.tolist()],
        "beside powers of ten": [np.nextafter(float(f"1e{e}"), to) for e in range(-40, 40) for to in (0, np.inf)],
        "with a last half": random.integers(0, 2**53, n) / 2.0 ** random.integers(0, 60, n),
        "special": [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 1e23, 9.5e-5],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("of one size", "of all sizes", "of any bits", "whole", "whole and large", "of three decimals"),
        *("of few digits", "of sixteen digits", "sums of tenths", "powers of two", "beside powers of two"),
        *("powers of ten", "beside powers of ten", "with a last half", "special"),
    ],
)
def test_numbers_have_the_digits_that_python_writes(kind):
    assert texts(numbers(kind)) == python_texts(numbers(kind))


def test_many_numbers_are_as_few_are():
    many = np.random.default_rng(0).normal(size=40_000)
    assert texts(many)[-3:] == python_texts(many[-3:])


@pytest.mark.parametrize("last", [0.5, 0.75])
def test_numbers_that_stand_often_are_as_others_are(last):
    some = np.tile([0.5, np.nan, -0.0, 0.0, 1e300, -np.inf, 1 / 3], 5000)
    some[-1] = last  # which stands among the first ones, or does not
    assert texts(some) == python_texts(some)


def test_columns_are_the_rows_of_the_csv_module():
    n = 40_000
    random = np.random.default_rng(1)
    words = ("plain", "a, b", 'with "quotes"', "", "grün", "two\nlines")
    codes = random.integers(0, len(words), n)
    values = np.where(random.random(n) < 0.1, np.nan, random.normal(size=n))
    signs = random.integers(-1, 2, n)
    found = columns_text(("a,b", "x", "y"), [Words(words, codes), Marked(Words(("", ">", "<"), signs), values), values])
    wanted = io.StringIO()
    writer = csv.writer(wanted, lineterminator="\n")
    writer.writerow(("a,b", "x", "y"))
    for code, sign, value in zip(codes.tolist(), signs.tolist(), values.tolist(), strict=True):
        number = "" if value != value else repr(value)
        writer.writerow([words[code], ("", ">", "<")[sign] + number, number])
    assert found == wanted.getvalue()


def test_words_of_rows_are_kept_once():
    column = Words.of(["b", "a", "b"])
    assert (tuple(column.words), column.codes.tolist()) == (("b", "a"), [0, 1, 0])
    assert (
        columns_text(("x", "y"), [column[np.array([False, True, True])], np.array([1.0, 2.0])]) == "x,y\na,1.0\nb,2.0\n"
    )


def test_a_table_without_rows_is_its_header():
    assert columns_text(("x", "y"), [Words((), np.zeros(0, dtype=np.intp)), np.zeros(0)]) == "x,y\n"
