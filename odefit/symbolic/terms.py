"""The terms that formulas for a network's output may be made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np

from odefit.arrays import FloatArray
from odefit.model.formula_text import product_text, saturating_text
from odefit.records import dataclass

Kind = Literal["polynomial", "saturating", "exp", "sin"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TRIED = 12
"""Constants within a term that are tried; the best are moved on from there."""
INNER = "{K}"
"""Stands for the constant of a term in its text."""


@dataclass(frozen=True)
class Term:
    """A function of the inputs, perhaps with one constant K of its own.

    Parameters
    ----------
    text
        Its formula; `{K}` stands for the constant.
    cost
        How much more complex a formula is with it: operations and constants.
    values
        Inputs [N, I] and K -> [N].
    starts
        Values of K that are tried; empty for a term without.
    limits
        The least and greatest |K|: beyond them the term is a simpler one (a constant, a straight line) in disguise.
    """

    text: str
    cost: int
    values: Callable[[FloatArray, float], FloatArray]
    starts: tuple[float, ...] = ()
    limits: tuple[float, float] = (0.0, np.inf)


def library(inputs: Sequence[str], x: FloatArray, kinds: Sequence[Kind], degree: int) -> list[Term]:
    """The terms over inputs x [N, I]; saturating ones of inputs that are nowhere negative only."""
    found: list[Term] = [*_monomials(inputs, degree)] if "polynomial" in kinds else [_constant()]
    for i, name in enumerate(inputs):
        low, high = float(x[:, i].min()), float(x[:, i].max())
        reach, span = max(abs(low), abs(high)), high - low
        if not span:
            continue
        if "saturating" in kinds and low >= -NEARLY_ZERO * reach:
            limits = max(low / 3, -2 * low, reach / 50), 5 * reach
            found += _saturating(inputs, i, limits)
        if "exp" in kinds:
            limits = 0.5 / span, 10.0 / span
            both = tuple(float(sign * k) for k in np.geomspace(*limits, TRIED) for sign in (1, -1))
            found.append(Term(f"exp({INNER}*{name})", 3, _exponential(i), both, limits))
        if "sin" in kinds:
            limits = np.pi / 2 / span, MOST_WAVES * 2 * np.pi / span
            fast = tuple(map(float, np.geomspace(*limits, 3 * TRIED)))
            found += [Term(f"{f}({INNER}*{name})", 3, _wave(i, f), fast, limits) for f in ("sin", "cos")]
    return found


NEARLY_ZERO = 0.02
"""What is nowhere below minus this share of its greatest size is taken for nowhere negative."""
MOST_WAVES = 8
"""Periods of a sine over what was visited."""


def _constant() -> Term:
    return Term("1", 0, lambda x, _: np.ones(len(x)))


def _monomials(inputs: Sequence[str], degree: int) -> Iterator[Term]:
    yield _constant()
    for d in range(1, degree + 1):
        for chosen in itertools.combinations_with_replacement(range(len(inputs)), d):
            yield Term(product_text([inputs[i] for i in chosen]), d, _product(chosen))


def _product(chosen: tuple[int, ...]) -> Callable[[FloatArray, float], FloatArray]:
    return lambda x, _: np.asarray(np.prod(x[:, list(chosen)], axis=1))


def _saturating(inputs: Sequence[str], i: int, limits: tuple[float, float]) -> Iterator[Term]:
    name, starts = inputs[i], tuple(map(float, np.geomspace(*limits, TRIED)))
    for j, other in enumerate(inputs):
        if j == i:
            yield Term(saturating_text(name, INNER), 3, lambda x, k: x[:, i] / (k + x[:, i]), starts, limits)
            hill = f"{name}^2/({INNER}^2 + {name}^2)"
            yield Term(hill, 5, lambda x, k: x[:, i] ** 2 / (k**2 + x[:, i] ** 2), starts, limits)
        else:
            yield Term(saturating_text(name, INNER, other), 4, _scaled_saturation(i, j), starts, limits)


def _scaled_saturation(i: int, j: int) -> Callable[[FloatArray, float], FloatArray]:
    return lambda x, k: x[:, j] * x[:, i] / (k + x[:, i])


def _exponential(i: int) -> Callable[[FloatArray, float], FloatArray]:
    return lambda x, k: np.exp(np.clip(k * x[:, i], -700.0, 700.0))


def _wave(i: int, name: str) -> Callable[[FloatArray, float], FloatArray]:
    function = np.sin if name == "sin" else np.cos
    return lambda x, k: np.asarray(function(k * x[:, i]))
