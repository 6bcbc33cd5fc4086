"""Ticks of a picture that stands still: found once, their labels measured once, and none made that is not seen.

For each thing that stands around an axis, matplotlib finds its ticks and measures their labels anew; and it makes
ticks, each of five artists, beyond both of its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import Locator, LogLocator, MaxNLocator

FOUND_ONCE = ("_update_ticks", "_get_ticklabel_bboxes")
"""What an axis is asked for all the time; a matplotlib that has none of these is as slow as it is."""
MARGIN = 1e-6
"""How far beyond its end, as a share of the axis, a tick still counts: more than for matplotlib, which looks itself."""


@contextmanager
def found_once(fig: Figure) -> Iterator[None]:
    """Within, nothing about the axes of a figure changes, so that ticks are found once."""
    with ExitStack() as held:
        for axis in _all_axes(fig):
            for name in FOUND_ONCE:
                if hasattr(axis, name):
                    _override(held, axis, name, _Once(getattr(axis, name)))
        for legend in fig.legends:  # as large wherever it stands
            _override(held, legend, "get_tightbbox", _Once(legend.get_tightbbox))
        yield


@contextmanager
def seen_only(fig: Figure) -> Iterator[None]:
    """Within, axes have no ticks beyond their ends."""
    with ExitStack() as held:
        for axis in _all_axes(fig):
            for locator in (axis.get_major_locator(), axis.get_minor_locator()):
                if isinstance(locator, MaxNLocator | LogLocator):
                    _override(held, locator, "tick_values", _Inside(locator))
        yield


def _all_axes(fig: Figure) -> list[Axis]:
    return [axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)]


def _override(held: ExitStack, owner: object, name: str, method: Callable[..., Any]) -> None:
    """A method of one object alone, until what is held is let go."""
    if name not in vars(owner):
        setattr(owner, name, method)
        held.callback(delattr, owner, name)


class _Once:
    """A function of things that stay the same."""

    def __init__(self, find: Callable[..., Any]) -> None:
        self.find = find
        self.found: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self.found is None:
            self.found = self.find(*arguments)
        return self.found


class _Inside:
    """`tick_values` of a locator, without those that are not on the axis."""

    def __init__(self, locator: Locator) -> None:
        self.find, self.is_log = locator.tick_values, isinstance(locator, LogLocator)

    def __call__(self, vmin: float, vmax: float) -> Any:
        ticks = np.asarray(self.find(vmin, vmax))
        low, high = min(vmin, vmax), max(vmin, vmax)
        if self.is_log and low > 0:
            return ticks[(ticks >= low * (1 - MARGIN)) & (ticks <= high * (1 + MARGIN))]
        margin = MARGIN * (high - low)
        return ticks[(ticks >= low - margin) & (ticks <= high + margin)]
