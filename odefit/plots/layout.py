"""Constrained layout that looks at the axes once.

Matplotlib's own places the axes, measures their labels and ticks, places them anew, and measures all of it a second
time, which takes as long as drawing. What stands around axes is as wide after they have moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox


class MeasuredOnce(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, by the first measures of what stands around the axes."""

    def execute(self, fig: Figure) -> None:
        """Place the axes of a figure."""
        for axes in fig.axes:
            axes.get_tightbbox = _Measured(axes, axes.get_tightbbox)  # type: ignore[method-assign]
        try:
            super().execute(fig)
        finally:
            for axes in fig.axes:
                del axes.get_tightbbox


class _Measured:
    """`get_tightbbox` of one axes: measured by the first call, moved with the axes by the others."""

    def __init__(self, axes: Axes, measure: Callable[..., Bbox | None]) -> None:
        self.axes, self.measure = axes, measure
        self.around: tuple[float, float, float, float] | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Bbox | None:
        place = self.axes.get_window_extent()
        if self.around is None:
            box = self.measure(*arguments, **options)
            if box is None:
                return None
            self.around = (box.x0 - place.x0, box.y0 - place.y0, box.x1 - place.x1, box.y1 - place.y1)
            return box
        x0, y0, x1, y1 = self.around
        return Bbox.from_extents(place.x0 + x0, place.y0 + y0, place.x1 + x1, place.y1 + y1)
