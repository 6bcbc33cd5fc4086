"""The search for the terms: regression along smooth curves, then on trajectories until nothing changes.

A model is fitted to the trajectories; about it, every term of the library has an exact linear effect on them; steps
forward and backward in this linear model choose other terms; and so on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import field

import numpy as np

from odefit.arrays import FloatArray
from odefit.discovery.field import Field, Known
from odefit.discovery.library import Library
from odefit.discovery.regression import Form, regression
from odefit.discovery.series import Series
from odefit.discovery.shooting import Model, Shooting
from odefit.discovery.stepwise import Chosen, Normal, complexity, path, search
from odefit.records import dataclass

FORMS: tuple[Form, ...] = ("weak", "derivative")
INDEPENDENT = 0.25
"""The share of the rows of a regression along smooth curves that count as independent of each other."""
ROUNDS = 12
"""Fits on the way from one set of terms to the next."""


@dataclass(frozen=True)
class Found:
    """Models that a search has fitted.

    Parameters
    ----------
    library
        The terms.
    models
        By their terms; None where the equations could not be followed.
    regressions
        The sets of the paths along smooth curves, by form and size.
    gamma
        See `stepwise.py`.
    """

    library: Library
    models: dict[tuple[int, ...], Model | None]
    regressions: dict[str, dict[int, Chosen]]
    gamma: float = 1.0
    n: int = 0

    def criterion(self, model: Model) -> float:
        """That of a model fitted to the trajectories."""
        return model.misfit + complexity(self.n, len(model.columns), len(self.library), self.gamma)

    @property
    def ranked(self) -> list[Model]:
        """The models whose trajectories are closed, the best first; those that are not where there are no others."""
        all_ = [m for m in self.models.values() if m is not None]
        closed = [m for m in all_ if m.closed]
        return sorted(closed or all_, key=self.criterion)


@dataclass(frozen=True)
class Search:
    """A search for the terms of equations.

    Parameters
    ----------
    series, library
        The data and what the equations may be made of.
    known, p
        The known part of the rates, and where its parameters begin.
    gamma
        How much the choice among many terms costs (`stepwise.py`).
    told
        Is given a sentence about each step.
    """

    series: Series
    library: Library
    known: Known | None = None
    p: FloatArray = field(default_factory=lambda: np.zeros(0))
    gamma: float = 1.0
    told: Callable[[str], None] = lambda _: None

    def run(self) -> Found:
        """All models that are met on the way, and the neighbours of the best."""
        shooting = Shooting(self.series, Field(self.library, self.known))
        found = Found(self.library, {}, {}, self.gamma, len(self.series.cells.d))
        begins = list(self._begins(found))
        for chosen in begins:
            self._fitted(found, shooting, chosen.columns, chosen.c, None)
        for _ in range(ROUNDS):
            if not found.ranked:
                break
            best = found.ranked[0]
            if not self._onward(found, shooting, best):
                break
        return found

    def _begins(self, found: Found) -> Iterator[Chosen]:
        """Sets of terms from the regressions: the best by the criterion, and by one that is more generous."""
        seen = set()
        for form in FORMS:
            rows = regression(self.series, self.library, self.known, self.p, form)
            if not len(rows.left):
                continue
            normal = rows.normal(self.library, INDEPENDENT)
            for gamma in (self.gamma, 0.0):
                sets = search(normal, gamma=gamma)
                found.regressions.setdefault(form, {}).update(sets)
                if not sets:
                    continue
                best = min(sets.values(), key=lambda one: one.criterion)
                if best.columns not in seen:
                    seen.add(best.columns)
                    yield best

    def _fitted(
        self, found: Found, shooting: Shooting, columns: tuple[int, ...], c: FloatArray, near: Model | None
    ) -> Model | None:
        """A set of terms on the trajectories, each once."""
        if columns in found.models:
            return found.models[columns]
        q = len(self.library)
        model = None
        if near is not None:
            model = shooting.fit(columns, c[:q], near.p, near.x, near.library)
        if model is None or not model.closed:
            again = shooting.fit(columns, c[:q], self.p, self.series.smooth_or_held, self.library)
            model = again if again is not None else model
        found.models[columns] = model
        text = "no solution" if model is None else f"criterion {found.criterion(model):.1f}"
        self.told(f"{len(columns)} terms: {text}")
        return model

    def _onward(self, found: Found, shooting: Shooting, best: Model) -> bool:
        """Whether a step from the best model leads to a better one."""
        linear = shooting.normal(best)
        if linear is None:
            return False
        normal, _ = linear
        sets = search(normal, best.columns, self.gamma)
        here = found.criterion(best)
        for one in sorted(sets.values(), key=lambda s: s.criterion)[:3]:
            if one.columns in found.models:
                continue
            model = self._fitted(found, shooting, one.columns, one.c, best)
            if model is not None and model.closed >= best.closed and found.criterion(model) < here - 1e-6:
                return True
        return False

    def around(self, found: Found, below: int, above: int) -> None:
        """Fit the neighbours of the best model: the best sets with a few terms less and more."""
        shooting = Shooting(self.series, Field(self.library, self.known))
        best = found.ranked[0]
        linear = shooting.normal(best)
        if linear is None:
            return
        centre = Chosen(best.columns, _padded(best, linear[0]), 0.0, math.inf)
        for one in path(linear[0], centre, below, above, self.gamma).values():
            self._fitted(found, shooting, one.columns, one.c, best)

    def inclusion(self, found: Found, samples: int, seed: int, blocks: int = 8) -> FloatArray:
        """[J] in which share of resampled stretches of time each term is chosen, about the best model."""
        shooting = Shooting(self.series, Field(self.library, self.known))
        best = found.ranked[0]
        linear = shooting.normal(best, blocks)
        share = np.zeros(len(self.library))
        if linear is None:
            return share
        parts = linear[1]
        random = np.random.default_rng(seed)
        h, g = np.stack([p.h for p in parts]), np.stack([p.g for p in parts])
        squares, n = np.array([p.squares for p in parts]), np.array([p.n for p in parts])
        for _ in range(samples):
            w = np.bincount(random.integers(len(parts), size=len(parts)), minlength=len(parts)).astype(float)
            whole = linear[0]
            drawn = Normal(
                np.tensordot(w, h, 1), w @ g, float(w @ squares), float(w @ n), whole.kept, whole.signs, whole.families
            )
            sets = search(drawn, best.columns, self.gamma)
            if sets:
                share[list(min(sets.values(), key=lambda s: s.criterion).columns)] += 1 / samples
        return share


def _padded(model: Model, normal: Normal) -> FloatArray:
    return np.append(model.c, np.zeros(len(normal.g) - len(model.c)))
