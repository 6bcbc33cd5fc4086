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
from itertools import pairwise

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
SAMPLE, OFTEN = 1024, 100
"""The numbers of a column that are looked at first, and how often each must stand in it to be written once for all."""
SPLITTER = 2.0**27 + 1
ZERO, POINT, MINUS = b"0"[0], b"."[0], b"-"[0]


def shortest_numbers(values: FloatArray, found: Bytes | None = None) -> Bytes:
    """Characters of each number as `repr` writes it, and of a NaN none.

    Parameters
    ----------
    values
        [n].
    found
        [n, WIDTH], where they are written; default an array of its own.

    Returns
    -------
    array of uint8
        [n, WIDTH]; a 0 is no character.
    """
    if found is None:
        found = np.empty((len(values), WIDTH), dtype=np.uint8)
    for first in range(0, len(values), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        x = np.ascontiguousarray(values[part], dtype=np.float64)
        few = _few(x)
        if few is None:
            _write(x, found[part])
        else:
            found[part] = _rows(shortest_numbers(few[0]), few[1])
    return found


def _rows(cells: Bytes, rows: IntArray) -> Bytes:
    """Some of the rows, each moved in one piece."""
    chosen: Bytes = cells.view(np.dtype((np.void, WIDTH))).ravel()[rows].view(np.uint8)
    return chosen.reshape(-1, WIDTH)


def _few(x: FloatArray) -> tuple[FloatArray, IntArray] | None:
    """The numbers that stand in x again and again, as times do, and which of them each is; None where they are many."""
    bits = x.view(np.int64)  # of which a NaN is the same as itself, and 0 is not -0
    known = distinct(bits[:SAMPLE])
    if OFTEN * len(known) > len(bits):
        return None
    codes = np.minimum(np.searchsorted(known, bits), len(known) - 1)
    return (known.view(np.float64), codes) if (known[codes] == bits).all() else None


def _write(x: FloatArray, found: Bytes) -> None:
    size = np.abs(x)
    powers, high, low = _tables()
    place = np.searchsorted(powers, size, side="right") - 1
    within = (place >= 0) & (size < powers[-1])
    place = np.where(within, place, -LOWEST)
    mantissa, sure = _digits(np.where(within, size, 1.0), high[place], low[place])
    # Those with the same exponent one after the other, behind those that are not written here.
    place = np.where(within & sure, place, -1).astype(np.int8)
    order = np.argsort(place, kind="stable")
    place = place[order]
    digits = _characters(mantissa[order], _needed()[place])
    cells = np.zeros((len(x), WIDTH), dtype=np.uint8)
    ends = [*(np.flatnonzero(place[1:] != place[:-1]) + 1).tolist(), len(x)]
    for begin, end in pairwise([0, *ends]):
        if place[begin] >= 0:
            _arrange(digits[begin:end], int(place[begin]) + LOWEST, cells[begin:end, 1:])
    again = np.empty_like(order)
    again[order] = np.arange(len(order))
    found[...] = _rows(cells, again)
    found[:, 0] = np.where(np.signbit(x) & ~np.isnan(x), MINUS, 0)
    others = order[: np.searchsorted(place, 0)]
    zero = others[size[others] == 0]
    found[zero, 1:4] = np.frombuffer(b"0.0", dtype=np.uint8)
    rest = others[(size[others] != 0) & ~np.isnan(size[others])]
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
def _quartets() -> tuple[NDArray[np.uint32], Bytes]:
    """The characters of 0000 to 9999, four in a number; and which digit of seventeen is the last one that is not zero,
    where they stand in the c-th place [5, 10000]."""
    n = np.arange(10_000)
    digits = np.stack([n // 1000, n // 100 % 10, n // 10 % 10, n % 10], axis=1)
    ends = 4 * np.arange(5)[:, None, None] + np.arange(1, 5) + DIGITS - 20
    last = np.where(digits > 0, ends, 0).max(axis=-1)
    return (digits + ZERO).astype(np.uint8).view(np.uint32).ravel(), last.astype(np.uint8)


@cache
def _first() -> NDArray[np.uint32]:
    """What leaves the first k of seventeen digits, [k, 5] for five times four characters."""
    bits = np.where(np.arange(20) < 20 - DIGITS + np.arange(DIGITS + 1)[:, None], 255, 0)
    return bits.astype(np.uint8).view(np.uint32)


@cache
def _needed() -> Bytes:
    """How many digits are shown whatever they are: all before the point, and one behind it, by place in the powers."""
    return np.array([e + 2 if 0 <= e < DIGITS - 1 else 1 for e in range(LOWEST, HIGHEST + 2)], dtype=np.uint8)


def _characters(mantissa: IntArray, needed: Bytes) -> Bytes:
    """[n, DIGITS] of each integer, without the zeros at its end, but for the digits that are needed; a number a hair
    below a power of ten has come out as that power."""
    mantissa = np.where(mantissa < 10 ** (DIGITS - 1), 10 ** (DIGITS - 1), mantissa)
    (characters, last), shown = _quartets(), needed
    quartets = np.empty((len(mantissa), 5), dtype=np.uint32)
    for column in range(4, -1, -1):
        higher = mantissa // 10_000
        four = mantissa - 10_000 * higher
        quartets[:, column] = characters[four]
        shown = np.maximum(shown, last[column][four])
        mantissa = higher
    quartets &= _first()[shown]
    return quartets.view(np.uint8)[:, 20 - DIGITS :]


def _arrange(digits: Bytes, exponent: int, cells: Bytes) -> None:
    """Digits [n, DIGITS] of numbers with the same exponent, with their point, into empty cells [n, WIDTH - 1]."""
    if not -4 <= exponent < DIGITS - 1:
        cells[:, 0] = digits[:, 0]
        cells[:, 1] = np.where(digits[:, 1] != 0, POINT, 0)
        cells[:, 2 : DIGITS + 1] = digits[:, 1:]
        power = np.frombuffer(f"e{exponent:+03d}".encode(), dtype=np.uint8)
        cells[:, DIGITS + 1 : DIGITS + 1 + len(power)] = power
    elif exponent < 0:
        before = np.frombuffer(b"0." + b"0" * (-exponent - 1), dtype=np.uint8)
        cells[:, : len(before)] = before
        cells[:, len(before) : len(before) + DIGITS] = digits
    else:
        whole = exponent + 1
        cells[:, :whole] = digits[:, :whole]
        cells[:, whole] = POINT
        cells[:, whole + 1 : DIGITS + 1] = digits[:, whole:]
