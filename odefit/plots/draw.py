"""The pictures of a run: `figure` makes one, `draw` writes them as files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from matplotlib.figure import Figure

from odefit.data.atomic_files import atomic_write
from odefit.errors import Faults, OdefitError, RunError
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.curves import Trace, trace
from odefit.plots.filenames import file_stem
from odefit.plots.history import draw_history
from odefit.plots.network import draw_network, terms
from odefit.plots.panels import MAX_PANELS
from odefit.plots.phase import draw_phase
from odefit.plots.potential import draw_potential, potential_of
from odefit.plots.residuals import draw_residuals
from odefit.plots.run_tables import read_rows
from odefit.plots.selection import Selection, select
from odefit.plots.series import draw_series
from odefit.plots.waterfall import draw_waterfall
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.text import clip, suggest

if TYPE_CHECKING:
    from odefit.latent.latent_run import LatentRun
    from odefit.plots.latent_series import LatentPictures

log = logging.getLogger(__name__)


class Pictures:
    """What the pictures of one call share: the selection, and the curves, solved once."""

    def __init__(self, run: Run, selection: Selection) -> None:
        self.run, self.selection = run, selection

    @property
    def kinds(self) -> Mapping[str, Callable[[], Figure]]:
        """Each with what draws it."""
        run, selection = self.run, self.selection
        return {
            "time_series": lambda: draw_series(run, selection, self.traces),
            "phase_plane": lambda: draw_phase(run, selection, self.traces),
            "history": lambda: draw_history(run),
            "residuals": lambda: draw_residuals(run, selection),
            "waterfall": lambda: draw_waterfall(run),
            "network": lambda: draw_network(run, selection),
            "potential": lambda: draw_potential(run, selection),
        }

    @property
    def traces(self) -> list[Trace]:
        if isinstance(self._solved, OdefitError):
            raise self._solved
        return self._solved

    @cached_property
    def _solved(self) -> list[Trace] | OdefitError:
        """What cannot be solved for one picture is not tried again for the next."""
        chosen = self.selection
        banded = [q.state for q in chosen.series if q.observable is None and q.state is not None]
        try:
            return trace(self.run, chosen.groups[:MAX_PANELS], chosen.limits, banded)
        except OdefitError as error:
            return error

    def lacking(self, kind: str) -> str:
        """Why there is nothing to draw; empty where there is."""
        run, selection = self.run, self.selection
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


def _pictures(
    run: Run | LatentRun,
    states: Sequence[str] | None,
    experiments: Sequence[str] | None,
    time_range: tuple[float, float] | None,
    faults: Faults,
) -> Pictures | LatentPictures:
    if isinstance(run, Run):
        return Pictures(run, select(run, states, experiments, time_range, faults))
    from odefit.plots.latent_series import LatentPictures

    return LatentPictures(run, states, experiments, time_range, faults)


def figure(
    run: Run | LatentRun,
    kind: str,
    *,
    time_range: tuple[float, float] | None = None,
    states: Sequence[str] | None = None,
    experiments: Sequence[str] | None = None,
) -> Figure:
    """Make one picture of a run, and write nothing.

    Parameters
    ----------
    run
        The run, as `fit` or `load_run` returns it.
    kind
        `time_series`, `phase_plane` and so on: see `draw`.
    time_range
        Solve the model over this span, in the unit of the data's times; default: that of the data.
    states
        Names of the states or observables that are shown; default: all that are observed.
    experiments
        Names of the experiments that are shown; default: all.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it; pyplot does not know it, so there is nothing to close.

    Raises
    ------
    ConfigError
        A name or kind does not exist, or the run has nothing to show for this kind.
    RunError
        The run folder is damaged.
    SolveError
        The fitted model cannot be solved over the span.
    """
    faults = Faults()
    pictures = _pictures(run, states, experiments, time_range, faults)
    _check_kinds([kind], pictures.kinds, "kind", faults)
    faults.check()
    if reason := pictures.lacking(kind):
        faults.add(kind, reason)
    faults.check()
    with style.styled():
        return pictures.kinds[kind]()


def _check_kinds(kinds: Sequence[str], known: Mapping[str, object], where: str, faults: Faults) -> None:
    for kind in kinds:
        if kind not in known:
            faults.add(where, f"'{clip(kind)}' is no kind of picture of this run; {suggest(kind, known)}")


def draw(
    run: Run | LatentRun,
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
    learnt), `potential` (of a model of that family with two states); of a latent ODE `time_series`, `phase_plane`,
    `history` and `interpolation` (between two series); default: all that the run has something to show for.
    out: a folder (default: `plots` in the run folder), or, for one kind, a file that ends in .png, .svg or .pdf,
    whose format is then that. time_range: the model is solved over this span, and the part beyond the data is
    shaded; not in residuals, history and the like. states: names of states or observables; the phase plane takes the
    first two or three. experiments: by name.

    A file's name tells what was chosen (`time_series_0_60.png`), so that the run's own pictures stay. The same run
    gives the same bytes. Raises ConfigError for names that do not exist, and, when all else is drawn, RunError for a
    damaged run folder or a file that cannot be written. Any other picture of the default that cannot be drawn, as where
    the model cannot be solved over the span, is a warning in the log; the error itself is raised where there was no
    other, or the picture was asked for by `kinds`.
    """
    faults = Faults()
    pictures = _pictures(run, states, experiments, time_range, faults)
    known = pictures.kinds
    chosen = list(dict.fromkeys(kinds)) if kinds is not None else list(known)
    if not chosen:
        faults.add("kinds", "names nothing; leave it out to have all")
    _check_kinds(chosen, known, "kinds", faults)
    if format not in get_args(style.Format):
        faults.add("format", f"'{clip(format)}' is no format; {suggest(format, get_args(style.Format))}")
    faults.check()
    why = {kind: _lacking(pictures, kind) for kind in chosen}
    if kinds is not None:
        for kind, reason in why.items():
            if reason:
                faults.add(kind, reason)
    chosen = [kind for kind in chosen if not why[kind]]
    stems = {kind: file_stem(kind, time_range, states, experiments) for kind in chosen}
    targets, format = _targets(run, stems, out, format, faults)
    faults.check()
    failures = _write(known, targets, format)
    for failure in failures.values():
        if kinds is not None or isinstance(failure, RunError) or len(failures) == len(targets):
            raise failure
    for kind, failure in failures.items():
        log.warning("warning: no %s: %s", kind, failure)
    return [target for kind, target in targets.items() if kind not in failures]


