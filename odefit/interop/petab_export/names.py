"""Identifiers of SBML and PEtab for names of odefit."""

from __future__ import annotations

import re

RESERVED = frozenset(
    ["time", "t", "inf", "nan", "true", "false", "pi", "avogadro", "piecewise", "log", "exponentiale", "infinity"]
)
"""Names that mean something else in the mathematics of either."""


class Identifiers:
    """Hands out identifiers, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, name: str, suffix: str = "") -> str:
        """An identifier as near to a name as there is: `x_0[mug]` becomes `x_0_mug`.

        Parameters
        ----------
        name
            What it stands for.
        suffix
            Put behind it where the name itself is taken.
        """
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).rstrip("_") or "_"
        if plain[0].isdigit():
            plain = f"_{plain}"
        found, count = plain, 1
        while found in self._taken or found.lower() in RESERVED:
            found = f"{plain}{suffix}" if suffix and count == 1 else f"{plain}{suffix}_{count}"
            count += 1
        self._taken.add(found)
        return found
