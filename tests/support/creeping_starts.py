"""A fit whose starts with small values of both parameters creep along a valley: x hardly falls below K.

Some of them end early, because of what others have found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

TIMES = np.linspace(0, 5, 11)
DATA = pd.DataFrame({"time": TIMES, "x": np.exp(-0.8 * TIMES) + 0.01 * np.random.default_rng(0).standard_normal(11)})


def creeping(**fit: Any) -> dict[str, Any]:
    """Its config, with these keys of `fit`."""
    return {
        "model": {"equations": {"x": "-V*x/(K + x)"}, "initial": {"x": 1}},
        "parameters": {
            "V": {"value": 30, "bounds": [0.01, 1e4], "scale": "log"},
            "K": {"value": 1, "bounds": [0.01, 1e4], "scale": "log"},
        },
        "noise": {"model": "gaussian", "sigma": 0.01},
        "fit": fit,
    }
