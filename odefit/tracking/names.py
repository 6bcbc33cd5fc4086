"""Names that every tracker takes, and the way back.

MLflow refuses a metric called `k[1]` (3.17: letters, digits, `_ - . / :` and blanks are left), TensorBoard calls it
`k_1_` without a word.
"""

from __future__ import annotations

import re

NOT_TAKEN = re.compile(r"[^A-Za-z0-9_./-]+")
LONGEST = 200


class Names:
    """Gives each name one that trackers take, and no two the same."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name under which something is tracked; always the same for the same name."""
        if name not in self._given:
            plain = NOT_TAKEN.sub("_", name)[:LONGEST].strip("/._") or "_"
            found, number = plain, 2
            while found in self._taken:
                found, number = f"{plain}_{number}", number + 1
            self._given[name] = found
            self._taken.add(found)
        return self._given[name]

    @property
    def changed(self) -> dict[str, str]:
        """Tracked names by the names that they stand for, as far as they differ."""
        return {found: name for name, found in self._given.items() if found != name}
