"""What readers of PEtab share: rows of measurements; of version 2 the files that its YAML names, and priors in rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from odefit.config.source import Source
from odefit.errors import Faults
from odefit.interop.petab_prior import PetabPrior
from odefit.interop.petab_problem import Measured
from odefit.interop.petab_tables import Reading, Row
from odefit.text import clip, suggest

_PRIORS: Mapping[str, int] = {
    **dict.fromkeys(("uniform", "normal", "log-normal", "laplace", "log-laplace", "log-uniform", "cauchy", "gamma"), 2),
    **dict.fromkeys(("exponential", "chisquare", "rayleigh"), 1),
}
"""The densities, and how many numbers each has."""


class Files(Protocol):
    """The files that the YAML names (petab_reading.py)."""

    source: Source
    folder: Path
    faults: Faults

    def named(self, holder: Mapping[str, Any], keys: tuple[str | int, ...], key: str) -> list[Path]:
        """Those of a key, none where it is missing."""

    def needed(self, holder: Mapping[str, Any], keys: tuple[str | int, ...], key: str) -> list[Path]:
        """The same; a fault where there are none."""

    def fault(self, keys: tuple[str | int, ...], what: str) -> None:
        """A fault of a key."""


def measured_in(reading: Reading, row: Row, experiment: str) -> Measured:
    """The measurement of a row."""
    return Measured(
        row.text("observableId"),
        experiment,
        reading.number(row, "time"),
        reading.number(row, "measurement"),
        reading.trees(row, "observableParameters"),
        reading.trees(row, "noiseParameters"),
        row.text("datasetId"),
        row.where(),
    )


def prior_in(reading: Reading, row: Row) -> PetabPrior | None:
    """The prior of a row of the parameter table."""
    kind = row.text("priorDistribution")
    if not kind:
        return None
    if kind not in _PRIORS:
        what = f"'{clip(kind)}' is no prior of PEtab; {suggest(kind, _PRIORS)}"
        reading.faults.add(row.where("priorDistribution"), what)
        return None
    numbers = reading.numbers(row, "priorParameters", _PRIORS[kind])
    if numbers is None:
        reading.faults.add(row.where("priorParameters"), f"the numbers of the {kind} prior are missing")
        return None
    return PetabPrior(kind, numbers)
