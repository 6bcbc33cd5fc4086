"""Where networks stand: in the equations, which engines solve; before the start; in what is observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.errors import Faults
from odefit.model.constant_calls import CallCollector, networks_called
from odefit.model.formulas import free_names
from odefit.model.system import TIME, NetworkCall, System, symbol
from odefit.objective.observation import Noise

if TYPE_CHECKING:
    from torch import nn


def check_places(loaded: LoadedConfig, system: System, faults: Faults) -> None:
    """Networks of what moves stand in equations, expressions and observables only."""
    varying = {symbol(name) for name in (*system.states, *system.inputs, TIME)}

    def moving(formula: sp.Expr) -> set[str]:
        calls = sp.sympify(formula).atoms(NetworkCall)
        return networks_called(call for call in calls if not call.free_symbols.isdisjoint(varying))

    events = [formula for event in system.events for formula in (event.time, *event.changes.values())]
    events += [formula for trigger in system.triggers for formula in trigger.formulas]
    for name in sorted(set().union(*map(moving, events))):
        what = f"the network '{name}' of states or the time can only stand in equations, expressions and observables"
        faults.add(loaded.where("model", "events"), what)
    in_equations = set().union(*map(moving, system.rhs))
    for name, network in system.networks.items():
        if network.penalty and name not in in_equations:
            what = "is for networks that the equations call with states or the time; remove it, or give a `prior`"
            faults.add(loaded.where("model", "networks", name, "penalty"), what)


def names_in_calls(system: System) -> set[str]:
    """The parameters and constants that stand in the arguments of networks."""
    formulas = (*system.formulas, *system.expressions.values())
    calls = {call for formula in formulas for call in sp.sympify(formula).atoms(NetworkCall)}
    return set().union(*map(free_names, calls)) & set(system.parameters)


def with_constant_calls(
    system: System, noise: Mapping[str, Noise], collector: CallCollector
) -> tuple[System, dict[str, Noise]]:
    """System and noise with symbols for calls of constants; the system's own parameters are those that it still names,
    and these symbols."""
    system = system.mapped(collector.put)
    models = {n: m if m.sigma is None else replace(m, sigma=collector.put(m.sigma)) for n, m in noise.items()}
    used = set().union(*map(free_names, system.formulas))
    kept = [name for name in (*system.parameters, *collector.formulas) if name in used]
    return replace(system, parameters=tuple(kept)), models


def solved_system(system: System) -> System:
    """What an engine solves: with the networks only that its own formulas call."""
    if not system.networks:
        return system
    called = networks_called(replace(system, observables={}).formulas)
    return replace(system, networks={name: n for name, n in system.networks.items() if name in called})


def part_of(networks: nn.ModuleDict | None, system: System) -> nn.ModuleDict | None:
    """The modules of the networks of a system; None where it has none."""
    if networks is None or not system.networks:
        return None
    from torch import nn

    return nn.ModuleDict({name: networks[name] for name in system.networks})


def called_by(system: System, noise: Mapping[str, Noise], modules: Mapping[str, Any]) -> dict[str, Any]:
    """The modules of the networks in what is observed, noise and expressions included."""
    levels = [model.sigma for model in noise.values() if model.sigma is not None]
    called = networks_called([*system.observables.values(), *levels, *system.expressions.values()])
    return {name: module for name, module in modules.items() if name in called}
