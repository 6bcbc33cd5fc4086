"""The draws of a posterior in a run folder: posterior.csv, posterior.json, and posterior.arviz.json for ArviZ.

posterior.json is written last: it knows how many draws there are, and from which state they go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.runs.tables import csv_text
from odefit.sampling.chains import Tuned
from odefit.sampling.mixture import Mixture
from odefit.sampling.nuts import State
from odefit.sampling.posterior import SCHEMA_VERSION

STATS = ("acceptance_rate", "n_steps", "diverging", "jumped")
AGAIN = "say --overwrite to begin anew"
OWN_COLUMNS = 3


@dataclass(frozen=True)
class Table:
    """n draws of C chains.

    Parameters
    ----------
    names
        The K parameters, computed ones last.
    values
        [C, n, K], natural scale.
    log_posterior
        [C, n], of the search values.
    stats
        [C, n] each, by the names in STATS.
    """

    names: tuple[str, ...]
    values: FloatArray
    log_posterior: FloatArray
    stats: Mapping[str, FloatArray]

    def joined(self, more: Table) -> Table:
        """With more draws of the same chains."""
        stats = {name: np.concatenate([self.stats[name], more.stats[name]], axis=1) for name in STATS}
        logs = np.concatenate([self.log_posterior, more.log_posterior], axis=1)
        return Table(self.names, np.concatenate([self.values, more.values], axis=1), logs, stats)

    @property
    def csv(self) -> str:
        """chain, draw, log_posterior, and the parameters."""
        rows = []
        for c, (chain, logs) in enumerate(zip(self.values.tolist(), self.log_posterior.tolist(), strict=True), start=1):
            rows += [[c, k, log, *one] for k, (one, log) in enumerate(zip(chain, logs, strict=True), start=1)]
        return csv_text(("chain", "draw", "log_posterior", *self.names), rows)

    @property
    def arviz(self) -> dict[str, Any]:
        """Groups of variables [chains][draws]: what `arviz.from_json` reads."""
        posterior = {name: self.values[:, :, k].tolist() for k, name in enumerate(self.names)}
        stats: dict[str, Any] = {name: self.stats[name].tolist() for name in ("acceptance_rate",)}
        stats["n_steps"] = self.stats["n_steps"].astype(int).tolist()
        stats |= {name: self.stats[name].astype(bool).tolist() for name in ("diverging", "jumped")}
        return {"posterior": posterior, "sample_stats": stats | {"lp": self.log_posterior.tolist()}}


def write(folder: Path, table: Table, summary: Mapping[str, Any]) -> None:
    """All three files. Raises StorageError."""
    files.write_text(folder, files.POSTERIOR_ARVIZ, json.dumps(table.arviz) + "\n")
    files.write_text(folder, files.POSTERIOR, table.csv)
    files.write_json(folder, files.POSTERIOR_SUMMARY, summary)


def read_summary(run: StoredRun) -> dict[str, Any] | None:
    """posterior.json; None where there is none. Raises RunError where it is damaged."""
    if run.path is None or not (run.path / files.POSTERIOR_SUMMARY).exists():
        return None
    found = files.read_json(run.path, files.POSTERIOR_SUMMARY)
    if found.get("schema_version") != SCHEMA_VERSION or not isinstance(found.get("parameters"), dict):
        raise RunError(str(run.path / files.POSTERIOR_SUMMARY), f"is damaged, or of a newer odefit; {AGAIN}")
    return found


def read_values(run: StoredRun, summary: Mapping[str, Any]) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Names [K], values [C, n, K] and log_posterior [C, n] of the draws. Raises RunError where they are damaged."""
    rows = run.rows(files.POSTERIOR)
    chains, n = int(summary["chains"]), int(summary["draws"])
    where = run.place if rows is None else rows.path
    if rows is None or len(rows) % chains or len(rows) < chains * n:
        raise RunError(where, f"is damaged: its draws do not fit {files.POSTERIOR_SUMMARY}; {AGAIN}")
    numbers = np.stack([rows.numbers(k) for k in range(2, len(rows.header))], axis=1)
    numbers = numbers.reshape(chains, -1, numbers.shape[1])[:, :n]
    return tuple(rows.header[OWN_COLUMNS:]), numbers[:, :, 1:], numbers[:, :, 0]


def read_table(run: StoredRun, summary: Mapping[str, Any]) -> Table:
    """The draws in a run folder. Raises RunError where they are damaged."""
    assert run.path is not None
    names, values, logs = read_values(run, summary)
    stats = files.read_json(run.path, files.POSTERIOR_ARVIZ).get("sample_stats", {})
    n = values.shape[1]
    try:
        arrays = {name: np.array(stats[name], dtype=np.float64)[:, :n] for name in STATS}
    except (KeyError, ValueError, IndexError):
        raise RunError(str(run.path / files.POSTERIOR_ARVIZ), f"is damaged; {AGAIN}") from None
    if any(one.shape != logs.shape for one in arrays.values()):
        raise RunError(str(run.path / files.POSTERIOR_ARVIZ), f"is damaged: its draws are others; {AGAIN}")
    return Table(names, values, logs, arrays)


def state_to_plain(tuned: Tuned, states: Sequence[State]) -> dict[str, Any]:
    """What chains go on from, exactly."""
    mixture = tuned.mixture
    arrays = {"weights": mixture.weights, "means": mixture.means, "roots": mixture.roots}
    return {
        "step": tuned.step,
        "jumps": tuned.jumps,
        "centre": tuned.centre.tolist(),
        "root": tuned.root.tolist(),
        "mixture": {name: array.tolist() for name, array in arrays.items()},
        "chains": [[s.w.tolist(), s.logp, s.gradient.tolist()] for s in states],
    }


def state_from_plain(plain: Mapping[str, Any]) -> tuple[Tuned, list[State]]:
    """The inverse. Raises KeyError, TypeError or ValueError where it is none."""
    parts = {name: np.array(plain["mixture"][name], dtype=np.float64) for name in ("weights", "means", "roots")}
    centre, root = (np.array(plain[name], dtype=np.float64) for name in ("centre", "root"))
    tuned = Tuned(centre, root, float(plain["step"]), Mixture(**parts), bool(plain["jumps"]))
    states = [
        State(np.array(w, dtype=np.float64), float(p), np.array(g, dtype=np.float64)) for w, p, g in plain["chains"]
    ]
    return tuned, states
