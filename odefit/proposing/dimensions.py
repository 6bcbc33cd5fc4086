"""How the parameters of a model grow with the units of time, of its states and of what is measured.

Dimensional analysis: where r*x*(1 - x/K) is a slope of x, r goes with one over time, and K with x. So nominal values
of a textbook turn into values for data in other units.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.formulas import free_names
from odefit.model.functions import numpy_function
from odefit.model.system import TIME

CONSISTENT = 1e-8
"""The largest misfit of exponents that still are a scaling of the equations."""


def exponents(
    slopes: Mapping[str, Any],
    measured: Mapping[str, Any],
    nominal: Mapping[str, float],
    unseen: Collection[str] = (),
) -> dict[tuple[str, ...], FloatArray]:
    """The powers of each unit in each parameter.

    Parameters
    ----------
    slopes
        State -> formula of its derivative.
    measured
        Observable -> formula; one that is a state alone has that state's unit.
    nominal
        Parameter -> value, which counts where it is an exponent.
    unseen
        States that are not measured: they may change with the unit of the time, as a velocity does.

    Returns
    -------
    dict
        Unit -> power in each parameter [P]. A unit is `("t",)`, an observable, or the states that share it: those that
        cannot be scaled alone are scaled together, as susceptible and infected people. Units whose change would change
        the equations, such as those of x in x - x^3, are left out.
    """

    def powers(*base: str, moving: Sequence[str] = ()) -> FloatArray | None:
        walk = _Walk(base, (*nominal, *moving), nominal)
        for state, slope in slopes.items():
            unit = float(state in base) - float(TIME in base)
            own = walk.constant(unit)
            if state in moving:
                own[walk.position[state]] = 1.0
            walk.equal([walk.power(slope), own])
        for name, formula in measured.items():
            if not formula.is_Symbol:
                walk.equal([walk.power(formula), walk.constant(float(name in base))])
        found = walk.solved()
        return None if found is None else found[: len(nominal)]

    alone: list[tuple[str, ...]] = [
        (TIME,),
        *((state,) for state in slopes),
        *((n,) for n, f in measured.items() if not f.is_Symbol),
    ]
    found = {base: powers(*base) for base in alone}
    if found[(TIME,)] is None:
        found[(TIME,)] = powers(TIME, moving=[state for state in slopes if state in unseen])
    together = tuple(state for state in slopes if found[(state,)] is None)
    if len(together) > 1:
        found[together] = powers(*together)
    return {base: power for base, power in found.items() if power is not None}


class _Walk:
    """The power of one unit in each part of a formula: a constant, and a share of each parameter's own [1 + P]."""

    def __init__(self, base: Sequence[str], parameters: Sequence[str], nominal: Mapping[str, float]) -> None:
        self.base, self.nominal = base, nominal
        self.position = {name: k for k, name in enumerate(parameters, 1)}
        self.conditions: list[FloatArray] = []

    def constant(self, power: float) -> FloatArray:
        row = np.zeros(1 + len(self.position))
        row[0] = power
        return row

    def equal(self, powers: Sequence[FloatArray | None]) -> FloatArray | None:
        """What is added up or compared has one unit. None: a zero, which has any."""
        given = [power for power in powers if power is not None]
        self.conditions += [power - given[0] for power in given[1:]]
        return given[0] if given else None

    def power(self, node: Any) -> FloatArray | None:
        if node.is_Symbol:
            row = self.constant(float(node.name in self.base))
            if node.name in self.position:
                row[self.position[node.name]] = 1.0
            return row
        if node.is_Number:
            return None if node == 0 else self.constant(0.0)
        if node.is_Mul:
            product = self.constant(0.0)
            for part in node.args:
                factor = self.power(part)
                if factor is None:
                    return None
                product = product + factor
            return product
        if node.is_Pow:
            inner, by = self.power(node.args[0]), self._exponent(node.args[1])
            return None if inner is None else inner * by
        if node.is_Piecewise:
            return self.equal([self.power(value) for value, _ in node.args])
        if node.is_Add or isinstance(node, sp.Max | sp.Min | sp.Abs):
            return self.equal([self.power(part) for part in node.args])
        for part in node.args:  # of exp, sin and the like
            self.equal([self.power(part), self.constant(0.0)])
        return self.constant(0.0)

    def _exponent(self, node: Any) -> float:
        if node.is_Number:
            return float(node)
        names = sorted(free_names(node))
        if not set(names) <= set(self.nominal):
            return 1.0  # a power that moves: whatever stands below it, nothing is known of it
        self.equal([self.power(node), self.constant(0.0)])
        return float(numpy_function([node], names)(*(self.nominal[name] for name in names))[0])

    def solved(self) -> FloatArray | None:
        """The power of the unit in each parameter [P], the smallest that satisfy all conditions; None: none do."""
        rows = np.array([row for row in self.conditions if row.any()]).reshape(-1, 1 + len(self.position))
        powers = np.linalg.lstsq(rows[:, 1:], -rows[:, 0], rcond=None)[0]
        misfit = np.abs(rows[:, 1:] @ powers + rows[:, 0])
        return powers.round(9) if misfit.max(initial=0.0) < CONSISTENT else None
