"""What the command line shows: a live bar on a terminal, plain lines elsewhere, tables at the end."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from odefit.heartbeat import Heartbeat
from odefit.screen import PlainScreen, Screen, SilentScreen, TextTable
from odefit.turning import Turning, is_live

if TYPE_CHECKING:
    from odefit.live_bar import LiveBar
    from odefit.runs.results import Estimate, Result, Score

PLAIN_LINES = 10
COLOURED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which a user has files and pipes treated as terminals."""
MOST_OWN = 20
"""The most values of single experiments or groups, such as `x_0[mug]`, that are shown."""
SHOWN_ESTIMATES = 4


def console(error: bool = False, quiet: bool = False) -> Screen:
    """What a command prints to: standard output, or standard error, or nothing."""
    if quiet:
        return SilentScreen()
    stream = sys.stderr if error else sys.stdout
    if not stream.isatty() and not any(os.environ.get(name) for name in COLOURED):
        return PlainScreen(stream)
    from odefit.rich_screen import rich_screen

    return rich_screen(stream, soft_wrap=error)


class _OnScreen(logging.Handler):
    """Shows what is logged, but for what a Reporter tells anyway."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "told", False):
            self.say(record.getMessage())


@contextmanager
def logged_to(say: Callable[[str], None] | None) -> Iterator[None]:
    """Show what odefit logs meanwhile; None: do not."""
    logger = logging.getLogger("odefit")
    handler = logging.NullHandler() if say is None else _OnScreen(say)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Reporter:
    """A Progress for people: one live line on the terminal of standard error, for whatever goes on; where that is none,
    a line now and then, and never ten silent seconds."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._pulse = Heartbeat(self._beat, "reading")
        live = is_live(sys.stderr) and not isinstance(screen, SilentScreen)
        self._turning = Turning("reading", sys.stderr) if live else None
        self._bar: LiveBar | None = None
        self._total, self._what, self._done = 0, "", 0
        self._last = 0.0

    def __enter__(self) -> Self:
        self._pulse.__enter__()
        if self._turning is not None:
            self._turning.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.end()
        if self._turning is not None:
            self._turning.__exit__()
        self._pulse.__exit__(*error)

    def say(self, line: str | TextTable) -> None:
        """Show a line of its own."""
        self._pulse.spoke()
        if self._bar is not None:
            self._bar.pause()
        with nullcontext() if self._turning is None else self._turning.aside():
            self.screen.print(line, markup=False)
        if self._bar is not None:
            self._bar.go_on()

    def _beat(self, line: str) -> None:
        if self._turning is None:  # which moves by itself
            self.screen.print(line, markup=False)

    def now(self, what: str) -> None:
        self._pulse.doing = what
        if self._turning is not None:
            self._turning.doing = what
        if self._bar is not None:
            self._bar.show(self._done, what)

    def note(self, sentence: str) -> None:
        self.say(f"note: {sentence}")

    def result(self, result: Result) -> None:
        """Show how a fit ended."""
        for line in result_lines(result):
            self.say(line)

    def begin(self, what: str, total: int) -> None:
        self.now(f"{what}, {total} in all")
        self._total, self._what, self._last, self._done = total, what, time.monotonic(), 0
        if self._turning is not None:
            from odefit.live_bar import LiveBar
            from odefit.rich_screen import rich_screen

            with self._turning.aside(hidden=True):
                pass
            self._bar = LiveBar(rich_screen(sys.stderr, soft_wrap=True), what, total)

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        shown = list(estimates.items())[:SHOWN_ESTIMATES]
        text = "  ".join([f"loss {loss:.4g}", *(f"{name} {value:.4g}" for name, value in shown)])
        stage = self._what.removeprefix("epochs")  # `, matching` where there are several
        self._advance(number, f"epoch {number}/{self._total}{stage}  {text}", text)

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None:
        value = f"best {best:.6g}" if math.isfinite(best) else "none yet"
        text = f"{value}, reached by {at_best}" + (f", {failed} failed ({why})" if failed else "")
        self._done = finished
        self._advance(finished, f"start {finished}/{self._total}  {text}", text)

    def part(self, done: int, text: str) -> None:
        if self._bar is None and done == self._done:
            return
        self._done = done
        self._advance(done, f"{self._what} {done}/{self._total}  {text}", text)

    def _advance(self, done: int, line: str, text: str) -> None:
        self._pulse.doing = line
        if self._bar is not None:
            self._bar.show(done, text)
        elif self._total > 1 and (done in (1, self._total) or self._due(done)):
            self.say(line)

    def _due(self, done: int) -> bool:
        """Every tenth of the way, or after ten silent seconds."""
        if done % max(self._total // PLAIN_LINES, 1) and time.monotonic() - self._last < 10:
            return False
        self._last = time.monotonic()
        return True

    def end(self) -> None:
        if self._bar is not None:
            self._bar.end()
            self._bar = None
        if self._turning is not None:
            with self._turning.aside(hidden=False):
                pass


def number(value: float | None, digits: int = 5) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}"


