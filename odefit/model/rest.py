"""The formulas of a system before its start, under other values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odefit import algebra as sp
from odefit.model.switches import substitute
from odefit.model.system import Rest, Trigger, symbol


def rest_under(
    equations: Mapping[str, sp.Expr],
    initial: Mapping[str, sp.Expr],
    values: Mapping[str, sp.Expr],
    others: Mapping[str, sp.Expr] | None = None,
    triggers: Sequence[Trigger] = (),
) -> Rest:
    """What a system was before its start, where some of its parameters had other values.

    Parameters
    ----------
    equations, initial
        State -> f and initial value, during the experiment.
    values
        Parameter -> its value before the start, a formula of parameters as they are during the experiment.
    others
        The same of all names that depend on these; default `values`.
    triggers
        Its events by conditions, during the experiment.
    """
    put = {symbol(name): formula for name, formula in (values if others is None else others).items()}

    def changed(formulas: Mapping[str, sp.Expr]) -> dict[str, sp.Expr]:
        return {name: substitute(formula, put) for name, formula in formulas.items()}

    before = tuple(one.mapped(lambda formula: substitute(formula, put)) for one in triggers)
    return Rest(values, changed(equations), changed(initial), before)
