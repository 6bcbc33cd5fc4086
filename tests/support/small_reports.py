"""A small fit to report on."""

from __future__ import annotations

from typing import Any

import odefit

DECAY: dict[str, Any] = {
    "title": "Decay of two cups",
    "model": {
        "equations": {"x": "-k*x"},
        "units": {"x": "mg", "t": "h"},
        "events": [{"time": 2.5, "set": {"x": "x + 1"}}],
    },
    "parameters": {
        "k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log", "unit": "1/h"},
        "x_0": {"by": "experiment"},
        "half_life": "log(2)/k",
    },
    "fit": {"starts": 3},
}
CUPS = [
    odefit.Experiment("mug", [0, 1, 2, 3, 4, 6], {"x": [2.02, 1.2, 0.75, 1.3, 0.9, 0.27]}),
    odefit.Experiment("glass", [0, 1, 2, 3, 4], {"x": [1.0, 0.6, 0.4, 1.1, None]}, labels={"colour": "red"}),
]
