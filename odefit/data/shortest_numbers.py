"""The fewest decimal digits that read back as the same float64, of many numbers at once: `repr`, column by column.

Python's own takes 400 ns a number, most of it in arithmetic of many digits, and a table of predictions has millions.
With s = |x| 10^k in [1e16, 1e17), the decimals of n digits next to x are multiples of 10^(17-n) next to s, and one
reads back as x where it is nearer to s than h, half a unit in the last place of x:

- at most one decimal of 15 digits does, so that is the shortest, without its zeros at the end;
- else the nearest of 16 digits where it does, else the nearest of 17, which always does.

s is known as an integer and a remainder, to within 1e-14 (Dekker's exact product with a power of ten in two parts).
Where that leaves a comparison in doubt (halfway between two decimals, or between two numbers), and beyond 1e±30, Python
is asked.

References
----------
T. J. Dekker (1971), A floating-point technique for extending the available precision, Numer. Math. 18, 224-242.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray, Mask, distinct

Bytes = NDArray[np.uint8]

WIDTH = 24
"""Characters of the longest: a sign, seventeen digits, a point and `e-308`."""
LOWEST, HIGHEST = -30, 30
"""Decimal exponents of the numbers that are written here."""
DIGITS = 17
DOUBT = 1e-6
AT_ONCE = 32_768
"""Numbers whose parts stay in the processor's cache."""
SPLITTER = 2.0**27 + 1
ZERO, POINT, MINUS = b"0"[0], b"."[0], b"-"[0]


