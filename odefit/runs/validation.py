"""What is asked of a run folder before it is believed, for it may come from a stranger.

Reading it must touch nothing outside of it, and what it says must be what a fit could have said: `load_run` checks that
here, so that whatever works with a `Run` need not.
"""

from __future__ import annotations

import datetime
import math
import os
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.config.named_files import is_pattern, named_files
from odefit.data.source_files import reason
from odefit.errors import RunError
from odefit.objective.parameters import Parameter, ParameterTable
from odefit.runs import folder as files
from odefit.runs.results import SCHEMA_VERSION, Dates, Estimate, Result, Score
from odefit.status import Status
from odefit.text import clip

MAX_ENTRIES = 10_000
LIMITS = {files.RESULT: 100, files.HISTORY: 500, files.STARTS: 500, files.FRAMES: 500, files.COVARIANCE: 500}
"""Megabytes; config.yaml and the measurements have limits of their own."""
ROUNDING = 1e-6
"""An estimate at a bound may lie this share beyond it, where it went through a logarithm and back."""
DAMAGED = "is damaged or was changed by hand"


def check_folder(path: Path) -> None:
    """Nothing in the folder leads out of it, or is anything but a file of a reasonable size. Raises RunError."""
    home = Path(os.path.realpath(path))
    try:
        for entry in _entries(path):
            _check_link(entry, home)
            _check_entry(entry)
    except FileNotFoundError:
        return  # what is missing is told by whoever needs it
    except OSError as error:
        raise RunError(str(path), f"cannot be read: {reason(error)}") from None


def check_before_writing(path: Path) -> None:
    """What a fit would write into the folder goes nowhere else, and its names are those of files. Raises RunError."""
    home = Path(os.path.realpath(path))
    for folder in (path, path / files.PLOTS):
        if not folder.is_dir():
            continue
        with os.scandir(folder) as found:
            for entry in found:
                _check_link(entry, home)
                if entry.name in files.FILES and folder == path and not entry.is_file():
                    raise RunError(entry.path, "is no file; no fit wrote that, so move it away")
    if (path / files.PLOTS).exists() and not (path / files.PLOTS).is_dir():
        raise RunError(str(path / files.PLOTS), "is a file where the pictures' folder should be; move it away")


def _check_link(entry: os.DirEntry[str], home: Path) -> None:
    if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(home):
        raise RunError(entry.path, "is a link that leads out of the run folder; put the file itself there")


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in the folder and in its pictures' folder."""
    for folder in (path, path / files.PLOTS):
        if not folder.is_dir():
            continue
        with os.scandir(folder) as found:
            entries = list(islice(found, MAX_ENTRIES + 1))
        if len(entries) > MAX_ENTRIES:
            raise RunError(str(folder), f"holds more than {MAX_ENTRIES} files, and so is no run folder")
        yield from entries


def _check_entry(entry: os.DirEntry[str]) -> None:
    try:
        found = entry.stat()
    except FileNotFoundError:  # a link to nothing; whoever writes there would make the file that it names
        raise RunError(entry.path, "is a link that leads nowhere; remove it") from None
    if stat.S_ISDIR(found.st_mode):
        return
    if not stat.S_ISREG(found.st_mode):
        raise RunError(entry.path, "is not a regular file; no fit wrote that")
    if found.st_size > LIMITS.get(entry.name, math.inf) * 1_000_000:
        raise RunError(entry.path, f"has {found.st_size / 1e6:.0f} MB, and {LIMITS[entry.name]} are the limit")


def check_config(loaded: LoadedConfig) -> None:
    """The config of a run names files of the run only. Raises RunError."""
    home = Path(os.path.realpath(loaded.folder))
    for _, name in named_files(loaded.config):
        try:
            one = not is_pattern(name, loaded.folder)
            inside = one and Path(os.path.realpath(loaded.folder / name)).parent == home
        except (OSError, ValueError):  # a NUL in the name
            inside = False
        if not inside:
            raise RunError(str(loaded.path), f"names '{clip(name, 100)}', which is no file of this run folder")


def check_result(result: Result, path: Path) -> None:
    """The values are of the kinds that `results.Result` promises. Raises RunError."""
    place = str(path / files.RESULT)
    version = result.schema_version
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION:
        raise RunError(place, f"was written by a newer odefit (schema {version}); update this one")
    wrong = next(_wrong(result), None)
    if wrong is not None:
        raise RunError(place, f"{DAMAGED}: {clip(wrong, 200)}; fit again")


