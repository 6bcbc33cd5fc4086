"""dy/dt = f(t, y, p): states, parameters, equations and observables, held once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from odefit import algebra as sp
from odefit.model.operators import number_putter
from odefit.records import dataclass

if TYPE_CHECKING:
    from odefit.model.graphs.description import Graph

TIME = "t"
"""The name of the time in formulas."""

Comparison = Literal["increase", "fold_change"]
"""How an observable compares its formula with an earlier value of it: less that at the sample before, or divided by
that at the start."""


def symbol(name: str) -> sp.Symbol:
    """The symbol of a state, parameter, input or the time: real, and equal for equal names."""
    made: sp.Symbol = sp.Symbol(name)
    return made


def compared_symbol(observable: str) -> sp.Symbol:
    """What stands for the value of an observable that is compared, by a name that no user can write."""
    return symbol(f"{observable}@compared")


@dataclass(frozen=True)
class Network:
    """A neural network that formulas may call: `name(x, y)` has `outputs` components.

    Parameters
    ----------
    name
        In formulas.
    inputs, outputs
        Their numbers.
    hidden
        The widths of the hidden layers.
    activation
        See `networks.ACTIVATIONS`.
    output
        The shape of the last layer: `linear` leaves it, `positive` applies a softplus.
    gradient
        0, or the sign with which the outputs are the gradient of one scalar network with respect to its inputs.
    penalty
        The weight of its squared outputs in the loss (`training/penalty.py`).
    graph
        Its layers and steps, where they come from a file; hidden, activation, output and gradient say nothing then.
    sizes
        Of such a network the arguments of its forward pass: how many numbers each takes, or the name of an array.
        In a call, numbers stand one by one, and an array by its name.
    layers
        What a file calls the linear layers of a perceptron, which is described by the fields above all the same;
        default `layer1`, `layer2`, ...
    """

    name: str
    inputs: int
    outputs: int
    hidden: tuple[int, ...] = (8, 16, 32)
    activation: str = "leaky_relu"
    output: str = "linear"
    gradient: int = 0
    penalty: float = 0.0
    graph: Graph | None = None
    sizes: tuple[int | str, ...] = ()
    layers: tuple[str, ...] = ()

    @property
    def arrays(self) -> dict[int, str]:
        """Which of the inputs are arrays: position in a call -> name."""
        found: dict[int, str] = {}
        position = 0
        for size in self.sizes:
            if isinstance(size, str):
                found[position] = size
            position += 1 if isinstance(size, str) else size
        return found


class NetworkCall(sp.Function):
    """`NetworkCall(name, k, *arguments)`: component k of a network's output, opaque to the algebra."""


@dataclass(frozen=True)
class Event:
    """Something that changes states at once.

    Parameters
    ----------
    time
        A formula of parameters.
    changes
        State -> its new value, a formula of the states just before the event, of parameters and the time. The states
        that it does not name stay as they are.
    """

    time: sp.Expr
    changes: Mapping[str, sp.Expr]


@dataclass(frozen=True)
class Trigger:
    """An event that comes each time a condition becomes true.

    Parameters
    ----------
    when
        A formula of states, inputs, parameters and the time, 1 where the condition holds and 0 elsewhere.
    changes
        State -> its new value, as of an `Event`.
    delay
        How much later the states change, a formula as `when`, at the time when it becomes true; None for at once.
    at_start
        Whether it comes at the start where the condition holds there; else it must first become false.
    priority
        Of several that come at the same time, the one with the highest comes first.
    persistent
        Whether it comes even if the condition becomes false again before.
    early_values
        Whether new values are those at the time when the condition becomes true, not when the states change.
    """

    when: sp.Expr
    changes: Mapping[str, sp.Expr]
    delay: sp.Expr | None = None
    at_start: bool = False
    priority: sp.Expr = sp.S.Zero
    persistent: bool = True
    early_values: bool = False

    @property
    def formulas(self) -> tuple[sp.Expr, ...]:
        """Every formula that it holds."""
        delay = () if self.delay is None else (self.delay,)
        return (self.when, self.priority, *delay, *self.changes.values())

    def mapped(self, change: Callable[[sp.Expr], sp.Expr]) -> Trigger:
        """The same with `change` applied to each of its formulas."""
        return replace(
            self,
            when=change(self.when),
            changes={state: change(sp.sympify(formula)) for state, formula in self.changes.items()},
            delay=None if self.delay is None else change(self.delay),
            priority=change(self.priority),
        )


@dataclass(frozen=True)
class Spread:
    """How long an infusion takes, by parameters.

    Parameters
    ----------
    kind
        `duration`, or `rate`: amount for each time.
    text
        As doses name it.
    formula
        What it says.
    """

    kind: str
    text: str
    formula: sp.Expr


@dataclass(frozen=True)
class Dosing:
    """What becomes of the doses of an experiment.

    Parameters
    ----------
    states
        Those that any experiment puts a dose into.
    lag, fraction
        `fraction` of each dose arrives, later by `lag`: formulas of parameters.
    spreads
        How long the infusions take of which no number says it.
    """

    states: tuple[str, ...]
    lag: sp.Expr = sp.S.Zero
    fraction: sp.Expr = sp.S.One
    spreads: tuple[Spread, ...] = ()

    @property
    def formulas(self) -> tuple[sp.Expr, ...]:
        """All of them."""
        return (self.lag, self.fraction, *(spread.formula for spread in self.spreads))

    def mapped(self, change: Callable[[sp.Expr], sp.Expr]) -> Dosing:
        """The same with `change` applied to each formula."""
        spreads = tuple(Spread(one.kind, one.text, change(sp.sympify(one.formula))) for one in self.spreads)
        return Dosing(self.states, change(sp.sympify(self.lag)), change(sp.sympify(self.fraction)), spreads)

    def length(self, spread: Spread) -> sp.Expr:
        """How long an infusion takes: of any amount where its duration is known, of each unit of it for a rate."""
        return spread.formula if spread.kind == "duration" else sp.Mul(self.fraction, sp.Pow(spread.formula, -1))

    def arrival(self, spread: Spread) -> sp.Expr:
        """The rate at which an infusion arrives: for each unit of the amount, or where a rate is known, itself."""
        return spread.formula if spread.kind == "rate" else sp.Mul(self.fraction, sp.Pow(spread.formula, -1))


