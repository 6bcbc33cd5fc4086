"""Tsitouras' method for equations with networks: machine code, and torch for what is not compiled or fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.methods import AUTO, AUTO_EXPLICIT, AUTO_TORCH
from odefit.engines.networks.autograd import compiled_field
from odefit.engines.tolerances import absolute_tolerances
from odefit.engines.torch_engine import TorchEngine
from odefit.engines.torch_fields import Field, VectorField, rows
from odefit.errors import ModelError
from odefit.model.system import System


class NetworkEngine(TorchEngine):
    """What `auto` is for networks: each experiment by steps of its own, with exact gradients backwards.

    Whatever fails is tried once more by torch's method, which says why where it fails, too. Where nothing is compiled
    (compiled_field), torch's method does everything.
    """

    def __init__(
        self,
        system: System,
        options: SolverOptions,
        sensitive: Sequence[str] = (),
        networks: nn.ModuleDict | None = None,
    ) -> None:
        super().__init__(system, replace(options, method=AUTO_TORCH), sensitive, networks)
        self.options = options
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        self._field = None if options.adjoint else compiled_field(system, self.networks, like)
        if self._field is None and options.method != AUTO:
            what = f"{AUTO_EXPLICIT} is machine code, which these networks or options are not"
            raise ModelError("solver.method", f"{what}; use a torch method such as {AUTO_TORCH}")
        self._limits = np.concatenate(([options.rtol], absolute_tolerances(options, len(system.states))))

    @property
    def method_in_use(self) -> str:
        """The method of all solutions."""
        return super().method_in_use if self._field is None else AUTO_EXPLICIT

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States [E, T, S] at each experiment's own times (padded), differentiable in p [E, L] and the networks."""
        y = self._compiled(p, batch)
        return super().solve_batch(p, batch) if y is None else y

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states take, for p [E, L]; None where torch has to serve."""
        batch = collate(list(enumerate(experiments)), self.dtype)
        y = None if self._field is None else self._compiled(torch.as_tensor(p, dtype=self.dtype), batch)
        return None if y is None or self._field is None else self._field.steps

    def _compiled(self, p: Tensor, batch: Batch) -> Tensor | None:
        if self._field is None:
            return None
        y = rows(self._equations.start(*p.unbind(-1)), batch.start).T
        found = self._field.drive(p, batch.start, batch.times - batch.start.unsqueeze(1), y, self._limits)
        return found if found is not None and bool(torch.isfinite(found).all()) else None

    @torch.no_grad()
    def _trajectories(self, kind: type[Field], p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        if kind is VectorField:
            y = self._compiled(torch.as_tensor(p, dtype=self.dtype), collate(list(enumerate(experiments)), self.dtype))
            if y is not None:
                return [Trajectory(own[: len(e.times)].numpy()) for own, e in zip(y, experiments, strict=True)]
        return super()._trajectories(kind, p, experiments)
