"""Prior densities as PEtab names them."""

from __future__ import annotations

from odefit.records import dataclass


@dataclass(frozen=True)
class PetabPrior:
    """A density: its name in PEtab, its numbers, and whether it is one of the parameter on its scale."""

    kind: str
    numbers: tuple[float, ...]
    on_scale: bool = False
