"""What is written: a model of SBML and the tables of PEtab, still as trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit.interop.mathematics import Tree
from odefit.interop.petab_export.network_tables import NetworkTables
from odefit.records import dataclass


@dataclass(frozen=True)
class ModelEvent:
    """An event: when it comes, and what it sets.

    Attributes
    ----------
    trigger
        A condition.
    changes
        Id -> its new value.
    at_start
        Whether it comes at the start where the condition holds there.
    """

    id: str
    trigger: Tree
    changes: Mapping[str, Tree]
    at_start: bool = True
    delay: Tree | None = None
    priority: Tree | None = None
    persistent: bool = True
    early_values: bool = True


@dataclass(frozen=True)
class SbmlModel:
    """Parameters alone, some of which move.

    Attributes
    ----------
    id
        Of the model.
    constants
        Id -> its number.
    rates
        Id of a state -> its rate.
    rules
        Id of what a formula of time gives -> that formula.
    levels
        Id of what moves by events alone -> its first number.
    initial
        Id of a state -> its initial value, a number or a formula of constants.
    """

    id: str
    constants: Mapping[str, float]
    rates: Mapping[str, Tree]
    rules: Mapping[str, Tree]
    levels: Mapping[str, float]
    initial: Mapping[str, Tree]
    events: tuple[ModelEvent, ...]


@dataclass(frozen=True)
class ParameterRow:
    """A row of the parameter table, for what is estimated; prior: its name in PEtab and its numbers."""

    id: str
    name: str
    value: float
    lower: float
    upper: float
    prior: tuple[str, tuple[float, ...]] | None


@dataclass(frozen=True)
class ObservableRow:
    """A row of the observable table; placeholders: of its formula, and of its noise."""

    id: str
    name: str
    formula: Tree
    noise: Tree
    distribution: str
    placeholders: tuple[str, ...]
    noise_placeholders: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """From when on what holds; -inf: until the system rests."""

    start: float
    changes: Mapping[str, Tree]


@dataclass(frozen=True)
class ExperimentRow:
    """An experiment: what holds in it, one period after another."""

    id: str
    periods: tuple[Period, ...]


@dataclass(frozen=True)
class MeasurementRow:
    """A measurement, with a number or a parameter for each placeholder of its observable, and of the noise."""

    observable: str
    experiment: str
    time: float
    value: float
    parameters: tuple[Tree, ...]
    noise: tuple[Tree, ...]


@dataclass(frozen=True)
class PetabTables:
    """Everything, in the order in which it is written.

    Attributes
    ----------
    notes
        What is lost, or had to be decided, a sentence each.
    offset
        What PEtab's objective has more than odefit's: the densities of parameters without a prior, where another has
        one, and what priors gain by being cut off at the bounds.
    networks
        Those of PEtab-SciML, where there are any.
    """

    name: str
    model: SbmlModel
    parameters: tuple[ParameterRow, ...]
    observables: tuple[ObservableRow, ...]
    experiments: tuple[ExperimentRow, ...]
    measurements: tuple[MeasurementRow, ...]
    notes: tuple[str, ...] = field(default=())
    offset: float = 0.0
    networks: NetworkTables | None = None
