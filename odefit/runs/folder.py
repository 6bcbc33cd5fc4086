"""The run folder: all that a fit leaves behind, readable without odefit.

    config.yaml       the config as it was resolved; `odefit fit` runs it again
    data.csv          the measurements as they were fitted, wide layout
    experiments.csv, doses.csv, inputs.csv    the conditions, where there are any
    result.json       see `results.Result`
    parameters.csv    the table of estimates
    covariance.csv    of the estimates, on the natural scale
    predictions.csv   every measurement with its prediction
    expressions.csv   the values of the model's expressions at the same times, where it has any
    excluded.csv      the measurements that `data.exclude` leaves out, and why
    folds.csv         cross-validation, where `fit.folds` asks for it
    history.csv       how the fit went (Adam: per epoch)
    frames.csv        predicted curves on the way, where `fit.plot_every` asks for them
    weights.pt        network weights (torch, loaded with weights_only=True)
    network-NAME.yaml, network-NAME.h5, array-NAME.h5    the files that networks were read from
    plots/            pictures
    report.html, report.pdf    what `odefit report` wrote of it
    run.log           what happened when
    checkpoint.jsonl, checkpoint-previous.jsonl    what an unfinished fit has reached: see `checkpoint.py`
    identity.json     what it is the fit of, by which `--resume` knows it: see `fingerprint.py`
    start.json, start-weights.pt    what it began with, where that was an earlier result
    profiles.csv, profiles.json    what `odefit profile` has found: see `profiles/records.py`
    symbols.csv, .json, .yaml        what `odefit symbols` has found: see `symbolic/found.py`
    bootstrap.csv, bootstrap.json    what `odefit bootstrap` has found: see `resampling/storage.py`
    posterior.csv, posterior.json, posterior.arviz.json    what `odefit sample` has: see `sampling/storage.py`
    part.jsonl        of a part of a run, in place of all other results: see `parts.py`
    tracking.json     by what `fit.track`'s trackers know the run: see `tracking/`
    lock              while a fit writes: whose folder this is
    next-result/      while a fit writes that is to replace this one: see `replacement.py`

Every file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from typing import Any

import yaml

from odefit.config.load import LoadedConfig
from odefit.config.source import CONFIGS, MEASUREMENTS
from odefit.config.versions import newest_version
from odefit.data.atomic_files import atomic_write
from odefit.data.outputs import telling_storage
from odefit.data.source_files import reason
from odefit.errors import RunError
from odefit.runs.indented_json import indented_json
from odefit.runs.tables import csv_text

RESULT, CONFIG, DATA, WEIGHTS, COVARIANCE = (
    "result.json",
    "config.yaml",
    "data.csv",
    "weights.pt",
    "covariance.csv",
)
PARAMETERS, PREDICTIONS, HISTORY, FRAMES, STARTS = (
    "parameters.csv",
    "predictions.csv",
    "history.csv",
    "frames.csv",
    "starts.csv",
)
EXPERIMENTS, DOSES, INPUTS, FOLDS = "experiments.csv", "doses.csv", "inputs.csv", "folds.csv"
EXPRESSIONS, EXCLUDED = "expressions.csv", "excluded.csv"
LOG, CHECKPOINT, PREVIOUS = "run.log", "checkpoint.jsonl", "checkpoint-previous.jsonl"
PROFILES, PROFILE_VERDICTS = "profiles.csv", "profiles.json"
BOOTSTRAP, BOOTSTRAP_SUMMARY = "bootstrap.csv", "bootstrap.json"
POSTERIOR, POSTERIOR_SUMMARY, POSTERIOR_ARVIZ = "posterior.csv", "posterior.json", "posterior.arviz.json"
DISCOVERY = "discovery.json"
SYMBOLS, SYMBOLS_SUMMARY, SYMBOLS_CONFIG = "symbols.csv", "symbols.json", "symbols.yaml"
IDENTITY, START, START_WEIGHTS, TRACK = "identity.json", "start.json", "start-weights.pt", "tracking.json"
PART = "part.jsonl"
TABLES = (
    *(RESULT, CONFIG, DATA, WEIGHTS, COVARIANCE, PARAMETERS, PREDICTIONS, HISTORY, FRAMES, STARTS),
    *(EXPRESSIONS, EXCLUDED, EXPERIMENTS, DOSES, INPUTS, FOLDS, IDENTITY),
)
"""All that a fit writes at its end, result.json first."""
REPORT, REPORT_PDF = "report.html", "report.pdf"
ANSWERS = (
    *(PROFILES, PROFILE_VERDICTS, BOOTSTRAP, BOOTSTRAP_SUMMARY),
    *(POSTERIOR, POSTERIOR_SUMMARY, POSTERIOR_ARVIZ),
    *(SYMBOLS, SYMBOLS_SUMMARY, SYMBOLS_CONFIG),
)
ASKED = (*ANSWERS, REPORT, REPORT_PDF)
"""What later questions to a run leave in its folder: it is about this result, and goes with it."""
FILES = (*TABLES, PART, *ASKED, START, START_WEIGHTS, TRACK, LOG, CHECKPOINT, PREVIOUS)
"""All that a fit writes, and what goes with it."""
PLOTS = "plots"
_KINDS = (
    *("time_series", "overlay", "phase_plane", "history", "residuals", "observed", "parameters", "correlations"),
    *("waterfall", "network", "potential", "interpolation"),
    *("bootstrap", "corner", "trace", "profiles", "profile_paths"),
)
PICTURES = (*(f"{kind}.{form}" for kind in _KINDS for form in ("png", "svg", "pdf")), "animation.gif")
"""All that a fit draws; a picture of a chosen part is the user's."""


