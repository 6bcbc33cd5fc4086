"""Sections that few configs have: checked as all others, by what is made when a config has one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from odefit.config.load import load_config
from odefit.errors import ConfigError

PLAIN: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "data": {"csv": "x.csv"}}
PLACES: list[tuple[str | int, ...]] = [
    ("fit", "cluster"),
    ("fit", "track"),
    ("fit", "windows"),
    ("fit", "horizon"),
    ("fit", "schedule"),
    ("plots", "p"),
    ("derived", "d"),
    ("data", "simulate"),
    ("data", "spirals"),
    ("data", "doses"),
    ("data", "inputs", "u"),
    ("data", "hold_out"),
    ("data", "limit", "x"),
    ("data", "exclude", 0),
    ("parameters", "k", "prior"),
    ("model", "observables", "o"),
    ("model", "latent"),
    ("model", "library"),
    ("model", "networks", "n"),
    ("model", "events", 0),
]


def _with(keys: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The plain config with a value at a place."""
    for key in reversed(keys[1:]):
        value = [value] if key == 0 else {key: value}
    first = str(keys[0])
    return PLAIN | {first: PLAIN.get(first, {}) | value}


@pytest.mark.parametrize("keys", PLACES, ids=lambda keys: ".".join(map(str, keys)))
def test_a_fault_in_a_rare_section_is_told_at_its_place(keys: tuple[str | int, ...]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(_with(keys, {"nonsense": 1}))
    place = ".".join(map(str, (*keys, "nonsense")))
    assert any(place in line for line in str(raised.value).splitlines()), str(raised.value)


def test_a_rare_section_is_written_as_it_was_read() -> None:
    doses = {"table": [{"time": 1.0, "amount": 2.0, "state": "x"}], "lag": "k"}
    events = [{"time": "3", "set": {"x": "0"}}]
    given = PLAIN | {"data": PLAIN["data"] | {"doses": doses}, "model": PLAIN["model"] | {"events": events}}
    config = load_config(given).config
    written = config.model_dump(exclude_unset=True)
    assert (written["data"], written["model"]) == (given["data"], given["model"])
    assert config.data.doses is not None
    assert config.data.doses.fraction == "1"


def test_the_short_form_of_a_rare_section_is_read() -> None:
    config = load_config(_with(("data", "doses"), "doses.csv")).config
    assert config.data.doses is not None
    assert config.data.doses.csv == "doses.csv"


def test_a_plain_config_imports_and_makes_nothing_for_rare_sections() -> None:
    code = f"""
import sys
from odefit.config.load import load_config
files = ("cluster_section", "doses_section", "prior_section", "simulate_section")
load_config({PLAIN!r})
print([f"odefit.config.{{file}}" in sys.modules for file in files])
load_config({_with(("data", "doses"), "doses.csv")!r})
print([f"odefit.config.{{file}}" in sys.modules for file in files])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "[False, False, False, False]\n[False, True, False, False]\n"


def test_an_unknown_key_of_a_rare_section_is_compared_with_those_that_it_has() -> None:
    with pytest.raises(ConfigError, match="did you mean 'fraction'"):
        load_config(_with(("data", "doses"), {"csv": "doses.csv", "fracton": 1}))
