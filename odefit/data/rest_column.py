"""The column `steady_state` of the table of experiments: which of them came to rest before their start."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from odefit.text import clip

STEADY_STATE = "steady_state"
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def read_rests(cells: Mapping[str, float | str], tell: Callable[[str | None, str, str], None]) -> dict[str, bool]:
    """Experiment -> whether it came to rest; without those whose cell is empty, which the model decides.

    Parameters
    ----------
    cells
        Experiment -> the filled cell.
    tell
        Takes the fault of a cell: its experiment, its column, what is wrong.
    """
    found = {}
    for experiment, cell in cells.items():
        word = cell.lower() if isinstance(cell, str) else f"{cell:g}"
        if word in _WORDS:
            found[experiment] = _WORDS[word]
        else:
            tell(experiment, STEADY_STATE, f"'{clip(str(cell))}' is neither yes nor no; write one of the two")
    return found
