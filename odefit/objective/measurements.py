"""The measured cells of a problem, observable by observable, as the likelihood takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.model.system import symbol
from odefit.objective.noise.family import Family
from odefit.objective.observation import Moments
from odefit.objective.problem import FitProblem


@dataclass(frozen=True)
class DataBlock:
    """M cells of one observable: their rows [M] of the problem and their values T(d) [M].

    sigma: [M] from the data, or None. side: [M], 0 where d was measured, -1 where the truth lies below d, 1 where it
    lies above.
    """

    rows: IntArray
    values: FloatArray
    sigma: FloatArray | None
    side: FloatArray


@dataclass(frozen=True)
class ObservableData:
    """All cells of one observable. `rows`, `values` and `sigma` are those of the measured ones.

    measured: the cells with a measurement. censored: those with a limit only; None where there are none.
    constant: the sum of the terms that neither a parameter nor the family knows: the logarithms of log-normal data.
    theta: position of the estimated parameter that is this observable's second parameter, if it is as simple as that.
    """

    family: Family
    measured: DataBlock
    censored: DataBlock | None
    constant: float
    theta: int | None

    @property
    def rows(self) -> IntArray:
        return self.measured.rows

    @property
    def values(self) -> FloatArray:
        return self.measured.values

    @property
    def sigma(self) -> FloatArray | None:
        return self.measured.sigma

    @cached_property
    def parts(self) -> tuple[DataBlock, ...]:
        return (self.measured,) if self.censored is None else (self.measured, self.censored)

    @cached_property
    def n(self) -> int:
        """How many cells there are, censored ones included."""
        return sum(len(part.rows) for part in self.parts)

    @property
    def profiles(self) -> bool:
        """Whether the best second parameter is known in closed form."""
        return self.family.profiles and self.censored is None

    def second(self, part: DataBlock, observed: Moments) -> FloatArray:
        """s of every cell of a part, [M]; NaN (so that the value is infinite) where it is no such parameter."""
        if part.sigma is not None:
            return part.sigma
        if not self.family.has_scale:
            return np.zeros(len(part.rows))
        s = np.asarray(observed.s, dtype=np.float64)
        s = np.broadcast_to(s, observed.m.shape)[part.rows]
        # Counts may have no dispersion, but nothing else has no scale.
        return np.where(s >= 0 if self.family.is_count else s > 0, s, np.nan)


def observable_data(problem: FitProblem) -> tuple[ObservableData, ...]:
    """One `ObservableData` per observable."""
    experiments, observation = problem.experiments, problem.observation
    values = np.concatenate([e.values for e in experiments])
    sigma = np.concatenate([np.full(e.values.shape, np.nan) if e.sigma is None else e.sigma for e in experiments])
    side = np.concatenate([np.zeros(e.values.shape) if e.censored is None else e.censored for e in experiments])
    with_sigma = any(e.sigma is not None for e in experiments)
    found = []
    for column, name in enumerate(observation.names):
        noise = observation.noise[name]
        own = with_sigma and noise.sigma is None and noise.family.has_scale
        known = ~np.isnan(values[:, column])
        parts = []
        for chosen in (known & (side[:, column] == 0), known & (side[:, column] != 0)):
            rows = np.flatnonzero(chosen)
            d = values[rows, column]
            parts.append(DataBlock(rows, np.log(d) if noise.is_log else d, sigma[rows, column] if own else None,
                              side[rows, column].astype(np.float64)))  # fmt: skip
        measured, censored = parts
        constant = float(measured.values.sum()) if noise.is_log else 0.0
        simple = simple_second(problem, name)
        found.append(ObservableData(noise.family, measured, censored if len(censored.rows) else None, constant, simple))
    return tuple(found)


def simple_second(problem: FitProblem, observable: str) -> int | None:
    """The position in theta of an observable's second parameter, where that is one estimated number throughout."""
    noise, binding = problem.observation.noise[observable], problem.binding
    names = [name for name in binding.symbols if noise.sigma == symbol(name)]
    if not names:
        return None
    index = binding.index[:, binding.symbols.index(names[0])]
    position = int(index[0])
    parameters = problem.table.parameters
    if position < 0 or (index != position).any() or not parameters[position].estimate:
        return None
    return position
