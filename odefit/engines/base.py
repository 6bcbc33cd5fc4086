"""What every engine promises: y(t; p) and its sensitivities, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.model.system import System

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch


@dataclass(frozen=True)
class SolverOptions:
    """How to integrate. `step` is for fixed-step methods; `rtol` and `atol` are for the others.

    sensitivity_rtol, sensitivity_atol: of the compiled engine's sensitivities, where not those of the states.
    """

    method: str = "auto"
    rtol: float = 1e-6
    atol: float = 1e-8
    step: float | None = None
    adjoint: bool = False
    dtype: str = "float64"
    device: str = "cpu"
    sensitivity_rtol: float | None = None
    sensitivity_atol: float | None = None


@dataclass(frozen=True)
class Trajectory:
    """The states of one experiment at its times.

    y: [T, S]; dy: [T, S, L] derivatives with respect to the engine's `sensitive` parameters, when asked.
    failure: None, or a plain sentence that says where and why the integration failed; y and dy are
    NaN then, never a number that looks like a solution.
    """

    y: FloatArray
    dy: FloatArray | None = None
    failure: str | None = None


class Engine(Protocol):
    """Integrates one system. p is [L], in the order of `system.parameters`."""

    system: System
    options: SolverOptions
    sensitive: tuple[str, ...]
    notes: list[str]
    """Sentences about choices that the engine made by itself, each once."""

    def fresh(self) -> Engine:
        """The same engine before its first solve: what it learnt on the way must not change a new search."""
        ...

    def solve(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """States of each experiment at its times. p: [E, L], one row per experiment."""
        ...

    def solve_with_sensitivities(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """The same with dy: [T, S, len(sensitive)], total derivatives (through y0 as well)."""
        ...

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at the batch's times, [E, T, S], differentiable with respect to p [E, L].

        Raises SolveError when the integration fails.
        """
        ...
