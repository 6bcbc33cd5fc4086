"""What PEtab-SciML adds to the tables of a problem, still as trees."""

from __future__ import annotations

from collections.abc import Mapping

from odefit.arrays import FloatArray
from odefit.interop.mathematics import Tree
from odefit.records import dataclass

Prior = tuple[str, tuple[float, ...]]
"""Its name in PEtab and its numbers."""


@dataclass(frozen=True)
class WeightsRow:
    """A row of the parameter table that is of weights."""

    id: str
    entity: str
    estimated: bool
    prior: Prior | None = None


@dataclass(frozen=True)
class NetworkTables:
    """What the extension adds.

    Attributes
    ----------
    mapping
        Id -> what it is of a network.
    hybridization
        Id -> its formula.
    weights
        Rows of the parameter table.
    descriptions
        Network -> the text of its description.
    arrays
        Weights by their places in a file of arrays.
    """

    mapping: Mapping[str, str]
    hybridization: Mapping[str, Tree]
    weights: tuple[WeightsRow, ...]
    descriptions: Mapping[str, str]
    arrays: Mapping[str, FloatArray]
