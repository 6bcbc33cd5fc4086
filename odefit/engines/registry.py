"""The engines that there are, and how each is made.

To add an engine is one entry here, and a line for each of its methods in methods.py. No engine is imported before it
is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from odefit.engines.base import Engine, SolverOptions
from odefit.errors import ConfigError
from odefit.model.system import System
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class EngineEntry:
    """How to make an engine.

    Attributes
    ----------
    make
        From a system without interruptions, the options, the `sensitive` parameters, and the networks in formulas.
    available
        Whether it can work here; if not, a sentence that says why.
    takes_networks
        Whether formulas may call networks.
    has_own_atol
        Whether each state may have its own absolute tolerance; else the least of them is for all.
    check
        Looks at options that another machine may allow; raises ConfigError. Its second argument names `solver.method`.
    """

    make: Callable[[System, SolverOptions, tuple[str, ...], nn.ModuleDict | None], Engine]
    available: Callable[[], tuple[bool, str]] = lambda: (True, "")
    takes_networks: bool = False
    has_own_atol: bool = False
    check: Callable[[SolverOptions, str], None] | None = None


def _make_diffsol(
    system: System, options: SolverOptions, sensitive: tuple[str, ...], _networks: nn.ModuleDict | None
) -> Engine:
    from odefit.engines.diffsol.diffsol_engine import DiffsolEngine

    return DiffsolEngine(system, options, sensitive)


def _diffsol_available() -> tuple[bool, str]:
    from odefit.engines.diffsol import diffsol_engine

    return diffsol_engine.available()


def _make_kernel(
    system: System, options: SolverOptions, sensitive: tuple[str, ...], _networks: nn.ModuleDict | None
) -> Engine:
    from odefit.engines.kernel.kernel_engine import KernelEngine

    return KernelEngine(system, options, sensitive)


def _kernel_available() -> tuple[bool, str]:
    from odefit.engines.kernel import machine

    return machine.available()


def _make_torch(
    system: System, options: SolverOptions, sensitive: tuple[str, ...], networks: nn.ModuleDict | None
) -> Engine:
    from odefit.engines.torch_engine import TorchEngine

    return TorchEngine(system, options, sensitive, networks)


def _make_for_networks(
    system: System, options: SolverOptions, sensitive: tuple[str, ...], networks: nn.ModuleDict | None
) -> Engine:
    from odefit.engines.networks.network_engine import NetworkEngine

    return NetworkEngine(system, options, sensitive, networks)


def _check_device(options: SolverOptions, where: str) -> None:
    """Raises ConfigError for a device that torch does not know or that this machine does not have."""
    import torch

    try:
        torch.zeros(1, device=options.device).item()  # 'meta' has tensors, and no numbers in them
    except (RuntimeError, AssertionError, NotImplementedError):
        hint = ", cuda" if torch.cuda.is_available() else " (torch sees no CUDA device)"
        where = where.replace("method", "device")
        raise ConfigError(where, f"'{options.device}' is not available here; use cpu{hint}") from None


ENGINES: dict[str, EngineEntry] = {
    "kernel": EngineEntry(_make_kernel, _kernel_available, has_own_atol=True),
    "diffsol": EngineEntry(_make_diffsol, _diffsol_available, has_own_atol=True),
    "networks": EngineEntry(_make_for_networks, takes_networks=True, has_own_atol=True, check=_check_device),
    "torch": EngineEntry(_make_torch, takes_networks=True, has_own_atol=True, check=_check_device),
}
