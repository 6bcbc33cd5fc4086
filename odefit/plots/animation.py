"""The fit converging, as a GIF: the measurements, and the curve that moves towards them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from odefit.arrays import FloatArray
from odefit.errors import Faults, RunError
from odefit.fitting.run import Run
from odefit.fitting.strategy import plan
from odefit.plots import style
from odefit.plots.curves import points
from odefit.plots.dates import Calendar, calendar_of, show_offset, time_ticks
from odefit.plots.draw import write_picture
from odefit.plots.frame import Frame
from odefit.plots.search_frames import search_frames, training_frames
from odefit.plots.selection import Group, Quantity, select, time_label, title_of
from odefit.plots.set_frames import set_frames
from odefit.plots.trained_again import rows_of_frames
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.runs.tables import Rows

MAX_FRAMES, MAX_BYTES = 80, 2_000_000
"""Of the file."""
MAX_ROWS, MAX_COLUMNS = 3, 2
"""Observables below each other, and experiments side by side."""
DOTS = 100
"""Dots per inch."""
FRAME_MS, LAST_FRAME_MS, FEW_MS = 90, 2500, 3000
"""Milliseconds for which a frame, and the last one, is shown; and that few frames take together."""
SHADES = 20
"""Colours between two inks, for smooth edges."""
MAX_SHARED_SPAN = 5.0
"""Panels of a row share an axis that is at most this many times as long as the shortest of their own."""


@dataclass(frozen=True)
class Film:
    """What does not move.

    Parameters
    ----------
    run
        The fit.
    quantities
        Its observables.
    measured
        Experiment, observable -> measured times and values.
    moving
        What the moving line is, in the legend.
    calendar
        Of the axes of time; None: numbers.
    """

    run: StoredRun
    quantities: Sequence[Quantity]
    measured: Callable[[str, Quantity], tuple[FloatArray, FloatArray]]
    moving: str = "fitted so far"
    calendar: Calendar | None = None


def animate(run: Run, out: Path | None = None, *, bands: str | None = None, dates: bool = False) -> Path:
    """Draw a fit converging as a GIF of less than 2 MB, and return the file.

    Parameters
    ----------
    run
        A run that kept frames (frames.csv), that searched (its search is run once more), or that trained a network (its
        training is run once more).
    out
        The file, or a folder; default: plots/animation.gif in the run folder.
    bands
        `posterior` or `bootstrap`: the curves of such parameter sets instead, one after the other.
    dates
        Dates on axes of time, where the times of the data were dates.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        There are no dates, or no sets of that kind.
    RunError
        The run is damaged, or the file cannot be written.
    """
    return draw_film(film_of(run, bands, dates), _frames_of(run) if bands is None else set_frames(run, bands), out)


def film_of(run: Run, bands: str | None = None, dates: bool = False) -> Film:
    """What does not move in the animation of a fit. Raises ConfigError where there are no dates."""
    faults = Faults()
    quantities = select(run, None, None, None, faults).series
    calendar = calendar_of(run.result.dates, [e.name for e in run.measured], faults) if dates else None
    faults.check()
    position = {experiment.name: row for row, experiment in enumerate(run.measured)}

    def measured(name: str, quantity: Quantity) -> tuple[FloatArray, FloatArray]:
        at = points(run, Group(name, (position[name],) if name in position else ()), quantity)
        return at.t, at.d

    return Film(run, quantities, measured, "fitted so far" if bands is None else "as likely as the fit", calendar)


def _frames_of(run: Run) -> list[Frame]:
    rows = run.rows(files.FRAMES)
    if rows is None or not len(rows):
        found = search_frames(run) or training_frames(run)
        if found:
            return found
        rows = rows_of_frames(run, plan)
    found = [] if rows is None else frames_of(run, rows)
    if not found:
        raise RunError(run.place, "could be solved at no moment of its training; there is nothing to animate")
    return found


def draw_film(film: Film, found: Sequence[Frame], out: Path | None) -> Path:
    """Draw the frames into a file, and return it. Raises RunError."""
    frames = thinned(found, MAX_FRAMES)
    folder = film.run.pictures_folder if out is None else Path(out)
    target = folder if folder.suffix.lower() == ".gif" and not folder.is_dir() else folder / "animation.gif"
    with style.styled():
        images = _images(film, frames)
    data = _encode(images)
    while len(data) > MAX_BYTES and len(images) > 2:
        images = thinned(images, len(images) // 2)
        data = _encode(images)
    write_picture(target, data)
    return target


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """Choose at most `most` of the items, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[k] for k in np.unique(np.linspace(0, len(items) - 1, most).round().astype(int))]


def frames_of(run: StoredRun, rows: Rows) -> list[Frame]:
    """Cut the table into epochs. Raises RunError."""
    if len(rows.header) != 4 + len(run.observables):
        raise RunError(rows.path, "is damaged: it does not fit the observables; fit again")
    epoch, loss, times = rows.numbers(0), rows.numbers(1), rows.numbers(3)
    names = np.array(rows.text(2), dtype=object)
    values = np.stack([rows.numbers(4 + k) for k in range(len(run.observables))], axis=1)
    frames = []
    for number in np.unique(epoch):
        here = np.flatnonzero(epoch == number)
        curves = {}
        for name in dict.fromkeys(names[here]):
            own = here[names[here] == name]
            curves[str(name)] = (times[own], values[own])
        frames.append(Frame(int(number), float(loss[here[0]]), curves))
    return frames


