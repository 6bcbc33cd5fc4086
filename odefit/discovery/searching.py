"""The search for the terms: regression along smooth curves, then on trajectories until nothing changes.

A model is fitted to the trajectories; about it, every term of the library has an exact linear effect on them; steps
forward and backward in this linear model choose other terms; and so on from there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray
from odefit.discovery.field import Field, Known
from odefit.discovery.library import Library, monomials
from odefit.discovery.regression import Form, regression
from odefit.discovery.series import Series
from odefit.discovery.shooting import Model, Shooting
from odefit.discovery.stepwise import Chosen, Normal, complexity, path, search

FORMS: tuple[Form, ...] = ("weak", "derivative")
INDEPENDENT = 0.25
"""The share of the rows of a regression along smooth curves that count as independent of each other."""
ROUNDS = 30
"""Steps from one set of terms to others."""
MOST_SUBSTEPS = 16
"""Runge-Kutta steps between nodes, at most."""
FEW, MOST_BEGUN = 400, 10
"""Measurements up to which sets of all sizes are begun with, and the most terms of these: curves tell little then."""
TRIED = 4
"""Sets of terms that are fitted in one step, until one is better."""
ALIKE = 2
"""Decimals of the criterion in which models are alike."""
FIRST, NEAR = 3, 20.0
"""Models from which steps are tried: so many, and those of other sizes whose criterion is at most that much above."""


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
    until
        When to end in any case, by `time.monotonic`; the first fits come in any case.

    Attributes
    ----------
    models
        Those that were fitted, by their terms; None where the equations could not be followed.
    is_cut
        Whether the time was over before the search was.
    """

    def __init__(
        self,
        series: Series,
        library: Library,
        known: Known | None = None,
        p: FloatArray | None = None,
        gamma: float = 1.0,
        told: Callable[[str], None] = lambda _: None,
        until: float | None = None,
    ) -> None:
        self.series, self.library, self.known, self.gamma, self.told = series, library, known, gamma, told
        self.p, self.until = np.zeros(0) if p is None else p, until
        self.is_cut = False
        self.models: dict[tuple[int, ...], Model | None] = {}
        self.shooting = Shooting(series, Field(library, known))

    def run(self) -> None:
        """Fit models until no step leads from the best one to a better one."""
        begins = list(self._begins())
        for chosen in begins:
            self._fitted(chosen.columns, chosen.c, None)
        while self.ranked and self._refined():
            pass
        for chosen in begins:
            model = self._fitted(chosen.columns, chosen.c, None)
            for _ in range(ROUNDS):
                model = None if model is None or self._is_over else self._onward(model)
        done = set[tuple[int, ...]]()
        for _ in range(ROUNDS):
            if self._is_over:
                self.is_cut = True
                break
            if self.ranked and self._refined():
                done.clear()
                continue
            base = next((m for m in self._bases() if m.columns not in done), None)
            if base is None:
                break
            if self._onward(base) is None:
                done.add(base.columns)
        for inside, best in zip(self._of_populations, self.population_models, strict=True):
            model = best
            while model is not None and not self._is_over:
                model = self._onward(model, inside)

    @property
    def population_models(self) -> list[Model | None]:
        """The best model of terms of each kind that `of_populations` finds; None where none could be followed."""
        sets = [set(inside) for inside in self._of_populations]
        return [next((m for m in self.ranked if inside.issuperset(m.columns)), None) for inside in sets]

    @property
    def ranked(self) -> list[Model]:
        """The models whose trajectories are closed, the best first, and each set once; others where there are none."""
        every = [m for m in self.models.values() if m is not None]
        best: dict[frozenset[tuple[str, str]], Model] = {}
        for model in sorted([m for m in every if m.closed] or every, key=self._order):
            best.setdefault(self.library.signature(model.columns), model)
        return list(best.values())

    def _order(self, model: Model) -> tuple[float, int]:
        """The criterion; of models that are alike, the one with the shorter terms comes first."""
        return round(self.criterion(model), ALIKE), sum(len(self.library.terms[j].text) for j in model.columns)

    def _bases(self) -> list[Model]:
        """The models from which steps are tried: the first few, and the best of other sizes that come near."""
        ranked = self.ranked
        near = [m for m in self.path if self.criterion(m) <= self.criterion(ranked[0]) + NEAR]
        return [*ranked[:FIRST], *near] if ranked else []

    @property
    def path(self) -> list[Model]:
        """The best model of each size, the best first."""
        sizes: dict[int, Model] = {}
        for model in self.ranked:
            sizes.setdefault(len(model.columns), model)
        return list(sizes.values())

    def criterion(self, model: Model) -> float:
        """That of a model fitted to the trajectories."""
        n, q = len(self.series.cells.d), self.library.n_choices
        inner = sum(len(self.library.terms[j].inner) for j in model.columns)
        others = self.shooting.n_others + inner
        return model.misfit + complexity(n, len(model.columns), q, self.gamma, others)

    def _refined(self) -> bool:
        """Whether finer steps are needed; then the best models are fitted again with these."""
        if self.shooting.steps >= MOST_SUBSTEPS or self.shooting.is_exact(self.ranked[0]):
            return False
        best = self.path
        self.shooting = replace(self.shooting, steps=2 * self.shooting.steps)
        self.models.clear()
        for model in best:
            self._fitted(model.columns, model.c, model)
        return True

    def _begins(self) -> Iterator[Chosen]:
        """Sets of terms from the regressions, each once: the best ones by criteria that are more and less strict.

        Of states that are positive everywhere, also the best sets of terms that vanish with their state, as rates of
        populations and concentrations mostly do.
        """
        seen = set[tuple[int, ...]]()
        every = list(range(len(self.library)))
        for form, own in itertools.product(FORMS, (every, *self._of_populations)):
            rows = regression(self.series, self.library, self.known, self.p, form)
            if not len(rows.left):
                continue
            normal = rows.normal(self.library, INDEPENDENT).only(own)
            for one in self._regressed(normal, 1 if own is every else 2):
                if one.columns not in seen:
                    seen.add(one.columns)
                    yield one

    def _regressed(self, normal: Normal, count: int) -> Iterator[Chosen]:
        """The best sets of a regression, `count` by each criterion; those of all sizes where there are few data."""
        sets: dict[int, Chosen] = {}
        for gamma in (self.gamma, 0.0):
            sets |= search(normal, gamma=gamma)
            yield from sorted(sets.values(), key=lambda one: one.criterion)[:count]
        if sets and len(self.series.cells.d) <= FEW:
            largest = sets[max(sets)]
            sets |= path(normal, largest, 0, max(MOST_BEGUN - len(largest.columns), 0))
            yield from (sets[size] for size in sorted(sets) if 0 < size <= MOST_BEGUN)

    @cached_property
    def _of_populations(self) -> list[list[int]]:
        return list(of_populations(self.series, self.library).values())

    def _fitted(self, columns: tuple[int, ...], c: FloatArray, near: Model | None) -> Model | None:
        """A set of terms on the trajectories, each once."""
        if columns in self.models:
            return self.models[columns]
        c, model = c[: len(self.library)], None
        if near is not None:
            model = self.shooting.fit(columns, c, near.p, near.x, near.library)
        if model is None or not model.closed:
            again = self.shooting.fit(columns, c, self.p, self.series.smooth_or_held, self.library)
            model = model if again is None else again
        self.models[columns] = model
        self.told(f"{len(columns)} terms: {'no solution' if model is None else f'{self.criterion(model):.1f}'}")
        return model

    @property
    def _is_over(self) -> bool:
        return self.until is not None and time.monotonic() > self.until

    def _onward(self, best: Model, inside: Sequence[int] | None = None) -> Model | None:
        """A better model one step away, of terms `inside` where these are given; None where there is none."""
        linear = self.shooting.normal(best)
        if linear is None:
            return None
        sets = search(linear[0] if inside is None else linear[0].only(inside), best.columns, self.gamma)
        here = self.criterion(best)
        for one in sorted(sets.values(), key=lambda s: s.criterion)[:TRIED]:
            if one.columns in self.models:
                continue
            model = self._fitted(one.columns, one.c, best)
            if model is not None and model.closed >= best.closed and self.criterion(model) < here - 1e-6:
                return model
        return None

    def around(self, below: int, above: int) -> None:
        """Fit the neighbours of the best model: the best sets with a few terms less and more."""
        best = self.ranked[0]
        linear = self.shooting.normal(best)
        if linear is None:
            return
        c = np.append(best.c, np.zeros(len(linear[0].g) - len(best.c)))
        for one in path(linear[0], Chosen(best.columns, c, 0.0, math.inf), below, above, self.gamma).values():
            self._fitted(one.columns, one.c, best)

    def inclusion(self, samples: int, seed: int, blocks: int = 8) -> FloatArray:
        """[J] in which share of resampled stretches of time each term is chosen, about the best model."""
        best, share = self.ranked[0], np.zeros(len(self.library))
        linear = self.shooting.normal(best, blocks)
        if linear is None:
            return share
        whole, parts = linear
        random = np.random.default_rng(seed)
        h, g = np.stack([p.h for p in parts]), np.stack([p.g for p in parts])
        squares, n = np.array([p.squares for p in parts]), np.array([p.n for p in parts])
        for _ in range(samples):
            w = np.bincount(random.integers(len(parts), size=len(parts)), minlength=len(parts)).astype(float)
            drawn = Normal(
                np.tensordot(w, h, 1),
                w @ g,
                float(w @ squares),
                float(w @ n),
                whole.kept,
                whole.signs,
                whole.families,
                whole.others,
            )
            sets = search(drawn, best.columns, self.gamma)
            if sets:
                share[list(min(sets.values(), key=lambda s: s.criterion).columns)] += 1 / samples
        return share


def of_populations(series: Series, library: Library) -> dict[str, list[int]]:
    """The terms that are 0 where their states are 0, and of these the products of at most two states, by what they are.

    None where a state is negative somewhere, nor what would be the whole library, or the same again.
    """
    if not (series.smooth_or_held[series.used] > 0).all():
        return {}
    found = [j for j, term in enumerate(library.terms) if library.vanishes(term)]
    products = set(monomials(library.states, 2))
    second_order = [j for j in found if library.terms[j].text in products]
    kinds = {"equations whose rates vanish with their states": found}
    if len(second_order) < len(found):
        kinds["equations whose rates vanish with their states, of at most second order"] = second_order
    return {kind: inside for kind, inside in kinds.items() if 0 < len(inside) < len(library)}
