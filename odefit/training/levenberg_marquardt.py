"""Levenberg-Marquardt for modules with many weights: damped Gauss-Newton steps on sums of squares.

    (A + mu D + c 1) dq = -(g + c w),   D = diag(A) + mean(diag(A)),

A and g half the Gauss-Newton matrix and gradient of the mean of squares over q, c half the weight decay. The part of D
that is the same for all keeps weights that the data do not feel where they are; diag(A) makes it indifferent to the
units of the others. A step that lowers the loss is taken and mu reduced, else mu is raised (Marquardt 1963). mu D
bounds the condition of what is solved, and rounding can cost progress only: no step is taken that does not lower the
loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from odefit.errors import SolveError
from odefit.records import dataclass
from odefit.status import Ending, Reason
from odefit.training.adam import Memory
from odefit.training.loss_history import Epoch, TrainingOutcome


@dataclass(frozen=True)
class DampingOptions:
    """How the damping mu changes, and when a loss has settled.

    Parameters
    ----------
    first, lowest, highest
        mu of the first step, and its limits; beyond the highest no step is tried.
    after_success, after_failure
        The factors of mu after a step that lowers the loss, and after one that does not.
    settled
        The search has converged when three steps in a row lower the loss by no more than this share of it.
    nearly_settled
        The same share for a search that has used all its iterations.
    """

    first: float = 1e-4
    lowest: float = 1e-12
    highest: float = 1e6
    after_success: float = 0.25
    after_failure: float = 4.0
    settled: float = 3e-5
    nearly_settled: float = 2e-3


OPTIONS = DampingOptions()
"""What has served all networks that were tried."""


class Curved(Protocol):
    """What there is of a module beside its loss, a mean of squares over its batch."""

    @property
    def q(self) -> Tensor:
        """All its parameters, [Q]."""
        ...

    @property
    def n_u(self) -> int:
        """The number of parameters at the beginning of q that are no weights."""
        ...

    def put(self, q: Tensor) -> None:
        """Set all parameters, within their bounds."""
        ...

    def at(self, batch: Any) -> Any:
        """The sum of squares over a batch, linearised at the present parameters."""
        ...


def minimize_damped(
    module: nn.Module,
    curved: Curved,
    batch: Any,
    iterations: int,
    bounds: tuple[Tensor, Tensor],
    starts: nn.Parameter | None = None,
    weight_decay: float = 0.0,
    callback: Callable[[Epoch, nn.Module], None] | None = None,
    memory: Memory | None = None,
) -> TrainingOutcome:
    """Train a module in place on one batch, and leave it at its best state.

    A trial that fails is a step that is too long. Ctrl-C ends the training with the best so far.

    Parameters
    ----------
    module
        Its forward(batch) is the loss.
    curved
        Its parameters as one vector q [Q], of which the first n_u are not decayed, and its linearisation.
    batch
        All data.
    iterations
        The most steps.
    bounds
        [n_u] each, of the first parameters.
    starts
        Parameters that were eliminated from q, and follow it.
    weight_decay
        Twice the factor of the sum of squares of all weights that is added to the loss.
    callback
        Called after each step.
    memory
        What keeps the state for a resume, as in `minimize_adam`.
    """
    search = _Search(module, curved, batch, bounds, starts, weight_decay)
    history = search.history
    try:
        ending = _searched(search, iterations, callback, memory)
    except KeyboardInterrupt:
        search.restore()
        ending = Ending(Reason.INTERRUPTED, {"n": len(history), "total": iterations, "unit": "iterations"})
    best = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return TrainingOutcome(ending, best, search.value, len(history), history)


def _searched(
    search: _Search,
    iterations: int,
    callback: Callable[[Epoch, nn.Module], None] | None,
    memory: Memory | None,
) -> Ending:
    """Step after step, from the start or from what the memory kept, and why that ended."""
    history = search.history
    known = None if memory is None else memory.restored()
    if known is not None:
        search.resume(known)
    else:
        search.value = search.loss()
    if not math.isfinite(search.value):
        return Ending(Reason.MODEL_FAILS_AT_START, {"cause": search.failure})
    while len(history) < iterations:
        norm = search.step()
        if norm is None:
            return Ending(Reason.NO_STEP_LOWERS_LOSS)
        history.append(Epoch(len(history) + 1, search.value, math.nan, norm))
        if callback is not None:
            callback(history[-1], search.module)
        change = _change(history)
        if change <= OPTIONS.settled or (len(history) == iterations and change <= OPTIONS.nearly_settled):
            return Ending(Reason.LOSS_SETTLED, {"change": change, "last": 3, "unit": "iterations"})
        if memory is not None:
            memory.offer(search.state)
    return Ending(Reason.LOSS_STILL_FALLS, {"n": iterations, "unit": "iterations"})


def _change(history: list[Epoch]) -> float:
    """The share of itself by which the loss fell in the last three steps; infinite before the third."""
    if len(history) < 4:
        return math.inf
    return (history[-4].loss - history[-1].loss) / max(abs(history[-1].loss), 1e-300)


class _Search:
    def __init__(
        self,
        module: nn.Module,
        curved: Curved,
        batch: Any,
        bounds: tuple[Tensor, Tensor],
        starts: nn.Parameter | None,
        weight_decay: float,
    ) -> None:
        self.module, self.curved, self.batch, self.starts = module, curved, batch, starts
        self.low, self.high = bounds
        self.decay, self.cells = weight_decay, max(int(batch.mask.sum()), 1)
        self.damping, self.failure = OPTIONS.first, ""
        self.q = curved.q
        self.z = None if starts is None else starts.detach().clone()
        self.value = math.inf
        self.history: list[Epoch] = []

    def state(self) -> dict[str, Any]:
        """What the next step depends on, beside the module, which is at q."""
        history = np.array([[e.loss, e.gradient_norm] for e in self.history])
        return {"damping": self.damping, "value": self.value, "history": history}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.damping, self.value = kept["damping"], kept["value"]
        self.history += [Epoch(k + 1, loss, math.nan, norm) for k, (loss, norm) in enumerate(kept["history"].tolist())]

    @torch.no_grad()
    def loss(self) -> float:
        """The loss with its weight decay at the module's present state; inf where it fails."""
        try:
            value = float(self.module(self.batch))
        except SolveError as error:
            self.failure = str(error)
            return math.inf
        decayed = self.decay / 2 * float(self.curved.q[self.curved.n_u :].square().sum())
        return value + decayed if math.isfinite(value) else math.inf

    @torch.no_grad()
    def step(self) -> float | None:
        """Take a step that lowers the loss, and tell the gradient's norm before it; None where there is none."""
        here = self.curved.at(self.batch)
        n = self.curved.n_u
        matrix, gradient = here.matrix / self.cells, here.gradient / self.cells
        decay = torch.zeros_like(gradient)
        decay[n:] = self.decay / 2
        gradient = gradient + decay * self.q
        held = torch.zeros_like(gradient, dtype=torch.bool)
        held[:n] = ((self.q[:n] <= self.low) & (gradient[:n] > 0)) | ((self.q[:n] >= self.high) & (gradient[:n] < 0))
        gradient = torch.where(held, 0.0, gradient)
        matrix = torch.where(held | held.unsqueeze(1), 0.0, matrix)
        diagonal = matrix.diagonal()
        scale = diagonal + diagonal.mean().clamp(min=1e-30)
        while self.damping <= OPTIONS.highest:
            factor, bad = torch.linalg.cholesky_ex(matrix + torch.diag(self.damping * scale + decay))
            if not int(bad):
                dq = -torch.cholesky_solve(gradient.unsqueeze(1), factor).squeeze(1)
                if self._try(here, dq):
                    self.damping = max(self.damping * OPTIONS.after_success, OPTIONS.lowest)
                    return 2 * float(gradient.norm())
            self.damping *= OPTIONS.after_failure
        self.restore()
        self.damping = OPTIONS.highest
        return None

    def _try(self, here: Any, dq: Tensor) -> bool:
        self.curved.put(self.q + dq)
        moved = self.curved.q - self.q
        if self.starts is not None and self.z is not None:
            self.starts.copy_(self.z + here.start_steps(moved, self.z))
        value = self.loss()
        if not value < self.value:
            return False
        self.q, self.value = self.curved.q, value
        if self.starts is not None:
            self.z = self.starts.detach().clone()
        return True

    @torch.no_grad()
    def restore(self) -> None:
        self.curved.put(self.q)
        if self.starts is not None and self.z is not None:
            self.starts.copy_(self.z)
