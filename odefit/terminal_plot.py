"""Measurements and the fitted curve in characters, as wide as the terminal.

A character of the curve is 2 by 4 dots of braille, or one dot where the terminal has none; a measurement is an `o` in
the place where it is, over the curve, or `v` and `^` where the truth is known to lie below and above.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.replicates import replicate_of
from odefit.records import dataclass
from odefit.runs.dated import date_of_zero
from odefit.runs.stored import StoredRun
from odefit.text import clip, counted

if TYPE_CHECKING:
    from odefit.screen import Screen

BLANK, DOTS = 0x2800, ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The sign of braille without dots, and what each of its dots [4, 2] adds."""
FINE = (2, 4)
"""Dots across and down a sign."""
HEIGHT, SMALL = 14, 9
"""Lines of a panel that stands alone, and of one among others."""
MOST = 6
"""Panels; those that are left out are counted."""
COLUMNS, MOST_COLUMNS = 80, 100
"""Columns where there is no terminal, and of a panel at most."""
NARROW, ROOMY = 30, 50
"""The least columns of a panel beside another, and of one among three or more."""
GAP = 2
"""Blanks between panels."""
DENSE = 4
"""Times of the curve for each column."""
BEYOND = 2.0
"""A curve that leaves the measurements by more than this many times their range is cut there."""
SPREAD, BEYOND_LOG = 1000.0, 0.5
"""Positive measurements whose largest is as many times the smallest may have a logarithmic axis; its `BEYOND`."""
PLAIN_LOCALES, COERCED = ("C", "POSIX"), "C.UTF-8"
"""Locales of ASCII, and what Python makes of them for itself."""


@dataclass(frozen=True)
class Panel:
    """One observable in one experiment.

    Parameters
    ----------
    title
        What it shows.
    times, values, sides
        [M], measurements; 0, or -1 and 1 where the truth lies below and above the value.
    curve_times, curve
        [T], the fitted curve.
    log
        Whether `values` and `curve` are decimal logarithms.
    """

    title: str
    times: FloatArray
    values: FloatArray
    sides: IntArray
    curve_times: FloatArray
    curve: FloatArray
    log: bool = False


