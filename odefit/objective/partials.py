"""The chain rule for formulas of states and parameters, whose states depend on the same parameters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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

    @cached_property
    def _states(self) -> set[int]:
        """Formulas that are a state, and nothing else."""
        known = [entry.formula for entry in self.entries]
        ones = (entry for entry in self.entries if entry.is_state and entry.expr == 1)
        return {entry.formula for entry in ones if known.count(entry.formula) == 1}

    @property
    def formulas(self) -> list[sp.Expr]:
        """What is to be evaluated, in the order of the entries."""
        return [entry.expr for entry in self.entries]

    def pulled(
        self, values: Sequence[Any], worth: Sequence[FloatArray | None], n_states: int
    ) -> tuple[FloatArray, list[tuple[int, FloatArray]]]:
        """What a change of each state is worth, [..., R, S], and of sensitive names, as (column, [..., R]) one by one.

        worth: of every formula [..., R]; None of those that are worth nothing. The others are as in `chained`.
        """
        shape = next(one.shape for one in worth if one is not None)
        states, names = np.zeros((*shape, n_states)), list[tuple[int, FloatArray]]()
        for entry, value in zip(self.entries, values, strict=True):
            own = worth[entry.formula]
            if own is None:
                continue
            # What is not measured is worth nothing, even where its slope is not finite.
            share = np.where(own == 0, 0.0, own * np.asarray(value))
            if entry.is_state:
                states[..., entry.column] += share
            else:
                names.append((entry.column, share))
        return states, names

    def chained(self, values: Sequence[Any], dy: FloatArray) -> list[FloatArray | None]:
        """Total derivatives [..., R, K] of every formula; None where one depends on nothing sensitive.

        Parameters
        ----------
        values
            Of the entries, [..., R] each, or what broadcasts to that.
        dy
            [..., R, S, K'], sensitivities of the states to the first K' sensitive names. That of a formula which is a
            state is a part of it, not a copy.
        """
        slopes: list[FloatArray | None] = [None] * self.n_formulas
        is_whole = dy.shape[-1] == self.n_sensitive
        for entry, value in zip(self.entries, values, strict=True):
            slope = slopes[entry.formula]
            part = dy[..., entry.column, :] if entry.is_state else None
            if part is not None and entry.formula not in self._states:
                part = part * np.asarray(value)[..., None]
            if slope is None and is_whole and part is not None:
                slopes[entry.formula] = part
                continue
            if slope is None:
                slope = slopes[entry.formula] = np.zeros((*dy.shape[:-2], self.n_sensitive))
            if part is None:
                slope[..., entry.column] += value
            else:
                slope[..., : dy.shape[-1]] += part
        return slopes
