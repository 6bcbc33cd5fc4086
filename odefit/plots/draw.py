"""The pictures of a run: `figure` makes one, `draw` writes them as files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, get_args

from matplotlib.figure import Figure

from odefit.data.outputs import write_file
from odefit.errors import Faults, OdefitError, RunError
from odefit.plots import style
from odefit.plots.filenames import file_stem
from odefit.plots.kinds import PictureKind
from odefit.plots.selection import Choice
from odefit.runs.stored import StoredRun
from odefit.text import clip, suggest

log = logging.getLogger(__name__)


class Pictures(Protocol):
    """What the pictures of one call share: the run, what is shown of it, and what is solved once for all."""

    @property
    def run(self) -> StoredRun: ...

    @property
    def choice(self) -> Choice: ...

    @property
    def kinds(self) -> Mapping[str, PictureKind]: ...


PicturesOf = Callable[[Any, Choice, Faults], Pictures]
"""Binds a choice to a run; what is wrong with it goes to the faults."""


def figure(pictures_of: PicturesOf, run: StoredRun, choice: Choice, kind: str) -> Figure:
    """Make one picture of a run, and write nothing.

    Parameters
    ----------
    pictures_of
        Binds the choice to this sort of run.
    run
        The run.
    choice
        What is shown.
    kind
        Which picture.

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
    pictures = pictures_of(run, choice, faults)
    _check_kinds([kind], pictures.kinds, "kind", faults)
    faults.check()
    if reason := _lacking(pictures, kind):
        faults.add(kind, reason)
    faults.check()
    with style.styled():
        return _made(pictures, kind)


def draw(
    pictures_of: PicturesOf,
    run: StoredRun,
    choice: Choice,
    kinds: Sequence[str] | None = None,
    out: Path | None = None,
    format: style.Format = "png",
    after_fit: bool = False,
) -> list[Path]:
    """Draw a run's pictures and write them.

    A file's name tells what was chosen (`time_series_0_60.png`), so that the run's own pictures stay. The same run
    gives the same bytes.

    Parameters
    ----------
    pictures_of
        Binds the choice to this sort of run.
    run
        The run.
    choice
        What is shown.
    kinds
        Which pictures; default: all that the run has something to show for and that say something.
    out
        A folder (default: `plots` in the run folder), or, for one kind, a file that ends in .png, .svg or .pdf, whose
        format is then that.
    format
        Of the files.
    after_fit
        Only those that every fit draws at its end, where `kinds` names none.

    Returns
    -------
    list of Path
        The files, in the order of `kinds`.

    Raises
    ------
    ConfigError
        Names that do not exist, all at once.
    RunError
        When all else is drawn: the run folder is damaged, or a file cannot be written.
    SolveError
        A picture that was asked for by `kinds` cannot be drawn, or none could. Any other picture of the default is a
        warning in the log.
    """
    faults = Faults()
    pictures = pictures_of(run, choice, faults)
    chosen = _chosen(pictures, kinds, format, faults, after_fit)
    stems = {kind: file_stem(kind, pictures.kinds[kind].by, choice) for kind in chosen}
    targets, format = _targets(run, stems, out, format, faults)
    faults.check()
    failures = _write(pictures, targets, format)
    for failure in failures.values():
        if kinds is not None or isinstance(failure, RunError) or len(failures) == len(targets):
            raise failure
    for kind, failure in failures.items():
        log.warning("warning: no %s: %s", kind, failure)
    return [target for kind, target in targets.items() if kind not in failures]


def _chosen(pictures: Pictures, kinds: Sequence[str] | None, format: str, faults: Faults, after_fit: bool) -> list[str]:
    """The kinds that are drawn: of all, those that have something to show. Raises ConfigError for wrong names."""
    all_kinds = [kind for kind, of in pictures.kinds.items() if of.after_fit or not after_fit]
    chosen = list(dict.fromkeys(kinds)) if kinds is not None else all_kinds
    if not chosen:
        faults.add("kinds", "names nothing; leave it out to have all")
    _check_kinds(chosen, pictures.kinds, "kinds", faults)
    if format not in get_args(style.Format):
        faults.add("format", f"'{clip(format)}' is no format; {suggest(format, get_args(style.Format))}")
    faults.check()
    why = {kind: _lacking(pictures, kind) for kind in chosen}
    if kinds is not None:
        for kind, reason in why.items():
            if reason:
                faults.add(kind, reason)
    return [kind for kind in chosen if not why[kind] and (kinds is not None or _says_something(pictures, kind))]


def _says_something(pictures: Pictures, kind: str) -> bool:
    """Whether it is worth drawing where nobody asked for it."""
    dull = getattr(_module(pictures, kind), "dull", None)
    return dull is None or not dull(pictures, *_entry(pictures, kind))


def _check_kinds(kinds: Sequence[str], known: Mapping[str, object], where: str, faults: Faults) -> None:
    for kind in kinds:
        if kind not in known:
            faults.add(where, f"'{clip(kind)}' is no kind of picture of this run; {suggest(kind, known)}")


def _module(pictures: Pictures, kind: str) -> Any:
    """The file that draws it."""
    return import_module(f"odefit.plots.{pictures.kinds[kind].module}")


def _entry(pictures: Pictures, kind: str) -> tuple[str, ...]:
    """The name in the config of a picture that it asks for."""
    entry = pictures.kinds[kind].entry
    return (entry,) if entry else ()


def _made(pictures: Pictures, kind: str) -> Figure:
    made: Figure = _module(pictures, kind).draw(pictures, *_entry(pictures, kind))
    return made


def _write(pictures: Pictures, targets: Mapping[str, Path], format: style.Format) -> dict[str, OdefitError]:
    """Draw and write each picture that can be drawn; what was wrong with the others."""
    failures: dict[str, OdefitError] = {}
    with style.styled(style.DOTS):
        for kind, target in targets.items():
            try:
                write_picture(target, style.render(_made(pictures, kind), format))
            except OdefitError as error:
                failures[kind] = error
    return failures


def _lacking(pictures: Pictures, kind: str) -> str:
    """Why there is nothing to draw. A damaged table is told of when the others are drawn."""
    try:
        reason: str = _module(pictures, kind).lacking(pictures, *_entry(pictures, kind))
    except RunError:
        return ""
    return reason


def _targets(
    run: StoredRun, stems: Mapping[str, str], out: Path | None, format: style.Format, faults: Faults
) -> tuple[dict[str, Path], style.Format]:
    """kind -> file, and the format."""
    folder = run.pictures_folder if out is None else Path(out)
    suffix: Any = folder.suffix.lower().removeprefix(".")
    if out is None or folder.is_dir() or suffix not in get_args(style.Format):
        return {kind: folder / f"{stem}.{format}" for kind, stem in stems.items()}, format
    if len(stems) != 1:
        faults.add("out", f"{folder.name} is one file, and there are {len(stems)} pictures; name a folder, or one kind")
    return dict.fromkeys(stems, folder), suffix


def write_picture(path: Path, data: bytes) -> None:
    """Whole or not at all, its folder made where it is missing. Raises RunError."""
    write_file(path, data)
