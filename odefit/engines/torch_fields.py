"""Vector fields of a batch of experiments, as torchdiffeq calls them.

A state is [S, E], not [E, S]: one row per formula, so that a row is taken and put back without a copy.
Each integration has a field of its own, since the adjoint method calls it once more in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.model.derivatives import derivatives
from odefit.model.functions import torch_function
from odefit.model.system import TIME, System, symbol

LOOK_EVERY = 1000
VERY_LARGE = 1e30


class Equations:
    """The formulas of a system and of its sensitivities, compiled once."""

    def __init__(self, system: System, sensitive: Sequence[str], networks: nn.ModuleDict) -> None:
        self.system, self.sensitive, self.networks = system, tuple(sensitive), networks
        self.uses_time = any(symbol(TIME) in formula.free_symbols for formula in system.rhs)

    @property
    def _arguments(self) -> tuple[str, ...]:
        return (*self.system.states, TIME, *self.system.parameters)

    @cached_property
    def slopes(self) -> Any:
        """f."""
        return torch_function(list(self.system.rhs), self._arguments, dict(self.networks.items()))

    @cached_property
    def start(self) -> Any:
        """y at the start, of the parameters."""
        return torch_function(list(self.system.start), self.system.parameters)

    @cached_property
    def start_derivatives(self) -> Any:
        """d start / d sensitive, state by state."""
        table = derivatives(list(self.system.start), self.sensitive)
        return torch_function([entry for row in table for entry in row], self.system.parameters)

    @cached_property
    def jacobian(self) -> tuple[Any, Tensor, Tensor]:
        """f and the entries of [df/dy, df/dp] that vary, as one function; where in it they are; all that do not.

        The last is [S (S + K)], flat.
        """
        table = derivatives(list(self.system.rhs), [*self.system.states, *self.sensitive])
        entries = [entry for row in table for entry in row]
        constant = np.array([float(entry) if entry.is_number else 0.0 for entry in entries], dtype=np.float64)
        varying = [i for i, entry in enumerate(entries) if not entry.is_number]
        function = torch_function([*self.system.rhs, *(entries[i] for i in varying)], self._arguments)
        return function, torch.tensor(varying, dtype=torch.int64), torch.from_numpy(constant)


class Field:
    """What both fields share. p: [E, L]; start: [E], absolute; limit: of evaluations in one integration.

    callback: called at each evaluation.
    """

    def __init__(
        self,
        equations: Equations,
        p: Tensor,
        start: Tensor,
        limit: float,
        callback: Callable[[], None] | None = None,
    ) -> None:
        self.equations, self.limit, self._callback = equations, limit, callback
        self._columns = p.unbind(-1)
        self._start = start
        self.evaluations = 0
        self._seen = -1.0

    def _count(self, s: Tensor) -> None:
        self.evaluations += 1
        if self._callback is not None:
            self._callback()
        if self.evaluations > self.limit:
            subject = f"{self.limit} evaluations without reaching the end"
            raise IntegrationError(Failure(FailureReason.CRAWLS, subject=subject))
        if self.evaluations % LOOK_EVERY == 0:
            # LSODA steps on and on when its steps no longer change the time.
            before, self._seen = self._seen, float(s.detach())
            if abs(self._seen - before) <= 1e-12 * abs(self._seen):
                raise IntegrationError(Failure(FailureReason.STEP_TOO_SMALL))

    def __call__(self, s: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def _checked(self, slopes: Tensor) -> Tensor:
        if self.evaluations == 1 and not torch.isfinite(slopes).all():
            raise IntegrationError(Failure(FailureReason.RATE_NOT_FINITE))
        return slopes

    def _arguments(self, s: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        t = self._start + s if self.equations.uses_time else s
        return (*y.unbind(0), t, *self._columns)


class VectorField(Field):
    """dy/ds [S, E] at elapsed time s."""

    def __call__(self, s: Tensor, y: Tensor) -> Tensor:
        self._count(s)
        arguments = self._arguments(s, y)
        return self._checked(rows(self.equations.slopes(*arguments), arguments[0]))


class SensitivityField(Field):
    """The vector field with its forward sensitivities: Y = [y, dy/dp_1, ..., dy/dp_K] as [S (1 + K), E].

    s_k' = (df/dy) s_k + df/dp_k with exact derivatives: a Runge-Kutta step of this system is
    exactly the derivative of the step of the original. Without gradients.
    """

    def __init__(
        self,
        equations: Equations,
        p: Tensor,
        start: Tensor,
        limit: float,
        callback: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(equations, p, start, limit, callback)
        self._function, varying, constant = equations.jacobian
        self._varying = varying.to(p.device)
        self._constant = constant.to(p).unsqueeze(-1).expand(-1, len(p))

    def __call__(self, s: Tensor, augmented: Tensor) -> Tensor:
        self._count(s)
        n, k = len(self.equations.system.states), len(self.equations.sensitive)
        y, dy = augmented[:n], augmented[n:].view(n, k, -1)
        arguments = self._arguments(s, y)
        values = rows(self._function(*arguments), arguments[0])
        partials = self._constant.index_copy(0, self._varying, values[n:]).view(n, n + k, -1)
        slope = (partials[:, :n].unsqueeze(2) * dy).sum(1) + partials[:, n:]
        return self._checked(torch.cat((values[:n], slope.flatten(0, 1))))


def rows(values: Sequence[Any], like: Tensor) -> Tensor:
    """Values (tensors [E], or numbers) as the rows of one tensor; like: [E]."""
    shape = like.shape
    full = [v if isinstance(v, Tensor) and v.shape == shape else _filled(v, like) for v in values]
    return torch.stack(full) if full else like.new_empty((0, *shape))


def _filled(value: Any, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.to(like.dtype).expand(like.shape)
    return like.new_full(like.shape, float(value))


@torch.no_grad()
def worst_rms(x: Tensor) -> Tensor:
    """The norm for error control: root mean square over the states of the worst experiment.

    torchdiffeq's own takes the mean over the experiments too, by which one bad experiment among a hundred
    may err ten times as much as alone. NaN becomes a very large number: a step that tries the root of a
    negative number is repeated with a smaller width, where torchdiffeq itself would make the width NaN.
    No gradient: step sizes are no function of the parameters.
    """
    return x.square().mean(dim=0).max().sqrt().nan_to_num(VERY_LARGE, VERY_LARGE)


def check_step(t: Tensor, _y: Tensor, width: Tensor) -> None:
    """Before each adaptive step. torchdiffeq asserts the same, which `python -O` leaves out."""
    if not bool(t + width > t):
        raise IntegrationError(Failure(FailureReason.STEP_TOO_SMALL))
