"""A small fit to be kept track of, and listeners to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import odefit

DATA = [
    odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]}),
    odefit.Experiment("b", [0, 1, 2, 3, 4], {"x": [3.0, 1.9, 1.1, 0.7, 0.4]}),
]


def decay(**fit: Any) -> dict[str, Any]:
    return {
        "title": "Decay",
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": "estimate"}},
        "parameters": {
            "k": {"value": 0.9, "bounds": [0.1, 5], "scale": "log"},
            "x_0": {"by": "experiment", "value": 1},
        },
        "noise": {"sigma": 0.05},
        "fit": {"track": {"tensorboard": "logs"}} | fit,
    }


class Notes:
    """A Progress that remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def begin(self, what: str, total: int) -> None: ...

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None: ...

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None: ...

    def end(self) -> None: ...


class Interrupting(Notes):
    """Ctrl-C after twelve epochs."""

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        if number == 12:
            raise KeyboardInterrupt
