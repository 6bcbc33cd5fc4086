"""A PEtab problem as both versions describe it: parameters, observables, experiments, measurements, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from odefit.interop.mathematics import Tree
from odefit.interop.petab_hybrid import Hybrid
from odefit.interop.petab_prior import PetabPrior
from odefit.records import dataclass
from odefit.text import clip


@dataclass(frozen=True)
class PetabParameter:
    """A row of the parameter table; scale is lin, log or log10, of the search in version 1."""

    name: str
    where: str
    scale: str
    lower: float
    upper: float
    nominal: float | None
    estimated: bool
    prior: PetabPrior | None
    label: str = ""


@dataclass(frozen=True)
class PetabObservable:
    """A row of the observable table.

    Attributes
    ----------
    formula, noise
        Of states, parameters and placeholders.
    distribution
        normal or laplace.
    transformation
        lin, log or log10: on which scale the measurement is so distributed.
    placeholders, noise_placeholders
        The names for which every measurement has a value of its own.
    """

    name: str
    where: str
    formula: Tree
    noise: Tree
    distribution: str
    transformation: str
    placeholders: tuple[str, ...]
    noise_placeholders: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Period:
    """From a time on (-inf: before the start, until nothing moves) some names have other values.

    `condition` is what the table calls it.
    """

    time: float
    condition: str
    changes: Mapping[str, Tree]
    where: str = ""


@dataclass(frozen=True)
class PetabExperiment:
    """Periods in the order of their times; `taken_back`: what the first one changes ends with it (version 1)."""

    name: str
    periods: tuple[Period, ...]
    taken_back: bool = False
    label: str = ""

    @property
    def before(self) -> Period | None:
        """What holds before the start, until nothing moves."""
        return self.periods[0] if self.periods and self.periods[0].time == float("-inf") else None

    def place(self, period: Period, name: str) -> str:
        """Where it stands that a period sets a name: in a column of the condition table in version 1."""
        return f"{period.where}, column {clip(name)}" if self.taken_back else period.where

    @property
    def from_start(self) -> tuple[Period, ...]:
        return self.periods[1:] if self.before is not None else self.periods


@dataclass(frozen=True)
class Measured:
    """A row of the measurement table."""

    observable: str
    experiment: str
    time: float
    value: float
    parameters: tuple[Tree, ...]
    noise_parameters: tuple[Tree, ...]
    dataset: str
    where: str


@dataclass(frozen=True)
class PetabProblem:
    """All of it, each thing by its id and in the order of its table; hybrid: what its networks are, if it has any,
    and arrays: which names stand for arrays of theirs."""

    name: str
    path: Path
    version: int
    sbml: Path
    parameters: Mapping[str, PetabParameter]
    observables: Mapping[str, PetabObservable]
    experiments: Mapping[str, PetabExperiment]
    measurements: tuple[Measured, ...]
    decisions: tuple[str, ...] = ()
    pictures: tuple[Mapping[str, str], ...] = field(default=())
    hybrid: Hybrid | None = None
    arrays: tuple[str, ...] = ()
