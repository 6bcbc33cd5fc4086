"""Any minimiser of vectors on the modules that `minimize_adam` trains, over all data at once.

L-BFGS is the usual one: it learns the curvature of the loss on its way, which pays where a loss is smooth, has few
weights, and is a narrow curved valley, as those of trajectories are: the fit of a vector field needs several times
fewer gradients than with Adam.

Minimisers do not show where they stand. A search that goes on after a kill is led there by the answers that it was
given before, which takes no time, and does what it would have done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.errors import SolveError
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation
from odefit.optimizers.base import Minimizer
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.status import Ending, Reason, Status
from odefit.training.adam import Memory
from odefit.training.loss_history import Epoch, TrainingOutcome, settled

MAX_ANSWERS = 2_000_000
"""The most numbers of answers that are kept; a longer search resumes where they end, and not where it was."""

Bounds = Mapping[str, tuple[FloatArray, FloatArray]]
"""Name of a parameter of the module -> the least and greatest values of its elements."""


def minimize_whole(
    module: nn.Module,
    batch: Any,
    iterations: int,
    bounds: Bounds | None = None,
    weight_decay: float = 0.0,
    callback: Callable[[Epoch, nn.Module], None] | None = None,
    memory: Memory | None = None,
    minimize: Minimizer = minimize_lbfgs,
) -> TrainingOutcome:
    """Train a module in place on one batch, and leave it at its best state.

    A loss or gradient that is not finite, or a solve that fails, shortens the step; Ctrl-C ends the training with the
    best so far.

    Parameters
    ----------
    module
        Its forward(batch) is the loss.
    bounds
        Those of parameters that have any; others are free.
    weight_decay
        As in Adam: half the sum of the squared weights of submodules times this belongs to the loss.
    callback
        Called after every accepted step.
    memory
        As in `minimize_adam`.
    minimize
        What searches the module's parameters, joined into one vector.
    """
    objective = _Flat(module, batch, weight_decay)
    low, high = objective.box(bounds or {})
    start = np.clip(objective.get(), low, high)
    accepted = _Accepted(objective, start, callback, memory)
    history = accepted.history
    try:
        outcome = minimize(
            objective,
            accepted.start,
            low,
            high,
            size=np.ones(len(start)),
            max_iterations=iterations,
            callback=accepted.step,
        )
        if outcome.status == Status.FAILED:
            ending = Ending(Reason.MODEL_FAILS_AT_START, {"cause": objective.failure})
        elif outcome.status == Status.CONVERGED or len(history) < iterations:
            ending = outcome.ending
        else:
            ending = settled([e.loss for e in history], len(history), "iterations", "more fit.epochs")
    except KeyboardInterrupt:
        ending = Ending(Reason.INTERRUPTED, {"n": len(history), "total": iterations, "unit": "iterations"})
    objective.put(objective.best if objective.best is not None else accepted.start)
    best = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return TrainingOutcome(ending, best, objective.best_value, len(history), history)


class _Accepted:
    """The accepted steps of a search. A search that is resumed takes those again that it had, without a word of them.

    Parameters
    ----------
    objective
        What is searched; gets the answers that the memory kept.
    start
        [P]; the memory's own where it kept one.
    callback, memory
        As for `minimize_whole`.
    """

    def __init__(
        self,
        objective: _Flat,
        start: FloatArray,
        callback: Callable[[Epoch, nn.Module], None] | None,
        memory: Memory | None,
    ) -> None:
        self.objective, self.start, self.callback, self.memory = objective, start, callback, memory
        self.history: list[Epoch] = []
        self.n_reported = 0
        known = None if memory is None else memory.restored()
        if known is not None:
            self.start, self.n_reported = known["start"], known["accepted"]
            objective.answers = list(zip(known["values"].tolist(), known["gradients"], strict=True))

    def step(self, u: FloatArray, value: float) -> None:
        """What the optimizer calls after a step to u [P]."""
        self.history.append(Epoch(len(self.history) + 1, value, math.nan, self.objective.best_norm))
        if len(self.history) <= self.n_reported:
            return
        self.objective.put(u)
        if self.callback is not None:
            self.callback(self.history[-1], self.objective.module)
        if self.memory is not None and self.objective.asked <= len(self.objective.answers):
            self.memory.offer(self.state)

    def state(self) -> dict[str, Any]:
        """For the memory."""
        values, gradients = zip(*self.objective.answers, strict=True)
        kept = {"values": np.array(values), "gradients": np.array(gradients)}
        return {"start": self.start, "accepted": len(self.history), **kept}


class _Flat:
    """The loss of a module as a function of one vector: the `Objective` protocol.

    A loss has no residuals, so its score form has one row: z = sqrt(2 |value|), A = gradient / z.

    answers: value and gradient [P] of each evaluation so far, as long as there is room for them; of a value alone the
    gradient is 0. Those that are there before anything is asked are given first.
    """

    def __init__(self, module: nn.Module, batch: Any, weight_decay: float) -> None:
        self.module, self.batch, self.weight_decay = module, batch, weight_decay
        self.named = [(name, q) for name, q in module.named_parameters() if q.requires_grad]
        self.weights = [q for name, q in self.named if "." in name]
        self.best: FloatArray | None = None
        self.best_value, self.best_norm = math.inf, math.nan
        self.failure = ""
        self.answers: list[tuple[float, FloatArray]] = []
        self.asked = 0

    def get(self) -> FloatArray:
        return _joined([q.detach() for _, q in self.named])

    @torch.no_grad()
    def put(self, u: FloatArray) -> None:
        begin = 0
        for _, q in self.named:
            part = torch.as_tensor(u[begin : begin + q.numel()])
            q.copy_(part.reshape(q.shape))
            begin += q.numel()

    def box(self, bounds: Bounds) -> tuple[FloatArray, FloatArray]:
        free = {name: (np.full(q.numel(), -np.inf), np.full(q.numel(), np.inf)) for name, q in self.named}
        pairs = [bounds.get(name, free[name]) for name, _ in self.named]
        return np.concatenate([low for low, _ in pairs]), np.concatenate([high for _, high in pairs])

    def value(self, u: FloatArray) -> float:
        return self._ask(u, derivatives=False)[0]

    def evaluate(self, u: FloatArray) -> Evaluation:
        value, gradient = self._ask(u, derivatives=True)
        z = (math.sqrt(2 * abs(value)) or 1.0) if math.isfinite(value) else 0.0
        return Evaluation(value, np.array([z]), DenseMatrix(gradient[None, :] / (z or 1.0)))

    def _ask(self, u: FloatArray, derivatives: bool) -> tuple[float, FloatArray]:
        """Value and gradient: the next of the answers, or a new one."""
        if self.asked < len(self.answers):
            value, gradient = self.answers[self.asked]
        else:
            value, gradient = self._answer(u, derivatives)
            if self.asked == len(self.answers) and (self.asked + 1) * len(u) <= MAX_ANSWERS:
                self.answers.append((value, gradient))
        self.asked += 1
        if value < self.best_value:
            norm = float(np.linalg.norm(gradient)) if derivatives else math.nan
            self.best, self.best_value, self.best_norm = u.copy(), value, norm
        return value, gradient

    def _answer(self, u: FloatArray, derivatives: bool) -> tuple[float, FloatArray]:
        """The loss and its gradient [P]; inf and zeros where they are not finite."""
        self.put(u)
        self.module.zero_grad(set_to_none=True)
        try:
            with torch.set_grad_enabled(derivatives):
                loss = self.module(self.batch)
                if self.weight_decay:
                    loss = loss + self.weight_decay / 2 * sum(q.square().sum() for q in self.weights)
                if derivatives:
                    loss.backward()
        except SolveError as error:
            self.failure = str(error)
            return math.inf, np.zeros(len(u))
        value = loss.item()
        gradient = _joined([q.new_zeros(q.shape) if q.grad is None else q.grad for _, q in self.named])
        if not math.isfinite(value) or not np.isfinite(gradient).all():
            self.failure = "the loss or its gradient is not finite"
            return math.inf, np.zeros(len(u))
        return value, gradient


def _joined(tensors: list[Tensor]) -> FloatArray:
    flat = [t.reshape(-1).to(torch.float64).cpu().numpy() for t in tensors]
    return np.concatenate(flat) if flat else np.empty(0)
