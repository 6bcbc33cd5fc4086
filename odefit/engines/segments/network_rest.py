"""The way to a steady state of equations with networks, and its derivatives. Imports torch.

Weights w move the steady state like any parameter: with J dy = -df and W'dy = 0 (rest_search.py), dy = -X df/dw dw, X
being the least-squares inverse of [J; W'] for the rows of J. To torch the state is y - X (f(y, w) - f_), where f_ is
f itself without gradient.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.engines.failure import Failure, IntegrationError
from odefit.engines.segments.rest_search import RestSearch, least_squares
from odefit.model.functions import torch_function
from odefit.model.system import TIME
from odefit.records import dataclass

if TYPE_CHECKING:
    from odefit.model.functions import Networks


@dataclass
class NetworkRestSearch(RestSearch):
    """As `RestSearch`; networks: the modules that the formulas call, in double precision."""

    networks: Networks

    def weight_shift(self, row: FloatArray, t: float, y: FloatArray) -> Tensor:
        """Zeros [S] whose gradients are those of a steady state y to the weights."""
        n = len(y)
        _, J, _ = self._values(row, t, y)
        rows = np.concatenate([np.eye(n), np.zeros((len(self.laws), n))])
        X, _ = least_squares(np.concatenate([J, self.laws]), rows)
        with torch.enable_grad():
            f = self._rates(torch.as_tensor(y), torch.as_tensor(row), t)
        return -torch.as_tensor(X) @ (f - f.detach())

    def _over(
        self, row: FloatArray, y: FloatArray, start: float, span: float, name: str, sensitivities: bool = False
    ) -> Any:
        if sensitivities:
            what = ": it is one of a continuum, or is come to slowly, and has no derivatives with a network"
            raise IntegrationError(Failure(self.reason, subject=what))
        return super()._over(row, y, start, span, name)

    def _values(self, row: FloatArray, t: float, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        n, m = len(y), self.n_moved
        with torch.enable_grad():
            states = torch.tensor(y, requires_grad=True)
            parameters = torch.tensor(row, dtype=torch.float64, requires_grad=True)
            f = self._rates(states, parameters, t)
            slopes = [
                torch.autograd.grad(f[i], (states, parameters), retain_graph=True, materialize_grads=True)
                if f.requires_grad
                else (torch.zeros(n), torch.zeros(len(row)))
                for i in range(n)
            ]
        J = np.stack([to_states.numpy() for to_states, _ in slopes])
        return f.detach().numpy(), J, np.stack([to_row.numpy() for _, to_row in slopes])[:, :m]

    def _rates(self, states: Tensor, parameters: Tensor, t: float) -> Tensor:
        """f [S]."""
        time = torch.tensor(t, dtype=torch.float64)
        values = self._function(*states.unbind(), *parameters.unbind(), time)
        return torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in values])

    @cached_property
    def _function(self) -> Any:
        parameters = self.system.parameters[: -len(self.system.states)]
        return torch_function(list(self.system.rhs), (*self.system.states, *parameters, TIME), self.networks)

    def __getstate__(self) -> dict[str, Any]:
        """Without compiled functions."""
        return {key: value for key, value in super().__getstate__().items() if key != "_function"}