def _wrong(result: Result) -> Iterator[str]:
    yield from _not(isinstance(result.schema_version, int), "schema_version is no whole number")
    yield from _not(isinstance(result.status, Status), "an unknown status")
    yield from _not(all(isinstance(x, str) for x in (result.message, result.method)), "a message is no text")
    names = result.original_names
    yield from _not(isinstance(names, dict), "original_names is no mapping")
    told = (*result.warnings, *result.notes, *result.held, *(names.values() if isinstance(names, dict) else ()))
    yield from _not(all(isinstance(x, str) for x in told), "a warning or a note is no text")
    kinds = (None, "expected", "observed", "sandwich", "penalised")
    yield from _not(result.information in kinds, "information is of no known kind")
    yield from _not(_is_number(result.seconds) and _is_count(result.seed), "seconds or seed are no numbers")
    for name, estimate in (*result.estimates.items(), *result.combinations.items()):
        yield from _not(_is_estimate(estimate), f"the estimate of {name} is none")
    summary = result.objective
    numbers = (
        summary.nll,
        summary.rss,
        summary.aic,
        summary.aicc,
        summary.bic,
        result.reduced_chi_square,
        result.residual_standard_error,
        result.left_to_gain,
    )
    yield from _not(all(x is None or _is_number(x) for x in numbers), "objective: a value is no number")
    counts = (summary.n_observations, summary.n_estimated, *vars(result.starts).values(), result.tolerances_divided_by)
    yield from _not(all(map(_is_count, counts)), "a count is no whole number")
    yield from _not(result.truth is None or _is_table(result.truth), "truth: a value is no number")
    rows = result.correlation
    good = rows is None or (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values()))
    yield from _not(good and all(map(_is_table, (rows or {}).values())), "correlation: a value is no number")
    yield from _not(result.dates is None or _are_dates(result.dates), "dates are none")
    for score in (result.hold_out, result.cross_validation, *(result.validation or {}).values()):
        yield from _not(score is None or _is_score(score), "a score is none")


def _not(good: bool, what: str) -> Iterable[str]:
    return () if good else (what,)


def _are_dates(dates: Dates) -> bool:
    zeros: list[Any] = [*dates.zero.values()] if isinstance(dates.zero, dict) else [dates.zero]
    try:
        known = all(datetime.datetime.fromisoformat(zero).tzinfo is None for zero in zeros)
    except (TypeError, ValueError):
        return False
    return known and _is_number(dates.seconds_per_unit) and dates.seconds_per_unit > 0


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number with hundreds of digits
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_estimate(e: Estimate) -> bool:
    numbers = (e.value, e.standard_error, *(e.interval or ()))
    texts = (e.unit, e.at_bound, e.reason, e.formula)
    return (
        all(x is None or _is_number(x) for x in numbers)
        and (e.interval is None or len(e.interval) == 2)
        and all(x is None or isinstance(x, str) for x in texts)
        and isinstance(e.scale, str)
        and isinstance(e.fixed, bool)
    )


def _is_score(score: Score) -> bool:
    numbers = (score.nll, score.nll_per_observation)
    return (
        _is_count(score.n_observations)
        and all(x is None or _is_number(x) for x in numbers)
        and isinstance(score.rmse, dict)
        and all(x is None or _is_number(x) for x in score.rmse.values())
    )


def check_estimates(table: ParameterTable, theta: FloatArray, path: Path) -> None:
    """Every estimate is one that a search within the bounds could have ended at. Raises RunError."""
    for parameter, value in zip(table, theta.tolist(), strict=True):
        if parameter.estimate and not math.isnan(value) and not _within(parameter, value):
            what = f"{DAMAGED}: {parameter.name} = {value:g} lies outside of its bounds"
            raise RunError(str(path / files.RESULT), f"{what}; fit again")


def _within(p: Parameter, value: float) -> bool:
    if p.scale == "log" and value <= 0:
        return False
    if p.scale == "logit":
        return p.lower <= value <= p.upper
    room = ROUNDING * abs(value)
    return p.lower - room <= value <= p.upper + room


def check_weights(path: Path) -> None:
    """An archive that holds as much as it weighs: `torch.save` does not compress. Raises RunError."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            honest = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise RunError(str(path), f"is no file of weights ({clip(str(error), 100)}); fit again") from None
    if not honest:
        raise RunError(str(path), "is compressed, which the weights of a fit are not; fit again")
