"""Gradients back through doses, lags, events and rest, beside the same by sensitivities.

    OMP_NUM_THREADS=1 python benchmarks/way_back.py [--quick]

Chains of mass action (kernel.py) with ten doses at known times, with the same doses whose lag and fraction are
parameters, with a dose that comes whenever the first state is low, or at rest before a stimulus and one dose. A line is
the solution and the gradient of a sum of all states at 50 times with random weights, of one member and of each of 16
in one call; times are CPU time, the shortest of some turns, `apart` is how far both gradients p dg/dp are from one
another, in parts of the largest, at tolerances of 1e-9 in place of 1e-6.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from kernel import Array, chain, shortest
from timing import describe_machine, show

from odefit.data.experiments import Dose, Experiment
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


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller chains")
    quick = parser.parse_args().quick
    describe_machine("llvmlite")
    sizes = ((10, 30), (30, 60)) if quick else ((20, 50), (30, 60), (30, 300), (100, 198))
    header = ("us of CPU for a gradient", "back", "sensitivities", "ratio", "back, of 16", "the same", "ratio", "apart")
    show("Back through segments", header, [gradients(*size, kind) for kind in KINDS for size in sizes])


if __name__ == "__main__":
    main()