@dataclass(frozen=True)
class Rest:
    """What the system was before the start, where it came to rest: its formulas under other values.

    Parameters
    ----------
    values
        What differed then, by name, for messages.
    equations, initial
        State -> f, and where it came from.
    triggers
        The events that came then.
    """

    values: Mapping[str, sp.Expr]
    equations: Mapping[str, sp.Expr]
    initial: Mapping[str, sp.Expr]
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True)
class System:
    """A dynamical system as formulas.

    Parameters
    ----------
    name
        For messages.
    states
        Their order is that of y [S].
    parameters
        The free symbols that are neither state, input nor time, in the order in which engines take them as a vector p
        [L].
    equations
        State -> f.
    initial
        State -> its initial value, a formula of parameters. An estimated or measured one is a parameter of its own
        (`x_0`).
    observables
        Name -> g.
    networks
        Those that formulas call.
    inputs
        Known functions of time that formulas may name; each experiment brings its own.
    events, dosing, triggers
        How states change at once, or are fed, on the way.
    comes_to_rest
        Whether experiments may have a row at infinite time.
    rest
        None, or what the system was before the start: it has come to rest (f = 0 at the start time) as that before each
        experiment starts that says so (`Experiment.steady_state`).
    compared
        Observables that are not the value of their formula, but compare it with an earlier one.
    expressions
        Named formulas for tables and pictures, in terms of states, parameters, inputs and t. The other formulas hold
        what they name of them themselves.
    """

    name: str
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    equations: Mapping[str, sp.Expr]
    initial: Mapping[str, sp.Expr]
    observables: Mapping[str, sp.Expr]
    networks: Mapping[str, Network] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    dosing: Dosing | None = None
    rest: Rest | None = None
    compared: Mapping[str, Comparison] = field(default_factory=dict)
    expressions: Mapping[str, sp.Expr] = field(default_factory=dict)
    triggers: tuple[Trigger, ...] = ()
    comes_to_rest: bool = False

    @property
    def is_mechanistic(self) -> bool:
        """Formulas all the way: no network anywhere, so the compiled engine can run it."""
        return not self.networks

    @cached_property
    def rhs(self) -> tuple[sp.Expr, ...]:
        """f, in the order of `states`."""
        return tuple(self.equations[state] for state in self.states)

    @cached_property
    def start(self) -> tuple[sp.Expr, ...]:
        """y at the start time, in the order of `states`."""
        return tuple(self.initial[state] for state in self.states)

    @cached_property
    def predicted(self) -> Mapping[str, sp.Expr]:
        """Observable -> its formula, or a symbol where it is `compared`."""
        return {name: compared_symbol(name) if name in self.compared else g for name, g in self.observables.items()}

    @property
    def formulas(self) -> Iterator[sp.Expr]:
        """Every formula that a solution or a prediction depends on."""
        yield from (*self.equations.values(), *self.initial.values(), *self.observables.values())
        for event in self.events:
            yield from (event.time, *event.changes.values())
        for trigger in self.triggers:
            yield from trigger.formulas
        if self.dosing is not None:
            yield from self.dosing.formulas
        if self.rest is not None:
            yield from (*self.rest.equations.values(), *self.rest.initial.values())
            yield from (formula for trigger in self.rest.triggers for formula in trigger.formulas)

    def mapped(self, change: Callable[[sp.Expr], sp.Expr]) -> System:
        """The same system with `change` applied to each of its formulas."""

        def put(formulas: Mapping[str, sp.Expr]) -> dict[str, sp.Expr]:
            return {name: change(sp.sympify(formula)) for name, formula in formulas.items()}

        return replace(
            self,
            equations=put(self.equations),
            initial=put(self.initial),
            observables=put(self.observables),
            events=tuple(Event(change(sp.sympify(e.time)), put(e.changes)) for e in self.events),
            dosing=self.dosing and self.dosing.mapped(change),
            triggers=tuple(one.mapped(change) for one in self.triggers),
            rest=self.rest
            and Rest(
                put(self.rest.values),
                put(self.rest.equations),
                put(self.rest.initial),
                tuple(one.mapped(change) for one in self.rest.triggers),
            ),
            expressions=put(self.expressions),
        )

    def bind(self, values: Mapping[str, float]) -> System:
        """The same system with some parameters replaced by numbers.

        Parameters
        ----------
        values
            Parameter -> number.

        Raises
        ------
        ModelError
            A formula is then not finite.
        """
        numbers = {symbol(name): float(value) for name, value in values.items()}
        bound = self.mapped(number_putter(numbers))
        return replace(bound, parameters=tuple(name for name in self.parameters if symbol(name) not in numbers))


def written(formula: sp.Expr, system: System) -> str:
    """A formula as the user writes it."""
    calls = {}
    for call in formula.atoms(NetworkCall):
        name = call.args[0].name
        component = f"[{call.args[1]}]" if system.networks[name].outputs > 1 else ""
        calls[call] = sp.Symbol(f"{name}({', '.join(map(str, call.args[2:]))}){component}")
    return str(formula.xreplace(calls)).replace("**", "^")