def _images(film: Film, frames: Sequence[Frame]) -> list[Any]:
    """Every frame as a picture: the axes are laid out once, and only curves and title change."""
    from PIL import Image

    run = film.run
    fig, lines, note = stage(film, frames)
    title = fig.suptitle(" \n ")
    images = []
    for frame in frames:
        for line, name, column in lines:
            times, values = frame.curves.get(name, (np.empty(0), np.empty((0, len(run.observables)))))
            line.set_data(times, values[:, column])
        title.set_text(f"{style.plain(title_of(run))}\n{frame.title}{note}")
        fig.canvas.draw()
        fig.set_layout_engine("none")
        images.append(Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB"))  # type: ignore[attr-defined]
    return images


def stage(film: Film, frames: Sequence[Frame]) -> tuple[Figure, list[tuple[Line2D, str, int]], str]:
    """The picture without its curves: panels with points and fixed limits; the lines to be moved; what is left out."""
    run, observables, names = film.run, film.quantities, list(frames[-1].curves)
    experiments, quantities = names[:MAX_COLUMNS], observables[:MAX_ROWS]
    fig = style.figure(3.6 * len(experiments) + 1.2, 1.0 + 1.7 * len(quantities), " \n ")
    fig.set_dpi(DOTS)
    axes = fig.subplots(len(quantities), len(experiments), squeeze=False, sharex="col")
    lines = []
    for i, quantity in enumerate(quantities):
        column = quantity.observable or 0
        limits = []
        for j, name in enumerate(experiments):
            ax = axes[i, j]
            t, d = film.measured(name, quantity)
            size = style.marker_size(len(t))
            ax.plot(t, d, "o", color=style.BLACK, markersize=size, markeredgewidth=0)
            (line,) = ax.plot([], [], color=style.BLUE)
            lines.append((line, name, column))
            limits.append(_fix_times(ax, t, d, [f.curves[name] for f in frames if name in f.curves], column))
            if i == 0 and len(run.measured) > 1:
                ax.set_title(style.experiment_title(name))
            if i == len(quantities) - 1:
                ax.set_xlabel(time_label(run, with_unit=film.calendar is None))
        _fix_values(axes[i], limits, quantity.label)
        for ax in axes[i]:
            time_ticks(ax.xaxis, film.calendar, 8 if len(experiments) == 1 else 5)
            show_offset(ax.xaxis, i == len(quantities) - 1)
            style.tidy_ticks(ax.yaxis)
    style.legend(fig, [style.point_handle("measured", style.BLACK), style.line_handle(film.moving, style.BLUE)])
    left_out = [
        f"; the first {shown} {what} of {of}"
        for shown, of, what in (
            (len(experiments), len(names), "experiments"),
            (len(quantities), len(observables), "observables"),
        )
        if shown < of
    ]
    return fig, lines, "".join(left_out)


def _fix_times(
    ax: Axes, t: FloatArray, d: FloatArray, curves: Sequence[tuple[FloatArray, FloatArray]], column: int
) -> tuple[float, float]:
    """Limits of the times for all frames; returns those of the values: the points, and the curves as far as they leave
    these readable."""
    times = np.concatenate([t, *(c[0] for c in curves)])
    ax.set_xlim(times.min() - 0.02 * np.ptp(times), times.max() + 0.02 * np.ptp(times) or 1.0)
    drawn = np.concatenate([c[1][:, column] for c in curves])
    drawn = drawn[np.isfinite(drawn)]
    core = d if len(d) else drawn
    low, high = float(core.min()), float(core.max())
    room = 0.4 * (high - low)
    return max(low - room, min(low, float(drawn.min()))), min(high + room, max(high, float(drawn.max())))


def _fix_values(axes: Sequence[Axes], limits: Sequence[tuple[float, float]], label: str) -> None:
    """The same limits for a row of panels, said once, where they compare; else each its own."""
    shared = (min(low for low, _ in limits), max(high for _, high in limits))
    together = shared[1] - shared[0] <= MAX_SHARED_SPAN * min(high - low for low, high in limits)
    for j, (ax, own) in enumerate(zip(axes, limits, strict=True)):
        low, high = shared if together else own
        pad = 0.06 * (high - low) or 1.0
        ax.set_ylim(low - pad, high + pad)
        if j == 0 or not together:
            ax.set_ylabel(label)
        ax.tick_params(labelleft=j == 0 or not together)


def _encode(images: Sequence[Any]) -> bytes:
    """One palette for all frames, the shades between the few colours in use: white stays white, nothing flickers."""
    from PIL import Image

    inks = [to_rgb(colour) for colour in ("white", style.BLACK, style.BLUE)]
    shades = [
        (1 - share) * np.array(a) + share * np.array(b)
        for a, b in ((inks[0], inks[1]), (inks[0], inks[2]), (inks[2], inks[1]))
        for share in np.linspace(0, 1, SHADES)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * np.array(shades)).round().astype(np.uint8).tobytes())
    still = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    each = max(FRAME_MS, min(500, FEW_MS // len(still)))
    times = [each] * (len(still) - 1) + [LAST_FRAME_MS]
    buffer = io.BytesIO()
    still[0].save(
        buffer, "GIF", save_all=True, append_images=still[1:], duration=times, loop=0, optimize=False, disposal=1
    )
    return buffer.getvalue()
