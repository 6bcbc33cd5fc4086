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
from odefit.runs.shapes import misfit
from odefit.runs.stored import StoredRun
from odefit.runs.tables import csv_text
from odefit.sampling.chains import Tuned
from odefit.sampling.mixture import Mixture
from odefit.sampling.nuts import State
from odefit.sampling.posterior import SCHEMA_VERSION

STATS = ("acceptance_rate", "n_steps", "diverging", "jumped")
AGAIN = "say --overwrite to begin anew"
OWN_COLUMNS = 3
_NUMBER = (float, None)
SHAPE = {
    "schema_version": int,
    "chains": int,
    "seed": int,
    "draws": int,
    "level": float,
    "of": [float],
    "warm_up": int,
    "acceptance": float,
    "diverged": int,
    "jumps_taken": _NUMBER,
    "steps_per_draw": _NUMBER,
    "priors": {str: str},
    "verdict": {"kind": str, "sentence": str},
    "state": {str: object},
    "parameters": {
        str: {
            "mean": _NUMBER,
            "sd": _NUMBER,
            "median": _NUMBER,
            "interval": [_NUMBER, _NUMBER],
            "r_hat": _NUMBER,
            "mcse_mean": _NUMBER,
            "ess_bulk": _NUMBER,
            "ess_tail": _NUMBER,
            "unit": (str, None),
        }
    },
}
"""Of posterior.json."""


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

    def of_chains(self, chains: Sequence[int]) -> Table:
        """Those of some chains."""
        places = list(chains)
        stats = {name: self.stats[name][places] for name in STATS}
        return Table(self.names, self.values[places], self.log_posterior[places], stats)

    def to_plain(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {
            "names": list(self.names),
            "values": self.values,
            "log_posterior": self.log_posterior,
            "stats": dict(self.stats),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Table:
        """The inverse."""
        return cls(tuple(plain["names"]), plain["values"], plain["log_posterior"], plain["stats"])

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
    bad = misfit(found, SHAPE) or (None if found["chains"] > 0 else "there are no chains")
    if found.get("schema_version") != SCHEMA_VERSION or bad is not None:
        what = f"is damaged, or of a newer odefit{f' ({bad})' if bad else ''}; {AGAIN}"
        raise RunError(str(run.path / files.POSTERIOR_SUMMARY), what)
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


def state_from_plain(plain: Mapping[str, Any], chains: int, p: int) -> tuple[Tuned, list[State]]:
    """The inverse, of so many chains and parameters. Raises KeyError, TypeError or ValueError where it is none."""
    mixture = plain["mixture"]
    k = len(mixture["weights"])
    parts = {
        "weights": _array(mixture["weights"], k),
        "means": _array(mixture["means"], k, p),
        "roots": _array(mixture["roots"], k, p, p),
    }
    centre, root = _array(plain["centre"], p), _array(plain["root"], p, p)
    tuned = Tuned(centre, root, float(_array(plain["step"])), Mixture(**parts), bool(plain["jumps"]))
    states = [State(_array(w, p), float(_array(logp)), _array(g, p)) for w, logp, g in plain["chains"]]
    if k == 0 or len(states) != chains:
        raise ValueError("others in number")
    return tuned, states


def _array(plain: Any, *shape: int) -> FloatArray:
    """Raises TypeError or ValueError where it is no array of finite numbers of this shape."""
    array = np.array(plain, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError("no array of this shape")
    return array
