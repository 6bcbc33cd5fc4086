"""The pictures of a run of a latent ODE: series as they are read and continued, and what lies between two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.errors import Faults
from odefit.latent.latent_run import LatentRun
from odefit.plots import style
from odefit.plots.history import draw_history
from odefit.plots.latent_curves import draw_interpolation
from odefit.plots.run_tables import read_rows
from odefit.plots.selection import check_span, known_names, time_label, title_of
from odefit.runs import folder as files

SERIES, COLUMNS, ROWS = 6, 3, 4
"""So many series, each with its observables together; else so many side by side, and observables below each other."""
TOGETHER = 2
COMPARABLE = 10.0
"""Two observables share a panel if the range of one is at most so many times that of the other."""
FINE = 400
STEPS = 7
"""Series on the way from one latent start to another, these two among them."""


@dataclass(frozen=True)
class Shown:
    """One series: its row in the run; the curve at times [T], values [T, O]; until when it was read, and measured."""

    row: int
    experiment: Experiment
    times: FloatArray
    values: FloatArray
    read: float
    end: float
    truth: FloatArray | None


class LatentPictures:
    """What the pictures of one call share: which series and which observables, and the curves, solved once."""

    def __init__(
        self,
        run: LatentRun,
        states: Sequence[str] | None,
        experiments: Sequence[str] | None,
        limits: tuple[float, float] | None,
        faults: Faults,
    ) -> None:
        self.run, self.limits = run, limits
        names = known_names(states, list(run.observables), "states", "no observable", faults) or run.observables
        self.columns = [run.observables.index(name) for name in names]
        place = {e.name: row for row, e in enumerate(run.measured)}
        wanted = known_names(experiments, list(place), "experiments", "no experiment of this run", faults)
        # What was not trained on says most about what was learnt.
        aside = set(run.task.aside)
        others = [row for row in range(len(run.measured)) if row not in aside]
        self.rows = [place[name] for name in wanted] or [*run.task.aside, *others]
        check_span(limits, [run.measured[row].start for row in self.rows[:SERIES]], faults)

    @property
    def kinds(self) -> Mapping[str, Callable[[], Figure]]:
        return {
            "time_series": self.time_series,
            "phase_plane": self.phase_plane,
            "history": self.history,
            "interpolation": self.interpolation,
        }

    def lacking(self, kind: str) -> str:
        """Why there is nothing to draw; empty where there is."""
        if kind == "phase_plane" and len(self.columns) < 2:
            return "needs two observables; this shows one"
        if kind == "history" and ((rows := read_rows(self.run, files.HISTORY)) is None or len(rows) < 2):
            return "the run has no history of more than one step"
        if kind == "interpolation" and len(self.rows) < 2:
            return "needs two series; this shows one"
        if kind == "interpolation" and not self._longest > 0:
            return "needs a series of more than one time"
        return ""

    def history(self) -> Figure:
        return draw_history(self.run)

    @cached_property
    def shown(self) -> list[Shown]:
        """The first of the chosen series, solved on a fine grid. Raises SolveError."""
        run, rows = self.run, self.rows[:SERIES]
        chosen = [run.measured[row] for row in rows]
        low, high = self.limits or (-np.inf, None)
        ends = [float(e.times[-1]) for e in chosen]
        spans = [(max(low, e.start), end if high is None else high) for e, end in zip(chosen, ends, strict=True)]
        times = [np.linspace(*span, FINE) if span[1] > span[0] else np.array(span[:1]) for span in spans]
        curves = run.solve_some(rows, times)
        read = [float(e.times[run.task.read(e)][-1]) for e in chosen]
        truths: Sequence[FloatArray | None] = [None] * len(rows)
        if run.truth is not None:
            truths = [run.truth[row] for row in rows]
        return [
            Shown(*parts) for parts in zip(rows, chosen, times, curves.observables, read, ends, truths, strict=True)
        ]

    def time_series(self) -> Figure:
        """The observables of each series over time, in one panel where their ranges compare, else below each other."""
        shown = self.shown
        together = len(self.columns) <= TOGETHER and _compare(shown, self.columns)
        rows = [self.columns] if together else [[column] for column in self.columns[:ROWS]]
        shown = shown if together else shown[:COLUMNS]
        panels = [(one, columns) for columns in rows for one in shown]
        fig, axes = self._panels(panels, 1.9)
        for ax, (one, columns) in zip(axes, panels, strict=True):
            self._draw_course(ax, one, columns, together)
        self._name(axes, panels, time_label(self.run), ", ".join)
        style.legend(fig, self._handles(shown, self.columns if together else self.columns[:1], over_time=True))
        return fig

    def phase_plane(self) -> Figure:
        """The first two of the observables of each series, against each other."""
        pair = self.columns[:2]
        panels = [(one, pair) for one in self.shown]
        fig, axes = self._panels(panels, 2.2)
        for ax, (one, _) in zip(axes, panels, strict=True):
            self._draw_plane(ax, one, pair)
        self._name(axes, panels, self._label(pair[0]), lambda names: names[1])
        style.legend(fig, self._handles(self.shown, pair[:1], over_time=False))
        return fig

    def interpolation(self) -> Figure:
        """Series on the straight way between the latent starts of the first two: two observables, or one over time."""
        first, second = self.rows[:2]
        pair = [self.run.measured[row] for row in (first, second)]
        elapsed = np.linspace(0.0, self._longest, FINE)
        between = self.run.between(first, second, elapsed, STEPS)[..., self.columns[:2]]
        names = tuple(self._label(column) for column in self.columns[:2])
        if len(names) == 1:
            names = (time_label(self.run), names[0])
            between = np.concatenate([np.broadcast_to(elapsed[:, None], between.shape), between], axis=-1)
        words = " to ".join(style.experiment_title(e.name) for e in pair)
        return draw_interpolation(between, names, f"{title_of(self.run)}: from {words}")

    @property
    def _longest(self) -> float:
        """How far the first two series go, or are to be shown."""
        pair = [self.run.measured[row] for row in self.rows[:2]]
        if self.limits is not None:
            return self.limits[1] - min(e.start for e in pair)
        return max(float(e.times[-1] - e.start) for e in pair)

    def _panels(self, panels: Sequence[tuple[Shown, Sequence[int]]], height: float) -> tuple[Figure, list[Axes]]:
        """A figure with so many panels."""
        n = len({one.row for one, _ in panels})
        columns = min(n, COLUMNS)
        count = -(-len(panels) // columns)
        note = f"{n} of {len(self.rows)} series" if n < len(self.rows) else ""
        fig = style.figure(style.WIDTH, 1.0 + count * height, title_of(self.run), note)
        axes: list[Axes] = list(fig.subplots(count, columns, squeeze=False).flat)
        for ax in axes[len(panels) :]:
            ax.remove()
        return fig, axes[: len(panels)]

    def _draw_course(self, ax: Axes, one: Shown, columns: Sequence[int], together: bool) -> None:
        own = one.experiment
        if one.read < max(one.times[-1], one.end):
            ax.axvline(one.read, color=style.GREY, linewidth=0.9, linestyle=":", zorder=2)
        if one.times[-1] > one.end:
            ax.axvspan(one.end, one.times[-1], color=style.LIGHT, alpha=0.45, linewidth=0, zorder=0)
        for k, column in enumerate(columns):
            colour = style.COLOURS[k]
            ax.plot(one.times, one.values[:, column], color=colour, zorder=4)
            if one.truth is not None:
                ax.plot(own.times, one.truth[:, column], zorder=5, **_TRUE)
            self._draw_points(ax, one, own.times, own.values[:, column], colour if together else style.BLACK)
        if self.limits is not None:
            ax.set_xlim(*self.limits)

    def _draw_plane(self, ax: Axes, one: Shown, pair: Sequence[int]) -> None:
        x, y = pair
        ax.plot(one.values[:, x], one.values[:, y], color=style.BLUE, zorder=4)
        if one.truth is not None:
            ax.plot(one.truth[:, x], one.truth[:, y], zorder=5, **_TRUE)
        self._draw_points(ax, one, one.experiment.values[:, x], one.experiment.values[:, y], style.BLACK)

    def _draw_points(self, ax: Axes, one: Shown, x: FloatArray, y: FloatArray, ink: str) -> None:
        """Filled: what the encoder reads; hollow: what comes after."""
        read = self.run.task.read(one.experiment)
        known = ~np.isnan(x + y)
        most = max(len(other.experiment.times) for other in self.shown)
        size = 0.8 * style.marker_size(most, style.WIDTH / COLUMNS)
        for part, face in ((~read, "white"), (read, ink)):
            at = known & part
            ax.plot(
                x[at],
                y[at],
                "o",
                color=ink,
                markerfacecolor=face,
                markeredgewidth=0.5,
                markersize=size,
                alpha=0.6,
                zorder=3,
            )

    def _label(self, column: int) -> str:
        name = self.run.observables[column]
        unit = self.run.loaded.config.model.units.get(name)
        return style.plain(f"{name} ({unit})" if unit else name, 40)

    def _name(
        self,
        axes: Sequence[Axes],
        panels: Sequence[tuple[Shown, Sequence[int]]],
        x_label: str,
        y_label: Callable[[list[str]], str],
    ) -> None:
        """Titles, labels and ticks."""
        across = min(len({one.row for one, _ in panels}), COLUMNS)
        for k, (ax, (one, columns)) in enumerate(zip(axes, panels, strict=True)):
            if len(self.run.measured) > 1:
                aside = ", not trained on" if one.row in self.run.task.aside else ""
                ax.set_title(style.experiment_title(one.experiment.name) + aside)
            if k % across == 0:
                ax.set_ylabel(style.plain(y_label([self._label(column) for column in columns]), 40))
            if k + across >= len(panels):
                ax.set_xlabel(x_label)
            style.tidy_ticks(ax.xaxis, most=5)
            style.tidy_ticks(ax.yaxis, most=5)

    def _handles(self, shown: Sequence[Shown], columns: Sequence[int], *, over_time: bool) -> list[Line2D | Patch]:
        """What the signs mean, each once, and only those that occur."""
        handles: list[Line2D | Patch] = []
        if len(columns) > 1:
            handles += [style.line_handle(self._label(c), style.COLOURS[k]) for k, c in enumerate(columns)]
        ink = style.GREY if len(columns) > 1 else style.BLACK
        handles.append(style.point_handle("read by the encoder", ink))
        if any(one.read < one.end for one in shown):
            handles.append(style.point_handle("not read", ink, hollow=True))
        if over_time and any(one.read < max(one.end, one.times[-1]) for one in shown):
            handles.append(Line2D([], [], color=style.GREY, linewidth=0.9, linestyle=":", label="it stops reading"))
        if len(columns) == 1:
            handles.append(style.line_handle("latent ODE", style.BLUE))
        if any(one.truth is not None for one in shown):
            handles.append(style.line_handle("true", style.BLACK, dashed=True))
        if over_time and any(one.times[-1] > one.end for one in shown):
            handles.append(style.patch_handle("beyond the data", style.LIGHT, 0.6))
        return handles


_TRUE: Mapping[str, Any] = {"color": style.BLACK, "linestyle": (0, (4, 2)), "linewidth": 0.9}


def _compare(shown: Sequence[Shown], columns: Sequence[int]) -> bool:
    """Whether the ranges of these observables are comparable."""
    sizes = [max(float(np.abs(one.values[:, column]).max()) for one in shown) for column in columns]
    return max(sizes) <= COMPARABLE * min(sizes)
