"""SBML models, one construct each, beside libroadrunner and COPASI, which know nothing of odefit.

Both come with the extra `simulators`; without them these tests are skipped, and the closed forms of test_sbml.py are
what remains.
"""

from __future__ import annotations

import importlib.util
import locale
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
import sbml_texts as s
from odefit.arrays import FloatArray
from odefit.interop.importing import import_file
from petab_texts import problem

TIMES = [0.0, 0.4, 1.0, 1.7, 2.6, 3.4, 5.2]
"""Away from every event at a known time."""
CLOSE = 1e-6
TIGHT = (1e-11, 1e-13)
"""Relative and absolute tolerance of the others."""
CELL = s.compartment("cell", 2.5)


@dataclass(frozen=True)
class Construct:
    """What a model is made of, and the names to compare.

    Attributes
    ----------
    amounts
        Species that formulas mean as amounts -> their compartments.
    not_by
        A simulator -> why it is not asked.
    """

    lists: dict[str, Any]
    names: tuple[str, ...]
    amounts: Mapping[str, str]
    not_by: Mapping[str, str]

    @property
    def text(self) -> str:
        return s.sbml(**self.lists)


def model(
    names: str, amounts: Mapping[str, str] | None = None, not_by: Mapping[str, str] | None = None, **lists: Any
) -> Construct:
    return Construct(lists, tuple(names.split()), amounts or {}, not_by or {})


def moving(**values: float) -> list[str]:
    return [s.parameter(name, value, constant=False) for name, value in values.items()]


def fixed(**values: float) -> list[str]:
    return [s.parameter(name, value) for name, value in values.items()]


SWING = [s.rule("x", "y", "rate"), s.rule("y", "-w*w*x", "rate")]
"""x swings as cos(1.9 t)."""
SWUNG = [*moving(x=1.0, y=0.0), *fixed(w=1.9)]