def write_text(folder: Path, name: str, text: str | bytes, named: bool = True) -> None:
    """One file of a run, whole or not at all. Raises StorageError. named: as of `atomic_write`."""
    with telling_storage(folder / name):
        atomic_write(folder / name, text, named=named)


def write_json(folder: Path, name: str, data: Mapping[str, Any], allow_nan: bool = False) -> None:
    """allow_nan: for files that odefit alone reads, such as those with infinite bounds of a config."""
    write_text(folder, name, indented_json(data, allow_nan) + "\n")


def write_csv(folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table, as `csv_text` writes it. Raises RunError."""
    write_text(folder, name, csv_text(header, rows))


def write_config(
    folder: Path, loaded: LoadedConfig, own: Mapping[str, Any], renamed: Mapping[tuple[str, ...], str] | None = None
) -> None:
    """The config as resolved, with the data that lie in the run folder itself; before `write_result`.

    own: what the data section says of the files of this folder (doses, inputs, the table of experiments).
    renamed: what other files are called here, by the keys of the config that name them.
    """
    config = {"version": newest_version()} | loaded.config.model_dump(mode="json", exclude_unset=True)
    config["version"] = newest_version()  # the older defaults of an older version are written out
    data = config["data"]
    if loaded.config.data.csv is not None:
        data = {"csv": DATA} | {key: data[key] for key in ("time", "start", "hold_out") if key in data}
    config["data"] = data | own
    for keys, name in (renamed or {}).items():
        _set(config, keys, name)
    note = f"# {loaded.path.name} as odefit resolved it\n"
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(config, Dumper=dumper, sort_keys=False, allow_unicode=True)
    write_text(folder, CONFIG, note + text, named=False)


def _set(config: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        config = config.setdefault(key, {})
    config[keys[-1]] = value


def is_begun(folder: Path) -> bool:
    """Whether a fit has begun in this folder."""
    return any((folder / name).exists() for name in (LOG, CHECKPOINT, PREVIOUS))


def run_in(folder: Path) -> Path:
    """The folder itself, or in that of a discovery the run of the equations that it found best."""
    if (folder / RESULT).exists() or not (folder / DISCOVERY).exists():
        return folder
    try:
        name = json.loads((folder / DISCOVERY).read_text(encoding="utf-8"))["candidates"][0]["candidate"]
        is_inside = Path(name).name == name  # it may be a stranger's
        return folder / name if is_inside and (folder / name / RESULT).exists() else folder
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return folder


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Raises RunError where the file is missing or damaged."""
    path = folder / name
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(str(folder), _no_run(folder, name)) from None
    except OSError as error:
        raise RunError(str(path), f"cannot be read: {reason(error)}") from None
    except ValueError:
        raise RunError(str(path), "is damaged: it is not valid JSON; fit again") from None
    if not isinstance(data, dict):
        raise RunError(str(path), "is damaged: a JSON object is expected; fit again")
    return data


def _no_run(folder: Path, name: str) -> str:
    """What somebody named who meant a run, and what to do; it has no file of this name."""
    if not folder.exists():
        return "does not exist: give the folder that `odefit fit` wrote; `odefit runs` lists them"
    if not folder.is_dir():
        return what_file(folder) or "is a file, and no run folder: give the folder that `odefit fit` wrote"
    if (folder / PART).exists():
        return "holds a part of a run: `odefit merge` with all its parts makes the run"
    if is_begun(folder):
        again = join(("odefit", "fit", "CONFIG", "--resume", "--out", str(folder)))
        return f"holds an unfinished fit: go on with `{again}`, and read it when it is done"
    inside = sorted(folder.glob(f"*/{RESULT}"))
    if inside:
        what = "holds several runs, and is none itself" if len(inside) > 1 else "holds a run, and is none itself"
        return f"{what}: give the folder of one, such as {inside[0].parent}"
    return f"is no run folder: it has no {name}; give the folder that `odefit fit` wrote"


def what_file(path: Path) -> str | None:
    """Which file somebody named who meant a folder, and what to do; None where that cannot be seen."""
    if (path.parent / RESULT).exists():
        return f"is a file of a run: give its folder, {path.parent}"
    kind, file = path.suffix.lower(), quote(str(path))
    if kind in CONFIGS:
        return f"is a config, and no run: `odefit fit {file}` makes a run of it; give the folder that this writes"
    if kind in MEASUREMENTS and kind != ".txt":
        what = f"`odefit init {file}` proposes a config for it, and `odefit fit` makes a run"
        return f"is a file of data, and no run: {what}"
    return None
