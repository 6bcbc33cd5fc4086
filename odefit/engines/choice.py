"""`solver.method` alone chooses the engine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from odefit.config.synonyms import meant
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.methods import AUTO, AUTO_COMPILED, AUTO_EXPLICIT, AUTO_TORCH, METHODS
from odefit.engines.registry import ENGINES, EngineEntry
from odefit.errors import ConfigError
from odefit.model.switches import is_interrupted
from odefit.model.system import System
from odefit.model.time_formulas import time_formulas
from odefit.records import dataclass
from odefit.text import did_you_mean

if TYPE_CHECKING:
    from torch import nn


def make_engine(
    system: System,
    options: SolverOptions,
    sensitive: Sequence[str] = (),
    networks: nn.ModuleDict | None = None,
    where: str = "solver.method",
) -> Engine:
    """The engine for a system: that of the method; by `auto` compiled for formulas, torch for networks.

    Where something happens on the way (doses, events, inputs, switches, rest before the start) it works in segments;
    and so it does in experiments in which a formula of the time changes fast (fast_times.py).

    Parameters
    ----------
    networks
        The torch modules that formulas call by name.
    where
        How an error names `solver.method`.

    Raises
    ------
    ConfigError
        A method that no engine has, or that cannot do what the system needs.
    """
    plain = _Factory(options, networks, where)
    if not is_interrupted(system):
        engine = plain(system, tuple(sensitive))
        if not time_formulas(system):
            return engine
        from odefit.engines.segments.watchful_engine import WatchfulEngine

        return WatchfulEngine(engine, plain)
    from odefit.engines.segments.segmented_engine import SegmentedEngine

    # Coming to rest takes long and is stiff: best compiled, whatever solves the experiments.
    calm = replace(options, max_steps=SolverOptions.max_steps)
    if not (options.method in METHODS and METHODS[options.method].is_compiled):
        calm = replace(calm, method=AUTO, step=None, adjoint=False, dtype="float64", device="cpu")
    return SegmentedEngine(system, options, sensitive, plain, replace(plain, options=calm))


@dataclass(frozen=True)
class _Factory:
    """Makes engines for whole systems without interruption. Can be sent to another process, unlike a closure."""

    options: SolverOptions
    networks: nn.ModuleDict | None
    where: str

    def __call__(self, system: System, sensitive: tuple[str, ...]) -> Engine:
        if self.options.method == AUTO:
            return self._automatic(system, sensitive)
        name = self.options.method
        if name not in METHODS:
            known = (AUTO, *METHODS)
            close = meant(name, known)
            hint = f"{did_you_mean(close)} " if close else ""
            raise ConfigError(self.where, f"unknown method '{name}'; {hint}known: {', '.join(known)}")
        entry = ENGINES[METHODS[name].engine_for(system.is_mechanistic)]
        if not (system.is_mechanistic or entry.takes_networks):
            what = f"{name} needs formulas; for a network use a torch method such as {AUTO_TORCH}"
            raise ConfigError(self.where, what)
        usable, reason = entry.available()
        if not usable:
            what = f"{name} is not available here: {reason}; use a torch method such as {AUTO_TORCH}"
            raise ConfigError(self.where, what)
        return self._made(entry, system, sensitive)

    def _made(self, entry: EngineEntry, system: System, sensitive: tuple[str, ...]) -> Engine:
        if entry.check is not None:
            entry.check(self.options, self.where)
        options = self.options
        if isinstance(options.atol, tuple) and not entry.has_own_atol:
            options = replace(options, atol=min(options.atol))
        return entry.make(system, options, sensitive, self.networks)

    def _automatic(self, system: System, sensitive: tuple[str, ...]) -> Engine:
        """Compiled where that can be, else torch's, which says why."""
        from odefit.engines.diffsol.diffsl import TooLarge

        if not system.is_mechanistic:
            return self._made(ENGINES[METHODS[AUTO_EXPLICIT].engine_for(False)], system, sensitive)
        why = ""
        if self.options.device == "cpu":
            kernel = ENGINES[METHODS[AUTO_EXPLICIT].engine]
            if kernel.available()[0]:
                with suppress(TooLarge):
                    return self._made(kernel, system, sensitive)
            compiled = ENGINES[METHODS[AUTO_COMPILED].engine]
            usable, reason = compiled.available()
            if usable:
                try:
                    return self._made(compiled, system, sensitive)
                except TooLarge as error:
                    why = f"The equations are too large to be compiled unasked ({error.size})"
            else:
                why = f"The compiled engine is not available ({reason})"
        engine = self._made(ENGINES[METHODS[AUTO_TORCH].engine], system, sensitive)
        if why:
            engine.notes.append(f"{why}, so torchdiffeq's {AUTO_TORCH} is used.")
        return engine