CONSTRUCTS: dict[str, Construct] = {
    "function definitions that call each other": model(
        "S P",
        functions=[
            s.function("hill", "x K n", "x**n/(K**n + x**n)"),
            s.function("leaky", "x", "0.05 + hill(x, 0.7, 2)"),
        ],
        compartments=[CELL],
        species=[s.species("S", initialConcentration=3), s.species("P", initialConcentration=0.2)],
        parameters=fixed(v=1.1),
        reactions=[s.reaction("r", "cell*v*leaky(S)", "S", "P")],
    ),
    "assignments, of states and of each other": model(
        "A total shown",
        compartments=[CELL],
        species=[s.species("A", initialConcentration=1), s.species("shown")],
        parameters=[*moving(total=0.0), *fixed(k=0.6)],
        rules=[s.rule("total", "3 + shown*A"), s.rule("shown", "A + exp(-A)")],
        reactions=[s.reaction("r", "cell*k*total*A", "A")],
    ),
    "initial assignments through each other, a volume among them": model(
        "A B",
        compartments=[s.compartment("cell", 4.0), s.compartment("box", 1.0)],
        species=[s.species("A"), s.species("B", "box", initialAmount=3)],
        parameters=[s.parameter("k"), *fixed(m=0.25)],
        initial=[s.initially("box", "6*m"), s.initially("A", "2*B + k"), s.initially("k", "m*box")],
        reactions=[s.reaction("r", "k*A*cell", "A", "B")],
    ),
    "rate rules": model("x y", parameters=SWUNG, rules=SWING),
    "local parameters that hide others": model(
        "A B",
        compartments=[CELL],
        species=[s.species("A", initialConcentration=1), s.species("B", initialConcentration=0)],
        parameters=fixed(k=9.0),
        reactions=[
            s.reaction("one", "cell*k*A", "A", "B", local="k=0.3"),
            s.reaction("two", "cell*k*B", "B", "A", local="k=0.7"),
            s.reaction("three", "cell*k*A*B/100", "B"),
        ],
    ),
    "stoichiometries, on both sides and broken": model(
        "A B C",
        compartments=[CELL],
        species=[s.species(n, initialConcentration=c) for n, c in (("A", 4.0), ("B", 1.0), ("C", 0.0))],
        parameters=fixed(k=0.1),
        reactions=[s.reaction("r", "k*A*A*B", "2*A B", "1*A 0.5*B 1.5*C")],
    ),
    "conversion factors, of the model and of a species": model(
        "A B n",
        amounts={"n": "cell"},
        not_by={"copasi": "leaves conversion factors out"},
        model='conversionFactor="c"',
        compartments=[CELL],
        species=[
            s.species("A", initialConcentration=1),
            s.species("B", initialConcentration=0, conversionFactor="d"),
            s.species("n", initialAmount=0, hasOnlySubstanceUnits=True),
        ],
        parameters=fixed(c=2.0, d=3.0, k=0.5),
        reactions=[s.reaction("r", "k*A", "A", "B n")],
    ),
    "compartments of other sizes, amounts and concentrations": model(
        "A B n",
        amounts={"n": "outside"},
        compartments=[CELL, s.compartment("outside", 0.4)],
        species=[
            s.species("A", initialConcentration=3),
            s.species("B", "outside", initialAmount=0.2),
            s.species("n", "outside", initialConcentration=5, hasOnlySubstanceUnits=True),
        ],
        parameters=fixed(k=0.4, j=0.3),
        reactions=[s.reaction("out", "cell*k*A", "A", "B n"), s.reaction("back", "j*n", "n", "A")],
    ),
    "a compartment that grows by a rate": model(
        "A n cell",
        amounts={"n": "cell"},
        compartments=[s.compartment("cell", 2.0, constant=False)],
        species=[
            s.species("A", initialConcentration=3),
            s.species("n", initialAmount=1, hasOnlySubstanceUnits=True),
        ],
        parameters=fixed(k=0.4, g=0.2),
        rules=[s.rule("cell", "g*cell", "rate")],
        reactions=[s.reaction("r", "k*A*cell", "A", "n")],
    ),
    "a compartment that a formula of time gives": model(
        "A cell",
        compartments=[s.compartment("cell", 1.0, constant=False)],
        species=[s.species("A", initialConcentration=3)],
        parameters=fixed(k=0.4),
        rules=[s.rule("cell", "2 + sin(time)")],
        reactions=[s.reaction("r", "k*A*cell", "A")],
    ),
    "a compartment that an event changes": model(
        "A cell",
        compartments=[s.compartment("cell", 2.0, constant=False)],
        species=[s.species("A", initialConcentration=3)],
        parameters=fixed(k=0.4),
        reactions=[s.reaction("r", "k*A*cell", "A")],
        events=[s.event("time >= 2", cell="3*cell")],
    ),
    "boundary and constant species": model(
        "driven P",
        compartments=[CELL],
        species=[
            s.species("source", initialConcentration=2, boundaryCondition=True),
            s.species("enzyme", initialConcentration=3, constant=True, boundaryCondition=True),
            s.species("driven", initialConcentration=1, boundaryCondition=True),
            s.species("P", initialConcentration=0),
        ],
        parameters=fixed(k=0.5),
        rules=[s.rule("driven", "-driven", "rate")],
        reactions=[s.reaction("r", "k*source*enzyme*driven", "source driven", "P")],
    ),
    "events at times": model(
        "x p",
        parameters=[*moving(x=1.0, p=1.0), *fixed(T=0.75)],
        rules=[s.rule("x", "p - 0.3*x", "rate")],
        events=[s.event("time >= 2*T", p="p + x"), s.event("2.2 < time", x="x/2", p="0.5")],
    ),
    "events by a state, again and again": model(
        "x y n",
        parameters=[*SWUNG, *moving(n=0.0)],
        rules=SWING,
        events=[s.event("x < -0.5", n="n + 1", y="1.1*y")],
    ),
    "events by a state with a delay and values of their triggers": model(
        "x y early late",
        parameters=[*SWUNG, *moving(early=0.0, late=0.0)],
        rules=SWING,
        events=[
            s.event("x < 0.3", delay="0.35", early="early + y"),
            s.event("x < 0.3", delay="0.35", at_trigger=False, late="late + y"),
        ],
    ),
    "delayed events that are on their way twice": model(
        "x y n",
        parameters=[*SWUNG, *moving(n=0.0)],
        rules=SWING,
        events=[s.event("x < 0.3", delay="4.1", n="n + 1 + y")],
    ),
    "events that are called off": model(
        "x y kept dropped",
        parameters=[*SWUNG, *moving(kept=0.0, dropped=0.0)],
        rules=SWING,
        events=[
            s.event("x < 0.3", delay="1.5", persistent=False, dropped="dropped + 1"),
            s.event("x < -0.6", delay="0.2", persistent=False, kept="kept + 1"),
        ],
    ),
    "priorities": model(
        "x p",
        parameters=moving(x=1.0, p=0.0),
        rules=[s.rule("x", "1", "rate")],
        events=[
            s.event("x > 2.5", priority="1", at_trigger=False, p="10*p + 1"),
            s.event("x > 2.5", priority="x", at_trigger=False, p="10*p + 2"),
            s.event("x > 2.5", priority="2", at_trigger=False, p="10*p + 3"),
        ],
    ),
    "events at the start": model(
        "x p q",
        parameters=moving(x=1.0, p=1.0, q=1.0),
        rules=[s.rule("x", "p*q", "rate")],
        events=[s.event("x > 0.5", at_start=True, p="7"), s.event("x > 0.5", q="9")],
    ),
    "piecewise, by time and by a state": model(
        "x y z",
        parameters=[*SWUNG, *moving(z=0.0)],
        rules=[*SWING, s.rule("z", "piecewise(1 - z, x > 0.2, piecewise(0.5, time < 3 and y < 0, -z))", "rate")],
    ),
    "time": model(
        "x", parameters=moving(x=1.0), rules=[s.rule("x", "exp(-time)*sin(3*time) + log(10, 1 + time)/x", "rate")]
    ),
    "functions": model(
        "u v",
        parameters=[*moving(u=1.0, v=2.0), *fixed(a=1.5)],
        rules=[
            s.rule("u", "abs(sin(2*time))**a - (0 - u)**2/9 + root(3, v)/5", "rate"),
            s.rule("v", "ln(1 + v**2)/(1 + exp(u)) - log(2, v)/7", "rate"),
        ],
    ),
    "a rate of another variable": model(
        "x y z",
        parameters=[*SWUNG, *moving(z=0.0)],
        rules=[*SWING, s.rule("z", "rateOf(x)*y", "rate")],
    ),
}


