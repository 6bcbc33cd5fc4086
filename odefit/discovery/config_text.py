"""A candidate as an ordinary config, to be read and changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from odefit.config.named_files import named_files
from odefit.config.versions import newest_version
from odefit.discovery.candidates import Draft
from odefit.discovery.reading import Prepared
from odefit.fitting.run import Run
from odefit.text import one_line

DIGITS = 6


def config_text(ready: Prepared, draft: Draft, run: Run, judgement: str, out: Path | None) -> str:
    """The YAML text.

    Parameters
    ----------
    ready, draft, run
        What was discovered, and the candidate's fit.
    judgement
        What comments say of it.
    out
        The folder in which it is written, from which it names files; None: as the config of the sparse model does.
    """
    loaded = draft.loaded(ready)
    own = loaded.config.model_copy(update={"title": ready.loaded.config.title})
    untitled = None if own.title else {"title"}
    config = {"version": newest_version()} | own.model_dump(mode="json", exclude_unset=True, exclude=untitled)
    config["version"] = newest_version()
    _estimates(config, draft, run)
    config["fit"].pop("match", None)
    if out is not None:
        _from_there(config, ready, draft, out)
    head = [
        f"# Found by `odefit discover {ready.loaded.path.name}`: the equations that the data support best.",
        f"# {one_line(judgement)}",
    ]
    return "\n".join(head) + "\n" + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)


def _estimates(config: dict[str, Any], draft: Draft, run: Run) -> None:
    """The estimates as starting values."""
    sections = config.setdefault("parameters", {})
    for name, estimate in run.result.estimates.items():
        section = sections.get(name)
        if estimate.value is None or not isinstance(section, dict) or estimate.formula is not None:
            continue
        if section.get("estimate") is not False and "formula" not in section:
            section["value"] = float(f"{estimate.value:.{DIGITS}g}")
            low, high = section.get("bounds") or (-float("inf"), float("inf"))
            section["value"] = min(max(section["value"], low), high)
    del draft


def _from_there(config: dict[str, Any], ready: Prepared, draft: Draft, out: Path) -> None:
    """Names of files from the folder `out`; data in memory lie beside the candidate's fit."""
    if ready.loaded.given is not None:
        config["data"] = {**config["data"], "csv": f"{draft.name}/data.csv"}
        return
    for keys, name in named_files(ready.loaded.config):
        place: Any = config
        for key in keys[:-1]:
            place = place[key]
        target = ready.loaded.folder / name
        place[keys[-1]] = name if Path(name).is_absolute() else Path(os.path.relpath(target, out)).as_posix()
