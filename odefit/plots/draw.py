"""`draw`: the pictures of a run, as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from matplotlib.figure import Figure

from odefit.data.faults import clip, suggest
from odefit.data.files import atomic_write
from odefit.errors import Faults, RunError
from odefit.plots import style
from odefit.plots.curves import Trace, trace
from odefit.plots.history import draw_history
from odefit.plots.network import draw_network, terms
from odefit.plots.panels import MAX_PANELS
from odefit.plots.phase import draw_phase
from odefit.plots.potential import draw_potential, potential_of
from odefit.plots.residuals import draw_residuals
from odefit.plots.selection import Selection, select
from odefit.plots.series import draw_series
from odefit.plots.tables import read_rows
from odefit.plots.waterfall import draw_waterfall
from odefit.runs import folder as files
from odefit.runs.run import Run


class Pictures:
    """What the pictures of one call share: the selection, and the curves, solved once."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self.run, self.selection = run, selection

    @cached_property
    def traces(self) -> list[Trace]:
        return trace(self.run, self.selection.groups[:MAX_PANELS], self.selection.limits)

    def time_series(self) -> Figure:
        return draw_series(self.run, self.selection, self.traces)

    def phase_plane(self) -> Figure:
        return draw_phase(self.run, self.selection, self.traces)

    def history(self) -> Figure:
        return draw_history(self.run)

    def residuals(self) -> Figure:
        return draw_residuals(self.run, self.selection)

    def waterfall(self) -> Figure:
        return draw_waterfall(self.run)

    def network(self) -> Figure:
        return draw_network(self.run, self.selection)

    def potential(self) -> Figure:
        return draw_potential(self.run, self.selection)


KINDS: dict[str, Callable[[Pictures], Figure]] = {
    "time_series": Pictures.time_series,
    "phase_plane": Pictures.phase_plane,
    "history": Pictures.history,
    "residuals": Pictures.residuals,
    "waterfall": Pictures.waterfall,
    "network": Pictures.network,
    "potential": Pictures.potential,
}


def draw(
    run: Run,
    *,
    kinds: Sequence[str] | None = None,
    out: Path | None = None,
    format: style.Format = "png",
    time_range: tuple[float, float] | None = None,
    states: Sequence[str] | None = None,
    experiments: Sequence[str] | None = None,
) -> list[Path]:
    """Draw a run's pictures and return the files, in the order of `kinds`.

    kinds: `time_series`, `phase_plane`, `history`, `residuals`, `waterfall`, `network` (the terms that networks have
    learnt), `potential` (of a model of that family with two states); default: all that the run has something to show
    for. out: a folder (default: `plots` in the run folder), or, for one kind, a file that ends in .png, .svg or .pdf,
    whose format is then that. time_range: the model is solved over this span, and the part beyond the data is
    shaded; time series and phase plane only. states: names of states or observables; the phase plane takes the first
    two or three. experiments: by name.

    The same run gives the same bytes. Raises ConfigError for names that do not exist, RunError for a damaged
    run folder or a file that cannot be written, SolveError where the model cannot be solved over the span.
    """
    faults = Faults()
    selection = select(run, states, experiments, time_range, faults)
    chosen = list(dict.fromkeys(kinds)) if kinds is not None else list(KINDS)
    if not chosen:
        faults.add("kinds", "names nothing; leave it out to have all")
    for kind in chosen:
        if kind not in KINDS:
            faults.add("kinds", f"'{clip(kind)}' is no kind of picture; {suggest(kind, KINDS)}")
    if format not in get_args(style.Format):
        faults.add("format", f"'{clip(format)}' is no format; {suggest(format, get_args(style.Format))}")
    faults.check()
    why = {kind: _lacking(run, selection, kind) for kind in chosen}
    if kinds is not None:
        for kind, reason in why.items():
            if reason:
                faults.add(kind, reason)
    chosen = [kind for kind in chosen if not why[kind]]
    targets, format = _targets(run, chosen, out, format, faults)
    faults.check()
    pictures = Pictures(run, selection)
    with style.styled():
        for kind, target in targets.items():
            write_picture(target, style.render(KINDS[kind](pictures), format))
    return list(targets.values())


def _lacking(run: Run, selection: Selection, kind: str) -> str:
    """Why there is nothing to draw; empty where there is."""
    if kind == "phase_plane" and len(selection.plane) < 2:
        return "needs two states; this shows one"
    if kind == "residuals" and not selection.residuals:
        return "needs an observable; none of these states is measured"
    if kind == "history" and ((rows := read_rows(run, files.HISTORY)) is None or len(rows) < 2):
        return "the run has no history of more than one step"
    if kind == "waterfall" and ((rows := read_rows(run, files.STARTS)) is None or len(rows) < 2):
        return "the run has a single start; set fit.starts to have several"
    if kind == "network" and not terms(run):
        return "the run has no term of one or two variables that calls a network"
    if kind == "potential" and potential_of(run) is None:
        return "the model is no `potential` of two states"
    return ""


def _targets(
    run: Run, kinds: Sequence[str], out: Path | None, format: style.Format, faults: Faults
) -> tuple[dict[str, Path], style.Format]:
    """kind -> file, and the format."""
    folder = run.path / "plots" if out is None else Path(out)
    suffix: Any = folder.suffix.lower().removeprefix(".")
    if out is None or folder.is_dir() or suffix not in get_args(style.Format):
        return {kind: folder / f"{kind}.{format}" for kind in kinds}, format
    if len(kinds) != 1:
        faults.add("out", f"{folder.name} is one file, and there are {len(kinds)} pictures; name a folder, or one kind")
    return dict.fromkeys(kinds, folder), suffix


def write_picture(path: Path, data: bytes) -> None:
    """Whole or not at all, its folder made where it is missing. Raises RunError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data)
    except OSError as error:
        raise RunError(str(path), f"cannot be written: {files.reason(error)}; choose another place") from None
