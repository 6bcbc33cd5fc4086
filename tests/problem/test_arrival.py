"""A lag or a fraction of doses that go into several states is told to hold for all of them."""

from __future__ import annotations

from typing import Any

import odefit

ORAL = {"time": 0, "state": "depot", "amount": 100}
IN_VEIN = {"time": 0, "state": "central", "amount": 50}


OWN = {"F": {"value": 0.5, "bounds": [0.1, 1]}, "tlag": {"value": 0.1}}


def said(doses: dict[str, Any], own: dict[str, Any] = OWN) -> str:
    config = {
        "model": {
            "equations": {"depot": "-ka*depot", "central": "ka*depot - k*central"},
            "initial": {"depot": 0, "central": 0},
            "observables": {"c": "central"},
        },
        "parameters": {"ka": 1, "k": 0.1, **own},
        "data": {"doses": doses},
    }
    experiment = odefit.Experiment("a", [0.5, 1, 2, 4, 8], {"c": [30, 40, 50, 40, 30]}, start=0)
    return odefit.check(config, data=[experiment])


def test_a_fraction_and_a_lag_hold_for_doses_into_all_states() -> None:
    text = said({"table": [ORAL, IN_VEIN], "fraction": "F", "lag": "tlag"})
    assert "note: data.doses.fraction (F) holds for doses into depot and into central; " in text
    assert "multiply what that state passes on by F" in text
    assert "note: data.doses.lag (tlag) holds for doses into depot and into central; " in text


def test_nothing_is_said_where_doses_go_into_one_state_or_nothing_becomes_of_them() -> None:
    assert "holds for doses" not in said({"table": [ORAL, {**ORAL, "time": 1}], "fraction": "F", "lag": "tlag"})
    assert "holds for doses" not in said({"table": [ORAL, IN_VEIN], "fraction": 1, "lag": 0}, {})
