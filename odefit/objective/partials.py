"""The chain rule for formulas of states and parameters, whose states depend on the same parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.derivatives import derivatives
from odefit.records import dataclass


@dataclass(frozen=True)
class Partial:
    """A partial derivative that is not zero: of which formula, to which state or sensitive name."""

    formula: int
    column: int
    is_state: bool
    expr: sp.Expr


@dataclass(frozen=True)
class Partials:
    """Those of some formulas.

    Parameters
    ----------
    entries
        One by one.
    n_formulas, n_sensitive
        How many formulas there are, and how many names derivatives are taken to, K.
    """

    entries: tuple[Partial, ...]
    n_formulas: int
    n_sensitive: int

    @classmethod
    def of(cls, formulas: Sequence[sp.Expr], states: Sequence[str], sensitive: Sequence[str]) -> Partials:
        """The partial derivatives of formulas to states and to sensitive names."""
        n = len(states)
        found = [
            Partial(row, column if column < n else column - n, column < n, partial)
            for row, partials in enumerate(derivatives(formulas, [*states, *sensitive]))
            for column, partial in enumerate(partials)
            if partial != 0
        ]
        return cls(tuple(found), len(formulas), len(sensitive))

    @property
    def formulas(self) -> list[sp.Expr]:
        """What is to be evaluated, in the order of the entries."""
        return [entry.expr for entry in self.entries]

    def chained(self, values: Sequence[Any], dy: FloatArray) -> list[FloatArray | None]:
        """Total derivatives [..., R, K] of every formula; None where one depends on nothing sensitive.

        Parameters
        ----------
        values
            Of the entries, [..., R] each, or what broadcasts to that.
        dy
            [..., R, S, K'], sensitivities of the states to the first K' sensitive names.
        """
        slopes: list[FloatArray | None] = [None] * self.n_formulas
        for entry, value in zip(self.entries, values, strict=True):
            slope = slopes[entry.formula]
            if slope is None:
                slope = slopes[entry.formula] = np.zeros((*dy.shape[:-2], self.n_sensitive))
            if entry.is_state:
                slope[..., : dy.shape[-1]] += dy[..., entry.column, :] * np.asarray(value)[..., None]
            else:
                slope[..., entry.column] += value
        return slopes
