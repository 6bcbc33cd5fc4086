"""`odefit check` tells of units that contradict each other, and of none that might be right."""

from __future__ import annotations

from typing import Any

import pytest

import odefit
from odefit.diagnostics import unit_consistency

pytest.importorskip("pint")

RIGHT: dict[str, Any] = {
    "model": {
        "equations": {"c": "-CL*(WT/70)^0.75/V*c - rate"},
        "expressions": {"rate": "Vmax*c/(Km + c)"},
        "initial": {"c": 0},
        "observables": {"cp": "c/V"},
        "units": {"t": "h", "c": "mg", "cp": "mg/L"},
    },
    "parameters": {
        "CL": {"value": 2, "unit": "L/h"},
        "V": {"value": 20, "unit": "L"},
        "Vmax": {"value": 1, "unit": "mg/h"},
        "Km": {"value": 3, "unit": "mg"},
        "WT": {"value": 60, "estimate": False, "unit": "kg"},
        "half_life": {"formula": "log(2)*V/CL", "unit": "min"},
    },
    "data": {"doses": {"table": [{"time": 0, "state": "c", "amount": 100}]}},
}


def warnings(changed: dict[str, Any]) -> list[str]:
    config: dict[str, Any] = {key: dict(value) for key, value in RIGHT.items()}
    for key, value in changed.items():
        section, _, rest = key.partition(".")
        name, _, last = rest.partition(".")
        old = config[section].get(name)
        config[section][name] = {**old, last: value} if last else value
    experiment = odefit.Experiment("a", [1, 2, 4, 8], {"cp": [4.5, 4.1, 3.3, 2.3]}, start=0)
    text = odefit.check(config, data=[experiment])
    told = [line.removeprefix("warning: ") for line in text.splitlines() if line.startswith("warning: ")]
    return [what for what in told if "has no effect" not in what and "cannot determine" not in what]


def test_units_that_fit_are_not_mentioned() -> None:
    assert warnings({}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"model.observables": {"cp": "1000*c/V"}},
        {"model.units.cp": "ng"},
        {"parameters.V": {"value": 20}},
        {"parameters.V": {"value": 20, "unit": "buckets"}},
        {"model.units": {"c": "mg"}},
    ],
    ids=["a factor", "a number that may have a unit", "no unit", "an unknown unit", "no time"],
)
def test_what_may_be_right_is_not_mentioned(change: dict[str, Any]) -> None:
    if "model.units.cp" in change:
        change = {**change, "model.observables": {"cp": "180*c"}}
    assert warnings(change) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"model.units.cp": "mg/mL"},
            ["model.observables.cp: c/V is in mg/l, and cp in mg/ml: correct a unit, or write the factor 0.001 into "
             "the formula"],
        ),
        (
            {"parameters.Vmax.unit": "mg"},
            ["model.equations.c: -rate is in mg, and the slope of c in mg/h: they measure different things; correct a "
             "unit, or the formula"],
        ),
        (
            {"parameters.Km.unit": "mg/L"},
            ["model.expressions.rate: Km (mg/l) and c (mg) are no units to be added or compared: correct a unit, or "
             "convert one of them in the formula"],
        ),
        (
            {"model.initial": {"c": "c_0"}, "parameters.c_0": {"value": 1, "unit": "g"}},
            ["parameters.c_0.unit: c_0 is in g, and model.units says mg of c"],
        ),
        (
            {"model.expressions": {"rate": "Vmax*c/(Km + c)*exp(-V*t)"}},
            ["model.expressions.rate: exp of -V*t, which is in h*l"],
        ),
        (
            {"parameters.half_life": {"formula": "2*V/CL", "unit": "min"}},
            ["parameters.half_life: 2*V/CL is in h, and half_life in min: correct a unit, or write the factor 60 into "
             "the formula"],
        ),
        (
            {"model.expressions": {"rate": "piecewise(Vmax, c > Km, c)"}},
            ["model.expressions.rate: Vmax (mg/h) and c (mg) are no units to be added or compared: correct a unit, "
             "or convert one of them in the formula"],
        ),
        (
            {"model.expressions": {"rate": "Vmax*(1 - c/Km)"}, "parameters.Km.unit": "g"},
            ["model.expressions.rate: -c/Km (mg/g) and 1 (1) are no units to be added or compared: correct a unit, or "
             "convert one of them in the formula"],
        ),
    ],
)  # fmt: skip
def test_units_that_contradict_each_other_are_named_with_what_to_do(change: dict[str, Any], said: list[str]) -> None:
    assert warnings(change) == said


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, False),
        ({"parameters.half_life": {"formula": "V/CL", "unit": "hour"}}, True),
        ({"parameters.half_life": {"formula": "V/CL + 1", "unit": "h"}}, True),
        ({"parameters.half_life": {"formula": "V/CL", "unit": "60 s"}}, True),
    ],
    ids=["the same words", "other words", "a number that is added", "no plain product"],
)
def test_pint_is_asked_where_words_alone_do_not_fit(
    change: dict[str, Any], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    unit_of = unit_consistency.unit_of
    monkeypatch.setattr(unit_consistency, "unit_of", lambda text: read.append(text) or unit_of(text))
    warnings(change)
    assert bool(read) == asked
