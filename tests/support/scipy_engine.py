"""An engine of one's own behind the protocol: SciPy's solve_ivp, with forward sensitivities. To be copied from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, Trajectory, members_of
from odefit.engines.failure import Failure, FailureReason
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System

METHODS = {"scipy_rk45": "RK45", "scipy_lsoda": "LSODA"}


class ScipyEngine(Engine):
    """Integrates formulas. It learns something: the first step of a solution is the mean one of the solution before."""

    is_compiled = False

    def __init__(self, system: System, options: SolverOptions, sensitive: tuple[str, ...]) -> None:
        self.system, self.options, self.sensitive = system, options, sensitive
        self.notes: list[str] = []
        self._step: float | None = None

    @property
    def method_in_use(self) -> str:
        return self.options.method

    def reset_copy(self) -> ScipyEngine:
        return ScipyEngine(self.system, self.options, self.sensitive)

    def state(self) -> dict[str, Any]:
        return {"step": self._step}

    def restore(self, state: dict[str, Any]) -> None:
        self._step = state["step"]

    def solve_batch(self, p: Any, batch: Any) -> Any:
        from odefit.engines.autograd import states_of

        return states_of(self, p, batch.experiments)

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        p, chosen = members_of(self.system, p, experiments, members)
        k = len(self.sensitive) if sensitivities else None
        return Solutions.joined([self._one(row, experiment, k) for row, experiment in zip(p, chosen, strict=True)])

    def _one(self, p: FloatArray, experiment: Experiment, k: int | None) -> Trajectory:
        n, times = len(self.system.states), experiment.times
        start = np.array(self._start(*p), dtype=np.float64).reshape(n, -1)
        y0 = start[:, 0] if k is None else np.concatenate([start[:, 0], start[:, 1:].ravel()])

        def field(t: float, z: FloatArray) -> FloatArray:
            values = np.array(self._field(*z[:n], t, *p), dtype=np.float64).reshape(n, -1)
            if k is None:
                return values[:, 0]
            dy = values[:, 1 : 1 + n] @ z[n:].reshape(n, k) + values[:, 1 + n :]
            return np.concatenate([values[:, 0], dy.ravel()])

        span = (experiment.start, float(times[-1]))
        first = None if self._step is None else min(self._step, 0.1 * (span[1] - span[0]))
        found = solve_ivp(
            field,
            span,
            y0,
            METHODS[self.options.method],
            times,
            first_step=first,
            rtol=self.options.rtol,
            atol=self.options.atol,
        )
        if not found.success or found.y.shape[1] < len(times):
            y, dy = np.full((len(times), n), np.nan), None if k is None else np.full((len(times), n, k), np.nan)
            return Trajectory(y, dy, Failure(FailureReason.GAVE_UP, float(found.t[-1]) if len(found.t) else None))
        self._step = (span[1] - span[0]) / found.nfev
        dy = None if k is None else found.y[n:].T.reshape(-1, n, k)
        return Trajectory(found.y[:n].T, dy)

    @cached_property
    def _field(self) -> Any:
        """Per state: f, df/dy and df/d sensitive."""
        return self._with_derivatives(self.system.rhs, (*self.system.states, *self.sensitive), True)

    @cached_property
    def _start(self) -> Any:
        """Per state: y0 and dy0/d sensitive."""
        return self._with_derivatives(self.system.start, self.sensitive, False)

    def _with_derivatives(self, formulas: Sequence[Any], names: Sequence[str], of_state: bool) -> Any:
        plain = [sp.sympify(formula) for formula in formulas]
        table = zip(plain, derivatives(plain, names), strict=True)
        arguments = (*self.system.states, TIME) if of_state else ()
        return numpy_function([part for f, row in table for part in (f, *row)], (*arguments, *self.system.parameters))
