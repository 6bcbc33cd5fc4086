"""Which search for a steady state serves a system: that of formulas, or that of equations with networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.failure import FailureReason
from odefit.engines.segments.rest_search import RestSearch
from odefit.model.system import Network, NetworkCall, System

if TYPE_CHECKING:
    from torch import Tensor


def rest_search(
    system: System, engine: Engine, options: SolverOptions, n_moved: int, reason: FailureReason
) -> RestSearch:
    """See `RestSearch`; the modules of networks are those of the engine."""
    if system.is_mechanistic:
        return RestSearch(system, engine, options, n_moved, reason)
    from odefit.engines.segments.network_rest import NetworkRestSearch
    from odefit.engines.torch_engine import TorchEngine

    assert isinstance(engine, TorchEngine)  # no other takes networks
    return NetworkRestSearch(system, engine, options, n_moved, reason, dict(engine.networks.items()))


def networks_of(formulas: Iterable[Any], system: System) -> Mapping[str, Network]:
    """Those networks of a system that some formulas call."""
    called = {str(call.args[0]) for formula in formulas for call in sp.sympify(formula).atoms(NetworkCall)}
    return {name: network for name, network in system.networks.items() if name in called}


def weight_shift_of(search: RestSearch, row: FloatArray, t: float, y: FloatArray) -> Tensor | None:
    """What weights of networks move of a steady state: see `NetworkRestSearch.weight_shift`; None without networks."""
    if search.system.is_mechanistic:
        return None
    from odefit.engines.segments.network_rest import NetworkRestSearch

    assert isinstance(search, NetworkRestSearch)
    return search.weight_shift(row, t, y)
