"""What whoever makes the experiments sets: currents in the course of time, substrates that the headers name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from odefit.data.time_names import is_called
from odefit.model.built_in.entry import Entry
from odefit.proposing.look import Look
from odefit.proposing.words import CURRENT

SUBSTRATE, HARDLY_MORE = "S", 1.1
"""The state that is used up, and by which factor its product may be more than there was of it."""


def inputs_of(entry: Entry, look: Look) -> dict[str, str]:
    """What the experiment sets -> the column that it was measured in, where that changes in the course of time."""
    if look.kind != "wide" or len(look.series) < 2:
        return {}
    words = {"current": CURRENT, "T": r"(temp(erature)?|t)([ _].*)?", "v": r"(v|voltage|command)([ _].*)?"}
    found: dict[str, str] = {}
    for name in entry.known:
        column = next((c for c in look.series if name in words and is_called(c, words[name])), None)
        if column is not None and column not in found.values() and np.ptp(look.series[column][:, 1]) > 0:
            found[name] = column
    return found


def is_what_headers_say(state: str, look: Look, observables: Mapping[str, str], taken: Mapping[str, str]) -> bool:
    """Whether the headers say with what experiments begin, as substrate whose product is measured: the more, the more
    of it there is at last, and never more than that."""
    if state != SUBSTRATE or look.beside is None or len(look.beside.constants) != 1 or len(observables) != 1:
        return False
    pairs = look.series[next(iter(taken.values()))]
    last = [float(pairs[pairs[:, 2] == code, 1].max()) for code in np.unique(pairs[:, 2])]
    said = look.beside.said
    return len(said) == len(last) and all(a <= HARDLY_MORE * b for a, b in zip(last, said, strict=True))
