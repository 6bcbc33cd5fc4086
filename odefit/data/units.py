"""Numbers in one unit as numbers in another: y = factor*x + offset.

Words for times need nothing; all other units are those of pint, an extra. The grammar (products, quotients, whole
powers, brackets) is read here, so that no text of a file is ever evaluated.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.unit_words import SECONDS
from odefit.records import dataclass
from odefit.text import clip

MISMATCH = "write the observable, or the formula that takes it, in the unit of the data"
_OWN = {
    "cells": "cell cells",
    "optical_density": "OD OD600 A600",
    "arbitrary_unit": "AU a.u. au",
    "acidity": "pH",
    "international_unit": "IU IE",
    "colonies": "CFU cfu",
    "plaques": "PFU pfu",
    "copies": "copy copies",
    "individuals": "individual individuals ind person persons people",
    "fluorescence": "RFU RLU",
}
"""Units that are counts or scales of their own, and convert to nothing else; pint reads pH as picohenry."""
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d{1,2})?)|([^\W\d_][^\W\d_]*|[°µ]?[^\W\d_]+|%)|(.))", re.DOTALL)
_AT = np.array([0.0, 2.0**20, 2.0**21])
"""Where a conversion is looked at: far apart, so that a zero that is elsewhere takes no digits of the factor."""
_LONGEST, _DEEPEST, _HIGHEST = 60, 5, 30
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")


class UnitFault(Exception):
    """Two units of which one does not become the other; its text says why, and what to do."""


class UnknownUnit(UnitFault):
    """A text that is no unit."""


@dataclass(frozen=True)
class Conversion:
    """y = factor*x + offset."""

    factor: float
    offset: float = 0.0

    def values(self, x: FloatArray) -> FloatArray:
        """Numbers [R] in the other unit."""
        found: FloatArray = x * self.factor + self.offset
        return found

    def differences(self, x: FloatArray) -> FloatArray:
        """Standard deviations, amounts and durations [R] in the other unit: a zero stays one."""
        found: FloatArray = x * self.factor
        return found


def plain(text: str) -> str:
    """A unit in one spelling."""
    text = text.strip().strip("[]").replace("μ", "µ").replace("−", "-").replace("·", "*").replace("**", "^")
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    return re.sub(r"\bl\b", "L", " ".join(text.split()))


def conversion(source: str, target: str) -> Conversion | None:
    """How numbers in one unit become numbers in another; None where the two are the same.

    Raises
    ------
    UnknownUnit
        One of them is no unit.
    UnitFault
        They measure different things, or pint is not installed.
    """
    first, second = plain(source), plain(target)
    if first == second:
        return None
    if first in SECONDS and second in SECONDS:
        factor = SECONDS[first] / SECONDS[second]
    else:
        own, other = _read(first, source), _read(second, target)
        try:
            with np.errstate(all="ignore"):
                y = type(own)(own.magnitude * _AT, own.units).to(other.units).magnitude / other.magnitude
        except Exception as error:  # pint has many, and none of them is of numbers
            raise UnitFault(_mismatch(source, target, own, other, error)) from None
        if not np.isfinite(y).all() or not np.isclose(y[2] - y[1], y[1] - y[0], rtol=1e-9, atol=0.0):
            raise UnitFault(f"{clip(source)} is no multiple of {clip(target)}; {MISMATCH}")
        offset, factor = (float(f"{number:.15g}") for number in (y[0], (y[1] - y[0]) / _AT[1]))
        if offset:
            return Conversion(factor, offset)
    return None if factor == 1.0 else Conversion(factor)


def _mismatch(source: str, target: str, own: Any, other: Any, error: Exception) -> str:
    what = f"{clip(source)} does not become {clip(target)}"
    kinds = [set(map(str, one.dimensionality)) for one in (own, other)]
    if {"[mass]", "[substance]"} <= set.symmetric_difference(*kinds):
        return f"{what}: mass and amount of substance; {MISMATCH}, with the molar mass as a factor (`x: 180*A`)"
    if "[acidity]" in set.symmetric_difference(*kinds):
        return f"{what}: pH is a logarithm; {MISMATCH} (`pH: -log10(H)`)"
    if own.dimensionality == other.dimensionality:
        return f"{what} ({clip(str(error), 80)}); {MISMATCH}"
    return f"{what}: they measure different things; {MISMATCH}, with what is between them as a factor"


def unit_of(text: str) -> Any:
    """The unit of a text as one of pint's, to calculate with; None where it is none, or has a zero of its own."""
    try:
        quantity = _read(plain(text), text)
        is_plain = quantity.magnitude == 1.0 and (0.0 * quantity).to_base_units().magnitude == 0.0
    except Exception:  # pint has many, and none of them is of numbers
        return None
    return quantity.units if is_plain else None


