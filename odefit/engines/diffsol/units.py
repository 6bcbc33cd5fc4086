"""The units in which diffsol sees states and parameters: its one absolute tolerance then means the same for each."""

from __future__ import annotations

from collections.abc import Collection

from odefit.engines.base import SolverOptions
from odefit.engines.tolerances import absolute_tolerances, parameter_sizes
from odefit.model.system import System
from odefit.records import dataclass


@dataclass(frozen=True)
class Units:
    """A state y is s z with the unit s, a parameter p is u q with the unit u; the program knows z and q.

    Parameters
    ----------
    states
        [S] s of each state.
    parameters
        [L] u of each parameter.
    atol
        The absolute tolerance of every z.
    """

    states: tuple[float, ...]
    parameters: tuple[float, ...]
    atol: float

    @property
    def has_states(self) -> bool:
        """Whether any state is in another unit than its own."""
        return any(s != 1 for s in self.states)


def units_of(system: System, options: SolverOptions, sensitive: Collection[str]) -> Units:
    """The units for the tolerances of a solver: none where all states have one tolerance."""
    atol = absolute_tolerances(options, len(system.states))
    whole = float(atol.max())
    sizes = parameter_sizes(system, options).tolist()
    own = [size if name in sensitive else 1.0 for name, size in zip(system.parameters, sizes, strict=True)]
    return Units(tuple((atol / whole).tolist()), tuple(own), whole)
