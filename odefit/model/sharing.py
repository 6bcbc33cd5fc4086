"""What formulas have in common, so that it is computed once: x*y in `beta*x*y` and `gamma*x*y`.

Nothing is rebuilt: a part that is met twice gets a name, and the printer writes the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from odefit import algebra as sp

MAX_PRODUCTS = 400
"""The most products whose common factors are looked for."""
MAX_FACTORS = 12
"""The most factors of such a product."""

Groups = dict[Any, list[Any]]


def written_size(expr: Any) -> int:
    """How many operations a formula has when it is written down, where a part that is shared stands several times."""
    known: dict[Any, int] = {}

    def size(part: Any) -> int:
        if not part.args:
            return 0
        if part not in known:
            known[part] = 1 + sum(map(size, part.args))
        return known[part]

    return size(expr)


def split_sum(expr: Any) -> tuple[list[Any], list[Any]]:
    """The terms of a sum that are added, and those (with a plus sign) that are subtracted."""
    added: list[Any] = []
    subtracted: list[Any] = []
    for term in expr.args:
        coefficient, rest = term.as_coeff_Mul()
        if coefficient.is_negative:
            subtracted.append(-coefficient * rest)
        else:
            added.append(term)
    return added, subtracted


def split_product(expr: Any, groups: Groups) -> tuple[Any, list[Any], list[Any]]:
    """(c, above, below) with expr = c * product(above) / product(below)."""
    coefficient, rest = expr.as_coeff_Mul()
    above: list[Any] = []
    below: list[Any] = []
    for factor in sp.Mul.make_args(rest):
        if factor.is_Pow and (exponent := factor.as_base_exp()[1]).is_Rational and exponent.is_negative:
            below.append(sp.Pow(factor.as_base_exp()[0], -exponent))
        else:
            above.append(factor)
    if coefficient != 1 and above and isinstance(rest, sp.Mul):
        # -x*y and 2*x*y are multiples of x*y, which may be shared.
        return coefficient, [rest], []
    return coefficient, groups.get(rest, above), below


def shared_parts(formulas: Sequence[Any]) -> tuple[list[Any], Groups]:
    """The parts that occur more than once, inner ones first, and how products are grouped to share more."""
    groups = _group(list(_nodes(formulas, {})))
    uses = Counter[Any](formulas)
    order = _nodes(formulas, groups)
    for parts in order.values():
        uses.update(parts)
    return [node for node in order if uses[node] > 1], groups


def _parts(expr: Any, groups: Groups) -> list[Any]:
    """What the printer writes inside of an expression."""
    if isinstance(expr, sp.Add):
        added, subtracted = split_sum(expr)
        return added + subtracted
    if isinstance(expr, sp.Mul):
        _, above, below = split_product(expr, groups)
        return above + below
    if isinstance(expr, sp.Pow) and expr.exp.is_Rational and expr.exp < -1:
        return [sp.Pow(expr.base, -expr.exp)]
    if isinstance(expr, sp.Piecewise):
        return [part for pair in expr.args for part in pair.args]
    return list(expr.args)


def _nodes(formulas: Sequence[Any], groups: Groups) -> dict[Any, list[Any]]:
    """Every part that takes an operation, once, inner ones first, with its own parts."""
    found: dict[Any, list[Any]] = {}

    def visit(expr: Any) -> None:
        if expr in found or not expr.args or not expr.free_symbols:
            return
        parts = _parts(expr, groups)
        for part in parts:
            visit(part)
        found[expr] = parts

    for formula in formulas:
        visit(formula)
    return found


def _group(nodes: Sequence[Any]) -> Groups:
    """Give pairs of factors that occur in several products a product of their own, commonest first."""
    products: Groups = {}
    for node in nodes:
        if isinstance(node, sp.Mul):
            coefficient, above, _ = split_product(node, {})
            if coefficient == 1 and len(above) <= MAX_FACTORS:
                products[node] = above
    groups: Groups = {}
    if len(products) > MAX_PRODUCTS:
        return groups
    counts = Counter(pair for above in products.values() for pair in _pairs(above))
    while len(products) > 1:
        pair, count = max(counts.items(), key=lambda item: item[1], default=(frozenset(), 0))
        if count < 2:
            break
        common = sp.Mul(*pair)
        for rest, above in list(products.items()):
            if not pair <= set(above):
                continue
            counts.subtract(_pairs(above))
            if common == rest:
                del products[rest]  # a pair that is a whole product needs no group of its own
                continue
            chosen = [factor for factor in above if factor in pair]
            left = [factor for factor in above if factor not in pair]
            products[rest] = groups[rest] = [sp.Mul(*chosen), *left]
            counts.update(_pairs(products[rest]))
    return groups


def _pairs(factors: Sequence[Any]) -> Iterator[frozenset[Any]]:
    return map(frozenset, combinations(factors, 2))