@functools.cache
def pint_registry() -> Any:
    """The units of pint, and those of _OWN."""
    import pint

    registry: Any = pint.UnitRegistry(cache_folder=None, autoconvert_offset_to_baseunit=False)
    for name, words in _OWN.items():
        own = [word for word in words.split() if word.isalpha() and word != name and word not in registry]
        registry.define(" = ".join([name, f"[{name}]", *(["_", *own] if own else [])]))
    return registry


_NAMES = {word: name for name, words in _OWN.items() for word in words.split()} | {"wk": "week", "wks": "week"}


def _read(text: str, shown: str) -> Any:
    """A unit as pint's quantity. Raises UnitFault."""
    try:
        registry = pint_registry()
    except ImportError:
        what = f"numbers in {clip(shown)} are converted by pint: `pip install odefit[units]`, or write the data and the"
        raise UnitFault(f"{what} model in one unit (`data.units` says which unit data are in)") from None
    unknown = UnknownUnit(f"'{clip(shown)}' is no unit that is known")
    if len(text) > _LONGEST:
        raise unknown
    if text in _NAMES:
        return registry.Quantity(1.0, _NAMES[text])
    if text in ("", "-", "1"):
        return registry.Quantity(1.0, "")
    try:
        return _Reading(registry, [(found[1], found[2], found[3]) for found in _TOKEN.finditer(text)]).whole()
    except UnitFault:
        raise
    except Exception:  # whatever pint says of a word that it does not know
        raise unknown from None


class _Reading:
    """Reads products, quotients and powers of words and numbers."""

    def __init__(self, registry: Any, tokens: list[tuple[str | None, str | None, str | None]]) -> None:
        self.registry, self.tokens, self.at, self.depth = registry, tokens, 0, 0

    def whole(self) -> Any:
        found = self._product()
        if self.at < len(self.tokens):
            raise ValueError
        return found

    def _sign(self) -> str | None:
        return self.tokens[self.at][2] if self.at < len(self.tokens) else None

    def _product(self) -> Any:
        found = self._power()
        while self.at < len(self.tokens) and self._sign() != ")":
            sign = self._sign()
            if sign in ("*", "/", "."):
                self.at += 1
            elif sign not in (None, "("):
                raise ValueError
            factor = self._power()
            found = found / factor if sign == "/" else found * factor
        return found

    def _power(self) -> Any:
        number, word, sign = self.tokens[self.at]
        self.at += 1
        if sign == "(":
            self.depth += 1
            if self.depth > _DEEPEST:
                raise ValueError
            found = self._product()
            if self._sign() != ")":
                raise ValueError
            self.at += 1
        elif number is not None:
            found = self.registry.Quantity(float(number), "")
        elif word is not None:
            found = self._unit(word)
        else:
            raise ValueError
        exponent = self._exponent(word is not None)
        return found if exponent == 1 else found**exponent

    def _unit(self, word: str) -> Any:
        unit = self.registry.parse_units(_NAMES.get(word, word))
        is_alone = len(self.tokens) == 1
        if not is_alone and self.registry.Quantity(0.0, unit).to_base_units().magnitude != 0.0:
            unit = self.registry.parse_units(f"delta_{unit}")
        return self.registry.Quantity(1.0, unit)

    def _exponent(self, of_word: bool) -> int:
        """Behind `^`, or behind a word at once: `L-1`, `m2`."""
        start = self.at
        has_sign = self._sign() == "^"
        self.at += has_sign
        minus = self._sign() in ("-", "+")
        negative = self._sign() == "-"
        self.at += minus
        number = self.tokens[self.at][0] if self.at < len(self.tokens) else None
        if (has_sign or of_word) and number is not None and number.isdigit() and int(number) <= _HIGHEST:
            self.at += 1
            return -int(number) if negative else int(number)
        if has_sign or minus:
            raise ValueError
        self.at = start
        return 1
