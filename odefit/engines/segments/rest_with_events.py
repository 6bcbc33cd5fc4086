"""Rest before the start where events by conditions come on the way: a row at infinite time of what was before.

An event whose condition waits for the time does not come, since the time stands still; a delay passes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.steady_state import Before, SteadyState
from odefit.errors import ModelError
from odefit.model.system import System

Maker = Callable[[System, tuple[str, ...]], Engine]


class RestWithEvents(SteadyState):
    """Of a system with `rest` and `triggers`. make: the engine for what was before, which is interrupted itself.

    Raises ModelError for networks, to whose weights it has no derivatives.
    """

    def __init__(self, system: System, options: SolverOptions, factory: Maker, make: Maker) -> None:
        if not system.is_mechanistic:
            what = "with events by conditions needs equations without networks; take out the one or the other"
            raise ModelError("model.steady_state", what)
        super().__init__(system, options, factory)
        plain = self._search.system
        before = System(
            name=system.name,
            states=system.states,
            parameters=(*self._kept, *self._held),
            equations=plain.equations,
            initial=dict(zip(system.states, self._initial, strict=True)),
            observables={},
            triggers=self.triggers,
            comes_to_rest=True,
        )
        self._before = make(before, self._kept)

    @property
    def engine(self) -> Engine:
        """What follows the way."""
        return self._before

    def reset_copy(self) -> RestWithEvents:
        """With the engine before its first solve."""
        other = super().reset_copy()
        assert isinstance(other, RestWithEvents)
        other._before = self._before.reset_copy()
        return other

    def find(self, before: Before, experiment: Experiment, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """y [S] at the start of an experiment, and dy [S, len(names)].

        Raises IntegrationError where no steady state is reached.
        """
        endless = Experiment(experiment.name, np.array([np.inf]), np.empty((1, 0)), 0.0)
        found = self._before.solve(before.row[None], [endless], sensitivities=bool(names))[0]
        if found.failure is not None:
            raise IntegrationError(Failure(FailureReason.NOT_AT_REST, subject=f": {found.failure}"))
        dy = np.zeros((found.y.shape[1], len(names)))
        for k, name in enumerate(names):
            if name in self._kept and found.dy is not None:
                dy[:, k] = found.dy[-1, :, self._kept.index(name)]
        return found.y[-1], dy
