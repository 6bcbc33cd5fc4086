"""The compiled right-hand side as torch sees it: solutions that know their gradients. Imports torch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from odefit.arrays import FloatArray
from odefit.engines.kernel import machine
from odefit.engines.networks.program import FieldProgram, Members, Path, Weights
from odefit.errors import ModelError
from odefit.model.networks import MLP
from odefit.model.system import System


def compiled_field(system: System, networks: nn.ModuleDict, like: Tensor) -> CompiledField | None:
    """The compiled right-hand side of a system; None where it cannot be had, and torch has to serve.

    Parameters
    ----------
    networks
        The modules of its networks.
    like
        Has the dtype and the device of what is to be computed.
    """
    if like.dtype != torch.float64 or like.device.type != "cpu" or system.inputs:
        return None
    if not all(type(networks[name]) is MLP for name in system.networks):
        return None
    program = _program(_Key(system))
    return None if program is None else CompiledField(program, [networks[name] for name in system.networks])


class _Key:
    """A system; two with the same formulas and networks are the same program."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.value = (system.states, system.parameters, system.rhs, tuple(system.networks.values()))

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.value == other.value


@lru_cache(maxsize=16)
def _program(key: _Key) -> FieldProgram | None:
    if not machine.available()[0]:
        return None
    try:
        return FieldProgram(key.system)
    except ModelError:
        return None


class CompiledField:
    """A right-hand side with the weights that its modules have at the moment.

    Parameters
    ----------
    modules
        Those of the system's networks, in their order.

    Attributes
    ----------
    steps
        How many the last solution took.
    """

    def __init__(self, program: FieldProgram, modules: list[Any]) -> None:
        self.program, self.modules, self.steps = program, modules, 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All weights, in the order in which gradients have them."""
        return [q for module in self.modules for q in module.parameters()]

    def weights(self) -> Weights:
        """All weights as they are now."""
        own, turned, units = [], [], []
        for module in self.modules:
            for q in module.parameters():
                values = q.detach().numpy()
                own.append(values.ravel())
                turned.append(values.T.ravel())
            units += [b.numpy() for b in (module.centre, module.scale, module.output_scale)]
        return Weights(*(np.concatenate([*parts, np.empty(0)]) for parts in (own, turned, units)))

    def march(self, p: Tensor, start: Tensor, elapsed: Tensor, y: Tensor, steps: int) -> Tensor:
        """States [M, T, S] by `steps` classical Runge-Kutta steps between neighbouring times.

        Parameters
        ----------
        p, y
            [M, L] local values and [M, S] initial states; gradients reach both, and all weights.
        start, elapsed
            [M], and [M, T] times since then.
        """
        w = self.weights()
        path = self.program.march(_members(p, start, elapsed, y), steps, w)
        return self._tensor(path, w, p, y)

    def drive(self, p: Tensor, start: Tensor, elapsed: Tensor, y: Tensor, tolerances: FloatArray) -> Tensor | None:
        """The same by Tsitouras' method within tolerances (rtol, then atol [S]); None where a member fails."""
        w = self.weights()
        path = self.program.drive(_members(p, start, elapsed, y), tolerances, w)
        return None if path is None else self._tensor(path, w, p, y)

    def march_with_derivatives(
        self, p: Tensor, start: Tensor, elapsed: Tensor, y: Tensor, steps: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States [M, T, S] as `march` has them, and [M, T, S, L], [M, T, S, S], [M, T, S, W] their derivatives.

        To local values, to initial states, and to all weights.
        """
        program = self.program
        n, states = program.parameters, program.states
        both = program.march_with_derivatives(_members(p, start, elapsed, y), steps, self.weights())
        slopes = torch.from_numpy(both[..., states:].reshape(*elapsed.shape, states, program.columns))
        y = torch.from_numpy(both[..., :states])
        return y, slopes[..., :n], slopes[..., n : n + states], slopes[..., n + states :]

    def _tensor(self, path: Path, w: Weights, p: Tensor, y: Tensor) -> Tensor:
        self.steps = int(path.taken.sum())
        result: Tensor = _Solved.apply(self.program, path, w, p, y, *self.parameters)  # type: ignore[no-untyped-call]
        return result


class _Solved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, program: FieldProgram, path: Path, w: Weights, p: Tensor, y: Tensor, *q: Tensor) -> Tensor:
        del p, y
        ctx.solved, ctx.shapes = (program, path, w), [one.shape for one in q]
        return torch.from_numpy(path.y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        program, path, w = ctx.solved
        p, y, weights = (torch.from_numpy(bar) for bar in program.go_back(path, _array(grad), w))
        parts = torch.split(weights, [shape.numel() for shape in ctx.shapes])
        return (None, None, None, p, y, *(own.view(shape) for own, shape in zip(parts, ctx.shapes, strict=True)))


def _members(p: Tensor, start: Tensor, elapsed: Tensor, y: Tensor) -> Members:
    return Members(_array(p), _array(start), _array(elapsed), _array(y))


def _array(values: Tensor) -> FloatArray:
    array: FloatArray = np.ascontiguousarray(values.detach().numpy())
    return array