def estimates_table(result: Result) -> TextTable:
    """Estimate, standard error, 95 % interval; and truth and relative error where the truth is known.

    Of many, those that single experiments have for themselves are only counted.
    """
    truth = result.truth or {}
    shown = _shown(result.estimates)
    known = [name for name in shown if name in truth]
    units = any(e.unit for e in shown.values())
    header = ["parameter", "estimate", "std. error", "95 % interval", *["truth", "error"] * bool(known)]
    right = frozenset(range(1, len(header)))
    header += [*["unit"] * units, ""]
    rows = []
    for name, e in shown.items():
        digits = _digits(e.value, e.standard_error)
        interval = f"{number(e.interval[0], digits)} … {number(e.interval[1], digits)}" if e.interval else "–"
        row = [
            name,
            number(e.value, digits),
            "fixed" if e.fixed else number(e.standard_error, 2),
            "" if e.fixed else interval,
        ]
        if known:
            row += [number(truth.get(name), digits), _error(e.value, truth.get(name))] if name in truth else ["", ""]
        if units:
            row.append(e.unit or "")
        row.append(_remark(e, result.original_name(name)))
        rows.append(row)
    if len(shown) < len(result.estimates):
        rows.append([f"and {len(result.estimates) - len(shown):,} more in parameters.csv"])
    return TextTable(header, rows, right, frozenset(range(len(right) + 1, len(header))))


def _shown(estimates: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """All where they are few, else without the `x_0[mug]` of which there are many."""
    own = [name for name in estimates if name.endswith("]")]
    return estimates if len(own) <= MOST_OWN else {n: e for n, e in estimates.items() if n not in own}


def plain_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[str] = (), broken: Collection[str] = ()
) -> TextTable:
    """Cells of text in columns, numbers to the right.

    words: columns that are no numbers, beside the first and the last. broken: those whose cells may take several lines
    where a terminal is narrow; by default the last.
    """
    last = len(header) - 1
    cells = [[str(cell) for cell in row] for row in rows]
    right = (k for k in range(1, last) if header[k] not in words)
    several = frozenset(k for k, name in enumerate(header) if name in broken)
    return TextTable(header, cells, frozenset(right), several or frozenset([last]))


def _remark(e: Estimate, original: str | None) -> str:
    if e.formula is not None:
        said = f"= {e.formula}"
    else:
        said = f"at its {e.at_bound} bound" if e.at_bound else "not determined" if e.reason else ""
    return said if original is None else f"{said}{said and '; '}originally {original}"


def _digits(value: float | None, error: float | None) -> int:
    """Enough digits to show two of the standard error."""
    if not value or not error:
        return 5
    return min(max(5, math.ceil(math.log10(abs(value / error))) + 2), 12)


def _error(value: float | None, truth: float | None) -> str:
    if value is None or truth is None:
        return "–"
    if truth == 0:
        return number(value - truth, 2)
    return f"{(value - truth) / abs(truth):+.2%}"


def summary_line(result: Result) -> str:
    """The objective in one line."""
    o = result.objective
    parts = [f"{o.n_observations} measurements", f"{o.n_estimated} estimated"]
    if o.rss is not None:
        parts.append(f"sum of squared residuals {number(o.rss, 5)}")
    if result.residual_standard_error is not None:
        parts.append(f"s {number(result.residual_standard_error, 5)}")
    if o.nll is not None:
        parts.append(f"-log likelihood {number(o.nll, 7)}")
    if o.aicc is not None:
        parts.append(f"AICc {number(o.aicc, 6)}")
    return ", ".join(parts)


def result_lines(result: Result) -> Iterator[str | TextTable]:
    """All that is said of a result: how it ended, the estimates, how well it fits, and what to beware of."""
    yield from (f"{result.status}: {result.message}", "", estimates_table(result), "", summary_line(result))
    yield from result.notes
    yield from score_lines(result)
    yield from (f"warning: {warning}" for warning in result.warnings)


def score_lines(result: Result) -> list[str]:
    """How well measurements are predicted that the fit did not see: hold-out, cross-validation, series set aside."""
    scores = [("held out", result.hold_out), ("cross-validation", result.cross_validation)]
    scores += [(f"series set aside, {part}", score) for part, score in (result.validation or {}).items()]
    return [f"{what}: {_score(score)}" for what, score in scores if score is not None]


def _score(score: Score) -> str:
    parts = [f"{score.n_observations} measurements"]
    if score.nll_per_observation is None:
        parts.append("impossible under the fitted model")
    else:
        parts.append(f"-log likelihood of each {number(score.nll_per_observation, 4)}")
    parts += [f"rmse of {name} {number(value, 4)}" for name, value in score.rmse.items() if value is not None]
    return ", ".join(parts)
