"""What runs there are below a folder: how each ended, its criteria and its age, without solving anything."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.arguments import checked
from odefit.arguments import path as a_path
from odefit.data.source_files import reason
from odefit.errors import RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.lock import is_held
from odefit.runs.replacement import STAGED
from odefit.runs.results import Result
from odefit.runs.stored import read_result, result_folder
from odefit.text import suggest

if TYPE_CHECKING:
    import pandas as pd

DEEPEST = 6
"""Levels of folders below the one that is looked at."""
MOST_FOLDERS = 20_000
RUNNING, UNFINISHED, DAMAGED, PART = "running", "unfinished", "damaged", "part"
"""What a folder may be beside the status of its fit: one writes there now; one was killed there; its files are not a
run's; it holds a part of a run, for `odefit merge`."""
LATER = {
    "profiles": files.PROFILE_VERDICTS,
    "bootstrap": files.BOOTSTRAP_SUMMARY,
    "posterior": files.POSTERIOR_SUMMARY,
    "symbols": files.SYMBOLS_SUMMARY,
    "report": files.REPORT,
    STAGED: STAGED,
}
"""What later questions leave in a run folder."""
GROWING = (files.PART, files.CHECKPOINT, files.LOG, *files.ASKED)
"""What is written on the way of a fit, or of a later question."""
MEASURED = ("which experiments there are", "the measurements")
"""The digests of `fingerprint.identity_of` that two fits have in common where their likelihoods can be compared."""
ORDERS = ("age", "name", "status", "nll", "aic", "aicc", "bic")


@dataclass(frozen=True)
class Listed:
    """One run folder.

    Attributes
    ----------
    path
        The folder, as it would be named in a command.
    status
        That of its result, or `running`, `unfinished`, `damaged` or `part`.
    written
        When its result was written; of one that is running or unfinished, when it last said or kept something.
    result
        What the fit found; None where there is none yet.
    data
        A letter that runs of the same measurements share: only their criteria can be compared. None where it is not
        known.
    later
        What is there beside the fit: profiles, bootstrap, posterior, symbols, report, and `next-result` where another
        fit with --overwrite is running or has come to no end.
    fault
        What is wrong with a damaged one.
    """

    path: Path
    status: str
    written: datetime.datetime
    result: Result | None = None
    data: str | None = None
    later: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """As a row of a table, or an object of JSON."""
        objective = None if self.result is None else self.result.objective
        return {
            "run": str(self.path),
            "status": self.status,
            "data": self.data,
            "observations": None if objective is None else objective.n_observations,
            "estimated": None if objective is None else objective.n_estimated,
            "nll": None if objective is None else objective.nll,
            "aic": None if objective is None else objective.aic,
            "aicc": None if objective is None else objective.aicc,
            "bic": None if objective is None else objective.bic,
            "method": None if self.result is None else self.result.method,
            "warnings": None if self.result is None else len(self.result.warnings),
            "seconds": None if self.result is None else self.result.seconds,
            "written": self.written.isoformat(timespec="seconds"),
            "later": list(self.later),
            "fault": self.fault,
        }


@checked(folder=a_path)
def list_runs(folder: Path | str = "runs", *, by: str = "age") -> pd.DataFrame:
    """List the runs below a folder.

    Parameters
    ----------
    folder
        Where to look, at most six levels deep; a run folder itself is listed alone.
    by
        `age` (the newest first), `name`, `status`, `nll`, `aic`, `aicc` or `bic` (the smallest first, by the data).

    Returns
    -------
    pandas.DataFrame
        A row for each run folder: run, status, data (a letter that runs of the same measurements share), observations,
        estimated, nll, aic, aicc, bic, method, warnings, seconds (of fitting), written, later (profiles, bootstrap,
        posterior, report), fault (of a damaged one).

    Raises
    ------
    RunError
        The folder does not exist, or cannot be read.
    ValueError
        An unknown order.

    Examples
    --------
    >>> import odefit, tempfile
    >>> config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    >>> data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = odefit.fit(config, data=data, out=f"{folder}/decay")
    ...     odefit.list_runs(folder)[["status", "data", "estimated"]].values.tolist()
    [['converged', 'A', 3]]
    """
    import pandas as pd

    found = listed(Path(folder), by)
    columns = list(Listed(Path(), "", datetime.datetime.now(datetime.UTC)).row)
    return pd.DataFrame([one.row for one in found], columns=columns)


