"""SBML models, one construct each: what the imported config computes is what the mathematics says."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
import sbml_texts as s
from odefit.errors import InputError
from odefit.interop.importing import import_file

TIMES = [0.0, 0.5, 1.0, 2.0, 3.0]
T = np.array(TIMES)


def simulated(tmp_path: Path, **lists: Any) -> pd.DataFrame:
    """The states at TIMES."""
    imported = import_file(s.write(tmp_path, s.sbml(**lists)))
    config = imported.write(tmp_path / "made")
    return odefit.simulate(config, [f"data.simulate.times={TIMES}", "solver.rtol=1e-10"]).frame


def faults(path: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        import_file(path)
    return [str(fault).replace(str(path.parent) + "/", "") for fault in raised.value.faults]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-7, atol=1e-9)


CELL = [s.compartment("cell", 1.0)]


def test_reactions_with_stoichiometries_functions_and_local_parameters(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        functions=[s.function("mass_action", "k x", "k*x")],
        compartments=CELL,
        species=[s.species("A", initialConcentration=2), s.species("B", initialConcentration=0)],
        parameters=[s.parameter("k", 5.0)],
        reactions=[
            s.reaction("first", "cell*mass_action(k, A)", "A", "2*B", local="k=0.3"),
            s.reaction("second", "cell*k*A*0", "A", local="k=0.9"),
        ],
    )
    close(frame["A"], 2 * np.exp(-0.3 * T))
    close(frame["B"], 4 * (1 - np.exp(-0.3 * T)))


def test_a_volume_divides_flows_of_concentrations_and_not_those_of_amounts(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        compartments=[s.compartment("cell", 2.0), s.compartment("outside", 5.0)],
        species=[
            s.species("A", initialConcentration=3),
            s.species("B", "outside", initialAmount=5),
            s.species("n", initialAmount=1, hasOnlySubstanceUnits=True),
        ],
        parameters=[s.parameter("k", 0.4)],
        reactions=[s.reaction("out", "cell*k*A", "A", "B n")],
    )
    assert "A: -k*A\n" in next((tmp_path / "made").glob("*.yaml")).read_text("utf-8")  # not -cell*k*A/cell
    close(frame["A"], 3 * np.exp(-0.4 * T))
    close(frame["B"], 1 + 2 * 3 * (1 - np.exp(-0.4 * T)) / 5)
    close(frame["n"], 1 + 2 * 3 * (1 - np.exp(-0.4 * T)))


def test_conversion_factors(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        model='conversionFactor="c"',
        compartments=CELL,
        species=[
            s.species("A", initialConcentration=1),
            s.species("B", initialConcentration=0, conversionFactor="d"),
        ],
        parameters=[s.parameter("c", 2.0), s.parameter("d", 3.0), s.parameter("k", 0.5)],
        reactions=[s.reaction("r", "k*A", "A", "B")],
    )
    close(frame["A"], np.exp(-T))
    close(frame["B"], 1.5 * (1 - np.exp(-T)))


def test_boundary_and_constant_species_are_not_moved_by_reactions(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        compartments=CELL,
        species=[
            s.species("source", initialConcentration=2, boundaryCondition=True),
            s.species("enzyme", initialConcentration=3, constant=True, boundaryCondition=True),
            s.species("driven", initialConcentration=1, boundaryCondition=True),
            s.species("P", initialConcentration=0),
        ],
        parameters=[s.parameter("k", 0.5)],
        rules=[s.rule("driven", "-driven", "rate")],
        reactions=[s.reaction("r", "k*source*enzyme", "source driven", "P")],
    )
    close(frame["driven"], np.exp(-T))
    close(frame["P"], 3 * T)


def test_initial_assignments_through_each_other(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        compartments=[s.compartment("cell", 4.0)],
        species=[s.species("A"), s.species("B", initialAmount=8)],
        parameters=[s.parameter("k"), s.parameter("m", 0.25)],
        initial=[s.initially("A", "2*B + k"), s.initially("k", "2*m*cell")],
        rules=[s.rule("A", "-k*A", "rate"), s.rule("B", "0*B", "rate")],
    )
    close(frame["A"], (2 * 2 + 2) * np.exp(-2 * T))
    close(frame["B"], 2 + 0 * T)


def test_time_piecewise_and_what_texts_get_wrong(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        parameters=[s.parameter(name, 1.0, constant=False) for name in ("x", "y", "z", "u", "v")]
        + [s.parameter("a", 1.5), s.parameter("b", 2.0)],
        rules=[
            s.rule("x", "piecewise(1, time < 1, 3)", "rate"),
            s.rule("y", "(a**b)**b - (0 - 3)**2 + log(b, 8)", "rate"),
            s.rule("z", "(-b)**2 + root(2, 9)", "rate"),
            s.rule("u", "piecewise(1, xor(a > 1, b > 1), 2) + quotient(-7, 2)", "rate"),
            s.rule("v", "rateOf(x) + 1", "rate"),
        ],
    )
    close(frame["x"], 1 + np.where(T < 1, T, 1 + 3 * (T - 1)))
    close(frame["y"], 1 + (1.5**4 - 9 + 3) * T)
    close(frame["z"], 1 + (4 + 3) * T)
    close(frame["u"], 1 + (2 - 3) * T)
    close(frame["v"], frame["x"] + T)


def test_events_at_times(tmp_path: Path) -> None:
    """What events set is a state that stands still; at the start an event fires only where the file says so."""
    frame = simulated(
        tmp_path,
        parameters=[
            *(s.parameter(name, 1.0, False) for name in ("x", "rate")),
            *(s.parameter(name, 0.0, False) for name in ("early", "never")),
            s.parameter("T", 0.75),
        ],
        rules=[s.rule("x", "rate", "rate")],
        events=[
            s.event("time >= T", rate="2*rate"),
            s.event("1.5 < time", x="x/2", rate="0"),
            s.event("time >= 0", at_start=True, early="7"),
            s.event("time >= 0", never="7"),
        ],
    )
    close(frame["rate"], [1, 1, 2, 0, 0])
    close(frame["x"], [1, 1.5, 2.25, 1.625, 1.625])
    close(frame["early"], np.full(5, 7.0))
    close(frame["never"], np.zeros(5))


def test_an_event_that_changes_a_volume_keeps_the_amounts(tmp_path: Path) -> None:
    """Where a rule moves the concentration, which is the state then, it is diluted."""
    frame = simulated(
        tmp_path,
        compartments=[s.compartment("cell", 2.0, constant=False)],
        species=[s.species("A", initialConcentration=3)],
        rules=[s.rule("A", "1", "rate")],
        events=[s.event("time >= 1.5", cell="2*cell")],
    )
    close(frame["A"], np.where(T < 1.5, 3 + T, (3 + 1.5) / 2 + T - 1.5))


def test_a_concentration_that_is_set_with_its_volume_belongs_to_the_volume_before(tmp_path: Path) -> None:
    frame = simulated(
        tmp_path,
        compartments=[s.compartment("cell", 2.0, constant=False)],
        species=[s.species("A", initialConcentration=3), s.species("B", initialConcentration=1)],
        parameters=[s.parameter("k", 0.5)],
        rules=[s.rule("A", "0*A", "rate")],
        reactions=[s.reaction("make", "k", products="B")],
        events=[s.event("time >= 1.5", cell="8", A="4", B="4")],
    )
    close(frame["A"], np.where(T < 1.5, 3, 4 * 2 / 8))
    close(frame["B_amount"], np.where(T < 1.5, 2 + 0.5 * T, 4 * 2 + 0.5 * (T - 1.5)))


def test_events_by_conditions(tmp_path: Path) -> None:
    """Of a state, of the time with a state, and of constants alone, which hold from the start or never."""
    frame = simulated(
        tmp_path,
        parameters=[
            *(s.parameter(name, 1.0, False) for name in ("x", "n", "late")),
            *(s.parameter(name, 0.0, False) for name in ("always", "never", "numeric")),
            s.parameter("k", 1.0),
        ],
        rules=[s.rule("x", "k", "rate")],
        events=[
            s.event("x > 2.4", x="1", n="2*n"),
            s.event("time > 1 and n > 1", late="7"),
            s.event("k > 0", at_start=True, always="7"),
            s.event("k > 0", never="7"),
            s.event("k", at_start=True, numeric="7"),
        ],
    )
    close(frame["numeric"], np.full(5, 7.0))
    close(frame["x"], [1, 1.5, 2, 1.6, 1.2])
    close(frame["n"], [1, 1, 1, 2, 4])
    close(frame["late"], [1, 1, 1, 7, 7])
    close(frame["always"], np.full(5, 7.0))
    close(frame["never"], np.zeros(5))


def test_events_at_one_time_come_by_their_priorities_and_with_early_values(tmp_path: Path) -> None:
    events = [
        s.event("time >= 1.5", x="x + 1").replace("</trigger>", f"</trigger><priority>{s.mathml('1')}</priority>"),
        s.event("time >= 1.5", x="10*x").replace("</trigger>", f"</trigger><priority>{s.mathml('2')}</priority>"),
        s.event("time >= 0.75", y="y + x").replace("</trigger>", f"</trigger><delay>{s.mathml('1')}</delay>"),
    ]
    names = [s.parameter("x", 2.0, False), s.parameter("y", 1.0, False)]
    frame = simulated(tmp_path, parameters=names, events=events)
    close(frame["x"], [2, 2, 2, 3, 3])  # the first of them comes last, with the value of before
    close(frame["y"], [1, 1, 1, 3, 3])


def test_a_model_becomes_a_config_to_simulate(tmp_path: Path) -> None:
    text = s.sbml(
        compartments=CELL,
        species=[s.species("A", initialConcentration=10)],
        parameters=[s.parameter("k", 0.01)],
        reactions=[s.reaction("r", "cell*k*A", "A")],
    )
    imported = import_file(s.write(tmp_path, text, "decay.xml"))
    assert imported.next_command == "simulate"
    config = imported.files["decay.yaml"]
    assert "A: -k*A\n" in config  # the volume of 1 is not written, nor does it cancel
    assert "k: {value: 0.01, estimate: false}" in config
    assert "times: {start: 0, stop: 1000, count: 101}" in config  # ten times what A takes to change
    frame = odefit.simulate(imported.write(tmp_path / "made")).frame
    close(frame["A"], 10 * np.exp(-0.01 * frame["time"]))


# -- what is refused


def test_a_trigger_by_an_equality_is_named_with_its_line(tmp_path: Path) -> None:
    """That of a time is the time."""
    text = s.sbml(
        parameters=[s.parameter("x", 1.0, False), s.parameter("y", 1.0, False)],
        rules=[s.rule("x", "1", "rate")],
        events=[s.event("time == 2", y="3"), s.event("x == 2", y="4")],
    )
    line = next(i for i, each in enumerate(text.splitlines(), 1) if "<event" in each and "<cn" in each) + 1
    assert faults(s.write(tmp_path, text)) == [
        f"model.xml:{line}: event event 2 waits for ==, which holds in single moments: write <, <=, > or >="
    ]


def test_what_odefit_cannot_solve_is_named_with_its_line(tmp_path: Path) -> None:
    text = s.sbml(
        version=1,
        compartments=CELL,
        species=[s.species("A", initialConcentration=1)],
        parameters=[s.parameter("x", 1.0, False), s.parameter("y", 1.0, False)],
        rules=[s.rule("x", "delay(A, 2)", "rate"), f"<algebraicRule>{s.mathml('y - A')}</algebraicRule>"],
        reactions=[s.reaction("quick", "A", "A", fast=True)],
    )
    lines = text.splitlines()
    found = faults(s.write(tmp_path, text))
    assert len(found) == 3
    for word, place in (("algebraic rules are not supported", "<algebraicRule"), ("'quick' is fast", "<reaction ")):
        line = next(i for i, each in enumerate(lines, 1) if place in each)
        assert any(fault.startswith(f"model.xml:{line}:") and word in fault for fault in found)
    assert any("the rate rule of 'x' has a delay" in fault for fault in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "model.xml:1: is no XML: no element found"),
        ("<sbml", "model.xml:1: is no XML: unclosed token"),
        ('<!DOCTYPE sbml [<!ENTITY a "b">]><sbml/>', "model.xml:1: has a document type (<!DOCTYPE …>)"),
        ("<a>" * 300 + "</a>" * 300, "model.xml:1: elements stand more than 250 deep in each other"),
        (
            s.sbml(attributes='xmlns:multi="x" multi:required="true"'),
            "needs SBML's package 'multi', which odefit does not",
        ),
        (s.sbml(rules=[s.rule("x", "1")]), "model.xml:5: "),
    ],
)
def test_a_file_that_is_no_sound_model(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in fault for fault in faults(s.write(tmp_path, text)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert faults(tmp_path / "model.xml") == ["model.xml: there is no such file: check the path"]


def test_without_libsbml_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    found = faults(s.write(tmp_path, s.sbml()))
    assert found == [
        'reading SBML needs python-libsbml, which is not installed: pip install "odefit[petab]" '
        "(or python-libsbml alone)"
    ]


def test_functions_that_odefit_lacks_are_named(tmp_path: Path) -> None:
    text = s.sbml(parameters=[s.parameter("x", 1.0, False)], rules=[s.rule("x", "floor(time)", "rate")])
    assert faults(s.write(tmp_path, text)) == [
        "model.xml, equations.x: floor has no counterpart: write steps at known times with piecewise"
    ]


def test_infinite_and_missing_values(tmp_path: Path) -> None:
    text = s.sbml(parameters=[s.parameter("x", 1.0, False), s.parameter("k")], rules=[s.rule("x", "k", "rate")])
    assert any("'k' has no value" in fault for fault in faults(s.write(tmp_path, text)))
    assert math.isinf(float("inf"))
