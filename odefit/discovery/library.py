"""Terms that equations may be made of, and their values along states.

The rate of the state s is a sum over terms j of a library,

    dx_s/dt = known_s(x, t, u) + sum_j c_j v_js phi_j(x, t, u),

phi_j the formula of the term and v_js the factor with which it enters that state: 1 for one state and 0 for all others
in a plain library; the stoichiometry of a reaction where what one state loses another gains.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.formula_text import product_text, saturating_text
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.operators import put_numbers
from odefit.model.system import symbol
from odefit.records import dataclass

CONSTANT = "1"
"""The formula of a term that is a number alone."""


@dataclass(frozen=True)
class Term:
    """One term of a library.

    Parameters
    ----------
    text
        Its formula of states, inputs, t and constants: `x*y`, `S/(K_1 + S)`.
    targets
        State -> the factor with which it enters there.
    inner
        Constants of its own in the formula -> where their search begins.
    sign
        1 or -1 where its coefficient must have that sign; 0 where it may have any.
    family
        Terms that are the same but for `inner` have the same one: a model has at most one of them.
    """

    text: str
    targets: Mapping[str, float]
    inner: Mapping[str, float] = field(default_factory=dict)
    sign: int = 0
    family: str = ""

    @property
    def name(self) -> str:
        """`x: x*y`, or `S -> -1, I -> 1: S*I` for several states."""
        if len(self.targets) == 1 and next(iter(self.targets.values())) == 1:
            return f"{next(iter(self.targets))}: {self.text}"
        return f"{', '.join(f'{s} {_signed(w)}' for s, w in self.targets.items())}: {self.text}"


def _signed(weight: float) -> str:
    return f"{weight:+g}"


@dataclass(frozen=True)
class Points:
    """N places at which formulas are evaluated.

    Parameters
    ----------
    x
        [N, S] states.
    known
        Other names -> [N], or what broadcasts to that: the time, inputs, constants of experiments.
    """

    x: FloatArray
    known: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Library:
    """Terms over states and other names.

    Parameters
    ----------
    states
        The states, in their order.
    others
        What else formulas may name: t, inputs, constants of experiments.
    terms
        The terms, J of them.
    """

    states: tuple[str, ...]
    others: tuple[str, ...]
    terms: tuple[Term, ...]

    def __len__(self) -> int:
        return len(self.terms)

    @cached_property
    def vectors(self) -> FloatArray:
        """v [J, S]."""
        found = np.zeros((len(self.terms), len(self.states)))
        for j, term in enumerate(self.terms):
            for state, weight in term.targets.items():
                found[j, self.states.index(state)] = weight
        return found

    @cached_property
    def signs(self) -> IntArray:
        """[J], see `Term.sign`."""
        return np.array([term.sign for term in self.terms], dtype=np.intp)

    @cached_property
    def families(self) -> IntArray:
        """[J], numbers that terms of one family share; -1 for those of none."""
        known: dict[str, int] = {}
        return np.array([known.setdefault(t.family, len(known)) if t.family else -1 for t in self.terms], dtype=np.intp)

    @property
    def n_choices(self) -> int:
        """How many terms there are to choose from, those of one family counted once."""
        families = self.families[self.families >= 0]
        return int((self.families < 0).sum()) + len(set(families.tolist()))

    def signature(self, columns: Sequence[int]) -> frozenset[tuple[str, str]]:
        """What is the same for two sets of terms that differ in where their constants begin."""
        chosen = [self.terms[j] for j in columns]
        return frozenset((term.family or term.text, str(dict(term.targets))) for term in chosen)

    @cached_property
    def _columns(self) -> tuple[IntArray, Callable[..., Any], list[list[int]]]:
        """Which formula each term has; a function of all formulas and their slopes; which slopes are not zero."""
        keys = [(term.text, tuple(sorted(term.inner.items()))) for term in self.terms]
        distinct = {key: (k, term) for k, (key, term) in enumerate(dict(zip(keys, self.terms, strict=True)).items())}
        formulas = [
            put_numbers(self.formula_of(term), {symbol(k): v for k, v in term.inner.items()})
            for _, term in distinct.values()
        ]
        slopes = [list(row) for row in derivatives(formulas, list(self.states))]
        moving = [[s for s, p in enumerate(row) if p != 0] for row in slopes]
        every = [*formulas, *(row[s] for row, own in zip(slopes, moving, strict=True) for s in own)]
        which = np.array([distinct[key][0] for key in keys], dtype=np.intp)
        return which, numpy_function(every, (*self.states, *self.others)), moving

    def formula_of(self, term: Term) -> Any:
        """The expression of a term, its own constants by name."""
        return parse_formula(term.text, {*self.states, *self.others, *term.inner})

    def values(self, at: Points) -> FloatArray:
        """phi [N, J]; not finite where a formula has no value."""
        which, function, moving = self._columns
        return self._stacked(self._evaluated(function, at)[: len(moving)], at)[:, which]

    def values_and_slopes(self, at: Points) -> tuple[FloatArray, FloatArray]:
        """phi [N, J], and its derivatives to the states [N, J, S]."""
        which, function, moving = self._columns
        found = self._evaluated(function, at)
        values, rest = self._stacked(found[: len(moving)], at), iter(found[len(moving) :])
        slopes = np.zeros((len(at.x), len(moving), len(self.states)))
        for k, own in enumerate(moving):
            for s in own:
                slopes[:, k, s] = next(rest)
        return values[:, which], slopes[:, which]

    def _evaluated(self, function: Callable[..., Any], at: Points) -> list[Any]:
        found: list[Any] = function(*at.x.T, *(at.known[name] for name in self.others))
        return found

    def vanishes(self, term: Term) -> bool:
        """Whether a term is 0 where any of the states that it enters is 0."""
        formula = self.formula_of(term)
        try:
            return all(put_numbers(formula, {symbol(state): 0.0}) == 0 for state in term.targets)
        except ModelError:
            return False

    @staticmethod
    def _stacked(found: Sequence[Any], at: Points) -> FloatArray:
        values = np.empty((len(at.x), len(found)))
        for k, value in enumerate(found):
            values[:, k] = value
        return values


def monomials(names: Sequence[str], degree: int) -> list[str]:
    """Products of names up to a degree, the number 1 first: `1`, `x`, `y`, `x^2`, `x*y`, ..."""
    sizes = range(degree + 1)
    return [product_text(c) for d in sizes for c in itertools.combinations_with_replacement(names, d)]


def saturating(names: Sequence[str], sizes: Mapping[str, float]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Michaelis-Menten terms `x/(K + x)`, and `y*x/(K + x)` of other names: text, family, starts of K.

    sizes: of each name, about which K is looked for.
    """
    for name in names:
        inner = f"K_{name}"
        for factor in (None, *(other for other in names if other != name)):
            text = saturating_text(name, inner, factor)
            for share in SHARES:
                yield text, f"saturating {text}", {inner: share * sizes[name]}


