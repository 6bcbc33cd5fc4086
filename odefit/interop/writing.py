"""A draft as files: a YAML config that a person would have written, and its CSVs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from odefit.errors import Faults
from odefit.interop.draft import Draft, DraftEvent, DraftParameter, DraftPlot, DraftTable
from odefit.interop.formula_text import Inexpressible, condition_text, formula_text
from odefit.interop.mathematics import Number, Tree
from odefit.interop.network_text import network_lines
from odefit.interop.yaml_text import number, prior_text, quoted, short_mapping
from odefit.text import clip

DATA, EXPERIMENTS = "data.csv", "experiments.csv"
WIDTH = 110
RTOL = "1.0e-8"
"""Tolerance of the solver: the objectives that tools are compared by want more digits than a fit does."""
RTOL_OF_KINKS = "1.0e-13"
"""Where steps go over kinks of a network: the gradient of such a step errs by the root of its tolerance."""
ATOL = "1.0e-16"
"""Where a steady state is looked for: an initial value that is next to nothing says nothing of the size of a state."""
STARTS, BUDGET = 20, 600
FIT_OF_NETWORKS = "fit: {method: lbfgs, loss: nll, seed: 0}"
"""A problem with networks is trained from the weights that it gives."""


def config_files(draft: Draft, faults: Faults) -> dict[str, str]:
    """The files of a config by their names, the config first.

    Parameters
    ----------
    draft
        The config.
    faults
        Is told of formulas that odefit's language cannot hold.
    """
    writer = _Writer(draft, faults)
    files = {f"{draft.name}.yaml": writer.config()}
    if draft.data is not None:
        files[DATA] = writer.table(draft.data)
    if draft.experiments is not None:
        files[EXPERIMENTS] = writer.table(draft.experiments)
    return files


class _Writer:
    def __init__(self, draft: Draft, faults: Faults) -> None:
        self.draft, self.faults = draft, faults

    def formula(self, tree: Tree, where: str, is_condition: bool = False) -> str:
        try:
            return condition_text(tree) if is_condition else formula_text(tree)
        except Inexpressible as error:
            self.faults.add(f"{clip(self.draft.origin)}, {clip(where)}", str(error))
            return "0"

    def number(self, value: float, where: str) -> str:
        return quoted(self.formula(Number(value), where))

    # -- the config

    def config(self) -> str:
        parts = [self.head(), self.model(), self.parameters(), self.data()]
        if self.draft.noise:
            parts.append(self.noise())
        if self.draft.plots:
            parts.append(["plots:", *(line for name, plot in self.draft.plots.items() for line in _plot(name, plot))])
        atol = "" if self.draft.steady_state is None else f", atol: {ATOL}"
        rtol = RTOL_OF_KINKS if self.draft.kinks else RTOL
        parts.append([f"solver: {{rtol: {rtol}{atol}}}"])
        if self.draft.networks:
            parts.append([FIT_OF_NETWORKS])
        elif self.draft.simulate is None:
            parts.append([f"fit: {{starts: {STARTS}, budget: {BUDGET}, seed: 0}}"])
        return "\n\n".join("\n".join(lines) for lines in parts) + "\n"

    def head(self) -> list[str]:
        lines = [f"# Made by `odefit import` from {self.draft.origin}."]
        if said := (*self.draft.decisions, *self.draft.unnamed.values()):
            lines.append("#")
            lines += [line for decision in said for line in _comment(decision)]
        return [*lines, f"title: {quoted(self.draft.name)}"]

    def model(self) -> list[str]:
        draft = self.draft
        lines = ["model:", "  equations:"]
        lines += self.entries(draft.equations, "equations")
        if draft.expressions:
            lines += ["  expressions:", *self.entries(draft.expressions, "expressions")]
        if draft.initial:
            lines += self.short("initial", draft.initial)
        if draft.steady_state is not None:
            lines += self.steady_state(draft.steady_state)
        if draft.observables:
            lines += ["  observables:", *self.entries(draft.observables, "observables")]
        if draft.renamed:
            texts = {quoted(new, flow=True): _text(old) for old, new in draft.renamed.items()}
            lines += ["  original_names:", *(f"    {new}: {old}" for new, old in texts.items())]
        lines += network_lines(draft.networks)
        if draft.events:
            lines += ["  events:", *(line for event in draft.events for line in self.event(event))]
        return lines

    def entries(self, formulas: Mapping[str, Tree], section: str) -> Iterator[str]:
        for name, tree in formulas.items():
            note = self.draft.notes.get(name, "") if section == "equations" else ""
            text = self.formula(tree, f"{section}.{name}")
            yield f"    {quoted(name)}: {quoted(text)}{_beside(note)}"

    def steady_state(self, before: Mapping[str, Tree]) -> list[str]:
        if not before:
            return ["  steady_state: true"]
        first, *rest = self.short("steady_state", before)
        return [first + _beside("before the start, until nothing moves"), *rest]

    def short(self, section: str, formulas: Mapping[str, Tree]) -> list[str]:
        """A mapping on one line where it fits there."""
        texts = {n: quoted(self.formula(tree, f"{section}.{n}"), flow=True) for n, tree in formulas.items()}
        line = f"  {section}: {short_mapping({quoted(n, flow=True): text for n, text in texts.items()})}"
        return [line] if len(line) <= WIDTH else [f"  {section}:", *self.entries(formulas, section)]

    def event(self, event: DraftEvent) -> list[str]:
        where = f"event {event.comment}"
        keys = {}
        for key, tree in (("time", event.time), ("when", event.when), ("delay", event.delay)):
            if tree is not None:
                keys[key] = quoted(self.formula(tree, where, key == "when"), flow=True)
        if event.priority is not None:
            keys["priority"] = quoted(self.formula(event.priority, where), flow=True)
        if event.at_start:
            keys["at_start"] = "true"
        if event.early_values:
            keys["values"] = "trigger"
        if not event.persistent:
            keys["persistent"] = "false"
        changes = ", ".join(f"{n}: {quoted(self.formula(t, where), flow=True)}" for n, t in event.changes.items())
        body = ", ".join(f"{key}: {value}" for key, value in keys.items())
        return [f"    - {{{body}, set: {{{changes}}}}}{_beside(event.comment)}"]

    # -- parameters

    def parameters(self) -> list[str]:
        unknown = [p for p in self.draft.parameters if p.estimate and p.formula is None]
        derived = [p for p in self.draft.parameters if p.formula is not None]
        fixed = [p for p in self.draft.parameters if not p.estimate and p.formula is None]
        if not self.draft.parameters:
            return ["parameters: {}"]
        lines = ["parameters:"]
        for title, group in (("", unknown), ("computed from others", derived), (self.of_fixed(), fixed)):
            if group and title:
                lines.append(f"  # {title}")
            lines += [f"  {quoted(p.name)}: {self.parameter(p)}{_beside(p.comment)}" for p in group]
        return lines

    def of_fixed(self) -> str:
        if self.draft.simulate is None:
            return "constants"
        return "constants; to estimate one: {value: 0.1, bounds: [0.001, 10], scale: log}"

    def parameter(self, parameter: DraftParameter) -> str:
        if parameter.formula is not None:
            return quoted(self.formula(parameter.formula, f"parameters.{parameter.name}"))
        keys = {}
        if parameter.value is not None:
            keys["value"] = self.number(parameter.value, f"parameters.{parameter.name}")
        if not parameter.estimate:
            return short_mapping(keys | {"estimate": "false"})
        if parameter.bounds is not None:
            keys["bounds"] = f"[{', '.join(map(number, parameter.bounds))}]"
        if parameter.log:
            keys["scale"] = "log"
        if parameter.prior is not None:
            keys["prior"] = prior_text(parameter.prior)
        return short_mapping(keys)

    # -- data, noise

    def data(self) -> list[str]:
        if self.draft.simulate is not None:
            times = self.draft.simulate
            span = f"{{start: {number(times.start)}, stop: {number(times.stop)}, count: {times.count}}}"
            lines = ["data:", f"  simulate: {{times: {span}}}"]
            return [*lines, "  # with data of your own, instead: csv: mine.csv"]
        lines = ["data:", f"  csv: {DATA}"]
        if self.draft.start is not None:
            lines.append(f"  start: {number(self.draft.start)}")
        if self.draft.jumps:
            lines.append("  at_jumps: after")
        if self.draft.experiments is not None:
            lines.append(f"  experiments: {EXPERIMENTS}")
        if self.draft.arrays:
            lines.append(f"  arrays: {short_mapping(dict(self.draft.arrays))}")
        return lines

    def noise(self) -> list[str]:
        entries = {}
        for name, noise in self.draft.noise.items():
            sigma = "column" if noise.sigma is None else quoted(self.formula(noise.sigma, f"noise.{name}"), flow=True)
            entries[name] = short_mapping({"model": noise.model, "sigma": sigma})
        if len(set(entries.values())) == 1:
            return [f"noise: {next(iter(entries.values()))}"]
        return ["noise:", *(f"  {quoted(name)}: {entry}" for name, entry in entries.items())]

    # -- tables

    def table(self, table: DraftTable) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.header)
        writer.writerows([self.cell(cell, table.header[i]) for i, cell in enumerate(row)] for row in table.rows)
        return text.getvalue()

    def cell(self, cell: Tree | str, column: str) -> str:
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Number) and math.isinf(cell.value):
            return "inf"
        return self.formula(cell, f"column {column}")


def _plot(name: str, plot: DraftPlot) -> list[str]:
    lines = [f"  {quoted(name)}:", f"    title: {quoted(plot.title)}"]
    if plot.x != "time":
        lines.append(f"    x: {quoted(plot.x)}")
    texts = {"x_label": plot.x_label, "y_label": plot.y_label}
    lines += [f"    {key}: {quoted(text)}" for key, text in texts.items() if text]
    scales = {"x_scale": plot.x_log, "y_scale": plot.y_log}
    lines += [f"    {key}: log" for key, log in scales.items() if log]
    if plot.x_offset:
        lines.append(f"    x_offset: {number(plot.x_offset)}")
    lines.append("    curves:")
    for curve in plot.curves:
        keys = {"observable": quoted(curve.observable, flow=True)}
        keys["experiments"] = f"[{', '.join(quoted(name, flow=True) for name in curve.experiments)}]"
        if curve.label:
            keys["label"] = quoted(curve.label, flow=True)
        lines.append(f"      - {short_mapping(keys)}")
    return lines


def _comment(text: str) -> Iterable[str]:
    return [f"# {line}" for line in wrap(text, WIDTH, subsequent_indent="  ")]


def _beside(text: str) -> str:
    return f"  # {' '.join(text.split())}" if text else ""


def _text(text: str) -> str:
    """A text that no reader of YAML takes for a number, or for yes or no."""
    return json.dumps(text)