def plot_lines(run: StoredRun, width: int = 80, braille: bool = True) -> Iterator[str]:
    """Lines that show what was measured and the fit.

    Parameters
    ----------
    run
        A finished fit.
    width
        Columns of the terminal.
    braille
        Whether it has signs of braille; else `.` is a dot of the curve.

    Raises
    ------
    SolveError, RunError
        The model cannot be solved, or has no estimates.
    """
    panels, left = _panels(run, width)
    most = max(width // ROOMY, 2) if width >= 2 * NARROW else 1
    beside = math.ceil(len(panels) / math.ceil(len(panels) / most)) if panels else 1
    own = min((width - GAP * (beside - 1)) // beside, MOST_COLUMNS)
    drawn = [_drawn(panel, own, SMALL if len(panels) > 1 else HEIGHT, braille) for panel in panels]
    for row in range(0, len(drawn), beside):
        yield ""
        for lines in itertools.zip_longest(*drawn[row : row + beside], fillvalue=""):
            yield (" " * GAP).join(line.ljust(own) for line in lines).rstrip()
    yield ""
    dots = "dots" if braille else "."
    limits = "; v, ^ the truth is below, above" if any(panel.sides.any() for panel in panels) else ""
    zero = f"; 0 is {date}" if (date := date_of_zero(run.result.dates)) else ""
    more = f"; {counted(left, 'more panel')} in the pictures" if left else ""
    yield f"o measured, {dots} fitted, over {clip(run.time_name, 24)}{zero}{limits}{more}"


def _panels(run: StoredRun, width: int) -> tuple[list[Panel], int]:
    """The first panels, and how many there are beside them."""
    groups: dict[str, list[int]] = {}
    for row, experiment in enumerate(run.measured):
        groups.setdefault(replicate_of(experiment.name), []).append(row)
    every = [(name, k) for name in groups for k in range(len(run.observables)) if _has(run, groups[name], k)]
    wanted = {groups[name][0] for name, _ in every[:MOST]}
    times = [_fine(run, row, groups, width) if row in wanted else e.times[:1] for row, e in enumerate(run.measured)]
    curves = run.solve(times)
    panels = []
    for name, k in every[:MOST]:
        own, row = [run.measured[row] for row in groups[name]], groups[name][0]
        t, d = np.concatenate([e.times for e in own]), np.concatenate([e.values[:, k] for e in own])
        exact = [np.zeros(len(e.times), np.int8) if e.censored is None else e.censored[:, k] for e in own]
        sides = np.concatenate(exact)
        known = np.isfinite(d) & np.isfinite(t)
        title = run.observables[k] if len(groups) == 1 else f"{run.observables[k]}, {name}"
        line = curves.observables[row][:, k]
        panel = Panel(clip(title, 36), t[known], d[known], sides[known].astype(np.int64), times[row], line)
        panels.append(_scaled(panel))
    return panels, len(every) - len(panels)


def _scaled(panel: Panel) -> Panel:
    """With a logarithmic axis, where an even one would show half of the measurements in its lowest line."""
    low, high = float(panel.values.min()), float(panel.values.max())
    if not 0 < low * SPREAD <= high or np.median(panel.values) * HEIGHT > high:
        return panel
    curve = np.log10(np.where(panel.curve > 0, panel.curve, np.nan))
    return replace(panel, values=np.log10(panel.values), curve=curve, log=True)


def _has(run: StoredRun, rows: Sequence[int], k: int) -> bool:
    return any(bool(np.isfinite(run.measured[row].values[:, k]).any()) for row in rows)


def _fine(run: StoredRun, row: int, groups: dict[str, list[int]], width: int) -> FloatArray:
    """Times of a curve, from the start of its experiment to the last measurement of its replicates."""
    own = [run.measured[one] for one in groups[replicate_of(run.measured[row].name)]]
    measured = np.concatenate([e.times[np.isfinite(e.times)] for e in own])
    start = min(own[0].start, float(measured.min()))
    if not math.isfinite(start) or start >= measured.max():
        return np.unique(measured)
    grid = np.linspace(start, float(measured.max()), DENSE * width)
    return np.union1d(grid, measured[measured >= own[0].start])


def _drawn(panel: Panel, width: int, height: int, braille: bool) -> list[str]:
    low, high = _limits(panel)
    ticks = [tick for tick in _ticks(low, high, max(height // 2 - 1, 2)) if low <= tick <= high]
    if panel.log:
        ticks = [tick for tick in ticks if tick == round(tick)]
    fine_x, fine_y = FINE if braille else (1, 1)
    labels = {
        _cell((high - tick) / (high - low), height, fine_y): f"{10**tick if panel.log else tick:.6g}" for tick in ticks
    }
    margin = max(map(len, labels.values()), default=0) + 2
    columns = max(width - margin, 8)
    start = float(min(panel.curve_times.min(initial=np.inf), panel.times.min(initial=np.inf)))
    end = float(max(panel.curve_times.max(initial=-np.inf), panel.times.max(initial=-np.inf)))
    end = end if end > start else start + 1.0
    across = (panel.curve_times - start) / (end - start)
    up = (high - panel.curve) / (high - low)
    cells = _curve(across, up, columns, height, braille)
    signs = {-1: "v", 0: "o", 1: "^"}
    for t, value, side in zip(panel.times, panel.values, panel.sides.tolist(), strict=True):
        row = _cell((high - value) / (high - low), height, fine_y)
        cells[row][_cell((t - start) / (end - start), columns, fine_x)] = signs[side]
    bar, corner, rule, stub, cross = ("│", "└", "─", "┤", "┬") if braille else ("|", "+", "-", "+", "+")
    places = {
        _cell((tick - start) / (end - start), columns, fine_x): f"{tick:.6g}"
        for tick in _ticks(start, end, max(columns // 9, 2))
    }
    lines = [panel.title.rjust(min(len(panel.title) + margin, width))]
    for row, line in enumerate(cells):
        label = labels.get(row, "")
        lines.append(f"{label.rjust(margin - 2)} {stub if label else bar}{''.join(line)}".rstrip())
    return [*lines, *_time_axis(places, margin, columns, (corner, rule, cross))]


def _cell(share: float, cells: int, fine: int) -> int:
    """Which of the cells, of as many dots each, holds the dot at a share of the way."""
    return round(share * (cells * fine - 1)) // fine


def _curve(across: FloatArray, up: FloatArray, columns: int, height: int, braille: bool) -> list[list[str]]:
    """The cells [height][columns] of a curve, at shares of the width and of the height from above."""
    dots = np.zeros((height, columns), dtype=np.int64)
    fine_x, fine_y = FINE if braille else (1, 1)
    known = np.isfinite(up)
    # Between two times as many dots as it takes to have no gap.
    x, y = across * (columns * fine_x - 1), up * (height * fine_y - 1)
    for k in range(len(x) - 1):
        if not (known[k] and known[k + 1]):
            continue
        steps = int(min(max(abs(x[k + 1] - x[k]), abs(y[k + 1] - y[k])), 4.0 * height)) + 1
        for share in np.linspace(0, 1, steps + 1):
            column, row = round(x[k] + share * (x[k + 1] - x[k])), round(y[k] + share * (y[k + 1] - y[k]))
            if 0 <= row < height * fine_y and 0 <= column < columns * fine_x:
                dots[row // fine_y, column // fine_x] |= DOTS[row % 4][column % 2] if braille else 1
    return [[(chr(BLANK + dot) if braille else ".") if dot else " " for dot in row] for row in dots.tolist()]


def _limits(panel: Panel) -> tuple[float, float]:
    """What the panel shows: all measurements, and the curve as far as it leaves these readable."""
    curve = panel.curve[np.isfinite(panel.curve)]
    core = panel.values if len(panel.values) else curve
    low, high = (float(core.min()), float(core.max())) if len(core) else (0.0, 1.0)
    room = (BEYOND_LOG if panel.log else BEYOND) * ((high - low) or abs(high) or 1.0)
    if len(curve):
        low, high = max(min(low, float(curve.min())), low - room), min(max(high, float(curve.max())), high + room)
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two limits."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [0.0 if k == 0 else float(f"{k * step:.12g}") for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _time_axis(places: Mapping[int, str], margin: int, columns: int, signs: tuple[str, str, str]) -> list[str]:
    """The axis, and below it what is said at some of its columns."""
    corner, rule, cross = signs
    line = "".join(cross if column in places else rule for column in range(columns))
    words = [" "] * (margin + columns)
    for column, text in places.items():
        first = min(margin + column - len(text) // 2, margin + columns - len(text))
        if "".join(words[max(first - 1, 0) : first + len(text)]).strip() == "":
            words[first : first + len(text)] = text
    return [" " * (margin - 1) + corner + line, "".join(words).rstrip()]


def shown(run: StoredRun, screen: Screen) -> None:
    """Print the plot: in colour on a terminal, in ASCII where the stream knows no braille."""
    from rich.text import Text

    width = screen.width if screen.is_terminal else COLUMNS
    for line in plot_lines(run, width, _has_braille(screen.encoding)):
        text = Text(line)
        text.highlight_regex(r"[\u2801-\u28ff]+", "blue")
        screen.print(text, soft_wrap=True)


def _has_braille(encoding: str) -> bool:
    """Whether a stream can show it. Python itself writes UTF-8 in the locale C, whose terminals need not know it."""
    said = os.environ.get("LC_CTYPE", "")
    locale = os.environ.get("LC_ALL") or ("" if said == COERCED else said) or os.environ.get("LANG")
    if locale in PLAIN_LOCALES and not os.environ.get("PYTHONIOENCODING"):
        return False
    try:
        chr(BLANK).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
