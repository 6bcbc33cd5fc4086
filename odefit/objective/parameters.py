"""The table of named unknowns, and its two spaces: natural theta [N] and search u [P].

theta holds every parameter, fixed ones included; u holds the estimated ones only, each on its scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.model.constant_calls import ConstantCalls
from odefit.objective.transforms import Transforms
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.objective.priors import Prior


@dataclass(frozen=True)
class Parameter:
    """One unknown on its natural scale.

    Parameters
    ----------
    name
        In reports, such as `k` or `x_0[A]`.
    value
        Where a search starts, or the number where it is fixed.
    lower, upper
        Bounds.
    scale
        linear, log or logit: how an optimizer moves it.
    estimate
        False where it is fixed.
    prior
        Its prior density, if it has one.
    unit
        For reports only.
    role
        model, initial (an initial value) or noise (a noise level).
    """

    name: str
    value: float
    lower: float = -math.inf
    upper: float = math.inf
    scale: str = "linear"
    estimate: bool = True
    prior: Prior | None = None
    unit: str | None = None
    role: str = "model"

    @property
    def size(self) -> float:
        """How much its search value typically changes: one unit of a logarithm; else by its own value.

        Of a value that is 0 it is the width of its bounds, and 1 where it has none.
        """
        if self.scale != "linear":
            return 1.0
        width = self.upper - self.lower
        return abs(self.value) or (width if math.isfinite(width) and width > 0 else 1.0)


@dataclass(frozen=True)
class ParameterTable:
    """All N parameters of a fit in a fixed order, P of them estimated.

    Iterating gives the parameters; `table[name]` is one of them.
    """

    parameters: tuple[Parameter, ...]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[self.index[name]]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters, [N]."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def index(self) -> dict[str, int]:
        """The position in theta of each name."""
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def estimated(self) -> IntArray:
        """Positions in theta of the estimated parameters, in the order of u."""
        return np.array([i for i, p in enumerate(self.parameters) if p.estimate], dtype=np.intp)

    @cached_property
    def estimated_names(self) -> tuple[str, ...]:
        """The names of the estimated parameters, [P], in the order of u."""
        return tuple(self.names[i] for i in self.estimated)

    @cached_property
    def values(self) -> FloatArray:
        """theta [N] as configured: the start of the search."""
        return np.array([p.value for p in self.parameters], dtype=np.float64)

    @cached_property
    def sizes(self) -> FloatArray:
        """How much each component of u typically changes, [P]."""
        return np.array([self.parameters[i].size for i in self.estimated], dtype=np.float64)

    @cached_property
    def transforms(self) -> Transforms:
        """The scales of the estimated parameters."""
        chosen = [p for p in self.parameters if p.estimate]
        return Transforms(
            tuple(p.scale for p in chosen),
            np.array([p.lower for p in chosen], dtype=np.float64),
            np.array([p.upper for p in chosen], dtype=np.float64),
        )

    def to_natural(self, u: FloatArray) -> FloatArray:
        """theta [..., N] at u [..., P]; fixed parameters keep their values."""
        theta = np.empty((*u.shape[:-1], len(self)))
        theta[...] = self.values
        theta[..., self.estimated] = self.transforms.to_natural(u)
        return theta

    def to_search(self, theta: FloatArray) -> FloatArray:
        """u [..., P] at theta [..., N]."""
        return self.transforms.to_search(np.take(theta, self.estimated, axis=-1))

    def natural_slopes(self, theta: FloatArray, names: Sequence[str]) -> FloatArray:
        """dtheta/du of some estimated parameters, which turns a covariance of u into one of theta.

        Parameters
        ----------
        theta
            [N].
        names
            Which parameters, [k].

        Returns
        -------
        FloatArray
            [k].
        """
        position = {name: k for k, name in enumerate(self.estimated_names)}
        return self.transforms.derivative(self.to_search(theta))[[position[name] for name in names]]

    def natural_tensor(self, u: Tensor) -> Tensor:
        """theta [N] at u [P], differentiable; the torch twin of `to_natural`."""
        import torch

        position, is_log, is_logit, low, width = self._tensors(u)
        value = u
        # Each branch sees a harmless 0 where it is not taken: torch.where would turn an overflow
        # there into a NaN gradient here.
        if is_log.any():
            value = torch.where(is_log, torch.where(is_log, u, 0.0).exp(), value)
        if is_logit.any():
            value = torch.where(is_logit, low + width * torch.where(is_logit, u, 0.0).sigmoid(), value)
        theta = torch.as_tensor(self.values, dtype=u.dtype, device=u.device)
        return theta.index_copy(0, position, value)

    def _tensors(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Where u goes in theta, its scales as masks, and low and width of the logit ones."""
        import torch

        transforms = self.transforms
        is_logit = np.array([scale == "logit" for scale in transforms.scales], dtype=bool)
        low = np.where(is_logit, transforms.lower, 0.0)
        width = np.where(is_logit, transforms.upper, 1.0) - low
        return (
            torch.as_tensor(self.estimated, device=like.device),
            torch.as_tensor([scale == "log" for scale in transforms.scales], device=like.device),
            torch.as_tensor(is_logit, device=like.device),
            torch.as_tensor(low, dtype=like.dtype, device=like.device),
            torch.as_tensor(width, dtype=like.dtype, device=like.device),
        )

    def search_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of u, [P] each."""
        return self.transforms.search_bounds()

    def with_values(self, theta: FloatArray) -> ParameterTable:
        """The same table with values theta [N] to start from."""
        pairs = zip(self.parameters, theta, strict=True)
        return ParameterTable(tuple(replace(p, value=float(value)) for p, value in pairs))


@dataclass(frozen=True)
class Binding:
    """Which number each symbol of the system takes in each experiment.

    Parameters
    ----------
    symbols
        The L local names.
    index
        [E, L], position in theta, or -1 where the symbol is a number.
    constant
        [E, L], that number.
    calls
        The symbols that are networks of others, if any are.
    """

    symbols: tuple[str, ...]
    index: IntArray
    constant: FloatArray
    calls: ConstantCalls | None = None

    def local(self, theta: FloatArray) -> FloatArray:
        """Local values p [..., E, L] at theta [..., N]."""
        if not theta.shape[-1]:
            p = np.tile(self.constant, (*theta.shape[:-1], 1, 1))
        else:
            p = theta.take(self.index, axis=-1)
            if self._has_constants:
                p = np.where(self.index >= 0, p, self.constant)
        if self.calls is None:
            return p
        once = self.calls.fill(p[..., :1, :] if self.is_shared else p)
        return np.broadcast_to(once, p.shape)

    def local_tensor(self, theta: Tensor, rows: Tensor | None = None) -> Tensor:
        """Local values, differentiable.

        Parameters
        ----------
        theta
            [N].
        rows
            Positions of experiments; default all.

        Returns
        -------
        Tensor
            p [E, L].
        """
        import torch

        index = torch.as_tensor(self.index, device=theta.device)
        constant = torch.as_tensor(self.constant, dtype=theta.dtype, device=theta.device)
        if rows is not None:
            index, constant = index[rows], constant[rows]
        p = torch.where(index >= 0, theta[index], constant) if len(theta) else constant
        if self.calls is None:
            return p
        return self.calls.fill_tensor(p[:1] if self.is_shared else p).expand(p.shape)

    @cached_property
    def _has_constants(self) -> bool:
        return bool((self.index < 0).any())

    @cached_property
    def is_shared(self) -> bool:
        """Whether every experiment binds its symbols alike."""
        return bool((self.index == self.index[:1]).all()) and bool((self.constant == self.constant[:1]).all())
