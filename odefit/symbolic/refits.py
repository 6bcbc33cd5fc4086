"""Which formulas of all outputs together explain the measurements: fits of the whole model on its trajectories.

The regressions say which formulas come near to the networks; a network itself has errors, so that the formula nearest
to it need not be the right one. Along a path of formulas that grow where it lessens the error of the rates most, and
then around the best one (other formulas of the same sizes; one term less), each model is fitted by its exact
likelihood, and BIC = 2 nll + k ln n decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from odefit.errors import FitError, InputError, SolveError
from odefit.fitting.run import Run
from odefit.fitting.strategy import plan
from odefit.records import dataclass
from odefit.runs.checkpoint import Forgetful
from odefit.runs.progress import Progress, Silent
from odefit.status import Status
from odefit.symbolic.models import Written, config_of, loaded_from, written
from odefit.symbolic.regression import Formula
from odefit.symbolic.samples import Sample
from odefit.text import counted

WORSE = 15.0
"""A path is left when its models' BIC is worse than the best one by this much, twice in a row."""
ROUNDS = 3
"""Times that the neighbours of the best model are tried."""

Choice = tuple[Formula, ...]
"""A formula for each output."""


@dataclass(frozen=True)
class Candidate:
    """A model with formulas for all outputs, fitted.

    Parameters
    ----------
    formulas
        Of each output.
    form
        They as texts, with names for their constants.
    config
        The config that was fitted.
    run
        Its fit; None where the model could not be solved or fitted.
    error
        The share of the rates' squares that the formulas leave of the networks.
    """

    formulas: Choice
    form: Written
    config: dict[str, Any]
    run: Run | None
    error: float

    @property
    def complexity(self) -> int:
        """Constants and operations of all formulas."""
        return sum(f.complexity for f in self.formulas)

    def refitted(self, samples: Sequence[Sample]) -> Choice:
        """The formulas with the constants of the fit in place of those of the regression."""
        if self.run is None:
            return self.formulas
        known = {name: e.value for name, e in self.run.result.estimates.items()}
        found = []
        for sample, formula in zip(samples, self.formulas, strict=True):
            names = self.form.names[sample.network, sample.output]
            inner = tuple(known.get(k) or math.nan for k, _ in names)
            found.append(replace(formula, inner=inner, coefficients=tuple(known[c] or 0.0 for _, c in names)))
        return tuple(found)

    @property
    def bic(self) -> float:
        """Infinite where there is no usable fit."""
        if self.run is None or not self.run.result.status.is_usable or self.run.result.objective.bic is None:
            return math.inf
        return self.run.result.objective.bic


class Refits:
    """The fits, each made once."""

    def __init__(self, run: Run, folder: Path, samples: Sequence[Sample], until: float | None, told: Progress) -> None:
        self.run, self.folder, self.samples, self.until, self.told = run, folder, samples, until, told
        self.found: dict[tuple[tuple[str, ...], ...], Candidate] = {}
        self.unfinished = ""
        total = [float((s.weights * s.values**2).sum()) for s in samples]
        self.shares = [t / (sum(total) or 1.0) for t in total]

    def error(self, choice: Choice) -> float:
        """The share of the rates' squares that formulas leave, all outputs together."""
        return sum(share * f.error for share, f in zip(self.shares, choice, strict=True))

    def search(self, options: Sequence[Sequence[Formula]]) -> None:
        """All fits, or as many as there is time for. options: for each output its formulas, smaller ones first."""
        try:
            worse, best = 0, math.inf
            for choice in self._path(options):
                one = self.fit(choice)
                if one is None:
                    return
                worse = worse + 1 if one.bic > best + WORSE else 0
                best = min(best, one.bic)
                if worse == 2:
                    break
            for _ in range(ROUNDS):
                before = self.best
                if before is None or any(self.fit(c) is None for c in self._around(before.formulas, options)):
                    return
                if self.best is before:
                    return
        except KeyboardInterrupt:
            self.unfinished = f"interrupted after {counted(len(self.found), 'fit')}"

    @property
    def best(self) -> Candidate | None:
        """The one with the least BIC."""
        return min(self.found.values(), key=lambda c: (c.bic, c.complexity), default=None)

    def _path(self, options: Sequence[Sequence[Formula]]) -> Iterator[Choice]:
        """From the smallest formulas on, one output larger by a term at a time."""
        sizes = [_best_of_sizes(own) for own in options]
        at = [0] * len(sizes)
        while True:
            choice = tuple(own[k] for own, k in zip(sizes, at, strict=True))
            yield choice
            gains = {
                n: self.shares[n] * (own[k].error - own[k + 1].error)
                for n, (own, k) in enumerate(zip(sizes, at, strict=True))
                if k + 1 < len(own)
            }
            if not gains:
                return
            at[max(gains, key=gains.__getitem__)] += 1

    def _around(self, choice: Choice, options: Sequence[Sequence[Formula]]) -> Iterator[Choice]:
        """One output otherwise: another formula of that size, a term less, or a term more."""
        for n, own in enumerate(choice):
            size = own.size
            others = [f for f in options[n] if f.size == size]
            others += [f for f in (own.without(k, self.samples[n]) for k in range(len(own.terms))) if f is not None]
            others += [f for f in options[n] if f.size == size + 1][:1]
            for other in others:
                yield (*choice[:n], other, *choice[n + 1 :])

    def fit(self, choice: Choice) -> Candidate | None:
        """The fit of a choice, from before where it was made; None where the time is over."""
        key = tuple(tuple(sorted(t.text for t in f.terms)) for f in choice)
        if key in self.found:
            return self.found[key]
        if self.until is not None and self.found and time.monotonic() > self.until:
            self.unfinished = f"the time was over after {counted(len(self.found), 'fit')}"
            return None
        self.told.now(f"fit {len(self.found) + 1}: {sum(f.size for f in choice)} constants")
        form = written(self.run, self.samples, choice)
        config = config_of(self.run, self.samples, form, self.folder)
        run = self._fitted(config)
        if run is not None and run.result.status == Status.INTERRUPTED:
            raise KeyboardInterrupt
        self.found[key] = Candidate(choice, form, config, run, self.error(choice))
        return self.found[key]

    def _fitted(self, config: dict[str, Any]) -> Run | None:
        try:
            _, work = plan(loaded_from(self.run, config, self.folder))
            return work(Silent(), Forgetful())
        except (SolveError, FitError):
            return None
        except InputError as error:
            self.told.note(f"a formula is left out: {error}")
            return None


def _best_of_sizes(formulas: Sequence[Formula]) -> list[Formula]:
    """The best formula of each number of constants."""
    best: dict[int, Formula] = {}
    for f in formulas:
        size = f.size
        if size not in best or f.error < best[size].error:
            best[size] = f
    return [best[size] for size in sorted(best)]
