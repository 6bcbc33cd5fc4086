"""States that nobody measures, of a vector field that is all network: any coordinates will do for them."""

from __future__ import annotations

from odefit.model.system import NetworkCall, System, symbol


def free_states(system: System) -> tuple[str, ...]:
    """The states that no observable depends on, where each derivative is an output of one free network of all states.

    With h, any other coordinates g(x, h) do as well: the network learns the field that belongs to them. So what they
    are may be chosen before anything is known. Of equations with a meaning, of a gradient, and of networks whose
    outputs are held above 0, this is not so: empty.
    """
    calls = list(system.rhs)
    if not all(isinstance(call, NetworkCall) for call in calls):
        return ()
    names, outputs = {call.args[0].name for call in calls}, {int(call.args[1]) for call in calls}
    if len(names) > 1 or len(outputs) < len(calls) or system.events or system.triggers:
        return ()
    network = system.networks[names.pop()]
    if network.graph is not None or network.gradient or network.output != "linear":
        return ()
    seen = set().union(*(formula.free_symbols for formula in system.predicted.values()))
    return tuple(state for state in system.states if symbol(state) not in seen)
