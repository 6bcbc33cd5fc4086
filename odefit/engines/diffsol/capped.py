"""Exponentials and cosh in what is divided by: capped, so that 1/(1 + exp(x)) and 1/cosh(x)^2 have a derivative."""

from __future__ import annotations

from typing import Any

from odefit import algebra as sp


class _Capped(sp.Function):
    """exp(x), kept below 1e130."""


class _CappedCosh(sp.Function):
    """cosh(x), kept below 1e130."""


class _CappedLow(sp.Function):
    """exp(x), kept below 1.4e52: in exp(x)/(1 + exp(x))^2 the derivative takes the fourth power of it."""


def cap_denominators(expr: Any) -> Any:
    """Caps exponentials in sums, and cosh, that are divided by, and the same exponentials in the dividend."""
    expr = expr.replace(_is_divisor, _capped)
    return expr.replace(sp.Mul, _quotient) if expr.has(_Capped) else expr


def _is_divisor(e: Any) -> bool:
    grows = e.is_Pow and (e.base.is_Add or isinstance(e.base, sp.cosh)) and e.base.has(sp.exp, sp.cosh)
    return bool(grows and e.exp.is_number and e.exp.is_negative)


def _capped(e: Any) -> Any:
    return sp.Pow(e.base.replace(sp.exp, _Capped).replace(sp.cosh, _CappedCosh), e.exp)


def _quotient(*factors: Any) -> Any:
    """A product in which a dividend has the exponentials of the divisors."""
    divisors = [f for f in factors if f.is_Pow and f.exp.is_number and f.exp.is_negative and f.has(_Capped)]
    same = {sp.exp(x.args[0]): x for f in divisors for x in f.atoms(_Capped)}
    above = [f for f in factors if f not in divisors]
    put = [f.xreplace(same) for f in above]
    product = sp.Mul(*put, *divisors)
    return product.replace(_Capped, _CappedLow) if put != above else product
