"""A rough solution by the kernel.

Of a large system, whose hundreds of formulas in Python, and differences for a Jacobian, are too slow. Of a small one
where the fit needs the same program anyway: else it is solved in Python sooner than compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.registry import ENGINES
from odefit.errors import InputError
from odefit.model.system import System

if TYPE_CHECKING:
    from odefit.engines.kernel.program import KernelProgram

MIN_STATES = 60
"""Fewer are solved in Python sooner than they are compiled for this alone."""
STAGES = 6
"""Evaluations of a step."""
DECADES = np.logspace(-9, 0, 37)
"""Parts of the way at which it is looked, besides even ones: what is fast happens early."""


class KernelSteps:
    """Explicit steps of a system by the program that has sensitivities to some parameters; `way` yields None where that
    cannot be made, or may take no step.

    sensitive: None where no such program is needed by anybody else.
    """

    def __init__(self, system: System, rtol: float, sensitive: Sequence[str] | None) -> None:
        self._system, self._rtol = system, rtol
        self._sensitive = None if sensitive is None else tuple(sensitive)

    @cached_property
    def _program(self) -> KernelProgram | None:
        if self._sensitive is None or not ENGINES["kernel"].available()[0]:
            return None
        from odefit.engines.kernel.program import program_of

        try:
            return program_of(self._system, self._sensitive)
        except InputError:  # too large
            return None

    def way(
        self, p: FloatArray, times: FloatArray, atol: FloatArray, most: int
    ) -> tuple[bool, FloatArray, FloatArray] | None:
        """See `KernelProgram.steps`; most: evaluations, of which there may be none left."""
        if self._program is None or most < STAGES:
            return None
        return self._program.steps(p, times, self._rtol, atol, most // STAGES)


class KernelWays:
    """Rough ways of a system by the kernel, where it can do that; `solve` yields None elsewhere."""

    def __init__(self, system: System, rtol: float) -> None:
        self._system, self._rtol = system, rtol
        self._is_there = len(system.states) >= MIN_STATES and ENGINES["kernel"].available()[0]

    def solve(
        self, p: FloatArray, start: float, times: FloatArray, atol: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Times [n] and states [n, S] from `start` to the last of `times`, these among them.

        Parameters
        ----------
        p
            [L].
        atol
            [S].
        """
        engine = self._engine(atol)
        if engine is None:
            return None
        early = start + DECADES * (times[-1] - start)
        at = np.unique(np.concatenate([[start], early[early < times[-1]], times]))
        found = engine.solve(p[None], [Experiment("", at, np.empty((len(at), 0)), start)])[0]
        return (at, found.y) if found.failure is None else None

    def _engine(self, atol: FloatArray) -> Engine | None:
        if not self._is_there:
            return None
        options = SolverOptions(rtol=self._rtol, atol=tuple(atol.tolist()))
        try:
            return ENGINES["kernel"].make(self._system, options, (), None)
        except InputError:  # too large
            self._is_there = False
            return None
