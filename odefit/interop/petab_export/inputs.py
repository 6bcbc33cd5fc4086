"""Inputs as formulas of time: piecewise polynomials, one for each input, chosen by experiment where these differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment, Input
from odefit.errors import Faults
from odefit.interop.mathematics import TIME, Call, Name, Number, Tree, call
from odefit.interop.petab_export.names import Identifiers
from odefit.interop.petab_export.trees import text_of
from odefit.model.system import System
from odefit.model.tokens import MAX_LENGTH
from odefit.records import dataclass


@dataclass(frozen=True)
class Inputs:
    """Those of all experiments.

    Attributes
    ----------
    ids
        Input -> its id in the model.
    rules
        Id -> its formula of time.
    chosen
        Id of a number that says which of several curves holds -> the number in each experiment.
    """

    ids: dict[str, str]
    rules: dict[str, Tree]
    chosen: dict[str, tuple[float, ...]]

    @property
    def constants(self) -> dict[str, float]:
        """The numbers that the experiments set."""
        return {name: numbers[0] for name, numbers in self.chosen.items()}

    def own(self, experiment: int) -> Iterator[tuple[str, Tree]]:
        """Which curves hold in one experiment."""
        for name, numbers in self.chosen.items():
            yield name, Number(numbers[experiment])


def inputs_of(
    system: System, experiments: Sequence[Experiment], identifiers: Identifiers, faults: Faults, where: str
) -> Inputs:
    """The inputs that formulas name.

    Parameters
    ----------
    system, experiments
        Whose inputs.
    identifiers
        Gives them theirs.
    faults, where
        Take an input that is too long for a formula.
    """
    found = Inputs({}, {}, {})
    for name in system.inputs:
        found.ids[name] = identifiers.new(name)
        curves, numbers = list[Input](), list[float]()
        for experiment in experiments:
            own = experiment.inputs[name]
            same = [k for k, curve in enumerate(curves) if _equal(curve, own)]
            numbers.append(float(same[0] if same else len(curves)))
            curves += [] if same else [own]
        parts: list[Tree] = []
        if len(curves) > 1:
            which = identifiers.new(f"{name}_curve")
            found.chosen[which] = tuple(numbers)
            for k, curve in enumerate(curves[:-1]):
                parts += [_curve(curve), Call("<", (Name(which), Number(k + 0.5)))]
        tree = call("piecewise", *parts, _curve(curves[-1])) if parts else _curve(curves[-1])
        if len(text_of(tree)) > MAX_LENGTH:
            pieces = sum(len(curve.knots) for curve in curves)
            faults.add(where, f"'{name}' has {pieces:,} pieces, which are too long for a formula of time")
        found.rules[found.ids[name]] = tree
    return found


def _equal(one: Input, other: Input) -> bool:
    return np.array_equal(one.knots, other.knots) and np.array_equal(one.coefficients, other.coefficients)


def _curve(curve: Input) -> Tree:
    """`piecewise(first, time < knot, second, ..., last)`: at a knot, what begins there."""
    parts: list[Tree] = []
    for k in range(len(curve.knots) - 1):
        if curve.knots[k] < curve.knots[k + 1]:  # else a jump, before which no time passes
            parts += [_polynomial(curve, k), Call("<", (TIME, Number(float(curve.knots[k + 1]))))]
    last = _polynomial(curve, len(curve.knots) - 1)
    return call("piecewise", *parts, last) if parts else last


def _polynomial(curve: Input, k: int) -> Tree:
    """c0 + s (c1 + s (c2 + s c3)), s the time since its knot."""
    coefficients: FloatArray = curve.coefficients[k]
    s = call("-", TIME, Number(float(curve.knots[k])))
    value: Tree = Number(float(coefficients[-1]))
    for c in coefficients[-2::-1]:
        value = call("+", Number(float(c)), call("*", s, value))
    return value