def _write(
    known: Mapping[str, Callable[[], Figure]], targets: Mapping[str, Path], format: style.Format
) -> dict[str, OdefitError]:
    """Draw and write each picture that can be drawn; what was wrong with the others."""
    failures: dict[str, OdefitError] = {}
    with style.styled():
        for kind, target in targets.items():
            try:
                write_picture(target, style.render(known[kind](), format))
            except OdefitError as error:
                failures[kind] = error
    return failures


def _lacking(pictures: Pictures | LatentPictures, kind: str) -> str:
    """Why there is nothing to draw. A damaged table is told of when the others are drawn."""
    try:
        return pictures.lacking(kind)
    except RunError:
        return ""


def _targets(
    run: StoredRun, stems: Mapping[str, str], out: Path | None, format: style.Format, faults: Faults
) -> tuple[dict[str, Path], style.Format]:
    """kind -> file, and the format."""
    folder = run.path / "plots" if out is None else Path(out)
    suffix: Any = folder.suffix.lower().removeprefix(".")
    if out is None or folder.is_dir() or suffix not in get_args(style.Format):
        return {kind: folder / f"{stem}.{format}" for kind, stem in stems.items()}, format
    if len(stems) != 1:
        faults.add("out", f"{folder.name} is one file, and there are {len(stems)} pictures; name a folder, or one kind")
    return dict.fromkeys(stems, folder), suffix


def write_picture(path: Path, data: bytes) -> None:
    """Whole or not at all, its folder made where it is missing. Raises RunError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data)
    except OSError as error:
        raise RunError(str(path), f"cannot be written: {files.reason(error)}; choose another place") from None
