"""Events whose condition names nothing: a note says that they come at the start alone, or never."""

from __future__ import annotations

from typing import Any

import pytest

import odefit
from odefit.api import assembled


@pytest.mark.parametrize(
    ("event", "note"),
    [
        ({"when": "1 < 2"}, "`1 < 2` always holds, so it never comes: see at_start"),
        ({"when": "1 < 2", "at_start": True}, "`1 < 2` always holds, so it comes at the start alone"),
        ({"when": "not 1 < 2 and 3 > 2"}, "`not 1 < 2 and 3 > 2` never holds, so it never comes"),
        ({"when": "x > 2"}, None),
        ({"when": "k > 2"}, None),
    ],
)
def test_the_note(event: dict[str, Any], note: str | None) -> None:
    first = {"when": "x > 9", "set": {"x": 1}}
    config = {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": 1},
            "events": [{"time": 0.5, "set": {"x": 2}}, first, {**event, "set": {"x": 3}}],
        },
        "parameters": {"k": 0.4},
    }
    data = [odefit.Experiment("a", [0.25, 1, 2], {"x": [1.0, 0.7, 0.5]})]
    found = [text for text in assembled(config, data=data).notes if "model.events" in text]
    assert found == ([] if note is None else [f"model.events.2.when: {note}"])
    simulate = {**config, "data": {"simulate": {"times": [0, 1, 2], "parameters": {"k": 1}}}}
    found = [text for text in odefit.simulate(simulate).notes if "model.events" in text]
    assert found == ([] if note is None else [f"model.events.2.when: {note}"])
