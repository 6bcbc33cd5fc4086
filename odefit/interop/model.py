"""A model of differential equations as the importer holds it between SBML and a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit.interop.mathematics import Tree
from odefit.records import dataclass


@dataclass(frozen=True)
class ModelEvent:
    """States that change at once when a condition becomes true.

    Attributes
    ----------
    name, where
        Its id in the model, and the file and line.
    trigger
        The condition.
    changes
        State: its new value, of the values just before (or, with `values_at_trigger` false and a delay, at the time
        of the change).
    delay, priority
        Formulas, or None.
    at_start
        Whether it fires at the start when the condition holds there.
    persistent
        Whether a delayed event stays although the condition has become false.
    """

    name: str
    where: str
    trigger: Tree
    changes: Mapping[str, Tree]
    delay: Tree | None = None
    priority: Tree | None = None
    at_start: bool = False
    persistent: bool = True
    values_at_trigger: bool = True


@dataclass(frozen=True)
class Model:
    """Equations, and where everything starts.

    Attributes
    ----------
    rates
        State: its derivative.
    expressions
        Name: a formula of states, parameters and time; rate laws of reactions among them.
    values
        Every name that has a value at the start (states, constants): a number or a formula of others at the start.
    unset
        Names that the file gives no value.
    events
        In the order of the file.
    amounts
        Species whose state is an amount although formulas mean its concentration: (state, compartment).
    compartments, reactions
        Their names; a reaction is an expression, its rate law.
    notes
        What names are called in the file besides their id, for comments.
    decisions
        A sentence for everything that had to be decided.
    where
        File and line of each name.
    """

    name: str
    rates: Mapping[str, Tree]
    expressions: Mapping[str, Tree]
    values: Mapping[str, Tree]
    unset: frozenset[str]
    events: tuple[ModelEvent, ...]
    amounts: Mapping[str, tuple[str, str]]
    notes: Mapping[str, str]
    decisions: tuple[str, ...]
    compartments: tuple[str, ...] = ()
    reactions: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