def listed(folder: Path, by: str = "age") -> list[Listed]:
    """The runs below a folder, in order. Raises RunError, or ValueError of an unknown order."""
    if by not in ORDERS:
        raise ValueError(f"by: unknown order '{by}': {suggest(by, ORDERS)}")
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise RunError(str(folder), f"{what}; name the folder below which the runs are")
    letters: dict[str, str] = {}
    found = [_looked_at(path, letters) for path in _run_folders(folder)]
    return sorted(found, key=lambda one: _order(one, by))


def _order(one: Listed, by: str) -> tuple[Any, ...]:
    if by in ("nll", "aic", "aicc", "bic"):
        value = one.row[by]
        return (one.data or "~", value is None, value or 0.0, str(one.path))
    if by == "age":
        return (-one.written.timestamp(), str(one.path))
    return (one.status, str(one.path)) if by == "status" else (str(one.path),)


def _run_folders(folder: Path) -> Iterator[Path]:
    """Every run folder, none inside of another, and none behind a link. Raises RunError."""
    looked, waiting = 0, [(folder, 0)]
    while waiting:
        path, depth = waiting.pop()
        looked += 1
        if looked > MOST_FOLDERS:
            raise RunError(str(folder), f"has more than {MOST_FOLDERS:,} folders below it; name one nearer to the runs")
        if _is_run(path):
            yield path
        elif depth < DEEPEST:
            try:
                with os.scandir(path) as entries:
                    inner = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
            except OSError as error:
                if path == folder:
                    raise RunError(str(folder), f"cannot be read: {reason(error)}") from None
                continue  # somebody else's
            waiting += [(path / name, depth + 1) for name in sorted(inner, reverse=True)]


def _is_run(path: Path) -> bool:
    return any(
        (path / name).is_file() for name in (files.RESULT, files.PART, files.LOG, files.CHECKPOINT, files.PREVIOUS)
    )


def _looked_at(path: Path, letters: dict[str, str]) -> Listed:
    """letters: by the fingerprint of the measurements; grows."""
    try:
        home = result_folder(path)
        running = is_held(path)
        known = (home / files.RESULT).exists()
        names = (files.RESULT,) if known and not running else GROWING
        written = _written((home, path / STAGED) if running else (home,), names)
        if not known:
            status = RUNNING if running else PART if (home / files.PART).exists() else UNFINISHED
            return Listed(path, status, written)
        result = read_result(home)
        later = tuple(name for name, file in LATER.items() if (home / file).exists())
        data = _letter(home, letters)
        status = RUNNING if running else str(result.status)
        return Listed(path, status, written, result, data, later)
    except RunError as error:
        return Listed(path, DAMAGED, _written((path,), (files.RESULT, files.LOG)), fault=str(error.faults[0]))


def _letter(path: Path, letters: dict[str, str]) -> str | None:
    """A letter for the measurements of a run; None where nothing is known of them."""
    with suppress(RunError, KeyError, TypeError, AttributeError):
        digests: Mapping[str, str] = files.read_json(path, files.IDENTITY)["data"]
        key = " ".join(str(digests[kind]) for kind in MEASURED)
        return letters.setdefault(key, _name(len(letters)))
    return None


def _name(number: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _written(folders: Sequence[Path], names: Sequence[str]) -> datetime.datetime:
    """When one of the files, or else the first folder, was last written."""
    times = []
    for path in (folder / name for folder in folders for name in names):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    with suppress(OSError):
        times = times or [folders[0].stat().st_mtime]
    return datetime.datetime.fromtimestamp(max(times, default=0.0), datetime.UTC)
