"""The rates of a model made of terms, with their derivatives to states, coefficients and constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.discovery.library import Library, Points, Term
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.objective.partials import Partials
from odefit.records import dataclass


@dataclass(frozen=True)
class Known:
    """The part of the rates that is known but for its parameters.

    Parameters
    ----------
    formulas
        One per state, expressions of states, other names and parameters.
    states, others, parameters
        The names in them.
    """

    formulas: tuple[Any, ...]
    states: tuple[str, ...]
    others: tuple[str, ...]
    parameters: tuple[str, ...]

    @cached_property
    def _function(self) -> tuple[Partials, Callable[..., Any]]:
        partials = Partials.of(self.formulas, self.states, self.parameters)
        names = (*self.states, *self.others, *self.parameters)
        return partials, numpy_function([*self.formulas, *partials.formulas], names)

    def __call__(self, at: Points, p: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rates [N, S], and their derivatives to states [N, S, S] and parameters [N, S, P]."""
        partials, function = self._function
        n, s = len(at.x), len(self.states)
        found = function(*at.x.T, *(at.known[name] for name in self.others), *p)
        value, by_state, by_p = np.zeros((n, s)), np.zeros((n, s, s)), np.zeros((n, s, len(p)))
        for k in range(s):
            value[:, k] = found[k]
        for entry, result in zip(partials.entries, found[s:], strict=True):
            (by_state if entry.is_state else by_p)[:, entry.formula, entry.column] = result
        return value, by_state, by_p


@dataclass(frozen=True)
class Field:
    """The rates dx/dt of a model.

    Parameters
    ----------
    library
        Its terms, and perhaps others whose coefficients are 0.
    known
        What is known beside them, or None.
    """

    library: Library
    known: Known | None = None

    @cached_property
    def inner(self) -> list[tuple[int, str]]:
        """The constants of terms: (which term, name)."""
        return [(j, name) for j, term in enumerate(self.library.terms) for name in term.inner]

    @property
    def extra(self) -> FloatArray:
        """The values of those constants as the library has them."""
        return np.array([self.library.terms[j].inner[name] for j, name in self.inner])

    @cached_property
    def _inner_slopes(self) -> list[Callable[..., Any]]:
        found = []
        for j, name in self.inner:
            term, library = self.library.terms[j], self.library
            partial = derivatives([library.formula_of(term)], [name])[0][0]
            found.append(numpy_function([partial], (*library.states, *library.others, *term.inner)))
        return found

    def at(self, at: Points, c: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """f [N, S], df/dx [N, S, S], and the columns df/d(c, inner, p) [N, S, J + I + P]."""
        library = self.library
        v = library.vectors
        phi, slopes = library.values_and_slopes(at)
        weights = c[:, None] * v
        f, fx = phi @ weights, np.einsum("njr,js->nsr", slopes, weights, optimize=True)
        columns = [np.swapaxes(phi[:, :, None] * v, 1, 2)]
        for (j, _), slope in zip(self.inner, self._inner_slopes, strict=True):
            term = library.terms[j]
            value = slope(*at.x.T, *(at.known[name] for name in library.others), *term.inner.values())[0]
            columns.append(np.broadcast_to(value, len(at.x))[:, None, None] * weights[j][:, None])
        if self.known is not None:
            known, by_state, by_p = self.known(at, p)
            f, fx = f + known, fx + by_state
            columns.append(by_p)
        return f, fx, np.concatenate(columns, axis=2)


def only(library: Library, columns: Sequence[int]) -> Library:
    """The library with some of its terms."""
    return Library(library.states, library.others, tuple(library.terms[j] for j in columns))


def with_inner(library: Library, values: Mapping[int, Mapping[str, float]]) -> Library:
    """The library with other constants in some of its terms."""
    terms = tuple(
        Term(t.text, t.targets, dict(values[j]), t.sign, t.family) if j in values else t
        for j, t in enumerate(library.terms)
    )
    return Library(library.states, library.others, terms)
