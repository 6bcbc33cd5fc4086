"""What a panel shows: curves, bands, points, straight lines, bars and words, each with its looks as a class of CSS."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass


@dataclass(frozen=True)
class Curve:
    """A line through points [M], broken where one is not finite."""

    x: FloatArray
    y: FloatArray
    looks: str = "c0"


@dataclass(frozen=True)
class Band:
    """The area between two curves, [M] each."""

    x: FloatArray
    low: FloatArray
    high: FloatArray
    looks: str = "c0"


@dataclass(frozen=True)
class Dots:
    """Points [M]; `shape`: `dot`, `ring`, `down` or `up` (triangles), `bar` (an upright stroke), `diamond`."""

    x: FloatArray
    y: FloatArray
    looks: str = "c0"
    shape: str = "dot"


@dataclass(frozen=True)
class Whiskers:
    """Straight lines from low to high [M], upright at x; or, `across`, level at the height x."""

    x: FloatArray
    low: FloatArray
    high: FloatArray
    looks: str = "c0"
    across: bool = False


@dataclass(frozen=True)
class Rule:
    """A straight line over the whole panel, at a height or (`upright`) at a place; `slope`: through the origin."""

    at: float
    looks: str = "rule"
    upright: bool = False
    diagonal: bool = False


@dataclass(frozen=True)
class Bars:
    """Areas from 0 to heights [M], between edges [M + 1]."""

    edges: FloatArray
    heights: FloatArray
    looks: str = "c0"


Mark = Curve | Band | Dots | Whiskers | Rule | Bars


def ys(mark: Mark) -> FloatArray:
    """What it needs of the upright axis; a band nothing, so that it flattens no data."""
    if isinstance(mark, Rule):
        return np.empty(0) if mark.upright or mark.diagonal else np.array([mark.at])
    if isinstance(mark, Band):
        return np.empty(0)
    if isinstance(mark, Bars):
        return np.append(mark.heights, 0.0)
    if isinstance(mark, Whiskers):
        return mark.x if mark.across else np.concatenate([mark.low, mark.high])
    return mark.y