def shortest_numbers(values: FloatArray) -> Bytes:
    """Characters of each number as `repr` writes it, and of a NaN none.

    Parameters
    ----------
    values
        [n].

    Returns
    -------
    array of uint8
        [n, WIDTH]; a 0 is no character.
    """
    found = np.zeros((len(values), WIDTH), dtype=np.uint8)
    for first in range(0, len(values), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        _write(np.ascontiguousarray(values[part], dtype=np.float64), found[part])
    return found


def _write(x: FloatArray, found: Bytes) -> None:
    size = np.abs(x)
    powers, high, low = _tables()
    place = np.searchsorted(powers, size, side="right") - 1
    within = (place >= 0) & (size < powers[-1])
    place = np.where(within, place, -LOWEST)
    mantissa, sure = _digits(np.where(within, size, 1.0), high[place], low[place])
    simple = np.flatnonzero(within & sure)
    digits = _characters(mantissa[simple])
    trimmed = _without_zeros(digits)
    exponents = (place[simple] + LOWEST).astype(np.int8)
    for exponent in distinct(exponents).tolist():
        own = np.flatnonzero(exponents == exponent)
        found[simple[own], 1:] = _placed(digits[own], trimmed[own], exponent)
    found[:, 0] = np.where(np.signbit(x) & ~np.isnan(x), MINUS, 0)
    others = ~(within & sure)
    found[others & (size == 0), 1:4] = np.frombuffer(b"0.0", dtype=np.uint8)
    rest = np.flatnonzero(others & (size != 0) & ~np.isnan(x))
    if len(rest):
        texts = np.array([repr(value) for value in x[rest].tolist()], dtype=f"S{WIDTH}")
        found[rest] = texts.view(np.uint8).reshape(-1, WIDTH)


@cache
def _tables() -> tuple[FloatArray, FloatArray, FloatArray]:
    """10^e for each e from LOWEST to HIGHEST, and 10^k of the factor that goes with it, in two parts."""
    from fractions import Fraction

    exponents = range(LOWEST, HIGHEST + 1)
    factors = [Fraction(10) ** (DIGITS - 1 - e) for e in exponents]
    high = [float(factor) for factor in factors]
    low = [float(factor - Fraction(part)) for factor, part in zip(factors, high, strict=True)]
    return np.array([float(f"1e{e}") for e in exponents]), np.array(high), np.array(low)


def _digits(x: FloatArray, high: FloatArray, low: FloatArray) -> tuple[IntArray, Mask]:
    """The shortest decimal of each as an integer of seventeen digits; where it is beyond doubt."""
    product = x * high
    (x1, x2), (h1, h2) = _halves(x), _halves(high)
    rest = ((x1 * h1 - product) + x1 * h2 + x2 * h1) + x2 * h2 + x * low
    whole = product.astype(np.int64)  # exact: beyond 2^53 every number is an integer
    half = 0.5 * np.spacing(x) * high
    # Below a power of two the next number is only half as far away.
    near = np.where(np.frexp(x)[0] == 0.5, 0.5 * half, half)
    steps = np.rint(rest)
    found = whole + steps.astype(np.int64)
    sure = np.abs(rest - steps) < 0.5 - DOUBT
    for unit in (10, 100):
        quotient = whole // unit
        remainder = (whole - unit * quotient) + rest
        steps = np.rint(remainder / unit)
        off = np.abs(remainder - unit * steps)
        good = off < near - DOUBT
        np.copyto(found, unit * (quotient + steps.astype(np.int64)), where=good)
        # Of two that are as near as each other Python knows which one; and whether one reads back that hardly does.
        tie = off > unit / 2 - DOUBT
        sure = np.where(good, ~tie, sure & (off > half + DOUBT))
    return found, sure


def _halves(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two numbers of 26 bits each whose sum is x."""
    product = SPLITTER * x
    high: FloatArray = product - (product - x)
    return high, x - high


@cache
def _quartets() -> NDArray[np.uint32]:
    """The characters of 0000 to 9999, four in a number."""
    n = np.arange(10_000)
    characters = np.stack([n // 1000, n // 100 % 10, n // 10 % 10, n % 10], axis=1) + ZERO
    return characters.astype(np.uint8).view(np.uint32).ravel()


def _characters(mantissa: IntArray) -> Bytes:
    """[n, DIGITS] of each integer; a number a hair below a power of ten has come out as that power."""
    mantissa = np.where(mantissa < 10 ** (DIGITS - 1), 10 ** (DIGITS - 1), mantissa)
    quartets = np.empty((len(mantissa), 5), dtype=np.uint32)
    for column in range(4, -1, -1):
        higher = mantissa // 10_000
        quartets[:, column] = _quartets()[mantissa - 10_000 * higher]
        mantissa = higher
    return quartets.view(np.uint8)[:, 20 - DIGITS :]


def _without_zeros(digits: Bytes) -> Bytes:
    """[n, DIGITS] as they are, but for the zeros at the end, which are no characters."""
    columns = digits.T.copy()
    below = np.zeros(len(digits), dtype=np.bool_)  # a digit further to the right says something
    for column in columns[::-1]:
        below |= column != ZERO
        column *= below
    return np.ascontiguousarray(columns.T)


def _placed(digits: Bytes, trimmed: Bytes, exponent: int) -> Bytes:
    """[n, WIDTH - 1] of numbers with the same exponent: digits with their point, zeros that say nothing left out."""
    whole = exponent + 1 if 0 <= exponent < DIGITS - 1 else 1
    scientific = not -4 <= exponent < DIGITS - 1
    shown = trimmed.copy()
    needed = whole if scientific or exponent < 0 else whole + 1
    shown[:, :needed] = digits[:, :needed]  # all before the point, and one behind it
    found = np.zeros((len(digits), WIDTH - 1), dtype=np.uint8)
    if scientific:
        found[:, 0] = shown[:, 0]
        found[:, 1] = np.where(shown[:, 1] != 0, POINT, 0)
        found[:, 2 : DIGITS + 1] = shown[:, 1:]
        power = np.frombuffer(f"e{exponent:+03d}".encode(), dtype=np.uint8)
        found[:, DIGITS + 1 : DIGITS + 1 + len(power)] = power
    elif exponent < 0:
        before = np.frombuffer(b"0." + b"0" * (-exponent - 1), dtype=np.uint8)
        found[:, : len(before)] = before
        found[:, len(before) : len(before) + DIGITS] = shown
    else:
        found[:, :whole] = shown[:, :whole]
        found[:, whole] = POINT
        found[:, whole + 1 : DIGITS + 1] = shown[:, whole:]
    return found
