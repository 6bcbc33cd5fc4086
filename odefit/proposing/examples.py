"""An example of a built-in system: measurements made at its nominal values, and a config that finds these again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.data.experiments import Experiment
from odefit.data.table_writing import table_text
from odefit.model import catalogue
from odefit.model.built_in.entry import Entry
from odefit.model.built_in.examples import EXAMPLES, Example
from odefit.problem.simulation import simulate_data
from odefit.proposing.yaml_words import flow, number, scalar
from odefit.records import dataclass

SEED = 1
DIGITS = 4
"""Of the measurements."""
OFF, WIDTH = 1.5, 10.0
"""How far from the truth the search begins, and its bounds lie, as factors."""


@dataclass(frozen=True)
class Made:
    """An example.

    Parameters
    ----------
    name, title
        Of the built-in system.
    config, table
        The text of the config, and of the CSV that it names.
    truth
        What made the measurements: parameter -> value, of those that the config estimates.
    command
        What is done with it: `fit`, or `discover`.
    """

    name: str
    title: str
    config: str
    table: str
    truth: Mapping[str, float]
    command: str = "fit"


def example(name: str, csv: str) -> Made:
    """The example of a built-in system that has equations, or of `sparse`.

    Parameters
    ----------
    name
        Of the system.
    csv
        Where the measurements will lie, seen from the config.

    Raises
    ------
    ModelError
        There is no such system.
    """
    entry = catalogue.entry(name)
    if name == "sparse":
        return _to_be_discovered(entry, csv)
    plan = _Plan(entry)
    text = "\n".join([*_head(entry, plan.example.remark), *plan.lines(csv), ""])
    return Made(name, entry.title, text, table_text(csv, plan.measurements(), list(plan.measured)), plan.truth)


def _to_be_discovered(entry: Entry, csv: str) -> Made:
    """The prey and predators of Lotka and Volterra, as if nobody had known their equations."""
    plan = _Plan(catalogue.entry("lotka_volterra"), Example(count=61))
    made = "They are those of `lotka_volterra`, which `odefit discover` finds again."
    lines = [
        *_head(entry, made),
        "title: Which equations are these?",
        "model:",
        f"  name: {entry.name}",
        f"  states: {flow(list(plan.equations))}",
        "  library: {degree: 3}",
        f"data: {{csv: {scalar(csv)}}}",
        "",
    ]
    table = table_text(csv, plan.measurements(), list(plan.measured))
    return Made(entry.name, entry.title, "\n".join(lines), table, {}, "discover")


def _head(entry: Entry, remark: str) -> Iterator[str]:
    yield f"# An example of the built-in `{entry.name}`: {entry.title}."
    yield f"# Source: {entry.reference}"
    yield from (f"# {said}" for said in (entry.notes, remark) if said)
    yield "# The measurements are made, not measured: the model at its nominal values, with noise. For data of your own"
    yield "# name your file under `data`, or let `odefit init` look at it."


class _Plan:
    """What is measured of a system, and what is estimated from that."""

    def __init__(self, entry: Entry, measured: Example | None = None) -> None:
        self.entry, self.example = entry, measured or EXAMPLES.get(entry.name, Example())
        self.equations, nominal, begin = entry.equations, {**entry.parameters, **entry.of_measured}, entry.initial
        if entry.family:  # `linear`
            states = ("x", "y")
            self.equations, nominal = catalogue.linear_equations(states)
            begin = dict.fromkeys(states, 1.0)
        self.begin = begin
        self.measured = self.example.measured or entry.measured or {state: state for state in self.equations}
        self.by_experiment = {name for one in self.example.experiments.values() for name in one}
        self.parameters = {name: value for name, value in nominal.items() if name not in self.by_experiment}
        self.fixed = {*entry.known, *self.example.known}
        usual = {s: "estimate" if value and s in self.measured.values() else value for s, value in begin.items()}
        self.initial: dict[str, str | float] = {
            s: value for s, value in {**usual, **self.example.initial}.items() if f"{s}_0" not in self.by_experiment
        }
        self.noise = self._noise(self._exact())

    @property
    def truth(self) -> dict[str, float]:
        """Of what is estimated, but for the noise."""
        free = {name: value for name, value in self.parameters.items() if name not in self.fixed}
        each = [f"[{name}]" for name in self.example.experiments] or [""]  # which begins with a value of its own
        return free | {f"{name}{own}": value for name, value in self.starts.items() for own in each}

    @property
    def starts(self) -> dict[str, float]:
        """Initial values that are estimated."""
        return {f"{s}_0": self.begin[s] for s, value in self.initial.items() if value == "estimate"}

    @property
    def times(self) -> FloatArray:
        start, end = self.entry.time_span
        if self.example.times:
            return np.array(self.example.times)
        times = np.linspace(start, self.example.end or end, self.example.count)
        return np.array([float(f"{t:.{DIGITS}g}") for t in times])

    def measurements(self) -> tuple[Experiment, ...]:
        """With noise, as an instrument would show them."""
        return tuple(replace(e, values=_rounded(e.values)) for e in self._simulated(self.noise))

    def _exact(self) -> FloatArray:
        """[T, K], of all experiments."""
        return np.concatenate([e.values for e in self._simulated(dict.fromkeys(self.measured, 0.0))])

    def _simulated(self, noise: Mapping[str, Any]) -> tuple[Experiment, ...]:
        initial = {s: self.begin[s] if value == "estimate" else value for s, value in self.initial.items()}
        model = {"equations": dict(self.equations), "initial": initial, "observables": dict(self.measured)}
        simulate = {"times": self.times.tolist(), "noise": dict(noise), "seed": SEED}
        data: dict[str, Any] = {"simulate": simulate, "start": self.entry.time_span[0]}
        if self.example.experiments:
            data["experiments"] = {name: dict(one) for name, one in self.example.experiments.items()}
        parameters = {name: {"value": value, "estimate": False} for name, value in self.parameters.items()}
        return simulate_data(load_config({"model": model, "parameters": parameters, "data": data})).experiments

    def _noise(self, exact: FloatArray) -> dict[str, dict[str, Any]]:
        """Observable -> how it scatters."""
        told = self.example.noise
        found = {}
        for column, name in enumerate(self.measured):
            usual = "lognormal" if (exact[:, column] > 0).all() else "gaussian"
            model = (told if isinstance(told, str) else told.get(name, "")) or usual
            share = self.example.share
            sigma = share if model == "lognormal" else float(f"{share * np.ptp(exact[:, column]):.1g}")
            found[name] = {"model": model, "sigma": sigma}
        return found

    def lines(self, csv: str) -> Iterator[str]:
        yield f"title: {scalar(f'{self.entry.name}, simulated')}"
        yield "model:"
        yield "  equations:"
        yield from (f"    {state}: {scalar(text)}" for state, text in self.equations.items())
        if self.initial:
            inner = ", ".join(f"{s}: {v if isinstance(v, str) else number(v)}" for s, v in self.initial.items())
            yield f"  initial: {{{inner}}}"
        inner = ", ".join(f"{name}: {scalar(text)}" for name, text in self.measured.items())
        yield f"  observables: {{{inner}}}"
        yield "parameters:  # behind each stands what the measurements were made with"
        high = itertools.cycle((OFF, 1 / OFF))
        for name, value in {**self.parameters, **self.starts}.items():
            yield _fixed(name, value) if name in self.fixed else _free(name, value, next(high))
        yield "data:"
        yield f"  csv: {scalar(csv)}"
        if self.times[0] > self.entry.time_span[0]:
            yield f"  start: {self.entry.time_span[0]:g}"
        if self.example.experiments:
            yield "  experiments:"
            yield from (f"    {name}: {flow(dict(one))}" for name, one in self.example.experiments.items())
        kinds = {name: one["model"] for name, one in self.noise.items()}
        yield f"noise: {next(iter(kinds.values())) if len(set(kinds.values())) == 1 else flow(kinds)}"
        yield f"fit: {{starts: {self.example.starts}, seed: 0}}"


def _free(name: str, value: float, off: float) -> str:
    remark = f"  # {value:.6g}"
    begun = float(f"{value * off:.2g}")
    if value > 0:
        low, high = (number(float(f"{end:.2g}")) for end in (value / WIDTH, value * WIDTH))
        return f"  {name}: {{value: {number(begun)}, bounds: [{low}, {high}], scale: log}}{remark}"
    width = number(float(f"{WIDTH * abs(value):.2g}") or WIDTH)
    return f"  {name}: {{value: {number(begun)}, bounds: [-{width}, {width}]}}{remark}"


def _fixed(name: str, value: float) -> str:
    return f"  {name}: {{value: {number(value)}, estimate: false}}  # known"


def _rounded(values: FloatArray) -> FloatArray:
    return np.array([float(f"{v:.{DIGITS}g}") for v in values.ravel()]).reshape(values.shape)
