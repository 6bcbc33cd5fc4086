"""Numbers that follow from the parameters, with exact gradients: what is profiled, predicted, planned for.

A quantity q is a function of the search vector u [P]: a parameter on its natural scale, a formula of parameters, what
an observable is at a time. All are asked at many points u [M, P] at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, Mask
from odefit.data.experiments import Experiment
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import ParameterTable
from odefit.objective.problem import FitProblem
from odefit.records import dataclass


class Values(NamedTuple):
    """A quantity at M points.

    values: [M], NaN where it cannot be computed. gradients: [M, P], to the search vector, NaN there. ok: [M], where it
    can.
    """

    values: FloatArray
    gradients: FloatArray
    ok: Mask

    @classmethod
    def of(cls, values: FloatArray, gradients: FloatArray) -> Values:
        """With NaN in the place of whatever is not finite."""
        ok = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
        return cls(np.where(ok, values, np.nan), np.where(ok[:, None], gradients, np.nan), ok)


class Quantity(Protocol):
    """A number that follows from the parameters.

    Attributes
    ----------
    name
        What reports and commands call it: `k`, `conc(6)`, `conc[mary](6)`.
    unit
        For reports only; None where it is not known.
    is_log
        Whether its Wald interval is one of its logarithm, so that it stays positive.
    """

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str | None: ...

    @property
    def is_log(self) -> bool: ...

    def evaluations(self, u: FloatArray) -> Values:
        """The values [M], natural scale, and their gradients [M, P], at search vectors u [M, P].

        No point is an error: where the model cannot be solved, or the quantity has no value, `ok` is False.
        """
        ...


@dataclass(frozen=True)
class ParameterQuantity:
    """An estimated parameter, natural scale."""

    table: ParameterTable
    name: str

    @property
    def unit(self) -> str | None:
        return self.table[self.name].unit

    @property
    def is_log(self) -> bool:
        return self.table[self.name].scale == "log"

    def evaluations(self, u: FloatArray) -> Values:
        k = self.table.estimated_names.index(self.name)
        gradients = np.zeros(u.shape)
        gradients[:, k] = self.table.transforms.derivative(u)[:, k]
        return Values.of(self.table.transforms.to_natural(u)[:, k], gradients)


@dataclass(frozen=True)
class FormulaQuantity:
    """A formula of parameters.

    Parameters
    ----------
    table
        The parameters.
    name, unit
        See `Quantity`.
    formula
        Over the symbols that `targets` has.
    targets
        What each symbol stands for: a parameter's name, or a number.
    """

    table: ParameterTable
    name: str
    formula: sp.Expr
    targets: Mapping[str, str | float]
    unit: str | None = None

    @property
    def is_log(self) -> bool:
        """Whether all estimated parameters in it are on logarithmic scales, as for a ratio of two rates."""
        used = [self.table[t] for t in self.targets.values() if isinstance(t, str)]
        return {p.scale for p in used if p.estimate} == {"log"}

    @cached_property
    def _function(self) -> Any:
        return _with_derivatives(self.formula, tuple(self.targets))

    def at_natural(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values [M] and derivatives to all parameters [M, N], at natural values theta [M, N]."""
        index = self.table.index
        numbers = [theta[:, index[x]] if isinstance(x, str) else x for x in self.targets.values()]
        value, *slopes = (np.broadcast_to(x, len(theta)) for x in self._function(*numbers))
        gradients = np.zeros(theta.shape)
        for target, slope in zip(self.targets.values(), slopes, strict=True):
            if isinstance(target, str):
                gradients[:, index[target]] += slope
        return value, gradients

    def evaluations(self, u: FloatArray) -> Values:
        values, gradients = self.at_natural(self.table.to_natural(u))
        with np.errstate(over="ignore", invalid="ignore"):
            return Values.of(values, gradients[:, self.table.estimated] * self.table.transforms.derivative(u))


@lru_cache(maxsize=100)
def _with_derivatives(formula: sp.Expr, names: tuple[str, ...]) -> Any:
    """A formula and its derivatives as one function; the same formula stands for many experiments."""
    return numpy_function([formula, *derivatives([formula], names)[0]], names)


@dataclass(frozen=True)
class CurveQuantity:
    """What an observable is in one row of one experiment, natural scale.

    Parameters
    ----------
    name, unit
        See `Quantity`.
    curves
        Solves the experiment.
    column, row
        Which observable, and which of the rows that are solved.
    """

    name: str
    curves: Curves
    column: int
    row: int
    unit: str | None = None

    @property
    def is_log(self) -> bool:
        observation = self.curves.problem.observation
        return observation.noise[observation.names[self.column]].is_log

    def evaluations(self, u: FloatArray) -> Values:
        values, gradients, _ = self.curves.at(u, self.column)
        return Values.of(values[:, self.row], gradients[:, self.row])


@dataclass(frozen=True)
class Curves:
    """Observables of one experiment or of several at chosen times, with their derivatives to the search vector.

    Parameters
    ----------
    problem
        Its experiments are at these times, and nothing is measured there: see `FitProblem.unmeasured`, `of_one`.
    """

    problem: FitProblem

    @cached_property
    def _likelihood(self) -> Likelihood:
        return Likelihood(self.problem)

    def at(self, u: FloatArray, column: int) -> tuple[FloatArray, FloatArray, Mask]:
        """One observable at search vectors u [M, P].

        Returns
        -------
        values, gradients, ok
            [M, R] and [M, R, P] in all R rows, natural scale, and [M], where the model could be solved; NaN elsewhere.
        """
        found = self._likelihood.moments_at(u, True)
        rows = len(self.problem.times)
        values, gradients = np.full((len(u), rows), np.nan), np.full((len(u), rows, u.shape[1]), np.nan)
        ok = np.zeros(len(u), dtype=bool)
        ok[found.points] = True
        if not len(found.points):
            return values, gradients, ok
        moments, is_log = found.moments[column], self._is_log(column)
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.exp(moments.m) if is_log else moments.m
            slopes = self.to_search(moments.dm, u[found.points])
            values[found.points] = value
            gradients[found.points] = slopes * value[..., None] if is_log else slopes
        return values, gradients, ok

    def _is_log(self, column: int) -> bool:
        observation = self.problem.observation
        return observation.noise[observation.names[column]].is_log

    def to_search(self, dm: FloatArray | None, u: FloatArray) -> FloatArray:
        """Derivatives [G, R, K] to the symbols of each row's experiment as those to u [G, P]: [G, R, P].

        dm: None where nothing moves.
        """
        g, p = u.shape
        slopes = np.zeros((g, len(self.problem.times), p + 1))
        if dm is not None:
            positions, owner = self._likelihood.columns.positions, self.problem.owner
            for e in range(len(self.problem.experiments)):
                rows = np.flatnonzero(owner == e)
                for k, position in enumerate(positions[e]):  # two symbols may be one parameter
                    slopes[:, rows, position] += dm[:, rows, k]
        found: FloatArray = slopes[..., :p] * self.problem.table.transforms.derivative(u)[:, None, :]
        return found


def of_one(problem: FitProblem, position: int, experiment: Experiment) -> FitProblem:
    """The problem of one of its experiments alone, at other times, and without measurements.

    Parameters
    ----------
    problem
        The fit.
    position
        Which experiment it is: whose parameters hold.
    experiment
        The same at the wanted times (`Experiment.at`).
    """
    binding, rows = problem.binding, slice(position, position + 1)
    own = replace(binding, index=binding.index[rows], constant=binding.constant[rows])
    return replace(problem, experiments=(experiment,), binding=own).unmeasured((experiment,))
