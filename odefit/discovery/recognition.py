"""Which built-in system has the terms of a candidate, whatever its states are called."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model.built_in.entry import Entry
from odefit.model.catalogue import entry, names
from odefit.model.formulas import free_names, parse_formula

MOST_STATES = 4
"""Systems with more states are not compared: every order of the states would have to be tried."""
Terms = frozenset[tuple[int, tuple[int, ...]]]
"""Of each term: which equation, and the powers of the states in it."""


def recognised(equations: Mapping[str, str], parameters: Sequence[str]) -> str | None:
    """The name of the built-in system whose equations have the same terms; None where there is none.

    Parameters
    ----------
    equations
        State -> formula.
    parameters
        The names in them that are coefficients.
    """
    states = tuple(equations)
    if len(states) > MOST_STATES:
        return None
    own = _monomials(equations, states, frozenset(parameters))
    if not own:
        return None
    for name in names():
        other = _of_entry(name)
        if other is None or len(other) != len(own):
            continue
        if any(_ordered(own, order) == other for order in itertools.permutations(range(len(states)))):
            return name
    return None


@cache
def _of_entry(name: str) -> Terms | None:
    one: Entry = entry(name)
    # With a current or a temperature that is given, terms are made of it, which those of a candidate are not.
    if one.family or one.known or len(one.equations) > MOST_STATES:
        return None
    return _monomials(one.equations, tuple(one.equations), frozenset(one.parameters))


def _monomials(equations: Mapping[str, str], states: tuple[str, ...], parameters: frozenset[str]) -> Terms | None:
    """(equation, powers of the states) of each term; None where a term is no product of states and parameters."""
    found = set()
    for k, text in enumerate(equations.values()):
        try:
            formula = sp.expand(parse_formula(text, {*states, *parameters}))
        except ModelError:
            return None
        for part in sp.Add.make_args(formula):
            powers = [0] * len(states)
            for factor in sp.Mul.make_args(part):
                base, exponent = factor.as_base_exp()
                named = free_names(factor)
                if not named & {*states}:
                    if not named <= parameters:
                        return None
                    continue
                if str(base) not in states or not exponent.is_Integer or exponent < 0:
                    return None
                powers[states.index(str(base))] += int(exponent)
            found.add((k, tuple(powers)))
    return frozenset(found)


def _ordered(terms: Terms, order: Sequence[int]) -> Terms:
    """The terms with the states in another order."""
    return frozenset((order.index(k), tuple(powers[o] for o in order)) for k, powers in terms)
