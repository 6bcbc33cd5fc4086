"""The model as mathematics: equations, where they start, what is measured, how measurements scatter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from markupsafe import Markup

from odefit.errors import OdefitError
from odefit.fitting.run import Run
from odefit.model.sharing import written_size
from odefit.model.system import System
from odefit.problem.described import ESTIMATE, FIRST, GIVEN
from odefit.reporting.blocks import Block, Bullets, Equations, Paragraph, Section
from odefit.reporting.markup import element, joined
from odefit.reporting.mathml import LARGEST, formula, rows
from odefit.reporting.sections.noise import noise_lines
from odefit.reporting.symbols import fenced, inline
from odefit.reporting.symbols import symbol as letter
from odefit.reporting.written import written_condition, written_formula, written_rows
from odefit.text import counted

MOST_LINES = 80
"""Equations, expressions, events or parameters that are set."""

_COMMA = Markup(", ")
Line = tuple[Markup, str, list[Markup]]


def model(run: Run) -> Section:
    """What was fitted, as formulas."""
    described, section = run.assembly.described, run.loaded.config.model
    system = described.system
    texts = section.equations or {}
    blocks: list[Block] = [Paragraph(_sentence(system))]
    lines = [_line(slope(name), texts.get(name), f, system) for name, f in system.equations.items()]
    blocks.append(Equations(lines[:MOST_LINES], "Equations"))
    if len(lines) > MOST_LINES:
        blocks.append(Paragraph(f"And {len(lines) - MOST_LINES:,} more, in the config at the end."))
    named = [_line(letter(n), text, system.expressions.get(n), system) for n, text in section.expressions.items()]
    if named:
        blocks.append(Equations(named[:MOST_LINES], "with"))
    given_ties = {name: one.formula for name, one in run.loaded.config.parameters.items()}
    ties = [_line(letter(name), given_ties.get(name), f, system) for name, f in described.ties.items()]
    if ties:
        blocks.append(Equations(ties[:MOST_LINES], "Parameters that follow from others"))
    starts = _starts(run)
    if starts:
        blocks.append(Equations(starts[:MOST_LINES], "At the start"))
    if happenings := _happenings(run):
        blocks.append(Bullets(happenings[:MOST_LINES]))
    blocks.append(Equations(noise_lines(run)[:MOST_LINES], "Measured"))
    given = dict.fromkeys((d.name.partition("[")[0], d.text) for d in run.assembly.derived)
    derived = [(letter(n), "=", [_parsed(text, system)]) for n, text in given if n not in described.ties]
    if derived:
        blocks.append(Equations(derived[:MOST_LINES], "Computed from the estimates"))
    return Section("model", "The model", blocks)


def _sentence(system: System) -> str:
    parts = [f"{counted(len(system.states), 'state')} follow" if len(system.states) > 1 else "One state follows"]
    parts.append("ordinary differential equations" if len(system.states) > 1 else "an ordinary differential equation")
    text = " ".join(parts)
    if system.networks:
        text += f", in which {counted(len(system.networks), 'neural network')} stand for what is not known"
    return f"{text}."


def slope(name: str) -> Markup:
    """d name / d t."""
    d = element("mi", "d", mathvariant="normal")
    return element("mfrac", element("mrow", d, letter(name)), element("mrow", d, element("mi", "t")))


def _line(left: Markup, text: str | None, node: Any, system: System) -> Line:
    """A formula as it was written, where the config has it; else as it is computed."""
    if text is not None:
        try:
            return left, "=", written_rows(text, system.networks)
        except OdefitError:
            return left, "=", [element("mtext", text)]
    if node is None or written_size(node) > LARGEST:
        return left, "=", [element("mtext", "a long formula, see the config at the end")]
    return left, "=", rows(node, system.states)


def _parsed(text: str, system: System) -> Markup:
    try:
        return written_formula(text, system.networks)
    except OdefitError:
        return element("mtext", text)


def _starts(run: Run) -> list[Line]:
    described, system = run.assembly.described, run.assembly.described.system
    times = {e.start for e in run.measured}
    when = element("mn", f"{times.pop():g}") if len(times) == 1 else letter("t_0")
    words = {ESTIMATE: "estimated", FIRST: "the first measured value", GIVEN: "from the table of experiments"}
    given = run.loaded.config.model.initial
    lines = []
    for state, start in system.initial.items():
        left = joined(letter(state), fenced(when))
        said = words.get(described.initial_kind[state])
        if said is not None and f"{state}_0" not in described.starts:
            value = joined(letter(f"{state}_0"), element("mtext", f"\u2003({said})"))
            lines.append((left, "=", [value]))
        else:
            text = given.get(state) if said is None and isinstance(given, Mapping) else None
            lines.append(_line(left, text, described.starts.get(f"{state}_0", start), system))
    return lines


def _happenings(run: Run) -> list[Markup]:
    system, networks = run.assembly.described.system, run.assembly.described.system.networks
    found = []
    if system.rest is not None:
        other = _listed(system.rest.values)
        found.append(joined("Before the start the system is at rest", *([", with ", other] if other else []), "."))
    for event in run.loaded.config.model.events:
        changed = joined(*_changes(event.set, networks))
        if event.when is None:
            times = _between([written_formula(text, networks) for text in event.times[:MOST_LINES]], element("mo", ","))
            when = joined("At ", element("math", letter("t"), element("mo", "="), *times))
        else:
            when = joined("When ", _mathematics(event.when, networks, is_condition=True), " becomes true")
        later = () if event.delay is None else (", ", _mathematics(event.delay, networks), " later")
        found.append(joined(when, *later, ": ", changed, "."))
    return found + _dosing(run)


def _dosing(run: Run) -> list[Markup]:
    """What becomes of doses on their way into the states."""
    section, networks = run.loaded.config.data.doses, run.assembly.described.system.networks
    if section is None or not any(e.doses for e in run.measured):
        return []
    found = []
    if section.is_late:
        found.append(joined("A dose comes ", _mathematics(section.lag, networks), " after the time that is given."))
    if section.is_partial:
        found.append(joined("Of a dose the fraction ", _mathematics(section.fraction, networks), " arrives."))
    return found


def _changes(values: Mapping[str, str], networks: Collection[str]) -> list[Markup]:
    return _between([joined(inline(name), " becomes ", _mathematics(text, networks)) for name, text in values.items()])


def _mathematics(text: str, networks: Collection[str], is_condition: bool = False) -> Markup:
    return element("math", written_condition(text) if is_condition else written_formula(text, networks))


def _between(parts: list[Markup], comma: Markup = _COMMA) -> list[Markup]:
    return [piece for k, part in enumerate(parts) for piece in ((comma, part) if k else (part,))]


def _listed(values: Mapping[str, Any]) -> Markup:
    return joined(*_between([element("math", letter(n), element("mo", "="), formula(f)) for n, f in values.items()]))
