"""Networks of constants: calls whose arguments do not change within an experiment, computed once before it is solved.

A call stands in a formula as a symbol, whose value comes from its arguments and the weights of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.functions import Networks, numpy_function, torch_function
from odefit.model.switches import substitute
from odefit.model.system import NetworkCall, symbol
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ConstantCalls:
    """What some local symbols are, by calls of networks.

    Parameters
    ----------
    formulas
        Symbol -> call, a formula of the other symbols.
    symbols
        All L local symbols, those of the calls among them.
    networks
        The modules.
    """

    formulas: Mapping[str, sp.Expr]
    symbols: tuple[str, ...]
    networks: Networks

    @cached_property
    def _arrays(self) -> Callable[..., list[Any]]:
        return numpy_function(list(self.formulas.values()), self.symbols, self.networks)

    @cached_property
    def _tensors(self) -> Callable[..., list[Any]]:
        return torch_function(list(self.formulas.values()), self.symbols, self.networks)

    def fill(self, p: FloatArray) -> FloatArray:
        """Local values p [..., L] with those of the calls."""
        filled = p.copy()
        for name, values in zip(self.formulas, self._arrays(*np.moveaxis(p, -1, 0)), strict=True):
            filled[..., self.symbols.index(name)] = values
        return filled

    def fill_tensor(self, p: Tensor) -> Tensor:
        """The same, differentiable with respect to p and the weights."""
        import torch

        columns = list(p.unbind(-1))
        for name, values in zip(self.formulas, self._tensors(*columns), strict=True):
            found = torch.as_tensor(values, dtype=p.dtype, device=p.device)
            columns[self.symbols.index(name)] = found.expand(p.shape[:-1])
        return torch.stack(columns, dim=-1)


class CallCollector:
    """Puts a symbol for each outermost call of constants, and remembers which.

    Parameters
    ----------
    varying
        The names that change within an experiment: states, inputs, the time, columns beside measurements.
    """

    def __init__(self, varying: Iterable[str]) -> None:
        self._varying = {symbol(name) for name in varying}
        self.formulas: dict[str, sp.Expr] = {}
        self._names: dict[sp.Expr, str] = {}

    def put(self, formula: sp.Expr) -> sp.Expr:
        """The formula with symbols in the place of its calls of constants."""
        calls = formula.atoms(NetworkCall)
        constant = [call for call in calls if call.free_symbols.isdisjoint(self._varying)]
        if not constant:
            return formula
        named = {call: self._symbol(call) for call in sorted(constant, key=str)}  # an order that is always the same
        found: sp.Expr = substitute(formula, named)
        for call, stands in named.items():
            if stands in found.free_symbols:
                self.formulas[stands.name] = call
        return found

    def _symbol(self, call: sp.Expr) -> sp.Symbol:
        """What stands for a call, by a name that no user can write."""
        return symbol(self._names.setdefault(call, f"{call.args[0].name}@{len(self._names)}"))


def networks_called(formulas: Iterable[sp.Expr]) -> set[str]:
    """The names of the networks that formulas call."""
    return {str(call.args[0].name) for formula in formulas for call in sp.sympify(formula).atoms(NetworkCall)}
