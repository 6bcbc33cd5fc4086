"""Cross-validation over experiments: each fold is predicted by a fit to all the others."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.replicates import replicate_of
from odefit.errors import ConfigError
from odefit.fitting.outcome import FitOutcome
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.hold_out import Errors, errors
from odefit.records import dataclass
from odefit.runs.checkpoint import Forgetful, Memory
from odefit.runs.results import Score
from odefit.runs.tables import Table
from odefit.status import Status

PART = "folds"
Scored = dict[str, Any]
"""How the fit without a fold ended, and the `Errors` of its prediction; goes into JSON."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """Experiments that are left out together, and the problem without them."""

    names: tuple[str, ...]
    assembly: Assembly


def make_folds(assembly: Assembly) -> tuple[Fold, ...]:
    """`fit.folds` groups of experiments, drawn by `fit.seed`, replicates together. Raises ConfigError."""
    loaded = assembly.loaded
    number = loaded.config.fit.folds
    if number is None:
        return ()
    seen = zip(assembly.measured, assembly.held_out, strict=True)
    names = list(dict.fromkeys(replicate_of(e.name) for e, out in seen if not (out | np.isnan(e.values)).all()))
    if number > len(names):
        where = loaded.where("fit", "folds")
        raise ConfigError(where, f"{number} folds need as many experiments; there {_are(len(names))}")
    order = np.random.default_rng(loaded.config.fit.seed).permutation(len(names))
    # A fold starts from the estimates of the fit to everything: one search is enough.
    once = loaded.config.fit.model_copy(update={"starts": 1, "folds": None, "cluster": None})
    loaded = replace(loaded, config=loaded.config.model_copy(update={"fit": once}))
    parts = [tuple(names[k] for k in sorted(part)) for part in np.array_split(order, number)]
    described, measured = assembly.described, assembly.measured
    return tuple(Fold(part, assemble(loaded, described, measured, part, for_fit=False)) for part in parts)


def cross_validate(
    folds: tuple[Fold, ...],
    theta: FloatArray,
    search: Callable[[Assembly, WithinFold], FitOutcome],
    memory: Memory | None = None,
    elsewhere: Callable[[Sequence[int]], Generator[list[Scored]]] | None = None,
) -> tuple[Score, Table]:
    """Fit without each fold, from theta [N] on, and score it; the sum of all, and a table of the folds.

    memory: keeps each fold that is done, and how far the one is that is under way: `search` gets a Memory for it.
    elsewhere: gives the folds with these numbers, in their order, in place of `search`. Raises KeyboardInterrupt
    where a fit was interrupted.
    """
    memory = memory or Forgetful()
    done: list[Scored] = memory.restored(PART) or []
    left = range(len(done), len(folds))

    def here() -> Generator[list[Scored]]:
        for number in left:
            kept = WithinFold(memory, number)

            def searched(one: Assembly, kept: WithinFold = kept) -> FitOutcome:
                return search(one, kept)

            yield [without(folds[number], theta, searched)]

    with closing(here() if elsewhere is None else elsewhere(left)) as rounds:
        for some in rounds:
            for each in some:
                done.append(each)
                log.info("fold %d of %d: %s", len(done), len(folds), each["status"])
            memory.offer(PART, lambda: done)
    scored = [Errors(each["n"], each["nll"], each["squares"]) for each in done]
    total = functools.reduce(operator.add, scored)
    rows = []
    for k, (fold, each, own) in enumerate(zip(folds, done, scored, strict=True)):
        s = own.score
        rows.append([k + 1, " ".join(fold.names), each["status"], s.n_observations, s.nll, *s.rmse.values()])
    header = ("fold", "experiments", "status", "n", "nll", *(f"rmse_{name}" for name in total.squares))
    return total.score, Table(header, rows)


def without(fold: Fold, theta: FloatArray, search: Callable[[Assembly], FitOutcome]) -> Scored:
    """The fit without a fold, from theta [N] on. Raises KeyboardInterrupt where it was interrupted."""
    problem = fold.assembly.problem
    start = replace(problem, table=problem.table.with_values(theta))
    outcome = search(replace(fold.assembly, problem=start))
    if outcome.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    return {"status": outcome.status, **vars(errors(problem, fold.assembly.held, outcome.theta))}


@dataclass(frozen=True)
class WithinFold:
    """The Memory of one fold's fit, within that of the whole. The next fold takes its place, so it does not grow."""

    memory: Memory
    number: int

    def offer(self, part: str, state: Callable[[], Any], *, passing: bool = False) -> None:
        number = self.number
        self.memory.offer(f"{PART}/{part}", lambda: [number, state()], passing=passing)

    def restored(self, part: str) -> Any | None:
        number, state = self.memory.restored(f"{PART}/{part}") or (None, None)
        return state if number == self.number else None


def _are(n: int) -> str:
    return "is 1" if n == 1 else f"are {n}"