def by_odefit(construct: Construct, folder: Path) -> FloatArray:
    config = import_file(s.write(folder, construct.text)).write(folder / "made")
    seen = ", ".join(f"seen_{name}: {name}" for name in construct.names)
    overrides = [f"data.simulate.times={TIMES}", "solver.rtol=1e-10", f"model.observables={{{seen}}}"]
    return odefit.simulate(config, overrides).frame[[f"seen_{name}" for name in construct.names]].to_numpy(float)


def by_roadrunner(construct: Construct, folder: Path) -> FloatArray:
    import roadrunner

    solver = roadrunner.RoadRunner(construct.text)
    solver.integrator.relative_tolerance, solver.integrator.absolute_tolerance = TIGHT
    solver.integrator.maximum_time_step = 0.05  # so that nothing is stepped over that a trigger waits for
    amounts = {name for name in construct.names if f'<species id="{name}"' not in construct.text} | {*construct.amounts}
    solver.timeCourseSelections = [name if name in amounts else f"[{name}]" for name in construct.names]
    return np.array(solver.simulate(times=TIMES))


def by_copasi(construct: Construct, folder: Path) -> FloatArray:
    """It has concentrations alone: amounts are these times the volumes."""
    import basico

    loaded = basico.load_model_from_string(construct.text)
    try:
        relative, absolute = TIGHT
        frame = basico.run_time_course(
            values=TIMES, start_time=0, r_tol=relative, a_tol=absolute, use_sbml_id=True, model=loaded
        )
        for name, compartment in construct.amounts.items():
            sizes = basico.get_compartments(model=loaded)["initial_size"]
            frame[name] *= frame[compartment] if compartment in frame else sizes[compartment]
    finally:
        basico.remove_datamodel(loaded)
    return frame[list(construct.names)].to_numpy(float)


