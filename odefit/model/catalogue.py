"""The built-in systems, written exactly as a user writes equations.

Five of them are families: the equations of `linear`, `mlp` and `potential` depend on the names of the states, those of
`latent_ode` are about states that have none, and those of `sparse` are to be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeGuard

from odefit.errors import ModelError
from odefit.model.system import TIME, Network
from odefit.model.tokens import suggestion

if TYPE_CHECKING:
    from odefit.model.built_in.entry import Entry

NETWORK = "net"
"""The name of the network in built-in systems."""


@cache
def fields() -> Mapping[str, tuple[Entry, ...]]:
    """The built-in systems by field. They are imported when they are first asked for."""
    from odefit.model.built_in import (
        chemistry,
        dynamics,
        ecology,
        engineering,
        epidemics,
        families,
        pharmacology,
        physiology,
    )

    return MappingProxyType(
        {
            "dynamical systems": dynamics.ENTRIES,
            "growth and ecology": ecology.ENTRIES,
            "epidemics and infections": epidemics.ENTRIES,
            "chemistry": chemistry.ENTRIES,
            "pharmacology": pharmacology.ENTRIES,
            "physiology": physiology.ENTRIES,
            "engineering": engineering.ENTRIES,
            "for any states": families.ENTRIES,
        }
    )


@cache
def _by_name() -> Mapping[str, Entry]:
    return MappingProxyType({e.name: e for entries in fields().values() for e in entries})


def names() -> list[str]:
    """The names of the built-in systems, field by field."""
    return list(_by_name())


def is_known(name: str | None) -> TypeGuard[str]:
    """Whether a built-in system is called so."""
    return name is not None and name in _by_name()


def entry(name: str, where: str = "") -> Entry:
    """A built-in system by its name. Raises ModelError, with the list, when there is none."""
    try:
        return _by_name()[name]
    except KeyError:
        hint = suggestion(name, names())
        raise ModelError(where, f"unknown model '{name}'{hint}; the built-in ones are {', '.join(names())}") from None


def linear_equations(states: Sequence[str]) -> tuple[dict[str, str], dict[str, float]]:
    """dy/dt = A y: the equations of n states, and nominal values of a_11, a_12, ..., a_nn.

    The nominal A lets neighbouring states rotate into each other with slow damping (-0.1 on the diagonal,
    1 above and -1 below it).
    """
    _need_states(states, "linear")
    between = "_" if len(states) > 9 else ""
    nominal = {0: -0.1, 1: 1.0, -1: -1.0}
    equations: dict[str, str] = {}
    parameters: dict[str, float] = {}
    for i, state in enumerate(states, 1):
        terms = []
        for j, other in enumerate(states, 1):
            name = f"a_{i}{between}{j}"
            parameters[name] = nominal.get(j - i, 0.0)
            terms.append(f"{name}*{other}")
        equations[state] = " + ".join(terms)
    return equations, parameters


def mlp_equations(
    states: Sequence[str],
    hidden: Sequence[int] = (8, 16, 32),
    activation: str = "leaky_relu",
    time_input: bool = False,
) -> tuple[dict[str, str], Network]:
    """dy/dt = net(y), or net(t, y) with `time_input`: the equations, and the network that they call."""
    _need_states(states, "mlp")
    inputs = [TIME, *states] if time_input else list(states)
    network = Network(NETWORK, len(inputs), len(states), tuple(hidden), activation)
    call = f"{NETWORK}({', '.join(inputs)})"
    return {state: f"{call}[{k}]" for k, state in enumerate(states)}, network


def potential_equations(
    states: Sequence[str],
    hidden: Sequence[int] = (32, 32),
    activation: str = "tanh",
    direction: str = "descent",
) -> tuple[dict[str, str], Network]:
    """dy/dt = -grad p(y), or + for `ascent`, p a scalar network: the equations, and the network that they call."""
    _need_states(states, "potential")
    sign = 1 if direction == "ascent" else -1
    network = Network(NETWORK, len(states), len(states), tuple(hidden), activation, gradient=sign)
    call = f"{NETWORK}({', '.join(states)})"
    return {state: f"{call}[{k}]" for k, state in enumerate(states)}, network


def _need_states(states: Sequence[str], name: str) -> None:
    if not states:
        raise ModelError("", f"the model '{name}' needs the names of its states, such as states: [x, y]")


def describe(entry: Entry) -> str:
    """A built-in system as plain text: equations, nominal values, start, source."""
    lines = [f"{entry.name}: {entry.title}", ""]
    if entry.name == "linear":
        equations, _ = linear_equations(("x", "y"))
        lines += ["Equations (for the states x, y)", *_equations(equations)]
    elif entry.name == "latent_ode":
        lines += ["Equations (for the latent states z, of which there are `latent.dimension`)", *_LATENT]
    elif entry.name == "sparse":
        lines += ["Equations", "  dx/dt = known(x) + c1*term1(x) + c2*term2(x) + ..., few terms of many"]
    elif entry.family:
        build = mlp_equations if entry.name == "mlp" else potential_equations
        equations, network = build(("x", "y"))
        lines += ["Equations (for the states x, y)", *_equations(equations), "", "Network"]
        outputs = 1 if network.gradient else network.outputs
        layers = " - ".join(map(str, (network.inputs, *network.hidden, outputs)))
        what = ", its negative gradient" if network.gradient else ""
        lines += [f"  net: layers {layers}, activation {network.activation}{what}"]
    else:
        lines += ["Equations", *_equations(entry.equations)]
        lines += ["", "Parameters (nominal values)", *_table(entry.parameters)]
        lines += ["", "Initial values", *_table(entry.initial)]
    start, end = entry.time_span
    lines += ["", f"Time span: {start:g} to {end:g}"]
    if entry.notes:
        lines.append(f"Note: {entry.notes}")
    return "\n".join([*lines, f"Source: {entry.reference}"])


_LATENT = (
    "  z(start) ~ N(mean, variance)    read off a series, backwards, by a recurrent network: the encoder",
    "  dz/dt = field(z)                a perceptron",
    "  measured ~ N(decoder(z), sigma^2)    another perceptron; sigma is learnt",
)


def _equations(equations: Mapping[str, str]) -> list[str]:
    width = max(map(len, equations))
    return [f"  d{state}/dt{' ' * (width - len(state))} = {text}" for state, text in equations.items()]


def _table(values: Mapping[str, float]) -> list[str]:
    width = max(map(len, values))
    return [f"  {name:<{width}} = {value:.10g}" for name, value in values.items()]
