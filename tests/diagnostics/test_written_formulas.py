"""`odefit check` shows formulas in the functions of configs."""

from __future__ import annotations

import odefit


def test_functions_are_called_as_in_a_config() -> None:
    config = {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": 1},
            "observables": {"y": "abs(x - 2)", "z": "max(x, 0.1) + min(x, 3)"},
        },
        "parameters": {"k": {"value": 1, "bounds": [0.1, 10]}},
        "noise": "proportional",
    }
    said = odefit.check(config, data=[odefit.Experiment("a", [0, 1], {"y": [1, 1.6], "z": [2, 0.7]})])
    assert "abs(x - 2)" in said
    assert "max(" in said
    assert "min(" in said
    assert not any(name in said for name in ("Abs(", "Max(", "Min("))
