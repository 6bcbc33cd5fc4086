"""What a fit is the fit of: a resumed one must have the same config and the same data as it had when it began."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.runs.network_files import digest_of
from odefit.runs.results import versions
from odefit.text import cut

IRRELEVANT = ("version", "title", "fit.workers", "fit.time_limit")
"""Keys of the config that do not change what a fit finds."""
NAMES_ONLY = re.compile(
    r"data\.(csv|experiments|doses\.csv|inputs\..+\.csv|arrays\..+)|parameters\..+\.unit|"
    r"model\.(units|original_names)(\..+)?|model\.networks\.[^.]+\.(file|weights)"
)
"""Keys of names alone: where files lie, whose content is compared; units and other names, which compute nothing."""
SEARCH_ONLY = ("fit.starts", "fit.max_iterations", "fit.cpu_limit", "fit.budget", "fit.intervals")
"""Keys that change how far a search goes, and not what it searches: what was reached without them still holds."""
_SHOWN = 60


def identity_of(loaded: LoadedConfig, measured: Sequence[Experiment]) -> dict[str, Any]:
    """config: the resolved keys, dotted; data: a digest of each kind of data; versions: of what computes with them."""
    config = dict(_leaves(loaded.config.model_dump(mode="json"), ""))
    networks = digest_of(loaded)
    return {
        "config": {k: value for k, value in config.items() if not _is_irrelevant(k)},
        "data": _digests(measured) | ({"the files of networks": networks} if networks else {}),
        "versions": versions(),
    }


def _is_irrelevant(key: str) -> bool:
    return key in IRRELEVANT or key.startswith(("plots", "fit.track", "fit.cluster"))


def same_search(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether what one fit has reached can be compared with what the other will reach."""
    keys = _changed_keys(before, now)
    return set(keys) <= set(SEARCH_ONLY) and not _different(before["data"], now["data"])


def _changed_keys(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Of the config; a file of conditions that was written into the config, or out of it, is a matter of the data."""
    return [key for key in _different(before["config"], now["config"]) if not NAMES_ONLY.fullmatch(key)]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between two fits, a sentence each for the config and the data; empty where nothing is."""
    found = []
    keys = _changed_keys(before, now)
    if keys:
        texts = (f"{key} (was {_shown(before['config'], key)}, is {_shown(now['config'], key)})" for key in keys)
        found.append(f"the config changed since: {', '.join(texts)}")
    kinds = _different(before["data"], now["data"])
    if kinds:
        found.append(f"the data changed since: {', '.join(kinds)}")
    return found


def other_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`numpy 2.3 (2.4 now)` for each package that has another version."""
    old, new = before["versions"], now["versions"]
    return [f"{name} {old.get(name, 'none')} ({new.get(name, 'none')} now)" for name in _different(old, new)]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between two that should be of the same whole, versions too."""
    found = [
        f"{key} is {_shown(now['config'], key)}, not {_shown(before['config'], key)}"
        for key in _changed_keys(before, now)
    ]
    kinds = _different(before["data"], now["data"])
    found += [f"other data ({', '.join(kinds)})"] if kinds else []
    old, new = before["versions"], now["versions"]
    return found + [f"{name} {new.get(name, 'none')}, not {old.get(name, 'none')}" for name in _different(old, new)]


def _different(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**before, **now} if before.get(key) != now.get(key)]


def _shown(values: Mapping[str, Any], key: str) -> str:
    text = "not there" if values.get(key) is None else str(values[key])
    return cut(text, _SHOWN, "...")


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, part in value.items():
        yield from _leaves(part, f"{key}.{name}" if key else str(name))


def _beside(experiment: Experiment) -> Iterator[Any]:
    return (part for named in sorted(experiment.covariates.items()) for part in named)


_KINDS: Mapping[str, Callable[[Experiment], Iterable[Any]]] = {
    "which experiments there are": lambda e: (e.name,),
    "the measurements": lambda e: (e.start, e.times, e.values, e.sigma, e.censored, *_beside(e), *_side(e), *_ends(e)),
    "the table of experiments": lambda e: (
        *(sorted(e.constants.items()), sorted(e.labels.items())),
        *([sorted(e.formulas.items())] if e.formulas else ()),
    ),
    "the doses": lambda e: e.doses,
    "the inputs": lambda e: (part for name, u in sorted(e.inputs.items()) for part in (name, u.knots, u.coefficients)),
}


def _ends(experiment: Experiment) -> Iterable[Any]:
    return () if experiment.other_end is None else (experiment.other_end,)


def _side(experiment: Experiment) -> Iterable[Any]:
    return () if experiment.side is None else (experiment.side,)


def _digests(experiments: Sequence[Experiment]) -> dict[str, str]:
    digests = {kind: hashlib.sha256() for kind in _KINDS}
    for experiment in experiments:
        for kind, parts in _KINDS.items():
            # An array by its bytes, which are exact and quick; everything else by its text, which is exact.
            each = (
                part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts(experiment)
            )
            digests[kind].update(b"".join(one + b";" for one in each))
    return {kind: digest.hexdigest() for kind, digest in digests.items()}
