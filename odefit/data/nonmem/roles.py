"""Which column of a table of events is what.

The names are those of NONMEM's data items and of nlmixr2, in any case:

    ID TIME DV, AMT RATE DUR II ADDL SS EVID MDV CMT DVID, CENS LIMIT BLQ LLOQ, DATE DAT1 DAT2 DAT3

A table is one of events where it has ID, TIME and DV, and a column that tells doses or their absence (AMT, EVID).
"""

from __future__ import annotations

from collections.abc import Mapping

from odefit.data.columns import Positions
from odefit.data.csv_cells import MissingCells
from odefit.records import dataclass

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "time": ("time",),
    "dv": ("dv",),
    "amt": ("amt",),
    "rate": ("rate",),
    "dur": ("dur", "tinf"),
    "ii": ("ii",),
    "addl": ("addl",),
    "ss": ("ss",),
    "evid": ("evid",),
    "mdv": ("mdv",),
    "cmt": ("cmt",),
    "dvid": ("dvid",),
    "cens": ("cens", "blq", "bloq", "bql"),
    "limit": ("limit",),
    "lloq": ("lloq", "loq"),
    "date": ("date", "dat1", "dat2", "dat3"),
}
"""Role -> what its column may be called, the first that is there."""
MISSING = MissingCells(frozenset({"."}))
"""A point stands for no value, beside what does everywhere."""
_NEEDED = ("id", "time", "dv")


@dataclass(frozen=True)
class Roles:
    """Role -> position of its column, as far as the table has one."""

    at: Mapping[str, int]

    @property
    def is_complete(self) -> bool:
        """Whether these are the columns of a table of events."""
        return all(role in self.at for role in _NEEDED) and ("amt" in self.at or "evid" in self.at)

    @property
    def lacking(self) -> list[str]:
        """What a table of events needs and this one has not."""
        found = [role for role in _NEEDED if role not in self.at]
        return found + ([] if "amt" in self.at or "evid" in self.at else ["amt"])


def find_roles(position: Positions, given: Mapping[str, str]) -> Roles:
    """The columns of a table; given: what the config calls some of them."""
    found = {}
    for role, names in NAMES.items():
        name = given.get(role) or next((name for name in names if name in position), None)
        if name is not None and name in position:
            found[role] = position[name]
    return Roles(found)
