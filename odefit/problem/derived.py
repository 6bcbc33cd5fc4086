"""Parameters with a formula: what follows from the estimates, and how sure that is.

By the delta method: with f(theta) the formula and C the covariance of u, the variance of f is g' C g,
g = df/du. Where every estimated parameter in it lives on a logarithmic scale and f > 0, the interval is one of ln f,
so that `k2: 2*k1` has twice the interval of k1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.model.constant_calls import networks_called
from odefit.model.formulas import free_names
from odefit.model.functions import Networks, numpy_function
from odefit.objective.problem import FitProblem
from odefit.problem.parameter_table import Target
from odefit.records import dataclass
from odefit.uncertainty.covariance import Covariance
from odefit.uncertainty.quantities import FormulaQuantity


@dataclass(frozen=True)
class Derived:
    """One computed parameter.

    Parameters
    ----------
    name
        In reports.
    formula
        In terms of its symbols.
    targets
        What each of its symbols is bound to: a parameter's name or a number.
    text
        The formula as it was written.
    unit
        For reports only.
    networks
        The modules of the networks that it calls.
    """

    name: str
    formula: sp.Expr
    targets: Mapping[str, Target]
    text: str
    unit: str | None
    networks: Networks = field(default_factory=dict)

    def quantity(self, problem: FitProblem) -> FormulaQuantity:
        """The same as a function of the search vector."""
        return FormulaQuantity(problem.table, self.name, self.formula, self.targets, self.unit)

    def evaluate(self, problem: FitProblem, theta: FloatArray) -> float:
        """f at theta [N]."""
        if self.networks:
            index = problem.table.index
            known = [theta[index[t]] if isinstance(t, str) else t for t in self.targets.values()]
            return float(np.asarray(numpy_function([self.formula], tuple(self.targets), self.networks)(*known)[0]))
        return float(self.quantity(problem).at_natural(theta[None])[0][0])

    def interval(
        self, problem: FitProblem, theta: FloatArray, u: FloatArray, covariance: Covariance, reach: float
    ) -> tuple[float, tuple[float, float]] | None:
        """The standard error and the 95 % interval, natural scale.

        Parameters
        ----------
        problem
            The fit.
        theta, u
            [N] and [P], the estimates.
        covariance
            In search space.
        reach
            Half the length of the interval in standard errors.

        Returns
        -------
        error, (low, high)
            None where they are not known.
        """
        table = problem.table
        values, gradients = self.quantity(problem).at_natural(theta[None])
        value, gradient = float(values[0]), gradients[0]
        g = gradient[table.estimated] * table.transforms.derivative(u)
        used = np.flatnonzero(g)
        # A ratio may be known where neither of its parts is: the variance is that of the formula, not of the parts.
        variance = float(covariance.variance(g[None, used], used)[0])
        if not math.isfinite(value) or not math.isfinite(variance):
            return None
        error = math.sqrt(max(variance, 0.0))
        scales = {table.transforms.scales[k] for k in used}
        if scales == {"log"} and value > 0:
            factor = math.exp(min(reach * error / value, 700.0))
            return error, (value / factor, value * factor)
        return error, (value - reach * error, value + reach * error)


def derived_quantities(
    ties: Mapping[str, sp.Expr],
    bound: Mapping[str, Sequence[Target]],
    experiments: Sequence[Experiment],
    texts: Mapping[str, str | None],
    units: Mapping[str, str | None],
    networks: Networks,
) -> tuple[Derived, ...]:
    """Every parameter with a formula: once, or once for each experiment or group where its symbols differ.

    networks: the modules that formulas may call.
    """
    found = []
    for name, formula in ties.items():
        names = sorted(free_names(formula))
        rows = [tuple(bound[symbol][e] for symbol in names) for e in range(len(experiments))]
        distinct = list(dict.fromkeys(rows))
        for row in distinct:
            members = [replicate_of(e.name) for e, own in zip(experiments, rows, strict=True) if own == row]
            suffix = "" if len(distinct) == 1 else f"[{_group(row) or members[0]}]"
            targets = dict(zip(names, row, strict=True))
            called = {one: networks[one] for one in sorted(networks_called([formula]))}
            found.append(Derived(f"{name}{suffix}", formula, targets, texts[name] or "", units.get(name), called))
    return tuple(found)


def _group(row: tuple[Target, ...]) -> str | None:
    """The group of `k[wt]`, where all parameters that have one agree and no number of the experiment matters."""
    groups = {target.split("[", 1)[1][:-1] for target in row if isinstance(target, str) and "[" in target}
    return groups.pop() if len(groups) == 1 and all(isinstance(target, str) for target in row) else None
