"""What PEtab-SciML adds to a problem: networks, what their inputs are, what their outputs set, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from odefit.interop.mathematics import CALL, Call, Tree
from odefit.interop.petab_prior import PetabPrior
from odefit.model.graphs.arrays import ALL, ArrayFile
from odefit.records import dataclass

ARRAY = "array"
"""The word that takes values from a file of arrays."""


@dataclass(frozen=True)
class WeightsRow:
    """A row of the parameter table that is of weights.

    Attributes
    ----------
    name, where
        Its id, and its place.
    network, target
        Which weights: `layer1`, `layer1.weight`, or empty for all.
    nominal
        A number; None for those of a file of arrays, or where the cell is empty.
    estimated, prior, bounded
        Whether they are estimated, their density, and whether they have finite bounds.
    """

    name: str
    where: str
    network: str
    target: str
    nominal: float | None
    estimated: bool
    prior: PetabPrior | None
    bounded: bool


@dataclass(frozen=True)
class PetabNetwork:
    """A network of the section `neural_networks`.

    Attributes
    ----------
    name, where
        Its id, and its place.
    path
        The file that describes it.
    before
        Whether it is evaluated before the start.
    inputs
        (argument, element) -> the id that the mapping table gives it; of an array the element is None.
    outputs
        Id -> the place of the output among all numbers that it returns: (result, indices).
    places
        Id of an output -> its row of the mapping table.
    """

    name: str
    where: str
    path: Path
    before: bool
    inputs: Mapping[tuple[int, int | None], str]
    outputs: Mapping[str, tuple[int, tuple[int, ...]]]
    places: Mapping[str, str]


@dataclass(frozen=True)
class Hybrid:
    """The extension of one problem.

    Attributes
    ----------
    networks
        By their ids.
    assigned
        The hybridization table: id -> what it is, with its place. Of an input that is an array: None.
    weights
        The rows of the parameter table that are of networks.
    arrays
        The files of arrays.
    where
        Where they are named.
    decisions
        What had to be decided on the way.
    """

    networks: Mapping[str, PetabNetwork]
    assigned: Mapping[str, tuple[Tree | None, str]]
    weights: tuple[WeightsRow, ...]
    arrays: tuple[ArrayFile, ...]
    where: str
    decisions: tuple[str, ...] = ()

    @property
    def conditions(self) -> set[str]:
        """The conditions that arrays are given for."""
        places = (place for file in self.arrays for place in file.arrays if place.startswith("inputs/"))
        return {condition for place in places for condition in place.rsplit("/", 1)[1].split(";")} - {*ALL}


def network_call(name: str, component: int | None, arguments: tuple[Tree, ...]) -> Tree:
    """An output of a network as a tree."""
    return Call(f"{CALL}{name}" + ("" if component is None else f" {component}"), arguments)
