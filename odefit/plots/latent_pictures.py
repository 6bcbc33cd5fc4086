"""What the pictures of one call share, of a run of a latent ODE: which series and observables, and the curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from odefit.plots.dates import Calendar, calendar_of, show_offset, time_ticks
from odefit.plots.kinds import OF_LATENT_ODES
from odefit.plots.selection import Choice, check_span, known_names, title_of
from odefit.records import dataclass

MAX_SERIES, MAX_COLUMNS = 6, 3
"""Series in a picture, and panels side by side."""
FINE = 400
"""Times of a curve."""
TRUTH: Mapping[str, Any] = {"color": style.BLACK, "linestyle": (0, (4, 2)), "linewidth": 0.9}
"""The looks of a true curve."""


@dataclass(frozen=True)
class Shown:
    """One series.

    Parameters
    ----------
    row
        Its position in the run.
    experiment
        Its measurements.
    times, values
        [T] and [T, O], the curve.
    read, end
        When it was last read by the encoder, and last measured.
    truth
        [M, O], without noise, at the measured times, where it is known.
    """

    row: int
    experiment: Experiment
    times: FloatArray
    values: FloatArray
    read: float
    end: float
    truth: FloatArray | None


Panel = tuple[Shown, Sequence[int]]
"""A series, and the columns of the observables that are drawn of it."""


class LatentPictures:
    """The run, which series and observables are shown, and their curves.

    Parameters
    ----------
    run
        The trained run.
    choice
        The names and the span that the user gave.
    faults
        Takes what is wrong with these.
    """

    kinds = OF_LATENT_ODES

    def __init__(self, run: LatentRun, choice: Choice, faults: Faults) -> None:
        self.run, self.choice, self.limits = run, choice, choice.time_range
        names = known_names(choice.states, list(run.observables), "states", "no observable", faults) or run.observables
        for flag in ("log_x", "log_y", "all_panels", "bands"):
            if getattr(choice, flag):
                faults.add(flag, "is for pictures of equations; those of a latent ODE have no such choice")
        self.columns = [run.observables.index(name) for name in names]
        place = {e.name: row for row, e in enumerate(run.measured)}
        wanted = known_names(choice.experiments, list(place), "experiments", "no experiment of this run", faults)
        # What was not trained on says most about what was learnt.
        aside = set(run.task.aside)
        others = [row for row in range(len(run.measured)) if row not in aside]
        self.rows = [place[name] for name in wanted] or [*run.task.aside, *others]
        check_span(self.limits, [run.measured[row].start for row in self.rows[:MAX_SERIES]], faults)
        named = [run.measured[row].name for row in self.rows[:MAX_SERIES]]
        self.calendar = calendar_of(run.result.dates, named, faults) if choice.dates else None

    @cached_property
    def shown(self) -> list[Shown]:
        """The first of the chosen series, solved on a fine grid. Raises SolveError."""
        run, rows = self.run, self.rows[:MAX_SERIES]
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

    def label(self, column: int) -> str:
        name = self.run.observables[column]
        unit = self.run.loaded.config.model.units.get(name)
        return style.plain(f"{name} ({unit})" if unit else name, 40)

    def figure(self, panels: Sequence[Panel], height: float) -> tuple[Figure, list[Axes]]:
        """A figure with these panels, of this height in inches each."""
        n = len({one.row for one, _ in panels})
        columns = min(n, MAX_COLUMNS)
        count = -(-len(panels) // columns)
        note = f"{n} of {len(self.rows)} series" if n < len(self.rows) else ""
        fig = style.figure(style.WIDTH, 1.0 + count * height, title_of(self.run), note)
        axes: list[Axes] = list(fig.subplots(count, columns, squeeze=False).flat)
        for ax in axes[len(panels) :]:
            ax.remove()
        return fig, axes[: len(panels)]

    def draw_points(self, ax: Axes, one: Shown, x: FloatArray, y: FloatArray, ink: str) -> None:
        """Filled: what the encoder reads; hollow: what comes after."""
        read = self.run.task.read(one.experiment)
        known = ~np.isnan(x + y)
        most = max(len(other.experiment.times) for other in self.shown)
        size = 0.8 * style.marker_size(most, style.WIDTH / MAX_COLUMNS)
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

    def name_axes(
        self,
        axes: Sequence[Axes],
        panels: Sequence[Panel],
        x_label: str,
        y_label: Callable[[list[str]], str],
        calendar: Calendar | None = None,
    ) -> None:
        """Titles, labels and ticks; those of dates where there is a calendar."""
        across = min(len({one.row for one, _ in panels}), MAX_COLUMNS)
        for k, (ax, (one, columns)) in enumerate(zip(axes, panels, strict=True)):
            if len(self.run.measured) > 1:
                aside = ", not trained on" if one.row in self.run.task.aside else ""
                ax.set_title(style.experiment_title(one.experiment.name) + aside)
            if k % across == 0:
                ax.set_ylabel(style.plain(y_label([self.label(column) for column in columns]), 40))
            if k + across >= len(panels):
                ax.set_xlabel(x_label)
            time_ticks(ax.xaxis, calendar, 5)
            show_offset(ax.xaxis, k + across >= len(panels))
            style.tidy_ticks(ax.yaxis, most=5)

    def handles(self, shown: Sequence[Shown], columns: Sequence[int], *, over_time: bool) -> list[Line2D | Patch]:
        """The signs, each once, and only those that occur."""
        handles: list[Line2D | Patch] = []
        if len(columns) > 1:
            handles += [style.line_handle(self.label(c), style.COLOURS[k]) for k, c in enumerate(columns)]
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