SIMULATORS: dict[str, tuple[str, Callable[[Construct, Path], FloatArray]]] = {
    "libroadrunner": ("roadrunner", by_roadrunner),
    "copasi": ("basico", by_copasi),
}


@pytest.fixture(autouse=True)
def own_locale() -> Iterator[None]:
    """python-copasi 4.48.311 sets the locale of the process to C, in which open() takes text for ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


def by_other(simulator: str, construct: Construct, folder: Path) -> FloatArray:
    module, run = SIMULATORS[simulator]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: pip install '.[simulators]'")
    if simulator in construct.not_by:
        pytest.skip(f"{simulator} {construct.not_by[simulator]}")
    return run(construct, folder)


def agree(found: FloatArray, expected: FloatArray) -> None:
    assert np.isfinite(expected).all()
    scale = np.abs(expected).max(axis=0)
    assert (np.abs(found - expected) <= CLOSE * scale).all(), (found, expected)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("name", CONSTRUCTS)
def test_the_trajectories_are_those_of_other_simulators(name: str, simulator: str, tmp_path: Path) -> None:
    construct = CONSTRUCTS[name]
    expected = by_other(simulator, construct, tmp_path)
    agree(by_odefit(construct, tmp_path), expected)


def sized(size: float) -> Construct:
    return model(
        "A B n",
        amounts={"n": "cell"},
        compartments=[s.compartment("cell", size), s.compartment("outside", 0.7)],
        species=[
            s.species("A", initialConcentration=3),
            s.species("B", initialAmount=0.5),
            s.species("n", initialAmount=1, hasOnlySubstanceUnits=True),
        ],
        parameters=fixed(k=0.4),
        reactions=[s.reaction("r", "k*A*B", "A", "n"), s.reaction("back", "k*n", "n", "B")],
    )


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_compartments_of_another_size_in_each_experiment(simulator: str, tmp_path: Path) -> None:
    """A condition of PEtab sets the size: a concentration stays, and so does an amount."""
    rows = "".join(
        f"\n{name}_seen | {which} | {t} | 1" for which in ("small", "large") for t in TIMES for name in ("A", "B", "n")
    )
    path = problem(
        tmp_path,
        sized(1.0).text,
        parameters="""parameterId | parameterScale | lowerBound | upperBound | nominalValue | estimate
            k | log10 | 0.01 | 100 | 0.4 | 1""",
        observables="""observableId | observableFormula | noiseFormula
            A_seen | A | 1
            B_seen | B | 1
            n_seen | n | 1""",
        conditions="conditionId | cell\nsmall | 0.5\nlarge | 3.25",
        measurements="observableId | simulationConditionId | time | measurement" + rows,
    )
    made = odefit.load(import_file(path).write(tmp_path / "made"), ["solver.rtol=1e-10"])
    frame = made.simulate(made.x0)
    for which, size in (("small", 0.5), ("large", 3.25)):
        expected = by_other(simulator, sized(size), tmp_path)
        found = frame[frame["experiment"] == which][["A_seen", "B_seen", "n_seen"]].to_numpy(float)
        agree(found, expected)
