"""`solver.method` alone chooses the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from odefit.config.synonyms import meant
from odefit.engines.base import Engine, SolverOptions
from odefit.errors import ConfigError
from odefit.model.switches import is_interrupted
from odefit.model.system import System
from odefit.text import did_you_mean

if TYPE_CHECKING:
    from torch import nn

COMPILED = ("tsit45", "bdf", "esdirk34", "tr_bdf2")


def make_engine(
    system: System,
    options: SolverOptions,
    sensitive: Sequence[str] = (),
    networks: nn.ModuleDict | None = None,
    where: str = "solver.method",
) -> Engine:
    """The engine for a system: compiled for formulas, torch for networks or where the method says so.

    Where something happens on the way (doses, events, inputs, switches, rest before the start) it works in segments.
    networks: the torch modules that formulas call by name. Raises ConfigError for a method that no
    engine has or that cannot do what the system needs.
    """
    plain = _Factory(options, networks, where)
    if not is_interrupted(system):
        return plain(system, tuple(sensitive))
    from odefit.engines.segments.segmented_engine import SegmentedEngine

    # Coming to rest takes long and is stiff: best compiled, whatever solves the experiments.
    calm = replace(options, method="auto", step=None, adjoint=False, dtype="float64", device="cpu")
    resting = replace(plain, options=options if options.method in COMPILED else calm)
    return SegmentedEngine(system, options, sensitive, plain, resting)


@dataclass(frozen=True)
class _Factory:
    """Makes engines for whole systems without interruption. Can be sent to another process, unlike a closure."""

    options: SolverOptions
    networks: nn.ModuleDict | None
    where: str

    def __call__(self, system: System, sensitive: tuple[str, ...]) -> Engine:
        return _plain_engine(system, self.options, sensitive, self.networks, self.where)


def _plain_engine(
    system: System, options: SolverOptions, sensitive: Sequence[str], networks: nn.ModuleDict | None, where: str
) -> Engine:
    method, why = options.method, ""
    if method in COMPILED or (method == "auto" and system.is_mechanistic and options.device == "cpu"):
        if not system.is_mechanistic:
            raise ConfigError(where, f"{method} needs formulas; for a network use a torch method such as dopri5")
        from odefit.engines.diffsol.diffsl import TooLarge
        from odefit.engines.diffsol.diffsol_engine import DiffsolEngine, available

        usable, reason = available()
        if usable:
            try:
                return DiffsolEngine(system, options, tuple(sensitive))
            except TooLarge as error:
                if method in COMPILED:
                    raise
                why = f"The equations are too large to be compiled unasked ({error.size})"
        elif method in COMPILED:
            raise ConfigError(where, f"{method} is not available here: {reason}; use a torch method such as dopri5")
        else:
            why = f"The compiled engine is not available ({reason})"
    from odefit.engines.torch_engine import TorchEngine, methods

    if method != "auto" and method not in methods():
        known = ("auto", *COMPILED, *methods())
        close = meant(method, known)
        hint = f"{did_you_mean(close)} " if close else ""
        raise ConfigError(where, f"unknown method '{method}'; {hint}known: {', '.join(known)}")
    _check_device(options.device, where.replace("method", "device"))
    engine = TorchEngine(system, options, sensitive, networks)
    if why:
        engine.notes.append(f"{why}, so torchdiffeq's dopri5 is used.")
    return engine


def _check_device(name: str, where: str) -> None:
    """Raises ConfigError for a device that torch does not know or that this machine does not have."""
    import torch

    try:
        torch.zeros(1, device=name).item()  # 'meta' has tensors, and no numbers in them
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(where, f"'{name}' is not available here; use cpu" + _cuda_hint()) from None


def _cuda_hint() -> str:
    import torch

    return ", cuda" if torch.cuda.is_available() else " (torch sees no CUDA device)"
