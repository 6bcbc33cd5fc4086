"""Formulas that name each other, put into one another."""

from __future__ import annotations

from collections.abc import Mapping

from odefit import algebra as sp
from odefit.model.formulas import free_names
from odefit.model.substitution import replacing
from odefit.model.system import symbol


def close(
    name: str, formulas: Mapping[str, sp.Expr], closed: dict[str, sp.Expr], above: tuple[str, ...] = ()
) -> tuple[str, ...] | None:
    """Put formulas into formulas until `name` depends on free names alone.

    Parameters
    ----------
    name
        Which of the formulas.
    formulas
        Name -> its formula, which may name others.
    closed
        Takes the result, and those of all that it depends on.
    above
        The names that depend on this one.

    Returns
    -------
    tuple of str or None
        The circle that makes it impossible, as names in the order in which they depend on each other.
    """
    if name in closed:
        return None
    if name in above:
        return (*above[above.index(name) :], name)
    inner = free_names(formulas[name]) & formulas.keys()
    for other in sorted(inner):
        circle = close(other, formulas, closed, (*above, name))
        if circle is not None:
            return circle
    closed[name] = replacing({symbol(other): closed[other] for other in inner})(formulas[name])
    return None


def find_circle(
    name: str, depends: Mapping[str, set[str]], clean: set[str], above: tuple[str, ...] = ()
) -> tuple[str, ...] | None:
    """A circle that is reached from `name`, each name depending on the next; None where there is none.

    depends: name -> the names in its formula. clean: takes the names from which no circle is reached.
    """
    if name in clean:
        return None
    if name in above:
        return (*above[above.index(name) :], name)
    for other in sorted(depends[name]):
        circle = find_circle(other, depends, clean, (*above, name))
        if circle is not None:
            return circle
    clean.add(name)
    return None