SHARES = tuple(float(x) for x in np.round(np.geomspace(0.1, 10, 7), 3))
"""Saturation constants that the regression tries, in sizes of what saturates; the fit moves on from the best."""


def shared_by(laws: Sequence[Mapping[str, float]], states: Sequence[str]) -> list[dict[str, float]]:
    """The targets of terms that keep weighted sums of states: exchanges between as few states as the laws let be.

    A law w keeps sum_s w_s x_s, so that the vector v of a term obeys W v = 0. The exchanges are such vectors without a
    smaller one within them (the circuits of W): a free state alone; S and P of S + C + P; E, S and C of the two laws
    E + C and S + C + P.
    """
    w = np.array([[law.get(s, 0.0) for s in states] for law in laws])
    found: list[dict[str, float]] = []
    inside: list[set[int]] = []
    for size in range(1, len(laws) + 2):
        for chosen in itertools.combinations(range(len(states)), size):
            if any(smaller <= {*chosen} for smaller in inside):
                continue
            _, sizes, right = np.linalg.svd(w[:, chosen], full_matrices=True)
            if int((sizes > 1e-12 * max(float(np.abs(w).max()), 1e-300)).sum()) == size - 1:
                v = right[-1] / right[-1][np.argmax(np.abs(right[-1]))]
                inside.append({*chosen})
                found.append({states[k]: _rounded(float(x)) for k, x in zip(chosen, v, strict=True)})
    return found


def _rounded(weight: float) -> float:
    """A weight without the error of its computation."""
    return float(f"{weight:.12g}")


def reactions(states: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Mass action: reactions of up to two molecules to up to two: texts of rates, and what they change."""
    sides = [c for n in range(3) for c in itertools.combinations_with_replacement(states, n)]
    seen = set()
    for left, right in itertools.product(sides, sides):
        net = {s: float(right.count(s) - left.count(s)) for s in states if right.count(s) != left.count(s)}
        text = product_text(left)
        key = (text, tuple(net.items()))
        if net and key not in seen:
            seen.add(key)
            yield text, net


def as_law(text: str, states: Sequence[str]) -> dict[str, float] | None:
    """The weights of a linear formula of states such as `S + I + R`; None where it is anything else."""
    expr = sp.sympify(parse_formula(text, set(states)))
    slopes = derivatives([expr], list(states))[0]
    if any(getattr(p, "free_symbols", ()) for p in slopes):
        return None
    found = {s: float(p) for s, p in zip(states, slopes, strict=True) if p != 0}
    return found or None
