"""A proposal as a config: YAML with comments, to be read and changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odefit.proposing.look import Look
from odefit.proposing.proposal import WITH_FLOOR, Proposal, Unknown
from odefit.proposing.yaml_words import flow, number, scalar
from odefit.text import counted

USUAL_TIMES = ("time", "t")
_WHY = {
    "gaussian": "the data scatter about alike at all sizes; lognormal: by a share of their size",
    "lognormal": "the data scatter by a share of their size; gaussian: alike at all sizes",
    WITH_FLOOR: "the data scatter by a share of their size, and a little near 0; gaussian: alike at all sizes",
    "negative_binomial": "counts, which scatter more the larger they are; gaussian: alike at all sizes",
}
USUAL_EXPERIMENT = "experiment"


def config_text(
    look: Look, proposal: Proposal, out: Path, others: Sequence[str], said: Mapping[str, Any] | None = None
) -> str:
    """The config.

    Parameters
    ----------
    look, proposal
        What the file holds, and the model for it.
    out
        Where the config is written: the file is named from there.
    others
        Systems that might serve as well.
    said
        Keys of the section `data` that were given.
    """
    start = (
        {}
        if proposal.start is None
        else {"start": int(proposal.start) if proposal.start.is_integer() else proposal.start}
    )
    keys = _compartments(look, proposal) | _inputs(look, proposal, out) | start | dict(said or {})
    data = data_lines(look, list(proposal.observables), proposal.columns, proposal.left, out, keys)
    return "\n".join([*_head(look, proposal, out, others), *_model(look, proposal), *data, *_fit(look, proposal), ""])


def _head(look: Look, proposal: Proposal, out: Path, others: Sequence[str]) -> Iterator[str]:
    yield "# Proposed by `odefit init`: a first guess. Read it, change what you know better, then"
    yield f"#   odefit check {out.name}"
    yield f"#   odefit fit {out.name}"
    yield f"# {found(look)}."
    yield from (f"# {remark}." for remark in look.remarks)
    yield f"# The model is the built-in `{proposal.entry.name}`: {proposal.entry.title}."
    if proposal.called:
        yield f"# Here {' and '.join(f'{state} is called {name}' for state, name in proposal.called.items())}."
    if proposal.entry.notes and not proposal.entry.family:
        yield f"# {proposal.entry.notes}"
    if others:
        yield f"# It might be another: odefit init {look.path.name} --model {' | '.join(others)}; see `odefit models`."


def found(look: Look) -> str:
    """What the file holds, in one sentence."""
    times = [pairs[:, 0] for pairs in look.series.values()]
    span = f"{look.time} = {min(t.min() for t in times):g} to {max(t.max() for t in times):g}"
    what = ", ".join(f"{name} ({len(pairs):,})" for name, pairs in look.series.items())
    kind = {"wide": "a column for each quantity", "long": "a row for each measurement", "events": "a table of events"}
    kind["beside"] = look.beside.what if look.beside else ""
    told = f" (column {look.experiment})" if look.experiment else ""
    doses = f", doses up to {look.dose:g}" if look.dose is not None else ""
    size = f"{counted(look.rows, 'row')}, {counted(look.experiments, 'experiment')}{told}"
    return f"{look.path.name} has {kind[look.kind]}: {size}, {span}{doses}; measured: {what}"


def _model(look: Look, proposal: Proposal) -> Iterator[str]:
    yield "model:"
    yield "  equations:"
    yield from (f"    {state}: {scalar(text)}" for state, text in proposal.equations.items())
    starts = set(proposal.initial.values())
    if starts == {"estimate"}:
        yield "  initial: estimate"
    else:
        inner = ", ".join(
            f"{state}: {value if isinstance(value, str) else f'{value:g}'}" for state, value in proposal.initial.items()
        )
        yield f"  initial: {{{inner}}}"
    if proposal.held:
        yield f"  # No measurement tells how large {' and '.join(proposal.held)} is: write yours, such as a dose."
    told = proposal.observables
    shown = {name: f"{{increase: {text}}}" if name == proposal.anew else scalar(text) for name, text in told.items()}
    if (name := proposal.anew) is not None:
        yield "  # C adds up all who fall ill; its increase is what is new since the count before. Of a share that is"
        yield f"  # reported: {{increase: rho*C}}. If {name} says how many are ill at a time: {{{name}: I}}."
    yield f"  observables: {{{', '.join(f'{key}: {text}' for key, text in shown.items())}}}"
    yield "parameters:"
    yield "  # Starts and bounds from the size of the data: where you know better, say so."
    if any(one.by for one in proposal.unknowns):
        yield "  # The experiments differ: `by` gives each a value of its own; without it there is one for all."
    elif look.experiments > 1:
        yield "  # One value for all experiments; `by: experiment` in a parameter gives each its own."
    if look.beside and look.beside.constants:
        yield f"  # Formulas may use {', '.join(look.beside.constants)}, which the headers say of each experiment."
    if look.constants.names:
        yield f"  # Formulas and `by` may use {', '.join(look.constants.names)}: the same throughout an experiment."
    yield from (_parameter(unknown) for unknown in proposal.unknowns)


def _parameter(one: Unknown) -> str:
    scale = "" if one.scale == "linear" else f", scale: {one.scale}"
    remark = f"  # {one.remark}" if one.remark else ""
    by = f", by: {one.by}" if one.by else ""
    if one.fixed:
        return f"  {one.name}: {{value: {number(one.value)}, estimate: false}}{remark}"
    bounds = f"[{number(one.lower)}, {number(one.upper)}]"
    return f"  {one.name}: {{value: {number(one.value)}, bounds: {bounds}{scale}{by}}}{remark}"


def data_lines(
    look: Look,
    observables: Sequence[str],
    columns: Mapping[str, str | Sequence[str]],
    left: Sequence[str],
    out: Path,
    said: Mapping[str, Any],
) -> Iterator[str]:
    """The section `data`: how the file is read.

    Parameters
    ----------
    look
        What the file holds.
    observables
        What is measured of the model.
    columns
        Observable -> column or columns, where they are not of its name.
    left
        What was measured, and no part of the model takes.
    out
        Where the config is written: the file is named from there.
    said
        Keys that were given.
    """
    remarks = dict[str, str]()
    keys: dict[str, Any] = {"csv": os.path.relpath(look.path, out.parent)}
    if look.kind != "events":
        if look.time not in USUAL_TIMES:
            keys["time"] = look.time
        if look.experiment not in (None, USUAL_EXPERIMENT):
            keys["experiment"] = look.experiment
    if look.kind == "long":
        if look.observable not in ("observable", "name"):
            keys["observable"] = look.observable
        if look.value != "value":
            keys["value"] = look.value
    if look.beside and look.beside.are_times:
        keys.pop("time", None)
    if look.time_unit:
        keys["time_unit"] = look.time_unit
    if look.absent:
        keys["missing"], remarks["missing"] = list(look.absent), "taken for cells that mean: not measured"
    if columns:
        keys["columns"] = dict(columns)
    named = _with_errors(look, observables, columns)
    _limits(look, observables, columns, keys, remarks)
    if look.kind == "long" and look.sigmas.get("", "sigma") != "sigma":
        keys["sigma"] = look.sigmas[""]
    elif look.kind != "long" and named:
        keys["sigma"] = named
    unused = {**look.unused, **dict.fromkeys(look.limits.columns, "the limit is that of `limit`")}
    if look.kind == "long" and left:
        keys["ignore"], remarks["ignore"] = list(left), "measured, but no part of this model"
    elif look.kind == "wide":
        unused |= dict.fromkeys(left, "measured, but no part of this model")
    unused = {name: why for name, why in unused.items() if name not in (said.get("date"), said.get("unit"))}
    if unused:
        keys["unused"], remarks["unused"] = list(unused), "; ".join(sorted({why for why in unused.values() if why}))
    yield "data:"
    for key, value in {**keys, **said}.items():
        remark = f"  # {remarks[key]}" if remarks.get(key) else ""
        text = flow(value) if isinstance(value, dict | list | tuple) else scalar(value)
        yield f"  {key}: {text}{remark}"


def _inputs(look: Look, proposal: Proposal, out: Path) -> dict[str, Any]:
    """`data.inputs`, for what the experiment sets in the course of time: constant until the next row."""
    csv = os.path.relpath(look.path, out.parent)
    times = {} if look.time in USUAL_TIMES else {"time": look.time}
    told = {} if look.experiment in (None, USUAL_EXPERIMENT) else {"experiment": look.experiment}
    found = {
        name: {"csv": csv, "column": column, **times, **told, "interpolation": "previous"}
        for name, column in proposal.inputs.items()
    }
    return {"inputs": found} if found else {}


def _compartments(look: Look, proposal: Proposal) -> dict[str, Any]:
    """`data.compartments`, where the doses go into a compartment that is not the number of its state."""
    into = look.events.into
    if look.kind != "events" or len(into) != 1 or into[0] in ("", "1") or len(look.events.measured) > 1:
        return {}
    state = next((state for state, value in proposal.entry.initial.items() if value), None)
    return {"compartments": {into[0]: state}} if state and "iv" in proposal.entry.name.split("_") else {}


def _limits(
    look: Look,
    observables: Sequence[str],
    columns: Mapping[str, str | Sequence[str]],
    keys: dict[str, Any],
    remarks: dict[str, str],
) -> None:
    """Which values are limits: the columns of flags, and the limits that neither they nor the cells name."""
    limits = look.limits
    source = {name: columns.get(name, name) for name in observables}
    if look.kind == "events" and len(observables) == 1:
        source = dict.fromkeys(observables, look.value or "")
    if look.kind == "long" and limits.flags:
        keys["censored"] = next(iter(limits.flags.values()))
    elif limits.flags:
        flags = {n: limits.flags.get(str(source[n]), limits.flags.get("")) for n in observables}
        keys["censored"] = {name: flag for name, flag in flags.items() if flag}
    labels = look.beside.columns if look.beside else {}
    below = {
        name: limits.below[label]
        for name in observables
        for label in limits.below
        if label == source[name] or labels.get(label) == source[name]
    }
    if below:
        keys["limit"] = below
        guess = "no column holds the limit: taken is the smallest measured value; write yours"
        remarks["limit"] = guess if limits.guessed else ""


def _fit(look: Look, proposal: Proposal) -> Iterator[str]:
    kinds = set(proposal.noise.values())
    noise = kinds.pop() if len(kinds) == 1 else proposal.noise
    given = _with_errors(look, list(proposal.observables), proposal.columns)
    if given:
        own = {n: {"sigma": "column"} if n in given else proposal.noise[n] for n in proposal.observables}
        yield f"noise: {flow(own)}  # the errors of the file, as standard deviations"
    elif isinstance(noise, str):
        yield f"noise: {noise}  # {_WHY[noise]}; see docs/noise.md"
    else:
        yield f"noise: {flow(noise)}  # by how each scatters; see docs/noise.md"
    yield "fit: {starts: 20, seed: 0}"


def _with_errors(look: Look, observables: Sequence[str], columns: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Observable -> column of its errors; in a long file one column for all."""
    if "" in look.sigmas:
        return dict.fromkeys(observables, look.sigmas[""])
    taken = {str(columns.get(name, name)): name for name in observables}
    return {taken[column]: sigma for column, sigma in look.sigmas.items() if column in taken}
