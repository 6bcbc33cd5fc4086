"""The penalty that keeps a network from explaining what the mechanism can.

For each network with a weight w, all its outputs n_k at the states y(t) that the model visits, or that the data are
smoothed to in gradient matching, add

    w * mean over points and outputs of n_k(x(t, y(t), p))²

to the loss; x are the arguments with which the equations call it. Where they call it with several, it is the mean over
these too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from odefit import algebra as sp
from odefit.model.functions import torch_function
from odefit.model.system import TIME, NetworkCall, System


class Penalty:
    """The penalised outputs of a system's networks as formulas.

    Its length is their number: it is empty, and so False, where no network has a penalty.
    """

    def __init__(self, system: System, modules: Mapping[str, Callable[[Tensor], Tensor]]) -> None:
        """Compile the formulas.

        Parameters
        ----------
        system
            Its networks say which have a penalty, and its equations with what arguments they are called.
        modules
            What a call applies, as for `torch_function`.
        """
        calls: list[NetworkCall] = []
        shares: list[float] = []
        for name, network in system.networks.items():
            if not network.penalty:
                continue
            arguments = called_with(system, name)
            own = [NetworkCall(sp.Str(name), sp.Integer(k), *x) for x in arguments for k in range(network.outputs)]
            calls += own
            shares += [network.penalty / len(own)] * len(own)
        self._roots = torch.tensor(shares, dtype=torch.float64).sqrt()
        self._function: Any = None
        if calls:
            names = (*system.states, TIME, *system.parameters, *system.inputs)
            self._function = torch_function(calls, names, dict(modules))

    def __len__(self) -> int:
        return len(self._roots)

    def roots(self, *columns: Tensor) -> Tensor:
        """The outputs, scaled so that the penalty is the mean over points of the sum of their squares.

        Parameters
        ----------
        columns
            States, time, parameters and inputs, [...] each.

        Returns
        -------
        Tensor
            [..., K].
        """
        like = columns[0]
        outputs = [torch.as_tensor(v, dtype=like.dtype).expand(like.shape) for v in self._function(*columns)]
        return torch.stack(outputs, dim=-1) * self._roots.to(like)

    def __call__(self, inside: Tensor | None, *columns: Tensor) -> Tensor:
        """The penalty over the points that are `inside` [...], by default all; columns as in `roots`."""
        squares = self.roots(*columns).square().sum(dim=-1)
        return squares.mean() if inside is None else torch.where(inside, squares, 0.0).sum() / inside.sum()


def called_with(system: System, name: str) -> list[tuple[Any, ...]]:
    """The different arguments with which the equations call a network, in an order that is always the same."""
    calls = {call for formula in system.rhs for call in formula.atoms(NetworkCall) if call.args[0].name == name}
    return list(dict.fromkeys(call.args[2:] for call in sorted(calls, key=str)))
