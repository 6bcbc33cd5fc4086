"""Where a training stands, and what it takes to go on from there: stage, round, and the state of everything.

A stage is entered anew by putting everything as it was when it began; then its round is put as it was last, and its
optimizer goes on within it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from odefit.fitting.stages import TrainingState
from odefit.runs.checkpoint import BEST, Memory

PART = "training"


class Recorded(Protocol):
    """What was recorded on the way: history and frames."""

    def recorded(self) -> dict[str, Any]: ...

    def restore(self, recorded: Mapping[str, Any]) -> None: ...


class TrainingCheckpoint:
    """The place of one training: it hears of each stage and round before it begins, and is its minimisers' memory."""

    def __init__(self, memory: Memory, state: TrainingState, recorder: Recorded) -> None:
        self.memory, self.state, self.recorder = memory, state, recorder
        self._kept: Mapping[str, Any] | None = memory.restored(PART)
        self._inner: Any | None = None
        self._stage = self._round = 0
        self._begun: dict[str, Any] = {}
        self._module: nn.Module = state.module

    def enter_stage(self, number: int) -> bool:
        """Whether it is still to be done."""
        kept = self._kept
        if kept is not None and number < kept["stage"]:
            return False
        if kept is not None:
            self._put(self.state.module, kept["begun"])
            self.state.restore_states(kept["begun"]["states"])
            self.recorder.restore(kept["recorded"])
        self._stage, self._begun = number, self._taken(self.state.module) | {"states": self.state.computed_states()}
        return True

    def enter_round(self, number: int, module: nn.Module) -> bool:
        """Whether it is still to be done."""
        kept = self._kept
        if kept is not None and number < kept["round"]:
            return False
        self._inner = None
        if kept is not None:
            self._put(module, kept["now"])
            self._inner = kept["inner"]
        self._kept, self._round, self._module = None, number, module
        if self._inner is None:
            self.offer(lambda: None)
        return True

    def restored(self) -> Any | None:
        """What the optimizer of this round had reached."""
        return self._inner

    def offer(self, inner: Callable[[], Any]) -> None:
        """What the optimizer of this round has reached, between two of its steps."""
        self.memory.offer(PART, lambda: self._everything(inner()), passing=True)

    def _everything(self, inner: Any) -> dict[str, Any]:
        return {
            "stage": self._stage,
            "round": self._round,
            "begun": self._begun,
            "now": self._taken(self._module),
            "inner": inner,
            "recorded": self.recorder.recorded(),
            BEST: {
                "values": dict(zip(self.state.problem.table.names, self.state.theta.tolist(), strict=True)),
                "weights": {k: w.detach().clone() for k, w in self.state.module.networks.state_dict().items()},
            },
        }

    def _taken(self, module: nn.Module) -> dict[str, Any]:
        return {
            "module": {name: tensor.detach().clone() for name, tensor in module.state_dict().items()},
            "generator": self.state.generator.get_state(),
            "engine": self.state.problem.engine.state(),
        }

    @torch.no_grad()
    def _put(self, module: nn.Module, taken: Mapping[str, Any]) -> None:
        module.load_state_dict(taken["module"])
        self.state.generator.set_state(taken["generator"])
        self.state.problem.engine.restore(taken["engine"])
