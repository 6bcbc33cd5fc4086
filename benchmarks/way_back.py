"""Gradients back through doses, lags, events and rest, beside the same by sensitivities.

    OMP_NUM_THREADS=1 python benchmarks/way_back.py [--quick] [--ways]

Chains of mass action (kernel.py) with ten doses at known times, with the same doses whose lag and fraction are
parameters, with a dose that comes whenever the first state is low, or at rest before a stimulus and one dose. A line is
the solution and the gradient of a sum of all states at 50 times with random weights, of one member and of each of 16
in one call; times are CPU time, the shortest of some turns, `apart` is how far both gradients p dg/dp are from one
another, in parts of the largest, at tolerances of 1e-9 in place of 1e-6.

A second table has whole ways with sensitivities in one call of the kernel, beside the same from segment to segment: a
thermostat with two switches and an hourly temperature outside, 12 subjects with six doses and an estimated lag, and a
fermenter whose feed changes every half hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
from kernel import Array, chain, shortest
from timing import describe_machine, show

from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.choice import make_engine
from odefit.model.formulas import parse_formula
from odefit.model.rest import rest_under
from odefit.model.system import Dosing, System, Trigger

KINDS = ("10 doses", "10 doses, lag and fraction", "events", "rest and a dose")
TIMES = np.linspace(0, 10, 50)
DOSED = tuple(Dose(float(t), "x0", 1.0) for t in np.linspace(0.3, 9.1, 10))


def interrupted(states: int, rates: int, kind: str) -> tuple[System, tuple[Dose, ...], list[float]]:
    """The system, its doses, and the values of parameters that the chain does not have."""
    plain = chain(states, rates)
    names = {*plain.states, *plain.parameters, "lag", "part", "more"}

    def read(text: str) -> object:
        return parse_formula(text, names)

    if kind == "events":
        low = Trigger(when=read("x0 < 0.5*k0"), changes={"x0": read("x0 + 1")})
        return replace(plain, triggers=(low,)), (), []
    known = Dosing(plain.states, read("0"), read("1"))
    if kind == "10 doses":
        return replace(plain, dosing=known), DOSED, []
    if kind == "rest and a dose":
        before = rest_under(plain.equations, plain.initial, {"k0": read("k0*more")})
        more = replace(plain, parameters=(*plain.parameters, "more"), dosing=known, rest=before)
        return more, DOSED[4:5], [1.5]
    moving = Dosing(plain.states, read("lag"), read("part"))
    return replace(plain, parameters=(*plain.parameters, "lag", "part"), dosing=moving), DOSED, [0.1, 0.8]


def gradients(states: int, rates: int, kind: str) -> list[object]:
    """A row of the first table."""
    system, doses, more = interrupted(states, rates, kind)
    values = np.array([*(0.1 + np.arange(rates) % 7 * 0.1), *more])
    experiments = [Experiment("e", TIMES, np.full((len(TIMES), 1), np.nan), 0.0, doses=doses)]
    row: list[object] = [f"chain, {states} states, {rates} rates, {kind}"]
    for members in (1, 16):
        p = values * np.random.default_rng(0).uniform(0.8, 1.2, (members, len(values)))
        worth = np.random.default_rng(1).normal(size=(members * len(TIMES), states))
        ways = partial(ways_of, system, p, experiments, np.zeros(members, dtype=int), worth)
        back, ahead = (1e6 * t / members for t in shortest(ways(1e-6), 0.3))
        row += [f"{back:.3g}", f"{ahead:.3g}", f"{back / ahead:.2f}"]
    found, exact = (way() * p for way in ways(1e-9))
    return [*row, f"{np.abs(found - exact).max() / np.abs(exact).max():.1e}"]


def ways_of(system: System, p: Array, experiments: Sequence[Experiment], members: Array, worth: Array, rtol: float):
    """Back, and by sensitivities."""
    engine = make_engine(system, SolverOptions(rtol=rtol, atol=1e-2 * rtol), system.parameters)
    assert engine.can_pull

    def back() -> Array:
        engine.solve(p, experiments, False, members)
        return engine.pull(p, experiments, worth, members)

    def ahead() -> Array:
        return Engine.pull(engine, p, experiments, worth, members)

    back(), ahead()
    return back, ahead


def room() -> tuple[System, Array, list[Experiment]]:
    """Four days of a thermostat."""
    hours = np.arange(97.0)
    outside = 6 + 5 * np.sin(2 * np.pi * (hours - 9) / 24) + np.random.default_rng(1).normal(0, 0.6, 97)
    slopes, flat = np.append(np.diff(outside), 0.0), np.zeros(97)
    names = {"x", "on", "u", "k", "power", "x0"}
    read = partial(parse_formula, names=names)
    switches = [("x < 19", "1"), ("x > 21", "0")]
    system = System(
        "room",
        ("x", "on"),
        ("k", "power", "x0"),
        {"x": read("-k*(x - u) + power*on"), "on": read("0")},
        {"x": read("x0"), "on": read("1")},
        {"x": read("x")},
        inputs=("u",),
        triggers=tuple(Trigger(when=read(when), changes={"on": read(value)}) for when, value in switches),
    )
    inputs = {"u": Input(hours, np.stack([outside, slopes, flat, flat], axis=1))}
    return system, np.array([[0.15, 4.0, 20.0]]), [blank(np.arange(0.53, 96.0, 0.5), inputs=inputs)]


def subjects() -> tuple[System, Array, list[Experiment]]:
    """Doses by mouth."""
    read = partial(parse_formula, names={"gut", "blood", "ka", "CL", "V", "lag"})
    system = System(
        "drug",
        ("gut", "blood"),
        ("ka", "CL", "V", "lag"),
        {"gut": read("-ka*gut"), "blood": read("ka*gut - CL/V*blood")},
        {"gut": read("0"), "blood": read("0")},
        {"blood": read("blood/V")},
        dosing=Dosing(("gut", "blood"), read("lag"), read("1")),
    )
    doses = tuple(Dose(float(t), "gut", 100.0) for t in np.arange(0, 72, 12))
    p = np.array([1.2, 3.0, 30.0, 0.4]) * np.random.default_rng(1).uniform(0.9, 1.1, (12, 4))
    return system, p, [blank(np.linspace(0.7, 71.3, 21), doses=doses) for _ in range(12)]


def fermenter() -> tuple[System, Array, list[Experiment]]:
    """A feed in steps."""
    read = partial(parse_formula, names={"X", "S", "V", "u", "mu", "Ks", "Y"})
    times = np.arange(0, 40, 0.5)
    system = System(
        "fermenter",
        ("X", "S", "V"),
        ("mu", "Ks", "Y"),
        {
            "X": read("mu*S/(Ks + S)*X - u/V*X"),
            "S": read("-mu*S/(Ks + S)*X/Y + u/V*(50 - S)"),
            "V": read("u"),
        },
        {"X": read("0.5"), "S": read("8"), "V": read("1")},
        {"X": read("X")},
        inputs=("u",),
    )
    feeds = [0.02 * np.exp(0.06 * times) * (1 + 0.15 * i) for i in range(3)]
    inputs = [{"u": Input(times, np.stack([feed, *np.zeros((3, 80))], axis=1))} for feed in feeds]
    return system, np.tile([0.25, 0.5, 0.5], (3, 1)), [blank(np.arange(2.0, 40.1, 2), inputs=own) for own in inputs]


def blank(times: Array, **more: object) -> Experiment:
    """An experiment without measurements."""
    return Experiment("e", times, np.full((len(times), 1), np.nan), 0.0, **more)


def whole_ways(name: str, made: tuple[System, Array, list[Experiment]]) -> list[object]:
    """A row of the second table."""
    system, p, experiments = made
    at_once, in_parts = (make_engine(system, SolverOptions(rtol=1e-6, atol=1e-8), system.parameters) for _ in range(2))
    plan = in_parts._plan(in_parts._kind(experiments))
    plan._compiled[in_parts.sensitive] = None
    turn = count(1)

    def moved() -> Array:
        # Other parameters each time, as in a search: what is known of times that move is of no use.
        return p * (1 + 1e-6 * next(turn))

    tasks = [lambda engine=engine: engine.solve(moved(), experiments, True) for engine in (at_once, in_parts)]
    whole, parts = (engine.solve(p, experiments, True) for engine in (at_once, in_parts))
    quick, slow = shortest(tasks, 1.0)
    apart = np.abs(whole.dy - parts.dy).max() / np.abs(parts.dy).max()
    return [name, f"{1e3 * quick:.3g}", f"{1e3 * slow:.3g}", f"{slow / quick:.0f}", f"{apart:.0e}"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller chains")
    parser.add_argument("--ways", action="store_true", help="the second table alone")
    chosen = parser.parse_args()
    quick = chosen.quick
    describe_machine("llvmlite")
    sizes = ((10, 30), (30, 60)) if quick else ((20, 50), (30, 60), (30, 300), (100, 198))
    header = ("us of CPU for a gradient", "back", "sensitivities", "ratio", "back, of 16", "the same", "ratio", "apart")
    if not chosen.ways:
        show("Back through segments", header, [gradients(*size, kind) for kind in KINDS for size in sizes])
    cases = {"thermostat": room(), "12 subjects, estimated lag": subjects(), "3 fermenters, 80 feeds": fermenter()}
    header = ("ms of CPU with all sensitivities", "in one call", "from segment to segment", "times", "apart")
    show("Whole ways", header, [whole_ways(name, made) for name, made in cases.items()])


if __name__ == "__main__":
    main()
