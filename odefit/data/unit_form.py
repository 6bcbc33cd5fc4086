"""The units that a config names: of the model, and of a table of its data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field

from odefit.records import dataclass

TIME = "t"
"""What the time is called among units."""


@dataclass(frozen=True)
class UnitForm:
    """The units that a config names.

    Parameters
    ----------
    model
        Units of states, observables, constants, inputs and of TIME, as formulas have them.
    said
        Units of the columns of a table, whatever its header says.
    where
        The place of `said` in the config.
    elsewhere
        Other columns of the table, which are read before.
    shares
        Observables whose standard deviations are those of logarithms, and have no unit.
    deviations
        Observable -> the column that a formula of its noise is, and nothing else (`sigma: x_sd`).
    """

    model: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    where: str = "data.units"
    elsewhere: Collection[str] = ()
    shares: Collection[str] = ()
    deviations: Mapping[str, str] = field(default_factory=dict)


NO_UNITS = UnitForm()
